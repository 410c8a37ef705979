"""The ladder: every cell of its two tables, what each finding rests on, and what no history can do."""

import math
from dataclasses import replace

import msgspec
import pytest

from policies.results import Alarm, GateResult, GuardResult, Results
from policies.rollout import (
    FINDINGS,
    MOVES,
    ORDERS,
    STOPPED,
    VERBS,
    Rollout,
    blocks,
    command,
    revise,
    start,
    step,
)
from policies.rules import BETS, BETS_BEFORE, DAY_S, PPM, BaselineP99, Gates, Held, Ladder, Stage
from policies.terms import Move, Outcome, Phase, Verb, Verdict
from policies.windows import RiseWindow
from tests.rooms.rollouts import GOOD, HEALTHY, KEY, PASSES, QUIET, RULES, SETTINGS, UNSURE, WAITS

BROKEN = GateResult("errors", Verdict.ERROR, "errors: no evidence in 300 units")
FAILS = GateResult("errors", Verdict.FAIL, "errors: harm is certified")
BREACHED = GuardResult("outputs", Verdict.FAIL, "outputs: one answer for all")
SUSPECT = GuardResult("outputs", Verdict.INCONCLUSIVE, "outputs: suspicious")
ALARM = Alarm("errors", 4.2, 4.0, raised=True, reason="detector errors: alarm")

SPENT = replace(UNSURE, units=20_000)
HARM = Results((PASSES, FAILS), (HEALTHY,), (QUIET,), units=1)
ALARMED = replace(UNSURE, alarms=(ALARM,))
TRIED = replace(GOOD, tried=200)
JOINS = replace(GOOD, joins=("tool=a",))
FOUND = {
    Outcome.ROLLBACK: HARM, Outcome.SUSPEND: ALARMED, Outcome.JOIN: JOINS, Outcome.PROMOTE: TRIED,
    Outcome.INCONCLUSIVE: SPENT, Outcome.HOLD: UNSURE,
}  # fmt: skip


SUSPENDING = replace(SETTINGS, trial=200, trial_s=100.0)


def at(stage: int, phase: Phase, *, lived_s: float = 60.0, seen_at: float | None = 1_000.0) -> Rollout:
    return replace(start(RULES), stage=stage, phase=phase, lived_s=lived_s, seen_at=seen_at, settings=SUSPENDING)


def partial(stands: Rollout, *moving: str) -> Rollout:
    """The same where slices move alone: two are tested, and these are certified."""
    held = replace(stands.held, moving=moving)
    return replace(stands, ladder=replace(stands.ladder, moves_by="tool"), drawn=("tool=a", "tool=b"), held=held)


WHERE = {
    Phase.SHADOW: at(0, Phase.SHADOW),
    Phase.CANARY: at(1, Phase.CANARY),
    Phase.APPROVING: at(1, Phase.APPROVING),
    Phase.PAUSED: at(1, Phase.PAUSED),
    Phase.PROMOTED: at(3, Phase.PROMOTED),
    Phase.SUSPENDED: replace(at(1, Phase.SUSPENDED), suspended_ago_s=(60.0,), held=Held(watch=1)),
    Phase.ROLLED_BACK: at(0, Phase.ROLLED_BACK),
    Phase.QUARANTINED: at(0, Phase.QUARANTINED),
    Phase.REJECTED: at(0, Phase.REJECTED),
}


def test_a_rollout_starts_in_the_shadow_without_traffic():
    """A new rollout serves nothing and is on its first attempt."""
    fresh = start(RULES)
    assert (fresh.phase, fresh.stage, fresh.weight_ppm, fresh.attempt) == (Phase.SHADOW, 0, 0, 1)
    assert (fresh.route, fresh.key, fresh.seen_at, fresh.lived_s) == ("triage", KEY, None, 0.0)


# The whole policy, written a second time: phase, stage -> what each of D.3's findings does, and the weight after it.
# fmt: off
EXPECTED = {
    Phase.SHADOW: (
        (Move.REJECT, 0), (Move.HOLD, 0), (Move.JOIN, 0), (Move.ADVANCE, 50_000), (Move.PAUSE, 0), (Move.HOLD, 0)),
    Phase.CANARY: (
        (Move.ROLL_BACK, 0), (Move.SUSPEND, 0), (Move.JOIN, 50_000), (Move.AWAIT, 50_000), (Move.PAUSE, 50_000),
        (Move.HOLD, 50_000)),
    Phase.APPROVING: (
        (Move.ROLL_BACK, 0), (Move.SUSPEND, 0), (Move.JOIN, 50_000), (Move.HOLD, 50_000), (Move.WITHDRAW, 50_000),
        (Move.WITHDRAW, 50_000)),
    Phase.PAUSED: (
        (Move.ROLL_BACK, 0), (Move.SUSPEND, 0), (Move.HOLD, 50_000), (Move.HOLD, 50_000), (Move.HOLD, 50_000),
        (Move.HOLD, 50_000)),
    Phase.PROMOTED: (
        (Move.ROLL_BACK, 0), (Move.SUSPEND, 0), (Move.JOIN, 980_000), (Move.HOLD, 980_000), (Move.RENEW, 980_000),
        (Move.HOLD, 980_000)),
    Phase.SUSPENDED: (
        (Move.ROLL_BACK, 0), (Move.ROLL_BACK, 0), (Move.HOLD, 0), (Move.RETURN, 50_000), (Move.ROLL_BACK, 0),
        (Move.HOLD, 0)),
    Phase.ROLLED_BACK: ((Move.HOLD, 0),) * 6,
    Phase.QUARANTINED: ((Move.HOLD, 0),) * 6,
    Phase.REJECTED: ((Move.HOLD, 0),) * 6,
}
# fmt: on


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("finding", list(FINDINGS))
def test_every_phase_answers_every_finding(phase: Phase, finding: Outcome):
    """Rollback reaches every phase with traffic, only a certificate climbs, and what is stopped stays stopped."""
    stands = WHERE[phase]
    if (phase, finding) == (Phase.SUSPENDED, Outcome.INCONCLUSIVE):  # a trial has no budget but its time
        stands = replace(stands, suspended_ago_s=(SUSPENDING.trial_s,))
    if finding is Outcome.JOIN:
        stands = partial(stands)
    decision = step(stands, FOUND[finding], now=1_000.0)

    move, weight = EXPECTED[phase][FINDINGS.index(finding)]
    assert (decision.move, decision.rollout.weight_ppm) == (move, weight)
    assert decision.reason
    assert decision.before == stands
    assert decision.results == FOUND[finding]
    assert (decision.at, decision.by) == (1_000.0, "evidence")


def test_the_tables_know_every_phase():
    """No phase is without a row, in neither table."""
    assert set(MOVES) == set(ORDERS) == set(Phase)
    assert {MOVES[phase] for phase in STOPPED} == {(Move.HOLD,) * 6}
    told = {phase: tuple(move for move, _ in row) for phase, row in EXPECTED.items() if phase is not Phase.CANARY}
    assert told.items() <= MOVES.items()  # the canary of these tests awaits approval
    assert set(STOPPED) == {Phase.ROLLED_BACK, Phase.QUARANTINED, Phase.REJECTED}
    assert (FINDINGS, VERBS) == (
        (Outcome.ROLLBACK, Outcome.SUSPEND, Outcome.JOIN, Outcome.PROMOTE, Outcome.INCONCLUSIVE, Outcome.HOLD),
        (Verb.PROMOTE, Verb.HOLD, Verb.RESUME, Verb.ROLLBACK),
    )


