"""Runs of the field, where the assumptions of a plain test break: verdicts that are missing, users who come again.

Vectorised and seeded. Each law gives scores at the limit or beside it, and what the engine makes of them: the same
numbers that `policies.scores` and `policies.clusters` make of events, which `test_field.py` holds together.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from policies import clusters
from policies.baseline_line import BLOCKS, void_share
from policies.concurrent import HARM
from policies.histograms import MICRO
from tests.acceptance.decisions.measures import BETS, WALL, first_certified, three_points
from tests.acceptance.decisions.streams import Array

Rng = np.random.Generator


# Missing verdicts (ruling 2) --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hidden:
    """True scores, and which of them nobody was given a verdict on."""

    scores: Array
    missing: np.ndarray

    def counted(self, worth: float | None) -> Array:
        """What is counted of each unit: a missing one is worth `worth`; None: it is left out, as a tie of no weight."""
        return np.where(self.missing, np.nan if worth is None else worth, self.scores)


def hidden(rng: Rng, reps: int, n: int, *, mean: float, share: float, bad_ones: bool) -> Hidden:
    """Scores of which a share has no verdict: exactly the bad ones, or any."""
    scores = three_points(rng, reps, n, mean=mean, sd=0.4)
    lost = rng.random((reps, n))
    if not bad_ones:
        return Hidden(scores, lost < share)
    losing = float((scores < 0).mean())
    return Hidden(scores, (scores < 0) & (lost < share / losing))


def certified_counting(found: Hidden, worth: float | None, *, margin: float = 0.05) -> Array:
    """After how many pairs each run is certified if missing ones count so; inf: never."""
    counted = found.counted(worth)
    if worth is not None:
        return first_certified(counted, -margin, -1.0)
    left_out = np.isnan(counted)
    return first_certified(np.where(left_out, -margin, counted), -margin, -1.0)  # on the limit: no evidence at all


# Users and prompts that come again (ruling 4) ---------------------------------------------------------------------


def recurring(rng: Rng, reps: int, n: int, *, clusters_: int, icc: float, mean: float) -> tuple[Array, np.ndarray]:
    """Scores of sessions, alike within a user as an intraclass correlation says, and whose session each is."""
    own = _own_mean(rng, (reps, clusters_), icc, mean)
    whose = rng.integers(0, clusters_, (reps, n))
    means = np.take_along_axis(own, whose, axis=1)
    return np.where(rng.random((reps, n)) < (1 + means) / 2, 1.0, -1.0) * _SCALE, whose


_SCALE = 0.5
"""Scores are a half up or down: a standard deviation of 0.5."""


def _own_mean(rng: Rng, size: tuple[int, int], icc: float, mean: float) -> Array:
    p = (1 + mean / _SCALE) / 2
    if icc >= 1:
        return np.where(rng.random(size) < p, 1.0, -1.0)
    strength = (1 - icc) / icc
    return 2 * rng.beta(p * strength, (1 - p) * strength, size) - 1


def ranks(whose: np.ndarray) -> np.ndarray:
    """The how-manieth of its cluster each unit is, from 1."""
    reps, n = whose.shape
    order = np.argsort(whose, axis=1, kind="stable")
    sorted_ = np.take_along_axis(whose, order, axis=1)
    new = np.ones((reps, n), dtype=bool)
    new[:, 1:] = sorted_[:, 1:] != sorted_[:, :-1]
    starts = np.maximum.accumulate(np.where(new, np.arange(n), 0), axis=1)
    found = np.empty((reps, n), dtype=np.int64)
    np.put_along_axis(found, order, np.arange(n) - starts + 1, axis=1)
    return found


def weights(whose: np.ndarray, rho: float) -> Array:
    """What each unit weighs."""
    rank = ranks(whose)
    table = np.array([0, *(clusters.weight(n, rho) for n in range(1, int(rank.max()) + 1))]) / MICRO
    return table[rank]


def certified_weighted(scores: Array, weight: Array, *, margin: float = 0.05) -> Array:
    """After how many units each run is certified, each unit with its weight; the plain mean must be inside, too."""
    parts = np.array_split(np.arange(len(scores)), max(1, len(scores) // 25))
    return np.concatenate([_weighted(scores[part], weight[part], margin) for part in parts])


def _weighted(scores: Array, weight: Array, margin: float) -> Array:
    down = np.floor(scores * 100 + 1e-9) / 100
    top: Array | None = None
    logs = [
        np.cumsum(weight * np.log1p(bet * (down + margin) / (1 - margin)), axis=1) for bet in BETS
    ]  # one bet at a time: all together would take gigabytes
    for each in logs:
        top = each if top is None else np.logaddexp(top, each)
    assert top is not None
    inside = np.cumsum(scores, axis=1) > -margin * np.arange(1, scores.shape[1] + 1)
    reached = (top - math.log(len(BETS)) >= WALL) & inside
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1.0, np.inf)


# Relative latency (ruling 3) --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Speeds:
    """How long both take, as multiples of the baseline's usual median, and what is asked."""

    candidate: float = 1.0
    """The candidate's p-quantile over the baseline's."""
    spread: float = 1.0
    """The candidate's spread (of logarithms) over the baseline's."""
    swing: float = 1.0
    """Both, from the lowest to the highest of a day of twelve blocks."""
    ill: tuple[int, int, float] = (0, 0, 1.0)
    """From which block to which the baseline is slower, and how much; blocks before a line is known are negative."""
    both_ill: bool = False
    p: float = 0.95
    pooled: bool = False
    """`candidate` is of the quantiles of a whole day's requests, and not of each hour's."""
    ratio: float = 1.2
    k: int = 3


