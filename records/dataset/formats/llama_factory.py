"""`llama-factory`: chat rows in OpenAI's shape, and the `dataset_info.json` that names them.

LLaMA-Factory trains on every answer of a conversation: `mask_history: true` in its configuration leaves the last alone.
It skips a conversation in which the user and the assistant do not take turns, with a warning in its log.
Source: LLaMA-Factory, data/README.md: "OpenAI format".
"""

import json
from collections.abc import Iterator, Sequence
from functools import partial

from records.dataset.example import Example, Fields
from records.dataset.format import TrainingFormat
from records.dataset.lesson import of_last
from records.dataset.messages import (
    alternation_faults,
    message_faults,
    tool_text_faults,
    tools_text,
    turns_of,
    worded,
)

_turn_faults = partial(alternation_faults, begins=True)


def _row(example: Example) -> Fields:
    return {
        "messages": [worded(turn) for turn in (*example.prompt, example.answer)],
        "tools": tools_text(example.tools) or "",
    }


def _faults(fields: Fields) -> Iterator[str]:
    yield from message_faults(fields, "messages")
    yield from tool_text_faults(fields.get("tools") or None)
    yield from _turn_faults(turns_of(fields))


def _info(splits: Sequence[str]) -> str:
    tags = {
        "role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant",
        "observation_tag": "tool", "function_tag": "function_call", "system_tag": "system",
    }  # fmt: skip
    entries = {
        f"crossfade_{split}": {
            "file_name": f"{split}.jsonl",
            "formatting": "openai",
            "columns": {"messages": "messages", "tools": "tools"},
            "tags": tags,
        }
        for split in splits
    }
    return json.dumps(entries, indent=2) + "\n"


FORMAT = TrainingFormat(
    row=_row,
    fields=frozenset({"messages", "tools"}),
    faults=_faults,
    turn_faults=_turn_faults,
    lessons=of_last,
    companion=("dataset_info.json", _info),
    note="\nSet `mask_history: true`: only the last answer of a row is to be learned.\n",
    columns="""\
  - name: messages
    list: json
  - name: tools
    dtype: string""",
)