@pytest.mark.parametrize(
    ("move", "outcome"),
    [
        (Move.ROLL_BACK, Outcome.ROLLBACK),
        (Move.REJECT, Outcome.REJECTED),
        (Move.ADVANCE, Outcome.PROMOTE),
        (Move.PAUSE, Outcome.INCONCLUSIVE),
        (Move.SUSPEND, Outcome.SUSPEND),
        (Move.RETURN, Outcome.RETURN),
        (Move.JOIN, Outcome.JOIN),
        (Move.AWAIT, Outcome.HOLD),
        (Move.WITHDRAW, Outcome.HOLD),
        (Move.RENEW, Outcome.HOLD),
        (Move.HOLD, Outcome.HOLD),
    ],
)
def test_a_move_has_one_name_outside(move: Move, outcome: Outcome):
    """Each move is told as the one outcome people and machines know."""
    told = {
        step(rollout, results, now=1_000.0).outcome
        for rollout in (*WHERE.values(), partial(WHERE[Phase.CANARY]))
        for results in FOUND.values()
        if step(rollout, results, now=1_000.0).move is move
    }
    assert told == {outcome}


def test_harm_outranks_a_certificate_and_a_certificate_outranks_a_spent_budget():
    """The findings are looked for in D.3's order."""
    canary = WHERE[Phase.CANARY]
    both = Results((PASSES, FAILS), units=20_000)
    certified = replace(GOOD, units=20_000)

    assert step(canary, both, now=1_000.0).move is Move.ROLL_BACK
    assert step(canary, certified, now=1_000.0).move is Move.AWAIT
    assert step(at(0, Phase.SHADOW), certified, now=1_000.0).move is Move.ADVANCE


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"fault": "the evaluator is down"}, "fault"),
        ({"unhealthy": "its breaker is open"}, "unhealthy"),
        ({"alarms": (ALARM,)}, "detector"),
        ({"gates": ()}, "gates"),
        ({"gates": (replace(PASSES, required=False),)}, "gates"),
        ({"gates": (PASSES, WAITS)}, "gate errors"),
        ({"gates": (PASSES, BROKEN)}, "gate errors"),
        ({"guards": (SUSPECT,)}, "guard outputs"),
        ({"units": 99}, "units"),
    ],
)
def test_each_thing_that_is_missing_holds_the_shadow(change: dict[str, object], rule: str):
    """No gate, guard, unit or watcher may be missing when traffic is to move."""
    decision = step(WHERE[Phase.SHADOW], replace(GOOD, **change), now=1_000.0)  # pyright: ignore[reportArgumentType]

    assert (decision.move, decision.rule) == (Move.HOLD, rule)
    assert decision.rollout.weight_ppm == 0


def test_nothing_at_all_holds():
    """Without any evidence a rollout stays where it is, and says so."""
    decision = step(start(RULES), Results(), now=0.0)
    assert (decision.outcome, decision.rule) == (Outcome.HOLD, "gates")
    assert decision.reason == "no gate has certified anything; and 1 more"


def test_what_is_not_required_neither_blocks_nor_certifies():
    """An unrequired gate or guard that does not pass leaves the way open."""
    results = replace(GOOD, gates=(PASSES, replace(WAITS, required=False)), guards=(replace(SUSPECT, required=False),))
    assert step(WHERE[Phase.SHADOW], results, now=1_000.0).move is Move.ADVANCE


def test_one_missing_thing_is_told_alone():
    """A single block is the whole reason, in the words of whoever said it."""
    assert step(WHERE[Phase.SHADOW], UNSURE, now=1_000.0).reason == "errors: not certified yet"
    assert blocks(WHERE[Phase.SHADOW], GOOD) == []
    assert blocks(WHERE[Phase.SHADOW], replace(GOOD, units=99)) == [("units", "99 of at least 100 units")]


def test_a_certificate_says_on_how_much_it_rests():
    """The reason of a promotion holds its units, and the rule is the certificate."""
    decision = step(WHERE[Phase.SHADOW], GOOD, now=1_000.0)
    assert (decision.rule, decision.reason) == ("certified", "every required gate is certified on 100 units")
    assert (decision.rollout.phase, decision.rollout.stage, decision.rollout.lived_s) == (Phase.CANARY, 1, 0.0)


def test_a_stage_is_held_for_its_time():
    """A certificate before the hold is over waits for it."""
    auto = Ladder((Stage(0), Stage(50_000, hold_s=60.0), Stage(PPM)))
    canary = replace(at(1, Phase.CANARY, lived_s=59.0), ladder=auto)

    early = step(canary, GOOD, now=1_000.5)
    assert (early.move, early.rule, early.reason) == (Move.HOLD, "hold", "0 s of this stage's hold left")
    assert step(replace(canary, lived_s=10.0), GOOD, now=1_000.0).reason == "50 s of this stage's hold left"
    assert step(canary, GOOD, now=1_001.0).move is Move.ADVANCE
    assert step(canary, GOOD, now=1_001.0).rollout.phase is Phase.PROMOTED


def test_time_counts_only_as_it_is_lived_through():
    """A clock that jumps ahead by a year earns one tick; one that jumps back earns nothing and loses nothing."""
    canary = at(1, Phase.CANARY, lived_s=10.0)

    assert step(canary, UNSURE, now=1_030.0).rollout.lived_s == 40.0
    assert step(canary, UNSURE, now=1_000.0 + 3e7).rollout.lived_s == 70.0
    back = step(canary, UNSURE, now=-3e7)
    assert (back.rollout.lived_s, back.rollout.seen_at) == (10.0, -3e7)
    assert step(back.rollout, UNSURE, now=-3e7 + 5).rollout.lived_s == 15.0


@pytest.mark.parametrize("now", [math.nan, math.inf, -math.inf])
def test_a_clock_that_gives_no_number_changes_nothing(now: float):
    """Time that is no number is no time."""
    canary = at(1, Phase.CANARY, lived_s=10.0)
    assert step(canary, UNSURE, now=now).rollout == canary


def test_the_first_step_lives_no_time():
    """A rollout that was never seen has not lived."""
    first = step(replace(start(RULES), seen_at=None), UNSURE, now=1e9).rollout
    assert (first.lived_s, first.seen_at) == (0.0, 1e9)


def test_approval_is_asked_once_everything_is_certified():
    """A stage that wants a person's word is entered by that word alone, and the wait ends if the certificate lapses."""
    asked = step(WHERE[Phase.CANARY], GOOD, now=1_000.0)
    assert (asked.rule, asked.rollout.phase, asked.rollout.stage) == ("approval", Phase.APPROVING, 1)
    assert asked.reason.endswith("; 50% waits for an operator's approval")

    waiting = step(asked.rollout, GOOD, now=1_001.0)
    assert (waiting.rule, waiting.rollout.phase) == ("approval", Phase.APPROVING)
    assert waiting.reason.startswith("waits for an operator's approval; every required gate")

    lapsed = step(asked.rollout, UNSURE, now=1_001.0)
    assert (lapsed.rule, lapsed.rollout.phase) == ("gate errors", Phase.CANARY)

    approved = command(asked.rollout, Verb.PROMOTE, now=1_002.0, by="ann", reason="looked at it")
    assert (approved.outcome, approved.rollout.phase, approved.rollout.weight_ppm) == (
        Outcome.PROMOTE,
        Phase.CANARY,
        500_000,
    )


def test_approval_in_the_shadow_falls_back_to_the_shadow():
    """Withdrawing names the phase the stage has."""
    waiting = replace(at(0, Phase.APPROVING), ladder=Ladder((Stage(0), Stage(PPM, approve="manual"))))
    assert step(waiting, UNSURE, now=1_000.0).rollout.phase is Phase.SHADOW


@pytest.mark.parametrize(
    ("results", "rule"),
    [
        (replace(GOOD, guards=(BREACHED,)), "guard outputs"),
        (HARM, "gate errors"),
        (replace(HARM, alarms=(ALARM,)), "gate errors"),
    ],
)
def test_each_kind_of_certified_harm_rolls_back_at_once(results: Results, rule: str):
    """Guards and gates each take all traffic back, whatever else holds: no trial stands before them."""
    for phase in (Phase.CANARY, Phase.APPROVING, Phase.PAUSED, Phase.PROMOTED, Phase.SUSPENDED):
        decision = step(WHERE[phase], results, now=1_000.0)
        assert (decision.outcome, decision.rule) == (Outcome.ROLLBACK, rule)
        assert decision.rollout.weight_ppm == 0
        assert (decision.rollout.stage, decision.rollout.rollbacks, decision.rollout.epoch) == (0, 1, 0)


