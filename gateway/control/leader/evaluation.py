"""One route as its leader sees it: its rollout, the evidence of the stage it stands on, and how far each node is."""

from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Literal

import msgspec

from gateway.control.events.join import LabelReport, NodeEvent
from gateway.control.leader.warming import WarmWait
from gateway.control.state.port import QueuedEvent
from policies import histograms
from policies.baseline_times import LEAST, BaselineTimes, patience_s
from policies.evidence import Evidence, EvidenceKey
from policies.histograms import Histogram
from policies.liveness import Liveness, ServiceReport
from policies.open_units import closing_at, still_open
from policies.picking import ALONE, Beside
from policies.results import Results
from policies.review import Conditions, key_of, review
from policies.rollout import STOPPED, Decision, Rollout, step
from policies.rules import PPM, Held, Rules
from records.comparison import Observation

ABSENT_S = 120.0
"""A node that tells nothing for so long is waited for no longer: what it tells later is late."""
LAG_S = 60.0
"""While a node reads its journals later than this, nothing may be concluded."""
NOBODYS = QueuedEvent("", 0, "", b"")
"""What a row is of that says only up to when conversations were closed."""


class NodeReport(msgspec.Struct, frozen=True):
    """What a node told last."""

    at: float
    """When the leader heard it."""
    watermark: float | None
    lag_s: float = 0.0
    labels: LabelReport | None = None
    """What people say of its pairs; they said it, whether it is there now or not."""


