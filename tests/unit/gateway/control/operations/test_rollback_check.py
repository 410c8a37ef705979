from pathlib import Path

import msgspec
import pytest

from gateway.control.controller.status import CandidateStatus, ControllerStatus, PolicyStatus
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


@pytest.mark.parametrize(("rollout", "is_told"), [("triage@small", False), ("triage@large", True)])
def test_of_several_candidates_the_one_that_serves_is_looked_at(data: DataDir, rollout: str, *, is_told: bool) -> None:
    """Who rolls back a candidate that has no traffic is not told of the traffic of another."""
    now = 0.0

    def pause(seconds: float) -> None:
        nonlocal now
        now += seconds

    candidates = tuple(CandidateStatus(f"triage@{who}", "vllm", "m", "1", who == "large") for who in ("small", "large"))
    status = ControllerStatus(1, (PolicyStatus("triage.yaml", "triage", None, None, candidates),), None)
    data.routing.write_bytes(served(PPM // 20))
    data.controller_status.write_bytes(msgspec.json.encode(status))
    with held(data):
        assert bool(still_served(data, rollout, OrderClock(lambda: now, lambda: now, pause))) is is_told
