"""`parquet`: rows of prompt, answer and tools as JSON text, for whoever has a trainer of their own."""

from collections.abc import Iterator
from typing import Any

import msgspec

from records.dataset.example import Example, Fields
from records.dataset.format import TrainingFormat
from records.dataset.lesson import of_answer
from records.dataset.messages import message_faults, tool_text_faults, tools_text
from records.wire.json_reader import UnreadableError, read


def _row(example: Example) -> Fields:
    return {
        "prompt": msgspec.json.encode(example.prompt).decode(),
        "answer": msgspec.json.encode(example.answer).decode(),
        "tools": tools_text(example.tools),
    }


def _faults(fields: Fields) -> Iterator[str]:
    found: dict[str, Any] = {}
    for name in ("prompt", "answer"):
        try:
            found[name] = read(fields.get(name) or "null")
        except (UnreadableError, TypeError):
            yield f"{name}: no JSON text"
            return
    yield from message_faults({"prompt": found["prompt"], "answer": [found["answer"]]}, "prompt", "answer")
    yield from tool_text_faults(fields.get("tools"))


FORMAT = TrainingFormat(
    row=_row,
    fields=frozenset({"prompt", "answer", "tools"}),
    faults=_faults,
    lessons=of_answer("prompt", "answer"),
    is_parquet=True,
    columns="""\
  - name: prompt
    dtype: string
  - name: answer
    dtype: string
  - name: tools
    dtype: string""",
)
