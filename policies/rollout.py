"""When traffic moves, and when back. `MOVES` and `ORDERS` are the whole policy; no other code chooses a move.

Rules:
1. A certificate or an operator raises a weight, one stage at a time; nothing else does. No data is no certificate.
   What an alarm suspended comes back to the weight it had, and no further, once it was tried (`policies.suspension`).
   Where servers have to be warm first, a certificate waits for them, and an operator's word does not.
2. Rolling back is legal in every phase, and looks at nothing but harm: no judge, no approval, no hold stands before it.
   So is suspending.
3. Time is what was lived through: each step adds at most `tick_s`, so a clock that jumps earns nothing.

Longer than a file should be: all that moves traffic is read in one place.
"""

import math
from dataclasses import dataclass, field, replace

from policies.results import Results
from policies.rules import (
    BETS_BEFORE,
    DAY_S,
    BaselineP99,
    Bets,
    CandidateKey,
    Held,
    Ladder,
    RollbackSettings,
    Rules,
    Stage,
)
from policies.spans import span
from policies.suspension import on_alarm, on_trial
from policies.terms import Move, Outcome, Phase, Verb, Verdict

# Rows are where a rollout stands; columns are what is found, in the order in which it is looked for (decisions, D.3).
# At weight 0 there is no traffic to roll back: there ROLL_BACK reads REJECT.
# fmt: off
FINDINGS = (Outcome.ROLLBACK, Outcome.SUSPEND, Outcome.JOIN, Outcome.PROMOTE, Outcome.INCONCLUSIVE, Outcome.HOLD)
MOVES: dict[Phase, tuple[Move, Move, Move, Move, Move, Move]] = {
    Phase.SHADOW:      (Move.REJECT,    Move.HOLD,      Move.JOIN, Move.ADVANCE, Move.PAUSE,     Move.HOLD),
    Phase.CANARY:      (Move.ROLL_BACK, Move.SUSPEND,   Move.JOIN, Move.ADVANCE, Move.PAUSE,     Move.HOLD),
    Phase.APPROVING:   (Move.ROLL_BACK, Move.SUSPEND,   Move.JOIN, Move.HOLD,    Move.WITHDRAW,  Move.WITHDRAW),
    Phase.PAUSED:      (Move.ROLL_BACK, Move.SUSPEND,   Move.HOLD, Move.HOLD,    Move.HOLD,      Move.HOLD),
    Phase.PROMOTED:    (Move.ROLL_BACK, Move.SUSPEND,   Move.JOIN, Move.HOLD,    Move.RENEW,     Move.HOLD),
    Phase.SUSPENDED:   (Move.ROLL_BACK, Move.ROLL_BACK, Move.HOLD, Move.RETURN,  Move.ROLL_BACK, Move.HOLD),
    Phase.ROLLED_BACK: (Move.HOLD,      Move.HOLD,      Move.HOLD, Move.HOLD,    Move.HOLD,      Move.HOLD),  # cooling
    Phase.QUARANTINED: (Move.HOLD,      Move.HOLD,      Move.HOLD, Move.HOLD,    Move.HOLD,      Move.HOLD),
    Phase.REJECTED:    (Move.HOLD,      Move.HOLD,      Move.HOLD, Move.HOLD,    Move.HOLD,      Move.HOLD),
}

# What an operator's word does in each phase; None is refused.
VERBS = (               Verb.PROMOTE,     Verb.HOLD,       Verb.RESUME,          Verb.ROLLBACK)
ORDERS: dict[Phase, tuple[Move | None, Move | None, Move | None, Move | None]] = {
    Phase.SHADOW:      (Move.ADVANCE,     Move.PAUSE,      None,                 Move.REJECT),
    Phase.CANARY:      (Move.ADVANCE,     Move.PAUSE,      None,                 Move.ROLL_BACK),
    Phase.APPROVING:   (Move.ADVANCE,     Move.PAUSE,      None,                 Move.ROLL_BACK),
    Phase.PAUSED:      (Move.ADVANCE,     None,            Move.RESUME,          Move.ROLL_BACK),
    Phase.PROMOTED:    (None,             None,            None,                 Move.ROLL_BACK),
    Phase.SUSPENDED:   (None,             None,            Move.RESTART,         Move.ROLL_BACK),
    Phase.ROLLED_BACK: (None,             None,            Move.RESTART,         None),
    Phase.QUARANTINED: (None,             None,            Move.RESTART,         None),
    Phase.REJECTED:    (None,             None,            Move.RESTART,         None),
}
# fmt: on

