"""Faults that other tools shipped, by their numbers, and what happens here instead (F16 to F20)."""

from dataclasses import replace

import pytest

from policies.events import PairEvent
from policies.results import GateResult, Results
from policies.review import Conditions, review
from policies.rollout import Decision, Rollout, command, revise, start, step
from policies.rules import DAY_S, CandidateKey, Gates, Guards, Ladder, RollbackSettings, Rules, Stage
from policies.terms import Move, Outcome, Owner, Phase, Verb, Verdict
from tests.rooms.pair_events import filled, own, pair

RULES = Rules(
    "triage",
    CandidateKey("vllm/triage-7b", "2026-11-18"),
    Gates(latency=None),
    Guards(outputs="observed"),
    ladder=Ladder((Stage(0), Stage(50_000, hold_s=60.0), Stage(500_000, approve="manual"), Stage(1_000_000))),
    rollback=RollbackSettings(error_after_s=600.0),
)
GOOD = [pair(f"u{i}", owner=Owner.BASELINE if i % 20 else Owner.CANDIDATE) for i in range(800)]
DOWN = [own(Owner.CANDIDATE, f"d{i}", error_candidate=True) for i in range(5)]


def standing(phase: Phase, stage: int, *, lived_s: float = DAY_S) -> Rollout:
    return replace(start(RULES), phase=phase, stage=stage, lived_s=lived_s, seen_at=0.0)


def decided(rollout: Rollout, events: list[PairEvent], *, now: float = 0.0, seen: Conditions | None = None) -> Decision:
    found = filled(events, RULES, rollout.at.weight_ppm)
    return step(rollout, review(found, rollout, now=now, seen=seen or Conditions()), now=now)


CANARY = standing(Phase.CANARY, 1)


def test_argo_3562_an_analysis_that_never_measured_is_no_success():
    """argo-rollouts#3562: an analysis that could not run ended Successful and promoted. Here: hold, then failure."""
    nothing = decided(CANARY, [], seen=Conditions(fault="the judge's image is missing"))
    assert (nothing.outcome, nothing.rule) == (Outcome.HOLD, "fault")
    assert nothing.rollout.weight_ppm == CANARY.weight_ppm
    certified = decided(CANARY, GOOD, seen=Conditions(fault="the evaluator crashed"))
    assert certified.outcome is Outcome.HOLD


def test_argo_4479_errors_alone_are_no_success():
    """argo-rollouts#4479: all measurements were errors and the run was Successful."""
    results = Results(
        tuple(GateResult(name, Verdict.ERROR, f"{name}: not a number") for name in ("quality", "errors")), units=9000
    )
    assert step(CANARY, results, now=0.0).outcome is Outcome.HOLD


def test_argo_3850_inconclusive_in_the_background_does_not_promote_at_the_end_of_a_pause():
    """argo-rollouts#3850: an inconclusive background analysis was ignored when the pause ended."""
    unsure = [pair(f"u{i}") for i in range(120)]
    decision = decided(replace(CANARY, lived_s=365 * DAY_S), unsure)
    assert decision.outcome is Outcome.INCONCLUSIVE
    assert decision.rollout.weight_ppm == CANARY.weight_ppm
    assert decided(decision.rollout, GOOD).move is Move.HOLD


def test_argo_3015_an_inconclusive_rollout_is_not_stuck():
    """argo-rollouts#3015: after an inconclusive analysis nothing could move it. Here an operator's word does."""
    paused = standing(Phase.PAUSED, 1)
    assert command(paused, Verb.RESUME, now=0.0, by="ann", reason="x").rollout.phase is Phase.CANARY
    assert command(paused, Verb.ROLLBACK, now=0.0, by="ann", reason="x").rollout.weight_ppm == 0
    assert decided(paused, DOWN).outcome is Outcome.ROLLBACK


def test_argo_1411_a_failed_analysis_stops_the_rollout():
    """argo-rollouts#1411: a failed analysis did not stop the rollout."""
    harmful = [pair(f"u{i}", q=-1.0) for i in range(100)]
    for phase, stage in ((Phase.CANARY, 1), (Phase.CANARY, 2), (Phase.PROMOTED, 3)):
        events = harmful if stage < 2 else [replace(event, owner=Owner.CANDIDATE) for event in DOWN]
        assert decided(standing(phase, stage), events).rollout.weight_ppm == 0


