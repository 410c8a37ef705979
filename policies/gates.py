"""What each gate means: `evaluate` is the only judge of evidence. Nothing else compares a number with a limit.

Rules:
1. A pass is a certificate: the null "at or beyond the limit" is rejected, now, at the gate's alpha. All gates at their
   full alpha, because all must pass (intersection-union test: Berger 1982; for gates, arXiv 2402.11609).
2. A failure is certified harm, at a share of `harm_alpha`, because any one of them rolls back (union bound).
3. Everything else is INCONCLUSIVE, or ERROR where evidence should be there and is not. No number is made up.
4. An advisory gate says what it sees, and neither passes nor fails anything.
"""

import math
from dataclasses import replace

from policies import histograms, latency_gate, slices, stats
from policies.candidates import closed_log_e
from policies.evidence import Evidence
from policies.readings import LOOK, Gate, Look, Reading, judge, missing, plain
from policies.results import GateResult
from policies.rules import ARMS_FROM_PPM, Cost, Errors, Latency, Quality, Validity
from policies.terms import Better, Owner, Verdict

_WIDEST = 0.99
_TELLING = 0.001
"""What missing verdicts cost of a margin, from which on it is said."""


def evaluate(gate: Gate, evidence: Evidence, look: Look = LOOK) -> GateResult:
    """Judge one gate on the evidence so far. Never raises: what cannot be judged says why."""
    match gate:
        case Quality():
            found = _quality(gate, evidence, look)
            return replace(found, fits_index=True) if gate.metric == "vectors" else found
        case Validity():
            return _mean("validity", gate, evidence, look)
        case Errors():
            return _errors(gate, evidence, look)
        case Latency():
            look_at = latency_gate.screen if evidence.shadow else latency_gate.canary
            return look_at(gate, evidence, look)
        case _:
            return _cost(gate, evidence)


def _quality(gate: Quality, evidence: Evidence, look: Look) -> GateResult:
    """In the shadow on mirrored pairs; from 25 % again, on the candidate's own conversations if they are mirrored."""
    again = evidence.key.weight_ppm >= ARMS_FROM_PPM
    if owned := again and evidence.stage.reverse_shadow_ppm > 0:
        gate = gate.owned
    slices_alone = evidence.shadow and bool(evidence.rules.ladder.moves_by)
    if slices_alone:  # each is certified by itself: a part of it that is worse keeps the rest from nothing
        gate = replace(gate, required=False)
    name, needed = f"{gate.name}_owned" if owned else gate.name, (evidence.shadow and not slices_alone) or again
    judged = _mean(name, gate, evidence, look, needed_here=needed)
    return _alike(gate, evidence, judged) if gate.likeness else judged


def slice_results(gate: Quality, evidence: Evidence, look: Look) -> tuple[GateResult, ...]:
    """Judge every slice on its own pairs, at a margin that is three times as wide; a dimension not told apart waits."""
    dimensions = evidence.rules.gates.slices
    owned = evidence.key.weight_ppm >= ARMS_FROM_PPM and evidence.stage.reverse_shadow_ppm > 0
    gate, name = (gate.owned, f"{gate.name}_owned") if owned else (gate, gate.name)
    whole = slices.units(evidence.histogram(name))
    found: list[GateResult] = []
    for each in dimensions:
        told = slices.told_apart(name, each, evidence.histograms)
        if whole and told < slices.TOLD_APART * whole:
            reason = f"{gate.name}@{each}: of {told} of {whole} units it is known which slice they are of"
            required = gate.required and (evidence.shadow or evidence.key.weight_ppm >= ARMS_FROM_PPM)
            result = GateResult(f"{gate.name}@{each}", Verdict.INCONCLUSIVE, reason, told, required=required)
            found.append(result)
    parts = slices.judged(name, dimensions, evidence.histograms, evidence.weighted)
    return (*found, *(_slice(gate, part, evidence, look, f"{gate.name}@{part.name}") for part in parts))


