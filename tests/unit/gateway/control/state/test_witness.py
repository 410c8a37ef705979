import sqlite3
from pathlib import Path

import pytest

from gateway.control.state.witness import Copy, Newest, is_behind


def copy(epoch: int, version: int, weight_ppm: int = 0) -> Copy:
    return Copy(epoch, version, weight_ppm, b"%d.%d" % (epoch, version))


@pytest.mark.parametrize(
    ("found", "known", "behind"),
    [
        (None, copy(1, 1), True),
        (copy(1, 1), copy(1, 1), False),
        (copy(1, 2), copy(1, 1), False),
        (copy(2, 1), copy(1, 1), False),
        (copy(1, 1), copy(1, 2), True),
        (copy(1, 1), copy(2, 1), True),
        (copy(1, 1), copy(2, 2), True),
        # both went on without each other: the lower weight stays
        (copy(9, 1, weight_ppm=50_000), copy(8, 7, weight_ppm=0), True),
        (copy(9, 1, weight_ppm=0), copy(8, 7, weight_ppm=50_000), False),
        (copy(8, 7, weight_ppm=50_000), copy(9, 1, weight_ppm=0), True),
        (copy(8, 7, weight_ppm=0), copy(9, 1, weight_ppm=50_000), False),
        (copy(8, 7, weight_ppm=5), copy(9, 1, weight_ppm=5), False),
    ],
)
def test_what_is_behind(found: Copy | None, known: Copy, *, behind: bool) -> None:
    """Versions and epochs only rise; where each is ahead in one of them, the lower weight is kept."""
    assert is_behind(found, known) is behind


def test_copies_outlive_the_process(tmp_path: Path) -> None:
    """What one process saw, the next one on this node knows: the copies, and the latest epoch."""
    one = Newest(tmp_path / "state.db")
    one.load()
    one.put("rollout", "triage", copy(3, 1))
    one.put("rollout", "triage", copy(3, 2))
    one.put("snapshot", "triage", copy(4, 9))
    two = Newest(tmp_path / "state.db")
    assert two.get("rollout", "triage") is None
    two.load()
    assert two.get("rollout", "triage") == copy(3, 2)
    assert (two.routes("rollout"), two.routes("snapshot"), two.epoch) == (["triage"], ["triage"], 4)
    one.close()
    two.close()


def test_a_disk_that_fails_leaves_the_memory(tmp_path: Path) -> None:
    """Without a file that can be used, this process still knows what it saw, and says nothing."""
    nowhere = Newest(tmp_path / "missing" / "state.db")
    nowhere.load()
    nowhere.put("rollout", "triage", copy(1, 1))
    assert nowhere.get("rollout", "triage") == copy(1, 1)
    nowhere.close()

    newest = Newest(tmp_path / "state.db")
    newest.load()
    other = sqlite3.connect(tmp_path / "state.db")
    other.execute("DROP TABLE shared_newest")
    other.close()
    newest.put("rollout", "triage", copy(1, 1))
    assert newest.get("rollout", "triage") == copy(1, 1)
    newest.close()