OUTCOMES = {
    Move.ROLL_BACK: Outcome.ROLLBACK,
    Move.REJECT: Outcome.REJECTED,
    Move.SUSPEND: Outcome.SUSPEND,
    Move.RETURN: Outcome.RETURN,
    Move.JOIN: Outcome.JOIN,
    Move.ADVANCE: Outcome.PROMOTE,
    Move.PAUSE: Outcome.INCONCLUSIVE,
}
"""What a move is called outside; every other move is a HOLD."""

NOTHING_SEEN = Results()

_RAISES = frozenset({Move.ADVANCE, Move.RETURN, Move.JOIN})
STOPPED = frozenset({Phase.ROLLED_BACK, Phase.QUARANTINED, Phase.REJECTED})
"""Phases without traffic and without evidence to look at."""
_AT_ZERO = STOPPED | {Phase.SUSPENDED}


@dataclass(frozen=True, slots=True)
class Rollout:
    """The state of one route's ladder. Stored as is; every change is a new value."""

    route: str
    key: CandidateKey
    ladder: Ladder
    settings: RollbackSettings
    phase: Phase = Phase.SHADOW
    stage: int = 0
    seen_at: float | None = None
    """When it was last stepped; None before the first time."""
    lived_s: float = 0.0
    """Time lived in this stage (or stop) while a controller watched."""
    held_at_day: tuple[str, ...] | None = None
    """Gates that were certified at the end of this stage's last whole day; None: it has seen none."""
    error_s: float = 0.0
    """How long something required could not be judged, without a break."""
    attempt: int = 1
    """Rises with each restart; every attempt has its own evidence."""
    rollbacks: int = 0
    budgets: int = 1
    """How often this stage's budget of units and time was granted."""
    epoch: int = 0
    """Rises when a promoted rollout's evidence has grown old and begins afresh."""
    held: Held = field(default_factory=Held)
    """What its history holds it to; a new attempt is held to nothing."""
    baseline_p99: BaselineP99 = field(default_factory=BaselineP99)
    """How long the route's baseline takes at most, nearly: what every node's limits for the candidate are made of."""
    bets: Bets = BETS_BEFORE
    """The grid of bets that its certificates are made with, from its beginning on."""
    suspended_ago_s: tuple[float, ...] = ()
    """Time lived since each suspension of the last day, the latest last."""
    was_paused: bool = False
    """Whether it was paused when it was suspended: it comes back paused."""
    drawn: tuple[str, ...] = ()
    """Where slices move alone: those that are tested in this attempt; empty: not drawn yet."""

    @property
    def at(self) -> Stage:
        """The stage it stands on."""
        return self.ladder.stages[self.stage]

    @property
    def weight_ppm(self) -> int:
        """The candidate's share of eligible traffic now."""
        return 0 if self.phase in _AT_ZERO else self.at.served_ppm

    @property
    def place_ppm(self) -> int:
        """What it serves or, suspended, comes back to: of several candidates one alone has such a place."""
        return 0 if self.phase in STOPPED else self.at.served_ppm

    @property
    def is_tried(self) -> bool:
        """Whether it is suspended, and asked beside the baseline now."""
        return self.phase is Phase.SUSPENDED and self.suspended_ago_s[-1] >= self.settings.calm_s

    @property
    def next(self) -> Stage | None:
        """The stage above, if there is one."""
        return self.ladder.stages[self.stage + 1] if self.stage + 1 < len(self.ladder.stages) else None


