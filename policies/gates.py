"""What each gate means: `evaluate` is the only judge of evidence. Nothing else compares a number with a limit.

Rules:
1. A pass is a certificate: the null "at or beyond the limit" is rejected, now, at the gate's alpha. All gates at their
   full alpha, because all must pass (intersection-union test: Berger 1982; for gates, arXiv 2402.11609).
2. A failure is certified harm, at a share of `harm_alpha`, because any one of them rolls back (union bound).
3. Everything else is INCONCLUSIVE, or ERROR where evidence should be there and is not. No number is made up.
4. An advisory gate says what it sees, and neither passes nor fails anything.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from policies import histograms, stats
from policies.baseline_line import BLOCKS
from policies.evidence import Evidence
from policies.histograms import Histogram
from policies.results import GateResult
from policies.rules import ARMS_FROM_PPM, Cost, Errors, Gates, Latency, Quality, Validity
from policies.terms import Better, Verdict

Gate = Quality | Validity | Errors | Latency | Cost

LOG10 = math.log(10)
_EARLY = 10
"""Futility is not looked at before this part of the budget is spent: until then harm may still be certified."""
_TELLING = 0.001
"""What missing verdicts cost of a margin, from which on it is said."""
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


@dataclass(frozen=True, slots=True)
class _Reading:
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


def evaluate(gate: Gate, evidence: Evidence, look: Look = Look()) -> GateResult:
    """Judge one gate on the evidence so far. Never raises: what cannot be judged says why."""
    match gate:
        case Quality():
            return _quality(gate, evidence, look)
        case Validity():
            return _mean("validity", gate, evidence, look)
        case Errors():
            return _errors(gate, evidence, look)
        case Latency():
            return _screen(gate, evidence, look) if evidence.shadow else _latency(gate, evidence, look)
        case _:
            return _cost(gate, evidence)


def gates_of(gates: Gates) -> tuple[Gate, ...]:
    """The gates a policy has, in the order in which they are shown."""
    every = (gates.quality, gates.validity, gates.errors, gates.latency, gates.cost)
    return tuple(gate for gate in every if gate is not None)


def _quality(gate: Quality, evidence: Evidence, look: Look) -> GateResult:
    """In the shadow on mirrored pairs; from 25 % again, on the candidate's own conversations if they are mirrored."""
    again = evidence.key.weight_ppm >= ARMS_FROM_PPM
    owned = again and evidence.stage.reverse_shadow_ppm > 0
    return _mean("quality_owned" if owned else "quality", gate, evidence, look, needed_here=evidence.shadow or again)


def _errors(gate: Errors, evidence: Evidence, look: Look) -> GateResult:
    """Paired below 25 %; from there on arm against arm, which alone sees what load does."""
    if evidence.key.weight_ppm < ARMS_FROM_PPM:
        return _mean("errors", gate, evidence, look)
    names = "errors_candidate", "errors_baseline"
    ours, theirs = (evidence.weighed(name) for name in names)
    if not ours[0] or not theirs[0]:
        return _missing("errors", gate, min(evidence.count("units_candidate"), evidence.count("units_baseline")))
    best, worst = (_sum(*histograms.scores_down(*ours)), _sum(*histograms.scores_up(*ours)))
    least, most = (_sum(*histograms.scores_down(*theirs)), _sum(*histograms.scores_up(*theirs)))
    rate, base = (best[0] + worst[0]) / 2 / best[1], (least[0] + most[0]) / 2 / least[1]
    plain = {name: _plain(evidence.histogram(name)) for name in names}
    reading = _Reading(
        "errors", gate, min(n for _, n in plain.values()), base - rate, -gate.margin,
        stats.log_e_difference(worst, least, gate.margin),
        stats.log_e_difference((best[1] - best[0], best[1]), (most[1] - most[0], most[1]), -gate.margin),
        math.sqrt(rate * (1 - rate) + base * (1 - base)),
        lambda: stats.difference_interval(worst, least, gate.alpha),
        min(best[1], least[1]), plain["errors_baseline"][0] - plain["errors_candidate"][0],
        f"candidate {rate:.2%} of {best[1]:.0f}, baseline {base:.2%} of {least[1]:.0f}",
    )  # fmt: skip
    return _judge(reading, evidence, look)


