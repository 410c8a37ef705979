from pathlib import Path

import pytest

from gateway.control.state.port import LEASE_S, StateDownError
from gateway.control.state.sqlite import SqliteState

NOW = 1_800_000_000.0


def test_a_lease_of_a_clock_that_was_set_back_does_not_hold(tmp_path: Path) -> None:
    """A lease that lasts longer than any does is of another time: nobody waits a year for it."""
    one, two = SqliteState(tmp_path / "state.db"), SqliteState(tmp_path / "state.db")
    assert one.lead("n1", NOW + 365 * 86_400) == 1
    assert two.leader(NOW) is None
    assert two.lead("n2", NOW) == 2
    assert two.leader(NOW) == "n2"
    assert two.leader(NOW + LEASE_S) is None
    one.close()
    two.close()


def test_it_opens_anew_after_a_failure(tmp_path: Path) -> None:
    """A file that could not be used is tried again at the next call, and may be there then."""
    state = SqliteState(tmp_path / "later" / "state.db")
    for _ in range(2):
        with pytest.raises(StateDownError, match="hint"):
            state.rollouts()
    (tmp_path / "later").mkdir()
    assert state.rollouts() == {}
    state.close()
