"""What the command line of the loop asks for."""

import argparse
import contextlib
import tempfile
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from tests.acceptance.migration.kept import emptied
from tests.acceptance.migration.sizes import SMALL, SMOLLM2, Size


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run of the loop."""

    size: Size
    keep: Path | None
    """Where it is played, and stays."""
    trained: Path | None
    """Where an earlier run was kept whose model is taken."""

    @classmethod
    def of(cls, words: list[str]) -> Self:
        """What these words ask for."""
        parser = argparse.ArgumentParser(prog="loop")
        parser.add_argument("--small", action="store_true", help="two million parameters, a few intents")
        parser.add_argument(
            "--no-corrections", action="store_const", const=0.0, dest="corrected",
            help="the app says nothing of wrong answers, and they are trained on",
        )  # fmt: skip
        parser.add_argument("--intents", type=int, help="of the 77 (readiness wants 1,000 messages)")
        parser.add_argument("--epochs", type=float, help="of the training")
        parser.add_argument("--in-flight", type=int, help="conversations under way at most")
        parser.add_argument("--act", type=float, dest="act_s", help="the longest wait for the gates, in seconds")
        parser.add_argument("--keep", type=Path, metavar="FOLDER", help="play it there, and leave it: a new folder")
        parser.add_argument(
            "--trained", type=Path, metavar="FOLDER", help="train nothing: take the model of a run that was kept there"
        )
        given = vars(parser.parse_args(words))
        keep, trained = given.pop("keep"), given.pop("trained")
        size = SMALL if given.pop("small") else SMOLLM2
        changed = {name: value for name, value in given.items() if value is not None}
        return cls(replace(size, **changed), keep, trained)

    @contextlib.contextmanager
    def folder(self) -> Generator[Path]:
        """Where it is played: in a folder that stays, or in one that goes with it.

        Raises:
            KeptError: something is there already.
        """
        if self.keep is not None:
            yield emptied(self.keep)
            return
        with tempfile.TemporaryDirectory(prefix="crossfade-loop-") as folder:
            yield Path(folder)
