"""Names that are counted apart, as many as fit: outputs and units. Further ones are counted together. Pure."""

import heapq

from policies import histograms

MOST = 100_000
"""Names that are counted apart."""
OTHERS = "others"
TOLD = 100
"""Names, the commonest, that a decision's record still counts apart."""


def add(into: dict[str, int], name: str) -> None:
    """Count once more."""
    histograms.add(into, name if name in into or len(into) < MOST else OTHERS)


def most_common(names: dict[str, int]) -> int:
    """How often the commonest of the names that are counted apart was counted."""
    if OTHERS not in names:  # nearly always; this is asked at each look
        return max(names.values(), default=0)
    return max((times for name, times in names.items() if name != OTHERS), default=0)


def squares(names: dict[str, int]) -> int:
    """The sum of squares of how often each name was counted: of those counted together each came once, at least."""
    return sum(times * times for name, times in names.items() if name != OTHERS) + names.get(OTHERS, 0)


def commonest(names: dict[str, int]) -> dict[str, int]:
    """The commonest names, the others counted together."""
    if len(names) <= TOLD:
        return dict(names)
    told = heapq.nsmallest(TOLD, names.keys() - {OTHERS}, key=lambda name: (-names[name], name))
    kept = {name: names[name] for name in told}
    return kept | {OTHERS: sum(names.values()) - sum(kept.values())}
