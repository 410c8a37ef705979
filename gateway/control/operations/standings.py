"""Where rollouts stand, as people want to know it: stage, weight, what is missing to the next stage, the last move."""

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from gateway.control.leader.persistence import StoredRollout, read_rollout
from gateway.control.state.port import Decided, SharedState, StateDamagedError, Stored
from gateway.node.datadir import DataDir
from gateway.node.exposition import by_route
from policies import explain, rollout
from policies.explain import RecordError
from policies.first_sentence import Circumstances, first_sentence
from policies.forecast import forecast
from policies.rollout import Decision, Rollout
from policies.terms import Move, Phase

RECENT = 200
"""Decisions looked through for each route's last one; older moves are not shown."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one rollout stands."""

    route: str
    phase: str
    stage: str
    weight_ppm: int
    attempt: int
    version: int
    missing: list[str]
    """What stands between this stage and the next, the gravest first; empty: nothing, or nobody has looked yet."""
    units: int | None
    """Units seen in this stage; None: nobody has looked yet."""
    units_to_go: int | None
    """Units still wanted at the present estimates; None: not known, or no number would do."""
    forecast: str
    """When the stage could be left, in a sentence; empty: nobody has looked yet."""
    left_out: list[str]
    """What did not come into this stage's evidence as it should, in sentences."""
    looked_at: float | None
    last_move: str | None
    moved_at: float | None
    reason: str | None
    """Of the last move, in a sentence."""
    sentence: str
    """Where it stands and why, for somebody in a hurry (`policies.first_sentence`)."""
    slices: dict[str, str] = field(default_factory=dict[str, str])
    """What each slice of the traffic says: `quality@language=german` -> a verdict."""
    moving: list[str] = field(default_factory=list[str])
    """Where slices move alone: those that do."""


def standings(state: SharedState, *, now: float, spent: Collection[str] = ()) -> dict[str, Standing]:
    """Where all rollouts stand, by route. `spent`: routes whose day's money for comparing is gone.

    Raises:
        StateDownError: the shared state cannot be used.
    """
    recent: dict[str, list[Decided]] = {}
    for decided in state.decisions(None, RECENT):
        recent.setdefault(decided.route, []).append(decided)
    looks, has_leader = state.looks(), state.leader(now) is not None
    found: dict[str, Standing] = {}
    for route, kept in state.rollouts().items():
        history = recent.get(route, [])
        try:
            stored = read_rollout(kept)
            around = Circumstances(has_leader=has_leader, is_budget_spent=route in spent)
            reader = _Reader(now, around, _entry(state, stored, history))
            found[route] = _standing(kept, stored, looks.get(route), history, reader)
        except StateDamagedError as error:
            found[route] = _damaged(route, kept, error)
    return found


def entry(state: SharedState, route: str) -> Decision | None:
    """The decision that stopped, suspended or paused a rollout; None: none did, or it is too old.

    Raises:
        StateDownError: the shared state cannot be used.
        StateDamagedError: the rollout cannot be read.
    """
    kept = state.rollouts().get(route)
    stored = None if kept is None else read_rollout(kept)
    return None if stored is None or stored.rollout.phase not in _ENTERED else _entry(state, stored, ())


def stops(state: SharedState) -> dict[str, Decision]:
    """The decision that stopped or suspended each rollout that is, by route; one that cannot be read is left out.

    Raises:
        StateDownError: the shared state cannot be used.
    """
    found: dict[str, Decision] = {}
    for route, kept in state.rollouts().items():
        with contextlib.suppress(StateDamagedError):
            stored = read_rollout(kept)
            if stored.rollout.phase in _STOPPED and (stop := _entry(state, stored, ())) is not None:
                found[route] = stop
    return found


def _entry(state: SharedState, stored: StoredRollout, recent: Sequence[Decided]) -> Decision | None:
    """The decision that began where it stands; `recent`: those of its route that are known already, newest first."""
    stands = stored.rollout
    if stands.phase not in _SINCE:
        return None
    mine = ([stored.decided] if stored.decided is not None else []) + list(recent)
    found = _entry_among(mine, stands.phase)
    return found or _entry_among(state.decisions(stands.route, RECENT), stands.phase)


