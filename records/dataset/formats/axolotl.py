"""`axolotl`: chat rows whose turns say whether they are trained on, and the `datasets` entry that reads them so.

Tool arguments are JSON text. Source: Axolotl, "Dataset formats: conversation", `type: chat_template`.
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast

from records.dataset.example import Example, Fields
from records.dataset.format import TrainingFormat
from records.dataset.lesson import of_marked
from records.dataset.messages import message_faults, tool_faults, worded


def _row(example: Example) -> Fields:
    asked = [worded(turn) | {"train": False} for turn in example.prompt]
    return {"messages": [*asked, worded(example.answer) | {"train": True}], "tools": example.tools}


def _faults(fields: Fields) -> Iterator[str]:
    yield from message_faults(fields, "messages")
    yield from tool_faults(fields.get("tools"))
    messages = fields.get("messages")
    turns = cast(list[Any], messages) if isinstance(messages, list) else []
    trained = [cast(Fields, turn).get("train") for turn in turns if isinstance(turn, dict)]
    if trained and trained != [False] * (len(trained) - 1) + [True]:
        yield "messages: train is true of the last turn, and false of all others"


def _entry(splits: Sequence[str]) -> str:
    lines = ["# The part of an Axolotl configuration that reads this dataset."]
    for split in splits:
        lines += [
            "datasets:" if split == "train" else "test_datasets:",
            f"  - path: {split}.jsonl",
            "    ds_type: json",
            "    split: train",
            "    type: chat_template",
            "    field_messages: messages",
            "    field_tools: tools",
            "    roles_to_train: []",
            "    message_field_training: train",
            "    train_on_eos: turn",
        ]
    return "\n".join(lines) + "\n"


FORMAT = TrainingFormat(
    row=_row,
    fields=frozenset({"messages", "tools"}),
    faults=_faults,
    lessons=of_marked("train", unmarked=False),
    companion=("axolotl.yaml", _entry),
    columns="""\
  - name: messages
    list: json
  - name: tools
    dtype: json""",
)
