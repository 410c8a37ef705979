"""Several candidates on one sample: who of them is certified, by the closed test and by each alone.

Seeded, vectorised; `test_several` holds it together with `policies.candidates`.
"""

import numpy as np

from policies.slices import WIDER
from tests.acceptance.decisions import measures as m
from tests.acceptance.decisions.streams import Array

SD, MARGIN = 0.4, 0.05
_BAD_SHARE = 0.2
_ROWS = 25
"""Runs at once: what they take of memory."""


def closed(log_e: Array) -> Array:
    """The log e-values of the closed test, of those of each candidate alone; candidates along the first axis."""
    found = np.empty_like(log_e)
    sizes = np.log(np.arange(1, len(log_e) + 1)).reshape(-1, *[1] * (log_e.ndim - 1))
    for own in range(len(log_e)):
        others = np.sort(np.delete(log_e, own, axis=0), axis=0)
        means = np.logaddexp.accumulate(np.concatenate([log_e[own : own + 1], others]), axis=0) - sizes
        found[own] = means.min(axis=0)
    return found


def runs(rng: np.random.Generator, reps: int, n: int, means: tuple[float, ...]) -> tuple[Array, Array]:
    """When each candidate of such a true mean is certified, by the closed test and by itself; inf: never by `n`.

    One row for each run, one column for each candidate.
    """
    ours: list[Array] = []
    alone: list[Array] = []
    for first in range(0, reps, _ROWS):
        rows = min(_ROWS, reps - first)
        drawn = [m.three_points(rng, rows, n, mean=mean, sd=SD) for mean in means]
        log_e = np.stack([m.running_log_e(scores, -MARGIN, -1.0) for scores in drawn])
        ours.append(_first(closed(log_e)))
        alone.append(_first(log_e))
    return np.concatenate(ours), np.concatenate(alone)


def sliced_runs(rng: np.random.Generator, reps: int, n: int, count: int) -> tuple[Array, Array]:
    """As `runs`, of candidates that are all as good as the baseline, and at the limit in a fifth of the traffic."""
    ours: list[Array] = []
    alone: list[Array] = []
    for first in range(0, reps, _ROWS):
        rows = min(_ROWS, reps - first)
        is_bad = rng.random((rows, n)) < _BAD_SHARE
        log_e = np.stack([_weakest(rng, is_bad) for _ in range(count)])
        ours.append(_first(closed(log_e)))
        alone.append(_first(log_e))
    return np.concatenate(ours), np.concatenate(alone)


def _weakest(rng: np.random.Generator, is_bad: Array) -> Array:
    """What speaks for a candidate: the whole, or either of its two slices. A pair at its limit says nothing of one."""
    limit, rest = -WIDER * MARGIN, WIDER * MARGIN * _BAD_SHARE / (1 - _BAD_SHARE)
    scores = np.where(is_bad, *(m.three_points(rng, *is_bad.shape, mean=mean, sd=SD) for mean in (limit, rest)))
    parts = [m.running_log_e(np.where(each, scores, limit), limit, -1.0) for each in (is_bad, ~is_bad)]
    return np.minimum.reduce([m.running_log_e(scores, -MARGIN, -1.0), *parts])


def one_bad_slice(rng: np.random.Generator, reps: int, n: int, share: float) -> tuple[Array, Array]:
    """When one candidate is certified that is at a slice's limit in a share of the traffic, and better in the rest.

    With the whole and both slices certified, and by the whole alone.
    """
    ours: list[Array] = []
    alone: list[Array] = []
    limit, good = -WIDER * MARGIN, 0.03
    for first in range(0, reps, _ROWS):
        is_bad = rng.random((min(_ROWS, reps - first), n)) < share
        scores = np.where(is_bad, *(m.three_points(rng, *is_bad.shape, mean=mean, sd=SD) for mean in (limit, good)))
        parts = [m.running_log_e(np.where(each, scores, limit), limit, -1.0) for each in (is_bad, ~is_bad)]
        whole = m.running_log_e(scores, -MARGIN, -1.0)
        ours.append(_first(np.minimum.reduce([whole, *parts])[None])[:, 0])
        alone.append(_first(whole[None])[:, 0])
    return np.concatenate(ours), np.concatenate(alone)


def _first(log_e: Array) -> Array:
    reached = log_e >= m.WALL
    return np.where(reached.any(axis=2), reached.argmax(axis=2) + 1.0, np.inf).T
