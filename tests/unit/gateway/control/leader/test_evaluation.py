"""One route at its leader: what is taken in, whom it waits for, and when nothing may be concluded."""

from dataclasses import replace

import msgspec
import pytest

from gateway.control.events.join import LabelReport, NodeEvent, watermark
from gateway.control.leader.evaluation import ABSENT_S, LAG_S, Evaluation
from gateway.control.state.port import QueuedEvent
from policies import explain
from policies.baseline_times import LEAST, BaselineTimes
from policies.events import PairEvent
from policies.evidence import Evidence, EvidenceKey
from policies.liveness import AssignedOutcome, ServiceReport
from policies.open_units import CLOSINGS
from policies.review import key_of
from policies.rollout import Rollout, start
from policies.rules import ARMS_FROM_PPM, Gates, Guards, Held, Latency, Units
from policies.terms import Move, Owner, Phase, Verdict
from tests.rooms.pair_events import RULES, answer, own, pair

NOW = 1_800_000_000.0
SHADOW = start(RULES)
CANARY = replace(SHADOW, stage=1, phase=Phase.CANARY)
KEY = key_of(SHADOW)


@pytest.fixture
def evaluation() -> Evaluation:
    return Evaluation(RULES, SHADOW, 1, Evidence(KEY, RULES))


def event(told: NodeEvent, number: int = 1, node: str = "n1") -> QueuedEvent:
    return QueuedEvent(node, number, "triage", msgspec.json.encode(told))


def saw(at: float = NOW, number: int = 1, key: EvidenceKey = KEY, seen: PairEvent | None = None) -> QueuedEvent:
    return event(NodeEvent(at, 0.0, key, seen or pair(f"u{number}", at)), number)


def mark(evaluation: Evaluation, node: str, at: float | None, *, now: float = NOW, lag_s: float = 0.0) -> None:
    assert evaluation.take(event(NodeEvent(at, lag_s), node=node), now, 1) is None


def test_an_event_is_evidence_and_a_row(evaluation: Evaluation) -> None:
    """It is counted, numbered in the leader's order, and the row says all that a rebuild needs."""
    seen = pair("u", NOW - 2, q=-0.5)
    row = evaluation.take(saw(NOW - 1, 41, seen=seen), NOW, 3)
    assert row is not None
    assert (row.seq, row.observed_us, row.node, row.number, row.leader_epoch) == (1, int(NOW * 1e6), "n1", 41, 3)
    assert EvidenceKey(row.route, row.candidate_key, row.attempt, row.weight_ppm, row.epoch) == KEY
    assert msgspec.json.decode(row.event_json, type=PairEvent) == seen
    assert msgspec.json.decode(row.held_json, type=Held) == SHADOW.held
    assert (evaluation.evidence.count("requests"), evaluation.positions, evaluation.moved) == (1, {"n1": 41}, True)
    again = evaluation.take(saw(number=42), NOW, 3)
    assert again is not None
    assert again.seq == 2


@pytest.mark.parametrize(
    "key",
    [replace(KEY, candidate="other"), replace(KEY, attempt=2), replace(KEY, weight_ppm=50_000), replace(KEY, epoch=1)],
)
def test_what_another_key_saw_is_no_evidence(evaluation: Evaluation, key: EvidenceKey) -> None:
    """An event of another candidate, attempt, stage or epoch is counted as such, and its mark still holds."""
    assert evaluation.take(saw(NOW - 1, key=key), NOW, 1) is None
    assert (evaluation.elsewhere, evaluation.evidence.counts, evaluation.seq, evaluation.moved) == (1, {}, 0, False)
    assert (evaluation.positions, evaluation.watermark(NOW)) == ({"n1": 1}, NOW - 1)


SUSPENDED = replace(CANARY, phase=Phase.SUSPENDED, suspended_ago_s=(60.0,), held=Held(watch=1))
BACK = replace(CANARY, held=Held(watch=2))


