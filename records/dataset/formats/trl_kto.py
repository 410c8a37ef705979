"""`trl-kto`: rows of prompt, completion and label for TRL's KTOTrainer: each vote of an app or its user is one.

Tools and tool arguments are as in `trl-sft`. Source: TRL, "Dataset formats": conversational unpaired preference.
"""

from collections.abc import Iterator

from records.dataset.example import Example, Fields
from records.dataset.format import TrainingFormat
from records.dataset.lesson import of_vote
from records.dataset.messages import TURN_COLUMNS, message_faults, tool_text_faults, tools_text, worded


def _row(example: Example) -> Fields:
    return {
        "prompt": [worded(turn) for turn in example.prompt],
        "completion": [worded(example.answer)],
        "label": example.is_good,
        "tools": tools_text(example.tools),
    }


def _faults(fields: Fields) -> Iterator[str]:
    yield from message_faults(fields, "prompt", "completion")
    if not isinstance(fields.get("label"), bool):
        yield "label: true or false"
    yield from tool_text_faults(fields.get("tools"))


FORMAT = TrainingFormat(
    row=_row,
    fields=frozenset({"prompt", "completion", "label", "tools"}),
    faults=_faults,
    lessons=of_vote("prompt", "completion", "label"),
    learns="votes",
    columns=f"""\
  - name: prompt
{TURN_COLUMNS}
  - name: completion
{TURN_COLUMNS}
  - name: label
    dtype: bool
  - name: tools
    dtype: json""",
)