def _slice(gate: Quality, part: slices.SliceEvidence, evidence: Evidence, look: Look, name: str) -> GateResult:
    """One slice, by the gate's own rules. Harm is the whole's to certify: a slice that is surely worse blocks."""
    own = replace(gate, margin=min(_WIDEST, slices.WIDER * abs(gate.margin)), name=name)
    counted = dict.fromkeys((name, f"{name}_owned"), part.plain)
    weighted = dict.fromkeys(counted, part.weighted) if part.weighted is not None else {}
    judged = _quality(own, Evidence(evidence.key, evidence.rules, counted, {}, weighted=weighted), look)
    judged = replace(judged, futile=False, reason=f"{judged.reason}; {part.share:.0%} of the units")
    if judged.verdict is not Verdict.FAIL:
        return judged
    return replace(judged, verdict=Verdict.INCONCLUSIVE, reason=f"{judged.reason}: nothing rises while it is so")


def _alike(gate: Quality, evidence: Evidence, judged: GateResult) -> GateResult:
    """What a certificate of likeness is worth: it promotes, or says that answers differ. Different is not worse."""
    judged = replace(judged, likeness=True, reason=judged.reason + _overstated(gate, evidence))
    if judged.verdict is not Verdict.FAIL:
        return judged
    reason = (
        f"{judged.reason.removesuffix(': harm is certified')}: it differs from the baseline more than the baseline "
        "from itself, which is not to say that it is worse. hint: let a judge, a scorer or people score the pairs"
    )
    return replace(judged, verdict=Verdict.INCONCLUSIVE, reason=reason, futile=judged.required)


def _overstated(gate: Quality, evidence: Evidence) -> str:
    """Whether a baseline that is declared deterministic is surely none; empty: nothing says so."""
    n = evidence.count("again_n")
    if not gate.deterministic or not n:
        return ""
    agreed = evidence.count("again_sum") / histograms.MICRO
    if stats.proportion_interval(agreed, n, gate.alpha)[1] >= 1 - gate.margin / 2:
        return ""
    return (
        f"; the baseline is declared deterministic and agrees with itself only {agreed / n:.0%}: the gate asks too much"
    )


def _errors(gate: Errors, evidence: Evidence, look: Look) -> GateResult:
    """Paired below 25 %; from there on arm against arm, which alone sees what load does."""
    if evidence.key.weight_ppm < ARMS_FROM_PPM:
        return _mean("errors", gate, evidence, look)
    names = "errors_candidate", "errors_baseline"
    ours, theirs = (evidence.weighed(name) for name in names)
    if not ours[0] or not theirs[0]:
        return missing("errors", gate, min(evidence.stayed(Owner.CANDIDATE), evidence.stayed(Owner.BASELINE)))
    best, worst = (_sum(*histograms.scores_down(*ours)), _sum(*histograms.scores_up(*ours)))
    told_apart = f"{names[0]}_harm"  # where some units are an outage's
    at_best = best
    if told_apart in evidence.histograms:
        at_best = _sum(*histograms.scores_down(*evidence.weighed(told_apart)))
    least, most = (_sum(*histograms.scores_down(*theirs)), _sum(*histograms.scores_up(*theirs)))
    rate, base = (best[0] + worst[0]) / 2 / best[1], (least[0] + most[0]) / 2 / least[1]
    means = {name: plain(evidence.histogram(name)) for name in names}
    reading = Reading(
        "errors", gate, min(n for _, n in means.values()), base - rate, -gate.margin,
        stats.log_e_difference(worst, least, gate.margin),
        stats.log_e_difference((at_best[1] - at_best[0], at_best[1]), (most[1] - most[0], most[1]), -gate.margin),
        math.sqrt(rate * (1 - rate) + base * (1 - base)),
        lambda: stats.difference_interval(worst, least, gate.alpha),
        min(best[1], least[1]), means["errors_baseline"][0] - means["errors_candidate"][0],
        f"candidate {rate:.2%} of {best[1]:.0f}, baseline {base:.2%} of {least[1]:.0f}",
        arms=2,
    )  # fmt: skip
    return judge(reading, evidence, look)


