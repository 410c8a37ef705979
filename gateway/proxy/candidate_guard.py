"""What a worker knows of its candidates while it serves: who may be asked now, how many at once, and how they did.

Rules:
1. A breaker belongs to a candidate and its settings: a table with the same keeps its state, one with others starts
   anew. Two routes to one candidate share it.
2. In flight is limited per route, and for all candidates together: above it the baseline answers, and nobody is shed.
3. Each admitted request is told of once: it succeeded, failed, or was abandoned. Of one that fails before it is over
   the breaker hears at once, and its room is free when it is.
"""

from collections.abc import Callable
from typing import Final

from gateway.log import Log
from gateway.proxy.breaker import CircuitBreaker
from gateway.proxy.counters import INDEX, MOST_BITS
from gateway.transport.outgoing import Sender
from policies.candidate_paths import CandidatePaths
from policies.routing import Breaker, Route, Table, Variant
from records.exchange import Why

FLOOR: Final = 8
"""A route's candidate may always have so many requests in flight, where the worker itself may."""
ALL_SHARE: Final = 0.75
"""Of a worker's `in_flight`, what all candidates together may hold: the rest is the baselines'."""
KEPT_OPEN: Final = 64
"""Open breakers that are remembered after their route is gone: it may be back in a moment."""
_TOO_MUCH: Final = frozenset(
    (
        "app_gone_waiting", "between_tokens_timeout", "connect_timeout", "first_byte_timeout", "overloaded",
        "timeout", "too_slow", "total_timeout",
    )
)  # fmt: skip
"""Failures that say that the candidate has more to do than it can."""
_CANDIDATE_ERRORS: Final = INDEX["candidate_errors"]
_BREAKER_OPENED: Final = INDEX["breaker_opened"]

_Key = tuple[str, str, str, str | None, Breaker]


