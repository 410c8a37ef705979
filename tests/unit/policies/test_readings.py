"""Readings: gates in their order, means over units, numbers that are not known."""

import pytest

from policies.readings import gates_of, number, plain
from policies.rules import Cost, Errors, Gates, Latency, Quality, Validity


def test_gates_are_shown_in_one_order():
    """Those a policy has, quality first and cost last."""
    every = Gates(validity=Validity(), cost=Cost())
    assert gates_of(every) == (Quality(), Validity(), Errors(), Latency(), Cost())
    assert gates_of(Gates(quality=None, errors=None, latency=None)) == ()


def test_the_plain_mean_counts_each_unit_once():
    """Between its rounding down and up."""
    assert plain({200: 1, -200: 3}) == (pytest.approx(-0.5), 4)
    assert plain({1: 2}) == (pytest.approx(0.005), 2)


def test_a_number_that_is_not_known_is_none():
    """No number is made up."""
    assert (number(None, ".2f"), number(0.5, "+.2f")) == ("?", "+0.50")