@pytest.mark.parametrize(
    ("results", "rule"),
    [
        (replace(GOOD, unhealthy="its breaker is open"), "unhealthy"),
        (replace(GOOD, alarms=(QUIET, ALARM)), "detector"),
    ],
)
def test_where_nobody_can_be_tried_an_alarm_rolls_back(results: Results, rule: str):
    """As every rollout did that was kept before suspensions were: health and detectors take all traffic back."""
    for phase in (Phase.CANARY, Phase.APPROVING, Phase.PAUSED, Phase.PROMOTED):
        decision = step(replace(WHERE[phase], settings=SETTINGS), results, now=1_000.0)
        assert (decision.outcome, decision.rule) == (Outcome.ROLLBACK, rule)
        assert decision.rollout.weight_ppm == 0
        assert (decision.rollout.stage, decision.rollout.rollbacks, decision.rollout.epoch) == (0, 1, 0)


def test_in_the_shadow_only_certified_harm_rejects():
    """With no traffic to save, a hiccup blocks but does not condemn; certified harm and breaches do."""
    shadow = WHERE[Phase.SHADOW]
    assert step(shadow, replace(GOOD, unhealthy="restarting"), now=1.0).move is Move.HOLD
    assert step(shadow, replace(GOOD, alarms=(ALARM,)), now=1.0).move is Move.HOLD
    for results in (HARM, replace(GOOD, guards=(BREACHED,))):
        decision = step(shadow, results, now=1.0)
        assert (decision.outcome, decision.rollout.phase) == (Outcome.REJECTED, Phase.REJECTED)
    assert step(at(0, Phase.PAUSED), HARM, now=1.0).rollout.phase is Phase.REJECTED


def test_an_error_that_lasts_is_a_failure():
    """While traffic is served, what is required and cannot be judged for long enough rolls back; a break forgives."""
    canary = at(1, Phase.CANARY, lived_s=0.0)
    lost = Results((PASSES, BROKEN), units=100)

    once = step(canary, lost, now=1_060.0)
    assert (once.move, once.rollout.error_s) == (Move.HOLD, 60.0)
    assert step(once.rollout, UNSURE, now=1_061.0).rollout.error_s == 0.0
    twice = step(once.rollout, lost, now=1_120.0)
    assert (twice.outcome, twice.rule) == (Outcome.ROLLBACK, "error")
    assert twice.reason == "not to be judged for 120 s: errors: no evidence in 300 units"


@pytest.mark.parametrize(
    "results",
    [
        replace(GOOD, fault="the evaluator is down"),
        replace(GOOD, guards=(GuardResult("drops", Verdict.ERROR, "drops: all"),)),
    ],
)
def test_faults_and_guards_can_last_too(results: Results):
    """A fault of everything, or an error of a guard, counts like a gate's."""
    decision = step(replace(WHERE[Phase.CANARY], error_s=119.0), results, now=1_001.0)
    assert decision.rule == "error"


def test_errors_that_are_not_required_or_cost_no_traffic_do_not_last():
    """In the shadow an error only holds; where it is not required it is not even counted."""
    lost = Results((PASSES, BROKEN), units=100)
    assert step(replace(WHERE[Phase.SHADOW], error_s=1e6), lost, now=1_001.0).move is Move.HOLD
    spared = Results((PASSES, replace(BROKEN, required=False)), units=100)
    assert step(WHERE[Phase.CANARY], spared, now=1_001.0).rollout.error_s == 0.0


@pytest.mark.parametrize(
    ("results", "lived_s", "rule"),
    [
        (replace(UNSURE, units=1000), 0.0, "budget"),
        (replace(UNSURE, units=999), 600.0, "time"),
        (Results((PASSES, replace(WAITS, futile=True)), units=100), 0.0, "futile"),
    ],
)
def test_what_cannot_be_told_pauses_and_keeps_the_weight(results: Results, lived_s: float, rule: str):
    """A spent budget, spent time or futility pauses for a person; it neither promotes nor takes back."""
    decision = step(at(1, Phase.CANARY, lived_s=lived_s), results, now=1_000.0)
    assert (decision.outcome, decision.rule) == (Outcome.INCONCLUSIVE, rule)
    assert (decision.rollout.phase, decision.rollout.weight_ppm) == (Phase.PAUSED, 50_000)
    assert "errors" in decision.reason


def test_futility_needs_a_required_gate_and_a_stage_to_reach():
    """An advisory gate's futility is no reason to pause, nor is any where nothing can be gained."""
    spared = Results((PASSES, replace(WAITS, futile=True, required=False)), units=50)
    assert step(WHERE[Phase.CANARY], spared, now=1_000.0).move is Move.HOLD
    hopeless = Results((PASSES, replace(WAITS, futile=True)), units=50)
    assert step(at(3, Phase.PROMOTED, lived_s=0.0), hopeless, now=1_000.0).move is Move.HOLD


def test_a_pause_is_left_by_an_operator_only():
    """Paused stays paused under the best evidence; resuming grants another budget and new time."""
    paused = at(1, Phase.PAUSED)
    held = step(paused, GOOD, now=1_000.0)
    assert (held.rule, held.rollout.phase) == ("paused", Phase.PAUSED)
    assert held.reason.startswith("paused until an operator resumes, promotes or rolls back; every required gate")

    resumed = command(paused, Verb.RESUME, now=1_000.0, by="ann", reason="more budget").rollout
    assert (resumed.phase, resumed.budgets, resumed.lived_s, resumed.error_s) == (Phase.CANARY, 2, 0.0, 0.0)
    assert step(resumed, replace(UNSURE, units=1999), now=1_000.0).move is Move.HOLD
    assert step(resumed, replace(UNSURE, units=2000), now=1_000.0).rule == "budget"


def test_a_promoted_rollout_takes_fresh_evidence_when_the_old_is_spent():
    """After 100 % nothing is left to advance to, and evidence that grew old begins again."""
    done = step(at(3, Phase.PROMOTED), GOOD, now=1_000.0)
    assert (done.rule, done.reason) == ("ladder", "100% is the ladder's last stage")
    renewed = step(at(3, Phase.PROMOTED), replace(UNSURE, units=1000), now=1_000.0).rollout
    assert (renewed.epoch, renewed.lived_s, renewed.phase) == (1, 0.0, Phase.PROMOTED)


def test_a_cooldown_ends_in_a_new_attempt_in_the_shadow():
    """After its cooldown a rolled-back candidate starts from zero: no traffic, no evidence, no frozen limit."""
    stopped = replace(at(0, Phase.ROLLED_BACK, lived_s=90.0), rollbacks=1, held=Held(0.8, -0.02))
    waiting = step(stopped, GOOD, now=1_009.0)
    assert (waiting.move, waiting.rule, waiting.reason) == (
        Move.HOLD,
        "cooldown",
        "rolled back once; starts again in the shadow in 1 s",
    )
    again = step(stopped, Results(), now=1_010.0)
    assert (again.outcome, again.move, again.rule) == (Outcome.HOLD, Move.RESTART, "cooldown")
    assert again.reason == "cooled down: attempt 2 begins in the shadow, from zero"
    assert (again.rollout.phase, again.rollout.attempt, again.rollout.lived_s) == (Phase.SHADOW, 2, 0.0)
    assert (again.rollout.held, again.rollout.rollbacks) == (Held(), 1)
    assert (again.rollout.stage, again.rollout.weight_ppm) == (0, 0)


def test_too_many_rollbacks_quarantine():
    """The third rollback ends in quarantine, which no time ends."""
    twice = replace(WHERE[Phase.CANARY], rollbacks=2)
    stopped = step(twice, HARM, now=1_000.0).rollout
    assert (stopped.phase, stopped.rollbacks) == (Phase.QUARANTINED, 3)
    later = step(replace(stopped, lived_s=1e9), GOOD, now=2e9)
    assert (later.move, later.rule) == (Move.HOLD, "quarantined")
    assert later.reason == "quarantined: until a new revision, or an operator resumes it"
    assert step(replace(WHERE[Phase.CANARY], rollbacks=1), HARM, now=1_000.0).rollout.phase is Phase.ROLLED_BACK


