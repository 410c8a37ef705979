"""A million random histories of a rollout, and what no history may do: `make histories`.

    python -m tests.acceptance.decisions.histories [--count N]

Seeded. Evidence of every kind, operators, edits, new revisions and clocks, in any order; every decision is held to
`test_machine.check`. 1 if any breaks it, with the history's number; `--first N --count 1` runs that one again.
"""

import argparse
import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np

from policies import picking
from policies.candidates import contender_name
from policies.evidence import Evidence
from policies.picking import Contender
from policies.results import Alarm, GateResult, GuardResult, Results
from policies.review import key_of
from policies.rollout import Decision, Rollout, command, revise, start, step
from policies.rules import PPM, Ladder, Rules, Stage
from policies.terms import Move, Verb, Verdict
from tests.acceptance.decisions.laws import KEY, RULES, check

STEPS = 14
"""Decisions of one history."""
_PART = 20_000
_TOLD = 50
"""Of so many histories one has its decisions explained, too: rendering costs more than deciding."""
_BEST = Results(
    (GateResult("quality", Verdict.PASS, "quality: PASS", lower=-0.01),),
    units=100,
    tried=20,
    drawn=("tool=a", "tool=b"),
)
_SLICES = ("tool=a", "tool=b", "tool=late")
"""The last of them is none that is tested."""
_PASSED_S = (0.0, 1.0, 60.0, 60.0, 60.0, 200.0, 1e7, -1e7, float("nan"))


def palette(rng: np.random.Generator, size: int) -> list[Results]:
    """Evidence of every kind; half of it is the best there is, so that histories climb."""

    def one() -> Results:
        gates = tuple(
            GateResult("quality", Verdict(rng.integers(4)), "quality", required=bool(rng.random() < 0.8),
                       futile=bool(rng.random() < 0.1))
            for _ in range(rng.integers(3))
        )  # fmt: skip
        guards = tuple(GuardResult("outputs", Verdict(rng.integers(4)), "o") for _ in range(rng.integers(2)))
        alarms = tuple(Alarm("errors", 4.0, 4.0, bool(rng.random() < 0.3), "a") for _ in range(rng.integers(2)))
        fault, unhealthy = (["stale", None, None, None][rng.integers(4)], ["down", None, None, None][rng.integers(4)])
        units, tried = int(rng.choice([0, 99, 100, 400, 10**6])), int(rng.choice([0, 19, 20, 500]))
        joins = tuple(name for name in _SLICES if rng.random() < 0.2)
        return Results(gates, guards, alarms, units, fault, unhealthy, tried=tried, drawn=_SLICES[:2], joins=joins)

    return [_best(rng) if rng.random() < 1 / 2 else one() for _ in range(size)]


def _best(rng: np.random.Generator) -> Results:
    """The best there is; in a third of them a slice is certified by itself, too."""
    return replace(_BEST, joins=_SLICES[: rng.integers(1, 3)]) if rng.random() < 1 / 3 else _BEST


def policies(rng: np.random.Generator, size: int) -> list[Rules]:
    """Edits of the policy: other ladders, and in half of them another candidate."""
    found = [RULES]
    for _ in range(size):
        weights = sorted({int(weight) for weight in rng.integers(1, PPM + 1, rng.integers(1, 5))})
        stages = (Stage(0), *(Stage(weight, approve=rng.choice(["auto", "manual"])) for weight in weights))
        ladder = Ladder(stages, moves_by=["", "tool", "tool", "length"][rng.integers(4)])
        key = replace(KEY, revision=str(rng.integers(3))) if rng.random() < 0.5 else KEY
        found.append(replace(RULES, ladder=ladder, key=key))
    return found


