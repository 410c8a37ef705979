"""Exchanges and comparisons, joined in whatever order they come."""

import msgspec
import pytest

from gateway.control.events import join as intake_module
from gateway.control.events.join import (
    BEHIND_S,
    MOST,
    MOST_TOLD,
    SETTLE_S,
    WAIT_S,
    Join,
    Ready,
    Served,
    Waiting,
    watermark,
)
from policies.evidence import EvidenceKey
from policies.liveness import AssignedOutcome
from records.comparison import Comparison
from records.exchange import Attempt, Meta
from shadow.asker import AskedBy
from shadow.sampling import Lot
from tests.fakes.exchanges import exchange

PPM = 1_000_000
KEY = EvidenceKey("support", "0123456789ab", 1, 0)
SERVED = {7: {"support": Served(KEY, Lot(PPM, PPM, 0, "support"))}}
NOW = 1000.0


def meta(number: int = 1, **fields: object) -> Meta:
    return exchange(number, **{"unit": "ab" * 8, "table_version": 7, **fields}).meta


def row(of: Meta, **fields: object) -> Comparison:
    made = Comparison(
        exchange_id=of.id, asked="candidate", route="support", unit=of.unit, candidate_key=KEY.candidate, compared_us=1,
        p_mirror=1.0, came="answered", q=0.5, answer_json="long", scores_json='{"exact":{}}', judge_json="{}",
    )  # fmt: skip
    return msgspec.structs.replace(made, **fields)


def taken(intake: Join, *things: Meta | Comparison, now: float = NOW) -> list[Ready]:
    return [
        ready
        for thing in things
        for ready in (intake.exchange(thing, now) if isinstance(thing, Meta) else intake.comparison(thing, now))
    ]


@pytest.mark.parametrize("first", ["exchange", "comparison"])
def test_joined_in_any_order(first: str) -> None:
    """An exchange and its comparison are one event, whichever is read first, and nothing waits after it."""
    intake, exchanged = Join(SERVED), meta()
    pair = (exchanged, row(exchanged))
    ((key, event),) = taken(intake, *(pair if first == "exchange" else reversed(pair)))
    assert (key, event.q, event.paired) == (KEY, 0.5, True)
    assert not intake.waiting


def test_not_drawn_is_told_at_once() -> None:
    """Whom nobody is asked beside waits for nobody."""
    served = {7: {"support": Served(KEY, Lot(0, 0, 0, "support"))}}
    ((_, event),) = taken(Join(served), meta())
    assert (event.error_candidate, event.error_baseline) == (None, False)


def test_all_that_was_drawn_is_waited_for() -> None:
    """With the noise floor drawn too, the pair is whole when both answers are there."""
    intake, exchanged = Join({7: {"support": Served(KEY, Lot(PPM, 0, PPM, "support"))}}), meta()
    assert taken(intake, exchanged, row(exchanged)) == []
    ((_, event),) = taken(intake, row(exchanged, asked="baseline_again", agree=0.9))
    assert (event.q, event.agree_again) == (0.5, 0.9)


@pytest.mark.parametrize("fields", [{"route": ""}, {"why": "pinned"}, {"route": "other"}, {"status": 404}])
def test_what_says_nothing(fields: dict[str, object]) -> None:
    """Unrouted and pinned exchanges, and those of routes without a rollout, neither tell nor wait."""
    intake = Join(SERVED)
    assert taken(intake, meta(**fields)) == []
    assert not intake.waiting
    assert not intake.discarded


def test_a_table_that_nobody_knows() -> None:
    """What was served under an unknown table is evidence of nothing, and counted."""
    intake = Join(SERVED)
    assert taken(intake, meta(table_version=6)) == []
    assert intake.discarded == {("support", "unknown_table"): 1}


def test_patience_ends() -> None:
    """What never came is lost after a while, a comparison without an exchange likewise, and both are counted."""
    intake = Join(SERVED)
    assert taken(intake, meta(1), row(meta(2))) == []
    assert list(intake.overdue(NOW + WAIT_S - 1)) == []
    assert not intake.discarded
    ((_, event),) = intake.overdue(NOW + WAIT_S)
    assert (event.dropped, event.error_candidate) == (True, None)
    assert not intake.waiting
    assert intake.discarded == {("support", "comparison_lost"): 1, ("support", "comparison_alone"): 1}


