"""`openai-rft`: prompts with the recorded answer as `reference_answer`, which a grader reads as an item's own field.

Source: OpenAI API reference, "Fine-tuning: reinforcement format"; "Graders": `{{item.reference_answer}}`.
"""

from collections.abc import Iterator

from records.dataset.example import Example, Fields
from records.dataset.format import TrainingFormat
from records.dataset.lesson import of_own_answers
from records.dataset.messages import message_faults, tool_faults


def _row(example: Example) -> Fields:
    return {"messages": example.prompt, "tools": example.tools, "reference_answer": example.answer}


def _faults(fields: Fields) -> Iterator[str]:
    yield from message_faults(fields, "messages", is_asked=True)
    yield from tool_faults(fields.get("tools"))
    if not isinstance(fields.get("reference_answer"), dict):
        yield "reference_answer: a message"


FORMAT = TrainingFormat(
    row=_row,
    fields=frozenset({"messages", "tools", "reference_answer"}),
    faults=_faults,
    lessons=of_own_answers("messages"),
    columns="""\
  - name: messages
    list: json
  - name: tools
    dtype: json
  - name: reference_answer
    dtype: json""",
)
