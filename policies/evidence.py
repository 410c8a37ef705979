"""What one stage of one rollout has shown so far: whole numbers that add up, and detectors that follow the order.

Rules:
1. The unit is the conversation. Its requests are averaged when it is over, and it counts once.
2. Intention to treat: a pair drawn for the shadow counts, whatever became of the candidate. A lost, failed or
   timed-out candidate is a loss, never a gap. A failed baseline is excused from quality and counted under errors.
3. All counts are a function of the set of events, whatever their order or the node that told them. Only the
   detectors depend on order: the leader's.
4. Only what lies behind the watermark counts: later verdicts belong to harder prompts. What is told later still joins
   its conversation while that is open; else it counts by itself, and is counted as late: it is not left out, since
   what comes late is what went wrong.

Longer than a file should be: it is one value, and all that adds to it has to be seen to be a function of the events.
"""

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from policies import clusters, histograms, names, scores, slices
from policies.baseline_line import BaselineLine
from policies.bursts import Bursts
from policies.concurrent import LatencyPairs
from policies.detectors import Detector, Recent
from policies.events import PairEvent
from policies.histograms import MICRO, WHOLE, Histogram
from policies.open_units import OpenUnit, goes_on, joined, over_at, requests_in
from policies.outages import silent_run
from policies.rules import Held, Latency, Quality, Rules, Stage
from policies.terms import Owner
from policies.variety import Variety

