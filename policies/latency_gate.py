"""The latency gate: an absolute limit, a line beside the baseline, or the frozen quantile of records of before."""

import math
from dataclasses import replace

import numpy as np

from policies import histograms, stats
from policies.baseline_line import BLOCKS
from policies.evidence import Evidence
from policies.histograms import Histogram
from policies.readings import Look, Reading, judge, missing, plain
from policies.results import GateResult
from policies.rules import Bets, Latency
from policies.terms import Better, Owner, Verdict

_ROOM = 0.6
"""The part of the requests that may be beyond the limit which a candidate like the baseline makes no use of."""

_SEEN = 50
"""Compared conversations from which on it is said how few of them were timed."""


def canary(gate: Latency, evidence: Evidence, look: Look) -> GateResult:
    """In the canary: the share of requests within the limit is at least the quantile."""
    if gate.block_s is not None and gate.limit_s is None:
        return _concurrent(gate, evidence, look)
    limit_s = gate.limit_s or look.latency_limit_s
    if limit_s is None:
        seen = histograms.units_in(evidence.histogram(f"{gate.measure}_baseline"))
        reason = f"{gate.name}: {seen:.0f} of {gate.freeze_units} units of the baseline to set the limit by"
        return GateResult(gate.name, Verdict.INCONCLUSIVE, reason, limit=gate.quantile, required=gate.required)
    name = f"{gate.measure}_candidate"
    found = evidence.times(name)
    if not histograms.answered(found):
        return missing(gate.name, gate, evidence.stayed(Owner.CANDIDATE) - gate.warmup)
    return judge(_within(gate, name, limit_s, evidence, look.bets), evidence, look)


def _concurrent(gate: Latency, evidence: Evidence, look: Look) -> GateResult:
    """In the canary: no more beyond its limit than of the baseline's requests, at the same time, beyond the line."""
    line = evidence.line_of(gate)
    if line.limit_s(gate) is None:
        known = len(line.known) if line.of == gate.what else 0
        reason = f"{gate.name}: {known} of the {BLOCKS} blocks of the baseline that a line is drawn by"
        return GateResult(gate.name, Verdict.INCONCLUSIVE, reason, limit=0.0, required=gate.required)
    found, whole = evidence.weighed(gate.name)
    if not found:
        return missing(gate.name, gate, 0)
    (down, counts), (up, _) = histograms.scores_down(found, whole), histograms.scores_up(found, whole)
    harm, harm_counts = histograms.scores_up(*evidence.weighed(f"{gate.name}_harm"))
    worth, middle = float(counts.sum()), (down + up) / 2
    estimate = float(middle @ counts) / worth
    mean, n = plain(evidence.histogram(gate.name))
    failed = _failed(evidence.histogram(f"{gate.measure}_candidate"), evidence)
    reading = Reading(
        gate.name, gate, n, estimate, 0.0,
        stats.log_e_mean(down, counts, 0.0, lo=-1.0, bets=look.bets),
        stats.log_e_mean(-harm, harm_counts, 0.0, lo=-1.0, bets=look.bets),
        math.sqrt(max(0.0, float(middle**2 @ counts) / worth - estimate**2)),
        lambda: (
            stats.lower_mean(down, counts, gate.alpha, lo=-1.0, hi=1.0, bets=look.bets),
            stats.upper_mean(up, counts, gate.alpha, lo=-1.0, hi=1.0, bets=look.bets),
        ),
        worth, mean,
        f"share of the baseline beyond {line.line_s:.3g} s less the candidate's beyond {gate.ratio:g} times it; "
        f"{gate.what}, {len(line.known)} blocks known{failed}",
        gap=_ROOM * (1 - gate.quantile),
    )  # fmt: skip
    judged = judge(reading, evidence, look)
    if judged.verdict is not Verdict.PASS or not line.is_void(gate):
        return judged
    reason = f"{judged.reason}; but the baseline is ill now, and out of that nothing advances"
    return replace(judged, verdict=Verdict.INCONCLUSIVE, reason=reason)


def screen(gate: Latency, evidence: Evidence, look: Look) -> GateResult:
    """In the shadow: what breaks its limit blocks. A limit in seconds is certified there, too, once anything is timed;
    one beside the baseline is not, for it is the load that is not there which tells the two apart.
    """
    names = f"{gate.measure}_candidate", f"{gate.measure}_baseline"
    ours, theirs = (evidence.times(name) for name in names)
    if not histograms.answered(ours) or (gate.limit_s is None and not theirs):
        none = missing(gate.name, gate, 0, needed_here=False)
        return replace(none, reason=none.reason + _untimed(gate, evidence))
    reading = (
        _within(gate, names[0], gate.limit_s, evidence, look.bets)
        if gate.limit_s
        else _against(gate, ours, theirs, evidence)
    )
    judged = judge(reading, evidence, look)
    if judged.verdict is Verdict.INCONCLUSIVE:
        return replace(judged, reason=judged.reason + _untimed(gate, evidence))
    if judged.verdict is not Verdict.FAIL:
        return judged
    reason = f"{judged.reason}; seen in the shadow, it blocks"
    return replace(judged, verdict=Verdict.INCONCLUSIVE, reason=reason, required=gate.required, futile=False)


