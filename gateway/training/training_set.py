"""Whether there is what a recipe may train, and train on; asked before anything is written, installed or paid."""

import re
from pathlib import Path

import msgspec

from records.dataset import manifest
from records.dataset.manifest import Manifest

_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
"""What a model hub takes for a name; every other word is a path."""


def check_base(base: str) -> None:
    """Let a model to start from pass: a folder that is there, or what a hub may know.

    Raises:
        ValueError: it is a path to nothing.
    """
    if not Path(base).is_dir() and _HUB_NAME.fullmatch(base) is None:
        raise ValueError(
            f"--base {base}: there is no such folder. hint: a model's folder, or a hub's name, as ORG/NAME"
        )


def check_dataset(folder: Path, wanted: str) -> Manifest:
    """A dataset in the format `wanted`, whole as it was built.

    One that holds what was erased from the records since is refused: a model would keep it.

    Raises:
        ValueError: it is none; the message says why, and what to do.
    """
    try:
        found = manifest.read(folder)
    except (FileNotFoundError, NotADirectoryError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"{folder} is no dataset of ours. hint: name a folder that `dataset build` printed") from error
    if found.dataset_format != wanted:
        raise ValueError(f"{folder} is {found.dataset_format}. hint: dataset build --format {wanted}")
    if found.stale:
        raise ValueError(
            f"{folder} holds {found.stale} exchanges that were erased from the records since: a model would keep them. "
            f"hint: dataset build --route {found.route} --format {wanted} again, train on that, and delete this one"
        )
    if not any(file.split == "train" for file in found.files):
        raise ValueError(f"{folder} has nothing to train on. hint: its README.md says what was left out, and why")
    return found