_SPANS = (16, 64, 256)
MOST = 100_000
"""Requests of open conversations that may be held at once; more are counted as lost."""
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
    watch: int = 0
    """`Held.watch`: detectors begin afresh with it, and nothing else does."""

    @property
    def is_trial(self) -> bool:
        """Whether it is what a suspended candidate is tried on."""
        return self.watch % 2 == 1

    def is_beside(self, other: "EvidenceKey") -> bool:
        """Whether both speak of one stage, before or after an alarm."""
        return replace(self, watch=other.watch) == other

    def field(self, gate: str) -> str:
        """The name under which a store keeps one gate's histogram."""
        return f"{self.route}:{self.candidate}:{self.attempt}:{self.weight_ppm}:{self.epoch}:{gate}"


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
    weighted: dict[str, Histogram] = field(default_factory=dict[str, Histogram])
    """The gates' histograms again, each unit with what it weighs (`policies.clusters`): in millionths, and for times in
    parts of `WHOLE` as ever. Missing where every unit weighs 1."""
    clusters: dict[str, int] = field(default_factory=dict[str, int])
    """Units closed, by user or prompt; empty where every unit weighs 1."""
    detectors: dict[str, Detector] = field(default_factory=dict[str, Detector])
    recent: Recent = field(default_factory=Recent)
    """The baseline's own failures lately; carried from stage to stage."""
    line: BaselineLine = field(default_factory=BaselineLine)
    """What a relative latency limit is drawn by; carried likewise."""
    beside: LatencyPairs = field(default_factory=LatencyPairs)
    variety: Variety = field(default_factory=Variety)
    open: dict[str, list[OpenUnit]] = field(default_factory=dict[str, list[OpenUnit]])
    watermark_at: float | None = None
    held: int = 0
    """Requests in `open`."""
    bursts: Bursts = field(default_factory=Bursts)
    """What detectors were told of conversations lately; kept with them, and part of no decision's record."""
    more_lines: dict[str, BaselineLine] = field(default_factory=dict[str, BaselineLine])
    """As `line`, of further relative limits, by the gates' names."""
    more_beside: dict[str, LatencyPairs] = field(default_factory=dict[str, LatencyPairs])
    clusters_of_all: dict[str, int] = field(default_factory=dict[str, int])
    """As `clusters`, of all stages: what counts for slices that move alone goes on from stage to stage."""
    empty: Recent = field(default_factory=lambda: Recent((0.0,) * len(_SPANS), _SPANS))
    """How often the baseline's answers had nothing in them lately; carried likewise, and no candidate is told by it
    but by `policies.liveness`."""
    invalid: Recent = field(default_factory=lambda: Recent((0.0,) * len(_SPANS), _SPANS))
    """How often the baseline broke its form lately, of answers that have one: what excuses the candidate's."""

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

    def weighed(self, name: str) -> tuple[Histogram, int]:
        """A histogram of scores with what its units weigh, and what stands for a whole unit in it."""
        return (self.weighted[name], MICRO) if name in self.weighted else (self.histogram(name), 1)

    def stayed(self, side: Owner) -> int:
        """Units of a side, but for those whose every answer the app hung up on: of the others evidence is due."""
        return self.count(f"units_{side}") - self.histogram(f"left_{side}").get(histograms.score_bin(MICRO, 1), 0)

    def times(self, name: str) -> Histogram:
        """A histogram of times with what its units weigh; `WHOLE` stands for a whole unit."""
        return self.weighted.get(name) or self.histogram(name)

    def line_of(self, gate: Latency) -> BaselineLine:
        """What a relative limit is drawn by."""
        return self.line if gate.name == Latency().name else self.more_lines.get(gate.name, BaselineLine())

    def observe(self, event: PairEvent, held: Held = NOT_HELD) -> None:
        """Take in one request, in the leader's order. It counts once its unit is over: see `advance`.

        `held` is what the rollout is held to now: the detectors' tolerances.
        """
        if event.left and self.rules.guards.hang_ups is None:
            return
        if event.heard == "trial":
            self._detect(event, held)
        elif event.control is not None:
            self._tally("controls")
            self._tally("controls_failed", int(not event.control))
        else:
            self._observe_request(event, held)

    def _observe_request(self, event: PairEvent, held: Held) -> None:
        """Count it, feed the detectors, and let it wait for its unit's end."""
        self._count_request(event)
        if event.heard == "whole":
            self._detect(event, held)
        if not math.isfinite(event.at):
            self._tally("lost")
            return
        is_late = self._is_late(event)
        self._tally("late", int(is_late))
        if is_late and not self.rules.units.late:
            return
        if self.held >= MOST:
            self._tally("lost")
        else:
            self._hold(event)

    def _count_request(self, event: PairEvent) -> None:
        """Count what needs no unit."""
        self._tally("requests")
        names.add(self.requests, event.unit)
        if event.paired:
            self._observe_pair(event)
        elif event.dropped:  # drawn, and never heard of: nobody's loss, but missing pairs are a reason to wait
            self._tally("pairs")
            self._tally("dropped")
        elif event.skipped:
            self._tally(f"skipped_{event.skipped}")
        if self.rules.guards.busy_rate is not None:
            self._tally("assigned", int(event.busy or scores.is_asked(event, Owner.CANDIDATE)))
            self._tally("busy", int(event.busy))
        if event.error_baseline is not None:
            self._tally("baseline_asked")
            self._tally("baseline_failed", int(event.error_baseline))
        self._liken("agree", event.agree)
        self._liken("again", event.agree_again)
        if event.cost_again_usd is not None and math.isfinite(event.cost_again_usd):
            self._tally("again_cost", round(event.cost_again_usd * 1e9))

    def advance(self, watermark_at: float) -> None:
        """Close every unit that is over by then: idle for long enough, or as long as a unit may be."""
        if not math.isfinite(watermark_at) or (self.watermark_at is not None and watermark_at <= self.watermark_at):
            return
        self.watermark_at = watermark_at
        rule = self.rules.units
        due: list[tuple[float, str, OpenUnit]] = []
        for name, units in list(self.open.items()):
            if all(len(unit.events) < rule.max_pairs and goes_on(unit, rule, watermark_at) for unit in units):
                continue  # they go on, as most do at each look
            due += [(over_at(unit, rule), name, unit) for unit in units if not unit.counted]
            kept = [unit for unit in units if goes_on(unit, rule, watermark_at)]
            self.held -= requests_in(units) - requests_in(kept)
            if kept:
                self.open[name] = kept
            else:
                del self.open[name]
        for ended_at, _, unit in sorted((each for each in due if each[0] <= watermark_at), key=lambda each: each[:2]):
            unit.counted = True
            self._close(unit.events, ended_at)
            self.held -= len(unit.events) - 1 if goes_on(unit, rule, watermark_at) else 0
            del unit.events[1:]  # its first tells where it begins; no more is asked of it

    def close_all(self) -> None:
        """Close every unit now: for recorded traffic whose units are known to be whole."""
        units = [(unit.events[0].at, name, unit) for name, several in self.open.items() for unit in several]
        self.open.clear()
        self.held = 0
        for _, _, unit in sorted(units, key=lambda each: each[:2]):
            if not unit.counted:
                self._close(unit.events, unit.last_at)

    def next(self, key: EvidenceKey, rules: Rules) -> "Evidence":
        """The evidence of the stage or attempt that follows: empty, but for what is the baseline's. An alarm, or a
        trial that is over, only makes detectors begin afresh.
        """
        if key.is_beside(self.key):
            return replace(self, key=key, rules=rules, detectors={})
        found = Evidence(
            key, rules, recent=self.recent, line=self.line, more_lines=self.more_lines, empty=self.empty,
            invalid=self.invalid,
        )  # fmt: skip
        if rules.ladder.moves_by and (key.candidate, key.attempt) == (self.key.candidate, self.key.attempt):
            found.histograms = slices.kept_of(self.histograms)
            found.weighted, found.clusters_of_all = slices.kept_of(self.weighted), self.clusters_of_all
        return found

    def closed(self) -> "Evidence":
        """A copy that holds all that decisions rest on: no open conversations, and of the names the commonest."""
        many = [side for side in Owner if self.distinct(side) > names.TOLD]
        counts = self.counts | {f"distinct_{side}": self.distinct(side) for side in many}
        counts |= {f"squares_{side}": self.squares(side) for side in many}
        return Evidence(
            self.key, self.rules, copy.deepcopy(self.histograms), counts, names.commonest(self.outputs_candidate),
            names.commonest(self.outputs_baseline), names.commonest(self.requests), copy.deepcopy(self.weighted), {},
            dict(self.detectors), self.recent, copy.deepcopy(self.line), LatencyPairs(), self.variety, {},
            self.watermark_at, more_lines=copy.deepcopy(self.more_lines),
        )  # fmt: skip

    def outputs(self, side: Owner) -> dict[str, int]:
        """How often each answer came from a side."""
        return self.outputs_candidate if side is Owner.CANDIDATE else self.outputs_baseline

    def distinct(self, side: Owner) -> int:
        """How many different answers a side gave; as many as are counted apart, at most."""
        return max(self.count(f"distinct_{side}"), len(self.outputs(side)))

    def squares(self, side: Owner) -> int:
        """The sum of squares of how often each answer came; a record, which has not all names, tells it."""
        return max(self.count(f"squares_{side}"), names.squares(self.outputs(side)))

    def judge_by(self, rules: Rules) -> None:
        """Count by other rules from now on; of another baseline nothing is known yet, nor of another relative limit."""
        if rules.key.baseline != self.rules.key.baseline:
            self.line, self.more_lines = BaselineLine(), {}
            self.empty = self.invalid = Recent((0.0,) * len(_SPANS), _SPANS)
        kept = {gate.name: gate.counted_by for gate in rules.gates.latencies}
        for gate in self.rules.gates.latencies:
            if gate.counted_by != kept.get(gate.name, ()):
                self._forget_times_beside(gate)
        self.rules = rules

    def _forget_times_beside(self, gate: Latency) -> None:
        """Begin a comparison with the baseline anew: its units were held to another limit as they were counted."""
        for name in (gate.name, f"{gate.name}_harm"):
            self.histograms.pop(name, None)
            self.weighted.pop(name, None)
        if gate.name == Latency().name:
            self.beside = LatencyPairs()
        self.more_beside.pop(gate.name, None)

    def _tally(self, name: str, more: int = 1) -> None:
        if more:
            histograms.add(self.counts, name, more)

    def _is_late(self, event: PairEvent) -> bool:
        """Whether its conversation was over, by the watermark, before it was told."""
        if self.watermark_at is None:
            return False
        rule = self.rules.units
        return event.at + (rule.close_after_s if rule.late else 0.0) < self.watermark_at

    def _hold(self, event: PairEvent) -> None:
        """Put a request into its conversation."""
        name = self._unit_name(event)
        before = self.open.get(name, [])
        after = self.open[name] = joined(before, event, self.rules.units)
        self.held += requests_in(after) - requests_in(before)

    def _unit_name(self, event: PairEvent) -> str:
        """A unit is a conversation; where slices move alone, its requests of one slice that went one way."""
        by = self.rules.ladder.moves_by
        return f"{event.unit}@{slices.own(event.slices, by)}{'' if event.stays else '!'}" if by else event.unit

    def _liken(self, name: str, likeness: float | None) -> None:
        if likeness is not None and 0 <= likeness <= 1:
            self._tally(f"{name}_n")
            self._tally(f"{name}_sum", histograms.micro(likeness))

    def _observe_pair(self, event: PairEvent) -> None:
        """Count what needs no unit: losses, missing verdicts, and the looks of both outputs."""
        self._tally("pairs")
        self._tally("dropped", int(event.dropped))
        self._tally("abstained", int(event.abstained))
        gates = self.rules.gates.qualities
        if not event.abstained and any(scores.is_missing(event, gate) for gate in gates):
            self._tally("unscored")
        ours, theirs = event.output_candidate, event.output_baseline
        if ours is None or theirs is None:
            return
        self._tally("outputs")
        names.add(self.outputs_candidate, ours.digest)
        names.add(self.outputs_baseline, theirs.digest)
        self.empty = self.empty.after(failed="empty" in theirs.flags)
        for side, output in (("candidate", ours), ("baseline", theirs)):
            for flag in output.flags:
                self._tally(f"{flag}_{side}")
        if self.rules.guards.same_answers is not None:
            self.variety = self.variety.after(event)

    def _detect(self, event: PairEvent, held: Held) -> None:
        """Feed the detectors: each candidate's request at once, without waiting for its unit."""
        tolerances, gates = self.rules.detectors, self.rules.gates
        if event.error_candidate is not None and not event.unasked:
            bad = event.error_candidate and not event.error_baseline
            excuse = self.recent.rate if not event.paired or tolerances.baseline_excused else 0.0
            if not bad or self.bursts.is_news("errors", event.unit, event.at, spare_s=tolerances.spare_s):
                self._feed("errors", tolerances.errors, float(bad), excuse=excuse)
        self._detect_breach(event)
        if event.heard == "trial" and tolerances.empty is not None:
            self._detect_emptiness(event, tolerances.empty)
        if self._moves(event, held):
            for quality in gates.qualities:
                self._detect_loss(event, quality, held)
        for latency in gates.latencies:
            self._detect_slowness(event, latency, held)
        if event.owner is Owner.BASELINE and event.error_baseline is not None:
            self.recent = self.recent.after(failed=event.error_baseline)

    def _detect_breach(self, event: PairEvent) -> None:
        """Hear an answer that breaks its form, as far as the baseline does not lately break it as often."""
        tolerances = self.rules.detectors
        if event.valid_candidate is not None and event.valid_baseline is not False and not event.error_baseline:
            valid = event.valid_candidate
            if valid or self.bursts.is_news("validity", event.unit, event.at, spare_s=tolerances.spare_s):
                excuse = self.invalid.rate if tolerances.baseline_excused else 0.0
                self._feed("validity", tolerances.validity, float(not valid), excuse=excuse)
        if event.valid_baseline is not None:
            self.invalid = self.invalid.after(failed=not event.valid_baseline)

    def _detect_emptiness(self, event: PairEvent, tolerance: float) -> None:
        """In a trial, where no app is served, this is what hears the alarm of answers with nothing in them again."""
        ours, theirs = event.output_candidate, event.output_baseline
        if ours is not None and theirs is not None:
            self._feed("empty", tolerance, float("empty" in ours.flags and "empty" not in theirs.flags))

    def _moves(self, event: PairEvent, held: Held) -> bool:
        """Whether how good it is is the whole's concern: where slices move alone, only what moves is."""
        by = self.rules.ladder.moves_by
        return not by or (not event.stays and slices.own(event.slices, by) in held.moving)

    def _detect_loss(self, event: PairEvent, gate: Quality, held: Held) -> None:
        """A pair lost in a full queue is a loss to the certificates; a burst of them is no reason to roll back."""
        worth = None if gate.likeness or event.dropped else scores.quality(event, gate)
        if worth is None or worth[0] != worth[1]:
            return
        certified = held.quality if gate.name == Quality().name else None
        allowed = gate.tolerance if certified is None else min(gate.tolerance, max(0.0, -certified))
        weight = self.bursts.weight(gate.name, event.unit, rho=self.rules.detectors.rho)
        self._feed(gate.name, allowed / gate.scale, -worth[0] / MICRO, lo=-1.0, weight=weight)

    def _detect_slowness(self, event: PairEvent, gate: Latency, held: Held) -> None:
        """Beyond the limit of now: by the line where there is one, excused by how slow the baseline is itself."""
        line = self.line_of(gate)
        by_line = line.limit_s(gate)
        limit = held.limit_s(gate) if by_line is None else by_line
        taken = scores.latency(event, gate, Owner.CANDIDATE) if self._felt(event, Owner.CANDIDATE) else None
        if limit and taken is not None:
            excuse = 0.0 if by_line is None else line.excuse(gate)
            self._feed(gate.name, 1 - gate.quantile, float(taken > limit), excuse=excuse)
        is_beside = event.owner is Owner.BASELINE and not event.stays
        base = scores.latency(event, gate, Owner.BASELINE) if is_beside else None
        if base is not None:
            line.felt(base)

    def _feed(
        self, name: str, tolerance: float, badness: float, *, lo: float = 0.0, excuse: float = 0.0, weight: float = 1.0
    ) -> None:
        detector = self.detectors.get(name) or Detector(tolerance, lo)
        if detector.tolerance != tolerance:  # the policy was edited; what was seen stays seen
            detector = replace(detector, tolerance=tolerance)
        self.detectors[name] = detector.after(badness, excuse=excuse, weight=weight)

    def _felt(self, event: PairEvent, side: Owner) -> bool:
        """Whether a side's latency tells what apps feel there; in the shadow it is all there is."""
        return self.shadow or event.owner is side or event.heard == "trial"

    def _close(self, events: list[PairEvent], at: float) -> None:
        """Count one unit, which was over at `at`: the mean of its requests under each gate."""
        owner, gates = events[0].owner, self.rules.gates
        pairs = [event for event in events if event.paired]
        self._close_alone(events[0], pairs)
        if events[0].stays:
            return
        self._tally("units")
        self._tally(f"units_{owner}")
        self._tally(f"paired_{owner}", int(bool(pairs)))
        weight = self._weight(events[0])
        sliced = [] if self.rules.ladder.moves_by else slices.of_unit(events[0].slices, gates.slices)
        outage = self._is_of_outage(events)
        for quality in gates.qualities:
            name = quality.name if owner is Owner.BASELINE else f"{quality.name}_owned"
            self._quality(quality, name, pairs, weight, outage=outage)
            self._slice(quality, name, pairs, weight, sliced)
        self._mean_of_two("validity", self._validities(pairs), weight, outage=outage)
        self._mean_of_two("errors", [scores.errors(event) for event in pairs], weight, outage=outage)
        self._mean("judge_bias", (scores.judge_bias(event) for event in pairs), None)
        own = (event.error_candidate if owner is Owner.CANDIDATE else event.error_baseline for event in events)
        failures = [None if failed is None else MICRO * failed for failed in own]
        self._mean_of_two(f"errors_{owner}", failures, weight, outage=outage)
        if self.rules.guards.hang_ups is not None:
            self._mean(f"left_{owner}", (scores.left(event) for event in events), weight)
        for side in Owner:
            self._time(events, side, weight)
        for latency in gates.latencies:
            self._compare_times(events, latency, at, weight)
        self._spread("length_ratio", [ratio for event in pairs if (ratio := scores.length_ratio(event)) is not None])
        for event in pairs:
            self._spend(event)

    def _close_alone(self, first: PairEvent, pairs: list[PairEvent]) -> None:
        """Where slices move alone: count what the baseline answered for its slice, by weights of all stages."""
        by, rule = self.rules.ladder.moves_by, self.rules.units
        if not by or first.owner is not Owner.BASELINE:
            return
        is_weighed = bool(rule.rho_users or rule.rho_prompts)
        weight = clusters.next_weight(self.clusters_of_all, first, rule) if is_weighed else None
        for quality in self.rules.gates.qualities:
            self._slice(quality, quality.name, pairs, weight, [slices.own(first.slices, by)])

    def _weight(self, first: PairEvent) -> int | None:
        """What a unit weighs, in millionths; None: each weighs 1."""
        rule = self.rules.units
        if not rule.rho_users and not rule.rho_prompts:
            return None
        known = len(self.clusters)
        if rule.late and clusters.clusters_of(first, rule)[0][0] not in self.clusters:
            self._tally("users", int(known < clusters.MOST))
        return clusters.next_weight(self.clusters, first, rule)

    def _is_of_outage(self, events: list[PairEvent]) -> bool:
        """Whether it is one more of an outage (`policies.outages`). The shadow tries nobody: each counts there."""
        before, after = self.count("silent_run"), self.rules.units.outage_after
        if self.shadow or not after:
            return False
        run = silent_run(before, events)
        self._tally("silent_run", run - before)
        is_one = run > max(after, before)
        self._tally("outage_units", int(is_one))
        return is_one

    def _quality(self, gate: Quality, name: str, pairs: list[PairEvent], weight: int | None, *, outage: bool) -> None:
        """Count what a unit is worth at worst, and at best: for its certificate, and for that of harm."""
        known = [bounds for event in pairs if (bounds := scores.quality(event, gate)) is not None]
        least, most = [bounds[0] for bounds in known], [bounds[1] for bounds in known]
        self._mean_of_two(name, least, weight, outage=outage, harm=None if gate.missing is None else most)

    def _mean_of_two(
        self, name: str, found: Sequence[int | None], weight: int | None, *, outage: bool,
        harm: Sequence[int | None] | None = None,
    ) -> None:  # fmt: skip
        """Count a unit's mean for the certificate and, where they differ, for harm: an outage's unit is none of its."""
        if all(each is None for each in found):
            return
        told_apart = f"{name}_harm"
        if harm is not None or outage or told_apart in self.histograms:
            self._begin(told_apart, name, weighs=weight is not None)
            if not outage:
                self._mean(told_apart, found if harm is None else harm, weight, like=name)
        self._mean(name, found, weight)

    def _slice(self, gate: Quality, name: str, pairs: list[PairEvent], weight: int | None, sliced: list[str]) -> None:
        """Count the unit once more in each of its slices: for what is certified there."""
        for each in sliced:
            known = (bounds for event in pairs if (bounds := scores.quality(event, gate)) is not None)
            self._mean(slices.key(name, each, self.histograms), [least for least, _ in known], weight)

    def _validities(self, pairs: list[PairEvent]) -> list[int | None]:
        """Each pair's validity, by the share of answers so far that had a form to keep to (`scores.validity`)."""
        answered = [event for event in pairs if not (event.error_baseline or event.error_candidate or event.dropped)]
        self._tally("answered_pairs", len(answered))
        self._tally("formal_pairs", sum(event.valid_candidate is not None for event in answered))
        formal = self.count("formal_pairs") / (self.count("answered_pairs") or 1)
        return [scores.validity(event, formal) for event in pairs]

    def _mean(self, name: str, found: Iterable[int | None], weight: int | None, *, like: str = "") -> None:
        """Count a unit's mean. `like`: the histogram that this one is told apart from, as it begins."""
        known = [score for score in found if score is not None]
        if known:
            self._count(name, histograms.score_bin(sum(known), len(known)), weight, like)

    def _count(self, name: str, index: int, weight: int | None, like: str = "") -> None:
        """Count a unit in its bin."""
        self._begin(name, like, weighs=weight is not None)
        if weight is not None:
            histograms.add(self.weighted[name], index, weight)
        histograms.add(self.histograms[name], index)

    def _begin(self, name: str, like: str, *, weighs: bool) -> None:
        """Make a histogram, if there is none: one that is begun late begins with what it did not tell apart."""
        plain = self.histograms.setdefault(name, dict(self.histogram(like)))
        if weighs and name not in self.weighted:
            begun = self.weighted.get(like) or {each: count * MICRO for each, count in plain.items()}
            self.weighted[name] = dict(begun)

    def _time(self, events: list[PairEvent], side: Owner, weight: int | None) -> None:
        """Count how long a unit's requests took, each measure once; the first units of a stage only warm it up."""
        gates = {gate.measure: gate for gate in self.rules.gates.latencies}
        taken = {
            name: [scores.latency_at_worst(event, gate, side) for event in events if self._felt(event, side)]
            for name, gate in gates.items()
        }
        known = {name: [seconds for seconds in each if seconds is not None] for name, each in taken.items()}
        if side is Owner.BASELINE:  # what was not over draws no line
            known = {name: [seconds for seconds in each if seconds < math.inf] for name, each in known.items()}
        if not any(known.values()):
            return
        self._tally(f"warm_{side}")
        for name, seconds in known.items():
            if self.count(f"warm_{side}") > gates[name].warmup:
                self._spread(f"{name}_{side}", seconds, weight)

    def _compare_times(self, events: list[PairEvent], gate: Latency, at: float, weight: int | None) -> None:
        """Put units of both variants side by side, and count what a block brought that is over."""
        owner = events[0].owner
        taken = [scores.latency_at_worst(event, gate, owner) for event in events]
        known = [seconds for seconds in taken if seconds is not None]
        if gate.block_s is None or not known:
            return
        line, beside = self._beside(gate)
        ended = line.turn(at, gate)
        for found, harm, each in beside.end(is_void=ended.is_void) if ended else ():
            self._mean(f"{gate.name}_harm", [harm], each)
            self._mean(gate.name, [found], each)
        if owner is Owner.BASELINE:
            cut = (scores.latency(event, gate, owner) for event in events if scores.is_cut(event, gate))
            exact = [seconds for seconds in known if seconds < math.inf]
            share = line.add(exact, [seconds for seconds in cut if seconds is not None])
            if not self.shadow:
                beside.baseline(share, self.stage)
        elif self.count("warm_candidate") > gate.warmup:
            beside.candidate(known, line.limit_s(gate), weight, self.stage)

    def _beside(self, gate: Latency) -> tuple[BaselineLine, LatencyPairs]:
        if gate.name == Latency().name:
            return self.line, self.beside
        line = self.more_lines.setdefault(gate.name, BaselineLine())
        return line, self.more_beside.setdefault(gate.name, LatencyPairs())

    def _spread(self, name: str, measured: list[float], weight: int | None = None) -> None:
        """Divide one unit among the bins of its requests; `WHOLE` is a unit of weight 1."""
        if not measured:
            return
        plain = self.histograms.setdefault(name, {})
        if weight is not None:
            self.weighted.setdefault(name, dict(plain))
        for value in measured:
            index, part = histograms.latency_bin(value), WHOLE // len(measured)
            histograms.add(plain, index, part)
            if weight is not None:
                histograms.add(self.weighted[name], index, part * weight // MICRO)

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