def _mean(
    name: str, gate: Quality | Validity | Errors, evidence: Evidence, look: Look, *, needed_here: bool = True
) -> GateResult:
    """A mean over units, each in [-1, 1], against its limit; what is not known counts at its worst for each side."""
    found, whole = evidence.weighed(name)
    shown = "quality" if isinstance(gate, Quality) else name
    if not found:
        paired = evidence.count("paired_candidate")
        expected = paired if name == "quality_owned" else paired + evidence.count("paired_baseline")
        return _missing(shown, gate, expected, needed_here=needed_here)
    scale = gate.scale if isinstance(gate, Quality) else 1.0
    limit = -gate.margin / scale
    (down, counts), (up, _) = histograms.scores_down(found, whole), histograms.scores_up(found, whole)
    best, best_counts = _harm_side(name, evidence) or (up, counts)
    worth = float(counts.sum())
    middle = (down + up) / 2
    estimate = float(middle @ counts) / worth
    plain, n = _plain(evidence.histogram(name))
    told = (
        f"better/equal/worse {counts[down > 0].sum():.0f}/{counts[(down <= 0) & (up >= 0)].sum():.0f}"
        f"/{counts[up < 0].sum():.0f}"
    )
    reading = _Reading(
        shown, gate, n, estimate, limit,
        stats.log_e_mean(down, counts, limit, lo=-1.0),
        stats.log_e_mean(-best, best_counts, -limit, lo=-1.0),
        math.sqrt(max(0.0, float(middle**2 @ counts) / worth - estimate**2)),
        lambda: (
            stats.lower_mean(down, counts, gate.alpha, lo=-1.0, hi=1.0),
            stats.upper_mean(best, best_counts, gate.alpha, lo=-1.0, hi=1.0),
        ),
        worth, plain, told + _missing_cost(best, best_counts, (estimate * scale, gate.margin), scale),
        needed_here, scale,
    )  # fmt: skip
    return _judge(reading, evidence, look)


def _harm_side(name: str, evidence: Evidence) -> tuple[stats.Floats, stats.Floats] | None:
    """The same units at their best, where some verdicts are missing; None: they are not told apart."""
    found, whole = evidence.weighed(f"{name}_harm")
    return histograms.scores_up(found, whole) if found else None


def _missing_cost(best: stats.Floats, counts: stats.Floats, here: tuple[float, float], scale: float) -> str:
    """What missing verdicts cost of the margin, in words; `here`: the estimate at worst, and the margin."""
    estimate, margin = here
    cost = (float(best @ counts) / float(counts.sum()) * scale - estimate) / 2
    return f"; verdicts that are missing cost {cost:.3f} of the margin of {margin:g}" if cost >= _TELLING else ""


def _plain(found: Histogram) -> tuple[float, float]:
    """The mean over all units, each weighing one, and how many there are."""
    (down, counts), (up, _) = histograms.scores_down(found), histograms.scores_up(found)
    n = float(counts.sum())
    return float((down + up) / 2 @ counts) / n, n


def _latency(gate: Latency, evidence: Evidence, look: Look) -> GateResult:
    """In the canary: the share of requests within the limit is at least the quantile."""
    if gate.block_s is not None and gate.limit_s is None:
        return _concurrent(gate, evidence, look)
    limit_s = gate.limit_s or look.latency_limit_s
    if limit_s is None:
        seen = histograms.units_in(evidence.histogram(f"{gate.measure}_baseline"))
        reason = f"latency: {seen:.0f} of {gate.freeze_units} units of the baseline to set the limit by"
        return GateResult("latency", Verdict.INCONCLUSIVE, reason, limit=gate.quantile, required=gate.required)
    name = f"{gate.measure}_candidate"
    found = evidence.times(name)
    if not found:
        return _missing("latency", gate, evidence.count("units_candidate") - gate.warmup)
    return _judge(_within(gate, found, limit_s, evidence.histogram(name)), evidence, look)


