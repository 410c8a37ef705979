from pathlib import Path

import pytest

from gateway.control.operations.orders import OrderClock
from gateway.control.operations.rollback_check import FOLLOWS_S, still_served
from gateway.node.datadir import DataDir, held, prepare
from policies.routing import PPM
from tests.rooms.kept_rollouts import served


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    return prepare(tmp_path)


@pytest.mark.parametrize(("follows_s", "is_late"), [(FOLLOWS_S / 2, False), (2 * FOLLOWS_S, True)])
def test_a_table_that_follows_in_time_is_waited_for(data: DataDir, follows_s: float, *, is_late: bool) -> None:
    """The controller writes the table a moment after the decision; what it has not written in time is told."""
    now = 0.0

    def pause(seconds: float) -> None:
        nonlocal now
        now += seconds
        if now >= follows_s:
            data.routing.write_bytes(served(0))

    clock = OrderClock(lambda: now, lambda: now, pause)
    data.routing.write_bytes(served(PPM // 20))
    assert still_served(data, "triage", clock) == ""  # nobody serves from it
    with held(data):
        assert ("still gives triage's candidate 5 %" in still_served(data, "triage", clock)) is is_late
    assert now < 2 * FOLLOWS_S
