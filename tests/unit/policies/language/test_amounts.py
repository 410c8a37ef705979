"""Amounts carry their unit, and mean exactly what is written."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.language.amounts import (
    days,
    duration_text,
    fraction,
    hours,
    margin,
    seconds,
    share_ppm,
    share_text,
    time_zone,
    times,
    usd_per_day,
)


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (seconds, "800ms", 0.8), (seconds, "1.5s", 1.5), (seconds, "30m", 1800.0), (seconds, "24h", 86400.0),
        (seconds, "14d", 1209600.0), (seconds, "0s", 0.0),
        (share_ppm, "20%", 200_000), (share_ppm, "0.5%", 5_000), (share_ppm, "0.0001%", 1),
        (share_ppm, "100%", 1_000_000),
        (fraction, "5%", 0.05), (fraction, 0.05, 0.05), (fraction, 1, 1.0), (fraction, 0, 0.0),
        (times, "1.2x", 1.2), (times, 0.6, 0.6), (times, 2, 2.0),
        (usd_per_day, "$20/day", 20.0), (usd_per_day, "$0.5/day", 0.5),
    ],
)  # fmt: skip
def test_what_amounts_mean(read: Callable[[object], float], text: object, value: float):
    """Each is its number times its unit."""
    assert math.isclose(read(text), value)


@pytest.mark.parametrize(
    ("read", "text", "says"),
    [
        (seconds, 30, "must be a duration. hint: a number and its unit: 800ms, 1.5s, 30m, 1h, 14d"),
        (seconds, "30", "must be a duration"), (seconds, "-1s", "must be a duration"),
        (seconds, "1 h", "must be a duration"),
        (seconds, "1hs", "must be a duration"), (seconds, None, "must be a duration"),
        (seconds, "1_0s", "must be a duration"),
        (seconds, "\u0661s", "must be a duration"),
        (share_ppm, 0.2, "must be a share. hint: a percentage with its sign"), (share_ppm, "101%", "is more than all"),
        (share_ppm, "0.00001%", "is finer than a millionth"), (share_ppm, "nan%", "must be a share"),
        (fraction, "5", "must be a fraction"), (fraction, True, "must be a fraction"),
        (fraction, 1.5, "must lie between 0 and 1"),
        (fraction, math.nan, "must lie between"), (fraction, -0.1, "must lie between"),
        (fraction, "500%", "must lie between"),
        (times, "1.2", "must be a multiple"), (times, False, "must be a multiple"), (times, 0, "must be above 0"),
        (times, math.inf, "must be above 0"),
        (hours, "9", "must be hours of the day"), (hours, 9, "must be hours"), (hours, "9-9", "are no hours of a day"),
        (hours, "9-25", "are no hours"), (hours, "24-3", "are no hours"), (hours, "9:60-10", "must be hours"),
        (days, "monday", "must be days of the week"), (days, [], "must be days"), (days, "mon-tue-wed", "must be days"),
        (days, ["mon", 3], "must be days"), (days, "", "must be days"),
        (time_zone, "Berlin", "is no time zone that is known here"), (time_zone, 1, "is no time zone"),
        (margin, 0, "is 0"), (margin, "-100%", "must lie between -1 and 1"), (margin, None, "must be a margin"),
        (usd_per_day, "20/day", "must be money per day. hint: $20/day"), (usd_per_day, 20, "must be money per day"),
    ],
)  # fmt: skip
def test_what_amounts_are_not(read: Callable[[object], float], text: object, says: str):
    """A number without its unit is refused, not guessed; so is what no such amount can be."""
    with pytest.raises(ValueError, match=says.replace("$", r"\$")):
        read(text)


@given(st.text() | st.integers() | st.floats() | st.none() | st.booleans() | st.lists(st.text()))
def test_nothing_else_ever_comes_of_it(value: object):
    """Whatever is written, it is an amount or a ValueError."""
    reads: tuple[Callable[[object], object], ...] = (
        seconds, share_ppm, fraction, times, usd_per_day, hours, days, time_zone, margin,
    )  # fmt: skip
    for read in reads:
        try:
            found = read(value)
            assert read is margin or not isinstance(found, (int, float)) or found >= 0
        except ValueError as error:
            assert "hint: " in str(error)


@given(st.integers(0, 10**7))
def test_a_duration_is_written_as_it_is_read(milliseconds: int):
    """The text of a duration means that duration."""
    assert math.isclose(seconds(duration_text(milliseconds / 1000)), milliseconds / 1000, rel_tol=1e-5)


def test_amounts_are_written_as_people_write_them():
    """In the largest unit that leaves a whole number."""
    assert [duration_text(amount) for amount in (86400, 5400, 1800, 1.5, 0.8, 0)] == [
        "1d",
        "90m",
        "30m",
        "1.5s",
        "800ms",
        "0s",
    ]
    assert [share_text(ppm) for ppm in (0, 5_000, 250_000)] == ["0%", "0.5%", "25%"]


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (hours, "9-17", (540, 1020)), (hours, "9:30-17:45", (570, 1065)), (hours, "22-6", (1320, 360)),
        (hours, "0-24", (0, 1440)), (days, "fri", (4,)), (days, "mon-fri", (0, 1, 2, 3, 4)),
        (days, "sat-mon", (0, 5, 6)), (days, ["mon-tue", "sun"], (0, 1, 6)), (time_zone, "UTC", "UTC"),
    ],
)  # fmt: skip
def test_what_hours_and_days_mean(read: Callable[[object], object], text: object, value: object):
    """Minutes after midnight; Monday is 0, and a range may go over the week's end."""
    assert read(text) == value
