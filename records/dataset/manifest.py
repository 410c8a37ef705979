"""What a dataset is made of, and its card.

The folder is named by the hash of its files, so that the same records make the same folder.
"""

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from records.dataset.format import TrainingFormat
from records.durable import replace

FORMAT = 1
NAME = "manifest.json"


class File(msgspec.Struct, frozen=True):
    """One of the dataset's files."""

    name: str
    split: str
    examples: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`manifest.json`."""

    format: int = FORMAT
    dataset_format: str
    """Its name."""
    route: str
    sha256: str
    """Of the files."""
    files: list[File]
    read: int
    """Exchanges of the route."""
    kept: int
    corrected: int = 0
    """Of them: the answer is a correction that the app sent as feedback."""
    left_out: dict[str, int]
    """By reason; with `kept` they add up to `read`."""
    split: dict[str, str | int]
    """How: `by`, and `salt` with `validation_ppm`, or `validation_from`."""
    models: dict[str, int]
    """Whose answers they are, by the name each answer gave: their terms of use are the user's to keep."""
    redaction_versions: list[str]
    first_id: str
    last_id: str
    crossfade: str
    """The version that built it."""
    against: list[File] = []
    """Evaluation sets that no row repeats."""
    filters: dict[str, Any] = {}
    """What was asked for besides."""
    suspicions: list[str] = []
    """Rows that somebody may have planted: for people to look at."""
    stale: int = 0
    """Of its exchanges so many were erased from the records since: build it again."""


def file_of(path: Path, split: str, examples: int) -> File:
    """What stands in the manifest of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return File(path.name, split, examples, digest.hexdigest())


def hash_of(files: list[File]) -> str:
    """The dataset's own hash."""
    return hashlib.sha256(msgspec.json.encode(files)).hexdigest()


def read(folder: Path) -> Manifest:
    """A dataset's manifest.

    Raises:
        OSError: there is none.
        msgspec.MsgspecError: it is none of ours.
    """
    return msgspec.json.decode((folder / NAME).read_bytes(), type=Manifest)


def write(folder: Path, manifest: Manifest) -> None:
    """Put a dataset's manifest into its folder, whole.

    Raises:
        OSError: what is there stays as it was.
    """
    replace(folder / NAME, msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")


def card(manifest: Manifest, shape: TrainingFormat) -> str:
    """README.md: what `datasets.load_dataset` and people read.

    The columns are declared: what `datasets` infers by itself turns differing tool calls into one shape.
    Source: Hugging Face Hub docs, "Dataset cards" and "Manual configuration".
    """
    files = "\n".join(f"  - split: {file.split}\n    path: {file.name}" for file in manifest.files)
    counts = "\n".join(f"| {file.split} | {file.examples} |" for file in manifest.files)
    left_out = "\n".join(f"| {reason} | {count} |" for reason, count in sorted(manifest.left_out.items()))
    models = ", ".join(f"{name or 'unnamed'} ({count})" for name, count in sorted(manifest.models.items()))
    return f"""---
configs:
- config_name: default
  data_files:
{files}
dataset_info:
  features:
{shape.columns}
tags:
- crossfade
---
# {manifest.route or "unrouted"}: {manifest.dataset_format}

Recorded exchanges of one route, redacted, complete and successful ones only, exact duplicates removed, split by
conversation; {manifest.corrected} answers are corrections. Sha256 of the files: `{manifest.sha256}`;
`manifest.json` says how they were made.

| split | examples |
|---|---|
{counts}

Answers of: {models or "nobody"}. Whether they may be used to train a model is a matter of the terms they were given
under; this is yours to check.

Left out of {manifest.read} exchanges:

| reason | exchanges |
|---|---|
{left_out}
{shape.note}"""
