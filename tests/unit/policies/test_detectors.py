"""Detectors, against their closed forms."""

import math

import pytest

from policies.detectors import BETS, Detector, Recent

SPANS = (4, 16, 64, 256)


def test_the_grid_of_bets_spans_a_hundredth_to_nine_tenths():
    """Twelve bets, evenly spread in logarithms."""
    assert len(BETS) == 12
    assert (BETS[0], BETS[-1]) == pytest.approx((0.01, 0.9))
    assert BETS[1] / BETS[0] == pytest.approx(BETS[7] / BETS[6])


def test_one_step_is_shiryaev_roberts():
    """Each height becomes L (height + 1), L being the bet's return on the excess over the tolerance."""
    detector = Detector(0.02)
    once = detector.after(1.0)
    assert once.heights == pytest.approx([1 + bet * 0.98 / 0.02 for bet in BETS])
    twice = once.after(0.0)
    assert twice.heights == pytest.approx(
        [(1 - bet) * (height + 1) for bet, height in zip(BETS, once.heights, strict=True)]
    )
    assert twice.height == pytest.approx(sum(twice.heights) / 12)
    assert (twice.n, twice.peak) == (2, once.height)
    assert once.log10 == pytest.approx(math.log10(once.height))


def test_a_quiet_stream_stays_quiet():
    """Without any badness heights settle at (1 - f) / f, and below one the logarithm is nought."""
    detector = Detector(0.02)
    assert detector.log10 == 0.0
    for _ in range(3000):
        detector = detector.after(0.0)
    assert detector.heights == pytest.approx([(1 - bet) / bet for bet in BETS])


def test_the_range_may_begin_below_zero():
    """For scores, badness runs from -1: a tie is no harm, a loss is."""
    tie = Detector(0.05, lo=-1.0).after(0.0)
    assert tie.heights == pytest.approx([1 - bet * 0.05 / 1.05 for bet in BETS])


def test_an_excuse_widens_the_tolerance_for_one_request():
    """While the baseline fails too, the candidate's failure says less, and nothing is remembered of the excuse."""
    excused = Detector(0.02).after(1.0, excuse=0.48)
    assert excused.heights == pytest.approx([1 + bet for bet in BETS])
    assert excused.tolerance == 0.02


def test_heights_are_bounded():
    """A candidate that is down for hours overflows nothing."""
    detector = Detector(0.001)
    for _ in range(500):
        detector = detector.after(1.0)
    assert detector.height <= 1.001e300
    assert detector.log10 == pytest.approx(300, abs=1)


def test_recent_failures_are_averaged_over_four_spans():
    """Each average moves by its span's share; the worst counts, a standard error above itself."""
    recent = Recent()
    assert recent.rate == 0.0
    recent = recent.after(failed=True)
    assert recent.rates == (1 / 4, 1 / 16, 1 / 64, 1 / 256)
    assert recent.rate == 1 / 4 + math.sqrt(1 / 16)
    recent = recent.after(failed=False)
    assert recent.rates[0] == 1 / 4 * 3 / 4
    for _ in range(30):
        recent = recent.after(failed=False)
    assert recent.rate == pytest.approx(
        max(rate + math.sqrt(rate / span) for rate, span in zip(recent.rates, SPANS, strict=True))
    )
    assert recent.rate < 0.05
    for _ in range(40):
        recent = recent.after(failed=True)
    assert recent.rate == 1.0


def test_a_request_of_less_weight_says_less():
    """The weight is the exponent of the bet's return; 1 is the whole of it, 0 nothing but time."""
    half = Detector(0.02).after(1.0, weight=0.5)
    assert half.heights == pytest.approx([(1 + bet * 0.98 / 0.02) ** 0.5 for bet in BETS])
    assert Detector(0.02).after(1.0, weight=1.0) == Detector(0.02).after(1.0)
    assert Detector(0.02).after(1.0, weight=0.0).heights == (1.0,) * len(BETS)