def _within(gate: Latency, name: str, limit_s: float, evidence: Evidence, bets: Bets) -> Reading:
    """The share of requests that took at most `limit_s`. `name`: of the histogram that holds their times."""
    found, whole = evidence.times(name), evidence.histogram(name)  # the latter's units each weigh one
    n = histograms.units_in(found)
    surely = histograms.units_within(found, limit_s)
    slow = histograms.units_in(histograms.answered(found)) - histograms.units_within(found, limit_s * 1.02)
    values = np.array([0.0, 1.0])
    low, high = np.array([n - surely, surely]), np.array([slow, n - slow])
    share, units = surely / n, histograms.units_in(whole)
    at = histograms.latency_quantile(found, gate.quantile)
    return Reading(
        gate.name, gate, units, share, gate.quantile,
        stats.log_e_mean(values, low, gate.quantile, lo=0.0, bets=bets),
        stats.log_e_mean(-values, high, -gate.quantile, lo=-1.0, bets=bets),
        math.sqrt(share * (1 - share)),
        lambda: (
            stats.lower_mean(values, low, gate.alpha, lo=0.0, hi=1.0, bets=bets),
            stats.upper_mean(values, high, gate.alpha, lo=0.0, hi=1.0, bets=bets),
        ),
        n, histograms.units_within(whole, limit_s) / units,
        f"{gate.measure} within {limit_s:.3g} s; {_percentile(gate)} {at:.3g} s{_failed(whole, evidence)}",
        gap=_ROOM * (1 - gate.quantile),
    )  # fmt: skip


def _against(gate: Latency, ours: Histogram, theirs: Histogram, evidence: Evidence) -> Reading:
    """The candidate's quantile over the baseline's; of what it failed, only the certificate hears."""
    a, b, first = histograms.aligned(histograms.answered(ours), theirs)
    steps = math.log(gate.ratio) / histograms.STEP
    _, worse = stats.log_e_quantile_ratio(a, b, gate.quantile, steps=steps)
    better, _ = stats.log_e_quantile_ratio(*histograms.aligned(ours, theirs)[:2], gate.quantile, steps=steps)
    at = histograms.latency_quantile(ours, gate.quantile) or math.nan
    base = histograms.latency_quantile(theirs, gate.quantile) or math.nan

    def interval() -> tuple[float | None, float | None]:
        (low, high), (base_low, base_high) = (
            _edges(stats.quantile_interval(counts, gate.quantile, gate.alpha / 2), first) for counts in (a, b)
        )
        return low / base_high if low and base_high else None, high / base_low if high and base_low else None

    return Reading(
        gate.name, gate, min(a.sum(), b.sum()), at / base, gate.ratio, better, worse, 0.0, interval,
        min(a.sum(), b.sum()), at / base,
        f"{gate.measure} {_percentile(gate)} {at:.3g} s, baseline {base:.3g} s{_failed(ours, evidence)}",
        needed_here=False, better=Better.LOWER,
    )  # fmt: skip


def _edges(found: tuple[int | None, int | None], first: int) -> tuple[float | None, float | None]:
    low, high = (None if index is None else histograms.latency_edge(first + index) for index in found)
    return low, high


def _percentile(gate: Latency) -> str:
    return f"p{gate.quantile * 100:g}"


def _untimed(gate: Latency, evidence: Evidence) -> str:
    """Why the shadow has few times, in words: it takes none while it runs late itself. Empty: it has them."""
    compared, timed = evidence.count("paired_baseline"), evidence.count("warm_candidate")
    if not evidence.rules.guards.tells_more or compared < _SEEN or 2 * timed >= compared:
        return ""
    warm = f", the first {gate.warmup} of which only warm up" if gate.warmup else ""
    return f"; of {compared} conversations {timed} were timed{warm}: the shadow itself was too late to time the others"


def _failed(times: Histogram, evidence: Evidence) -> str:
    """How much of a candidate's times there is none of, in words; empty: none of it."""
    how = "failed or were hung up on" if evidence.rules.guards.tells_more else "failed"
    lost = 1 - histograms.units_in(histograms.answered(times)) / histograms.units_in(times) if times else 0.0
    return f"; {lost:.2%} {how}, and are beyond any limit" if lost else ""
