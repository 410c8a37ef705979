"""Whether our own loop is late: what it measures then means nothing, and what it waits for has had no time to come."""

import asyncio
import contextlib
from collections.abc import Callable, Generator
from contextlib import contextmanager

LATE_S = 0.02
"""A loop may be so late at a time, and nobody says that it was."""
VOID_SHARE = 0.05
"""Of a call's first time: if our loop was late for more of it, its times are void. Less only adds to them, and so
makes nobody look fast."""
TICK_S = 0.01


def is_void(late_s: float, took_s: float) -> bool:
    """Whether what took so long, by a loop that was late for so long of it, means nothing."""
    return late_s > VOID_SHARE * took_s


class LoopWatch:
    """Notices when the loop it runs in is late. It looks only while something is being timed."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._watching = 0
        self._due_s = 0.0
        self._lost_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def timing(self) -> Generator[Callable[[], float]]:
        """While entered, the loop is watched; what it gives says for how long the loop was late since."""
        before_s = self._late_s()
        self._watching += 1
        if self._timer is None:
            self._schedule()
        try:
            yield lambda: self._late_s() - before_s
        finally:
            self._watching -= 1

    def own_s(self) -> float:
        """A clock that stands still while the loop is late; of use while something is being timed."""
        return self._now() - self._late_s()

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
        self._lost_s = self._late_s()
        self._timer = None
        if self._watching:
            self._schedule()

    def _late_s(self) -> float:
        """For how long the loop was late so far, what the next tick is overdue by and no loop may be included."""
        overdue_s = self._now() - self._due_s
        return self._lost_s + (overdue_s if self._timer is not None and overdue_s > LATE_S else 0.0)
