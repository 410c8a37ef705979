"""From evidence to results: one look at everything, for `rollout.step` to weigh."""

import math
from dataclasses import dataclass
from itertools import chain

from policies import guards, histograms
from policies.clusters import worth
from policies.detectors import Detector
from policies.evidence import Evidence, EvidenceKey
from policies.gates import evaluate, slice_results
from policies.histograms import MICRO, Histogram
from policies.moving_slices import SlicesFound, judged_slices
from policies.readings import LOG10, Look, gates_of
from policies.results import Alarm, GateResult, Intake, Noise, Results
from policies.rollout import Rollout
from policies.terms import Verdict

_SKIPPED = "skipped_"


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the controller knows beside the evidence."""

    watermark_at: float | None = None
    """Every older unit is resolved or timed out; None: recorded traffic, all of it resolved."""
    unhealthy: str | None = None
    """Why the candidate cannot serve."""
    fault: str | None = None
    """Why the evidence cannot be trusted now: an evaluator that crashed, a reader that lags."""
    serving: str = ""
    """What the candidate really answers, in a sentence; decides nothing."""
    served: tuple[int, int] = (0, 0)
    """The same in numbers: how many requests it answered, and how many were assigned to it."""
    latency_s: float | None = None
    """The baseline's latency quantile over all that the leader saw of the route, whatever stage it stood on: what arms
    the latency guard where this stage's own evidence never will."""
    open_units: int = 0
    """Units that may still go on; decides nothing."""
    first_closes_at: float | None = None
    """When the first of them is over if nothing more comes."""
    rivals: tuple[float, ...] = ()
    """Where one of several candidates is picked: `quality_log_e` of each of the others."""
    beside: str = ""
    """Why another of them goes first."""
    cold: str = ""
    """Why the candidate's servers are not warm enough for its next weight (`policies.warmth`)."""
    labels: Histogram | None = None
    """How far the judge is from people, by pairs that both judged (`judge_bias.gaps`); None: nobody asks for it."""


def key_of(rollout: Rollout) -> EvidenceKey:
    """Which evidence speaks of where a rollout stands now."""
    return EvidenceKey(
        rollout.route, rollout.key.digest, rollout.attempt, rollout.at.weight_ppm, rollout.epoch, rollout.held.watch
    )


def review(evidence: Evidence, rollout: Rollout, *, now: float, seen: Conditions, bounds: bool = True) -> Results:
    """Judge all gates, guards and detectors. Pure; never raises."""
    gates = evidence.rules.gates
    limit_s = gates.latency and rollout.held.limit_s(gates.latency)
    look = Look(limit_s, rollout.budgets, bounds, rollout.bets, seen.rivals)
    latency_s = _baseline_latency(evidence) or (seen.latency_s if _wants_latency(evidence, rollout) else None)
    whole = tuple(evaluate(gate, evidence, look) for gate in gates_of(gates))
    alone = judged_slices(evidence, rollout, look) if rollout.ladder.moves_by else SlicesFound()
    held_to = gates.slices if not rollout.ladder.moves_by else ()
    sliced = (slice_results(gate, evidence, look) for gate in gates.qualities if held_to)
    results = (*whole, *chain.from_iterable(sliced), *alone.gates)
    return Results(
        gates=results,
        guards=guards.watch(evidence, rollout.bets, seen.labels),
        alarms=tuple(
            _alarm(name, detector, rollout.settings.arl, latch=not evidence.shadow)
            for name, detector in sorted(evidence.detectors.items())
        ),
        units=evidence.count("units"),
        fault=seen.fault or _stale(rollout, seen, now),
        unhealthy=seen.unhealthy,
        serving=seen.serving,
        served=seen.served,
        latency_s=latency_s,
        latency_of=gates.latency.what if gates.latency and latency_s is not None else "",
        noise=_noise(evidence),
        intake=_intake(evidence),
        settled_ppm=_settled(evidence, results),
        open_units=seen.open_units,
        first_closes_at=seen.first_closes_at,
        tried=_tried(evidence),
        beside=seen.beside,
        drawn=alone.drawn,
        joins=alone.joins,
        cold=seen.cold,
    )


def _tried(evidence: Evidence) -> int:
    """Requests of a trial that the detector of failures heard: what is left out of it, as of a burst, is no success."""
    heard = evidence.detectors.get("errors") if evidence.key.is_trial else None
    return heard.n if heard is not None else 0


