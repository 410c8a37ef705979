"""Relative latency: each of the candidate's units beside baseline units of its own block. One stage's pairs.

    X = share of the baseline units' requests beyond the line  -  share of the unit's beyond R times the line

Rules:
1. The null "X is at most 0 on average" is what a gate rejects. It holds for every line if the candidate takes R times
   as long as the baseline: a wrong line costs power, not validity.
2. No unit of the baseline is used twice; the latest are used, as many as the stage's weights allow.
3. What the candidate failed took for ever, for the certificate; for harm it was in time: to fail is the errors gate's.
4. What a block brought counts when it is over, and nothing of it if it is void: neither certificate nor harm.

Source: decisions-2, ruling 3.
"""

import math
from dataclasses import dataclass, field

from policies.baseline_line import beyond
from policies.histograms import MICRO
from policies.rules import PPM, Stage

PARTNERS = (10, 5, 4, 2, 1)
"""How many units of the baseline may stand beside one of the candidate's."""
HARM = 1.1
"""How much wider than the limit harm is certified at: at the limit itself it would be too often."""
MOST_WAITING = 1000
"""Units of the candidate that may wait for their partners; the oldest are left out."""

Found = tuple[int, int, int | None]
"""X at the limit and X at harm's, in millionths, and what the unit weighs."""


@dataclass(slots=True)
class LatencyPairs:
    """Pairs of the block that runs, and who is still alone in it. Mutable."""

    found: list[Found] = field(default_factory=list[Found])
    """Of this block, counted once it is over."""
    alone: list[int] = field(default_factory=list[int])
    """The latest units of the baseline without a partner: how much of each was beyond the line, in millionths."""
    waiting: list[Found] = field(default_factory=list[Found])
    """Units of the candidate without partners: how much was beyond the limit, and beyond harm's, and their weight."""

    def baseline(self, share: int, stage: Stage) -> None:
        """A unit of the baseline closed, with so much beyond the line."""
        self.alone.append(share)
        self._match(partners(stage))

    def candidate(self, taken_s: list[float], limit_s: float | None, weight: int | None, stage: Stage) -> None:
        """A unit of the candidate closed; without a limit there is nothing to say of it."""
        if limit_s is None:
            return
        n = len(taken_s)
        answered_s = [seconds for seconds in taken_s if seconds < math.inf]
        over, harmed = beyond(taken_s, limit_s), beyond(answered_s, HARM * limit_s)
        self.waiting.append((MICRO * over // n, MICRO * harmed // n, weight))
        del self.waiting[:-MOST_WAITING]
        self._match(partners(stage))

    def end(self, *, is_void: bool) -> list[Found]:
        """The block is over: what it brought, unless it was void."""
        found = [] if is_void else self.found
        self.found, self.alone, self.waiting = [], [], []
        return found

    def _match(self, k: int) -> None:
        """Put the latest baseline units beside those of the candidate that wait, in their order."""
        while self.waiting and len(self.alone) >= k:
            over, harmed, weight = self.waiting.pop(0)
            base = sum(self.alone[-k:]) // k
            del self.alone[-k:]
            self.found.append((base - over, base - harmed, weight))
        if not self.waiting:
            del self.alone[: -2 * k]


def partners(stage: Stage) -> int:
    """How many baseline units stand beside each of the candidate's: as many as the weights allow."""
    served = max(1, stage.served_ppm)
    return next((k for k in PARTNERS if k * served <= PPM - served), 1)