@dataclass(frozen=True, slots=True)
class Decision:
    """A move with its reason, and all that it rests on."""

    outcome: Outcome
    move: Move
    rule: str
    """Which rule decided, in a word: `detector`, `harm`, `certified`, `hold`, `operator`, `refused`, …"""
    reason: str
    before: Rollout
    rollout: Rollout
    """The state after the move."""
    at: float
    results: Results
    by: str = "evidence"
    """Who decided: `evidence`, or an operator's name."""

    @property
    def refused(self) -> bool:
        """Whether an operator's word was not taken."""
        return self.rule == "refused"


def start(rules: Rules) -> Rollout:
    """A rollout at the foot of its ladder, with no evidence and no traffic."""
    return Rollout(rules.route, rules.key, rules.ladder, rules.rollback, bets=rules.bets)


def step(rollout: Rollout, results: Results, *, now: float) -> Decision:
    """Decide one route's next move from all that is known. Pure; `now` is Unix seconds. Never raises."""
    lived = _live(rollout, results, now)
    if lived.phase in STOPPED:
        move, rule, reason = _rest(lived)
    else:
        found, rule, reason = _find(lived, results)
        move = MOVES[lived.phase][FINDINGS.index(found)]
        if found is Outcome.PROMOTE and lived.phase is not Phase.SUSPENDED:
            lived = replace(lived, held=_certified(lived.held, results))
        if lived.phase is Phase.PAUSED and move is Move.HOLD:
            rule, reason = "paused", f"paused until an operator resumes, promotes or rolls back; {reason}"
        elif move in _RAISES and (rises := lived.ladder.rises) and (waits := rises.shut(now)):
            move, rule, reason = Move.HOLD, "window", f"{reason}; {waits}"
        elif move is Move.ADVANCE and lived.next is not None and lived.next.approve == "manual":
            move, rule = Move.AWAIT, "approval"
            reason = f"{reason}; {lived.next.label} waits for an operator's approval"
        elif move in (Move.ADVANCE, Move.RETURN) and results.cold:
            move, rule, reason = Move.HOLD, "warm", f"{reason}; {results.waits_for}"
        elif lived.phase is Phase.APPROVING and move is Move.HOLD:
            rule, reason = "approval", f"waits for an operator's approval; {reason}"
    move = _at_zero(lived, move)
    if move is Move.JOIN:
        moving = (*lived.held.moving, *_joining(lived, results))
        lived = replace(lived, held=replace(lived.held, moving=moving, quality=None))  # it was of those before
    after = _after(lived, move)
    return Decision(OUTCOMES.get(move, Outcome.HOLD), move, rule, reason, rollout, after, now, results)


def command(
    rollout: Rollout, verb: Verb, *, now: float, by: str, reason: str, seen: Results = NOTHING_SEEN
) -> Decision:
    """What an operator's word does. One that makes no sense here is refused, with the reason, and changes nothing.

    `seen`: all that is known now. No word raises a weight while harm is seen.
    """
    move = ORDERS[rollout.phase][VERBS.index(verb)]
    said = ""
    if move is None or (move is Move.ADVANCE and rollout.next is None):
        hint = "resume it first" if rollout.phase in STOPPED else "there is nothing to do"
        if rollout.phase is Phase.SUSPENDED:
            hint = "it turned bad; it comes back by itself once it was tried, and `rollback` keeps it out"
        said = f"cannot {verb} a rollout that is {rollout.phase.replace('_', ' ')}: {hint}"
    elif move is Move.ADVANCE and (nothing := _nothing_moves(rollout)):
        said = f"cannot {verb}: {nothing}. hint: take `mode: partial` out of `slices` to move all of the traffic"
    elif move is Move.ADVANCE and (harm := _certified_harm(seen) or _illness(seen) or _blindness(rollout, seen)):
        said = f"cannot {verb} while harm is seen: {harm[1]}. hint: roll it back, and resume it once it is mended"
    if move is None or said:
        return Decision(Outcome.HOLD, Move.HOLD, "refused", said, rollout, rollout, now, Results(), by)
    move = _at_zero(rollout, move)
    outcome = Outcome.HOLD if move is Move.PAUSE else OUTCOMES.get(move, Outcome.HOLD)
    after = replace(_after(rollout, move), seen_at=now)
    skipped = f"; its servers were not waited for: {seen.cold}" if move is Move.ADVANCE and seen.cold else ""
    return Decision(outcome, move, "operator", f"{by}: {reason}{skipped}", rollout, after, now, Results(), by)