def _concurrent(gate: Latency, evidence: Evidence, look: Look) -> GateResult:
    """In the canary: no more beyond its limit than of the baseline's requests, at the same time, beyond the line."""
    line = evidence.line
    if line.limit_s(gate) is None:
        known = len(line.known) if line.of == gate.what else 0
        reason = f"latency: {known} of the {BLOCKS} blocks of the baseline that a line is drawn by"
        return GateResult("latency", Verdict.INCONCLUSIVE, reason, limit=0.0, required=gate.required)
    found, whole = evidence.weighed("latency")
    if not found:
        return _missing("latency", gate, 0)
    (down, counts), (up, _) = histograms.scores_down(found, whole), histograms.scores_up(found, whole)
    harm, harm_counts = histograms.scores_up(*evidence.weighed("latency_harm"))
    worth, middle = float(counts.sum()), (down + up) / 2
    estimate = float(middle @ counts) / worth
    plain, n = _plain(evidence.histogram("latency"))
    reading = _Reading(
        "latency", gate, n, estimate, 0.0,
        stats.log_e_mean(down, counts, 0.0, lo=-1.0),
        stats.log_e_mean(-harm, harm_counts, 0.0, lo=-1.0),
        math.sqrt(max(0.0, float(middle**2 @ counts) / worth - estimate**2)),
        lambda: (
            stats.lower_mean(down, counts, gate.alpha, lo=-1.0, hi=1.0),
            stats.upper_mean(up, counts, gate.alpha, lo=-1.0, hi=1.0),
        ),
        worth, plain,
        f"share of the baseline beyond {line.line_s:.3g} s less the candidate's beyond {gate.ratio:g} times it; "
        f"{gate.what}, {len(line.known)} blocks known",
    )  # fmt: skip
    judged = _judge(reading, evidence, look)
    if judged.verdict is not Verdict.PASS or not line.is_void(gate):
        return judged
    reason = f"{judged.reason}; but the baseline is ill now, and out of that nothing advances"
    return replace(judged, verdict=Verdict.INCONCLUSIVE, reason=reason)


def _screen(gate: Latency, evidence: Evidence, look: Look) -> GateResult:
    """In the shadow: nothing is certified about load that is not there, but a certified breach blocks."""
    names = f"{gate.measure}_candidate", f"{gate.measure}_baseline"
    ours, theirs = (evidence.times(name) for name in names)
    if not ours or (gate.limit_s is None and not theirs):
        return _missing("latency", gate, 0, needed_here=False)
    plain = evidence.histogram(names[0])
    reading = _within(gate, ours, gate.limit_s, plain) if gate.limit_s else _against(gate, ours, theirs)
    judged = _judge(reading, evidence, look)
    if judged.verdict is not Verdict.FAIL:
        return judged
    reason = f"{judged.reason}; seen in the shadow, it blocks"
    return replace(judged, verdict=Verdict.INCONCLUSIVE, reason=reason, required=gate.required, futile=False)


def _within(gate: Latency, found: Histogram, limit_s: float, plain: Histogram) -> _Reading:
    """The share of requests that took at most `limit_s`. `plain`: the same units, each weighing one."""
    n = histograms.units_in(found)
    surely, perhaps = histograms.units_within(found, limit_s), histograms.units_within(found, limit_s * 1.02)
    values = np.array([0.0, 1.0])
    low, high = np.array([n - surely, surely]), np.array([n - perhaps, perhaps])
    share, units = surely / n, histograms.units_in(plain)
    at = histograms.latency_quantile(found, gate.quantile)
    return _Reading(
        "latency", gate, units, share, gate.quantile,
        stats.log_e_mean(values, low, gate.quantile, lo=0.0),
        stats.log_e_mean(-values, high, -gate.quantile, lo=-1.0),
        math.sqrt(share * (1 - share)),
        lambda: (
            stats.lower_mean(values, low, gate.alpha, lo=0.0, hi=1.0),
            stats.upper_mean(values, high, gate.alpha, lo=0.0, hi=1.0),
        ),
        n, histograms.units_within(plain, limit_s) / units,
        f"{gate.measure} within {limit_s:.3g} s; {_percentile(gate)} {at:.3g} s",
    )  # fmt: skip


