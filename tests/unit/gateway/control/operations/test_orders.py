from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from gateway.control.controller.status import CandidateStatus, ControllerStatus, PolicyStatus
from gateway.control.leader.persistence import read_rollout
from gateway.control.operations.orders import (
    ANSWER_S,
    MAX_REASON,
    ROLLBACK_S,
    OrderClock,
    OrderOutcome,
    address,
    addressed,
    operate,
    order_of,
)
from gateway.control.state.port import Answered, Stored
from gateway.control.state.sqlite import SqliteState
from gateway.node.datadir import prepare
from policies import explain
from policies.rollout import Rollout, start
from policies.routing import Route, Variant, encode
from policies.terms import Phase, Verb
from tests.rooms.gateway_process import table_for
from tests.rooms.kept_rollouts import CANARY, NOW, keep
from tests.rooms.rollouts import RULES


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteState]:
    found = SqliteState(tmp_path / "state.db")
    yield found
    found.close()


class Time:
    """Stands still but for pauses, in which others act."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.passed_s = 0.0
        self.meanwhile = meanwhile

    def pause(self, seconds: float) -> None:
        self.passed_s += seconds
        self.meanwhile()

    def clock(self) -> OrderClock:
        return OrderClock(lambda: NOW + self.passed_s, lambda: self.passed_s, self.pause)


def give(state: SqliteState, verb: Verb, time: Time) -> OrderOutcome:
    order = order_of("o1", "triage", verb, by="cli:ada", reason="because", now=NOW)
    return operate(state, order, time.clock(), version="1")


@pytest.mark.parametrize(("taken", "outcome"), [(True, "taken"), (False, "refused")])
def test_a_leaders_answer_is_the_answer(state: SqliteState, outcome: str, *, taken: bool) -> None:
    """While a leader answers, it alone decides what becomes of an order."""
    keep(state, CANARY)
    for verb in Verb:
        state.close()
        order = order_of(f"o-{verb}", "triage", verb, by="cli:ada", reason="because", now=NOW)
        time = Time(lambda order=order: state.answer(Answered(order.id, taken=taken, text="said")))
        assert operate(state, order, time.clock(), version="1") == OrderOutcome(outcome, "said")
        assert time.passed_s < 1
    assert state.rollouts()["triage"].weight_ppm == CANARY.weight_ppm
    assert state.orders() == []


@pytest.mark.parametrize("verb", [Verb.PROMOTE, Verb.HOLD, Verb.RESUME])
def test_what_nobody_answers_is_withdrawn(state: SqliteState, verb: Verb) -> None:
    """No leader that comes hours later finds the order; nothing has moved."""
    keep(state, CANARY)
    time = Time()
    found = give(state, verb, time)
    assert (found.outcome, found.done) == ("withdrawn", False)
    assert "hint" in found.text
    assert ANSWER_S <= time.passed_s < ANSWER_S + 1
    assert state.orders() == []
    assert state.rollouts()["triage"].version == 1


def test_an_answer_that_comes_just_before_the_withdrawal_counts(state: SqliteState) -> None:
    """What the leader did in the last instant is told, not the withdrawal."""
    keep(state, CANARY)
    time = Time()

    def wall() -> float:
        return NOW

    def monotonic() -> float:
        if time.passed_s > ANSWER_S:
            state.answer(Answered("o1", taken=True, text="done after all"))
        return time.passed_s

    order = order_of("o1", "triage", Verb.PROMOTE, by="cli:ada", reason="", now=NOW)
    assert operate(state, order, OrderClock(wall, monotonic, time.pause), version="1") == OrderOutcome(
        "taken", "done after all"
    )


def test_a_rollback_needs_no_leader(state: SqliteState) -> None:
    """After two seconds without an answer the weight is lowered from here, with a decision that can be replayed."""
    keep(state, CANARY)
    time = Time()
    found = give(state, Verb.ROLLBACK, time)
    assert (found.outcome, found.alone) == ("taken", True)
    assert "cli:ada: because" in found.text
    assert ROLLBACK_S <= time.passed_s < ROLLBACK_S + 1
    kept = state.rollouts()["triage"]
    after = msgspec.json.decode(kept.rollout, type=Rollout)
    assert (kept.version, kept.weight_ppm, kept.by, after.phase) == (2, 0, "cli:ada", Phase.ROLLED_BACK)
    decided = read_rollout(kept).decided
    assert decided is not None
    assert (decided.move, decided.outcome, decided.text) == ("roll_back", "ROLLBACK", found.text)
    record = explain.decode(decided.record)
    assert explain.replay(record) == record.decision
    assert state.orders() == []
    assert state.answered("o1") == Answered("o1", taken=True, text=found.text)


def test_a_rollback_from_here_meets_what_others_wrote(state: SqliteState, tmp_path: Path) -> None:
    """If the rollout moves in between, the rollback is made of what it became."""
    keep(state, CANARY)
    other = SqliteState(tmp_path / "state.db")
    moved = replace(CANARY, stage=2)

    class Meddling(SqliteState):
        def lower(self, route: str, new: Stored, *, expected: int) -> bool:
            if other.rollouts()["triage"].version == 1:
                keep(other, moved)
            return super().lower(route, new, expected=expected)

    meddled = Meddling(tmp_path / "state.db")
    assert give(meddled, Verb.ROLLBACK, Time()).done
    kept = state.rollouts()["triage"]
    assert (kept.version, kept.weight_ppm) == (3, 0)
    other.close()
    meddled.close()


@pytest.mark.parametrize(
    ("rollout", "outcome"),
    [(None, "refused"), (replace(CANARY, phase=Phase.REJECTED), "taken"), (start(RULES), "waiting")],
)
def test_a_rollback_with_nothing_to_take_back(state: SqliteState, rollout: Rollout | None, outcome: str) -> None:
    """A route at the baseline is what was wanted; a shadow's order stays for a leader, who rejects the candidate."""
    if rollout is not None:
        keep(state, rollout)
    found = give(state, Verb.ROLLBACK, Time())
    assert (found.outcome, found.alone, found.done) == (outcome, outcome != "taken", rollout is not None)
    assert ("is at the baseline already" in found.text) == found.done
    assert [order.id for order in state.orders()] == (["o1"] if outcome == "waiting" else [])


