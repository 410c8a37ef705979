"""`openai-dpo`: preferences as OpenAI, Azure, Together and Fireworks take them.

Source: OpenAI API reference, "Fine-tuning: preference format"; Together and Fireworks, "Preference fine-tuning".
"""

from collections.abc import Iterator
from typing import cast

from records.dataset.example import Example, Fields
from records.dataset.format import TrainingFormat
from records.dataset.lesson import of_preference
from records.dataset.messages import tool_faults, two_answer_faults


def _row(example: Example) -> Fields:
    asked = {"messages": example.prompt, "tools": example.tools, "parallel_tool_calls": example.parallel_tool_calls}
    return {
        "input": {name: value for name, value in asked.items() if value is not None},
        "preferred_output": [example.answer],
        "non_preferred_output": [example.rejected] if example.rejected else [],
    }


def _faults(fields: Fields) -> Iterator[str]:
    asked = fields.get("input")
    if not isinstance(asked, dict):
        yield "input: an object with messages"
        return
    found = cast(Fields, asked)
    if unknown := sorted(found.keys() - {"messages", "tools", "parallel_tool_calls"}):
        yield f"input: unknown fields: {', '.join(unknown)}"
    whole = {**fields, "input.messages": found.get("messages")}
    yield from two_answer_faults(whole, "input.messages", "preferred_output", "non_preferred_output")
    yield from tool_faults(found.get("tools"))


FORMAT = TrainingFormat(
    row=_row,
    fields=frozenset({"input", "preferred_output", "non_preferred_output"}),
    faults=_faults,
    lessons=of_preference("input.messages", "preferred_output", "non_preferred_output"),
    learns="preferences",
    columns="""\
  - name: input
    dtype: json
  - name: preferred_output
    list: json
  - name: non_preferred_output
    list: json""",
)
