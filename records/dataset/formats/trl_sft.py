"""`trl-sft`: rows of prompt and completion for TRL's SFTTrainer, which takes its loss from the completion alone.

Tools and tool arguments are JSON text, as the model wrote it: as objects, Arrow would give each call the arguments of
all others as nulls, and `datasets` would cut decimals to ten places. The card declares them as JSON, so that
`datasets.load_dataset` gives objects, as chat templates want them; templates join content to other text, so it is never
null. Source: TRL, "Dataset formats": prompt-completion.
"""

from collections.abc import Iterator

from records.dataset.example import Example, Fields
from records.dataset.format import TrainingFormat
from records.dataset.lesson import of_answer
from records.dataset.messages import TURN_COLUMNS, message_faults, tool_text_faults, tools_text, worded


def _row(example: Example) -> Fields:
    return {
        "prompt": [worded(turn) for turn in example.prompt],
        "completion": [worded(example.answer)],
        "tools": tools_text(example.tools),
    }


def _faults(fields: Fields) -> Iterator[str]:
    yield from message_faults(fields, "prompt", "completion")
    yield from tool_text_faults(fields.get("tools"))


FORMAT = TrainingFormat(
    row=_row,
    fields=frozenset({"prompt", "completion", "tools"}),
    faults=_faults,
    lessons=of_answer("prompt", "completion"),
    columns=f"""\
  - name: prompt
{TURN_COLUMNS}
  - name: completion
{TURN_COLUMNS}
  - name: tools
    dtype: json""",
    note="""
Decimals in tool arguments stand in the files as the model wrote them. `datasets` 5.2 reads JSON columns with a fast
parser that may change their last digit: 0.6 becomes 0.6000000000000001.
""",
)
