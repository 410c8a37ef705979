"""Grids: exact where they must be, rounded to the safe side elsewhere."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import histograms as h


@pytest.mark.parametrize(
    ("scores", "down", "up"),
    [
        ([1.0], 1.0, 1.0),
        ([-1.0], -1.0, -1.0),
        ([0.0], 0.0, 0.0),
        ([1.0, 0.0, 0.0], 0.33, 0.34),
        ([-0.255], -0.26, -0.25),
    ],
)
def test_means_are_exact_on_the_grid_and_bracketed_off_it(scores: list[float], down: float, up: float):
    """A win, a tie and a loss stay what they are; a third lies between two hundredths."""
    bins = {h.score_bin(sum(map(h.micro, scores)), len(scores)): 2}
    (low, counts), (high, again) = h.scores_down(bins), h.scores_up(bins)
    assert (low.tolist(), high.tolist()) == ([down], [up])
    assert counts.tolist() == again.tolist() == [2.0]


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=20))
def test_rounding_brackets_every_mean(scores: list[float]):
    """Whatever the scores, the mean lies between the value rounded down and the value rounded up."""
    micros = [h.micro(score) for score in scores]
    mean = sum(micros) / len(micros) / h.MICRO
    bins = {h.score_bin(sum(micros), len(micros)): 1}
    assert h.scores_down(bins)[0][0] <= mean + 1e-12
    assert h.scores_up(bins)[0][0] >= mean - 1e-12
    assert h.scores_up(bins)[0][0] - h.scores_down(bins)[0][0] <= 0.01 + 1e-12


def test_histograms_come_in_order():
    """Values are sorted, with their counts beside them."""
    values, counts = h.scores_down({200: 3, -200: 1, 1: 2})
    assert values.tolist() == [-1.0, 0.0, 1.0]
    assert counts.tolist() == [1.0, 2.0, 3.0]
    assert h.scores_up({200: 3, -200: 1, 1: 2})[0].tolist() == [-1.0, 0.01, 1.0]


def test_merging_is_adding():
    """Two replicas' counts make one."""
    into = {1: 2}
    h.merge(into, {1: 3, 4: 1})
    h.add(into, 4)
    assert into == {1: 5, 4: 2}


@given(st.floats(1e-6, 1e6))
def test_a_latency_lies_within_two_percent_under_its_edge(seconds: float):
    """The bin's upper edge is at or above what was measured, and at most 2 % above."""
    edge = h.latency_edge(h.latency_bin(seconds))
    assert seconds <= edge * (1 + 1e-9)
    assert edge <= seconds * 1.02 * (1 + 1e-9)


def test_latencies_off_the_scale_are_kept_at_its_ends():
    """Nothing, more than eleven days, and what never came have their bins."""
    assert h.latency_bin(0.0) == h.latency_bin(1e-9) == h.latency_bin(1e-6)
    assert h.latency_bin(1e9) == h.latency_bin(1e12) < h.latency_bin(math.inf)
    assert h.latency_edge(h.latency_bin(math.inf)) == math.inf
    assert h.latency_edge(h.latency_bin(1.0)) == 1.0


def test_a_unit_weighs_one_however_many_requests_it_made():
    """Up to twenty requests share a unit's weight without a remainder."""
    for n in range(1, 21):
        bins: dict[int, int] = {}
        for _ in range(n):
            h.add(bins, 0, h.WHOLE // n)
        assert h.units_in(bins) == 1.0
    assert math.lcm(*range(1, 21)) == h.WHOLE


def test_what_is_within_a_limit_is_surely_within():
    """A bin counts once its upper edge is within the limit, the edge itself included."""
    bins = {h.latency_bin(0.5): h.WHOLE, h.latency_bin(2.0): 3 * h.WHOLE}
    assert h.units_within(bins, 0.6) == 1.0
    assert h.units_within(bins, h.latency_edge(h.latency_bin(2.0))) == 4.0
    assert h.units_within(bins, 1.9) == 1.0
    assert h.units_within(bins, 0.4) == 0.0


def test_quantiles_are_upper_edges():
    """The quantile is the edge under which its share lies; of nothing there is none."""
    bins = {0: 19 * h.WHOLE, 50: h.WHOLE}
    assert h.latency_quantile(bins, 0.95) == 1.0
    assert h.latency_quantile(bins, 0.96) == pytest.approx(1.02**50)
    assert h.latency_quantile({}, 0.5) is None


def test_two_histograms_are_laid_side_by_side():
    """Both get the bins either uses, empty ones included."""
    one, other, first = h.aligned({3: h.WHOLE}, {5: 2 * h.WHOLE})
    assert (one.tolist(), other.tolist(), first) == ([1.0, 0.0, 0.0], [0.0, 0.0, 2.0], 3)
    assert isinstance(one, np.ndarray)