def test_the_baselines_latency_limit_freezes_once():
    """The first quantile of the baseline's stays for the whole attempt; that of another measure takes its place."""
    first = step(start(RULES), replace(UNSURE, latency_s=0.9, latency_of="ttft p95"), now=0.0).rollout
    assert first.held == Held(latency_s=0.9, latency_of="ttft p95")
    later = replace(UNSURE, latency_s=5.0, latency_of="ttft p95")
    assert step(first, later, now=1.0).rollout.held == first.held
    assert step(first, UNSURE, now=1.0).rollout.held == first.held
    other = replace(later, latency_of="total p95")
    assert step(first, other, now=1.0).rollout.held == Held(latency_s=5.0, latency_of="total p95")


def test_where_quality_was_certified_is_kept():
    """Once it is, the baseline is asked less there; a look that does not say so takes nothing back."""
    settled = step(at(1, Phase.CANARY), replace(UNSURE, settled_ppm=50_000), now=1_000.0).rollout
    assert settled.held.settled_ppm == 50_000
    assert step(settled, UNSURE, now=1_001.0).rollout.held.settled_ppm == 50_000
    assert step(at(1, Phase.CANARY), UNSURE, now=1_000.0).rollout.held.settled_ppm is None


@pytest.mark.parametrize(
    ("gate", "held"),
    [
        (replace(PASSES, lower=-0.02), -0.02),
        (replace(PASSES, lower=None), -0.04),
        (replace(PASSES, gate="validity", lower=-0.02), -0.04),
    ],
)
def test_a_certificate_is_what_the_candidate_is_held_to(gate: GateResult, held: float):
    """Each time quality is certified its bound is kept, whether the stage is entered at once or approved later."""
    rollout = replace(at(1, Phase.CANARY), held=Held(0.8, -0.04))
    asked = step(rollout, replace(GOOD, gates=(gate,)), now=1_000.0).rollout
    assert (asked.phase, asked.held) == (Phase.APPROVING, Held(0.8, held))
    assert command(asked, Verb.PROMOTE, now=1_001.0, by="ann", reason="x").rollout.held.quality == held
    assert step(rollout, replace(UNSURE, gates=(gate, WAITS)), now=1_000.0).rollout.held.quality == -0.04
    carried = replace(GOOD, gates=(replace(gate, required=False), replace(PASSES, gate="errors")))
    assert step(rollout, carried, now=1_000.0).rollout.held.quality == -0.04


# fmt: off
OBEYED = {
    Phase.SHADOW:      ((Phase.CANARY, 50_000), (Phase.PAUSED, 0), None, (Phase.REJECTED, 0)),
    Phase.CANARY:      ((Phase.CANARY, 500_000), (Phase.PAUSED, 50_000), None, (Phase.ROLLED_BACK, 0)),
    Phase.APPROVING:   ((Phase.CANARY, 500_000), (Phase.PAUSED, 50_000), None, (Phase.ROLLED_BACK, 0)),
    Phase.PAUSED:      ((Phase.CANARY, 500_000), None, (Phase.CANARY, 50_000), (Phase.ROLLED_BACK, 0)),
    Phase.PROMOTED:    (None, None, None, (Phase.ROLLED_BACK, 0)),
    Phase.SUSPENDED:   (None, None, (Phase.SHADOW, 0), (Phase.ROLLED_BACK, 0)),
    Phase.ROLLED_BACK: (None, None, (Phase.SHADOW, 0), None),
    Phase.QUARANTINED: (None, None, (Phase.SHADOW, 0), None),
    Phase.REJECTED:    (None, None, (Phase.SHADOW, 0), None),
}
# fmt: on


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("verb", list(VERBS))
def test_every_phase_answers_every_verb(phase: Phase, verb: Verb):
    """An operator can take traffic back from every phase that has some, and nothing senseless is obeyed."""
    decision = command(WHERE[phase], verb, now=1_001.0, by="ann", reason="because")

    expected = OBEYED[phase][VERBS.index(verb)]
    if expected is None:
        assert decision.refused
        assert decision.rollout == WHERE[phase]
        assert (decision.outcome, decision.move) == (Outcome.HOLD, Move.HOLD)
        assert decision.reason.startswith(f"cannot {verb} a rollout that is {phase.replace('_', ' ')}: ")
    else:
        assert not decision.refused
        assert (decision.rollout.phase, decision.rollout.weight_ppm) == expected
        assert (decision.rule, decision.reason, decision.rollout.seen_at) == ("operator", "ann: because", 1_001.0)
    assert (decision.by, decision.at, decision.before) == ("ann", 1_001.0, WHERE[phase])


def test_refusals_say_what_to_do():
    """A refused word names the way out."""
    stopped = command(WHERE[Phase.REJECTED], Verb.PROMOTE, now=0.0, by="ann", reason="")
    assert stopped.reason == "cannot promote a rollout that is rejected: resume it first"
    done = command(WHERE[Phase.PROMOTED], Verb.PROMOTE, now=0.0, by="ann", reason="")
    assert done.reason == "cannot promote a rollout that is promoted: there is nothing to do"
    tried = command(WHERE[Phase.SUSPENDED], Verb.PROMOTE, now=0.0, by="ann", reason="")
    assert tried.reason == (
        "cannot promote a rollout that is suspended: it turned bad; it comes back by itself once it was tried, and "
        "`rollback` keeps it out"
    )


@pytest.mark.parametrize(
    ("verb", "phase", "outcome"),
    [
        (Verb.PROMOTE, Phase.SHADOW, Outcome.PROMOTE),
        (Verb.HOLD, Phase.CANARY, Outcome.HOLD),
        (Verb.RESUME, Phase.PAUSED, Outcome.HOLD),
        (Verb.ROLLBACK, Phase.CANARY, Outcome.ROLLBACK),
        (Verb.ROLLBACK, Phase.SHADOW, Outcome.REJECTED),
    ],
)
def test_an_operators_word_is_told_as_what_it_is(verb: Verb, phase: Phase, outcome: Outcome):
    """A freeze by a person is a hold, not a sign of doubt."""
    assert command(WHERE[phase], verb, now=0.0, by="ann", reason="x").outcome is outcome


def test_rolling_back_a_paused_shadow_rejects():
    """Without traffic an operator's rollback ends the attempt."""
    decision = command(at(0, Phase.PAUSED), Verb.ROLLBACK, now=0.0, by="ann", reason="x")
    assert (decision.outcome, decision.rollout.phase) == (Outcome.REJECTED, Phase.REJECTED)


def test_a_ladder_of_the_shadow_alone_never_moves():
    """A policy that only watches holds under every certificate, and nobody can promote beyond it."""
    alone = start(replace(RULES, ladder=Ladder((Stage(0),))))
    decision = step(alone, GOOD, now=0.0)
    assert (decision.move, decision.rule, decision.reason) == (
        Move.HOLD,
        "ladder",
        "shadow is the ladder's last stage",
    )
    assert command(alone, Verb.PROMOTE, now=0.0, by="ann", reason="x").refused
    assert revise(alone, replace(RULES, ladder=Ladder((Stage(0),))), now=0.0).rollout.phase is Phase.SHADOW


def test_another_candidate_starts_at_the_foot():
    """A changed key takes the traffic back and begins from nothing."""
    other = replace(RULES, key=replace(KEY, revision="2026-12-01"))
    decision = revise(at(3, Phase.PROMOTED), other, now=5.0)
    assert (decision.move, decision.rule, decision.outcome) == (Move.RESTART, "revision", Outcome.HOLD)
    assert decision.rollout == replace(start(other), seen_at=5.0)
    assert KEY.digest in decision.reason
    assert other.key.digest in decision.reason


