"""What an option's word means, and what is refused with an example."""

import argparse
from collections.abc import Callable

import pytest

from gateway.cli.values import at_once, between, count, lasting, since, until, whole


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        (since, "7d", "7d"),
        (since, "all", "all"),
        (until, "2026-11-29T12:00", "2026-11-29T12:00"),
        (count, "1", 1),
        (whole, "0", 0),
        (between(0), "0", 0.0),
        (between(-1, 1), "-1", -1.0),
        (lasting, "90s", 90.0),
        (lasting, "1.5h", 5400.0),
    ],
)
def test_a_word_is_its_number(kind: Callable[[str], float | str], text: str, found: float | str) -> None:
    """Moments as they are, counts, numbers of a range and durations, each as written."""
    assert kind(text) == found


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (since, "7", "'7' is no moment. hint: 24h, 7d, or 2026-11-29T12:00"),
        (until, "all", "'all' is no moment. hint: 24h, 7d, or 2026-11-29T12:00"),
        (count, "0", "'0' is out of range. hint: a whole number, 1 or more"),
        (count, "2.5", "'2.5' is out of range. hint: a whole number, 1 or more"),
        (whole, "-1", "'-1' is out of range. hint: a whole number, 0 or more"),
        (count, "9" * 24, f"'{'9' * 24}' is out of range. hint: a whole number, 1,000,000,000,000,000 at most"),
        (at_once, "10001", "'10001' is out of range. hint: a whole number, 10,000 at most"),
        (between(0), "-1", "'-1' is out of range. hint: a number, 0 or more"),
        (between(0, 1), "7", "'7' is out of range. hint: a number, 0 to 1"),
        (lasting, "1", "'1' must be a duration. hint: a number and its unit: 800ms, 1.5s, 30m, 1h, 14d"),
    ],
)
def test_what_is_out_of_range_is_refused_with_an_example(
    kind: Callable[[str], float | str], text: str, said: str
) -> None:
    """The message says how such a value is written, and what its range is."""
    with pytest.raises(argparse.ArgumentTypeError) as refused:
        kind(text)
    assert str(refused.value) == said