@pytest.mark.parametrize(
    ("stands", "served_at", "heard"),
    [
        (SUSPENDED, SUSPENDED, "trial"),
        (SUSPENDED, CANARY, "earlier"),
        (BACK, BACK, "whole"),
        (BACK, CANARY, "earlier"),
        (BACK, SUSPENDED, None),
        (CANARY, SUSPENDED, None),
    ],
)
def test_who_hears_an_exchange_depends_on_when_it_was_served(stands: Rollout, served_at: Rollout, heard: str | None):
    """Before an alarm: counts alone; in its trial: detectors alone, while it lasts; after it: both. The row says it."""
    evaluation = Evaluation(RULES, stands, 1, Evidence(key_of(stands), RULES))
    row = evaluation.take(saw(key=key_of(served_at)), NOW, 1)
    found = None if row is None else msgspec.json.decode(row.event_json, type=PairEvent).heard
    assert (found, evaluation.elsewhere) == (heard, int(heard is None))
    assert evaluation.evidence.count("requests") == int(heard in ("whole", "earlier"))
    assert bool(evaluation.evidence.detectors) is (heard in ("whole", "trial"))
    assert evaluation.results(NOW, bounds=False).tried == int(heard == "trial")


def test_who_serves_is_told_afresh_after_an_alarm():
    """Failures of before it are no illness of a candidate that is back."""
    evaluation = Evaluation(RULES, CANARY, 1, Evidence(key_of(CANARY), RULES))
    failures = tuple(ServiceReport(NOW + at, Owner.CANDIDATE, AssignedOutcome.FAILED, "refused") for at in range(5))
    evaluation.take(event(NodeEvent(NOW, 0.0, key_of(CANARY), service=failures)), NOW, 1)
    assert evaluation.liveness.unhealthy() is not None
    for number, rollout in enumerate((SUSPENDED, BACK), start=2):
        evaluation.stand(rollout)
        evaluation.take(event(NodeEvent(NOW, 0.0, key_of(CANARY), service=failures), number), NOW, 1)
        assert evaluation.liveness.unhealthy() is None
    evaluation.take(event(NodeEvent(NOW, 0.0, key_of(BACK), service=failures), 9), NOW, 1)
    assert evaluation.liveness.unhealthy() is not None


def test_a_candidate_may_be_as_silent_as_the_baseline():
    """Of whose answers the evidence knows how many have nothing in them, from the shadow on."""
    nothing = answer("", "empty")
    said = [pair(f"u{n}", NOW, output_candidate=nothing, output_baseline=nothing) for n in range(900)]
    empty = (ServiceReport(NOW, Owner.CANDIDATE, AssignedOutcome.ANSWERED, is_empty=True),) * 60
    for known, is_ill in (([], True), (said, False)):
        evaluation = Evaluation(RULES, CANARY, 1, Evidence(key_of(CANARY), RULES))
        for each in known:
            evaluation.evidence.observe(each)
        evaluation.take(event(NodeEvent(NOW, 0.0, key_of(CANARY), service=empty)), NOW, 1)
        assert (evaluation.liveness.unhealthy() is not None) is is_ill


@pytest.mark.parametrize("phase", [Phase.ROLLED_BACK, Phase.QUARANTINED, Phase.REJECTED])
def test_a_stopped_rollout_gathers_nothing(evaluation: Evaluation, phase: Phase) -> None:
    """What still comes after a rollback is no evidence of anything."""
    evaluation.rollout = replace(SHADOW, phase=phase)
    assert evaluation.take(saw(), NOW, 1) is None
    assert (evaluation.elsewhere, evaluation.evidence.counts) == (1, {})


@pytest.mark.parametrize("body", [b"", b"{", b'{"watermark":"x","lag_s":0}', b"\xff"])
def test_what_cannot_be_read_is_counted(evaluation: Evaluation, body: bytes) -> None:
    """It is passed over once and for all, and says nothing of its node."""
    assert evaluation.take(QueuedEvent("n1", 9, "triage", body), NOW, 1) is None
    assert (evaluation.unreadable, evaluation.positions, evaluation.heard) == (1, {"n1": 9}, {})


