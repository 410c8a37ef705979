"""Whether a folder holds a dataset that a recipe may train on; asked before anything is written, installed or paid."""

from pathlib import Path

import msgspec

from records.dataset import manifest


def check_dataset(folder: Path, wanted: str) -> None:
    """Let a dataset in the format `wanted` pass, whole as it was built.

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
