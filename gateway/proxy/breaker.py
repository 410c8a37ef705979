"""A worker's own breaker: stops asking a failing candidate at once, without controller, Redis or network."""

from collections import deque
from typing import Final

from policies.routing import Breaker as Settings

NOT_ADMITTED: Final = 0
"""The generation of a request that the breaker did not admit: nothing that comes of it changes the breaker."""
LAST_PROBES: Final = 16
"""Probes of the last round. Rounds double from one: a candidate that came back gets as much traffic as it has just
proved it can answer, twice over, and no more."""


class CircuitBreaker:
    """Closed: ask. Open: do not. Half open: rounds of probes find out, the first a single one.

    Opens after `consecutive` failures, or when more than `ratio` of at least `min_requests` within `window_s` failed.
    Each request that it admits carries the breaker's generation, and its outcome counts in that generation alone: what
    was sent before the breaker opened can neither close it nor lengthen its time. Only probes close it, all of them.
    """

    __slots__ = (
        "_answered", "_asked", "_failures", "_generation", "_open_s", "_open_until_s", "_probes", "_recent",
        "_settings",
    )  # fmt: skip

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._generation = NOT_ADMITTED + 1
        self._failures = 0
        """In a row."""
        self._recent: deque[tuple[float, bool]] = deque(maxlen=512)
        self._open_s = settings.open_s
        self._open_until_s: float | None = None
        self._probes = 0
        """Probes of this round; 0: not half open."""
        self._asked = 0
        self._answered = 0

    @property
    def is_closed(self) -> bool:
        """Whether the candidate is asked freely."""
        return self._open_until_s is None

    @property
    def pin_generation(self) -> int:
        """The generation of a request that is sent whatever the breaker says: it counts while the breaker is closed."""
        return self._generation if self._open_until_s is None else NOT_ADMITTED

    def allows(self, now: float) -> bool:
        """Whether `admit` would admit a request now."""
        if self._open_until_s is None:
            return True
        return self._asked < self._probes if self._probes else now >= self._open_until_s

    def admit(self, now: float) -> int:
        """The generation for a request that is sent now, or `NOT_ADMITTED`. While half open it is a probe."""
        if not self.allows(now):
            return NOT_ADMITTED
        if self._open_until_s is not None:
            if not self._probes:
                self._begin_round(1)
            self._asked += 1
        return self._generation

    def succeeded(self, generation: int, now: float) -> None:
        """The candidate answered a request of this generation."""
        if generation != self._generation:
            return
        if self._open_until_s is None:
            self._failures = 0
            self._recent.append((now, True))
            return
        self._answered += 1
        if self._answered < self._probes:
            return
        if self._probes < LAST_PROBES:
            self._begin_round(self._probes * 2)
        else:
            self._close()

    def failed(self, generation: int, now: float) -> bool:
        """The candidate failed a request of this generation; True if this opened a closed breaker."""
        if generation != self._generation:
            return False
        if self._open_until_s is not None:
            self._open_s = min(self._open_s * 2, self._settings.max_open_s)
            self._open(now)
            return False
        self._failures += 1
        self._recent.append((now, False))
        if self._failures < self._settings.consecutive and not self._too_many(now):
            return False
        self._open(now)
        return True

    def abandoned(self, generation: int) -> None:
        """A request of this generation ended without telling anything of the candidate: another may find out."""
        if generation == self._generation and self._probes:
            self._asked -= 1

    def _open(self, now: float) -> None:
        self._open_until_s = now + self._open_s
        self._begin_round(0)

    def _close(self) -> None:
        self._open_until_s, self._open_s, self._failures = None, self._settings.open_s, 0
        self._recent.clear()
        self._begin_round(0)

    def _begin_round(self, probes: int) -> None:
        """What was sent before tells no more."""
        self._generation += 1
        self._probes, self._asked, self._answered = probes, 0, 0

    def _too_many(self, now: float) -> bool:
        since = now - self._settings.window_s
        while self._recent and self._recent[0][0] < since:
            self._recent.popleft()
        count = len(self._recent)
        failures = sum(not good for _, good in self._recent)
        return count >= self._settings.min_requests and failures > self._settings.ratio * count