@pytest.mark.parametrize(
    ("stages", "phase", "stage", "weight"),
    [
        ((0, 10_000, 50_000, PPM), Phase.CANARY, 2, 50_000),
        ((0, 60_000, PPM), Phase.SHADOW, 0, 0),
        ((0, 40_000), Phase.PROMOTED, 1, 40_000),
        ((0, 50_000, 60_000), Phase.CANARY, 1, 50_000),
    ],
)
def test_an_edited_ladder_never_raises_a_weight(stages: tuple[int, ...], phase: Phase, stage: int, weight: int):
    """The rollout stands on the highest stage of the new ladder that serves no more than it did."""
    edited = replace(RULES, ladder=Ladder(tuple(Stage(ppm) for ppm in stages)))
    decision = revise(at(1, Phase.CANARY), edited, now=7.0)
    after = decision.rollout
    assert (after.phase, after.stage, after.weight_ppm, after.lived_s) == (phase, stage, weight, 0.0)
    assert (after.seen_at, decision.move, decision.outcome) == (7.0, Move.HOLD, Outcome.HOLD)
    assert (decision.rule, decision.results, decision.by) == ("revision", Results(), "evidence")
    assert decision.reason.endswith(f"stands on {after.at.label} of the new ladder")


def test_an_edit_that_leaves_the_stage_alone_keeps_its_time():
    """Editing gates costs nobody the time already lived, and ends no pause and no cooldown."""
    edited = replace(RULES, rollback=replace(SETTINGS, arl=1e5))
    assert revise(at(1, Phase.CANARY), edited, now=7.0).rollout.lived_s == 60.0
    assert revise(at(1, Phase.CANARY), edited, now=7.0).rollout.settings.arl == 1e5
    assert revise(at(1, Phase.PAUSED), edited, now=7.0).rollout.phase is Phase.PAUSED
    between = replace(RULES, ladder=Ladder((Stage(0), Stage(50_000), Stage(PPM))))
    assert revise(at(1, Phase.PAUSED), between, now=7.0).rollout.phase is Phase.PAUSED
    shorter = replace(RULES, ladder=Ladder((Stage(0), Stage(50_000))))
    assert revise(at(1, Phase.PAUSED), shorter, now=7.0).rollout.phase is Phase.PROMOTED
    stopped = revise(
        at(0, Phase.ROLLED_BACK), replace(edited, ladder=Ladder((Stage(0, min_units=7), Stage(PPM)))), now=7.0
    )
    assert (stopped.rollout.phase, stopped.rollout.lived_s) == (Phase.ROLLED_BACK, 60.0)


@pytest.mark.parametrize("phase", list(Phase))
def test_a_stored_rollout_comes_back_as_it_was(phase: Phase):
    """JSON loses nothing: not what the rollout is held to, nor a moment's last digit."""
    kept = replace(at(1, phase), seen_at=1_795_262_520.123457, error_s=0.1, rollbacks=2, budgets=3, epoch=4, attempt=5)
    for held in (Held(), Held(latency_s=0.1 + 0.2, latency_of="ttft p95", quality=-1 / 3)):
        rollout = replace(kept, held=held)
        assert msgspec.json.decode(msgspec.json.encode(rollout), type=Rollout) == rollout
        assert msgspec.json.decode(msgspec.json.encode(held), type=Held) == held


@pytest.mark.parametrize(
    ("rollout", "results"),
    [(WHERE[Phase.SHADOW], GOOD), (WHERE[Phase.SHADOW], HARM), (WHERE[Phase.CANARY], HARM)],
    ids=["advanced", "rejected", "rolled back"],
)
def test_what_is_entered_is_entered_afresh(rollout: Rollout, results: Results):
    """No time, trouble, budget or epoch of the stage before goes along; what stops, stops at the foot."""
    worn = replace(rollout, error_s=50.0, budgets=4, epoch=3)
    after = step(worn, results, now=1_000.0).rollout
    assert (after.lived_s, after.error_s, after.budgets, after.epoch) == (0.0, 0.0, 1, 0)
    assert after.stage == (1 if results is GOOD else 0)


ILL = Results(unhealthy="the candidate answered none of the last 9 requests assigned to it")
RISES = [phase for phase in Phase if ORDERS[phase][VERBS.index(Verb.PROMOTE)] is Move.ADVANCE]


@pytest.mark.parametrize("phase", RISES)
@pytest.mark.parametrize(
    ("seen", "names"),
    [
        (HARM, "errors: harm is certified"),
        (replace(GOOD, guards=(BREACHED,)), "outputs: one answer for all"),
        (ALARMED, "detector errors: alarm"),
        (ILL, "answered none of the last 9 requests"),
    ],
)
def test_no_word_raises_a_weight_while_harm_is_seen(phase: Phase, seen: Results, names: str):
    """`promote` is refused in every phase that it could raise, and says which harm; every other word is obeyed."""
    before = WHERE[phase]
    said = command(before, Verb.PROMOTE, now=1_060.0, by="me", reason="go", seen=seen)
    assert said.refused
    assert names in said.reason
    assert (said.rollout, said.move) == (before, Move.HOLD)
    back = command(before, Verb.ROLLBACK, now=1_060.0, by="me", reason="stop", seen=seen)
    assert back.move is (Move.ROLL_BACK if before.weight_ppm else Move.REJECT)
    assert not command(before, Verb.PROMOTE, now=1_060.0, by="me", reason="go", seen=UNSURE).refused


@pytest.mark.parametrize("phase", [Phase.CANARY, Phase.APPROVING, Phase.PAUSED, Phase.PROMOTED])
def test_an_unhealthy_candidate_is_suspended(phase: Phase):
    """By its own rule and sentence, as by any alarm."""
    made = step(WHERE[phase], replace(GOOD, unhealthy=ILL.unhealthy), now=1_060.0)
    assert (made.move, made.rule, made.rollout.rollbacks) == (Move.SUSPEND, "unhealthy", 0)
    assert ILL.unhealthy in made.reason
    waits = step(made.rollout, GOOD, now=1_061.0)
    assert (waits.move, waits.rollout.weight_ppm) == (Move.HOLD, 0)


# Suspensions -------------------------------------------------------------------------------------------------------


def suspended(ago_s: float = 60.0, *earlier_s: float) -> Rollout:
    return replace(WHERE[Phase.SUSPENDED], suspended_ago_s=(*earlier_s, ago_s))


@pytest.mark.parametrize(
    ("phase", "back"),
    [
        (Phase.CANARY, Phase.CANARY),
        (Phase.APPROVING, Phase.CANARY),
        (Phase.PAUSED, Phase.PAUSED),
        (Phase.PROMOTED, Phase.PROMOTED),
    ],
)
def test_a_blip_costs_no_stage_no_evidence_and_no_day(phase: Phase, back: Phase):
    """Suspended at once, tried, and back where it was: the same stage, attempt, epoch and time, paused if it was."""
    before = replace(WHERE[phase], epoch=2, budgets=3)
    away = step(before, ALARMED, now=1_000.0).rollout
    assert (away.phase, away.weight_ppm, away.held.watch) == (Phase.SUSPENDED, 0, before.held.watch + 1)
    assert step(away, UNSURE, now=1_060.0).rollout.is_tried
    calm = step(away, TRIED, now=1_060.0)
    assert (calm.move, calm.rollout.phase, calm.rollout.weight_ppm) == (Move.RETURN, back, before.weight_ppm)
    kept = ("stage", "attempt", "epoch", "budgets", "rollbacks", "lived_s", "held_at_day")
    assert [getattr(calm.rollout, name) for name in kept] == [getattr(before, name) for name in kept]
    assert calm.rollout.held.watch == before.held.watch + 2
    assert not calm.rollout.was_paused


@pytest.mark.parametrize("phase", Phase)
def test_a_suspended_candidate_keeps_its_place(phase: Phase):
    """Of several one alone has a place: whoever serves, or comes back to where it served; a stopped one has none."""
    there = {Phase.CANARY, Phase.APPROVING, Phase.PAUSED, Phase.SUSPENDED}
    served = 50_000 if phase in there else 980_000 if phase is Phase.PROMOTED else 0
    assert WHERE[phase].place_ppm == served
    assert WHERE[phase].weight_ppm == (0 if phase is Phase.SUSPENDED else served)


