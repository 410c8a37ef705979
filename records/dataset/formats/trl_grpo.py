"""`trl-grpo`: rows of prompt and reference for TRL's GRPOTrainer, which gives the reference to the reward functions.

The reference is the message that was recorded, or its correction, as JSON text; so are the tools.
docs/training.md says how a route's own comparator becomes a reward of both.
Source: TRL, "Dataset formats": conversational prompt-only; GRPOTrainer: "Using a custom reward function".
"""

from collections.abc import Iterator

import msgspec

from records.dataset.example import Example, Fields
from records.dataset.format import TrainingFormat
from records.dataset.lesson import of_own_answers
from records.dataset.messages import TURN_COLUMNS, message_faults, tool_text_faults, tools_text, worded
from records.wire.json_reader import read_fields


def _row(example: Example) -> Fields:
    return {
        "prompt": [worded(turn) for turn in example.prompt],
        "reference": msgspec.json.encode(example.answer).decode(),
        "tools": tools_text(example.tools),
    }


def _faults(fields: Fields) -> Iterator[str]:
    yield from message_faults(fields, "prompt", is_asked=True)
    reference = fields.get("reference")
    if not isinstance(reference, str) or read_fields(reference) is None:
        yield "reference: the JSON text of a message"
    yield from tool_text_faults(fields.get("tools"))


FORMAT = TrainingFormat(
    row=_row,
    fields=frozenset({"prompt", "reference", "tools"}),
    faults=_faults,
    lessons=of_own_answers("prompt"),
    columns=f"""\
  - name: prompt
{TURN_COLUMNS}
  - name: reference
    dtype: string
  - name: tools
    dtype: string""",
)