def test_a_clock_that_was_set_back() -> None:
    """Who would wait longer than anybody may, waits no longer."""
    intake = Join(SERVED)
    taken(intake, meta())
    assert len(list(intake.overdue(NOW - 3600.0))) == 1


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound the oldest wait no longer."""
    assert MOST >= 10_000
    monkeypatch.setattr(intake_module, "MOST", 3)
    intake = Join(SERVED)
    metas = [meta(number) for number in range(5)]
    taken(intake, *metas)
    assert [event.id for _, event in intake.overdue(NOW)] == [metas[0].id, metas[1].id]


def test_changes_since_the_last_time() -> None:
    """What has to be kept is told once: what waits, without what is long, and what waits no longer."""
    intake, exchanged = Join(SERVED), meta()
    taken(intake, row(exchanged), meta(2))
    changed, gone = intake.take_changes()
    assert (set(changed), gone) == ({exchanged.id, meta(2).id}, [])
    kept = changed[exchanged.id].found["candidate"]
    assert (kept.answer_json, kept.scores_json, kept.judge_json) == (None, "{}", "")
    taken(intake, exchanged)
    assert intake.take_changes() == ({}, [exchanged.id])
    assert intake.take_changes() == ({}, [])


def test_going_on_from_what_was_kept() -> None:
    """What waited before a restart is joined after it, from its kept form."""
    before, exchanged = Join(SERVED), meta()
    taken(before, exchanged)
    changed, _ = before.take_changes()
    kept = {name: msgspec.json.decode(msgspec.json.encode(held), type=Waiting) for name, held in changed.items()}
    ((key, event),) = taken(Join(SERVED, kept), row(exchanged))
    assert (key, event.q) == (KEY, 0.5)


def test_the_watermark() -> None:
    """It is as old as what waits and what is open, but never older than anybody is waited for."""
    intake = Join(SERVED)
    assert intake.oldest_at() == {}
    taken(intake, meta(1, arrived_at=500.0), meta(2, arrived_at=400.0), row(meta(3, arrived_at=1.0)))
    assert intake.oldest_at() == {KEY: 400.0}
    assert watermark(NOW, 0.0, (None, None)) == NOW - SETTLE_S
    assert watermark(NOW, 60.0, (None, NOW)) == NOW - 60.0 - SETTLE_S
    assert watermark(NOW, 0.0, (NOW - 10.0, NOW - 20.0)) == NOW - 20.0
    assert watermark(NOW, 0.0, (1.0, None)) == NOW - SETTLE_S - BEHIND_S


def test_what_waits_for_a_stage_that_was_left_holds_nobody_up() -> None:
    """A route's present evidence is that of the newest table; what waits to speak to an older one is told apart."""
    later = EvidenceKey("support", KEY.candidate, 1, 10_000)
    intake = Join({**SERVED, 8: {"support": Served(later, Lot(PPM, 0, 0, "support"))}})
    assert (intake.speaks_to("support"), intake.speaks_to("other")) == (later, None)
    taken(intake, meta(1, arrived_at=400.0), meta(2, arrived_at=500.0, table_version=8))
    assert intake.oldest_at() == {KEY: 400.0, later: 500.0}
    assert Join({}).speaks_to("support") is None


@pytest.mark.parametrize("version", [7, 9])
def test_who_served_is_told_at_once(version: int) -> None:
    """Neither a comparison that is waited for nor a table that nobody knows keeps it back."""
    intake = Join(SERVED)
    exchanged = meta(variant="candidate", attempts=[Attempt("candidate", "vllm")], table_version=version)
    assert taken(intake, exchanged) == []
    ((key, (told,)),) = intake.take_service()
    assert (key, told.service) == (KEY, AssignedOutcome.ANSWERED)
    assert list(intake.take_service()) == []


