"""What a gate read off the evidence, and what that comes to: a verdict, with a sentence that holds its numbers.

The rules stand in `policies.gates`. Nothing else compares a number with a limit.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from policies import histograms, stats
from policies.candidates import longer
from policies.evidence import Evidence
from policies.histograms import Histogram
from policies.results import GateResult
from policies.rules import BETS, Bets, Cost, Errors, Gates, Latency, Quality, Validity
from policies.terms import Better, Verdict

Gate = Quality | Validity | Errors | Latency | Cost

LOG10 = math.log(10)
LEAST_BUDGET = 2000
"""Compared units that every gate may have. Source: decisions-2, ruling 6."""
_EARLY = 10
"""Futility is not looked at before this part of the budget is spent: until then harm may still be certified."""
_DUE = 200
"""Closed units after which a gate without any evidence is an error and no longer a matter of patience."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the evidence needs beside it."""

    latency_limit_s: float | None = None
    """The limit that the baseline set, once frozen."""
    budgets: int = 1
    """How often the stage's budget of units was granted."""
    bounds: bool = True
    """Whether to compute intervals too; verdicts do not need them."""
    bets: Bets = BETS
    """The grid that the rollout began with."""
    rivals: tuple[float, ...] = ()
    """Log e-values of the other candidates, where one of several is picked (`policies.candidates`)."""

    sharing: int = 1
    """Where slices move alone: how many of them share alpha (`policies.moving_slices`)."""

    def among(self, gate: Gate) -> int:
        """How many candidates are tried for what a gate certifies."""
        return 1 + len(self.rivals) if isinstance(gate, Quality) else 1


@dataclass(frozen=True, slots=True)
class Reading:
    """What a gate read off the evidence, before it is judged."""

    name: str
    gate: Gate
    n: float
    estimate: float
    limit: float
    log_e: float
    log_harm: float
    sd: float
    interval: Callable[[], tuple[float | None, float | None]]
    worth: float
    """Units, each with what it weighs; `n` counts each as one."""
    plain: float
    """The estimate over all traffic, each unit weighing one: it must be inside the limit, too."""
    told: str = ""
    """What a reader also wants to know, in words."""
    needed_here: bool = True
    scale: float = 1.0
    better: Better = Better.HIGHER
    gap: float | None = None
    """How far inside its limit a good candidate is, one that equals the baseline; None: as far as the limit
    is from 0."""
    arms: int = 1
    """How many arms are compared: two apart need about twice the units of pairs. Source: decisions, B.3 (3b)."""


LOOK = Look()


def gates_of(gates: Gates) -> tuple[Gate, ...]:
    """The gates a policy has, in the order in which they are shown."""
    every = (*gates.qualities, gates.validity, gates.errors, *gates.latencies, gates.cost)
    return tuple(gate for gate in every if gate is not None)


