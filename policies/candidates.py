"""Several candidates on one mirrored sample: how they are called, what certifies one, and what that costs. Pure.

Each of a policy's `candidates` is a *contender*: a rollout of its own in the shadow, `ROUTE@NAME`, with its own
evidence against the baseline. One of them at most has any traffic.

Rules:
1. Whoever tries several is sooner lucky with one of them. So quality is certified by a closed test: a candidate's own
   e-value, averaged with those of any of the others, must reach 1/alpha, whichever others are taken.
   Source: closed testing, Marcus, Peritz & Gabriel 1976; averages of e-values, valid under any dependence, Vovk & Wang
   2021 (arXiv 1912.06116); decisions-2, ruling 7.
2. Of several quality gates and of slices that must hold the weakest speaks for a candidate: it is wrong to go on where
   any one of them is, and the least of several e-values is one for "one of them is wrong".
3. Only quality is corrected, and only in the shadow, where one is picked: all other gates must pass for the one.
"""

import math
from collections.abc import Iterable

MOST = 8
"""Candidates of one policy: for so many the errors are measured."""
_LONGER = (1.0, 1.18, 1.29, 1.45)
"""How many times the units of one alone nine of ten good candidates need, for 1, 2, 4, 8. Source: ruling 7."""
_AT = "@"


def contender_name(route: str, candidate: str) -> str:
    """What a candidate's rollout is called."""
    return f"{route}{_AT}{candidate}"


def route_of(name: str) -> str:
    """The route that a rollout is of: its name, without the candidate's."""
    return name.partition(_AT)[0]


def is_contender(name: str) -> bool:
    """Whether a rollout is of one of several candidates."""
    return _AT in name


def closed_log_e(own: float, others: Iterable[float]) -> float:
    """The log e-value by which one of several is certified: the least over r of the mean of its own and r others.

    The r least of them make the least mean. All are natural logarithms.
    """
    total = least = own
    for more, other in enumerate(sorted(others), 2):
        top = max(total, other)
        total = top + math.log(math.exp(total - top) + math.exp(other - top))
        least = min(least, total - math.log(more))
    return least


def longer(count: int) -> float:
    """How many times as many units a certificate takes among so many candidates."""
    steps = min(math.log2(max(1, count)), len(_LONGER) - 1)
    below = min(int(steps), len(_LONGER) - 2)
    return _LONGER[below] + (steps - below) * (_LONGER[below + 1] - _LONGER[below])
