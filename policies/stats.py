"""The statistics: e-processes, and the confidence sequences they define. Every formula names its source.

An e-process for a null hypothesis starts at 1 and, while the null is true, is not expected to grow whenever one
looks. By Ville's inequality it ever reaches 1/alpha with probability at most alpha. So reaching 1/alpha rejects the
null, and looking after every unit costs nothing. A confidence sequence is the set of nulls not rejected.

All state is counts per value: evidence merges by addition and does not depend on order. Logarithms are natural.
Counts may be fractions of a unit (a conversation of four requests gives each a quarter): every e-process here is
then at most what the unit's mean would give, because the logarithm is concave, and so stays valid.
"""

import functools
import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from policies.rules import BETS, BETS_BEFORE, Bets

Floats = NDArray[np.float64]

_PLANNED: dict[Bets, tuple[tuple[float, float], tuple[float, float], float]] = {
    BETS_BEFORE: ((7, 40), (16, 40), 6),
    BETS: ((5.5, 30), (14.5, 25), 5.4),
}
"""By grid of bets: a and b of n50 = a (sd / gap)^2 + b, the same of n90, and c of the least, c / gap."""

ALPHA = 0.05
"""What gates are held to by default; the rules of planning were fitted at it."""
_WALL = math.log(1 / ALPHA)
_HALF_Z, _MOST_Z = (0.0, _WALL - 0.25), (1.28, _WALL - 0.62)
"""For a chance of a half and of nine in ten: the normal quantile, and what 1/alpha = 20 comes to by the rules above."""
_WAYS = np.arange(1, 9) / 8
_DEPTH = 9
_TINY = 1e-12


@functools.cache
def grid(bets: Bets) -> Floats:
    """The shares that are bet, rising."""
    return np.geomspace(bets.least, bets.most, bets.n)


def log_e_means(values: Floats, counts: Floats, means: Floats, *, lo: float, bets: Bets = BETS) -> Floats:
    """Log e-values against each null "the mean is at most m", for `counts` units seen at `values` >= `lo` < m.

    log E(m) = log mean_j prod_t (1 + f_j (x_t - m) / (m - lo)). Decreasing in m.

    Source: Waudby-Smith & Ramdas 2023, "Estimating means of bounded random variables by betting" (arXiv 2010.09686),
    mixed over a fixed grid of bets as in Orabona & Jun 2021 (arXiv 2110.14099).
    """
    returns = (values - means[:, None]) / (means[:, None] - lo)
    capital = np.log1p(grid(bets)[:, None, None] * returns) @ counts
    top = capital.max(axis=0)
    return top + np.log(np.exp(capital - top).mean(axis=0))


def log_e_mean(values: Floats, counts: Floats, mean: float, *, lo: float, bets: Bets = BETS) -> float:
    """`log_e_means` for one null."""
    return float(log_e_means(values, counts, np.array([mean]), lo=lo, bets=bets)[0])


def lower_mean(values: Floats, counts: Floats, alpha: float, *, lo: float, hi: float, bets: Bets = BETS) -> float:
    """The lower confidence sequence of a mean in [lo, hi]: every mean below is rejected at `alpha`."""
    wall = -math.log(alpha)
    return _last(lambda means: log_e_means(values, counts, means, lo=lo, bets=bets) >= wall, lo, hi)


def upper_mean(values: Floats, counts: Floats, alpha: float, *, lo: float, hi: float, bets: Bets = BETS) -> float:
    """The upper confidence sequence of a mean in [lo, hi], by reflection."""
    return -lower_mean(-values, counts, alpha, lo=-hi, hi=-lo, bets=bets)


def log_beta_e(s: float, n: float, p: float, *, a: float = 0.5, b: float = 0.5) -> float:
    """Log e-value against the null "the probability is p" after `s` successes in `n`, mixed over Beta(a, b).

    Convex in p, least at s / n.

    Source: Robbins 1970; Howard, Ramdas, McAuliffe & Sekhon 2021 (arXiv 1810.08240), eq. 3.7 and appendix A.3.
    """
    lost = s * math.log(p) if s else 0.0
    lost += (n - s) * math.log1p(-p) if n > s else 0.0
    return _log_beta(a + s, b + n - s) - _log_beta(a, b) - lost


def proportion_interval(s: float, n: float, alpha: float) -> tuple[float, float]:
    """The confidence sequence of a probability, both sides together at `alpha`, mixed over Beta(1/2, 1/2)."""
    if not n:
        return 0.0, 1.0
    wall = -math.log(alpha)
    seen = s / n
    lower = _bisect(lambda p: log_beta_e(s, n, p) >= wall, 0.0, seen)[0] if s else 0.0
    upper = _bisect(lambda p: log_beta_e(s, n, p) < wall, seen, 1.0)[1] if n > s else 1.0
    return lower, upper


