"""A worker's own breaker: stops asking a failing candidate at once, without controller, Redis or network."""

from collections import deque

from policies.routing import Breaker as Settings


class CircuitBreaker:
    """Closed: ask. Open: do not. Half open: one request finds out.

    Opens after `consecutive` failures, or when more than `ratio` of at least `min_requests` within `window_s` failed.
    """

    __slots__ = ("_open_s", "_open_until_s", "_probing", "_recent", "_row", "_settings")

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._row = 0
        self._recent: deque[tuple[float, bool]] = deque(maxlen=512)
        self._open_s = settings.open_s
        self._open_until_s: float | None = None
        self._probing = False

    def allows(self, now: float) -> bool:
        """Whether the candidate may be asked now. In the half-open state the first to ask is the probe."""
        if self._open_until_s is None:
            return True
        if self._probing or now < self._open_until_s:
            return False
        self._probing = True
        return True

    def succeeded(self, now: float) -> None:
        """The candidate answered."""
        self._row = 0
        self._recent.append((now, True))
        if self._open_until_s is not None:
            self._open_until_s, self._probing, self._open_s = None, False, self._settings.open_s
            self._recent.clear()

    def failed(self, now: float) -> bool:
        """The candidate failed; True if this opened the breaker."""
        self._row += 1
        self._recent.append((now, False))
        if self._open_until_s is not None and self._probing:
            self._probing = False
            self._open_s = min(self._open_s * 2, self._settings.max_open_s)
            self._open_until_s = now + self._open_s
            return False
        if self._open_until_s is None and (self._row >= self._settings.consecutive or self._too_many(now)):
            self._open_until_s = now + self._open_s
            return True
        return False

    def abandoned(self) -> None:
        """A request that was to ask the candidate ended without telling anything of it (the app hung up)."""
        self._probing = False

    def _too_many(self, now: float) -> bool:
        since = now - self._settings.window_s
        while self._recent and self._recent[0][0] < since:
            self._recent.popleft()
        count = len(self._recent)
        failures = sum(not good for _, good in self._recent)
        return count >= self._settings.min_requests and failures > self._settings.ratio * count
