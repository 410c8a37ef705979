"""What one stage of one rollout has shown so far: whole numbers that add up, and detectors that follow the order.

Rules:
1. The unit is the conversation. Its requests are averaged when it is over, and it counts once.
2. Intention to treat: a pair drawn for the shadow counts, whatever became of the candidate. A lost, failed or
   timed-out candidate is a loss, never a gap. A failed baseline is excused from quality and counted under errors.
3. All counts are a function of the set of events, whatever their order or the replica that saw them. Only the
   detectors depend on order: the leader's.
4. Only what lies behind the watermark counts: later verdicts belong to harder prompts.
"""

import copy
import heapq
import math
from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from policies import histograms
from policies.detectors import Detector, Recent
from policies.events import PairEvent
from policies.histograms import MICRO, WHOLE, Histogram
from policies.rules import Held, Latency, Rules, Stage
from policies.terms import Owner

MOST = 100_000
"""Requests of open conversations that may be held at once, and names that may be counted apart. More requests are
counted as lost; further names are counted together."""
OTHERS = "others"
TOLD = 100
"""Names, the commonest, that a decision's record still counts apart."""
NOT_HELD = Held()


@dataclass(frozen=True, slots=True)
class EvidenceKey:
    """What evidence belongs to. Another candidate, attempt or weight is other evidence."""

    route: str
    candidate: str
    """`CandidateKey.digest`."""
    attempt: int
    weight_ppm: int
    epoch: int = 0

    def field(self, gate: str) -> str:
        """The name under which a store keeps one gate's histogram."""
        return f"{self.route}:{self.candidate}:{self.attempt}:{self.weight_ppm}:{self.epoch}:{gate}"


@dataclass(slots=True)
class OpenUnit:
    """A conversation that may go on: its earliest requests, and when it was last heard of."""

    events: list[PairEvent]
    last_at: float
    counted: bool = False
    """Closed by its length; remembered until idle, so that its rest is not taken for another conversation."""


