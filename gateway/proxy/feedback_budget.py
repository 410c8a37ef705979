"""How much feedback is taken: it lies in the same journal as exchanges, and may not take their room.

A bucket for each caller, and one for all: what a caller may say at once, and how quickly it may go on. Keys can be
made up where the gateway issues none, so that the one for all is what holds.
"""

from typing import Final

CALLER_BYTES: Final = 1024 * 1024
CALLER_RATE: Final = 64 * 1024
"""Bytes a caller may say at once, and a second."""
WORKER_BYTES: Final = 4 * 1024 * 1024
WORKER_RATE: Final = 256 * 1024
"""The same of all callers of a worker: 5 s of flooding are less than 6 MiB of the journal."""
LEAST_BYTES: Final = 256
"""What the shortest one takes of the journal, about."""
MOST_CALLERS: Final = 4096
"""Callers that are remembered; who was silent longest is forgotten first, and may speak as a new one."""


class FeedbackBudget:
    """What may still be said, by caller and in all."""

    __slots__ = ("_all", "_callers")

    def __init__(self) -> None:
        self._all = (float(WORKER_BYTES), 0.0)
        """Bytes that were left, and when that was."""
        self._callers: dict[str, tuple[float, float]] = {}

    def take(self, caller_id: str, size: int, now: float) -> bool:
        """Whether `size` bytes of a caller are taken. `now`: monotonic seconds."""
        size = max(size, LEAST_BYTES)
        left = _refilled(self._all, WORKER_BYTES, WORKER_RATE, now)
        own = _refilled(self._callers.pop(caller_id, (float(CALLER_BYTES), now)), CALLER_BYTES, CALLER_RATE, now)
        taken = size <= left and size <= own
        if taken:
            left, own = left - size, own - size
        self._all = (left, now)
        if len(self._callers) >= MOST_CALLERS:
            del self._callers[next(iter(self._callers))]
        self._callers[caller_id] = (own, now)
        return taken


def _refilled(bucket: tuple[float, float], most: int, rate: int, now: float) -> float:
    left, since = bucket
    return min(float(most), left + max(0.0, now - since) * rate)