def spent_budgets(data: DataDir) -> frozenset[str]:
    """Routes whose day's money for comparing is gone, as this node's shadow last said."""
    return frozenset(
        route for route, spent in by_route(data.exposition("shadow"), "shadow_budget_spent").items() if spent
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """When a standing is read, and what else is known then."""

    now: float
    around: Circumstances
    entered: Decision | None


_STOPPED = rollout.STOPPED | {Phase.SUSPENDED}
_ENTERED = _STOPPED | {Phase.PAUSED}
"""Phases whose numbers are those of the decision that began them: nothing that was counted since explains them."""
_SINCE = _ENTERED | {Phase.APPROVING}
"""Phases of which it is told since when."""


def _entry_among(decided: Sequence[Decided], phase: Phase) -> Decision | None:
    for each in decided:
        try:
            decision = explain.decode(each.record).decision
        except RecordError:
            continue
        if decision.rollout.phase is phase and decision.before.phase is not phase:
            return decision
    return None


def _damaged(route: str, kept: Stored, error: StateDamagedError) -> Standing:
    """A rollout that cannot be read: that it cannot, and the others are shown all the same."""
    return Standing(
        route=route, phase="unreadable", stage="unknown", weight_ppm=kept.weight_ppm, attempt=0, version=kept.version,
        missing=[str(error)], units=None, units_to_go=None, forecast="", left_out=[], looked_at=None,
        last_move=None, moved_at=None, reason=None, sentence=f"Cannot be read: {error}.",
    )  # fmt: skip


def _standing(
    kept: Stored, stored: StoredRollout, look: Decided | None, recent: Sequence[Decided], reader: _Reader
) -> Standing:
    stands = stored.rollout
    last = next((each for each in recent if each.move != Move.HOLD), recent[0] if recent else None)
    if stored.decided is not None and (last is None or last.at < stored.decided.at):
        last = stored.decided  # no leader has told it yet
    looked = None if look is None else _look_at(look, stands)
    results = None if looked is None else looked.results
    if looked is not None and looked.rollout.phase is stands.phase and looked.rollout.lived_s > stands.lived_s:
        stands = replace(stands, lived_s=looked.rollout.lived_s)  # the state keeps it more seldom than it looks
    waiting = [] if results is None else rollout.blocks(stands, results)
    coming = None if results is None else forecast(stands, results)
    if look is not None and (rises := stands.ladder.rises) and (waits := rises.shut(look.at)):
        waiting.append(("window", waits))
    if results is not None and results.cold and not waiting:
        waiting.append(("warm", results.waits_for))
    return Standing(
        route=stands.route,
        phase=stands.phase,
        stage=stands.at.label,
        weight_ppm=kept.weight_ppm,
        attempt=stands.attempt,
        version=kept.version,
        missing=[sentence for _, sentence in waiting] if stands.phase not in rollout.STOPPED else [],
        units=None if results is None else results.units,
        units_to_go=None if coming is None else coming.units_to_go,
        forecast="" if coming is None else str(coming),
        left_out=[] if results is None else explain.intake(results.intake),
        looked_at=None if look is None else look.at,
        last_move=None if last is None else last.move,
        moved_at=None if last is None else last.at,
        reason=None if last is None else _reason(last),
        slices={gate.gate: gate.verdict.name for gate in (results.gates if results else ()) if "@" in gate.gate},
        moving=list(stands.held.moving),
        sentence=first_sentence(stands, results, now=reader.now, entered=reader.entered, around=reader.around),
    )


def _look_at(look: Decided, stands: Rollout) -> Decision | None:
    """A look; None: it is not of the stage the rollout stands on, or cannot be read."""
    try:
        found = explain.decode(look.record).decision
    except RecordError:
        return None
    after = found.rollout
    same = (after.key, after.attempt, after.stage) == (stands.key, stands.attempt, stands.stage)
    watched = found.before.held.watch == stands.held.watch  # of before an alarm it would say again what was answered
    return found if same and watched and found.before.stage == after.stage else None


def _reason(decided: Decided) -> str:
    """A decision's reason: the record's, or the first line of its text that says more than where it was."""
    try:
        return explain.decode(decided.record).decision.reason
    except RecordError:
        lines = [line.strip() for line in decided.text.splitlines() if not line.startswith("ROUTE ")]
        return lines[0] if lines else ""
