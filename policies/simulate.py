"""What a policy would have done: recorded pairs fed, in order, to the very functions that decide in production."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from policies import picking
from policies.assignment import bucket
from policies.events import PairEvent
from policies.evidence import Evidence
from policies.open_units import closing_at
from policies.picking import ALONE, Beside, Contender
from policies.review import Conditions, key_of, review
from policies.rollout import STOPPED, Decision, Rollout, start, step
from policies.rules import Rules
from policies.slices import own
from policies.terms import Move, Outcome, Owner, Phase

_SALT = "simulate"


@dataclass(frozen=True, slots=True)
class Moment:
    """One decision, and how many units had been seen when it was made."""

    unit: int
    decision: Decision


@dataclass(frozen=True, slots=True)
class Simulation:
    """What came of it."""

    outcome: Outcome
    """The last thing decided other than to hold."""
    units: int
    decided_at_unit: int | None
    deciding: Decision | None
    """The decision that `outcome` names, with its evidence; the last one if nothing but HOLD was decided."""
    last: Decision | None
    """Where it ended; None without any pair."""
    moves: tuple[Moment, ...]
    """Every decision that was not to hold."""


def simulate(rules: Rules, pairs: Iterable[PairEvent], *, timed: bool = False) -> Simulation:
    """Feed all pairs and sum up; `walk` yields each decision."""
    moves: list[Moment] = []
    last: Moment | None = None
    for last in walk(rules, pairs, timed=timed):
        if last.decision.move is not Move.HOLD:
            moves.append(last)
    return summarise(moves, last)


def summarise(moves: list[Moment], last: Moment | None) -> Simulation:
    """Sum up what `walk` yielded: the moves among it, and the last of all."""
    telling = [moment for moment in moves if moment.decision.outcome is not Outcome.HOLD]
    at = telling[-1] if telling else None
    deciding = at or last
    return Simulation(
        at.decision.outcome if at else Outcome.HOLD,
        last.unit if last else 0,
        at.unit if at else None,
        deciding.decision if deciding else None,
        last.decision if last else None,
        tuple(moves),
    )


def walk(rules: Rules, pairs: Iterable[PairEvent], *, timed: bool = False, every: int = 0) -> Iterator[Moment]:
    """Each decision, made after every unit. Moves, every `every`-th and the last come with their intervals.

    Timed pairs carry the moments of their requests: units close when they are idle, holds and cooldowns pass, and
    pairs must be in order. Without times a unit is all its pairs, wherever they stand; no hold ever ends, no whole day
    is asked for, and a suspended candidate is tried at once.
    """
    run = _run(rules, timed=timed)
    yield from (_timed if timed else _untimed)(run, pairs, every)
    if run.units:
        yield Moment(run.units, run.decide(run.now, bounds=True))


def walk_several(
    rules: Mapping[str, Rules], pairs: Iterable[tuple[str, PairEvent]], *, timed: bool = False
) -> Iterator[Moment]:
    """The same for several candidates on one sample: each decision, of whichever of them.

    `rules`: by candidate; `pairs`: each with the candidate it is of, in order.
    """
    several = _Several({name: _run(each, timed=timed) for name, each in rules.items()})
    yield from several.timed(pairs) if timed else several.untimed(pairs)
    yield from several.last()


def _run(rules: Rules, *, timed: bool) -> "_Run":
    trusted = replace(rules, rollback=replace(rules.rollback, tick_s=math.inf))
    if not timed:
        stages = tuple(replace(stage, days=None) for stage in rules.ladder.stages)
        settings = replace(trusted.rollback, calm_s=0.0)
        trusted = replace(trusted, ladder=replace(rules.ladder, stages=stages), rollback=settings)
    return _Run(trusted, start(trusted))


def _untimed(run: "_Run", pairs: Iterable[PairEvent], every: int) -> Iterator[Moment]:
    by_unit: dict[str, list[PairEvent]] = {}
    for pair in pairs:
        by_unit.setdefault(pair.unit, []).append(pair)
    for unit in by_unit.values():
        for order, pair in enumerate(unit):
            run.observe(replace(pair, at=0.0, id=f"{order:09}"))
        run.evidence.close_all()
        run.units += 1
        yield Moment(run.units, run.decide(0.0, bounds=bool(every) and run.units % every == 0))
        if run.rollout.phase in STOPPED:
            return


def _timed(run: "_Run", pairs: Iterable[PairEvent], every: int) -> Iterator[Moment]:
    for pair in pairs:
        closed = run.evidence.count("units")
        run.evidence.advance(closing_at(pair.at, run.rules.units))
        run.observe(pair)
        fresh = run.evidence.count("units") - closed
        if fresh or pair.at - run.now >= 60.0:
            shown = bool(every) and run.units // every != (run.units + fresh) // every
            run.units += fresh
            yield Moment(run.units, run.decide(pair.at, bounds=shown))
    closed = run.evidence.count("units")
    run.evidence.close_all()
    run.units += run.evidence.count("units") - closed


@dataclass(slots=True)
class _Several:
    """Candidates on their way, of whom one at most has traffic."""

    runs: "dict[str, _Run]"

    def untimed(self, pairs: Iterable[tuple[str, PairEvent]]) -> Iterator[Moment]:
        """A unit after the other, for whoever is compared in it."""
        by_unit: dict[str, list[tuple[str, PairEvent]]] = {}
        for name, pair in pairs:
            by_unit.setdefault(pair.unit, []).append((name, pair))
        for unit in by_unit.values():
            asked = {name: run for name, run in self.runs.items() if not self._resting(name, 0.0)}
            for order, (name, pair) in enumerate(unit):
                if name in asked:
                    asked[name].observe(replace(pair, at=0.0, id=f"{order:09}"))
            for name in {name for name, _ in unit} & asked.keys():
                asked[name].evidence.close_all()
                asked[name].units += 1
            yield from self._decide(0.0)

    def timed(self, pairs: Iterable[tuple[str, PairEvent]]) -> Iterator[Moment]:
        """The pairs, ordered by the times of their requests."""
        last = -math.inf
        for name, pair in pairs:
            fresh = self._close(pair.at)
            if not self._resting(name, pair.at):
                self.runs[name].observe(pair)
            if fresh or pair.at - last >= 60.0:
                last = pair.at
                yield from self._decide(pair.at)
        self._close(math.inf)

    def last(self) -> Iterator[Moment]:
        """The last decision of each candidate."""
        for name, run in self.runs.items():
            if run.units and (why := self._resting(name, run.now)):
                rollout, seen = run.rollout, Conditions(beside=why)
                results = review(run.evidence, rollout, now=run.now, seen=seen)
                found = Decision(Outcome.HOLD, Move.HOLD, "rests", why, rollout, rollout, run.now, results)
                yield Moment(run.units, found)
            elif run.units:
                yield self._look(name, run.now, bounds=True)

    def _close(self, at: float) -> int:
        """Close what is over; how many units that were."""
        fresh = 0
        for run in self.runs.values():
            closed = run.evidence.count("units")
            if math.isfinite(at):
                run.evidence.advance(closing_at(at, run.rules.units))
            else:
                run.evidence.close_all()
            run.units += run.evidence.count("units") - closed
            fresh += run.evidence.count("units") - closed
        return fresh

    def _decide(self, now: float) -> Iterator[Moment]:
        for name in self.runs:
            if not self._resting(name, now):
                yield self._look(name, now, bounds=False)

    def _look(self, name: str, now: float, *, bounds: bool) -> Moment:
        run = self.runs[name]
        run.beside = picking.beside(run.contender(now), self._others(name, now))
        return Moment(run.units, run.decide(now, bounds=bounds))

    def _resting(self, name: str, now: float) -> str:
        """Why it rests; empty: it does not."""
        return picking.rests(self.runs[name].contender(now), self._others(name, now))

    def _others(self, name: str, now: float) -> picking.Others:
        return {self.runs[other].rules.route: run.contender(now) for other, run in self.runs.items() if other != name}


@dataclass(slots=True)
class _Run:
    """A rollout on its way, with the evidence of the stage it stands on."""

    rules: Rules
    rollout: Rollout
    units: int = 0
    now: float = -math.inf
    beside: Beside = ALONE
    """What the other candidates mean to it, where there are several."""
    evidence: Evidence = field(init=False)

    def __post_init__(self) -> None:
        self.evidence = Evidence(key_of(self.rollout), self.rules)

    def observe(self, pair: PairEvent) -> None:
        """Assign the pair's unit as the gateway would, and count it for the stage."""
        if self.rollout.phase in STOPPED:
            return
        by, ppm = self.rollout.ladder.moves_by, self.rollout.weight_ppm
        stays = bool(by and ppm) and own(pair.slices, by) not in self.rollout.held.moving
        owned = not stays and bucket(pair.unit, _SALT) < ppm
        owner = Owner.CANDIDATE if owned else Owner.BASELINE
        event = pair if (pair.owner, pair.stays) == (owner, stays) else replace(pair, owner=owner, stays=stays)
        if self.rollout.phase is Phase.SUSPENDED:
            event = replace(event, heard="trial")
        if self.rollout.phase is not Phase.SUSPENDED or self.rollout.is_tried:
            self.evidence.observe(event, self.rollout.held)

    def decide(self, now: float, *, bounds: bool) -> Decision:
        """Look, and move if that is what comes of it. A move is always shown with its intervals."""
        self.now = now
        decision = self._look(now, bounds=bounds)
        if not bounds and decision.move is not Move.HOLD:
            decision = self._look(now, bounds=True)
        self.rollout = decision.rollout
        if key_of(self.rollout) != self.evidence.key:
            self.evidence = self.evidence.next(key_of(self.rollout), self.rules)
        return decision

    def _look(self, now: float, *, bounds: bool) -> Decision:
        seen = Conditions(rivals=self.beside.rivals, beside=self.beside.why)
        results = review(self.evidence, self.rollout, now=now, seen=seen, bounds=bounds)
        return step(self.rollout, results, now=now)

    def contender(self, now: float) -> Contender:
        """What the other candidates see of it."""

        def look(beside: Beside) -> Decision:
            self.beside = beside
            return self._look(now, bounds=False)

        return Contender(self.rollout, self.evidence, look)
