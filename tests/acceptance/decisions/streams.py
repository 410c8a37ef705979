"""Streams of unit scores that sit exactly where a gate's null hypothesis does, under five laws; and real ones."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
TURNS, ICC = 10, 0.3


@dataclass(frozen=True)
class GateCase:
    """A gate at its limit: the mean of its scores, and their range."""

    name: str
    limit: float
    lo: float

    @property
    def p(self) -> float:
        """The limit as a chance of the top of the range."""
        return (self.limit - self.lo) / (1 - self.lo)


GATES = (
    GateCase("quality", -0.05, -1.0),
    GateCase("validity", -0.01, -1.0),
    GateCase("errors", -0.01, -1.0),
    GateCase("latency", 0.95, 0.0),
)


def three_point(rng: np.random.Generator, reps: int, n: int, gate: GateCase) -> Array:
    """Win, tie and loss; for a rate, hit and miss."""
    if gate.lo == 0:
        return (rng.random((reps, n)) < gate.limit).astype(float)
    spread = 0.25 if gate.name == "quality" else 0.02
    losing, winning = (spread - gate.limit) / 2, (spread + gate.limit) / 2
    u = rng.random((reps, n))
    return np.where(u < losing, -1.0, np.where(u < losing + winning, 1.0, 0.0))


def graded(rng: np.random.Generator, reps: int, n: int, gate: GateCase) -> Array:
    """Beta-distributed scores over the whole range."""
    strength = 6.0 if gate.lo else 20.0
    return gate.lo + (1 - gate.lo) * rng.beta(gate.p * strength, (1 - gate.p) * strength, (reps, n))


def rare_loss(rng: np.random.Generator, reps: int, n: int, gate: GateCase) -> Array:
    """The candidate never wins, and loses everything once in a while."""
    if gate.lo == 0:
        return np.where(rng.random((reps, n)) < 1 - gate.limit, 0.0, 1.0)
    return -(rng.random((reps, n)) < -gate.limit).astype(float)


def conversations(rng: np.random.Generator, reps: int, n: int, gate: GateCase) -> Array:
    """Means of conversations of ten turns that resemble each other (ICC 0.3)."""
    own = rng.beta(gate.p * (1 - ICC) / ICC, (1 - gate.p) * (1 - ICC) / ICC, (reps, n))
    return gate.lo + (1 - gate.lo) * rng.binomial(TURNS, own) / TURNS


def drifting(rng: np.random.Generator, reps: int, n: int, gate: GateCase) -> Array:
    """At the limit for the first half, then slowly below it."""
    scores = three_point(rng, reps, n, gate)
    worse = np.clip((np.arange(n) - n / 2) / (n / 2), 0, 1) * 0.02
    return np.where(rng.random((reps, n)) < worse, gate.lo, scores)


Law = Callable[[np.random.Generator, int, int, GateCase], Array]
LAWS: dict[str, Law] = {
    "3-point": three_point,
    "beta": graded,
    "rare loss": rare_loss,
    "conversations": conversations,
    "drifting": drifting,
}


def bfcl() -> tuple[str, dict[str, Array]]:
    """Whether each model's tool call was right, on 1,000 real cases; the first model is the baseline."""
    with gzip.open(DATA / "bfcl_tool_calls.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    models = list(rows[0]["answers"])
    right = {model: np.array([float(row["answers"][model]["correct"]) for row in rows]) for model in models}
    return models[0], right