def revise(rollout: Rollout, rules: Rules, *, now: float) -> Decision:
    """What an edited policy does: it may lower a weight, never raise one. Another candidate starts at the foot."""
    if rules.key != rollout.key:
        fresh = replace(start(rules), seen_at=now)
        if rules.key.baseline == rollout.key.baseline:
            fresh = replace(fresh, baseline_p99=rollout.baseline_p99)
        reason = f"the candidate's key changed from {rollout.key.digest} to {rules.key.digest}: new evidence from zero"
        return Decision(Outcome.HOLD, Move.RESTART, "revision", reason, rollout, fresh, now, Results())
    stages = rules.ladder.stages
    kept = max(index for index, stage in enumerate(stages) if stage.served_ppm <= rollout.at.served_ppm)
    by = rules.ladder.moves_by
    if (rollout.ladder.split and not rules.ladder.split) or by != rollout.ladder.moves_by:
        kept = 0  # what nothing has certified begins where certificates do
    if rollout.phase in STOPPED or (rollout.phase is Phase.SUSPENDED and stages[kept].weight_ppm):
        phase = rollout.phase
    elif rollout.phase is Phase.PAUSED and kept < len(stages) - 1:
        phase = Phase.PAUSED
    else:
        phase = _phase_at(rules.ladder, kept)
    same = stages[kept] == rollout.at
    after = replace(
        rollout, ladder=rules.ladder, settings=rules.rollback, stage=kept, phase=phase, seen_at=now,
        lived_s=rollout.lived_s if same or rollout.phase in STOPPED else 0.0,
        held_at_day=rollout.held_at_day if same else None,
        held=rollout.held if phase is Phase.SUSPENDED else rollout.held.awake(),
    )  # fmt: skip
    if by != rollout.ladder.moves_by:
        after = replace(after, held=replace(after.held, moving=()), drawn=())
    reason = f"the policy was edited: the rollout stands on {stages[kept].label} of the new ladder"
    return Decision(Outcome.HOLD, Move.HOLD, "revision", reason, rollout, after, now, Results())


def blocks(rollout: Rollout, results: Results) -> list[tuple[str, str]]:
    """What stands between this stage and the next: (rule, sentence), the gravest first; none: it may advance."""
    if rollout.phase is Phase.SUSPENDED:
        return [_find(rollout, results)[1:]]
    found = _bars(rollout, results)
    if rollout.ladder.split:
        return found
    if nothing := _nothing_moves(rollout):
        found.append(("slices", nothing))
    wanted = [gate for gate in results.gates if gate.required]
    if not wanted:
        found.append(("gates", "no gate has certified anything"))
    found += [(f"gate {gate.gate}", gate.reason) for gate in wanted if gate.verdict is not Verdict.PASS]
    found += [
        (f"guard {guard.guard}", guard.reason)
        for guard in results.guards
        if guard.required and guard.verdict is not Verdict.PASS
    ]
    if results.units < rollout.at.min_units:
        found.append(("units", f"{results.units} of at least {rollout.at.min_units} units"))
    if rollout.lived_s < rollout.at.least_s:
        found.append(("hold", f"{rollout.at.least_s - rollout.lived_s:.0f} s of this stage's hold left"))
    if rollout.held_at_day is not None:
        found += [
            ("days", f"{gate.gate} is certified now, and was not at the end of the last whole day")
            for gate in wanted
            if gate.verdict is Verdict.PASS and gate.gate not in rollout.held_at_day
        ]
    return found


