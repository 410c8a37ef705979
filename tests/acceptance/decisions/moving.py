"""Slices that move alone: which are certified by e-Holm, and which if each were tested at full alpha.

Seeded, vectorised; `test_moving_slices` holds it together with `policies.moving_slices`.
"""

import math
from dataclasses import dataclass

import numpy as np

from tests.acceptance.decisions import measures as m
from tests.acceptance.decisions.streams import Array

SD, MARGIN, ALPHA = 0.4, 0.05, 0.05
_ROWS = 20
"""Runs at once: what they take of memory."""


@dataclass(frozen=True)
class MovingRuns:
    """Of each run, after how many pairs of all of them; inf: never."""

    wrong: Array
    """The first slice that is at its limit moves."""
    naive: Array
    """The same, with each tested at full alpha."""
    first: Array
    """The first good one moves."""
    half: Array
    """Half of the good ones, or more, move."""


def holm(log_e: Array, moving: np.ndarray) -> np.ndarray:
    """Which slices move after a look, of those that moved before it. Slices along the first axis, runs along the last.

    The largest that waits is certified at as many as wait, again and again.
    """
    found = moving.copy()
    while True:
        waiting = np.where(found, -np.inf, log_e)
        best = waiting.argmax(axis=0)
        runs = np.arange(log_e.shape[1])
        count = np.maximum((~found).sum(axis=0), 1)
        sure = waiting[best, runs] >= np.log(count / ALPHA)
        if not sure.any():
            return found
        found[best[sure], runs[sure]] = True


def runs(rng: np.random.Generator, reps: int, each: int, bad: int, good: int, *, every: int = 10) -> MovingRuns:
    """So many slices at their limit and so many equal to the baseline, all alike large, `each` pairs of every one.

    Looked at after every `every` pairs of each: of what lies between, the highest counts.
    """
    parts = [_runs(rng, min(_ROWS, reps - start), each, (bad, good), every) for start in range(0, reps, _ROWS)]
    return MovingRuns(*(np.concatenate(found) for found in zip(*parts, strict=True)))


def _runs(rng: np.random.Generator, rows: int, each: int, kinds: tuple[int, int], every: int) -> tuple[Array, ...]:
    bad, good = kinds
    means = (-MARGIN,) * bad + (0.0,) * good
    drawn = (m.three_points(rng, rows, each, mean=mean, sd=SD) for mean in means)
    log_e = np.stack([m.running_log_e(scores, -MARGIN, -1.0) for scores in drawn])
    looks = log_e.reshape(bad + good, rows, each // every, every).max(axis=3)
    found = [np.full(rows, np.inf) for _ in range(4)]
    moving = np.zeros((bad + good, rows), dtype=bool)
    alone = moving.copy()
    for look in range(looks.shape[2]):
        moving = holm(looks[:, :, look], moving)
        alone |= looks[:, :, look] >= -math.log(ALPHA)
        told = (moving[:bad].any(axis=0), alone[:bad].any(axis=0), moving[bad:].any(axis=0))
        halves = moving[bad:].sum(axis=0) * 2 >= max(1, good)
        for first, holds in zip(found, (*told, halves), strict=True):
            first[holds & np.isinf(first)] = (look + 1) * every * (bad + good)
    return tuple(found)