class Bulkhead:
    """How many requests of one route may be in flight at its candidate.

    Halved with each sign of overload, one more with each answer (AIMD), between a floor and its most.
    """

    __slots__ = ("_floor", "_most", "held", "limit")

    def __init__(self, most: int) -> None:
        self.held = 0
        self._most = max(1, most)
        self._floor = min(FLOOR, self._most)
        self.limit = self._most

    def resize(self, most: int) -> None:
        """Take another most; what was learnt below it stays."""
        most = max(1, most)
        self.limit = most if self.limit == self._most else min(self.limit, most)
        self._most, self._floor = most, min(FLOOR, most)

    def answered(self) -> None:
        """One was answered."""
        if self.limit < self._most:
            self.limit += 1

    def overloaded(self) -> None:
        """One was too much."""
        self.limit = max(self._floor, self.limit // 2)


class CandidateGuard:
    """Stands between one route's requests and its candidate."""

    __slots__ = ("_all", "breaker", "bulkhead", "client", "paths")

    def __init__(
        self, guards: "CandidateGuards", breaker: CircuitBreaker, paths: CandidatePaths, bulkhead: Bulkhead
    ) -> None:
        self._all = guards
        self.breaker = breaker
        self.paths = paths
        self.bulkhead = bulkhead
        self.client = guards.client

    def now(self) -> float:
        """Monotonic seconds."""
        return self._all.now()

    def stops(self, *, pinned: bool) -> Why | None:
        """Why the candidate is not to be asked now: "breaker", "busy", or None. A probe is one, and always has room."""
        if not pinned:
            if not self.breaker.allows(self.now()):
                return "breaker"
            if not self.breaker.is_closed:
                return None
        room = self.bulkhead.held < self.bulkhead.limit and self._all.held < self._all.most
        return None if room else "busy"

    def admit(self, *, pinned: bool) -> int:
        """Count a request in; its generation, see `CircuitBreaker`."""
        self.bulkhead.held += 1
        self._all.held += 1
        return self.breaker.pin_generation if pinned else self.breaker.admit(self.now())

    def candidate_succeeded(self, generation: int) -> None:
        """It answered."""
        self._leave()
        self.bulkhead.answered()
        self.breaker.succeeded(generation, self.now())

    def candidate_failed(self, generation: int, reason: str) -> None:
        """It did not."""
        self._leave()
        self.candidate_late(generation, reason)

    def candidate_late(self, generation: int, reason: str) -> None:
        """It has failed, and is at it still: its request is to be told of as abandoned once it is over."""
        if reason in _TOO_MUCH:
            self.bulkhead.overloaded()
        live = self._all.live
        live[_CANDIDATE_ERRORS] += 1
        if self.breaker.failed(generation, self.now()):
            live[_BREAKER_OPENED] += 1

    def candidate_abandoned(self, generation: int) -> None:
        """Nothing was learnt of it."""
        self._leave()
        self.breaker.abandoned(generation)

    def _leave(self) -> None:
        self.bulkhead.held -= 1
        self._all.held -= 1


class CandidateGuards:
    """The guards of all routes of the table that is served."""

    def __init__(self, client: Sender, now: Callable[[], float], live: "memoryview[int]", *, in_flight: int) -> None:
        self.client = client
        self.now = now
        self.live = live
        self.held = 0
        """Requests that any candidate holds."""
        self.most = max(1, int(in_flight * ALL_SHARE))
        self._in_flight = in_flight
        self._breakers: dict[_Key, CircuitBreaker] = {}
        self._paths: dict[_Key, CandidatePaths] = {}
        self._guards: dict[str, CandidateGuard] = {}
        self._routes: list[str] = []

    @property
    def open_breakers(self) -> int:
        """Candidates of this table that are not asked freely."""
        return len({id(guard.breaker) for guard in self._guards.values() if not guard.breaker.is_closed})

    @property
    def open_routes(self) -> int:
        """Whose candidates are not asked freely: a bit for each of the table's first routes."""
        found = 0
        for place, name in enumerate(self._routes):
            guard = self._guards.get(name)
            if guard is not None and not guard.breaker.is_closed:
                found |= 1 << place
        return found

    def adopt(self, table: Table) -> None:
        """Serve by another table: what is known of the same candidates under the same settings stays."""
        urls = {upstream.name: upstream.base_url for upstream in table.upstreams}
        old, old_paths, old_guards = self._breakers, self._paths, self._guards
        self._breakers, self._paths, self._guards = {}, {}, {}
        self._routes = [route.name for route in table.routes[:MOST_BITS]]
        for route in table.routes:
            variant = route.candidate
            if variant is None:
                continue
            key = _key(route, variant, urls[variant.upstream])
            breaker = self._breakers.get(key) or old.pop(key, None) or CircuitBreaker(route.breaker)
            self._breakers[key] = breaker
            paths = self._paths.get(key) or old_paths.get(key) or CandidatePaths()
            self._paths[key] = paths
            most = int(self._in_flight * route.limits.in_flight_ratio)
            known = old_guards.get(route.name)
            if known is None:
                self._guards[route.name] = CandidateGuard(self, breaker, paths, Bulkhead(most))
            else:
                known.bulkhead.resize(most)
                self._guards[route.name] = CandidateGuard(self, breaker, paths, known.bulkhead)
        still_open = [(key, breaker) for key, breaker in old.items() if not breaker.is_closed]
        self._breakers.update(still_open[-KEPT_OPEN:])

    def tell(self, log: Log) -> None:
        """Log each path that a candidate was found not to have."""
        for name, guard in self._guards.items():
            for path in guard.paths.take_news():
                hint = "the baseline answers it (`ineligible`, no_path); upgrade the engine, or state `match.path`"
                log.notice("candidate.no_path", route=name, path=path, hint=hint)

    def of(self, route: Route) -> CandidateGuard:
        """The guard of a route of the table that is served."""
        return self._guards[route.name]


def _key(route: Route, variant: Variant, base_url: str) -> _Key:
    """What a breaker's state belongs to. A candidate without a model of its own is another one for each route."""
    model = f"of route {route.name}" if variant.model is None else f"model {variant.model}"
    return variant.upstream, base_url, model, variant.revision, route.breaker
