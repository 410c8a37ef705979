"""H3, H5: how soon a good candidate is promoted, and how soon a bad one is caught."""

import math

import numpy as np
import pytest

from policies.detectors import Detector
from tests.acceptance.decisions.measures import (
    first_alarm,
    first_certified,
    redeployed,
    share,
    three_gates,
    three_points,
)
from tests.acceptance.decisions.streams import DATA, bfcl

needs_data = pytest.mark.skipif(not DATA.exists(), reason=f"the real data is not beside this checkout ({DATA.name})")


@pytest.mark.parametrize(
    ("sd", "margin", "n50", "n90"),
    [(0.3, 0.05, 247, 598), (0.3, 0.10, 85, 169), (0.5, 0.05, 642, 1404), (0.5, 0.10, 154, 387)],
)
def test_sample_sizes_are_the_designs(sd: float, margin: float, n50: int, n90: int):
    """H3: half and nine tenths of equal candidates are certified within 15 % of what was measured with eight bets."""
    found = first_certified(three_points(np.random.default_rng(9), 1200, 2600, mean=0.0, sd=sd), -margin, -1.0)
    assert np.quantile(found, 0.5, method="lower") == pytest.approx(n50, rel=0.15)
    assert np.quantile(found, 0.9, method="lower") == pytest.approx(n90, rel=0.15)


def test_a_good_candidate_passes_three_gates():
    """H3: at least 90 % are promoted within 2,400 pairs."""
    assert (three_gates(np.random.default_rng(10), 200, 2400)[0] <= 2400).mean() >= 0.90


@pytest.mark.parametrize(("rate", "median"), [(1.0, 3), (0.5, 10), (0.2, 35), (0.1, 100)])
def test_a_failing_candidate_is_caught(rate: float, median: int):
    """H5: total, half, a fifth and a tenth of failures, each within its number of requests."""
    failed = (np.random.default_rng(12).random((400, 2000)) < rate).astype(float)
    assert np.median(first_alarm(failed, 0.02)) <= median


def test_false_alarms_are_as_rare_as_promised():
    """H5: within the run length at most 63 % alarm on the limit, and 2 % at half of it (plus three standard errors)."""
    rng = np.random.default_rng(13)
    on_limit = first_alarm((rng.random((300, 10_000)) < 0.02).astype(float), 0.02)
    assert share(on_limit) <= 1 - math.exp(-1) + 3 * math.sqrt(0.63 * 0.37 / 300)
    assert share(first_alarm((rng.random((300, 10_000)) < 0.01).astype(float), 0.02)) <= 0.02 + 3 * math.sqrt(
        0.02 * 0.98 / 300
    )


def test_streams_of_badness_are_what_detectors_compute():
    """The vectorised detector of these tests and the real one alarm at the same request."""
    rng = np.random.default_rng(14)
    for tolerance, lo in ((0.02, 0.0), (0.05, -1.0)):
        badness = np.where(rng.random((3, 400)) < 0.3, 1.0, 0.0)
        for row, expected in zip(badness, first_alarm(badness, tolerance, lo=lo), strict=True):
            detector = Detector(tolerance, lo)
            alarm = math.inf
            for n, value in enumerate(row, 1):
                detector = detector.after(float(value))
                if detector.height >= 1e4 and alarm == math.inf:
                    alarm = n
            assert alarm == expected


@needs_data
@pytest.mark.parametrize(
    ("switched_to", "within"), [("google_gemma-7b-it", 100), ("NousResearch_Hermes-2-Pro-Mistral-7B", 400)]
)
def test_a_bad_redeploy_is_caught_on_real_answers(switched_to: str, within: int):
    """H5: a thousand units of a good model, then a bad one: no alarm before, nine in ten soon after."""
    baseline, right = bfcl()
    rng = np.random.default_rng(15)
    good = right["Salesforce_xLAM-7b-fc-r"] - right[baseline]
    bad = right[switched_to] - right[baseline]
    alarms = redeployed(rng, 100, good, bad)
    assert (alarms > 0).all()
    assert np.quantile(alarms, 0.9) <= within