def test_argo_1905_and_flagger_1035_no_traffic_is_no_failure():
    """argo-rollouts#1905, flagger#1035, #1098: no traffic rolled back a good release. Here it waits."""
    rollout, silence = CANARY, decided(CANARY, []).results
    for minute in range(60 * 24):
        decision = step(rollout, silence, now=60.0 * minute)
        assert decision.outcome in {Outcome.HOLD, Outcome.INCONCLUSIVE}
        rollout = decision.rollout
    assert rollout.weight_ppm == CANARY.weight_ppm


def test_argo_404_the_reason_is_told():
    """argo-rollouts#404, #1832: the reason of a failure was not to be found."""
    decision = decided(CANARY, [pair(f"u{i}", q=-1.0) for i in range(100)])
    assert "harm is certified" in decision.reason
    assert "on 100 units" in decision.reason


def test_flagger_1689_a_query_without_values_is_neither_failure_nor_pass():
    """flagger#1689: "no values found" counted as a failed check. Here it is patience, then an error, then a failure."""
    missing = own(Owner.CANDIDATE, "x")
    few = decided(CANARY, [replace(missing, unit=f"u{i}") for i in range(50)])
    assert few.outcome is Outcome.HOLD
    unscored = [pair(f"u{i}", q=None) for i in range(500)]
    shadow = decided(standing(Phase.SHADOW, 0), unscored)
    assert (shadow.outcome, shadow.rule) == (Outcome.HOLD, "gate quality")
    assert next(gate.verdict for gate in shadow.results.gates if gate.gate == "quality") is Verdict.ERROR


def test_flagger_1801_failures_roll_back_while_something_is_waited_for():
    """flagger#1801: eighteen failures and no rollback, because a webhook was waited for."""
    for rollout in (standing(Phase.APPROVING, 1), standing(Phase.PAUSED, 1), standing(Phase.CANARY, 1, lived_s=0.0)):
        assert decided(rollout, DOWN).outcome is Outcome.ROLLBACK


@pytest.mark.parametrize("events", [DOWN, [pair(f"u{i}", q=-1.0) for i in range(100)]], ids=["detector", "harm"])
@pytest.mark.parametrize(
    "rollout",
    [standing(Phase.CANARY, 1), standing(Phase.APPROVING, 1), standing(Phase.PAUSED, 2), standing(Phase.PROMOTED, 3)],
    ids=lambda rollout: str(rollout.phase),
)
def test_flagger_1588_rollback_works_in_every_phase(rollout: Rollout, events: list[PairEvent]):
    """flagger#1588, #1591: rollback did not work while promoting or finalising. F16: here every phase can go back."""
    owned = events if rollout.stage < 2 else [replace(event, owner=Owner.CANDIDATE) for event in events]
    decision = decided(rollout, owned)
    assert (decision.outcome, decision.rollout.weight_ppm) == (Outcome.ROLLBACK, 0)


def test_rollback_works_at_the_moment_of_promotion_and_of_approval():
    """F16: harm found in the same instant as a move up, or right after an approval, still takes all traffic back."""
    asked = decided(CANARY, GOOD)
    assert asked.rollout.phase is Phase.APPROVING
    approved = command(asked.rollout, Verb.PROMOTE, now=0.0, by="ann", reason="fine").rollout
    assert approved.weight_ppm == 500_000
    assert decided(approved, DOWN).rollout.weight_ppm == 0
    assert decided(CANARY, GOOD + DOWN).outcome is Outcome.ROLLBACK


def test_rollback_while_draining_changes_nothing_and_breaks_nothing():
    """F16: what is already at zero stays there; late failures of requests still under way start no second rollback."""
    stopped = decided(CANARY, DOWN).rollout
    again = step(stopped, review(filled(DOWN, RULES, 50_000), stopped, now=1.0, seen=Conditions()), now=1.0)
    assert (again.move, again.rollout.rollbacks, again.rollout.weight_ppm) == (Move.HOLD, 1, 0)
    assert command(stopped, Verb.ROLLBACK, now=1.0, by="ann", reason="sure?").refused