@pytest.mark.parametrize("phase", [Phase.ROLLED_BACK, Phase.QUARANTINED, Phase.REJECTED])
def test_a_rollback_of_what_is_at_the_baseline_is_done(state: SqliteState, phase: Phase) -> None:
    """A leader that has nothing to roll back refuses; whoever wanted the baseline has it, and is told so."""
    keep(state, replace(CANARY, phase=phase))
    time = Time(lambda: state.answer(Answered("o1", taken=False, text="cannot rollback")))
    found = give(state, Verb.ROLLBACK, time)
    assert (found.done, found.alone) == (True, False)
    assert found.text == f"triage is at the baseline already, {phase}: nothing to do"


def test_a_reason_has_a_bound() -> None:
    """A reason is kept as far as it goes."""
    order = order_of("o", "r", Verb.HOLD, by="a", reason="x" * (MAX_REASON + 1), now=NOW)
    assert len(order.reason) == MAX_REASON


def test_of_several_candidates_one_has_to_be_named() -> None:
    """A word to their route is about nobody, and says who there is; a rollback finds the one that has traffic."""
    several = tuple(
        CandidateStatus(f"triage@{name}", "vllm", name, "r1", serves=name == "large") for name in ("small", "large")
    )
    status = ControllerStatus(7, (PolicyStatus("a.yaml", "triage", None, candidates=several),), None)

    def given(route: str, verb: Verb) -> tuple[str, str]:
        order, problem = addressed(order_of("o1", route, verb, by="ada", reason="why", now=NOW), status)
        return order.route, problem

    assert given("triage", Verb.PROMOTE) == (
        "triage", "triage has several candidates. hint: name one of triage@small, triage@large",
    )  # fmt: skip
    assert given("triage", Verb.ROLLBACK) == ("triage@large", "")
    assert given("triage@small", Verb.PROMOTE) == ("triage@small", "")
    assert given("other", Verb.HOLD) == ("other", "")


@pytest.mark.parametrize("verb", Verb)
def test_a_route_that_nobody_has_is_refused_at_once(tmp_path: Path, state: SqliteState, verb: Verb) -> None:
    """No order is given, and nobody waits for a leader. A rollout, the table and a policy in force know routes."""
    data = prepare(tmp_path / "data")

    def given(route: str) -> str:
        return address(order_of("o1", route, verb, by="ada", reason="why", now=NOW), state, data)[1]

    assert given("triage") == "no route is called 'triage'. hint: there are none"
    keep(state, CANARY)
    assert given("triage") == ""
    assert given("triaje") == "no route is called 'triaje'. hint: did you mean triage?"
    data.routing.write_bytes(encode(table_for("http://127.0.0.1:1", Route("of-the-table", Variant("openai")))))
    assert given("of-the-table") == ""
    status = ControllerStatus(7, (PolicyStatus("a.yaml", "of-a-policy", None),), None)
    data.controller_status.write_bytes(msgspec.json.encode(status))
    assert given("of-a-policy") == ""
    assert given("nobody").endswith("there are of-a-policy, of-the-table, triage")