def test_the_watermark_is_the_least_of_all_nodes(evaluation: Evaluation) -> None:
    """Nobody's word: none. Then the slowest node's; one that does not know its own holds to what it said before."""
    assert evaluation.watermark(NOW) is None
    mark(evaluation, "n1", NOW - 5)
    mark(evaluation, "n2", NOW - 9)
    assert evaluation.watermark(NOW) == NOW - 9
    mark(evaluation, "n2", None)
    assert evaluation.watermark(NOW) == NOW - 9
    mark(evaluation, "n2", NOW - 1)
    assert evaluation.watermark(NOW) == NOW - 5


def test_an_absent_node_is_waited_for_so_long(evaluation: Evaluation) -> None:
    """Up to `ABSENT_S` it holds the others up, and no longer; where all are absent, all count."""
    mark(evaluation, "gone", NOW - 9)
    mark(evaluation, "there", NOW - 5, now=NOW + 1)
    assert evaluation.watermark(NOW + ABSENT_S) == NOW - 9
    assert evaluation.watermark(NOW + ABSENT_S + 0.5) == NOW - 5
    assert evaluation.watermark(NOW + ABSENT_S + 1.5) == NOW - 9


def test_nothing_is_concluded_before_a_node_has_spoken(evaluation: Evaluation) -> None:
    """Without a mark there is a fault, not a guess."""
    assert evaluation.conditions(NOW).fault == "no node has reported yet how far it has read the traffic"
    mark(evaluation, "n1", None)
    assert evaluation.conditions(NOW).fault == "no node has reported yet how far it has read the traffic"
    mark(evaluation, "n1", NOW - 5)
    assert (evaluation.conditions(NOW).fault, evaluation.conditions(NOW).watermark_at) == (None, NOW - 5)


def test_a_node_that_lags_is_a_fault(evaluation: Evaluation) -> None:
    """Above `LAG_S` the look says who reads how late, and concludes nothing; at it, or once it is gone, it may."""
    mark(evaluation, "n1", NOW, lag_s=LAG_S)
    assert evaluation.conditions(NOW).fault is None
    mark(evaluation, "n2", NOW, lag_s=LAG_S + 1)
    assert evaluation.conditions(NOW).fault == "n2 reads its journals 61 s late, and 60 s are allowed"
    decision = evaluation.look(NOW, bounds=True)
    assert (decision.move, decision.rule) == (Move.HOLD, "fault")
    assert decision.reason.startswith("n2 reads its journals 61 s late, and 60 s are allowed")
    later = NOW + ABSENT_S + 1
    mark(evaluation, "n1", later, now=later)
    assert evaluation.conditions(later).fault is None


def test_units_close_by_the_watermark(evaluation: Evaluation) -> None:
    """A unit counts once every node has told of all that is older than its end."""
    evaluation.take(saw(NOW), NOW, 1)
    evaluation.moved = False
    evaluation.advance(NOW)
    assert (evaluation.evidence.count("units"), evaluation.moved) == (0, False)
    mark(evaluation, "n1", NOW + RULES.units.close_after_s)
    evaluation.advance(NOW)
    assert (evaluation.evidence.count("units"), evaluation.moved) == (1, True)


def test_another_stage_has_evidence_of_its_own(evaluation: Evaluation) -> None:
    """After a move counts begin at zero, and the baseline's lately go on; a pause of the same stage keeps them."""
    evaluation.take(saw(seen=pair("u", NOW, error_baseline=True)), NOW, 1)
    gathered = evaluation.evidence
    evaluation.stand(replace(SHADOW, phase=Phase.PAUSED))
    assert evaluation.evidence is gathered
    evaluation.stand(CANARY)
    assert (evaluation.evidence.key, evaluation.evidence.counts) == (key_of(CANARY), {})
    assert evaluation.evidence.recent is gathered.recent


