"""Where rollouts stand, as people want to know it: stage, weight, what is missing to the next stage, the last move."""

from dataclasses import dataclass, field

from gateway.control.leader.persistence import read_rollout
from gateway.control.state.port import Decided, SharedState, StateDamagedError, Stored
from policies import explain, rollout
from policies.explain import RecordError
from policies.results import Results
from policies.rollout import Rollout
from policies.terms import Verdict

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
    looked_at: float | None
    last_move: str | None
    moved_at: float | None
    reason: str | None
    """Of the last move, in a sentence."""
    slices: dict[str, str] = field(default_factory=dict[str, str])
    """What each slice of the traffic says: `quality@language=german` -> a verdict."""


def standings(state: SharedState) -> dict[str, Standing]:
    """Where all rollouts stand, by route.

    Raises:
        StateDownError: the shared state cannot be used.
    """
    last: dict[str, Decided] = {}
    for decided in state.decisions(None, RECENT):
        last.setdefault(decided.route, decided)
    looks = state.looks()
    return {
        route: _standing_or_damage(route, kept, looks.get(route), last.get(route))
        for route, kept in state.rollouts().items()
    }


def _standing_or_damage(route: str, kept: Stored, look: Decided | None, last: Decided | None) -> Standing:
    """Where a rollout stands; of one that cannot be read, that it cannot, and the others are shown all the same."""
    try:
        return _standing(route, kept, look, last)
    except StateDamagedError as error:
        return Standing(
            route=route, phase="unreadable", stage="unknown", weight_ppm=kept.weight_ppm, attempt=0,
            version=kept.version, missing=[str(error)], units=None, units_to_go=None, looked_at=None, last_move=None,
            moved_at=None, reason=None,
        )  # fmt: skip


def _standing(route: str, kept: Stored, look: Decided | None, last: Decided | None) -> Standing:
    found = read_rollout(kept)
    stands = found.rollout
    if found.decided is not None and (last is None or last.at < found.decided.at):
        last = found.decided  # no leader has told it yet
    results = None if look is None else _results(look, stands)
    waiting = [] if results is None else rollout.blocks(stands, results)
    if look is not None and (waits := rollout.shut(stands, look.at)):
        waiting.append(("window", waits))
    return Standing(
        route=route,
        phase=stands.phase,
        stage=stands.at.label,
        weight_ppm=kept.weight_ppm,
        attempt=stands.attempt,
        version=kept.version,
        missing=[sentence for _, sentence in waiting] if stands.phase not in rollout.STOPPED else [],
        units=None if results is None else results.units,
        units_to_go=None if results is None else _to_go(stands, results),
        looked_at=None if look is None else look.at,
        last_move=None if last is None else last.move,
        moved_at=None if last is None else last.at,
        reason=None if last is None else _reason(last),
        slices={gate.gate: gate.verdict.name for gate in (results.gates if results else ()) if "@" in gate.gate},
    )


def _results(look: Decided, stands: Rollout) -> Results | None:
    """What a look found; None: it is not of the stage the rollout stands on, or cannot be read."""
    try:
        found = explain.decode(look.record).decision
    except RecordError:
        return None
    after = found.rollout
    same = (after.key, after.attempt, after.stage) == (stands.key, stands.attempt, stands.stage)
    return found.results if same and found.before.stage == after.stage else None


def _to_go(stands: Rollout, results: Results) -> int | None:
    """The most that any required gate still wants, and the stage's own least number of units."""
    wanted = [max(0, stands.at.min_units - results.units)]
    for gate in results.gates:
        if gate.required and gate.verdict is not Verdict.PASS:
            if gate.units_to_go is None:
                return None
            wanted.append(gate.units_to_go)
    return max(wanted)


def _reason(decided: Decided) -> str:
    """A decision's reason: the record's, or what its text says."""
    try:
        return explain.decode(decided.record).decision.reason
    except RecordError:
        return decided.text.partition("\n")[2].strip().partition("\n")[0]