def test_nobody_is_asked_at_first():
    """For a minute of time that was lived through nothing is tried, however much is told and however clocks jump."""
    early = step(suspended(0.0), TRIED, now=1_059.0)
    assert (early.move, early.rule, early.rollout.is_tried) == (Move.HOLD, "trial", False)
    assert early.reason == "suspended; asked nothing for 1 s more, then tried"
    assert step(suspended(0.0), TRIED, now=-3e7).rollout.suspended_ago_s == (0.0,)


def test_it_comes_back_only_once_all_requests_of_its_trial_came_back():
    """One too few holds and says how many; so does evidence that cannot be trusted now."""
    few = step(suspended(), replace(GOOD, tried=199), now=1_000.0)
    assert (few.move, few.reason) == (
        Move.HOLD, "suspended, and being tried: 199 of 200 requests beside the baseline without an alarm",
    )  # fmt: skip
    blind = step(suspended(), replace(TRIED, fault="the reader is late"), now=1_000.0)
    assert (blind.move, blind.reason.endswith("; the reader is late")) == (Move.HOLD, True)
    assert blocks(suspended(), replace(GOOD, tried=199)) == [("trial", few.reason)]
    back = step(suspended(), TRIED, now=1_000.0)
    assert (back.rule, back.reason) == ("trial", "tried on 200 of 200 requests beside the baseline, without an alarm")


def test_a_return_certifies_nothing():
    """What quality is held to stays what certified it; a trial is none."""
    lucky = replace(TRIED, gates=(replace(PASSES, lower=0.4),))
    assert step(suspended(), lucky, now=1_000.0).rollout.held.quality is None


@pytest.mark.parametrize("ill", [{"alarms": (ALARM,)}, {"unhealthy": "nobody answers"}])
def test_who_fails_its_trial_is_rolled_back_with_its_day(ill: dict[str, object]):
    """An alarm among the requests it is tried on, even among the last of them, ends it."""
    failed = step(suspended(), replace(TRIED, **ill), now=1_000.0)  # pyright: ignore[reportArgumentType]
    assert (failed.outcome, failed.rule, failed.rollout.rollbacks) == (Outcome.ROLLBACK, "trial", 1)
    assert failed.reason.startswith("it still fails, 200 of 200 requests into its trial: ")
    waits = step(failed.rollout, GOOD, now=1_001.0)
    assert (waits.move, waits.rule, waits.rollout.phase) == (Move.HOLD, "cooldown", Phase.ROLLED_BACK)


def test_the_third_alarm_in_a_day_rolls_back():
    """Two may pass within a day that was lived through; what lies further back is forgotten."""
    twice = replace(WHERE[Phase.CANARY], suspended_ago_s=(500.0, 100.0))
    third = step(twice, ALARMED, now=1_000.0)
    assert (third.outcome, third.rule) == (Outcome.ROLLBACK, "detector")
    assert third.reason == "detector errors: alarm; suspended 2 times within a day already"
    later = replace(twice, suspended_ago_s=(DAY_S - 1.0, 100.0))
    second = step(later, ALARMED, now=1_001.0)
    assert (second.outcome, second.rollout.suspended_ago_s) == (Outcome.SUSPEND, (101.0, 0.0))


def test_a_trial_that_comes_to_no_end_is_a_rollback():
    """Where too little comes to try it on, it waits for so long, and no longer."""
    assert step(suspended(SUSPENDING.trial_s - 1), UNSURE, now=1_000.0).move is Move.HOLD
    ended = step(suspended(SUSPENDING.trial_s - 1), replace(UNSURE, tried=3), now=1_001.0)
    assert (ended.move, ended.outcome) == (Move.ROLL_BACK, Outcome.ROLLBACK)
    assert ended.reason == "its trial did not come to its end in 100 s: 3 of 200 requests"
    long = replace(suspended(2 * DAY_S), settings=replace(SUSPENDING, trial_s=3 * DAY_S))
    assert step(long, UNSURE, now=1_001.0).rollout.suspended_ago_s == (2 * DAY_S + 1,)


def test_suspended_time_is_no_time_of_the_stage():
    """Neither its hold nor what could not be judged goes on meanwhile."""
    after = step(suspended(), Results((PASSES, BROKEN)), now=1_030.0).rollout
    assert (after.lived_s, after.error_s, after.suspended_ago_s) == (60.0, 0.0, (90.0,))


def test_a_word_of_an_operator_ends_a_suspension_only_downwards():
    """`resume` begins afresh in the shadow, as after every stop; `rollback` has its cooldown, and `hold` is refused."""
    again = command(suspended(), Verb.RESUME, now=1_000.0, by="ann", reason="x").rollout
    assert (again.phase, again.attempt, again.held, again.suspended_ago_s) == (Phase.SHADOW, 2, Held(), ())
    out = command(suspended(), Verb.ROLLBACK, now=1_000.0, by="ann", reason="x")
    assert (out.move, out.outcome, out.rollout.rollbacks) == (Move.ROLL_BACK, Outcome.ROLLBACK, 1)
    assert command(suspended(), Verb.HOLD, now=1_000.0, by="ann", reason="x").refused


@pytest.mark.parametrize(
    ("stages", "phase", "stage"),
    [
        ((0, 50_000, PPM), Phase.SUSPENDED, 1),
        ((0, 10_000, 50_000, PPM), Phase.SUSPENDED, 2),
        ((0, 40_000, PPM), Phase.SUSPENDED, 1),
        ((0, 60_000, PPM), Phase.SHADOW, 0),
    ],
)
def test_an_edit_ends_no_suspension(stages: tuple[int, ...], phase: Phase, stage: int):
    """It stays suspended on the stage of the new ladder that serves no more; where that is the shadow, it is over."""
    edited = replace(RULES, ladder=Ladder(tuple(Stage(ppm) for ppm in stages)), rollback=SUSPENDING)
    after = revise(suspended(), edited, now=1_000.0).rollout
    assert (after.phase, after.stage, after.weight_ppm) == (phase, stage, 0)
    assert after.held.watch % 2 == (phase is Phase.SUSPENDED)


def test_an_edit_to_a_policy_that_tries_nobody_brings_nobody_back():
    """A fixed split has no shadow: what is suspended stays out until its time is over."""
    edited = revise(suspended(), replace(RULES, rollback=SETTINGS), now=1_000.0).rollout
    assert (edited.phase, step(edited, TRIED, now=1_000.0).move) == (Phase.SUSPENDED, Move.HOLD)


def test_the_baselines_times_outlive_a_candidate():
    """Another candidate beside the same baseline is held to what is known of it; another baseline is not known."""
    known = replace(WHERE[Phase.CANARY], baseline_p99=BaselineP99(1.0, 5.0))
    assert step(known, HARM, now=1_060.0).rollout.baseline_p99 == known.baseline_p99
    other = replace(RULES, key=replace(KEY, revision="2026-12-01"))
    assert revise(known, other, now=1_060.0).rollout.baseline_p99 == known.baseline_p99
    moved = replace(RULES, key=replace(KEY, baseline="openai/gpt-5"))
    assert revise(known, moved, now=1_060.0).rollout.baseline_p99 == BaselineP99()


MONDAY_NOON = 1_800_273_600.0
OFFICE = replace(RULES.ladder, rises=RiseWindow((0, 1, 2, 3, 4), 540, 1020, "UTC"))


@pytest.mark.parametrize("hours", [0, 4, 6, 22, 5 * 24, 7 * 24])
@pytest.mark.parametrize("finding", list(FINDINGS))
def test_a_weight_rises_only_within_its_window_and_falls_at_any_time(hours: int, finding: Outcome):
    """Outside, a certificate holds and says until when; everything else is as it ever was."""
    now = MONDAY_NOON + 3600.0 * hours
    at_any, shadow = WHERE[Phase.SHADOW], replace(WHERE[Phase.SHADOW], ladder=OFFICE)
    if finding is Outcome.JOIN:
        at_any, shadow = partial(at_any), partial(shadow)
    decision, always = step(shadow, FOUND[finding], now=now), step(at_any, FOUND[finding], now=now)
    is_shut = finding in (Outcome.PROMOTE, Outcome.JOIN) and hours not in (0, 4, 22, 7 * 24)
    back = step(replace(WHERE[Phase.SUSPENDED], ladder=OFFICE), FOUND[finding], now=now)

    assert (back.rollout.weight_ppm > 0) is (finding is Outcome.PROMOTE and not is_shut)
    assert decision.move is (Move.HOLD if is_shut else always.move)
    assert (decision.rule == "window") is is_shut
    assert ("rises only within mon-fri 9:00-17:00 UTC" in decision.reason) is is_shut
    assert bool(OFFICE.rises and OFFICE.rises.shut(now)) is (hours not in (0, 4, 22, 7 * 24))