def test_where_evidence_is_left_is_a_row(evaluation: Evaluation) -> None:
    """In the same order as what was observed: whose it is, up to when it was closed, and that nobody told it."""
    evaluation.take(saw(), NOW, 3)
    mark(evaluation, "n1", NOW + 10 * RULES.units.close_after_s)
    evaluation.advance(NOW)
    row = evaluation.leave(NOW + 7, 3)
    assert (row.seq, row.observed_us, row.leader_epoch) == (2, int(NOW * 1e6), 3), "when it was closed"
    assert (row.event_json, row.node, row.number) == ("", "", 0)
    watch = msgspec.json.decode(row.held_json, type=Held).watch
    assert EvidenceKey(row.route, row.candidate_key, row.attempt, row.weight_ppm, row.epoch, watch) == KEY
    assert row.watermark is not None
    assert row.watermark == evaluation.evidence.watermark_at
    after = evaluation.take(saw(number=2), NOW, 3)
    assert after is not None
    assert after.seq == 3


def test_another_baseline_is_known_by_nothing(evaluation: Evaluation) -> None:
    """An edit that names another baseline forgets how long the one before took."""
    evaluation.take(served(None, times=LEAST), NOW, 1)
    evaluation.evidence.line.began_at = NOW
    evaluation.judge_by(replace(RULES, key=replace(RULES.key, judge="other")))
    assert (evaluation.evidence.line.began_at, evaluation.baseline == BaselineTimes()) == (NOW, False)
    evaluation.judge_by(replace(RULES, key=replace(RULES.key, baseline="openai/gpt-5")))
    assert (evaluation.evidence.line.began_at, evaluation.baseline) == (None, BaselineTimes())


def test_other_rules_judge_what_was_gathered(evaluation: Evaluation) -> None:
    """An edited policy's gates look at the same evidence."""
    evaluation.take(saw(), NOW, 1)
    edited = replace(RULES, gates=replace(RULES.gates, latency=None))
    evaluation.judge_by(edited)
    assert (evaluation.rules, evaluation.evidence.rules, evaluation.evidence.count("requests")) == (edited, edited, 1)


def test_a_row_says_what_the_rollout_is_held_to_now(evaluation: Evaluation) -> None:
    """When the rollout is held to more, so are the rows after it."""
    first = evaluation.take(saw(), NOW, 1)
    evaluation.stand(replace(SHADOW, held=Held(quality=-0.02)))
    second = evaluation.take(saw(number=2), NOW, 1)
    assert first is not None
    assert second is not None
    held = [msgspec.json.decode(row.held_json, type=Held).quality for row in (first, second)]
    assert held == [None, -0.02]


def test_open_conversations_are_not_looked_through_at_each_tick(evaluation: Evaluation) -> None:
    """A conversation closes within a 360th of its silence after it is over, and what was closed says up to when."""
    silence_s = RULES.units.close_after_s
    evaluation.take(saw(NOW - 2 * silence_s), NOW, 1)
    step_s, seen = silence_s / CLOSINGS, set[float | None]()
    for number in range(100):
        mark(evaluation, "n1", NOW - silence_s + number * step_s / 50)
        evaluation.advance(NOW)
        seen.add(evaluation.evidence.watermark_at)
    assert len(seen) <= 4
    assert evaluation.evidence.count("units") == 1
    assert all(at is not None and abs(at / step_s - round(at / step_s)) < 1e-3 for at in seen)


