"""A dataset as `dataset build` leaves it, small enough to train on in seconds."""

import json
from pathlib import Path

import msgspec

from records.dataset import manifest
from records.dataset.example import Example
from records.dataset.formats import format_named
from records.dataset.manifest import File, Manifest
from records.dataset.split import Split


def sorted_messages(folder: Path, rows: int, shape: str = "trl-sft", untouched: int = 0) -> Path:
    """Messages of customers, each answered with its intent; `untouched`: so many more of them are for validation."""
    folder.mkdir(parents=True)
    lines = [format_named(shape).line(_example(number)) for number in range(rows + untouched)]
    parts: dict[Split, list[bytes]] = {"train": lines[:rows], "validation": lines[rows:]}
    files: list[File] = []
    for split, chosen in parts.items():
        if chosen:
            (folder / f"{split}.jsonl").write_bytes(b"\n".join(chosen) + b"\n")
            files.append(manifest.file_of(folder / f"{split}.jsonl", split, len(chosen)))
    read = len(lines)
    made = Manifest(
        dataset_format=shape, route="bank", sha256=manifest.hash_of(files), files=files, read=read, kept=read,
        left_out={}, split={}, models={}, redaction_versions=[], first_id="", last_id="", crossfade="",
    )  # fmt: skip
    (folder / manifest.NAME).write_bytes(msgspec.json.encode(made))
    (folder / "README.md").write_text(manifest.card(made, format_named(shape)))
    return folder


def _example(number: int) -> Example:
    topic = ("card", "transfer", "account balance")[number % 3]
    asked = [
        {"role": "system", "content": "You sort messages."},
        {"role": "user", "content": f"message {number} about a {topic}"},
    ]
    answer = {"role": "assistant", "content": json.dumps({"intent": topic})}
    return Example(asked, answer, rejected={"role": "assistant", "content": "no"}, is_good=True)
