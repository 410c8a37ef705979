"""H11, H12: an independent implementation agrees, and numbers stay numbers."""

import importlib
import math
from types import ModuleType

import numpy as np
import pytest

from policies import stats
from policies.gates import evaluate
from policies.histograms import STEP
from policies.readings import Look, gates_of
from policies.rules import Cost, Gates, Validity
from tests.rooms.pair_events import RULES, evidence


@pytest.fixture(scope="module")
def ville() -> ModuleType:
    """Loaded here: it brings all of scipy.stats, which no process that only collects this file has use for."""
    return importlib.import_module("ville")


def width(bounds: tuple[float, float]) -> float:
    return bounds[1] - bounds[0]


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 0.5), (-0.05, 0.3), (0.3, 0.6), (0.8, 0.4)])
def test_means_agree_with_the_oracle(ville: ModuleType, mean: float, sd: float):
    """Against hedged betting: ours covers, the two overlap, and widths differ by at most a quarter."""
    rng = np.random.default_rng(21)
    losing, winning = (sd**2 + mean**2 - mean) / 2, (sd**2 + mean**2 + mean) / 2
    if losing < 0:
        losing, winning = 0.05, mean + 0.05
    draws = rng.choice([-1.0, 0.0, 1.0], 1000, p=[losing, 1 - losing - winning, winning])
    values = np.array([-1.0, 0.0, 1.0])
    counts = np.array([(draws == value).sum() for value in values], dtype=float)
    ours = (
        stats.lower_mean(values, counts, 0.025, lo=-1.0, hi=1.0),
        stats.upper_mean(values, counts, 0.025, lo=-1.0, hi=1.0),
    )
    oracle = ville.BettingCS(bounds=(-1.0, 1.0), alpha=0.05, intersect=False).fit(draws)
    theirs = (float(oracle.lower_[-1]), float(oracle.upper_[-1]))
    assert ours[0] < winning - losing < ours[1]
    assert max(ours[0], theirs[0]) < min(ours[1], theirs[1])
    assert width(ours) <= 1.25 * width(theirs)


@pytest.mark.parametrize(("s", "n"), [(10, 1000), (1, 50), (250, 500), (0, 300), (300, 300)])
def test_proportions_agree_with_the_oracle(ville: ModuleType, s: int, n: int):
    """Against the same Beta mixture: equal to the last digits that halving gives."""
    draws = np.array([1.0] * s + [0.0] * (n - s))
    oracle = ville.BernoulliCS(alpha=0.05, prior=(0.5, 0.5), intersect=False).fit(draws)
    ours = stats.proportion_interval(s, n, 0.05)
    assert ours == pytest.approx((float(oracle.lower_[-1]), float(oracle.upper_[-1])), abs=1e-6)


@pytest.mark.parametrize("p", [0.5, 0.95])
def test_quantiles_agree_with_the_oracle(ville: ModuleType, p: float):
    """Against sequential order statistics: ours covers, overlaps, and is at most a quarter wider plus two bins."""
    times = np.random.default_rng(22).lognormal(0, 0.6, 3000)
    bins = np.ceil(np.log(times) / STEP).astype(int)
    first = bins.min()
    lower, upper = stats.quantile_interval(np.bincount(bins - first).astype(float), p, 0.05)
    assert lower is not None
    assert upper is not None
    ours = (math.exp((lower + first) * STEP), math.exp((upper + first) * STEP))
    oracle = ville.QuantileCS(q=p, alpha=0.05, intersect=False).fit(times)
    theirs = (float(oracle.lower_[-1]), float(oracle.upper_[-1]))
    truth = math.exp(0.6 * {0.5: 0.0, 0.95: 1.6448536}[p])
    assert ours[0] < truth < ours[1]
    assert max(ours[0], theirs[0]) < min(ours[1], theirs[1])
    assert math.log(ours[1] / ours[0]) <= 1.25 * math.log(theirs[1] / theirs[0]) + 2 * STEP


@pytest.mark.parametrize(
    "counts", [{200: 10**7}, {-200: 10**7}, {0: 10**7}, {200: 3, -200: 10**7}, dict.fromkeys(range(-200, 201), 10**5)]
)
def test_ten_million_units_give_finite_ordered_numbers(counts: dict[int, int]):
    """H12: every gate's numbers are finite, its interval ordered and around the estimate, however much was seen."""
    gates = Gates(validity=Validity(), cost=Cost())
    found = evidence()
    for name in ("quality", "validity", "errors"):
        found.histograms[name] = counts
    for gate in gates_of(gates):
        result = evaluate(gate, found)
        if result.n and result.lower is not None and result.upper is not None and result.estimate is not None:
            assert math.isfinite(result.log10_e or 0.0)
            assert math.isfinite(result.log10_harm or 0.0)
            assert -1 <= result.lower <= result.estimate + 0.005 <= result.upper + 0.01 <= 1.01


@pytest.mark.parametrize("margin", [1e-6, 0.999999])
def test_limits_at_the_ends_of_the_range_overflow_nothing(margin: float):
    """H12: margins next to nothing, and next to everything."""
    found = evidence()
    found.histograms["validity"] = {200: 10**7, -200: 10**7}
    result = evaluate(Validity(margin=margin), found, Look(bounds=False))
    assert math.isfinite(result.log10_e or math.inf)
    assert math.isfinite(result.log10_harm or math.inf)


def test_evidence_only_grows_with_wins():
    """H12: one more win never lowers the certificate, one more loss never raises it."""
    found = evidence()
    logs: list[float] = []
    for wins in range(0, 10_000, 500):
        found.histograms["quality"] = {200: 1 + wins, 0: 500, -200: 100}
        logs.append(evaluate(gates_of(RULES.gates)[0], found, Look(bounds=False)).log10_e or 0.0)
    assert logs == sorted(logs)
