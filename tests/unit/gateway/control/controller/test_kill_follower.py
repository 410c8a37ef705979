import io
from pathlib import Path

import pytest

from gateway.control.controller.kill_follower import RETRY_S, KillFollower
from gateway.control.state.port import StateDownError
from gateway.control.state.sqlite import SqliteState
from gateway.log import Log
from gateway.node.datadir import DataDir
from gateway.node.kill_file import set_kill


def follower(root: Path, at: list[float]) -> KillFollower:
    """One that shares a state in `root`, on a clock that says what stands in `at`."""
    (root / "data").mkdir(exist_ok=True)
    log = Log("controller", stream=io.StringIO())
    return KillFollower(SqliteState(root / "state.db"), DataDir(root / "data"), log, lambda: at[0])


def tell(root: Path, *, killed: bool, now: float) -> None:
    """Say to all nodes what to do."""
    SqliteState(root / "state.db").set_killed(killed=killed, by="ada", reason="", now=now)


def test_the_kill_file_is_made_and_taken_away_as_all_nodes_are_told(tmp_path: Path) -> None:
    """A node that listens does both, each word once: what is done by hand in between stays as it was done."""
    ours = follower(tmp_path, [0.0])
    ours.follow(1.0)
    assert not ours.data.kill.exists()
    tell(tmp_path, killed=True, now=2.0)
    ours.follow(2.0)
    assert ours.data.kill.exists()
    ours.data.kill.unlink()
    ours.follow(3.0)
    assert not ours.data.kill.exists()
    tell(tmp_path, killed=True, now=4.0)
    ours.follow(4.0)
    assert ours.data.kill.exists()
    tell(tmp_path, killed=False, now=5.0)
    ours.follow(5.0)
    assert not ours.data.kill.exists()


@pytest.mark.parametrize("killed", [True, False])
def test_a_word_from_before_its_start_only_kills(tmp_path: Path, *, killed: bool) -> None:
    """What was told while it was away is done if it kills; a kill of this node's own is never taken back by it."""
    tell(tmp_path, killed=killed, now=1.0)
    ours = follower(tmp_path, [0.0])
    if not killed:
        set_kill(ours.data, reason="by hand", now=0.0)
    ours.follow(2.0)
    assert ours.data.kill.exists()


def test_a_state_that_is_away_is_asked_again_after_a_pause(tmp_path: Path) -> None:
    """While it cannot be read that is told each time, it is asked once in RETRY_S, and then the word is followed."""
    at = [0.0]
    ours = follower(tmp_path, at)
    (tmp_path / "state.db").write_bytes(b"this is no database, and no page of one")
    with pytest.raises(StateDownError):
        ours.follow(1.0)
    (tmp_path / "state.db").unlink()
    tell(tmp_path, killed=True, now=1.0)
    with pytest.raises(StateDownError):
        ours.follow(1.0)
    at[0] = RETRY_S
    ours.follow(2.0)
    assert ours.data.kill.exists()