def test_an_operator_raises_at_any_hour():
    """Whoever gives the word is there to see what comes of it."""
    night = replace(WHERE[Phase.SHADOW], ladder=OFFICE)

    assert command(night, Verb.PROMOTE, now=MONDAY_NOON + 12 * 3600, by="ana", reason="now").rollout.weight_ppm > 0


@pytest.mark.parametrize("finding", list(FINDINGS))
def test_a_weight_rises_once_its_servers_are_warm_and_falls_at_any_time(finding: Outcome):
    """Cold, a certificate holds and says so, and so does a trial that went well; all else is as it ever was."""
    cold = replace(FOUND[finding], cold="1 of 2 replicas answer; it gives up in 8 min")
    for phase, stands in WHERE.items():
        decision, warm = step(stands, cold, now=1_060.0), step(stands, FOUND[finding], now=1_060.0)
        waits = warm.move in (Move.ADVANCE, Move.RETURN)
        assert decision.move is (Move.HOLD if waits else warm.move), phase
        assert (decision.rule == "warm") is waits, phase
        assert decision.reason == (
            f"{warm.reason}; it waits for its servers to be warm: {cold.cold}" if waits else warm.reason
        )


def test_an_operator_waits_for_no_servers_and_is_told_what_was_skipped():
    """The word moves it at once; what nobody waited for stands in the decision."""
    decision = command(
        WHERE[Phase.SHADOW], Verb.PROMOTE, now=1_060.0, by="ana", reason="go", seen=Results(cold="1 of 2 answer")
    )
    assert decision.rollout.weight_ppm > 0
    assert decision.reason == "ana: go; its servers were not waited for: 1 of 2 answer"
    held = command(
        WHERE[Phase.CANARY], Verb.HOLD, now=1_060.0, by="ana", reason="no", seen=Results(cold="1 of 2 answer")
    )
    assert held.reason == "ana: no"


SPLIT = replace(
    RULES, gates=Gates(None, None, None, None, None), ladder=Ladder((Stage(0, min_units=0), Stage(300_000)), split=True)
)


def test_a_split_rises_because_the_policy_says_so_and_is_called_uncertified():
    """Without any evidence, to its one stage; there it stays."""
    up = step(start(SPLIT), Results(), now=1_000.0)
    there = step(up.rollout, Results(units=10), now=1_060.0)

    assert (up.move, up.rule, up.rollout.weight_ppm, up.rollout.phase) == (
        Move.ADVANCE, "split", 300_000, Phase.PROMOTED,
    )  # fmt: skip
    assert "uncertified" in up.reason
    assert (there.move, there.rollout.weight_ppm) == (Move.HOLD, 300_000)


def test_a_split_falls_as_every_rollout_does():
    """By alarms and illness, and by an operator; ill at its foot, it does not rise."""
    up = step(start(SPLIT), Results(), now=1_000.0).rollout
    ill = Results(unhealthy="nobody answers")

    assert step(up, Results(alarms=(ALARM,)), now=1_060.0).rollout.weight_ppm == 0
    assert step(up, ill, now=1_060.0).rollout.weight_ppm == 0
    assert step(start(SPLIT), ill, now=1_000.0).rollout.weight_ppm == 0
    assert command(up, Verb.ROLLBACK, now=1_060.0, by="ana", reason="no").rollout.weight_ppm == 0


def test_what_leaves_a_split_begins_where_certificates_do():
    """A share that nothing certified earns no stage of a ladder."""
    up = step(start(SPLIT), Results(), now=1_000.0).rollout
    climbing = revise(up, replace(RULES, key=up.key), now=1_060.0).rollout

    assert (climbing.stage, climbing.weight_ppm, climbing.phase) == (0, 0, Phase.SHADOW)


def test_a_rollout_keeps_the_bets_it_began_with():
    """Its grid is that of the rules at its start; edits and new attempts keep it, another candidate has its own.

    A rollout that was stored before it had a grid is of the one of before.
    """
    old = start(RULES)
    assert old.bets == BETS_BEFORE
    new = replace(RULES, bets=BETS)
    assert start(new).bets == BETS
    assert revise(old, new, now=1.0).rollout.bets == BETS_BEFORE
    stopped = replace(old, phase=Phase.REJECTED)
    assert command(stopped, Verb.RESUME, now=1.0, by="ann", reason="r").rollout.bets == BETS_BEFORE
    other = replace(new, key=replace(new.key, revision="other"))
    assert revise(old, other, now=1.0).rollout.bets == BETS
    kept = msgspec.json.decode(msgspec.json.encode(start(new)), type=Rollout)
    assert kept.bets == BETS
    before = msgspec.to_builtins(old)
    del before["bets"]
    assert msgspec.convert(before, Rollout).bets == BETS_BEFORE


DAYS = Ladder((Stage(0, days=1, by_pairs=True, max_s=9 * DAY_S), Stage(50_000, days=0, by_pairs=True), Stage(PPM)))


def on_day(lived_s: float, *, stage: int = 0, held: tuple[str, ...] | None = None) -> Rollout:
    """A rollout on the ladder of whole days, a second before `lived_s` have been lived."""
    phase = Phase.CANARY if stage else Phase.SHADOW
    return replace(at(stage, phase, lived_s=lived_s - 1), ladder=DAYS, held_at_day=held)


def test_a_whole_day_is_lived_before_the_shadow_is_left():
    """A certificate of the first hour waits for the day's end, and counts if it still holds then."""
    early = step(on_day(DAY_S - 10), GOOD, now=1_001.0)
    assert (early.move, early.rule, early.reason) == (Move.HOLD, "hold", "10 s of this stage's hold left")
    assert early.rollout.held_at_day is None
    whole = step(on_day(DAY_S), GOOD, now=1_001.0)
    assert (whole.move, whole.rollout.held_at_day) == (Move.ADVANCE, None)  # the next stage has seen no day


@pytest.mark.parametrize("stage", [0, 1])
def test_after_a_stages_first_day_a_certificate_must_have_held_at_the_last_days_end(stage: int):
    """One that comes and goes within the day counts for nothing until a day has ended with it."""
    missed = step(on_day(DAY_S, stage=stage), UNSURE, now=1_001.0).rollout
    assert missed.held_at_day == ("quality",)
    both = replace(GOOD, gates=(PASSES, replace(WAITS, verdict=Verdict.PASS)))
    noon = step(on_day(1.5 * DAY_S, stage=stage, held=missed.held_at_day), both, now=1_001.0)
    assert (noon.move, noon.rule, noon.reason) == (
        Move.HOLD, "days", "errors is certified now, and was not at the end of the last whole day",
    )  # fmt: skip
    assert noon.rollout.held_at_day == missed.held_at_day
    gone = step(on_day(1.5 * DAY_S, stage=stage, held=("quality", "errors")), UNSURE, now=1_001.0)
    assert (gone.move, gone.rule) == (Move.HOLD, "gate errors")
    assert step(on_day(2 * DAY_S, stage=stage, held=("quality",)), both, now=1_001.0).move is Move.ADVANCE
    assert step(on_day(1.5 * DAY_S, stage=stage, held=("quality", "errors")), both, now=1_001.0).move is Move.ADVANCE


