"""What the acceptance tests measure, at any number of repetitions: seeded, vectorised, and tied to the real code.

The running e-value of many streams at once is the same product that `policies.stats` takes over a histogram;
`test_streams_are_what_gates_compute` holds the two together.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np

from policies import stats
from policies.detectors import BETS as DETECTOR_BETS
from policies.rules import Stage
from tests.acceptance.decisions.streams import Array

WALL = math.log(20)
BETS = stats.grid(stats.BETS)
LEAST = Stage(0).min_units
"""Units before which no stage is left, whatever its gates say."""
CERTIFIED_AT = 594
"""Units without any error after which the errors gate certifies 1 pp."""


def running_log_e(scores: Array, limit: float, lo: float) -> Array:
    """Log e after every unit, for each row of `scores`.

    Means are rounded down to hundredths, as evidence rounds them; a rate's fractions are split as the latency gate
    splits them.
    """
    if lo == 0:
        hit, miss = np.log1p(BETS * (1 - limit) / limit), np.log1p(-BETS)
        capital = np.cumsum(scores[..., None] * hit + (1 - scores[..., None]) * miss, axis=1)
    else:
        down = np.floor(scores * 100 + 1e-9) / 100
        capital = np.cumsum(np.log1p(BETS * ((down - limit) / (limit - lo))[..., None]), axis=1)
    top = capital.max(axis=2)
    return top + np.log(np.exp(capital - top[..., None]).mean(axis=2))


def first_certified(scores: Array, limit: float, lo: float, *, least: int = 1) -> Array:
    """After how many units each row is certified, not before `least`; inf: never."""
    parts = np.array_split(scores, max(1, len(scores) // 50))
    return np.concatenate([_first(running_log_e(part, limit, lo) >= WALL, least) for part in parts])


def _first(reached: np.ndarray, least: int) -> Array:
    reached = reached.copy()
    reached[:, : least - 1] = False
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1.0, np.inf)


def first_by_peeking(scores: Array, limit: float, *, every: int = 50) -> Array:
    """When a plain z-test at 5 %, looked at every so many units, first says "better than the limit"; inf: never."""
    return _first(_passes_z(scores, limit, every), 1)


def _passes_z(scores: Array, limit: float, every: int) -> np.ndarray:
    n = np.arange(1, scores.shape[1] + 1)
    mean = np.cumsum(scores, axis=1) / n
    variance = np.maximum(np.cumsum(scores**2, axis=1) / n - mean**2, 1e-12)
    z = (mean - limit) / np.sqrt(variance / n)
    return (z > 1.645) & (n % every == 0) & (variance > 1e-9)


def first_alarm(badness: Array, tolerance: float, *, lo: float = 0.0, arl: float = 1e4) -> Array:
    """After how many observations the detector alarms in each row; inf: never."""
    reps, n = badness.shape
    bets = np.array(DETECTOR_BETS)
    heights = np.zeros((reps, len(bets)))
    alarm = np.full(reps, np.inf)
    for t in range(n):
        edge = (badness[:, t] - tolerance) / (tolerance - lo)
        heights = np.minimum((1 + bets * edge[:, None]) * (heights + 1), 1e300)
        raised = (heights.mean(axis=1) >= arl) & np.isinf(alarm)
        alarm[raised] = t + 1
        if not np.isinf(alarm).any():
            break
    return alarm


def redeployed(rng: np.random.Generator, reps: int, good: Array, bad: Array) -> Array:
    """Units until the alarm after a thousand of a good model and a switch to a bad one; negative: before the switch.

    The canary begins, with fresh detectors, at the first unit at which a shadow without errors can be certified; from
    there on the candidate is held to its certified bound, as `policies.rollout` does.
    """
    found = np.empty(reps)
    values = np.array([-1.0, 0.0, 1.0])
    for rep in range(reps):
        story = np.concatenate([rng.permutation(good)[:1000], rng.permutation(bad)])
        counts = np.array([(story[:CERTIFIED_AT] == value).sum() for value in values], dtype=float)
        assert stats.log_e_mean(values, counts, -0.05, lo=-1.0) >= WALL
        certified = stats.lower_mean(values, counts, 0.05, lo=-1.0, hi=1.0)
        tolerance = min(0.05, max(0.0, -certified))
        found[rep] = first_alarm(-story[None, CERTIFIED_AT:], tolerance, lo=-1.0)[0] + CERTIFIED_AT - 1000
    return found


def share(hits: Array) -> float:
    """The part of runs that ended."""
    return float(np.isfinite(hits).mean())


def at_most_five_percent(hits: Array) -> bool:
    """Whether the part of runs that ended is no evidence (p < 0.001) against 5 %."""
    n = len(hits)
    return share(hits) <= 0.05 + 3.09 * math.sqrt(0.05 * 0.95 / n)


def three_points(rng: np.random.Generator, reps: int, n: int, *, mean: float, sd: float) -> Array:
    """Win, tie, loss with this mean and standard deviation."""
    spread = sd * sd + mean * mean
    losing, winning = (spread - mean) / 2, (spread + mean) / 2
    u = rng.random((reps, n))
    return np.where(u < losing, -1.0, np.where(u < losing + winning, 1.0, 0.0))


def clustered(rng: np.random.Generator, reps: int, n: int, *, turns: int, icc: float) -> Array:
    """Per-turn scores (reps, n, turns) of mean -0.05 and sd 0.45, alike within a conversation."""
    own = rng.beta(0.5 * (1 - icc) / icc, 0.5 * (1 - icc) / icc, (reps, n, 1))
    return np.where(rng.random((reps, n, turns)) < own, 0.40, -0.50)


def three_gates(rng: np.random.Generator, reps: int, n: int, *, at_limit: str = "") -> tuple[Array, Array]:
    """After how many pairs a good candidate is certified by quality, errors and latency at once; inf: never by n.

    `at_limit` names a gate on whose limit the candidate really is. Beside it: the same by peeking.
    """
    ours, naive = np.full(reps, np.inf), np.full(reps, np.inf)
    for rep in range(reps):
        quality = three_points(rng, 1, n, mean=-0.05 if at_limit == "quality" else 0.0, sd=0.4)
        more = 0.01 if at_limit == "errors" else 0.0
        errors = (rng.random((1, n)) < 0.005).astype(float) - (rng.random((1, n)) < 0.005 + more)
        latency = (rng.random((1, n)) > (0.05 if at_limit == "latency" else 0.02)).astype(float)
        gates = (quality, -0.05, -1.0), (errors, -0.01, -1.0), (latency, 0.95, 0.0)
        ours[rep] = _first(np.all([running_log_e(*gate) >= WALL for gate in gates], axis=0), LEAST)[0]
        naive[rep] = _first(np.all([_passes_z(scores, limit, 50) for scores, limit, _ in gates], axis=0), LEAST)[0]
    return ours, naive


@dataclass(frozen=True)
class Arms:
    """Failures of two arms after every unit of the candidate's, one row for each run."""

    ours: Array
    n: Array
    theirs: Array
    m: Array


