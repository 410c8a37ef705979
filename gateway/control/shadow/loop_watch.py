"""Whether our own loop is late: what it measures then means nothing, and what it waits for has had no time to come."""

import asyncio
import contextlib
from collections.abc import Callable, Generator
from contextlib import contextmanager

LATE_S = 0.02
"""Our loop being later than this voids the timing of what was under way."""
TICK_S = 0.01


class LoopWatch:
    """Notices when the loop it runs in is late. It looks only while something is being timed."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._watching = 0
        self._due_s = 0.0
        self._late_s = float("-inf")
        self._lost_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def timing(self) -> Generator[Callable[[], bool]]:
        """While entered, the loop is watched; what it gives says whether the loop was late since."""
        since_s = self._now()
        self._watching += 1
        if self._timer is None:
            self._schedule()
        try:
            yield lambda: self._is_late() or self._late_s >= since_s
        finally:
            self._watching -= 1

    def own_s(self) -> float:
        """A clock that stands still while the loop is late; of use while something is being timed."""
        now = self._now()
        return now - self._lost_s - self._overdue_s(now)

    async def comes(self, event: asyncio.Event, within_s: float) -> bool:
        """Whether the event comes, within so long by our own clock: a loop that stood still has heard of nothing."""
        due_s = self.own_s() + within_s
        while not event.is_set():
            left_s = due_s - self.own_s()
            if left_s <= 0:
                return False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await event.wait()
        return True

    def _schedule(self) -> None:
        self._due_s = self._now() + TICK_S
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        self._is_late()
        self._lost_s += self._overdue_s(self._now())
        self._timer = None
        if self._watching:
            self._schedule()

    def _is_late(self) -> bool:
        """Whether the next tick is overdue; that is remembered."""
        now = self._now()
        if not self._overdue_s(now):
            return False
        self._late_s = now
        return True

    def _overdue_s(self, now: float) -> float:
        """How late the next tick is; 0 as long as it is no later than a loop may be."""
        late_s = now - self._due_s
        return late_s if self._timer is not None and late_s > LATE_S else 0.0
