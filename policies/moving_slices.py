"""Slices that move alone: only those that are certified by themselves are the candidate's; the rest stays. Pure.

Rules:
1. A slice is one value of one dimension, told from the request alone, so that a worker tells it as the evidence does. A
   unit is a conversation's requests of one slice.
2. Which slices are tested is drawn once, after the shadow's whole days and least units, whatever they scored: all that
   were seen by then. What comes later, and `other`, stays with the baseline until another attempt. Else the number of
   tests would follow their results, and the bound below would not hold.
3. Each has the whole's own margin. With L drawn and not certified yet the largest e-value certifies at L/alpha, then
   again with L - 1. A certified slice stays so. At the first wrong one all true nulls are among the L: Ville's
   inequality and a union bound give alpha for ever having one (Holm 1979 with e-processes; decisions-2, ruling 8 B).
4. What a slice has shown goes on from stage to stage: begun anew at each it would have as many chances as there are
   stages. Whole days hold for it as for every gate.
5. Of several quality gates the weakest speaks for a slice.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from policies import slices, stats
from policies.evidence import Evidence
from policies.gates import evaluate
from policies.readings import LOG10, Look
from policies.results import GateResult
from policies.rollout import Rollout
from policies.rules import DAY_S, Quality, Rules
from policies.terms import Verdict

_NEVER = -math.inf


@dataclass(frozen=True, slots=True)
class SlicesFound:
    """What one look at the slices found."""

    gates: tuple[GateResult, ...] = ()
    drawn: tuple[str, ...] = ()
    """Those that are tested; empty: not drawn yet."""
    joins: tuple[str, ...] = ()
    """Of them, those that are certified now and do not move yet, the surest first."""


def holm(log_e: Mapping[str, float], alpha: float, may: Collection[str]) -> tuple[str, ...]:
    """Which of those that are not certified yet are now, the surest first. `may`: of them, those that could be."""
    waiting, found = dict(log_e), list[str]()
    while able := [name for name in waiting if name in may]:
        best = max(able, key=lambda name: (waiting[name], name))
        if waiting[best] < math.log(len(waiting) / alpha):
            break
        found.append(best)
        del waiting[best]
    return tuple(found)


def judged_slices(evidence: Evidence, rollout: Rollout, look: Look) -> SlicesFound:
    """Judge every slice on its own pairs, each at the level that e-Holm leaves it."""
    qualities, by = evidence.rules.gates.qualities, rollout.ladder.moves_by
    names = sorted({name for gate in qualities for name in slices.counted(gate.name, by, evidence.histograms)})
    moving, is_due = rollout.held.moving, rollout.lived_s >= DAY_S * (rollout.at.days or 0)
    drawn = rollout.drawn
    if not drawn and is_due and evidence.count("units") >= rollout.at.min_units:
        drawn = tuple(name for name in names if name != slices.other(by))
    tested = [name for name in drawn or names if name not in moving and name != slices.other(by)]
    log_e = {name: _log_e(name, evidence, look) for name in tested}
    alpha = min((gate.alpha for gate in qualities), default=1.0)
    at_day = rollout.held_at_day
    held = [name for name in tested if at_day is None or all(f"{gate.name}@{name}" in at_day for gate in qualities)]
    certified = holm(log_e, alpha, tested)  # of the first whole day's end, too: it is what is drawn then
    standing = _Standing(evidence, look, drawn, (*moving, *certified), max(1, len(tested)), moving)
    results = tuple(standing.result(gate, name) for name in dict.fromkeys((*names, *drawn)) for gate in qualities)
    return SlicesFound(results, drawn, holm(log_e, alpha, held) if drawn and is_due else ())


@dataclass(frozen=True, slots=True)
class _Standing:
    """Where slices stand, and what each is judged on."""

    evidence: Evidence
    look: Look
    drawn: tuple[str, ...]
    certified: tuple[str, ...]
    waiting: int
    """How many share alpha."""
    moving: tuple[str, ...]

    def result(self, gate: Quality, name: str) -> GateResult:
        """What one gate says of one slice, and what becomes of it."""
        is_tested = not self.drawn or name in self.drawn
        sharing = 1 if name in self.moving else self.waiting
        level = replace(gate, alpha=gate.alpha / sharing)
        judged, share = _judged(level, name, self.evidence, replace(self.look, sharing=sharing))
        told = f"{judged.reason}; {share:.0%} of the units"
        if name in self.moving:
            told += "; certified by itself, and stays so"
        elif not is_tested or name == slices.other(slices.dimension(name)):
            told += ": no test of its own, and stays with the baseline"
        elif not self.drawn:
            told += "; not drawn yet which slices are tested"
        else:
            told += f"; alpha shared by {self.waiting}"
        verdict = Verdict.PASS if name in self.certified else Verdict.INCONCLUSIVE
        to_go = 0 if verdict is Verdict.PASS else judged.units_to_go if is_tested else None
        return replace(judged, verdict=verdict, reason=told, required=False, futile=False, units_to_go=to_go)


def _log_e(name: str, evidence: Evidence, look: Look) -> float:
    """The log e-value of a slice's weakest gate; where one's plain mean is beyond its limit, none."""
    bare = replace(look, bounds=False)
    found = [_judged(gate, name, evidence, bare)[0] for gate in evidence.rules.gates.qualities]
    return min(LOG10 * (each.log10_e or 0.0) if each.verdict is Verdict.PASS else _NEVER for each in found)


def _judged(gate: Quality, name: str, evidence: Evidence, look: Look) -> tuple[GateResult, float]:
    """One slice by one gate's own rules, and its share of the units."""
    plain = evidence.histogram(f"{gate.name}@{name}")
    whole = slices.told_apart(gate.name, slices.dimension(name), evidence.histograms)
    shown = replace(gate, name=f"{gate.name}@{name}", required=False)
    counted = dict.fromkeys((shown.name, f"{shown.name}_owned"), plain) if plain else {}
    weighted = dict.fromkeys(counted, evidence.weighted.get(f"{gate.name}@{name}", {}))
    own = Evidence(
        evidence.key, evidence.rules, counted, {}, weighted={each: found for each, found in weighted.items() if found}
    )
    return evaluate(shown, own, look), slices.units(plain) / max(1, whole)


def first_slice_units(rules: Rules, spread: float, count: int) -> int | None:
    """Units of all the traffic after which the first of so many equal slices moves, as planned; None: no number is.

    `spread`: standard deviation of a unit's score. Of several quality gates the slowest counts.
    """
    found = [
        stats.first_of(count, spread * gate.scale**0.5, abs(gate.margin), gate.alpha) for gate in rules.gates.qualities
    ]
    known = [units for units in found if units is not None]
    return count * max(known) if found and len(known) == len(found) else None