def served(
    service: AssignedOutcome | None, key: EvidenceKey = KEY, *, times: int = 10, took_s: float = 0.5, number: int = 1
) -> QueuedEvent:
    owner = Owner.BASELINE if service is None else Owner.CANDIDATE
    one = ServiceReport(NOW, owner, service, "refused")
    if service is None:
        one = ServiceReport(
            NOW, owner, None, is_failed_baseline=False, first_s=took_s, total_s=2 * took_s, is_stream=True,
            sent_bytes=1024,
        )  # fmt: skip
    return event(NodeEvent(None, 0.0, key, service=(one,) * times), number)


@pytest.mark.parametrize("key", [KEY, replace(KEY, weight_ppm=50_000), replace(KEY, epoch=3)])
def test_who_served_counts_under_every_stage(key: EvidenceKey) -> None:
    """Failures of another stage or epoch are the same candidate's: it is unhealthy, and is rolled back."""
    evaluation = Evaluation(RULES, CANARY, 1, Evidence(key_of(CANARY), RULES))
    mark(evaluation, "n1", NOW)
    assert evaluation.take(served(AssignedOutcome.FAILED, key), NOW, 1) is None
    assert (evaluation.moved, evaluation.evidence.counts) == (True, {})
    assert "requests assigned to it" in (evaluation.conditions(NOW).unhealthy or "")
    assert (evaluation.look(NOW, bounds=False).move, evaluation.look(NOW, bounds=False).rule) == (
        Move.ROLL_BACK, "unhealthy",
    )  # fmt: skip


@pytest.mark.parametrize("key", [replace(KEY, candidate="other"), replace(KEY, attempt=2)])
def test_another_candidates_failures_are_not_its_own(evaluation: Evaluation, key: EvidenceKey) -> None:
    """What still comes of an earlier candidate or attempt says nothing of this one; the baseline is the same."""
    evaluation.take(served(AssignedOutcome.FAILED, key), NOW, 1)
    evaluation.take(served(None, key, times=LEAST, number=2), NOW, 1)
    assert evaluation.conditions(NOW).unhealthy is None
    known = evaluation.paced(evaluation.rollout).baseline_p99
    assert (known.first_token_s, known.kib_s) == pytest.approx((0.5, 0.5), rel=0.03)


def test_another_attempt_is_judged_afresh(evaluation: Evaluation) -> None:
    """A move keeps what is known of who serves; a restart or another key begins it anew."""
    evaluation.stand(CANARY)
    evaluation.take(served(AssignedOutcome.FAILED), NOW, 1)
    for same in (replace(CANARY, epoch=1), replace(CANARY, stage=2), replace(CANARY, phase=Phase.PAUSED)):
        evaluation.stand(same)
        assert evaluation.conditions(NOW).unhealthy
    evaluation.stand(replace(SHADOW, attempt=2))
    assert evaluation.conditions(NOW).unhealthy is None


def test_latency_is_armed_without_evidence_of_its_own() -> None:
    """At 100 % after an operator's promotes, nothing held back: the baseline's times before that set the limit."""
    rules = replace(RULES, gates=replace(RULES.gates, latency=Latency(quantile=0.95, ratio=2.0)))
    top = replace(start(rules), stage=5, phase=Phase.PROMOTED)
    evaluation = Evaluation(rules, top, 1, Evidence(key_of(top), rules))
    mark(evaluation, "n1", NOW)
    assert evaluation.look(NOW, bounds=False).rollout.held.latency_s is None
    evaluation.take(served(None, times=LEAST), NOW, 1)
    held = evaluation.look(NOW, bounds=False).rollout.held
    assert (held.latency_s, held.latency_of) == (pytest.approx(0.5, rel=0.03), "ttft p95")
    shadow = Evaluation(rules, start(rules), 1, Evidence(key_of(start(rules)), rules))
    shadow.take(served(None, times=LEAST), NOW, 1)
    assert shadow.look(NOW, bounds=False).rollout.held.latency_s is None


