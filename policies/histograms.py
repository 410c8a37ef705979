"""Grids that turn measurements into integer counts, exactly: what is added up is whole numbers, in any order.

Scores: half-bins on a grid of hundredths. An even index is a value exactly on the grid, an odd one lies strictly
between two grid points; so a win, a tie and a loss stay what they are, and everything else can be rounded down for
a certificate and up for harm.

Latencies: bins 2 % wide. A unit of n requests adds `WHOLE / n` to each request's bin: an integer for n up to 20. The
last bin is of requests that were never answered.
"""

import math
from typing import TypeVar

import numpy as np

from policies.stats import Floats

GRID = 100
"""Grid points per unit of score."""
MICRO = 1_000_000
"""Scores are integers in millionths before they are averaged."""
WHOLE = math.lcm(*range(1, 21))
"""One unit's weight in a latency histogram, divisible by every number of requests a unit may have."""
STEP = math.log(1.02)
"""Width of a latency bin, in logarithms."""

_FASTEST = math.ceil(math.log(1e-6) / STEP)
_SLOWEST = math.ceil(math.log(1e6) / STEP)
_NEVER = _SLOWEST + 1

_Name = TypeVar("_Name", int, str)

Histogram = dict[int, int]
"""Counts by bin, empty bins left out. Merging is adding."""


def micro(score: float) -> int:
    """A score in millionths."""
    return round(score * MICRO)


def score_bin(total: int, n: int) -> int:
    """The half-bin of the mean of `n` scores that sum to `total` millionths."""
    floor, rest = divmod(total * GRID, n * MICRO)
    return 2 * floor + (rest > 0)


def latency_bin(seconds: float) -> int:
    """The bin whose upper edge is the first at or above `seconds` (> 0); a microsecond and 11 days are the ends."""
    if seconds <= 1e-6:
        return _FASTEST
    if seconds == math.inf:
        return _NEVER
    return min(math.ceil(math.log(seconds) / STEP - 1e-9), _SLOWEST)


def latency_edge(index: int) -> float:
    """The upper edge of a latency bin, in seconds."""
    return math.inf if index == _NEVER else math.exp(index * STEP)


def add(into: dict[_Name, int], name: _Name, more: int = 1) -> None:
    """Count once more."""
    into[name] = into.get(name, 0) + more


def merge(into: dict[_Name, int], other: dict[_Name, int]) -> None:
    """Add other counts."""
    for name, count in other.items():
        add(into, name, count)


def scores_down(histogram: Histogram, whole: int = 1) -> tuple[Floats, Floats]:
    """Values rounded down, and their counts, in order: for what must be certified from below.

    `whole` stands in the histogram for a unit.
    """
    bins = sorted(histogram)
    return np.array([index // 2 / GRID for index in bins]), np.array([histogram[index] / whole for index in bins])


def scores_up(histogram: Histogram, whole: int = 1) -> tuple[Floats, Floats]:
    """Values rounded up, and their counts, in order: for what must be certified from above. `whole` as before."""
    bins = sorted(histogram)
    return np.array([(index + 1) // 2 / GRID for index in bins]), np.array([histogram[index] / whole for index in bins])


def units_in(latencies: Histogram) -> float:
    """How many units a latency histogram holds."""
    return sum(latencies.values()) / WHOLE


def units_within(latencies: Histogram, limit_s: float) -> float:
    """How many units' worth of requests surely took at most `limit_s`."""
    last = math.floor(math.log(limit_s) / STEP + 1e-9)
    return sum(count for index, count in latencies.items() if index <= last) / WHOLE


def answered(latencies: Histogram) -> Histogram:
    """Without the requests that were never answered."""
    return {index: count for index, count in latencies.items() if index != _NEVER}


def aligned(one: Histogram, other: Histogram) -> tuple[Floats, Floats, int]:
    """Two latency histograms over the same consecutive bins, in units, and the first bin's index."""
    used = one.keys() | other.keys()
    first, last = min(used), max(used)
    bins = range(first, last + 1)
    return (
        np.array([one.get(index, 0) / WHOLE for index in bins]),
        np.array([other.get(index, 0) / WHOLE for index in bins]),
        first,
    )


def latency_quantile(latencies: Histogram, p: float) -> float | None:
    """The upper edge of the bin in which the p-quantile lies, in seconds; None when empty."""
    below, wanted = 0, p * sum(latencies.values())
    for index in sorted(latencies):
        below += latencies[index]
        if below >= wanted:
            return latency_edge(index)
    return None
