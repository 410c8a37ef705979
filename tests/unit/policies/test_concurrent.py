"""The candidate's units beside the baseline's, of one block."""

import pytest

from policies.concurrent import LatencyPairs, partners
from policies.histograms import MICRO
from policies.rules import PPM, Stage

FIVE = Stage(200_000)


@pytest.mark.parametrize(
    ("weight_ppm", "holdback_ppm", "k"),
    [(10_000, 0, 10), (50_000, 0, 10), (90_000, 0, 10), (166_000, 0, 5), (250_000, 0, 2), (500_000, 0, 1),
     (PPM, 20_000, 1), (PPM, 0, 1)],
)  # fmt: skip
def test_as_many_partners_as_the_weights_allow(weight_ppm: int, holdback_ppm: int, k: int):
    """Of ten, five, four, two and one the most that leaves every unit of the candidate its own."""
    assert partners(Stage(weight_ppm, holdback_ppm=holdback_ppm)) == k


def test_a_unit_stands_beside_the_latest_of_the_baseline():
    """Their mean share beyond the line less its own beyond the limit; harm's limit is a tenth wider."""
    pairs = LatencyPairs()
    for share in (MICRO, 0, 0, MICRO, 0):
        pairs.baseline(share, FIVE)
    pairs.candidate([1.0, 2.05, 9.0, 9.0], 2.0, 7, FIVE)
    assert pairs.end(is_void=False) == [(MICRO // 4 - 3 * MICRO // 4, MICRO // 4 - MICRO // 2, 7)]


def test_nobody_is_used_twice_and_who_came_early_waits():
    """A second unit waits until four more of the baseline have closed."""
    pairs = LatencyPairs()
    for _ in range(4):
        pairs.baseline(0, FIVE)
    for _ in range(2):
        pairs.candidate([1.0], 2.0, None, FIVE)
    assert (len(pairs.found), len(pairs.waiting)) == (1, 1)
    for _ in range(4):
        pairs.baseline(MICRO, FIVE)
    assert [x for x, _, _ in pairs.end(is_void=False)] == [0, MICRO]


def test_a_void_block_brings_nothing():
    """Neither certificate nor harm, and nobody of it waits on."""
    pairs = LatencyPairs()
    for _ in range(4):
        pairs.baseline(0, FIVE)
    pairs.candidate([9.0], 2.0, None, FIVE)
    pairs.candidate([9.0], 2.0, None, FIVE)
    assert pairs.end(is_void=True) == []
    assert (pairs.found, pairs.alone, pairs.waiting) == ([], [], [])


def test_without_a_limit_nothing_is_said():
    """Before a line is known no unit waits for partners; those of the baseline that nobody needs are forgotten."""
    pairs = LatencyPairs()
    pairs.candidate([9.0], None, None, FIVE)
    for _ in range(100):
        pairs.baseline(0, FIVE)
    assert (pairs.waiting, len(pairs.alone)) == ([], 8)