@dataclass(frozen=True)
class LatencyRuns:
    """What came of each run: after how many units it was certified, and harm."""

    certified: Array
    harmed: Array
    naive: Array
    """With a limit that is frozen on the baseline's first thousand requests."""
    by_days: Array
    """As certified, looked at only when a day of twelve blocks is over."""


BLOCK = 250
SIGMA = 0.6


def latency_runs(rng: Rng, reps: int, units: int, speeds: Speeds, *, harm_alpha: float = 0.01 / 3) -> LatencyRuns:
    """Runs of single-request units, block by block; what a block brought counts once it is over."""
    z = NormalDist().inv_cdf(speeds.p)
    per, spread = BLOCK // speeds.k, SIGMA * speeds.spread
    shift = math.log(speeds.candidate) + z * (SIGMA - spread)  # so that the p-quantiles are in the asked ratio
    shift = _pooled_shift(speeds, spread) if speeds.pooled else shift
    known: list[Array] = []
    firsts = [np.full(reps, np.inf) for _ in range(4)]
    counts = [np.zeros((reps, len(_GRID))) for _ in range(3)]
    frozen: Array | None = None
    seen = 0
    block = -BLOCKS
    while seen < units:
        day = math.exp(_swing(speeds, block))
        ill = speeds.ill[2] if speeds.ill[0] <= block < speeds.ill[1] else 1.0
        base = day * ill * np.exp(SIGMA * rng.standard_normal((reps, speeds.k, per)))
        line = np.median(np.array(known[-168:]), axis=0) if block >= 0 else None
        if block >= 0 and line is not None:
            ours = day * (ill if speeds.both_ill else 1.0) * np.exp(shift + spread * rng.standard_normal((reps, per)))
            slow = base > line[:, None, None]
            void = slow.mean(axis=(1, 2)) > void_share(speeds.p)
            beside = slow.mean(axis=1)
            for which, wide in ((0, 1.0), (1, HARM)):
                x = beside - (ours > wide * speeds.ratio * line[:, None])
                _count(counts[which], np.where(void[:, None], np.nan, x))
            assert frozen is not None
            _count(counts[2], (ours <= speeds.ratio * frozen[:, None]) - speeds.p)
            seen += per
            for which, (sign, alpha) in enumerate(((1, 0.05), (-1, harm_alpha), (1, 0.05))):
                lo = -1.0 if which < 2 else -speeds.p
                log_e = _log_e(counts[which], sign, lo)
                reached = log_e >= -math.log(alpha)
                firsts[which] = np.where(reached & np.isinf(firsts[which]), seen, firsts[which])
                if not which and block % _DAY == _DAY - 1:
                    firsts[3] = np.where(reached & np.isinf(firsts[3]), seen, firsts[3])
        known.append(np.quantile(base.reshape(reps, -1), speeds.p, axis=1))
        if block == -BLOCKS + 3:  # the first thousand requests
            frozen = np.mean(known[:4], axis=0)
        block += 1
    return LatencyRuns(*firsts)


_DAY = 12
"""Blocks."""


def _swing(speeds: Speeds, block: int) -> float:
    """How much slower than at the day's best both are in a block, as a logarithm."""
    return math.log(speeds.swing) * 0.5 * (1 + math.sin(2 * math.pi * block / _DAY))


def _pooled_shift(speeds: Speeds, spread: float) -> float:
    """What makes the candidate's quantile over a whole day the asked multiple of the baseline's."""
    swings, usual = [_swing(speeds, block) for block in range(_DAY)], NormalDist()

    def within(limit: float, shift: float, sd: float) -> float:
        return sum(usual.cdf((limit - swing - shift) / sd) for swing in swings) / _DAY

    limit = _root(lambda x: within(x, 0.0, SIGMA) - speeds.p) + math.log(speeds.candidate)
    return _root(lambda x: speeds.p - within(limit, x, spread))


def _root(rising: Callable[[float], float], low: float = -10.0, high: float = 10.0) -> float:
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return low


_GRID = np.arange(-100, 101) / 100


def _count(counts: Array, x: Array) -> None:
    bins = np.floor(np.nan_to_num(x, nan=5.0) * 100 + 1e-9).astype(int) + 100
    for row in range(len(counts)):
        counts[row] += np.bincount(bins[row][bins[row] <= 200], minlength=201)[:201]


def _log_e(counts: Array, sign: int, lo: float) -> Array:
    """Against "the mean is at most 0" of what was counted, or of its opposite."""
    growth = np.log1p(np.maximum(BETS[:, None] * sign * _GRID / -lo, -0.999999))
    capital = counts @ growth.T
    top = capital.max(axis=1)
    return top + np.log(np.exp(capital - top[:, None]).mean(axis=1))


# Likeness against the noise floor (ruling 1) ----------------------------------------------------------------------


def alike_runs(
    rng: Rng, reps: int, n: int, *, itself: float, less: float = 0.0, wild: bool = False
) -> tuple[Array, Array]:
    """Scores of a candidate that agrees with the baseline `less` than the baseline with itself; and today's naive ones.

    Each prompt has a commonest answer that a draw gives with chance a, else one of its own: two draws agree with chance
    a^2. `wild`: some prompts vary freely and all others never do.
    """
    agree = np.full((reps, n), itself)
    if wild:
        share = (1 - itself) / 0.9
        agree = np.where(rng.random((reps, n)) < share, 0.1, 1.0)
    same = np.sqrt(agree)
    b, again = (rng.random((reps, n)) < same for _ in range(2))
    c = (rng.random((reps, n)) < same) & (rng.random((reps, n)) >= less / itself)
    floor, first, cross = b & again, c & b, c & again
    return (first.astype(float) + cross) / 2 - floor, first - 1.0
