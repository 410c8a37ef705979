"""Slices (decisions-2, section 9, test 15, rule A): a bad one keeps the whole from rising, which by itself would rise.

Seeded and smaller than the table: 60 runs of 2,000 pairs each, looked at every 50.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from policies.evidence import Evidence
from policies.gates import evaluate, slice_results
from policies.readings import Look
from policies.rules import Gates, Quality, Rules
from policies.terms import Verdict
from tests.rooms.pair_events import KEY, evidence

RUNS, PAIRS, EVERY = 60, 2_000, 50
MOST_WRONG = 9
"""More of 60 have a chance of less than a thousandth, if each is wrong with 5 %."""
SPREAD, GOOD, LIMIT = 0.4, 0.03, -0.15
GATE = Quality(margin=0.05)
RULES = Rules("r", KEY, Gates(GATE, errors=None, latency=None, slices=("language",)))
LOOK = Look(bounds=False)


@dataclass(slots=True)
class Promoted:
    """In how many runs."""

    whole_alone: int = 0
    with_slices: int = 0


def scores(rng: np.random.Generator, mean: float, n: int) -> np.ndarray:
    """Wins, ties and losses of one mean, in half-bins."""
    more = SPREAD**2 + mean**2
    return rng.choice([200, 0, -200], size=n, p=[(more + mean) / 2, 1 - more, (more - mean) / 2])


def runs(share: float, bad: float, *, apart: int, seed: int) -> Promoted:
    """A bad slice of this share, and the good rest in so many others."""
    rng, found = np.random.default_rng(seed), Promoted()
    for _ in range(RUNS):
        is_bad = rng.random(PAIRS) < share
        drawn = np.where(is_bad, scores(rng, bad, PAIRS), scores(rng, GOOD, PAIRS))
        names = np.where(is_bad, "bad", rng.choice([f"good{n}" for n in range(apart)], PAIRS))
        _climb(drawn, names, found)
    return found


def _climb(drawn: np.ndarray, names: np.ndarray, found: Promoted) -> None:
    """Look again and again; each rule stops at its first certificate."""
    alone = False
    kept = evidence(RULES)
    for start in range(0, PAIRS, EVERY):
        _count(kept, drawn[start : start + EVERY], names[start : start + EVERY])
        if evaluate(GATE, kept, LOOK).verdict is not Verdict.PASS:
            continue
        found.whole_alone += not alone
        alone = True
        if all(each.verdict is Verdict.PASS for each in slice_results(GATE, kept, LOOK)):
            found.with_slices += 1
            return


def _count(kept: Evidence, drawn: np.ndarray, names: np.ndarray) -> None:
    for name in ("", *np.unique(names)):
        key = f"quality@language={name}" if name else "quality"
        into = kept.histograms.setdefault(key, {})
        for value, n in zip(*np.unique(drawn[(names == name) | (not name)], return_counts=True), strict=True):
            into[int(value)] = into.get(int(value), 0) + int(n)


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_a_bad_slice_keeps_the_whole_from_rising(share: float) -> None:
    """Exactly at its limit, in 5, 10 or 20 % of the traffic: at most 1 in 20 rises; by the whole alone nearly all."""
    found = runs(share, LIMIT, apart=2, seed=round(1000 * share))

    assert found.with_slices <= MOST_WRONG
    assert found.whole_alone > 0.9 * RUNS


def test_good_slices_let_the_whole_rise() -> None:
    """Five that are all good cost little: nearly every run rises by 2,000 pairs."""
    found = runs(0.2, GOOD, apart=4, seed=7)

    assert found.with_slices > 0.9 * RUNS