def test_what_is_no_evidence_tells_who_served() -> None:
    """Under a weight that is not the rollout's own nothing is evidence, and the candidate serves or does not."""
    intake = Join({7: {"support": Served(KEY, Lot(0, 0, 0, "support"), is_evidence=False)}})
    assert taken(intake, meta(why="breaker")) == []
    ((key, (told,)),) = intake.take_service()
    assert (key, told.word) == (KEY, "breaker")


def test_who_served_comes_in_parts() -> None:
    """One event tells of so many exchanges at most: the shared state takes no longer one."""
    intake = Join({7: {"support": Served(KEY, Lot(0, 0, 0, "support"))}})
    taken(intake, *(meta(number) for number in range(MOST_TOLD + 1)))
    assert [len(part) for _, part in intake.take_service()] == [MOST_TOLD, 1]


def test_slices_ride_along() -> None:
    """What a route is sliced by is known by the table that served the exchange; what it is of, by who read it."""
    sliced = {"support": Served(KEY, Lot(0, 0, 0, "support"), sliced_by=("language",))}
    intake, exchanged = Join({7: sliced}), meta()
    ((_, event),) = intake.exchange(exchanged, NOW, AskedBy(slices=("language=german",)))

    assert event.slices == ("language=german",)
    assert intake.sliced_by(exchanged) == ("language",)
    assert intake.sliced_by(meta(table_version=6)) == ()
    assert intake.sliced_by(meta(route="other")) == ()


def test_each_candidate_is_told_of_slices() -> None:
    """Where a route has several, what it is sliced by stands with its candidates: an exchange is sliced for all."""
    lot = Lot(0, 0, 0, "support")
    both = {"support@a": Served(KEY, lot, sliced_by=("tool",)), "support@b": Served(KEY, lot, sliced_by=("tool",))}
    intake, exchanged = Join({7: both}), meta()

    assert intake.sliced_by(exchanged) == ("tool",)
    told = [event.slices for _, event in intake.exchange(exchanged, NOW, AskedBy(slices=("tool=search",)))]
    assert told == [("tool=search",)] * 2


def test_one_exchange_speaks_to_each_candidate() -> None:
    """Each of several has its own comparison, whichever comes first, and its own event; a row tells of one alone."""
    small, large = (EvidenceKey(f"support@{name}", f"key-{name}", 1, 0) for name in ("small", "large"))
    served = {7: {key.route: Served(key, Lot(PPM, PPM, 0, "support")) for key in (small, large)}}
    intake, exchanged = Join(served), meta()
    rows = [row(exchanged, route=key.route, candidate_key=key.candidate, q=q) for key, q in ((small, 0.5), (large, -1))]
    first = taken(intake, rows[1], exchanged)
    second = taken(intake, rows[0])

    assert [(key, event.q) for key, event in first] == [(large, -1)]
    assert [(key, event.q) for key, event in second] == [(small, 0.5)]
    assert not intake.waiting
    assert {key for key, _ in intake.take_service()} == {small, large}
    assert [intake.speaks_to(key.route) for key in (small, large)] == [small, large]


def test_what_one_candidate_lacks_is_lost_for_that_one_alone() -> None:
    """The other's pair is whole; what was never asked blocks its own candidate."""
    small, large = (EvidenceKey(f"support@{name}", f"key-{name}", 1, 0) for name in ("small", "large"))
    intake = Join({7: {key.route: Served(key, Lot(PPM, PPM, 0, "support")) for key in (small, large)}})
    exchanged = meta()
    whole = taken(intake, exchanged, row(exchanged, route=small.route, candidate_key=small.candidate))
    late = list(intake.overdue(NOW + WAIT_S))

    assert [(key, event.dropped) for key, event in whole] == [(small, False)]
    assert [(key, event.dropped) for key, event in late] == [(large, True)]


def test_only_the_candidate_that_serves_is_spoken_to() -> None:
    """While one of several has traffic the table serves it alone: nothing waits for those that rest."""
    small = EvidenceKey("support@small", "key-small", 1, 10_000)
    intake = Join({7: {small.route: Served(small, Lot(0, 0, 0, "support"))}, 8: {}})

    assert [key for key, _ in taken(intake, meta())] == [small]
    assert taken(intake, meta(2, table_version=8)) == []
