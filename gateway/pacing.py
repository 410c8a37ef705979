"""How fast bytes are read that no app waits for: a bound on what a peer that floods can make us do.

Source: the generic cell rate algorithm (ITU-T I.371), with bytes for cells.
"""


class Pace:
    """So many bytes at once, and so many a second after them, whoever of those that share it reads them."""

    def __init__(self, at_once_bytes: int, bytes_per_s: int) -> None:
        self._at_once_s = at_once_bytes / bytes_per_s
        self._per_s = bytes_per_s
        self._due_s = float("-inf")
        """When all that was read would have been read at the pace."""

    def after(self, size_bytes: int, now: float) -> float:
        """Seconds to read nothing, now that so much was read. `now`: monotonic."""
        self._due_s = max(self._due_s, now - self._at_once_s) + size_bytes / self._per_s
        return self.rest_s(now)

    def rest_s(self, now: float) -> float:
        """Seconds until what was read is worked off. `now`: monotonic."""
        return max(0.0, self._due_s - now)