def _nothing_moves(rollout: Rollout) -> str:
    """Whether there is nothing that could move, in a sentence; empty: there is."""
    by = rollout.ladder.moves_by
    return f"no slice by {by} is certified yet, and only those move that are" if by and not rollout.held.moving else ""


def _joining(rollout: Rollout, results: Results) -> tuple[str, ...]:
    """Which slices may join: what keeps the whole from rising keeps them, but for what the stage has to certify."""
    barred = any(rule != "ladder" for rule, _ in _bars(rollout, results))
    doubted = any(guard.required and guard.verdict is not Verdict.PASS for guard in results.guards)
    if not rollout.ladder.moves_by or barred or doubted:
        return ()
    return tuple(name for name in results.joins if name in rollout.drawn and name not in rollout.held.moving)


def _joined_text(joining: tuple[str, ...], results: Results) -> str:
    """Which slices join, with what each was certified by."""
    told = [gate.reason for gate in results.gates if gate.gate.partition("@")[2] in joining]
    return "; ".join([f"certified by itself: {', '.join(joining)}", *told])


def _bars(rollout: Rollout, results: Results) -> list[tuple[str, str]]:
    """What no certificate opens."""
    found: list[tuple[str, str]] = []
    if results.fault:
        found.append(("fault", results.fault))
    if results.unhealthy:
        found.append(("unhealthy", f"the candidate is unhealthy: {results.unhealthy}"))
    found += [("detector", alarm.reason) for alarm in results.alarms if alarm.raised]
    if results.beside:
        found.append(("candidates", results.beside))
    if rollout.next is None:
        found.append(("ladder", f"{rollout.at.label} is the ladder's last stage"))
    return found


def _find(rollout: Rollout, results: Results) -> tuple[Outcome, str, str]:
    """The first of D.3's findings that holds, with its rule and sentence."""
    if danger := _danger(rollout, results):
        return danger
    if joining := _joining(rollout, results):
        return Outcome.JOIN, "slice", _joined_text(joining, results)
    missing = blocks(rollout, results)
    if not missing:
        if rollout.ladder.split:
            return Outcome.PROMOTE, "split", "a fixed split, uncertified: the policy asks for it without gates"
        return Outcome.PROMOTE, "certified", f"every required gate is certified on {results.units} units"
    stage = rollout.at
    if said := _spent(rollout, results, missing[0][1]):
        return Outcome.INCONCLUSIVE, "budget", said
    if rollout.lived_s >= stage.max_s:
        return Outcome.INCONCLUSIVE, "time", f"{rollout.lived_s:.0f} s are this stage's time; {missing[0][1]}"
    for gate in results.gates:
        if gate.required and gate.futile and rollout.next is not None:
            return Outcome.INCONCLUSIVE, "futile", f"{gate.gate} cannot be certified within the budget: {gate.reason}"
    rule, reason = missing[0]
    more = f"; and {len(missing) - 1} more" if len(missing) > 1 else ""
    return Outcome.HOLD, rule, reason + more


def _danger(rollout: Rollout, results: Results) -> tuple[Outcome, str, str] | None:
    """What comes before all that may be missing: certified harm, a trial, an alarm, or having been blind."""
    if harm := _certified_harm(results):
        return Outcome.ROLLBACK, *harm
    ill = _illness(results)
    if rollout.phase is Phase.SUSPENDED:
        return on_trial(rollout.settings, rollout.suspended_ago_s[-1], ill and ill[1], results)
    if rollout.weight_ppm and ill:
        return on_alarm(rollout.settings, len(rollout.suspended_ago_s), ill)
    blind = _blindness(rollout, results)
    return (Outcome.ROLLBACK, *blind) if blind else None


