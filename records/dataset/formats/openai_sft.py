"""`openai-sft`: the interchange format; OpenAI, Azure, Together, Fireworks, Axolotl and LLaMA-Factory read it.

The assistant's earlier turns have `weight: 0`: they are the prompt.
Source: OpenAI API reference, "Fine-tuning: chat format".
"""

from collections.abc import Iterator

from records.dataset.example import Example, Fields
from records.dataset.format import TrainingFormat
from records.dataset.lesson import of_marked
from records.dataset.messages import message_faults, tool_faults


def _row(example: Example) -> Fields:
    earlier = [turn | {"weight": 0} if turn["role"] == "assistant" else turn for turn in example.prompt]
    return {
        "messages": [*earlier, example.answer],
        "tools": example.tools,
        "parallel_tool_calls": example.parallel_tool_calls,
    }


def _faults(fields: Fields) -> Iterator[str]:
    yield from message_faults(fields, "messages", weighed=True)
    yield from tool_faults(fields.get("tools"))


FORMAT = TrainingFormat(
    row=_row,
    fields=frozenset({"messages", "tools", "parallel_tool_calls"}),
    faults=_faults,
    lessons=of_marked("weight", unmarked=True),
    columns="""\
  - name: messages
    list: json
  - name: tools
    dtype: json
  - name: parallel_tool_calls
    dtype: bool""",
)