def judge(reading: Reading, evidence: Evidence, look: Look) -> GateResult:
    """Turn a reading into a verdict, with a sentence that holds its numbers."""
    gate, scale = reading.gate, reading.scale
    gates = gates_of(evidence.rules.gates)
    wall = -math.log(gate.alpha)
    harmed = reading.log_harm >= math.log(len(gates) / evidence.rules.gates.harm_alpha)
    inside = reading.plain > reading.limit or reading.better is Better.LOWER
    certified = reading.log_e >= wall and inside
    if harmed and gate.required:
        verdict, word = Verdict.FAIL, "harm is certified"
    elif certified:
        verdict, word = Verdict.PASS, "certified"
    elif reading.log_e >= wall:
        verdict, word = (
            Verdict.INCONCLUSIVE,
            "not certified: over all traffic, each unit weighing one, it is not inside",
        )
    else:
        verdict, word = Verdict.INCONCLUSIVE, "not certified yet"
    lower, upper = reading.interval() if look.bounds else (None, None)
    lower, upper = (None if bound is None else bound * scale for bound in (lower, upper))
    higher = reading.better is Better.HIGHER
    alpha = gate.alpha if evidence.rules.gates.plans_by_alpha else stats.ALPHA / look.sharing
    needed = _units(reading, reading.estimate - reading.limit, look, alpha) if higher else None
    show = "+.4f" if reading.limit < 0 or isinstance(gate, Quality) else ".4f"
    interval = f" [{number(lower, show)}, {number(upper, show)}]" if look.bounds else ""
    budget = _budget(reading, look, alpha) if evidence.stage.by_pairs else None
    units = f"{reading.n:.0f} units{f', worth {reading.worth:.0f},' if reading.worth < reading.n - 0.5 else ''}"
    reason = (
        f"{reading.name}: {reading.estimate * scale:{show}}{interval} on {units} ({reading.told}), "
        f"limit {reading.limit * scale:{show}}, log10 e {reading.log_e / LOG10:.2f} of {wall / LOG10:.2f}: {word}"
    )
    return GateResult(
        reading.name, verdict, reason, int(reading.n), reading.estimate * scale, lower, upper, reading.limit * scale,
        reading.log_e / LOG10, reading.log_harm / LOG10, wall / LOG10,
        units_to_go=0 if certified else None if needed is None else max(0, needed - int(reading.worth)),
        required=gate.required and reading.needed_here,
        futile=not certified and _futile(reading, budget or evidence.stage.max_units * look.budgets, look, alpha),
        better=reading.better, sd=reading.sd * scale, budget=budget,
    )  # fmt: skip


def _budget(reading: Reading, look: Look, alpha: float) -> int:
    """Twice what nine of ten candidates that equal the baseline need, at the spread seen; as often as it was granted.

    At a true difference of 0 at most 0.2 % spend it (decisions-2, ruling 6).
    """
    gap = abs(reading.limit) if reading.gap is None else reading.gap
    needed = _units(reading, gap, look, alpha) or 0
    return max(LEAST_BUDGET, 2 * reading.arms * needed) * look.budgets


def _units(reading: Reading, gap: float, look: Look, alpha: float) -> int | None:
    """Units after which nine of ten are certified, among as many candidates as are tried; None: no number would do."""
    alone = stats.units_needed(reading.sd, gap, bets=look.bets, alpha=alpha)
    among = look.among(reading.gate)
    return alone if alone is None or among == 1 else math.ceil(alone * longer(among))


def _futile(reading: Reading, budget: int, look: Look, alpha: float) -> bool:
    """Whether even the most hopeful estimate the evidence allows needs more units than the budget has."""
    if reading.n * _EARLY < budget or reading.better is Better.LOWER:
        return False
    hopeful = reading.interval()[1]
    needed = None if hopeful is None else _units(reading, hopeful - reading.limit, look, alpha)
    return needed is None or needed > budget


def missing(
    name: str, gate: Quality | Validity | Errors | Latency, expected: int, *, needed_here: bool = True
) -> GateResult:
    """No evidence at all: patience at first, an error once `expected` units passed that should have brought some."""
    overdue = expected >= _DUE
    return GateResult(
        name, Verdict.ERROR if overdue else Verdict.INCONCLUSIVE,
        f"{name}: no evidence in {expected} units that should have some" if overdue else f"{name}: no evidence yet",
        limit=gate.quantile if isinstance(gate, Latency) else -gate.margin,
        needed=-math.log(gate.alpha) / LOG10, required=gate.required and needed_here,
    )  # fmt: skip


def plain(found: Histogram) -> tuple[float, float]:
    """The mean over all units, each weighing one, and how many there are."""
    (down, counts), (up, _) = histograms.scores_down(found), histograms.scores_up(found)
    n = float(counts.sum())
    return float((down + up) / 2 @ counts) / n, n


def number(value: float | None, show: str) -> str:
    """A number as it is shown; `?` where it is not known."""
    return "?" if value is None else f"{value:{show}}"
