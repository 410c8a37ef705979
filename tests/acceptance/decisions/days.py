"""Traffic that is not the same by night and by day, and certificates that are looked at whenever, or at a day's end.

Seeded. Scores are a win, a tie or a loss; what a day brought is counts, so that two weeks of runs are a moment's work.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from gateway.control.publish.weights import shares
from policies.rules import PPM, Held
from tests.acceptance.decisions.measures import BETS, WALL, first_certified
from tests.acceptance.decisions.streams import Array
from tests.rooms.compiled_policies import POLICY, compiled, rollout

Rng = np.random.Generator
SD = 0.4
MARGIN = 0.05
DAYS = 14
"""The most a stage takes."""


@dataclass(frozen=True)
class Day:
    """One day's traffic: parts of it, each (share of the day, mean score), in order."""

    parts: tuple[tuple[float, float], ...]


STEADY = Day(((1.0, 0.0),))
SHORT_NIGHT = Day(((0.3, 0.05), (0.7, -0.10)))
"""Good by night, for 30 % of the traffic; -0.055 in all."""
LONG_NIGHT = Day(((0.5, 0.05), (0.5, -0.15)))
"""Exactly on the limit in all."""


def turning(good: int, per_day: int) -> Day:
    """A first day that begins with so many good conversations; all that follow are below the limit."""
    return Day(((good / per_day, 0.0), (1 - good / per_day, -0.10)))


BAD = Day(((1.0, -0.10),))


def chances(mean: float) -> Array:
    """How often there is a loss, a tie and a win."""
    moving = SD**2 + mean**2
    return np.array([(moving - mean) / 2, 1 - moving, (moving + mean) / 2])


def scores(rng: Rng, reps: int, day: Day, per_day: int) -> Array:
    """One day, conversation by conversation."""
    found = [rng.choice([-1.0, 0.0, 1.0], (reps, round(share * per_day)), p=chances(mean)) for share, mean in day.parts]
    return np.concatenate(found, axis=1)


def at_any_time(rng: Rng, reps: int, day: Day, per_day: int) -> float:
    """The share of runs that are certified at some moment of the first day."""
    return float(np.isfinite(first_certified(scores(rng, reps, day, per_day), -MARGIN, -1.0)).mean())


def by_whole_days(rng: Rng, reps: int, days: tuple[Day, ...], per_day: int) -> Array:
    """On which day each run advances; inf: never. The last of `days` is repeated."""
    total, first = np.zeros((reps, 3)), np.full(reps, np.inf)
    for number in range(1, DAYS + 1):
        day = days[min(number, len(days)) - 1]
        for share, mean in day.parts:
            total += rng.multinomial(round(share * per_day), chances(mean), reps)
        holds = _certified(total)
        first = np.where(holds & np.isinf(first), number, first)
    return first


def _certified(counts: Array) -> Array:
    """Whether the certificate holds for each row of losses, ties and wins, and the plain mean is inside."""
    values = np.array([-1.0, 0.0, 1.0])
    capital = counts @ np.log1p(BETS * ((values + MARGIN) / (1 - MARGIN))[:, None])
    top = capital.max(axis=1)
    log_e = top + np.log(np.exp(capital - top[:, None]).mean(axis=1))
    return (log_e >= WALL) & (counts @ values > -MARGIN * counts.sum(axis=1))


def reverse_calls() -> tuple[float, float]:
    """The share of its conversations at 25 % that asks the baseline too: before it is certified, and after.

    By a policy that says nothing of it, as it is published.
    """
    made = compiled(POLICY.replace("{25%: {reverse_shadow: 7%}}", "25%"))
    if made.terms is None:
        raise ValueError("the policy of the rooms compiles")
    stands = replace(rollout(text=POLICY), ladder=made.terms.rules.ladder)
    settled = replace(stands, held=Held(settled_ppm=stands.at.weight_ppm))
    before, after = (shares(each, made.terms.rules, 0)[0] / PPM for each in (stands, settled))
    return before, after


def fixed_n(sd: float, gap: float) -> float:
    """What one planned look needs for 90 % power."""
    return ((1.6449 + 1.2816) * sd / gap) ** 2


def spent(rng: Rng, reps: int, sd: float) -> float:
    """The share of runs of an equal candidate that have spent a gate's budget without a certificate."""
    budget = max(2000, 2 * math.ceil(14.5 * (sd / MARGIN) ** 2 + 25))
    moving = sd**2
    runs = rng.choice([-1.0, 0.0, 1.0], (reps, budget), p=[moving / 2, 1 - moving, moving / 2])
    return float(np.isinf(first_certified(runs, -MARGIN, -1.0)).mean())