def test_without_whole_days_the_moment_counts():
    """A ladder of before, and a stage of fewer hours, advance on what is certified now."""
    before = replace(on_day(1.5 * DAY_S), ladder=Ladder((Stage(0), Stage(PPM))))
    assert step(before, GOOD, now=1_001.0).move is Move.ADVANCE
    assert step(replace(before, lived_s=DAY_S - 1), UNSURE, now=1_001.0).rollout.held_at_day is None
    assert step(on_day(3600.0, stage=1), GOOD, now=1_001.0).move is Move.ADVANCE


def test_a_stage_is_entered_without_the_days_of_another():
    """Advancing, renewing, resuming, stopping and an edited stage begin their days anew; the same stage keeps them."""
    held = on_day(2 * DAY_S, stage=1, held=("quality",))
    assert step(held, HARM, now=1_000.0).rollout.held_at_day is None
    paused = replace(held, phase=Phase.PAUSED)
    assert command(paused, Verb.RESUME, now=1.0, by="ann", reason="r").rollout.held_at_day is None
    same = replace(RULES, ladder=DAYS)
    assert revise(held, same, now=1.0).rollout.held_at_day == ("quality",)
    longer = Ladder((DAYS.stages[0], replace(DAYS.stages[1], days=2), DAYS.stages[2]))
    assert revise(held, replace(RULES, ladder=longer), now=1.0).rollout.held_at_day is None
    stopped = replace(held, phase=Phase.ROLLED_BACK, stage=0, held_at_day=None)
    assert step(replace(stopped, lived_s=DAY_S - 1), GOOD, now=1_001.0).rollout.held_at_day is None
    top = replace(held, stage=2, phase=Phase.PROMOTED)
    assert step(top, replace(UNSURE, units=20_000), now=1_000.0).rollout.held_at_day is None


def test_each_gate_has_a_budget_of_its_own():
    """The one that spent it uncertified is named with its pairs; conversations are not counted, and the rest waits."""
    waiting = replace(WAITS, n=3000, budget=3000)
    spent = step(on_day(60.0), replace(UNSURE, gates=(PASSES, waiting), units=10**6), now=1_001.0)
    assert (spent.outcome, spent.move, spent.rule) == (Outcome.INCONCLUSIVE, Move.PAUSE, "budget")
    assert spent.reason == ("errors has spent its budget of 3000 compared conversations: errors: not certified yet")
    for gate in (
        replace(waiting, n=2999), replace(waiting, budget=None), replace(waiting, required=False),
        replace(waiting, verdict=Verdict.PASS, n=10**6),
    ):  # fmt: skip
        found = step(on_day(60.0), replace(UNSURE, gates=(PASSES, gate), units=10**6), now=1_001.0)
        assert found.move is Move.HOLD, gate


def test_whatever_was_spent_a_certificate_waits_for_its_hold():
    """All is certified on more than any budget, and only the day is missing: it holds, and then advances."""
    many = replace(GOOD, gates=(replace(PASSES, n=10**6, budget=2000),), units=10**6)
    assert step(on_day(DAY_S - 60), many, now=1_001.0).outcome is Outcome.HOLD
    assert step(on_day(DAY_S), many, now=1_001.0).outcome is Outcome.PROMOTE
    few = replace(many, units=99)
    assert step(on_day(2 * DAY_S, held=("quality",)), few, now=1_001.0).rule == "units"
    late = step(on_day(9 * DAY_S, held=("quality",)), few, now=1_001.0)
    assert (late.outcome, late.rule) == (Outcome.INCONCLUSIVE, "time")


def test_at_the_top_evidence_is_renewed_by_conversations_whatever_the_budget():
    """The last stage has nothing to certify: its evidence grows old, and begins afresh."""
    ladder = Ladder((Stage(0), Stage(PPM, by_pairs=True, max_units=1000)))
    top = replace(at(1, Phase.PROMOTED), ladder=ladder)
    assert step(top, replace(UNSURE, units=999), now=1_000.0).move is Move.HOLD
    assert step(top, replace(UNSURE, units=1000), now=1_000.0).move is Move.RENEW


# Slices that move alone --------------------------------------------------------------------------------------------


def test_nothing_rises_before_a_slice_is_certified():
    """By evidence it holds and says why, by an operator's word it is refused; with one certified it rises."""
    none, one = partial(at(0, Phase.SHADOW)), partial(at(0, Phase.SHADOW), "tool=a")

    held = step(none, GOOD, now=1_000.0)
    assert (held.move, held.rule) == (Move.HOLD, "slices")
    assert "no slice by tool is certified yet" in held.reason
    refused = command(none, Verb.PROMOTE, now=1_000.0, by="ann", reason="now")
    assert (refused.refused, refused.rollout) == (True, none)
    assert "mode: partial" in refused.reason
    assert step(one, GOOD, now=1_000.0).move is Move.ADVANCE
    assert command(one, Verb.PROMOTE, now=1_000.0, by="ann", reason="now").move is Move.ADVANCE


def test_a_certified_slice_joins_at_the_weight_of_the_stage():
    """It moves with the others, the bound that they were held to is of those before, and no stage is left."""
    stands = partial(at(1, Phase.CANARY), "tool=a")
    stands = replace(stands, held=replace(stands.held, quality=-0.01))
    sliced = GateResult("quality@tool=b", Verdict.PASS, "quality@tool=b: certified", required=False)
    found = replace(UNSURE, gates=(*UNSURE.gates, sliced), joins=("tool=b", "tool=a", "tool=late"))
    decision = step(stands, found, now=1_000.0)

    assert (decision.move, decision.outcome, decision.rule) == (Move.JOIN, Outcome.JOIN, "slice")
    assert decision.reason == "certified by itself: tool=b; quality@tool=b: certified"
    assert decision.rollout.held == Held(moving=("tool=a", "tool=b"))
    assert (decision.rollout.stage, decision.rollout.phase) == (1, Phase.CANARY)


@pytest.mark.parametrize(
    "doubt",
    [
        replace(JOINS, fault="stale"), replace(JOINS, unhealthy="down"), replace(JOINS, guards=(SUSPECT,)),
        replace(JOINS, alarms=(ALARM,)), replace(JOINS, gates=(FAILS,)),
    ],
)  # fmt: skip
def test_in_doubt_no_slice_joins(doubt: Results):
    """A fault, an ill candidate, a guard, an alarm or harm anywhere: its certificate waits."""
    for phase in (Phase.SHADOW, Phase.CANARY):
        stands = partial(WHERE[phase])
        assert step(stands, doubt, now=1_000.0).rollout.held.moving == ()


def test_what_is_drawn_stays_drawn_until_another_attempt():
    """Slices that come later are not tested; a new attempt draws again, and begins with none that moves."""
    fresh = replace(partial(at(0, Phase.SHADOW)), drawn=())
    drawn = step(fresh, replace(UNSURE, drawn=("tool=a",)), now=1_000.0).rollout
    assert drawn.drawn == ("tool=a",)
    assert step(drawn, replace(UNSURE, drawn=("tool=a", "tool=b")), now=1_000.0).rollout.drawn == ("tool=a",)

    stopped = partial(at(0, Phase.ROLLED_BACK), "tool=a")
    again = command(stopped, Verb.RESUME, now=1_000.0, by="ann", reason="mended").rollout
    assert (again.drawn, again.held.moving) == ((), ())


@pytest.mark.parametrize(("before", "after"), [("tool", "length"), ("tool", ""), ("", "tool")])
def test_an_edit_of_what_moves_begins_where_certificates_do(before: str, after: str):
    """Whatever stood there was certified for other traffic: back to the shadow, and no slice moves."""
    stands = partial(at(1, Phase.CANARY), "tool=a")
    stands = replace(stands, ladder=replace(RULES.ladder, moves_by=before))
    edited = replace(RULES, ladder=replace(RULES.ladder, moves_by=after))
    found = revise(stands, edited, now=1_000.0).rollout

    assert (found.stage, found.phase, found.weight_ppm) == (0, Phase.SHADOW, 0)
    assert (found.held.moving, found.drawn) == ((), ())
    same = revise(partial(stands, "tool=a"), replace(edited, ladder=replace(edited.ladder, moves_by="tool")), now=1.0)
    assert (same.rollout.stage, same.rollout.held.moving) == (1, ("tool=a",))
