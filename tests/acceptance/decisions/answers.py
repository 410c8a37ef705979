"""Answers of classifiers and of chats, to see whom the guard of outputs convicts, and how soon.

Seeded. Every run is fed to the guard's own counts (`policies.variety`), looked at after every two pairs.
"""

import math

import numpy as np

from policies.rules import Guards
from tests.acceptance.decisions.measures import BETS
from tests.acceptance.decisions.streams import Array

Rng = np.random.Generator
Answers = np.ndarray

LABELS = 77
ALPHA = Guards().alpha
ALLOWED = 0.25


def shares(skew: float, labels: int = LABELS) -> Array:
    """How often each label is right; 0: all as often."""
    found = 1.0 / np.arange(1, labels + 1) ** skew
    return found / found.sum()


def asked(rng: Rng, reps: int, n: int, skew: float) -> Answers:
    """Which label is right for each request."""
    return rng.choice(LABELS, (reps, n), p=shares(skew))


def classified(rng: Rng, right: Answers, *, wrong: float, strays: float = 0.0) -> Answers:
    """What a classifier says: a share of wrong labels, and a share of words that are none and never come again."""
    found = np.where(rng.random(right.shape) < wrong, rng.integers(0, LABELS, right.shape), right)
    return np.where(rng.random(right.shape) < strays, LABELS + np.arange(right.shape[1]), found)


def collapsed(right: Answers, rng: Rng, *, share: float = 1.0) -> Answers:
    """What a candidate says that gives one answer to a share of all requests."""
    return np.where(rng.random(right.shape) < share, 0, right)


def free_words(right: Answers, *, side: int) -> Answers:
    """What a chat says: never the same twice."""
    return np.broadcast_to(1000 + side * right.shape[1] + np.arange(right.shape[1]), right.shape)


def convicted(ours: Answers, theirs: Answers, *, allowed: float = ALLOWED) -> Array:
    """After how many pairs each run is convicted; inf: never."""
    same, base = (each[:, 0::2] == each[:, 1::2] for each in (ours, theirs))
    difference = same.astype(float) - base
    capital = np.log1p(BETS * ((difference - allowed) / (1 + allowed))[..., None]).cumsum(axis=1)
    top = capital.max(axis=2)
    log_e = top + np.log(np.exp(capital - top[..., None]).mean(axis=2))
    reached = log_e >= -math.log(ALPHA)
    return np.where(reached.any(axis=1), 2.0 * (reached.argmax(axis=1) + 1), np.inf)


def convicted_by_shares(ours: Answers, theirs: Answers, *, n: int = 500) -> float:
    """The share of runs that the rule of before convicts: fewer than half of the baseline's distinct answers."""
    distinct = [np.array([len(set(row)) for row in each[:, :n].tolist()]) for each in (ours, theirs)]
    return float((distinct[0] < 0.5 * distinct[1]).mean())
