"""Background answers to one request that wait for each other; the last to arrive is compared with the first."""

from dataclasses import dataclass, field

from shadow.compare.pair import ModelAnswer

MOST = 1024
"""Answers that may wait."""
MOST_BYTES = 64 * 1024 * 1024
"""What they may take of memory together."""


@dataclass(frozen=True, slots=True)
class WaitingAnswer:
    """One answer that waits for the other; None: there was none, so the other does not wait."""

    answer: ModelAnswer | None
    size_bytes: int


@dataclass(slots=True)
class Siblings:
    """Waiting answers, by exchange. Beyond the limits the oldest stop waiting; their pairs then lack a verdict."""

    _waiting: dict[str, WaitingAnswer] = field(default_factory=dict[str, WaitingAnswer], init=False)
    _bytes: int = field(default=0, init=False)

    def __len__(self) -> int:
        return len(self._waiting)

    def meet(self, exchange_id: str, answer: ModelAnswer | None, size_bytes: int) -> ModelAnswer | None:
        """The other answer to the same request, if it was here first; else this one waits for it."""
        first = self._waiting.pop(exchange_id, None)
        if first is not None:
            self._bytes -= first.size_bytes
            return first.answer
        self._waiting[exchange_id] = WaitingAnswer(answer, size_bytes)
        self._bytes += size_bytes
        while len(self._waiting) > MOST or self._bytes > MOST_BYTES:
            oldest = next(iter(self._waiting))
            self._bytes -= self._waiting.pop(oldest).size_bytes
        return None
