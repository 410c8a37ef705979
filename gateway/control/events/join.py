"""From what the journals hold to events: exchanges wait here for their comparisons, and comparisons for their exchange.

Rules:
1. An exchange speaks to the evidence it was served under: `served` says which, by the version of the table that its
   worker served from. One served under a table that nobody knows any more speaks to none.
2. It waits for whom the lot drew beside it, a little longer than the shadow may take (`shadow.patience`); then what
   did not come counts as lost, and what comes after all is counted as discarded.
3. Everything that waits is bounded: beyond `MOST` the oldest wait no longer.
4. Who served an exchange (`ServiceReport`) is told at once, whatever it waits for, and of every table: one that nobody
   knows counts as the newest known one before it. What it says belongs to a candidate, not to a stage.
5. A route's watermark is the oldest of what waits to speak to its present evidence, and of what the journals may still
   bring: answers of the route that have begun and not ended. It is at most `BEHIND_S` old; what is told later still
   is counted as late. What waits for another route, or to speak to a stage that was left, holds nobody up.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from policies.candidates import is_contender, route_of
from policies.events import PairEvent
from policies.evidence import EvidenceKey
from policies.liveness import ServiceReport
from records.comparison import Asked, Comparison
from records.exchange import Meta
from shadow.asker import NOBODY, AskedBy
from shadow.pairing import event_of, joined, service_of
from shadow.patience import PATIENCE_S
from shadow.sampling import Lot, asked_beside

WAIT_S = PATIENCE_S + 5.0
"""How long an exchange waits for its comparisons, from when it was read: a little longer than the shadow may take."""
BEHIND_S = 540.0
"""The watermark is at most so far behind what was read: above `rollback.stale` (600 s) nothing would be judged."""
SETTLE_S = 3.0
"""A worker's journal tells of every exchange that is older than this, open or ended."""
MOST = 100_000
"""Exchanges that may wait, and comparisons that may."""
TABLES_SPLIT = 64
"""Of so many routing tables it is kept which routes have several candidates."""
MOST_TOLD = 2000
"""Exchanges of which one event tells who served."""


class Served(msgspec.Struct, frozen=True):
    """What a route was served under: which evidence it speaks to, and who is asked beside it."""

    key: EvidenceKey
    lot: Lot
    is_evidence: bool = True
    """False: the published weight is not the rollout's own. Who served is told all the same."""
    sliced_by: tuple[str, ...] = ()
    """What its traffic is sliced by."""


class Waiting(msgspec.Struct, frozen=True):
    """An exchange that is not whole: it, what was found beside it, or both."""

    due_at: float
    key: EvidenceKey | None = None
    event: PairEvent | None = None
    """None: its comparisons came first."""
    asked: tuple[Asked, ...] = ()
    found: dict[Asked, Comparison] = {}


class LabelReport(msgspec.Struct, frozen=True):
    """What people say of a candidate's pairs on one node, beside what whoever scores says of them: all of it so far."""

    candidate: str
    """Digest of its key."""
    gaps: dict[int, int]
    """`policies.judge_bias.gaps`."""


class NodeEvent(msgspec.Struct, frozen=True):
    """What a node tells the leader of one route: an event, a mark, or both. The event's body in the shared state."""

    watermark: float | None
    """Every older exchange of this node was told before this one. None: not known."""
    lag_s: float
    """How late the node reads its journals."""
    key: EvidenceKey | None = None
    event: PairEvent | None = None
    service: tuple[ServiceReport, ...] = ()
    """Who served `key`'s exchanges, in the order in which they were read."""
    labels: LabelReport | None = None
    """With a mark, in place of what was told before; None: nothing new is told of them."""


Ready = tuple[EvidenceKey, PairEvent]