@dataclass(slots=True)
class Evaluation:
    """What is known of one route. Mutable: events are taken in, in the leader's order."""

    rules: Rules
    rollout: Rollout
    version: int
    """Of the stored rollout."""
    evidence: Evidence
    positions: dict[str, int] = field(default_factory=dict[str, int])
    """Node -> the last event's number."""
    seq: int = 0
    """Observations made, in all attempts, and ends of stages and of rules."""
    heard: dict[str, NodeReport] = field(default_factory=dict[str, NodeReport])
    liveness: Liveness = field(default_factory=Liveness)
    """Whether this candidate serves, in this attempt; no move takes from it."""
    baseline: BaselineTimes = field(default_factory=BaselineTimes)
    """How long the route's baseline takes."""
    taken: int = 0
    """Events taken in since this leader began, marks left out."""
    last_order: str = ""
    """The last order that was obeyed."""
    elsewhere: int = 0
    """Events of another stage or candidate: no evidence of this one."""
    unreadable: int = 0
    moved: bool = False
    """Whether the evidence changed since it was last looked at."""
    unshown: bool = False
    """Whether it changed since it was last shown."""
    history: str = ""
    """Of the kept rollout (`persistence`): `seq` counts within it."""
    closed_at: float | None = None
    """When what was over was closed last."""
    beside: Beside = ALONE
    """What the other candidates mean to this one, where there are several (`leader.candidates`)."""
    warm: WarmWait = field(default_factory=WarmWait)
    """How far the candidate's servers are, where they have to be warm first."""
    _held: tuple[object, str] = (None, "")

    def take(self, event: QueuedEvent, now: float, leader_epoch: int) -> Observation | None:
        """Take in what a node told. Returns the observation it made; None: it made none."""
        self.positions[event.node] = event.number
        try:
            told = msgspec.json.decode(event.body, type=NodeEvent)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self.unreadable += 1
            return None
        before = self.heard.get(event.node)
        at = told.watermark if told.watermark is not None or before is None else before.watermark
        known = None if before is None else before.labels
        self.heard[event.node] = NodeReport(now, at, told.lag_s, told.labels or known)
        if told.labels is not None and told.labels != known:
            self.moved = self.unshown = True
        if told.key is not None:
            self.taken += 1
            self._serve(told.key, told.service)
        if told.event is None:
            return None
        heard = self._heard(told.key)
        if heard is None:
            self.elsewhere += 1
            return None
        said = replace(told.event, heard=heard)
        told_json = msgspec.json.encode(said).decode()
        row = self._row(int(now * 1e6), leader_epoch, self._held_json(), told_json, event)
        self.evidence.observe(said, self.rollout.held)
        self.moved = self.unshown = True
        return row

    def leave(self, now: float, leader_epoch: int) -> Observation:
        """The row that says up to when conversations were closed, and when, before another stage or other rules.

        What closed since the last observation stands in no other row; it was counted by the rules of that moment.
        """
        moment_us = int((now if self.closed_at is None else self.closed_at) * 1e6)
        held = Held(watch=self.evidence.key.watch)
        return self._row(moment_us, leader_epoch, msgspec.json.encode(held).decode())

    def _row(
        self, moment_us: int, leader_epoch: int, held_json: str, event_json: str = "", event: QueuedEvent = NOBODYS
    ) -> Observation:
        self.seq += 1
        key = self.evidence.key
        return Observation(
            seq=self.seq, observed_us=moment_us, route=key.route, candidate_key=key.candidate, attempt=key.attempt,
            weight_ppm=key.weight_ppm, epoch=key.epoch, watermark=self.evidence.watermark_at, event_json=event_json,
            held_json=held_json, node=event.node, leader_epoch=leader_epoch, number=event.number, history=self.history,
        )  # fmt: skip

    def _heard(self, key: EvidenceKey | None) -> Literal["whole", "trial", "earlier"] | None:
        """The evidence to which an exchange served under `key` belongs; None: it is no evidence of this stage."""
        ours = self.evidence.key
        if key is None or self.rollout.phase in STOPPED or not key.is_beside(ours):
            return None
        if key == ours:
            return "trial" if ours.is_trial else "whole"
        return None if key.is_trial else "earlier"

    def advance(self, now: float) -> None:
        """Close what is over, once all that was offered is taken in."""
        at = self.watermark(now)
        if at is not None:
            self.closed_at = now
            closed = self.evidence.count("units")
            self.evidence.advance(closing_at(at, self.rules.units))
            if self.evidence.count("units") != closed:
                self.moved = self.unshown = True

    def watermark(self, now: float) -> float | None:
        """What every node that is there has told of, all of it; None: not known."""
        known = [heard.watermark for heard in self._present(now) if heard.watermark is not None]
        return min(known, default=None)

    def conditions(self, now: float) -> Conditions:
        """What is known beside the evidence."""
        # With enough closed units nobody waits for the open ones, and looking through all of them is saved.
        waits = self.evidence.count("units") < self.rollout.at.min_units
        every = chain.from_iterable(self.evidence.open.values()) if waits else ()
        open_units, first_closes_at = still_open(every, self.rules.units)
        return replace(
            self._reading(now), unhealthy=self.liveness.unhealthy(), serving=self.liveness.told(),
            served=self.liveness.share(), latency_s=self._latency_s(), open_units=open_units,
            first_closes_at=first_closes_at, rivals=self.beside.rivals, beside=self.beside.why,
            cold=self.warm.cold(self.rollout, now), labels=self._labels(),
        )  # fmt: skip

    def _reading(self, now: float) -> Conditions:
        """How far the nodes' reading is to be trusted."""
        present = {name: heard for name, heard in self.heard.items() if heard in self._present(now)}
        at = self.watermark(now)
        if at is None:
            return Conditions(now, fault="no node has reported yet how far it has read the traffic")
        late = max(present, key=lambda name: present[name].lag_s)
        if present[late].lag_s > LAG_S:
            return Conditions(
                at, fault=f"{late} reads its journals {present[late].lag_s:.0f} s late, and {LAG_S:.0f} s are allowed"
            )
        return Conditions(at)

    def results(self, now: float, *, bounds: bool) -> Results:
        """The results of every gate, guard and detector now."""
        return review(self.evidence, self.rollout, now=now, seen=self.conditions(now), bounds=bounds)

    def look(self, now: float, *, bounds: bool) -> Decision:
        """What is to be done by the rules, on the evidence so far."""
        return step(self.rollout, self.results(now, bounds=bounds), now=now)

    def stand(self, rollout: Rollout) -> None:
        """Go on from another state of the rollout: another stage, attempt or candidate has evidence of its own."""
        self.rollout, self.warm = rollout, WarmWait(self.warm.rule)
        self.liveness = self.liveness.of(rollout.key.digest, rollout.attempt, rollout.held.watch)
        if key_of(rollout) != self.evidence.key:
            self.evidence = self.evidence.next(key_of(rollout), self.rules)
        self.moved = self.unshown = True

    def judge_by(self, rules: Rules) -> None:
        """Judge by other rules from now on; the caller has stored what they make of the rollout."""
        if rules.key.baseline != self.rules.key.baseline:
            self.baseline = BaselineTimes()
        self.rules = rules
        self.evidence.judge_by(rules)

    def paced(self, rollout: Rollout) -> Rollout:
        """`rollout` with what is now known of how long the baseline takes."""
        return replace(rollout, baseline_p99=rollout.baseline_p99.followed(self.baseline.p99()))

    def _serve(self, key: EvidenceKey, service: tuple[ServiceReport, ...]) -> None:
        """Take in who served: of the baseline all that tells of this route, of a candidate only of ours.

        What came under another stage or epoch counts all the same: it is the candidate that serves, not a stage. What
        was served before an alarm has had its answer.
        """
        settings, tolerance = self.rollout.settings, self.rules.detectors.errors
        longest_s = patience_s(self.rollout.baseline_p99)
        rollout, empty_rate = self.rollout, self.evidence.empty.rate
        self.liveness = self.liveness.of(rollout.key.digest, rollout.attempt, rollout.held.watch)
        is_ours = (key.candidate, key.attempt, key.watch) == (rollout.key.digest, rollout.attempt, rollout.held.watch)
        for told in service:
            if told.first_s is not None and told.total_s is not None:
                self.baseline.observe(told.first_s, told.total_s, is_stream=told.is_stream, sent_bytes=told.sent_bytes)
            if is_ours:
                self.liveness = self.liveness.after(
                    told, tolerance=tolerance, arl=settings.arl, patience_s=longest_s, empty_rate=empty_rate
                )
        if service:
            self.moved = self.unshown = True

    def _latency_s(self) -> float | None:
        """The baseline's latency quantile by all its answers; by fewer where the candidate left it hardly any."""
        gate, served_ppm = self.rules.gates.latency, self.rollout.weight_ppm
        if gate is None or gate.limit_s is not None or not served_ppm:
            return None
        least = gate.freeze_units if served_ppm <= PPM // 2 else min(gate.freeze_units, LEAST)
        return self.baseline.quantile(gate.measure, gate.quantile, least)

    def _labels(self) -> Histogram | None:
        """How far the judge of this candidate is from people, by all nodes; None: its policy does not ask."""
        if self.rules.guards.judge_bias is None:
            return None
        found: Histogram = {}
        for heard in self.heard.values():
            if heard.labels is not None and heard.labels.candidate == self.rollout.key.digest:
                histograms.merge(found, heard.labels.gaps)
        return found

    def _present(self, now: float) -> list[NodeReport]:
        """The nodes that are there; if none is, all that ever were."""
        there = [heard for heard in self.heard.values() if now - heard.at <= ABSENT_S]
        return there or list(self.heard.values())

    def _held_json(self) -> str:
        if self._held[0] is not self.rollout.held:
            self._held = (self.rollout.held, msgspec.json.encode(self.rollout.held).decode())
        return self._held[1]
