"""A sweep that was cut off goes on where it was."""

from pathlib import Path

import pytest

from gateway.training.sweep import SweepResult, configurations, halving
from gateway.training.sweep_ledger import FILE, SweepLedger

GRID: dict[str, list[object]] = {"learning_rate": [1e-4, 3e-4], "batch": [16, 32]}
ASKED = {"grid": GRID, "rounds": 2, "base": "smollm"}


class CutError(Exception):
    """The power failed."""


class Trainings:
    """What was trained in this life, which ends after so many."""

    def __init__(self, folder: Path, lives: int) -> None:
        self.ledger, self.lives = SweepLedger(folder, ASKED), lives
        self.trained: list[tuple[int, float]] = []

    def __call__(self, number: int, config: dict[str, object], share: float) -> SweepResult:
        known = self.ledger.known(number, share)
        if known is not None:
            return known
        if len(self.trained) == self.lives:
            raise CutError
        self.trained.append((number, share))
        found = SweepResult(number, config, share, 1.0 / number, -1.0 / number)
        self.ledger.keep(found)
        return found


def test_cut_off_anywhere_it_comes_to_the_same_and_trains_nothing_twice(tmp_path: Path) -> None:
    """Whichever training was the last, the rounds are those of a sweep that nothing happened to."""
    configs = configurations(GRID)
    whole = list(halving(configs, 2, 1, Trainings(tmp_path / "whole", 99)))
    for lives in range(7):
        first, second = Trainings(tmp_path / str(lives), lives), None
        try:
            rounds = list(halving(configs, 2, 1, first))
        except CutError:
            second = Trainings(tmp_path / str(lives), 99)
            rounds = list(halving(configs, 2, 1, second))
        assert rounds == whole
        assert len(first.trained) + (len(second.trained) if second else 0) == 6


def test_another_sweeps_folder_is_refused(tmp_path: Path) -> None:
    """With what is asked otherwise; so is one that holds something else, or a list that nobody can read."""
    SweepLedger(tmp_path / "a", ASKED)
    SweepLedger(tmp_path / "a", ASKED)
    with pytest.raises(ValueError, match=r"another base, rounds. hint: another --out"):
        SweepLedger(tmp_path / "a", ASKED | {"rounds": 3, "base": "other"})
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").write_text("x")
    with pytest.raises(ValueError, match="is not empty"):
        SweepLedger(tmp_path / "b", ASKED)
    (tmp_path / "a" / FILE).write_text("{")
    with pytest.raises(ValueError, match="is damaged"):
        SweepLedger(tmp_path / "a", ASKED)