def _against(gate: Latency, ours: Histogram, theirs: Histogram) -> _Reading:
    """The candidate's quantile over the baseline's."""
    a, b, first = histograms.aligned(ours, theirs)
    better, worse = stats.log_e_quantile_ratio(a, b, gate.quantile, steps=math.log(gate.ratio) / histograms.STEP)
    at = histograms.latency_quantile(ours, gate.quantile) or math.nan
    base = histograms.latency_quantile(theirs, gate.quantile) or math.nan

    def interval() -> tuple[float | None, float | None]:
        (low, high), (base_low, base_high) = (
            _edges(stats.quantile_interval(counts, gate.quantile, gate.alpha / 2), first) for counts in (a, b)
        )
        return low / base_high if low and base_high else None, high / base_low if high and base_low else None

    return _Reading(
        "latency", gate, min(a.sum(), b.sum()), at / base, gate.ratio, better, worse, 0.0, interval,
        min(a.sum(), b.sum()), at / base,
        f"{gate.measure} {_percentile(gate)} {at:.3g} s, baseline {base:.3g} s", needed_here=False, better=Better.LOWER,
    )  # fmt: skip


def _edges(found: tuple[int | None, int | None], first: int) -> tuple[float | None, float | None]:
    low, high = (None if index is None else histograms.latency_edge(first + index) for index in found)
    return low, high


def _cost(gate: Cost, evidence: Evidence) -> GateResult:
    """What the candidate costs over what the baseline costs, added up."""
    n, ours, theirs = evidence.count("cost_n"), evidence.count("cost_candidate"), evidence.count("cost_baseline")
    if not n or not theirs:
        return GateResult(
            "cost", Verdict.INCONCLUSIVE, "cost: no pair has both prices", limit=gate.max_ratio, required=gate.required,
            better=Better.LOWER,
        )  # fmt: skip
    ratio = ours / theirs
    cheap = ratio <= gate.max_ratio and n >= evidence.stage.min_units
    spread = None
    if n >= 500:
        squares = evidence.count("cost_candidate2") - 2 * ratio * evidence.count("cost_product")
        squares += ratio * ratio * evidence.count("cost_baseline2")
        sd = math.sqrt(max(0.0, squares * histograms.MICRO / n))
        spread = stats.asymptotic_halfwidth(n, sd, gate.alpha) / (theirs / n)
    return GateResult(
        "cost", Verdict.PASS if cheap else Verdict.INCONCLUSIVE,
        f"cost: {ratio:.2f} times the baseline's on {n} pairs (${ours / n / 1e9:.2g} and ${theirs / n / 1e9:.2g} each),"
        f" limit {gate.max_ratio:g}",
        n, ratio, None if spread is None else ratio - spread, None if spread is None else ratio + spread,
        gate.max_ratio, required=gate.required, better=Better.LOWER,
    )  # fmt: skip


def _judge(reading: _Reading, evidence: Evidence, look: Look) -> GateResult:
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
    needed = stats.units_needed(reading.sd, reading.estimate - reading.limit) if higher else None
    show = "+.4f" if reading.limit < 0 else ".4f"
    interval = f" [{_number(lower, show)}, {_number(upper, show)}]" if look.bounds else ""
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
        futile=not certified and _futile(reading, evidence.stage.max_units * look.budgets),
        better=reading.better, sd=reading.sd * scale,
    )  # fmt: skip


def _futile(reading: _Reading, budget: int) -> bool:
    """Whether even the most hopeful estimate the evidence allows needs more units than the budget has."""
    if reading.n * _EARLY < budget or reading.better is Better.LOWER:
        return False
    hopeful = reading.interval()[1]
    needed = None if hopeful is None else stats.units_needed(reading.sd, hopeful - reading.limit)
    return needed is None or needed > budget


def _missing(
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


def _sum(values: stats.Floats, counts: stats.Floats) -> tuple[float, float]:
    return float(values @ counts), float(counts.sum())


def _percentile(gate: Latency) -> str:
    return f"p{gate.quantile * 100:g}"


def _number(value: float | None, show: str) -> str:
    return "?" if value is None else f"{value:{show}}"