def _spent(rollout: Rollout, results: Results, first: str) -> str:
    """Whose budget is spent, in a sentence; empty: nobody's. `first`: what is missing first."""
    stage = rollout.at
    if not stage.by_pairs or rollout.next is None:
        spent = results.units >= stage.max_units * rollout.budgets
        return f"{results.units} units are this stage's budget; {first}" if spent else ""
    gate = results.spent_gate
    return f"{gate.gate} has spent its budget of {gate.budget} compared conversations: {gate.reason}" if gate else ""


def _certified_harm(results: Results) -> tuple[str, str] | None:
    """Why traffic must go back now, whatever was said before: harm or a breach that is certified."""
    for gate in results.gates:
        if gate.verdict is Verdict.FAIL:
            return f"gate {gate.gate}", gate.reason
    for guard in results.guards:
        if guard.verdict is Verdict.FAIL:
            return f"guard {guard.guard}", guard.reason
    return None


def _illness(results: Results) -> tuple[str, str] | None:
    """Why the candidate is taken for ill, certified or not; at weight 0 it harms nobody, and still may not rise."""
    if results.unhealthy:
        return "unhealthy", f"the candidate is unhealthy: {results.unhealthy}"
    return next((("detector", alarm.reason) for alarm in results.alarms if alarm.raised), None)


def _blindness(rollout: Rollout, results: Results) -> tuple[str, str] | None:
    """What could not be judged for too long while the candidate answers; at weight 0 it only waits."""
    if not rollout.weight_ppm or rollout.error_s < rollout.settings.error_after_s:
        return None
    return "error", f"not to be judged for {rollout.error_s:.0f} s: {_unjudged(results)}"


def _unjudged(results: Results) -> str | None:
    """What keeps something required from being judged; None if all can be."""
    if results.fault:
        return results.fault
    for each in (*results.gates, *results.guards):
        if each.required and each.verdict is Verdict.ERROR:
            return each.reason
    return None


def _live(rollout: Rollout, results: Results, now: float) -> Rollout:
    """The rollout a moment later: time lived, trouble lasting, the baseline's latency frozen."""
    if not math.isfinite(now):
        return rollout
    passed = 0.0 if rollout.seen_at is None else min(max(0.0, now - rollout.seen_at), rollout.settings.tick_s)
    held = rollout.held
    if results.latency_s is not None and held.latency_of != results.latency_of:
        held = replace(held, latency_s=results.latency_s, latency_of=results.latency_of)
    if results.settled_ppm is not None:
        held = replace(held, settled_ppm=results.settled_ppm)
    if rollout.phase is Phase.SUSPENDED:  # no time of its stage
        return replace(rollout, seen_at=now, held=held, suspended_ago_s=_of_today(rollout, passed))
    lived_s, at_day = rollout.lived_s + passed, rollout.held_at_day
    if rollout.at.days is not None and lived_s // DAY_S > rollout.lived_s // DAY_S and rollout.phase not in STOPPED:
        at_day = tuple(gate.gate for gate in results.gates if gate.verdict is Verdict.PASS)
    return replace(
        rollout, seen_at=now, lived_s=lived_s, held_at_day=at_day, held=held,
        error_s=rollout.error_s + passed if _unjudged(results) else 0.0,
        suspended_ago_s=_of_today(rollout, passed), drawn=rollout.drawn or results.drawn,
    )  # fmt: skip


def _of_today(rollout: Rollout, passed_s: float) -> tuple[float, ...]:
    """Time lived since each suspension of the last day, a moment later; of one that lasts, however long it does."""
    aged = tuple(ago_s + passed_s for ago_s in rollout.suspended_ago_s)
    lasting = aged[-1:] if rollout.phase is Phase.SUSPENDED else ()
    return tuple(ago_s for ago_s in aged if ago_s < DAY_S) or lasting


def _certified(held: Held, results: Results) -> Held:
    """What the rollout is held to once its gates are certified."""
    for gate in results.gates:
        if gate.gate == "quality" and gate.required and gate.lower is not None:
            return replace(held, quality=gate.lower)
    return held