def test_flagger_failures_do_not_add_up_over_a_long_canary():
    """Flagger never resets its count of failed checks, so long canaries fail. A healthy rate does not."""
    failing = [pair(f"u{i}", error_candidate=i % 200 == 0) for i in range(4000)]
    assert decided(CANARY, failing).outcome is not Outcome.ROLLBACK


@pytest.mark.parametrize(
    "seen",
    [
        Conditions(watermark_at=0.0),
        Conditions(watermark_at=1e9),
        Conditions(watermark_at=float("nan")),
        Conditions(fault="the reader lags 75 s behind"),
    ],
    ids=["stale", "future", "nan", "lagging"],
)
def test_f17_stale_and_future_evidence_holds(seen: Conditions):
    """F17: evidence of ten minutes ago or of tomorrow promotes nothing, however good."""
    decision = decided(replace(CANARY, seen_at=1000.0), GOOD, now=1000.0, seen=seen)
    assert (decision.outcome, decision.rule) == (Outcome.HOLD, "fault")


def test_f18_an_evaluator_that_hangs_becomes_a_failure_where_traffic_is_served():
    """F18: nobody watches, so after the policy's time the traffic goes back; in the shadow nothing is at stake."""
    rollout, shadow = replace(CANARY, lived_s=0.0), standing(Phase.SHADOW, 0)
    blind = Results(fault="the evaluator does not answer")
    outcomes: list[Outcome] = []
    for minute in range(1, 12):
        decision = step(rollout, blind, now=60.0 * minute)
        shadow = step(shadow, blind, now=60.0 * minute).rollout
        rollout = decision.rollout
        outcomes.append(decision.outcome)
    assert outcomes.index(Outcome.ROLLBACK) == 9
    assert set(outcomes[:9]) == {Outcome.HOLD}
    assert shadow.phase is Phase.SHADOW


@pytest.mark.parametrize(
    "events",
    [
        [pair(f"u{i}", q=None, abstained=True) for i in range(1500)],
        [pair(f"u{i}", q=1.0) for i in range(1500)] + [pair(control=False) for _ in range(30)],
    ],
    ids=["unparseable", "controls fail"],
)
def test_f19_a_judge_that_cannot_judge_freezes(events: list[PairEvent]):
    """F19: verdicts that cannot be read, or hidden controls that it misses, freeze the rollout with the reason."""
    decision = decided(standing(Phase.SHADOW, 0), events)
    assert decision.outcome is Outcome.HOLD
    assert decision.rule in {"guard abstained", "guard controls"}


def test_f20_a_biased_router_is_found_within_twenty_thousand_requests():
    """F20: 52 to 48 instead of even holds everything."""
    found = filled([], RULES, 500_000)
    found.counts.update({"units": 20_000, "units_candidate": 10_400, "units_baseline": 9_600})
    rollout = standing(Phase.CANARY, 2)
    results = review(found, rollout, now=0.0, seen=Conditions())
    assert next(guard.verdict for guard in results.guards if guard.guard == "shares") is Verdict.INCONCLUSIVE


def test_f23_clocks_that_jump_promote_nobody_early():
    """F23: an hour or a year ahead, or back, earns one tick of the hold at most."""
    held = replace(CANARY, lived_s=0.0, ladder=Ladder((Stage(0), Stage(50_000, hold_s=DAY_S), Stage(1_000_000))))
    for now in (3600.0, 3e7, -3600.0, -3e7):
        assert decided(held, GOOD, now=now).rule == "hold"
    assert decided(held, GOOD, now=float("nan")).rule == "fault"
    assert decided(replace(held, lived_s=DAY_S), GOOD).outcome is Outcome.PROMOTE


def test_an_edited_policy_raises_nothing_by_itself():
    """Looser gates and longer ladders change no weight until evidence is looked at again."""
    looser = replace(RULES, gates=Gates(quality=None, latency=None), ladder=Ladder((Stage(0), Stage(1_000_000))))
    for phase, stage in ((Phase.SHADOW, 0), (Phase.CANARY, 1), (Phase.PROMOTED, 3), (Phase.REJECTED, 0)):
        before = standing(phase, stage)
        assert revise(before, looser, now=0.0).rollout.weight_ppm <= before.weight_ppm
