"""A training that an earlier run of the loop kept: its model is taken instead of training anew, if its data are these.

Rules:
1. What is learned has to be the same, row by row and split by split. Rows may stand in another order: records are in
   order of time, two runs never ask in quite the same one, and the trainer shuffles.
2. Conversations fall into splits by their hash under the pepper, so a run that takes a model takes its pepper, too.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec

from records.dataset import manifest
from records.dataset.difference import difference
from tests.acceptance.migration.watching import StuckError

REVISION = "r1"
DATA, DATASETS, RUNS = "crossfade-data", "datasets", "runs"
"""In a run's folder."""
_WANTED = ("model/config.json", "model/model.safetensors", "prompts.jsonl")


class KeptError(StuckError):
    """A folder cannot be taken, or kept in; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A model of an earlier run, and what it was trained on."""

    run: Path
    """As `crossfade train` left it."""
    dataset: Path
    pepper: bytes
    report: dict[str, Any]
    """The training's own."""

    @classmethod
    def of(cls, folder: Path) -> Self:
        """That of a folder which `--keep` named.

        Raises:
            KeptError: there is none in it, or not all of it.
        """
        run = folder / RUNS / REVISION
        try:
            report = json.loads((run / "report.json").read_text("utf-8"))
            dataset = folder / DATASETS / Path(report["settings"]["dataset"]).name
            made = manifest.read(dataset)
            files = [manifest.file_of(dataset / each.name, each.split, each.examples) for each in made.files]
            found = cls(run, dataset, bytes.fromhex((folder / DATA / "pepper").read_text("ascii")), report)
        except (OSError, ValueError, KeyError, TypeError, msgspec.MsgspecError) as error:
            raise KeptError(
                f"{folder} is no folder with a training of the loop: {error}. hint: name what --keep named"
            ) from error
        if lacking := [name for name in _WANTED if not (run / name).is_file()]:
            raise KeptError(f"{run} has no {', '.join(lacking)}. hint: the training did not end; train anew")
        digest = manifest.hash_of(files)
        if not made.sha256 == digest or not digest.startswith(dataset.name):
            raise KeptError(
                f"{dataset} is no longer what was trained on: its files are {digest[:12]}. hint: train anew"
            )
        return found

    def refuse_others(self, dataset: Path, settings: Mapping[str, object]) -> None:
        """Let a run pass that would train on the same rows, with the same settings.

        Raises:
            KeptError: it would not; both are named, with what differs.
        """
        theirs: dict[str, object] = self.report["settings"]
        other = [f"{name} {theirs.get(name)}, not {value}" for name, value in settings.items() if theirs[name] != value]
        if other:
            raise KeptError(f"{self.run} was trained with {'; '.join(other)}. hint: train anew, without --trained")
        found = difference((self.dataset, manifest.read(self.dataset)), (dataset, manifest.read(dataset)))
        if not found.is_same:
            raise KeptError(
                f"{self.run} was trained on the dataset {self.dataset.name}, and this run has {dataset.name}: "
                f"{found.same} rows are the same, {found.added} prompts are new, {found.removed} are gone, "
                f"{found.answered_otherwise} have another answer, {found.moved} rows are in another split. "
                "hint: train anew, without --trained"
            )


def emptied(folder: Path) -> Path:
    """A folder for a run to stay in: new, or with nothing in it.

    Raises:
        KeptError: something is there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise KeptError(f"--keep {folder}: something is in it. hint: name a new folder")
    return folder.resolve()