def quality_log_e(evidence: Evidence, rollout: Rollout) -> float:
    """By what log e-value a candidate's quality is certified on its own evidence: its weakest required gate's, or where
    slices must hold, too, its weakest slice's.
    """
    look = Look(budgets=rollout.budgets, bounds=False, bets=rollout.bets)
    found: list[GateResult] = []
    for gate in evidence.rules.gates.qualities:
        if gate.required:
            found += [evaluate(gate, evidence, look), *slice_results(gate, evidence, look)]
    return min((LOG10 * (each.log10_e or 0.0) for each in found), default=0.0)


def _intake(evidence: Evidence) -> Intake:
    """What came in as it should; nothing of it by rules from before it was told."""
    if evidence.rules.guards.late_rate is None:
        return Intake()
    found = [(name.removeprefix(_SKIPPED), name) for name in sorted(evidence.counts) if name.startswith(_SKIPPED)]
    skipped = {reason: evidence.count(name) for reason, name in found}
    drawn = evidence.count("pairs") + sum(skipped.values())
    users, rho = evidence.count("users"), evidence.rules.units.rho_users
    return Intake(
        evidence.count("requests"), evidence.count("late"), drawn, skipped, evidence.count("units"), users,
        users * worth(rho) if rho else 0.0,
    )  # fmt: skip


def _settled(evidence: Evidence, gates: tuple[GateResult, ...]) -> int | None:
    """The stage's weight, if quality is certified on it and the baseline is asked in the background for that."""
    qualities = evidence.rules.gates.qualities
    asked = any(gate.asks_twice for gate in qualities) or evidence.stage.reverse_until_ppm > 0
    names = {gate.name for gate in qualities}
    wanted = [gate for gate in gates if gate.gate.partition("@")[0] in names and gate.required]
    certified = bool(wanted) and all(gate.verdict is Verdict.PASS for gate in wanted)
    return evidence.key.weight_ppm if asked and certified else None


def _noise(evidence: Evidence) -> Noise:
    n, again_n = evidence.count("agree_n"), evidence.count("again_n")
    return Noise(
        n,
        evidence.count("agree_sum") / n / MICRO if n else None,
        again_n,
        evidence.count("again_sum") / again_n / MICRO if again_n else None,
        evidence.count("again_cost") / 1e9 if evidence.count("again_cost") else None,
    )


def _alarm(name: str, detector: Detector, arl: float, *, latch: bool) -> Alarm:
    """An alarm blocks in the shadow while it lasts; above the shadow, one that was ever raised blocks."""
    height = detector.peak if latch else detector.height
    raised, limit = height >= arl, math.log10(arl)
    at = math.log10(max(1.0, height))
    word = "alarm" if raised else "quiet"
    reason = (
        f"detector {name}: log10 {at:.2f} of {limit:.2f} after {detector.n} requests, "
        f"tolerance {detector.tolerance:g}: {word}"
    )
    return Alarm(name, at, limit, raised, reason, detector.tolerance)


def _baseline_latency(evidence: Evidence) -> float | None:
    """The baseline's quantile that a relative limit goes by, once enough of its units are seen."""
    gate = evidence.rules.gates.latency
    if gate is None or gate.limit_s is not None:
        return None
    found = evidence.histogram(f"{gate.measure}_baseline")
    return None if histograms.units_in(found) < gate.freeze_units else histograms.latency_quantile(found, gate.quantile)


def _wants_latency(evidence: Evidence, rollout: Rollout) -> bool:
    """Whether traffic moved before this candidate's latency had a limit: an operator was faster than the baseline."""
    gate = evidence.rules.gates.latency
    return gate is not None and bool(rollout.weight_ppm) and rollout.held.limit_s(gate) is None


def _stale(rollout: Rollout, seen: Conditions, now: float) -> str | None:
    """Whether the watermark is too old, or from the future."""
    if not math.isfinite(now):
        return "the clock gives no number"
    if seen.watermark_at is None:
        return None
    age, most = now - seen.watermark_at, rollout.settings.stale_s
    if not -rollout.settings.tick_s <= age <= most:
        return f"the comparisons are {age:.0f} s behind the traffic, and {most:.0f} s are allowed"
    return None