@dataclass(slots=True)
class Evidence:
    """One stage's counts. The one mutable value of the core: it is added to with every request."""

    key: EvidenceKey
    rules: Rules
    histograms: dict[str, Histogram] = field(default_factory=dict[str, Histogram])
    counts: dict[str, int] = field(default_factory=dict[str, int])
    outputs_candidate: dict[str, int] = field(default_factory=dict[str, int])
    outputs_baseline: dict[str, int] = field(default_factory=dict[str, int])
    requests: dict[str, int] = field(default_factory=dict[str, int])
    """Requests by unit."""
    detectors: dict[str, Detector] = field(default_factory=dict[str, Detector])
    recent: Recent = field(default_factory=Recent)
    """The baseline's own failures lately; carried from stage to stage."""
    open: dict[str, list[OpenUnit]] = field(default_factory=dict[str, list[OpenUnit]])
    watermark_at: float | None = None
    held: int = 0
    """Requests in `open`."""

    @property
    def shadow(self) -> bool:
        """Whether nobody saw the candidate's answers."""
        return not self.key.weight_ppm

    @property
    def stage(self) -> Stage:
        """The stage of the ladder that this is the evidence of."""
        return next(stage for stage in self.rules.ladder.stages if stage.weight_ppm == self.key.weight_ppm)

    def count(self, name: str) -> int:
        """One counter's value."""
        return self.counts.get(name, 0)

    def histogram(self, name: str) -> Histogram:
        """One gate's histogram, empty before its first unit."""
        return self.histograms.get(name, {})

    def observe(self, event: PairEvent, held: Held = NOT_HELD) -> None:
        """Take in one request, in the leader's order. It counts once its unit is over: see `advance`.

        `held` is what the rollout is held to now: the detectors' tolerances.
        """
        if event.control is not None:
            self._tally("controls")
            self._tally("controls_failed", int(not event.control))
            return
        self._tally("requests")
        _add_name(self.requests, event.unit)
        if event.paired:
            self._observe_pair(event)
        elif event.dropped:  # drawn, and never heard of: nobody's loss, but missing pairs are a reason to wait
            self._tally("pairs")
            self._tally("dropped")
        if event.error_baseline is not None:
            self._tally("baseline_asked")
            self._tally("baseline_failed", int(event.error_baseline))
        self._liken("agree", event.agree)
        self._liken("again", event.agree_again)
        self._detect(event, held)
        if not math.isfinite(event.at):
            self._tally("lost")
        elif self.watermark_at is not None and event.at < self.watermark_at:
            self._tally("late")
        elif self.held >= MOST:
            self._tally("lost")
        else:
            self._hold(event)

    def advance(self, watermark_at: float) -> None:
        """Close every unit that is over by then: idle for long enough, or as long as a unit may be."""
        if not math.isfinite(watermark_at) or (self.watermark_at is not None and watermark_at <= self.watermark_at):
            return
        self.watermark_at = watermark_at
        rule = self.rules.units
        ripe: list[tuple[float, str, OpenUnit]] = []
        for name, units in list(self.open.items()):
            if all(
                len(unit.events) < rule.max_pairs and unit.last_at + rule.close_after_s > watermark_at for unit in units
            ):
                continue  # they go on, as most do at each look
            for unit in units:
                if len(unit.events) >= rule.max_pairs:
                    ripe.append((unit.events[-1].at, name, unit))
                else:
                    ripe.append((unit.last_at + rule.close_after_s, name, unit))
            kept = [unit for unit in units if unit.last_at + rule.close_after_s > watermark_at]
            self.held -= requests_in(units) - requests_in(kept)
            if kept:
                self.open[name] = kept
            else:
                del self.open[name]
        due = [each for each in ripe if each[0] <= watermark_at and not each[2].counted]
        for _, _, unit in sorted(due, key=lambda each: each[:2]):
            unit.counted = True
            self._close(unit.events)
            self.held -= len(unit.events) - 1 if unit.last_at + rule.close_after_s > watermark_at else 0
            del unit.events[1:]  # its first tells where it begins; no more is asked of it

    def close_all(self) -> None:
        """Close every unit now: for recorded traffic whose units are known to be whole."""
        units = [(unit.events[0].at, name, unit) for name, several in self.open.items() for unit in several]
        self.open.clear()
        self.held = 0
        for _, _, unit in sorted(units, key=lambda each: each[:2]):
            if not unit.counted:
                self._close(unit.events)

    def merge(self, other: "Evidence") -> None:
        """Add another replica's counts and open units. Detectors stay the leader's own."""
        for name, histogram in other.histograms.items():
            histograms.merge(self.histograms.setdefault(name, {}), histogram)
        for into, more in (
            (self.counts, other.counts),
            (self.requests, other.requests),
            (self.outputs_candidate, other.outputs_candidate),
            (self.outputs_baseline, other.outputs_baseline),
        ):
            histograms.merge(into, more)
        for units in other.open.values():
            for unit in units:
                for event in unit.events:
                    self._hold(event, last_at=unit.last_at)

    def closed(self) -> "Evidence":
        """A copy that holds all that decisions rest on: no open conversations, and of the names the commonest."""
        distinct = {side: self.distinct(side) for side in Owner}
        counts = self.counts | {f"distinct_{side}": n for side, n in distinct.items() if n > TOLD}
        return Evidence(
            self.key, self.rules, copy.deepcopy(self.histograms), counts, _commonest(self.outputs_candidate),
            _commonest(self.outputs_baseline), _commonest(self.requests), dict(self.detectors), self.recent, {},
            self.watermark_at,
        )  # fmt: skip

    def distinct(self, side: Owner) -> int:
        """How many different answers a side gave; as many as are counted apart, at most."""
        outputs = self.outputs_candidate if side is Owner.CANDIDATE else self.outputs_baseline
        return max(self.count(f"distinct_{side}"), len(outputs))

    def _tally(self, name: str, more: int = 1) -> None:
        if more:
            histograms.add(self.counts, name, more)

    def _hold(self, event: PairEvent, *, last_at: float = -math.inf) -> None:
        """Put a request into its conversation; an idle gap begins another of the same name."""
        gap, most = self.rules.units.close_after_s, self.rules.units.max_pairs
        near: list[OpenUnit] = []
        far: list[OpenUnit] = []
        before = self.open.get(event.unit, [])
        for unit in before:
            joins = unit.events[0].at - gap < event.at < unit.last_at + gap
            (near if joins else far).append(unit)
        joined = OpenUnit([event], max(event.at, last_at))
        for unit in near:
            for other in unit.events:
                insort(joined.events, other, key=lambda each: (each.at, each.id))
            joined.last_at = max(joined.last_at, unit.last_at)
            joined.counted |= unit.counted
        del joined.events[1 if joined.counted else most :]
        after = self.open[event.unit] = [*far, joined]
        self.held += requests_in(after) - requests_in(before)

    def _liken(self, name: str, likeness: float | None) -> None:
        if likeness is not None and 0 <= likeness <= 1:
            self._tally(f"{name}_n")
            self._tally(f"{name}_sum", histograms.micro(likeness))

    def _observe_pair(self, event: PairEvent) -> None:
        """Count what needs no unit: losses, missing verdicts, and the looks of both outputs."""
        self._tally("pairs")
        self._tally("dropped", int(event.dropped))
        self._tally("abstained", int(event.abstained))
        answered = not (event.error_baseline or event.error_candidate or event.dropped)
        if answered and self.rules.gates.quality and _score(event, 1.0) is None:
            self._tally("unscored")
        ours, theirs = event.output_candidate, event.output_baseline
        if ours is None or theirs is None:
            return
        self._tally("outputs")
        _add_name(self.outputs_candidate, ours.digest)
        _add_name(self.outputs_baseline, theirs.digest)
        for side, output in (("candidate", ours), ("baseline", theirs)):
            for flag in output.flags:
                self._tally(f"{flag}_{side}")

    def _detect(self, event: PairEvent, held: Held) -> None:
        """Feed the detectors: each candidate's request at once, without waiting for its unit."""
        tolerances, gates = self.rules.detectors, self.rules.gates
        if event.error_candidate is not None and not event.unasked:
            bad = event.error_candidate and not event.error_baseline
            self._feed("errors", tolerances.errors, float(bad), excuse=0.0 if event.paired else self.recent.rate)
        if event.valid_candidate is not None and event.valid_baseline is not False and not event.error_baseline:
            self._feed("validity", tolerances.validity, float(not event.valid_candidate))
        quality = gates.quality
        # A pair lost in a full queue is a loss to the certificates; a burst of them is no reason to roll back.
        if quality and not event.dropped and (score := _score(event, quality.scale)) is not None:
            allowed = quality.margin if held.quality is None else min(quality.margin, max(0.0, -held.quality))
            self._feed("quality", allowed / quality.scale, -score / MICRO, lo=-1.0)
        if gates.latency and (limit := held.limit_s(gates.latency)):
            taken = _latency(event, gates.latency, Owner.CANDIDATE) if self._felt(event, Owner.CANDIDATE) else None
            if taken is not None:
                self._feed("latency", 1 - gates.latency.quantile, float(taken > limit))
        if event.owner is Owner.BASELINE and event.error_baseline is not None:
            self.recent = self.recent.after(failed=event.error_baseline)

    def _feed(self, name: str, tolerance: float, badness: float, *, lo: float = 0.0, excuse: float = 0.0) -> None:
        detector = self.detectors.get(name) or Detector(tolerance, lo)
        if detector.tolerance != tolerance:  # the policy was edited; what was seen stays seen
            detector = replace(detector, tolerance=tolerance)
        self.detectors[name] = detector.after(badness, excuse=excuse)

    def _felt(self, event: PairEvent, side: Owner) -> bool:
        """Whether a side's latency tells what apps feel there; in the shadow it is all there is."""
        return self.shadow or event.owner is side

    def _close(self, events: list[PairEvent]) -> None:
        """Count one unit: the mean of its requests under each gate."""
        owner = events[0].owner
        self._tally("units")
        self._tally(f"units_{owner}")
        pairs = [event for event in events if event.paired]
        self._tally(f"paired_{owner}", int(bool(pairs)))
        scale = self.rules.gates.quality.scale if self.rules.gates.quality else 1.0
        scores = (_score(event, scale) for event in pairs)
        self._mean("quality" if owner is Owner.BASELINE else "quality_owned", scores)
        self._mean("validity", (_validity(event) for event in pairs))
        self._mean("errors", (MICRO * (bool(event.error_baseline) - bool(event.error_candidate)) for event in pairs))
        self._mean("judge_bias", (_judge_bias(event) for event in pairs))
        own = (event.error_candidate if owner is Owner.CANDIDATE else event.error_baseline for event in events)
        self._mean(f"errors_{owner}", (None if failed is None else MICRO * failed for failed in own))
        if self.rules.gates.latency:
            for side in Owner:
                self._time(events, self.rules.gates.latency, side)
        self._spread("length_ratio", [ratio for event in pairs if (ratio := _length_ratio(event)) is not None])
        for event in pairs:
            self._spend(event)

    def _mean(self, name: str, scores: Iterable[int | None]) -> None:
        known = [score for score in scores if score is not None]
        if known:
            histograms.add(self.histograms.setdefault(name, {}), histograms.score_bin(sum(known), len(known)))

    def _time(self, events: list[PairEvent], gate: Latency, side: Owner) -> None:
        taken = [_latency(event, gate, side) for event in events if self._felt(event, side)]
        known = [seconds for seconds in taken if seconds is not None]
        if not known:
            return
        self._tally(f"warm_{side}")
        if self.count(f"warm_{side}") > gate.warmup:
            self._spread(f"{gate.measure}_{side}", known)

    def _spread(self, name: str, measured: list[float]) -> None:
        """Share one unit's weight among its requests' bins."""
        for value in measured:
            bins = self.histograms.setdefault(name, {})
            histograms.add(bins, histograms.latency_bin(value), WHOLE // len(measured))

    def _spend(self, event: PairEvent) -> None:
        """Add up both costs in billionths of a dollar, and their squares in millionths of those squared."""
        ours, theirs = event.cost_candidate_usd, event.cost_baseline_usd
        if ours is None or theirs is None or not math.isfinite(ours + theirs):
            return
        a, b = round(ours * 1e9), round(theirs * 1e9)
        self._tally("cost_n")
        self._tally("cost_candidate", a)
        self._tally("cost_baseline", b)
        self._tally("cost_candidate2", a * a // MICRO)
        self._tally("cost_baseline2", b * b // MICRO)
        self._tally("cost_product", a * b // MICRO)


def most_common(names: dict[str, int]) -> int:
    """How often the commonest of the names that are counted apart was counted."""
    return max((times for name, times in names.items() if name != OTHERS), default=0)


def _commonest(names: dict[str, int]) -> dict[str, int]:
    """The commonest names, the others counted together."""
    if len(names) <= TOLD:
        return dict(names)
    told = heapq.nsmallest(TOLD, names.keys() - {OTHERS}, key=lambda name: (-names[name], name))
    kept = {name: names[name] for name in told}
    return kept | {OTHERS: sum(names.values()) - sum(kept.values())}


def requests_in(units: Iterable[OpenUnit]) -> int:
    """How many requests conversations hold."""
    return sum(len(unit.events) for unit in units)


def _add_name(into: dict[str, int], name: str) -> None:
    histograms.add(into, name if name in into or len(into) < MOST else OTHERS)


def _score(event: PairEvent, scale: float) -> int | None:
    """A pair's score in millionths of `scale`; None where there is none to be had, or it is no number."""
    if not event.paired or event.error_baseline:
        return None
    if event.error_candidate or event.dropped:
        return round(-MICRO / scale)
    if event.abstained:
        return 0
    if event.q is None or not (-1 <= event.q <= 1 and 0 < event.p_sample <= 1):
        return None
    return round(MICRO * max(-1.0, min(1.0, event.q / event.p_sample / scale)))


def _validity(event: PairEvent) -> int | None:
    if event.error_baseline:
        return None
    if event.error_candidate or event.dropped:
        return -MICRO
    if event.valid_candidate is None:
        return None
    return MICRO * (event.valid_candidate - (event.valid_baseline is not False))


def _judge_bias(event: PairEvent) -> int | None:
    """Half of what the judge's score is above the person's, to stay within [-1, 1]."""
    if event.q is None or event.label is None or not (-1 <= event.q <= 1 and -1 <= event.label <= 1):
        return None
    return round(MICRO * (event.q - event.label) / 2)


def _latency(event: PairEvent, gate: Latency, side: Owner) -> float | None:
    if gate.measure == "ttft":
        taken = event.ttft_candidate_s if side is Owner.CANDIDATE else event.ttft_baseline_s
    else:
        taken = event.total_candidate_s if side is Owner.CANDIDATE else event.total_baseline_s
    return taken if taken is not None and math.isfinite(taken) and taken >= 0 else None


def _length_ratio(event: PairEvent) -> float | None:
    ours, theirs = event.output_candidate, event.output_baseline
    return ours.length / theirs.length if ours and theirs and theirs.length else None
