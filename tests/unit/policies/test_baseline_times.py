"""The baseline's times, and the limits that a candidate has by them."""

import pytest

from policies.baseline_times import LEAST, MOST, BaselineTimes, limits, patience_s, trial_limit_s
from policies.routing import CandidateLimits, Variant
from policies.rules import BaselineP99

PLAIN = Variant("vllm")


def times(*first_s: float, is_stream: bool = True) -> BaselineTimes:
    found = BaselineTimes()
    for each in first_s:
        found.observe(each, 3 * each, is_stream=is_stream)
    return found


def test_nothing_is_known_before_enough_was_seen() -> None:
    """A few answers say nothing of the slowest hundredth, and streams nothing of whole answers."""
    assert times(*[1.0] * (LEAST - 1)).p99() == BaselineP99()
    known = times(*[1.0] * LEAST).p99()
    assert (known.first_token_s, known.whole_s) == (pytest.approx(1.0, rel=0.03), None)
    assert known.stream_s == pytest.approx(3.0, rel=0.03)
    whole = times(*[1.0] * LEAST, is_stream=False).p99()
    assert (whole.first_token_s, whole.whole_s) == (None, pytest.approx(3.0, rel=0.03))


def test_how_fast_streams_are() -> None:
    """Seconds for 1,024 bytes, from the first to the last, where sizes are known."""
    found = BaselineTimes()
    for _ in range(LEAST):
        found.observe(1.0, 3.0, is_stream=True, sent_bytes=8 * 1024)
    assert found.p99().kib_s == pytest.approx(0.25, rel=0.03)
    assert times(*[1.0] * LEAST).p99().kib_s is None


def test_a_quantile_over_both_kinds() -> None:
    """A latency gate makes no difference between streams and whole answers; neither does what arms it."""
    both = times(*[1.0] * 90)
    for _ in range(10):
        both.observe(2.0, 2.0, is_stream=False)
    assert both.quantile("ttft", 0.95, 100) == pytest.approx(2.0, rel=0.03)
    assert both.quantile("total", 0.95, 100) == pytest.approx(3.0, rel=0.03)
    assert both.quantile("ttft", 0.95, 101) is None


def test_it_is_bounded_and_follows() -> None:
    """Counts stay whole and bounded, and a baseline that became slower is known to be within as many answers."""
    found = times(*[1.0] * (2 * MOST))
    assert sum(found.first_tokens.values()) <= MOST
    for _ in range(MOST):
        found.observe(4.0, 4.0, is_stream=True)
    assert found.p99().first_token_s == pytest.approx(4.0, rel=0.03)


def test_small_changes_are_not_followed() -> None:
    """A limit moves by more than a fifth or not at all, and what is known does not become unknown."""
    known = BaselineP99(1.0, None)
    assert known.followed(BaselineP99(1.2, 5.0)) == BaselineP99(1.0, 5.0)
    assert known.followed(BaselineP99(1.21, None)) == BaselineP99(1.21, None)
    assert known.followed(BaselineP99(0.79, None)) == BaselineP99(0.79, None)
    assert known.followed(BaselineP99()) == known
    assert known.followed(BaselineP99(stream_s=9.0)).followed(BaselineP99(stream_s=10.0)).stream_s == 9.0


@pytest.mark.parametrize(
    ("candidate", "known", "first_token_s", "whole_s"),
    [
        (PLAIN, BaselineP99(), 10.0, 120.0),
        (PLAIN, BaselineP99(0.4, 0.9), 2.0, 2.0),
        (PLAIN, BaselineP99(3.0, 40.0), 6.0, 80.0),
        (Variant("vllm", first_byte_s=1.0), BaselineP99(), 1.0, 1.0),
        (Variant("vllm", first_byte_s=30.0, total_s=90.0), BaselineP99(), 10.0, 30.0),
        (Variant("vllm", first_byte_s=30.0, total_s=20.0), BaselineP99(3.0, 40.0), 6.0, 20.0),
        (Variant("vllm", total_s=1.5), BaselineP99(3.0, 40.0), 6.0, 1.5),
    ],
)
def test_the_shortest_of_all_that_is_said(
    candidate: Variant, known: BaselineP99, first_token_s: float, whole_s: float
) -> None:
    """Twice the baseline's slowest hundredth, at least two seconds, and never longer than the policy says."""
    found = limits(candidate, known)
    assert (found.first_token_s, found.whole_s) == (first_token_s, whole_s)
    assert (found.patience_first_token_s, found.patience_whole_s) == (known.first_token_s, known.whole_s)
    plain = CandidateLimits()
    assert (found.connect_s, found.between_tokens_s) == (plain.connect_s, plain.between_tokens_s) == (3.0, 30.0)


@pytest.mark.parametrize(
    ("candidate", "known", "stream_s"),
    [
        (PLAIN, BaselineP99(), 600.0),
        (PLAIN, BaselineP99(stream_s=9.0), 120.0),
        (PLAIN, BaselineP99(stream_s=100.0), 400.0),
        (Variant("vllm", total_s=90.0), BaselineP99(stream_s=100.0), 90.0),
    ],
)
def test_how_long_a_stream_may_last(candidate: Variant, known: BaselineP99, stream_s: float) -> None:
    """Four times the baseline's slowest hundredth, at least two minutes, and never longer than the policy says."""
    assert limits(candidate, known).stream_s == stream_s


@pytest.mark.parametrize(
    ("known", "stream_s", "byte_s"),
    [
        (BaselineP99(), None, None),
        (BaselineP99(stream_s=0.4, kib_s=0.02), 2.0, 0.0625),
        (BaselineP99(stream_s=9.0, kib_s=0.25), 18.0, 0.0625),
        (BaselineP99(stream_s=100.0, kib_s=1.0), 200.0, 0.25),
    ],
)
def test_what_a_stream_may_take_that_goes_on(known: BaselineP99, stream_s: float | None, byte_s: float | None) -> None:
    """Twice what the baseline's streams take; and for each byte that it says four times the baseline's, or 1/16 s."""
    found = limits(PLAIN, known)
    assert (found.patience_stream_s, found.patience_byte_s) == (stream_s, byte_s)


def test_how_long_an_app_is_used_to_wait() -> None:
    """The longer of both kinds, and two seconds where nothing is known."""
    assert patience_s(BaselineP99()) == 2.0
    assert patience_s(BaselineP99(3.0, 40.0)) == 40.0


@pytest.mark.parametrize(
    ("known", "limit_s"),
    [
        (BaselineP99(), 30.0),
        (BaselineP99(first_token_s=0.1, whole_s=4.0), 30.0),
        (BaselineP99(first_token_s=20.0), 40.0),
        (BaselineP99(whole_s=40.0), 80.0),
    ],
)
def test_how_long_a_trial_waits(known: BaselineP99, limit_s: float) -> None:
    """Half a minute, or as long as apps would wait where the baseline is slower; the two minutes of what is unknown
    would not fit into a trial.
    """
    assert trial_limit_s(Variant("vllm", "tuned"), known) == limit_s
