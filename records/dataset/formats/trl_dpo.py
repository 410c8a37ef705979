"""`trl-dpo`: rows of prompt, chosen and rejected for TRL's DPOTrainer.

Tools and tool arguments are as in `trl-sft`. Source: TRL, "Dataset formats": preference with explicit prompt.
"""

from collections.abc import Iterator

from records.dataset.example import Example, Fields
from records.dataset.format import TrainingFormat
from records.dataset.lesson import of_preference
from records.dataset.messages import TURN_COLUMNS, tool_text_faults, tools_text, two_answer_faults, worded


def _row(example: Example) -> Fields:
    return {
        "prompt": [worded(turn) for turn in example.prompt],
        "chosen": [worded(example.answer)],
        "rejected": [worded(example.rejected)] if example.rejected else [],
        "tools": tools_text(example.tools),
    }


def _faults(fields: Fields) -> Iterator[str]:
    yield from two_answer_faults(fields, "prompt", "chosen", "rejected")
    yield from tool_text_faults(fields.get("tools"))


FORMAT = TrainingFormat(
    row=_row,
    fields=frozenset({"prompt", "chosen", "rejected", "tools"}),
    faults=_faults,
    lessons=of_preference("prompt", "chosen", "rejected"),
    learns="preferences",
    columns=f"""\
  - name: prompt
{TURN_COLUMNS}
  - name: chosen
{TURN_COLUMNS}
  - name: rejected
{TURN_COLUMNS}
  - name: tools
    dtype: json""",
)