def _mean(
    name: str, gate: Quality | Validity | Errors, evidence: Evidence, look: Look, *, needed_here: bool = True
) -> GateResult:
    """A mean over units, each in [-1, 1], against its limit; what is not known counts at its worst for each side."""
    found, whole = evidence.weighed(name)
    shown = gate.name if isinstance(gate, Quality) else name
    if not found:
        paired = evidence.count("paired_candidate")
        expected = paired if name.endswith("_owned") else paired + evidence.count("paired_baseline")
        if isinstance(gate, Validity) and gate.may_be_rare and not evidence.shadow:
            expected = 0  # the shadow saw some; that few requests ask for a form is no fault of anybody
        return missing(shown, gate, expected, needed_here=needed_here)
    scale = gate.scale if isinstance(gate, Quality) else 1.0
    limit = -gate.margin / scale
    harmful = -gate.tolerance / scale if isinstance(gate, Quality) else limit
    (down, counts), (up, _) = histograms.scores_down(found, whole), histograms.scores_up(found, whole)
    best, best_counts = _harm_side(name, evidence) or (up, counts)
    worth = float(counts.sum())
    middle = (down + up) / 2
    estimate = float(middle @ counts) / worth
    mean, n = plain(evidence.histogram(name))
    told = (
        f"better/equal/worse {counts[down > 0].sum():.0f}/{counts[(down <= 0) & (up >= 0)].sum():.0f}"
        f"/{counts[up < 0].sum():.0f}"
    )
    outages = evidence.count("outage_units")
    told += (
        f"; {outages} units in outages, without any answer, count for no harm"
        if outages
        else _missing_cost(best, best_counts, (estimate * scale, gate.margin), scale)
    )
    log_e = stats.log_e_mean(down, counts, limit, lo=-1.0, bets=look.bets)
    if look.among(gate) > 1:
        log_e = closed_log_e(log_e, look.rivals)
        told += f"; by the closed test of {look.among(gate)} candidates"
    reading = Reading(
        shown, gate, n, estimate, limit, log_e,
        stats.log_e_mean(-best, best_counts, -harmful, lo=-1.0, bets=look.bets),
        math.sqrt(max(0.0, float(middle**2 @ counts) / worth - estimate**2)),
        lambda: (
            stats.lower_mean(down, counts, gate.alpha, lo=-1.0, hi=1.0, bets=look.bets),
            stats.upper_mean(best, best_counts, gate.alpha, lo=-1.0, hi=1.0, bets=look.bets),
        ),
        worth, mean, told, needed_here, scale,
    )  # fmt: skip
    return judge(reading, evidence, look)


def _harm_side(name: str, evidence: Evidence) -> tuple[stats.Floats, stats.Floats] | None:
    """The units that count for harm, at their best, where some verdicts are missing, or some units are an outage's;
    None: they are not told apart.
    """
    if f"{name}_harm" not in evidence.histograms:
        return None
    return histograms.scores_up(*evidence.weighed(f"{name}_harm"))


def _missing_cost(best: stats.Floats, counts: stats.Floats, here: tuple[float, float], scale: float) -> str:
    """What missing verdicts cost of the margin, in words; `here`: the estimate at worst, and the margin."""
    estimate, margin = here
    cost = (float(best @ counts) / float(counts.sum()) * scale - estimate) / 2
    return f"; verdicts that are missing cost {cost:.3f} of the margin of {margin:g}" if cost >= _TELLING else ""


def _cost(gate: Cost, evidence: Evidence) -> GateResult:
    """What the candidate costs over what the baseline costs, added up."""
    n, ours, theirs = evidence.count("cost_n"), evidence.count("cost_candidate"), evidence.count("cost_baseline")
    if not n or not theirs:
        free = "the baseline's price is 0, and there is no ratio to that: state its price under `prices`"
        why = free if n and evidence.rules.guards.tells_more else "no pair has both prices"
        return GateResult(
            "cost", Verdict.INCONCLUSIVE, f"cost: {why}", limit=gate.max_ratio, required=gate.required,
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


def _sum(values: stats.Floats, counts: stats.Floats) -> tuple[float, float]:
    return float(values @ counts), float(counts.sum())
