"""No source and no template makes a dataset alone: of each, at most so many rows, drawn by their own hash.

Drawn, not the first ones: those would be the oldest. The same rows are drawn in every build, and of equal rows one.
"""

import heapq


class Cap:
    """The rows that each group may give, of all that it offers."""

    def __init__(self, most: int | None) -> None:
        """`most`: rows of one group; None: any number, and nothing is ever drawn."""
        self._most = most
        self._is_drawn = False
        self._drawn: dict[str, list[int]] = {}
        """By group: of the smallest hashes so far, negated, the largest first."""
        self._known: dict[str, set[int]] = {}

    @property
    def is_bound(self) -> bool:
        """Whether there is anything to draw."""
        return self._most is not None

    def offer(self, group: str, key: bytes) -> None:
        """A row of this hash could be taken; all are offered before they are drawn among."""
        if self._most is None:
            return
        value = int.from_bytes(key, "big")
        drawn, known = self._drawn.setdefault(group, []), self._known.setdefault(group, set())
        if value in known or (len(drawn) == self._most and value > -drawn[0]):
            return
        known.add(value)
        if len(drawn) < self._most:
            heapq.heappush(drawn, -value)
        else:
            known.discard(-heapq.heappushpop(drawn, -value))

    def close(self) -> None:
        """All that could be taken has been offered."""
        self._is_drawn = True

    def takes(self, group: str, key: bytes) -> bool:
        """Whether this row is among those that are drawn. Until all is offered, any is."""
        return not self._is_drawn or int.from_bytes(key, "big") in self._known.get(group, ())