def log_e_difference(candidate: tuple[float, float], baseline: tuple[float, float], margin: float) -> float:
    """Log e-value against "the candidate's probability is at least the baseline's plus `margin`"; each is (s, n).

    Under each pair of probabilities, the mean of the arms' e-processes and of their product is a martingale of start
    1; the e-value is its least over all pairs in the null: for each baseline the candidate's is what was seen, or the
    nearest the null allows. The mean costs log 3 at most, and is near the best of its three at every share.

    Source: the least over the null as in Howard & Ramdas 2022 (arXiv 1906.09712), section 4; averaging e-values,
    Vovk & Wang 2021 (arXiv 1912.06116).
    """
    (s, n), (t, m) = candidate, baseline
    if not n or not m:
        return 0.0
    even = _log_beta(0.5, 0.5)
    ours, theirs = _log_beta(s + 0.5, n - s + 0.5) - even, _log_beta(t + 0.5, m - t + 0.5) - even

    def pooled(p: Floats) -> Floats:
        x, y = np.clip(np.maximum(p + margin, s / n), _TINY, 1 - _TINY), np.clip(p, _TINY, 1 - _TINY)
        return _pool(
            ours - s * np.log(x) - (n - s) * np.log1p(-x),
            theirs - t * np.log(y) - (m - t) * np.log1p(-y),
        )

    return _least(pooled, 0.0, min(1.0, 1.0 - margin))


def _pool(a: Floats, b: Floats) -> Floats:
    """The log of the mean of two independent e-values and their product."""
    return np.logaddexp(np.logaddexp(a, b), a + b) - math.log(3)


def difference_interval(
    candidate: tuple[float, float], baseline: tuple[float, float], alpha: float
) -> tuple[float, float]:
    """The confidence sequence of baseline's less candidate's probability; each side holds at `alpha`."""
    (s, n), (t, m) = candidate, baseline
    if not n or not m:
        return -1.0, 1.0
    wall = -math.log(alpha)
    seen = t / m - s / n
    lower = _bisect(lambda d: log_e_difference(candidate, baseline, -d) >= wall, -1.0, seen, steps=24)[0]
    kept, others = (n - s, n), (m - t, m)
    upper = _bisect(lambda d: log_e_difference(kept, others, d) < wall, seen, 1.0, steps=24)[1]
    return lower, upper


def quantile_weight(p: float) -> float:
    """How sharply the quantile sequence is tuned: 10 for the median, 30 for p95, 100 for p99 (decisions, B.3)."""
    return 10.0 if p <= 0.5 else 30.0 if p <= 0.95 else 100.0


def log_quantile_e(below: Floats, n: float, p: float) -> Floats:
    """Log e-values against the nulls "x is the p-quantile", for `below` of `n` units at or under x.

    Source: Howard & Ramdas 2022, "Sequential estimation of quantiles" (arXiv 1906.09712), eq. 12.
    """
    weight = quantile_weight(p)
    return np.array([log_beta_e(float(s), n, p, a=weight * p, b=weight * (1 - p)) for s in below])


def quantile_interval(counts: Floats, p: float, alpha: float) -> tuple[int | None, int | None]:
    """Between which bins the p-quantile lies, both sides together at `alpha`; `counts` are consecutive bins.

    The quantile is above the upper edge of bin `lower` and at or under the upper edge of bin `upper`; None: no bound.
    """
    below = np.cumsum(counts)
    n = float(below[-1])
    rejected = log_quantile_e(below, n, p) >= -math.log(alpha)
    under = np.flatnonzero(rejected & (below < p * n))
    over = np.flatnonzero(rejected & (below > p * n))
    return int(under[-1]) if under.size else None, int(over[0]) if over.size else None


def log_e_quantile_ratio(candidate: Floats, baseline: Floats, p: float, *, steps: float) -> tuple[float, float]:
    """Log e-values of "the candidate's p-quantile is at most R times the baseline's", and of the opposite.

    Counts are over the same bins, each R**(1 / steps) times as wide as the one before. The first number rejects
    "greater than R times", the second "at most R times". Each is the least, over all pairs of bins that the null
    allows the two quantiles to lie in, of the arms' pooled e-values.

    Source: Howard & Ramdas 2022 (arXiv 1906.09712), section 4.
    """
    ours, theirs = _per_bin(candidate, p), _per_bin(baseline, p)
    bins = np.arange(ours.size)
    from_right = np.minimum.accumulate(ours[::-1])[::-1]
    first = np.clip(np.floor(steps + bins - 1).astype(np.int64) + 1, 0, ours.size - 1)
    last = np.clip(np.ceil(steps + bins).astype(np.int64), 0, ours.size - 1)
    from_left = np.minimum.accumulate(ours)
    return float(_pool(theirs, from_right[first]).min()), float(_pool(theirs, from_left[last]).min())


def _per_bin(counts: Floats, p: float) -> Floats:
    """For each bin, and the open one above, the least log e-value of "the p-quantile lies in it"."""
    below = np.concatenate([[0.0], np.cumsum(counts)])
    n = float(below[-1])
    upper = np.append(below[1:], n)
    # log_quantile_e is convex in the count, least where it is about p n + 1/2 - p
    return log_quantile_e(np.clip(p * n + 0.5 - p, below, upper), n, p)