@dataclass(slots=True)
class Join:
    """Joins exchanges and comparisons. Whoever keeps it takes `take_changes` with the journals' progress."""

    served: Mapping[int, Mapping[str, Served]]
    """By version of the routing table, by route."""
    waiting: dict[str, Waiting] = field(default_factory=dict[str, Waiting])
    """By exchange, and by candidate where there are several."""
    discarded: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """What counts nowhere, by route and reason since this was made: `unknown_table`, exchanges that were served under a
    table nobody knows; `comparison_lost`, calls that were waited for in vain; `comparison_alone`, rows whose exchange
    was not waited for any more, or is no evidence."""
    service: dict[EvidenceKey, list[ServiceReport]] = field(default_factory=dict[EvidenceKey, list[ServiceReport]])
    """Since `take_service` was last called."""
    _changed: set[str] = field(default_factory=set[str], init=False)
    _by_route: dict[int, dict[str, list[str]]] = field(default_factory=dict[int, dict[str, list[str]]], init=False)
    """By version of the routing table: what is served of each route that has several candidates."""

    def exchange(self, meta: Meta, now: float, asker: AskedBy = NOBODY) -> Iterator[Ready]:
        """Take an exchange, and whose it is; what is whole with it is yielded."""
        if not meta.route:
            return
        self._serve(meta)
        routes = self.served.get(meta.table_version)
        if routes is None:
            self.discarded[meta.route, "unknown_table"] += 1
            return
        event = event_of(meta)
        if event is None:
            return
        event = replace(event, user=asker.user, prompt=asker.prompt, slices=asker.slices)
        for rollout in self._rollouts(meta.table_version, meta.route):
            served = routes[rollout]
            if not served.is_evidence:
                continue
            asked, name = asked_beside(meta, served.lot), _waits_as(meta.id, rollout)
            early = self.waiting.get(name)
            found = early.found if early is not None else {}
            self._put(name, Waiting(now + WAIT_S, served.key, event, asked, found))
            yield from self._when_whole(name)

    def sliced_by(self, meta: Meta) -> tuple[str, ...]:
        """What the traffic that an exchange belongs to is sliced by, for any of the candidates."""
        known, version = self.served.get(meta.table_version, {}), meta.table_version
        every = (each for rollout in self._rollouts(version, meta.route) for each in known[rollout].sliced_by)
        return tuple(dict.fromkeys(every))

    def comparison(self, row: Comparison, now: float) -> Iterator[Ready]:
        """Take a comparison; what is whole with it is yielded."""
        row = msgspec.structs.replace(row, scores_json="{}", judge_json="", answer_json=None)
        name = _waits_as(row.exchange_id, row.route)
        held = self.waiting.get(name) or Waiting(now + WAIT_S)
        found = {**held.found, row.asked: row}
        self._put(name, msgspec.structs.replace(held, found=found))
        yield from self._when_whole(name)

    def overdue(self, now: float) -> Iterator[Ready]:
        """Give up on what has waited long enough; a clock that was set back keeps nobody waiting twice as long."""
        over: list[str] = []
        for name, held in self.waiting.items():  # the longest wait stands first
            if len(self.waiting) - len(over) <= MOST and now < held.due_at <= now + WAIT_S:
                break
            over.append(name)
        for name in over:
            yield from self._end(name)

    def oldest_at(self) -> dict[EvidenceKey, float]:
        """When the oldest exchange that waits was made, by the evidence it speaks to."""
        oldest: dict[EvidenceKey, float] = {}
        for held in self.waiting.values():
            if held.event is not None and held.key is not None:
                oldest[held.key] = min(held.event.at, oldest.get(held.key, held.event.at))
        return oldest

    def speaks_to(self, route: str) -> EvidenceKey | None:
        """The evidence that a route's exchanges speak to under the newest table; None: not known."""
        served = self.served[max(self.served)].get(route) if self.served else None
        return None if served is None else served.key

    def take_changes(self) -> tuple[dict[str, Waiting], list[str]]:
        """What waits since the last call, or otherwise, and what waits no longer."""
        changed = {name: self.waiting[name] for name in self._changed if name in self.waiting}
        gone = [name for name in self._changed if name not in self.waiting]
        self._changed = set()
        return changed, gone

    def take_service(self) -> Iterator[tuple[EvidenceKey, tuple[ServiceReport, ...]]]:
        """Service reports since the last call, in parts that fit into one event."""
        for key, told in self.service.items():
            for first in range(0, len(told), MOST_TOLD):
                yield key, tuple(told[first : first + MOST_TOLD])
        self.service = {}

    def _serve(self, meta: Meta) -> None:
        version, told = meta.table_version, service_of(meta)
        if told is None:
            return
        if version not in self.served:
            version = max((before for before in self.served if before < version), default=version)
        for rollout in self._rollouts(version, meta.route):
            self.service.setdefault(self.served[version][rollout].key, []).append(told)

    def _rollouts(self, version: int, route: str) -> Sequence[str]:
        """What is served of a route under a table: its own rollout, or one for each of its candidates."""
        known = self.served.get(version, {})
        if route in known:
            return (route,)
        if version not in self._by_route:
            while len(self._by_route) >= TABLES_SPLIT:
                del self._by_route[next(iter(self._by_route))]
            split = self._by_route[version] = dict[str, list[str]]()
            for name in filter(is_contender, known):
                split.setdefault(route_of(name), []).append(name)
        return self._by_route[version].get(route, ())

    def _put(self, name: str, held: Waiting) -> None:
        self.waiting[name] = held
        self._changed.add(name)

    def _when_whole(self, name: str) -> Iterator[Ready]:
        held = self.waiting[name]
        if held.event is not None and all(asked in held.found for asked in held.asked):
            yield from self._end(name)

    def _end(self, name: str) -> Iterator[Ready]:
        held = self.waiting.pop(name)
        self._changed.add(name)
        if held.event is None:
            for row in held.found.values():
                self.discarded[row.route, "comparison_alone"] += 1
        elif held.key is not None:
            lost = sum(asked not in held.found for asked in held.asked)
            if lost:
                self.discarded[held.key.route, "comparison_lost"] += lost
            for event in joined(held.event, held.asked, held.found, held.key.candidate):
                yield held.key, event


def _waits_as(exchange_id: str, rollout: str) -> str:
    """What an exchange waits as: once for each of several candidates."""
    return f"{exchange_id}{rollout.removeprefix(route_of(rollout))}"


def watermark(now: float, lag_s: float, held_at: Iterable[float | None]) -> float:
    """Every exchange that was made before it is told, or will not be. `held_at`: what waits, and what is open."""
    read_to = now - lag_s - SETTLE_S
    return min((read_to, *(max(at, read_to - BEHIND_S) for at in held_at if at is not None)))
