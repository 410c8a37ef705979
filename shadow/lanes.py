"""Limits of a route's background calls: concurrent ones, waiting ones, and money."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from policies.candidates import route_of
from records.comparison import Asked
from records.exchange import Exchange
from shadow.plan import ShadowRoute

DAY_S = 24 * 3600.0
MOVING_S = 30.0
"""A route whose candidate has answered within this time is at work: what waits for it will be asked."""
SAVED = 0.125
"""Of a day's budget, that may be saved up and spent at once."""
SLACK = 1024
"""Calls that may wait beyond the bound while their route is at work: more than one reading of the journal finds."""


CallKey = tuple[str, Asked, str]
"""A background call: beside which exchange, whom, and for which rollout."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One background call that was chosen."""

    exchange: Exchange
    asked: Asked
    route: ShadowRoute

    @property
    def key(self) -> CallKey:
        """There is one comparison of each."""
        return self.exchange.meta.id, self.asked, self.route.route

    @property
    def size_bytes(self) -> int:
        """About what it takes of memory while it waits."""
        return len(self.exchange.request_body) + len(self.exchange.response_body) + 1024


@dataclass(slots=True)
class Lane:
    """One route's calls: those that wait, and how many are under way."""

    route: ShadowRoute
    moved_s: float
    """When it was last at work; at first: when it was made. Monotonic."""
    waiting: deque[Drawn] = field(default_factory=deque[Drawn], init=False)
    in_flight: int = field(default=0, init=False)

    def is_full(self) -> bool:
        """Whether as much waits as may."""
        return len(self.waiting) >= self.route.queue

    def is_moving(self, now: float) -> bool:
        """Whether what waits is being worked off. `now`: monotonic."""
        return now - self.moved_s <= MOVING_S

    def holds_up(self, now: float) -> bool:
        """Whether reading on would only find what has to be dropped, and a little patience would not."""
        return self.is_full() and self.is_moving(now)

    def offer(self, drawn: Drawn, now: float) -> bool:
        """Let it wait; False: the queue is full."""
        room = self.route.queue + (SLACK if self.is_moving(now) else 0)
        if len(self.waiting) >= room:
            return False
        self.waiting.append(drawn)
        return True

    def take(self) -> Drawn | None:
        """The next to ask; None: nothing waits, or enough is under way."""
        if not self.waiting or self.in_flight >= self.route.max_in_flight:
            return None
        self.in_flight += 1
        return self.waiting.popleft()

    def end(self, now: float, *, answered: bool) -> None:
        """Note that a running call has ended."""
        self.in_flight -= 1
        if answered:
            self.moved_s = now


class Allowance(msgspec.Struct, frozen=True, array_like=True):
    """What a route may spend at once: a bucket that the day fills."""

    usd: float
    """Below 0: calls that were under way have overdrawn it."""
    at: float
    """Unix seconds at which that was so."""


@dataclass(slots=True)
class DailySpend:
    """What routes have spent today (UTC), all candidates of one together.

    Calls under way are not counted yet: it is overdrawn by those at most.

    The day's money comes evenly: were it spent by noon, nothing would be known of afternoons. What was not spent is
    saved up to `SAVED` of a day's budget; saved and fresh money together are never more than the day's.
    Source: a token bucket (the generic cell rate algorithm, ITU-T I.371), with money for cells.
    """

    day: int = 0
    spent_usd: dict[str, float] = field(default_factory=dict[str, float])
    allowances: dict[str, Allowance] = field(default_factory=dict[str, Allowance])
    """By route."""

    @classmethod
    def of(cls, day: int, spent_usd: Mapping[str, float], allowances: Mapping[str, Allowance]) -> "DailySpend":
        """The budget as it was before a restart."""
        return cls(day, dict(spent_usd), dict(allowances))

    def is_spent(self, route: ShadowRoute, now: float) -> bool:
        """Whether there is nothing left today: what was begun is brought to its end until then. `now`: Unix seconds."""
        self._turn(now)
        return self.spent_usd.get(route_of(route.route), 0.0) >= route.budget_usd_per_day

    def must_wait(self, route: ShadowRoute, now: float) -> bool:
        """Whether nothing new may be begun: the day is spent, or faster than it passes."""
        most = SAVED * route.budget_usd_per_day
        name = route_of(route.route)
        kept = self.allowances.get(name, Allowance(most, now))
        fresh = max(0.0, now - kept.at) / DAY_S * (1 - SAVED) * route.budget_usd_per_day
        allowed = Allowance(min(most, kept.usd + fresh), now)
        self.allowances[name] = allowed
        return allowed.usd <= 0 or self.is_spent(route, now)

    def spend(self, route: str, usd: float, now: float) -> None:
        """Take note of what a call cost."""
        self._turn(now)
        route = route_of(route)
        if usd > 0:
            self.spent_usd[route] = self.spent_usd.get(route, 0.0) + usd
            if (kept := self.allowances.get(route)) is not None:
                self.allowances[route] = Allowance(kept.usd - usd, kept.at)

    def _turn(self, now: float) -> None:
        """Begin again with each day; a clock that was set back begins none."""
        day = int(now // DAY_S)
        if day > self.day:
            self.day = day
            self.spent_usd.clear()