def run(first: int, count: int) -> Counter[str]:
    """Histories `first` and following; how many decisions there were, of which moves.

    Raises:
        AssertionError: one broke what must hold; the message says which.
    """
    rng = np.random.default_rng([17, first // _PART])
    evidence, edits, verbs = palette(rng, 400), policies(rng, 60), list(Verb)
    seen: Counter[str] = Counter()
    for number in range(first, first + count):
        draws = np.random.default_rng([23, number]).integers(0, 1 << 30, (STEPS, 3)).tolist()
        try:
            seen.update(_history(draws, evidence, edits, verbs, told=number % _TOLD == 0))
        except AssertionError as error:
            raise AssertionError(f"history {number}: {error}") from error
    return seen


def _history(
    draws: list[list[int]], evidence: list[Results], edits: list[Rules], verbs: list[Verb], *, told: bool
) -> list[str]:
    begun = RULES if draws[0][0] % 2 else replace(RULES, ladder=replace(RULES.ladder, moves_by="tool"))
    rollout, now = start(begun), 0.0
    moves: list[str] = []
    for kind, which, passed in draws:
        found: Results | None = None
        decision: Decision
        if kind % 100 < 84:
            found = evidence[which % len(evidence)]
            moment = now + _PASSED_S[passed % len(_PASSED_S)]
            decision = step(rollout, found, now=moment)
            now = moment if moment == moment else now  # noqa: PLR0124 -- not a number
        elif kind % 100 < 94:
            decision = command(rollout, verbs[which % len(verbs)], now=now, by="ann", reason="because")
        else:
            decision = revise(rollout, edits[which % len(edits)], now=now)
            assert decision.rollout.weight_ppm <= rollout.weight_ppm
        check(rollout, decision, found, told=told)
        rollout = decision.rollout
        moves.append(decision.move)
    if rollout.weight_ppm == rollout.ladder.stages[-1].served_ppm:
        moves.append("ended at the top")
    return moves


def run_several(first: int, count: int) -> Counter[str]:
    """Histories of three candidates beside each other: one of them has traffic at most, and each obeys all laws.

    Raises:
        AssertionError: one broke what must hold; the message says which.
    """
    evidence, verbs = palette(np.random.default_rng([17, 3]), 400), list(Verb)
    seen: Counter[str] = Counter()
    for number in range(first, first + count):
        draws = np.random.default_rng([29, number]).integers(0, 1 << 30, (3 * STEPS, 3)).tolist()
        try:
            seen.update(_several(draws, evidence, verbs, told=number % _TOLD == 0))
        except AssertionError as error:
            raise AssertionError(f"history {number} of several: {error}") from error
    return seen


def _several(draws: list[list[int]], evidence: list[Results], verbs: list[Verb], *, told: bool) -> list[str]:
    """One history: whoever is drawn is looked at, or told a word, beside the others as they are, or not known."""
    names = [contender_name(RULES.route, name) for name in ("a", "b", "c")]
    rollouts = {name: start(replace(RULES, route=name)) for name in names}
    moves: list[str] = []
    now = 0.0
    for kind, which, passed in draws:
        name, lost = names[passed % 3], names[which % 3] if kind % 17 == 0 else ""
        now += 60.0
        contenders = {each: _contender(rollouts[each], evidence[(which + at) % len(evidence)], now)
                  for at, each in enumerate(names)}  # fmt: skip
        own, others = (
            contenders[name],
            {each: None if each == lost else contenders[each] for each in names if each != name},
        )
        if kind % 100 < 90:
            if picking.rests(own, others):
                moves.append("rests")
                continue
            found = evidence[(which + names.index(name)) % len(evidence)]
            decision = own.look(picking.beside(own, others))
        else:
            verb, found = verbs[kind % len(verbs)], None
            if verb is Verb.PROMOTE and picking.refusal(others):
                continue
            decision = command(rollouts[name], verb, now=now, by="ann", reason="because")
        check(rollouts[name], decision, found, told=told)
        rollouts[name] = decision.rollout
        moves.append(decision.move)
        serving = [each for each in names if rollouts[each].weight_ppm]
        assert len(serving) <= 1, f"{serving} have traffic"
    return moves


def _contender(rollout: Rollout, found: Results, now: float) -> Contender:
    return Contender(
        rollout, Evidence(key_of(rollout), replace(RULES, route=rollout.route)),
        lambda told: step(rollout, replace(found, beside=told.why), now=now),
    )  # fmt: skip


def main() -> int:
    """Print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    last = arguments.first + arguments.count
    parts = [(first, min(_PART - first % _PART, last - first)) for first in _starts(arguments.first, last)]
    seen: Counter[str] = Counter()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for part in pool.map(run, *zip(*parts, strict=True)):
            seen.update(part)
        several = sum((part.total() for part in pool.map(run_several, *zip(*parts, strict=True))), 0)
    top = seen.pop("ended at the top", 0)
    sys.stdout.write(f"{arguments.count} histories, {seen.total()} decisions, 0 violations; {top} ended at the top\n")
    sys.stdout.write("".join(f"  {move:<10} {seen[move]}\n" for move in Move))
    told = f"{several} decisions of three candidates each, 0 violations; never two with traffic\n"
    sys.stdout.write(f"{arguments.count} histories, {told}")
    return 0


def _starts(first: int, last: int) -> list[int]:
    return [first, *range((first // _PART + 1) * _PART, last, _PART)]


if __name__ == "__main__":
    sys.exit(main())