def test_a_rollback_for_illness_is_proved_by_its_record() -> None:
    """The record holds what liveness said: the decision is made again from it, bit for bit, without any exchange."""
    evaluation = Evaluation(RULES, CANARY, 1, Evidence(key_of(CANARY), RULES))
    mark(evaluation, "n1", NOW)
    evaluation.take(served(AssignedOutcome.FAILED), NOW, 1)
    made = evaluation.look(NOW, bounds=True)
    kept = explain.encode(explain.record(made, evaluation.evidence, evaluation.conditions(NOW), version="1"))
    assert explain.replay(explain.decode(kept)) == made
    assert "refused" in explain.text(made)


@pytest.mark.parametrize("close_after_s", [1.0, 1800.0])
def test_answers_that_hang_do_not_drop_out_of_a_gate(close_after_s: float) -> None:
    """1.8 % of the candidate's answers hang for 200 or 900 s and fail: all of them count, nothing is certified."""
    rules = replace(
        RULES, gates=Gates(quality=None, latency=None),
        units=Units(close_after_s=close_after_s, late=True), guards=Guards(late_rate=0.01),
    )  # fmt: skip
    stage = next(place for place, each in enumerate(rules.ladder.stages) if each.weight_ppm >= ARMS_FROM_PPM)
    rollout = replace(start(rules), stage=stage, phase=Phase.CANARY)
    evaluation = Evaluation(rules, rollout, 1, Evidence(key_of(rollout), rules))
    waits = [(NOW + n / 10, Owner.CANDIDATE if n % 2 else Owner.BASELINE, n) for n in range(6_000)]
    hangs = {n: 200.0 if n % 3 else 900.0 for _, owner, n in waits if owner is Owner.CANDIDATE and n % 55 == 0}
    ends = sorted((at + hangs.get(n, 0.5), at, owner, n) for at, owner, n in waits)
    now = NOW
    for tick in range(0, 1600, 5):
        now = NOW + tick
        while ends and ends[0][0] <= now:
            _, at, owner, n = ends.pop(0)
            failed = {"error_candidate": n in hangs} if owner is Owner.CANDIDATE else {}
            evaluation.take(saw(at, n, evaluation.evidence.key, own(owner, f"u{n}", at, **failed)), now, 1)
        open_at = min((at for _, at, _, _ in ends if at <= now), default=None)
        mark(evaluation, "n1", watermark(now, 0.0, (None, open_at)), now=now)
        evaluation.advance(now)
    mark(evaluation, "n1", now + 3600, now=now)
    evaluation.advance(now)
    counted = evaluation.evidence.histogram("errors_candidate")
    assert sum(counted.values()) == len(waits) // 2
    errors = next(gate for gate in evaluation.results(now, bounds=False).gates if gate.gate == "errors")
    assert errors.verdict is not Verdict.PASS
    assert f"of {len(waits) // 2}" in errors.reason


def test_what_people_say_is_added_up_over_nodes() -> None:
    """The latest report of each node counts, of this candidate alone, also of a node that is gone; what its policy does
    not ask for is no part of what is known.
    """
    rules = replace(RULES, guards=Guards(judge_bias=0.2))
    asked = Evaluation(rules, SHADOW, 1, Evidence(KEY, rules))

    def tell(node: str, gaps: dict[int, int], candidate: str = KEY.candidate) -> None:
        report = LabelReport(candidate, gaps)
        asked.take(event(NodeEvent(NOW, 0.0, labels=report), node=node), NOW, 1)

    assert asked.conditions(NOW).labels == {}
    tell("n1", {0: 5})
    assert asked.moved
    asked.moved = False
    tell("n1", {0: 5})
    assert not asked.moved
    tell("n1", {0: 6, 100: 1})
    tell("n2", {100: 2})
    tell("n3", {0: 99}, "other")
    assert asked.conditions(NOW + 2 * ABSENT_S).labels == {0: 6, 100: 3}
    mark(asked, "n1", NOW)
    assert asked.conditions(NOW).labels == {0: 6, 100: 3}
    asked.judge_by(RULES)
    assert asked.conditions(NOW).labels is None
