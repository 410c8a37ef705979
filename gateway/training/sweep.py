"""Successive halving: every configuration trains a little, the better half goes on, and the last ones to their end.

Rules:
1. What decides is the route's own evaluation of the answers, never the loss: a lower loss on words that do not matter
   is worth nothing.
2. Rows that chose are not rows that judge: the winner and the untouched base are held against each other on another
   part of the evaluation set, once.
3. Both rankings are told, and where the loss would have chosen another configuration.
4. A training that fails, or learns nothing that is a number, is the worst of its round and does not go on: the others'
   hours are not lost with it.

Source: Jamieson and Talwalkar 2016 (arXiv 1502.07943), successive halving.
"""

import hashlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from policies import stats

ALPHA = 0.05
"""Of both sides of an interval together."""
MOST = 64
"""Configurations of one sweep."""

Config = dict[str, object]
"""Settings of the script, by name."""


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What a configuration came to in a round."""

    number: int
    """Of the configuration, from 1."""
    config: Config
    share: float
    """Of its updates that it was trained for."""
    loss: float
    score: float
    """Mean of the route's scores against the labels: 0 is as good as they, below is worse."""
    failed: str = ""
    """Why it came to nothing; empty: it did not. Its loss and its score are the worst there are."""


class TrialError(Exception):
    """A training came to nothing; the message says why, and what to do."""


Trial = Callable[[int, Config, float], SweepResult]
"""(number, configuration, share of the updates) -> what it came to. Raises TrialError."""


def configurations(grid: dict[str, list[object]]) -> list[Config]:
    """Every combination.

    Raises:
        ValueError: there is nothing to choose from, or too much.
    """
    found = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    if not 2 <= len(found) <= MOST:
        raise ValueError(f"{len(found)} configurations. hint: --grid name=value,value …, 2 to {MOST} combinations")
    return found


def halving(configs: Sequence[Config], rounds: int, jobs: int, trial: Trial) -> Iterator[list[SweepResult]]:
    """Each round's results, the best first. The last round trains to the end.

    Raises:
        ValueError: none of a round came to anything; its results were given before.
    """
    standing = list(enumerate(configs, start=1))
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        for left in range(rounds - 1, -1, -1):
            share = 0.5**left
            trials = [pool.submit(_tried, trial, number, config, share) for number, config in standing]
            found = sorted((each.result() for each in trials), key=lambda one: (-one.score, one.loss, one.number))
            yield found
            sound = [one for one in found if not one.failed]
            if not sound:
                raise ValueError(f"every training failed. The first: {found[0].failed}")
            kept = {one.number for one in sound[: math.ceil(len(found) / 2)]}
            standing = [(number, config) for number, config in standing if number in kept]


def _tried(trial: Trial, number: int, config: Config, share: float) -> SweepResult:
    """What it came to, a failure too."""
    try:
        found = trial(number, config, share)
    except TrialError as error:
        return SweepResult(number, config, share, math.inf, -math.inf, str(error))
    if math.isfinite(found.loss) and math.isfinite(found.score):
        return found
    why = f"#{number}: its loss is {found.loss}, its score {found.score}. hint: a lower learning_rate"
    return SweepResult(number, config, share, math.inf, -math.inf, why)


def would_choose(results: Sequence[SweepResult]) -> SweepResult:
    """Whom the loss would have kept first."""
    return min(results, key=lambda one: (one.loss, one.number))


def is_untouched(row_id: str) -> bool:
    """Whether an evaluation row is of the half that judges, and not of the one that chooses."""
    return hashlib.sha256(f"sweep {row_id}".encode()).digest()[0] % 2 == 1


def interval(better: Sequence[float], worse: Sequence[float], *, bound: float) -> tuple[float, float, float]:
    """The mean difference of two variants' scores, row by row, with both ends of its interval.

    `bound`: no difference is larger.
    """
    difference = np.array(better, dtype=np.float64) - np.array(worse, dtype=np.float64)
    values, counts = np.unique(difference, return_counts=True)
    lower = stats.lower_mean(values, counts.astype(np.float64), ALPHA / 2, lo=-bound, hi=bound)
    upper = stats.upper_mean(values, counts.astype(np.float64), ALPHA / 2, lo=-bound, hi=bound)
    return float(difference.mean()), lower, upper
