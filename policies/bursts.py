"""What of one conversation is news to a detector: failures come in bursts, its pairs are alike. Pure.

Rules:
1. After a failure of a conversation was counted, its further failures within `spare_s` are left out; its successes
   count. Bad requests are only removed, so the bound on false alarms holds.
2. A conversation's n-th pair enters a detector of scores with the exponent that its n-th unit would have in a
   certificate (`policies.clusters`): an exponent of at most 1 keeps the bound, by Jensen.

Source: decisions-2, ruling 5; e-detectors, Shin, Ramdas & Rinaldo 2023 (arXiv 2203.03532), definition 2.7.
"""

from dataclasses import dataclass, field
from typing import TypeVar

from policies import clusters
from policies.histograms import MICRO

_Known = TypeVar("_Known", int, float)
MOST = 10_000
"""Conversations that are remembered; beyond it those that failed or spoke longest ago are forgotten."""


@dataclass(slots=True)
class Bursts:
    """What was heard of conversations lately, in the leader's order."""

    failed_at: dict[str, float] = field(default_factory=dict[str, float])
    """When a failure was last counted, by detector and conversation."""
    pairs: dict[str, int] = field(default_factory=dict[str, int])
    """How many pairs were heard, by detector and conversation."""

    def is_news(self, detector: str, unit: str, at: float, *, spare_s: float) -> bool:
        """Whether a failure counts; `spare_s` 0: each does. One that counts is remembered."""
        if not spare_s:
            return True
        name = f"{detector} {unit}"
        before = self.failed_at.get(name)
        if before is not None and abs(at - before) < spare_s:
            return False
        _remember(self.failed_at, name, at)
        return True

    def weight(self, detector: str, unit: str, *, rho: float) -> float:
        """The exponent of a conversation's next pair; `rho` 0: always 1."""
        if not rho:
            return 1.0
        name = f"{detector} {unit}"
        n = self.pairs.get(name, 0) + 1
        _remember(self.pairs, name, n)
        return clusters.weight(n, rho) / MICRO


def _remember(known: dict[str, _Known], name: str, value: _Known) -> None:
    """Keep it as the latest; the oldest of too many goes."""
    known.pop(name, None)
    known[name] = value
    if len(known) > MOST:
        del known[next(iter(known))]
