"""The loop under faults: small sizes of what `make loop-faults` prints."""

from pathlib import Path

import pytest

from tests.faults.loop import backlog, dead_man, rivals
from tests.faults.stopping import stopping

pytestmark = pytest.mark.slow


def test_without_an_evaluator_nothing_grows_and_all_ends(tmp_path: Path) -> None:
    """A dead controller's weight never grows, and its candidate answers no longer than the grace."""
    found = dead_man(3, tmp_path)
    assert found.held(), found.report()


def test_a_backlog_is_drained_whole(tmp_path: Path) -> None:
    """After ten minutes asleep every exchange is counted, and the gates are live again."""
    found = backlog(400, tmp_path)
    assert found.held(), found.report()


def test_two_controllers_write_one_history(tmp_path: Path) -> None:
    """Pausing at will under orders, two controllers on one state make one legal path."""
    found = rivals(400, tmp_path)
    assert found.held(), found.report()


def test_a_candidate_is_stopped_with_all_else_dead(tmp_path: Path) -> None:
    """The kill file, SIGUSR2 and the worker's own breaker need no control plane, and no app sees an error."""
    found = stopping(2, tmp_path)
    assert not found.app_errors
    assert set(found.asked_failing) == {5}
    assert len(found.delays_s) == 4