def arms(rng: np.random.Generator, reps: int, n: int, *, rates: tuple[float, float], weight: float) -> Arms:
    """Runs of so many units of the candidate's, while the baseline gets the rest of the traffic."""
    ours = np.cumsum(rng.random((reps, n)) < rates[0], axis=1)
    units = np.arange(1, n + 1)
    others = np.maximum(1, np.round(units * (1 - weight) / weight).astype(int))
    theirs = np.cumsum(rng.random((reps, int(others[-1]))) < rates[1], axis=1)[:, others - 1]
    return Arms(ours, units, theirs, others)


def arms_certified(found: Arms, margin: float = 0.01) -> Array:
    """After how many units the arms' errors are certified within the margin, looked at after every one; inf: never.

    The least over the null lies between the two rates; the least of a few points there is no less. Only where that
    would do is the real e-value asked.
    """
    first = np.full(len(found.ours), np.inf)
    for row, (ours, theirs) in enumerate(zip(found.ours, found.theirs, strict=True)):
        for at in np.flatnonzero(_screened(ours, found.n, theirs, found.m, margin) >= WALL):
            sides = (float(ours[at]), float(found.n[at])), (float(theirs[at]), float(found.m[at]))
            if stats.log_e_difference(*sides, margin) >= WALL:
                first[row] = at + 1
                break
    return first


def _screened(s: Array, n: Array, t: Array, m: Array, margin: float) -> Array:
    low, high = np.clip(s / n - margin, 1e-9, 1 - margin - 1e-9), np.clip(t / m, 1e-9, 1 - margin - 1e-9)
    least = np.full(len(n), np.inf)
    for part in np.linspace(0, 1, 9):
        p = low + (high - low) * part
        x = np.clip(np.maximum(p + margin, s / n), 1e-12, 1 - 1e-12)
        a, b = (
            _mixed(s, n) - s * np.log(x) - (n - s) * np.log1p(-x),
            _mixed(t, m) - t * np.log(p) - (m - t) * np.log1p(-p),
        )
        least = np.minimum(least, np.logaddexp(np.logaddexp(a, b), a + b) - math.log(3))
    return least


def _mixed(s: Array, n: Array) -> Array:
    """Log of B(s + 1/2, n - s + 1/2) over B(1/2, 1/2)."""
    half, whole = _log_gammas(int(n[-1]))
    return half[s] + half[n - s] - whole[n] - math.log(math.pi)


@functools.cache
def _log_gammas(most: int) -> tuple[Array, Array]:
    """Of k + 1/2 and of k + 1, for every k up to `most`."""
    return tuple(np.array([math.lgamma(k + more) for k in range(most + 1)]) for more in (0.5, 1.0))


def arms_by_peeking(found: Arms, margin: float = 0.01, *, every: int = 50) -> Array:
    """When a z-test of two rates at 5 %, looked at every so many units, first says "within the margin"; inf: never."""
    p, q = found.ours / found.n, found.theirs / found.m
    error = np.sqrt(np.maximum(p * (1 - p) / found.n + q * (1 - q) / found.m, 1e-12))
    looked = (found.n % every == 0) & (found.ours > 0)
    return _first(((margin - (p - q)) / error > 1.645) & looked, 1)
