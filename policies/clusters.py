"""How much one more conversation of the same user, or of the same prompt, has to say. Pure; standard library only.

The n-th unit of a cluster weighs w_n = n / (1 + (n - 1) rho) - (n - 1) / (1 + (n - 2) rho): the first 1, all together
less than 1 / rho. Its bin gets that weight, so an e-process of weighted units is the e-process of each cluster with an
exponent of at most one.

Source: the design effect, Kish 1965, applied to each cluster's exponent (decisions-2, ruling 4): exact for rho = 1,
else valid to first order while units of a cluster are alike by no more than rho, and measured beyond it.
"""

from policies.events import PairEvent
from policies.histograms import MICRO
from policies.rules import Units

MOST = 100_000
"""Clusters that are told apart; the rest together are one."""
REST = "rest"


def clusters_of(first: PairEvent, units: Units) -> list[tuple[str, float]]:
    """The clusters of a unit that begins with `first`, each with its rho.

    Its user alone, where one is known; else whoever was given the same name (a header's value, or a key and a prompt),
    and the prompt.
    """
    if first.user:
        return [(f"user {first.user}", units.rho_users)]
    named = [(f"unit {first.unit}", units.rho_users)]
    return [*named, (f"prompt {first.prompt}", units.rho_prompts)] if first.prompt else named


def next_weight(counted: dict[str, int], first: PairEvent, units: Units) -> int:
    """What the unit weighs, in millionths: the least by any of its clusters. It is counted in `counted`."""
    weights: list[int] = []
    for name, rho in clusters_of(first, units):
        known = name if name in counted or len(counted) < MOST else REST
        counted[known] = counted.get(known, 0) + 1
        weights.append(weight(counted[known], rho))
    return min(weights)


def weight(n: int, rho: float) -> int:
    """What the n-th unit of a cluster weighs, in millionths; each 1 where `rho` is 0."""
    return round(MICRO * (_worth(n, rho) - _worth(n - 1, rho)))


def worth(rho: float) -> float:
    """The most that one cluster's units are worth together, however many there are."""
    return float("inf") if rho == 0 else 1 / rho


def _worth(n: int, rho: float) -> float:
    return n / (1 + (n - 1) * rho) if n else 0.0
