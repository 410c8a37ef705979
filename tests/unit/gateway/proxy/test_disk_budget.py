"""How much of the disk the journal takes, and what goes first."""

import os
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.proxy.disk_budget import DiskBudget


def fill(journal: Path, size: int) -> None:
    (journal / "w0").mkdir(parents=True, exist_ok=True)
    (journal / "w0" / "1.seg").write_bytes(bytes(size))


@pytest.mark.parametrize(
    ("size", "kept"),
    [
        (0, (True, True)),
        (8_999, (True, True)),
        (9_000, (False, True)),
        (9_999, (False, True)),
        (10_000, (False, False)),
    ],
)
def test_bodies_go_first_then_exchanges(tmp_path: Path, size: int, kept: tuple[bool, bool]) -> None:
    """From nine tenths of the budget bodies are left out, at all of it exchanges; files of all workers count."""
    fill(tmp_path, size)
    (tmp_path / "w1").mkdir()
    (tmp_path / "stray").write_bytes(bytes(50_000))  # not a worker's
    assert DiskBudget(tmp_path, 10_000).look() == kept


def test_a_journal_that_is_not_there_has_room(tmp_path: Path) -> None:
    """Before the first segment there is nothing to be over."""
    assert DiskBudget(tmp_path / "none", 1).look() == (True, True)


class Room(NamedTuple):
    f_blocks: int
    f_frsize: int
    f_bavail: int


@pytest.mark.parametrize(("free", "bodies"), [(6, True), (4, False)])
def test_the_last_of_the_disk_is_not_the_journals(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    free: int,
    bodies: bool,  # noqa: FBT001 -- a table
) -> None:
    """With less than a twentieth of a small file system free, bodies are left out whatever the budget."""
    monkeypatch.setattr(os, "statvfs", lambda _: Room(100, 4096, free))
    fill(tmp_path, 100)
    assert DiskBudget(tmp_path, 10_000).look() == (bodies, True)


def test_a_directory_that_goes_away_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the control plane deletes while it is looked at does not matter."""
    fill(tmp_path, 100)
    real = os.scandir

    def scandir(path: str | Path) -> object:
        if str(path).endswith("w0"):
            raise FileNotFoundError
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert DiskBudget(tmp_path, 10).look() == (True, True)