def log_e_share(s: float, n: float, share: float, *, weight: float = 1000.0) -> float:
    """Log e-value against "each of `n` units went to the candidate with probability `share`" (sample ratio mismatch).

    Source: Lindon & Malek 2022, "Anytime-valid inference for multinomial count data" (arXiv 2011.03567), eq. 6.
    """
    return log_beta_e(s, n, share, a=weight * share, b=weight * (1 - share))


def asymptotic_halfwidth(n: float, sd: float, alpha: float, *, tuned_for: float = 500.0) -> float:
    """Half the width of a one-sided asymptotic confidence sequence. For display of costs only: it is not exact.

    Source: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024 (arXiv 2103.06476), eq. 134.
    """
    logs = -2 * math.log(2 * alpha)
    r2 = (logs + math.log(logs + 1)) / tuned_for
    spread = n * r2 + 1
    return sd * math.sqrt(2 * spread / (n * n * r2) * math.log1p(math.sqrt(spread) / (2 * alpha)))


def corrected_score(judge: float, label: float | None, *, share: float, trust: float = 1.0) -> float:
    """A judge's score corrected by a person's, asked with probability `share`: its mean is the person's mean.

    D = trust J + (xi / share) (H - trust J), whatever the judge's bias. `trust` is fixed beforehand.

    Source: Zrnic & Candès 2024, "Active statistical inference", eq. 2; anytime-valid by betting on D / B, as in
    Csillag, Struchiner & Tegoni Goedert 2025 (arXiv 2502.04294).
    """
    seen = trust * judge
    return seen if label is None else seen + (label - seen) / share


def corrected_bound(*, share: float, trust: float = 1.0) -> float:
    """The largest absolute value of `corrected_score` for scores in [-1, 1]: the gate's scale."""
    return (1 + trust * (1 - share)) / share


def units_needed(sd: float, gap: float, *, power: float = 0.9, bets: Bets = BETS, alpha: float = ALPHA) -> int | None:
    """Units after which the certificate holds in `power` (0.9 or 0.5) of runs, `gap` being mean less limit.

    None if no number would do. A rule fitted to simulations, good within 20 % (decisions-2, ruling 6); where next to
    nothing varies, what the largest bet needs to earn 1/alpha is more: log(n / 0.05) / log(1 + most gap), near c / gap.
    `alpha`: what is to be earned rises by its logarithm; from 0.1 to 0.001 good within 20 %, too.
    """
    if gap <= 0:
        return None
    half, most, least = _PLANNED.get(bets, _PLANNED[BETS])
    times, more = most if power > 0.5 else half
    z, begun = _MOST_Z if power > 0.5 else _HALF_Z
    stricter = math.log(ALPHA / alpha)
    longer = (_earned(z, begun + stricter) / _earned(z, begun)) ** 2
    return math.ceil(max(times * longer * (sd / gap) ** 2 + more, least * (1 + stricter / _WALL) / gap))


def first_of(count: int, sd: float, gap: float, alpha: float = ALPHA) -> int | None:
    """Units of each after which the first of so many equal ones, half of them good, is certified in half of the runs.

    None if no number would do. All of them share alpha, and the luckiest of the good is the first.
    """
    if gap <= 0:
        return None
    z = NormalDist().inv_cdf(1 - 0.5 ** (1 / max(1, count // 2)))
    return math.ceil((_earned(z, _HALF_Z[1] + math.log(count * ALPHA / alpha)) * sd / gap) ** 2)


def _earned(z: float, wall: float) -> float:
    """The root x of x^2 / 2 - z x = wall: x^2 (sd / gap)^2 units earn a log of `wall`, z standard errors behind."""
    return z + math.sqrt(z * z + 2 * wall)


def _last(holds: Callable[[Floats], NDArray[np.bool_]], lo: float, hi: float) -> float:
    """The last point of [lo, hi] at which `holds` is still true, from below; it is true first, then false."""
    for _ in range(_DEPTH):
        points = lo + (hi - lo) * _WAYS
        index = int(holds(points).sum())
        hi = float(points[index]) if index < points.size else hi
        lo = float(points[index - 1]) if index else lo
    return lo


def _least(convex: Callable[[Floats], Floats], lo: float, hi: float) -> float:
    """The least value of a function that falls and then rises over [lo, hi]."""
    least = math.inf
    for _ in range(_DEPTH):
        points = np.linspace(lo, hi, 17)
        heights = convex(points)
        best = int(heights.argmin())
        least = min(least, float(heights[best]))
        lo, hi = float(points[max(best - 1, 0)]), float(points[min(best + 1, 16)])
    return least


def _bisect(holds: Callable[[float], bool], lo: float, hi: float, *, steps: int = 50) -> tuple[float, float]:
    """The last point at which `holds` is true and the first at which it is false, as near as `steps` halvings bring."""
    for _ in range(steps):
        middle = (lo + hi) / 2
        if not lo < middle < hi:
            break
        if holds(middle):
            lo = middle
        else:
            hi = middle
    return lo, hi


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