def _rest(rollout: Rollout) -> tuple[Move, str, str]:
    """What a stopped rollout does: it waits, and after its cooldown begins again in the shadow."""
    if rollout.phase is not Phase.ROLLED_BACK:
        return Move.HOLD, str(rollout.phase), f"{rollout.phase}: until a new revision, or an operator resumes it"
    left = rollout.settings.cooldown_s - rollout.lived_s
    if left > 0:
        times = "once" if rollout.rollbacks == 1 else f"{rollout.rollbacks} times"
        return Move.HOLD, "cooldown", f"rolled back {times}; starts again in the shadow in {span(left)}"
    return Move.RESTART, "cooldown", f"cooled down: attempt {rollout.attempt + 1} begins in the shadow, from zero"


def _at_zero(rollout: Rollout, move: Move) -> Move:
    return Move.REJECT if move is Move.ROLL_BACK and not rollout.at.weight_ppm else move


def _phase_at(ladder: Ladder, stage: int) -> Phase:
    """The phase of a rollout that is simply on its way at a stage."""
    if not ladder.stages[stage].weight_ppm:
        return Phase.SHADOW
    return Phase.CANARY if stage + 1 < len(ladder.stages) else Phase.PROMOTED


def _after(rollout: Rollout, move: Move) -> Rollout:
    """The rollout once `move` is made."""
    match move:
        case Move.ADVANCE:
            stage = rollout.stage + 1
            return _enter(rollout, _phase_at(rollout.ladder, stage), stage)
        case Move.RENEW:
            return replace(rollout, lived_s=0.0, held_at_day=None, epoch=rollout.epoch + 1)
        case Move.AWAIT | Move.PAUSE | Move.WITHDRAW:
            to = {Move.AWAIT: Phase.APPROVING, Move.PAUSE: Phase.PAUSED}
            return replace(rollout, phase=to.get(move) or _phase_at(rollout.ladder, rollout.stage))
        case Move.RESUME:
            phase = _phase_at(rollout.ladder, rollout.stage)
            fresh = replace(rollout, phase=phase, lived_s=0.0, held_at_day=None, error_s=0.0)
            return replace(fresh, budgets=rollout.budgets + 1)
        case Move.SUSPEND:
            return _suspended(rollout)
        case Move.RETURN:
            phase = Phase.PAUSED if rollout.was_paused else _phase_at(rollout.ladder, rollout.stage)
            return replace(rollout, phase=phase, was_paused=False, held=rollout.held.awake())
        case Move.ROLL_BACK:
            times = rollout.rollbacks + 1
            phase = Phase.QUARANTINED if times >= rollout.settings.quarantine_after else Phase.ROLLED_BACK
            return replace(_enter(rollout, phase, 0), rollbacks=times)
        case Move.REJECT:
            return _enter(rollout, Phase.REJECTED, 0)
        case Move.RESTART:
            fresh = _enter(rollout, Phase.SHADOW, 0)
            return replace(fresh, attempt=rollout.attempt + 1, held=Held(), suspended_ago_s=(), drawn=())
        case _:
            return rollout


def _suspended(rollout: Rollout) -> Rollout:
    """The suspended rollout: the same stage without traffic, with fresh detectors."""
    held = replace(rollout.held, watch=rollout.held.watch + 1)
    return replace(
        rollout, phase=Phase.SUSPENDED, was_paused=rollout.phase is Phase.PAUSED, error_s=0.0, held=held,
        suspended_ago_s=(*rollout.suspended_ago_s, 0.0),
    )  # fmt: skip


def _enter(rollout: Rollout, phase: Phase, stage: int) -> Rollout:
    return replace(
        rollout, phase=phase, stage=stage, lived_s=0.0, held_at_day=None, error_s=0.0, budgets=1, epoch=0,
        was_paused=False, held=rollout.held.awake(),
    )  # fmt: skip
