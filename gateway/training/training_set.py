"""Whether there is what a recipe may train, and train on; asked before anything is written, installed or paid."""

import re
from pathlib import Path
from typing import Any

import msgspec

from records.dataset import manifest
from records.dataset.check import lines_of_file
from records.dataset.contamination import evaluation_rows
from records.dataset.formats import format_named
from records.dataset.manifest import Manifest
from records.named_file import require_file

_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
"""What a model hub takes for a name; every other word is a path."""
_MODEL = "config.json"
"""What every model's folder has."""


def check_base(base: str) -> None:
    """Let a model to start from pass: a folder that is there, or what a hub may know.

    Raises:
        ValueError: it is a path to nothing, a file, or a folder of something else.
    """
    folder = Path(base)
    if folder.is_file() or (folder.is_dir() and not (folder / _MODEL).is_file()):
        raise ValueError(
            f"--base {base}: no model is there. hint: a folder with {_MODEL}, as `save_pretrained` leaves it"
        )
    if not folder.is_dir() and _HUB_NAME.fullmatch(base) is None:
        raise ValueError(
            f"--base {base}: there is no such folder. hint: a model's folder, or a hub's name, as ORG/NAME"
        )


def check_dataset(folder: Path, wanted: str) -> Manifest:
    """A dataset in the format `wanted`, whole as it was built.

    One that holds what was erased from the records since is refused: a model would keep it.

    Raises:
        ValueError: it is none; the message says why, and what to do.
        OSError: one of its files cannot be read.
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
    for file in found.files:
        require_file(folder / file.name)
        if manifest.file_of(folder / file.name, file.split, file.examples) != file:
            raise ValueError(
                f"{folder / file.name} is not what was built: what is trained on would be another dataset than the "
                "manifest says. hint: dataset build again; filters and corrections change rows there"
            )
    return found


def check_untouched(folder: Path, made: Manifest, rows: Path) -> None:
    """Let a dataset pass that repeats none of the evaluation `rows`: what is trained on them is not judged by them.

    One that was held against them when it was built was looked at already.

    Raises:
        ValueError: it repeats one; both are named.
        OSError: a file cannot be read.
    """
    if manifest.file_of(rows, "evaluation", 0).sha256 in {file.sha256 for file in made.against}:
        return
    asked, lessons_of = evaluation_rows([rows]), format_named(made.dataset_format).lessons
    for file in made.files:
        for number, line in enumerate(lines_of_file(folder / file.name), start=1):
            for lesson in lessons_of(msgspec.json.decode(line, type=dict[str, Any])):
                read = [turn for at, turn in enumerate(lesson.messages) if at not in lesson.learned]
                if where := asked.leak(read):
                    raise ValueError(
                        f"{folder / file.name}:{number} repeats an evaluation row ({where}): its score would measure "
                        f"memory. hint: dataset build again, with --drop-leaks --against {rows}"
                    )
