"""Windows: when a weight may rise, by the clock on somebody's wall."""

import math
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.windows import RiseWindow, days_text, is_zone

OFFICE = RiseWindow((0, 1, 2, 3, 4), 9 * 60, 17 * 60, "Europe/Berlin")
NIGHT = RiseWindow((4,), 22 * 60, 6 * 60, "America/New_York")


def at(text: str, tz: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(tz)).timestamp()


@pytest.mark.parametrize(
    ("window", "when", "is_open"),
    [
        (OFFICE, "2026-11-27T09:00", True), (OFFICE, "2026-11-27T08:59", False),
        (OFFICE, "2026-11-27T16:59", True), (OFFICE, "2026-11-27T17:00", False),
        (OFFICE, "2026-11-28T12:00", False), (OFFICE, "2026-07-01T09:30", True),
        (NIGHT, "2026-11-27T22:00", True), (NIGHT, "2026-11-28T05:59", True), (NIGHT, "2026-11-28T06:00", False),
        (NIGHT, "2026-11-27T05:00", False), (NIGHT, "2026-11-28T23:00", False), (NIGHT, "2026-11-27T21:59", False),
    ],
)  # fmt: skip
def test_a_window_is_open_by_the_clock_of_its_zone(window: RiseWindow, when: str, *, is_open: bool):
    """In summer and winter; the hours after midnight are those of the evening they began in."""
    assert window.is_open(at(when, window.tz)) is is_open


def test_summer_time_is_the_zones_business():
    """Nine in the morning in Berlin is eight or seven by UTC."""
    assert OFFICE.is_open(at("2026-07-01T07:30", "UTC"))
    assert not OFFICE.is_open(at("2026-12-01T07:30", "UTC"))


@given(st.floats())
def test_no_number_is_no_hour(now: float):
    """Whatever the clock says, it is answered; what no calendar has is never open."""
    assert RiseWindow().is_open(now) is (math.isfinite(now) and 0 <= now < 253_402_214_400)
    assert not RiseWindow(tz="Nowhere/Else").is_open(now)


def test_windows_are_told_as_they_are_written():
    """Days as a range where they are one."""
    assert str(OFFICE) == "mon-fri 9:00-17:00 Europe/Berlin"
    assert days_text((0, 2, 5)) == "mon,wed,sat"
    assert days_text((5, 6)) == "sat,sun"
    assert is_zone("Europe/Berlin")
    assert not is_zone("Berlin")
    assert not is_zone("../etc")


def test_a_shut_window_says_when_it_opens():
    """In its own words; an open one says nothing."""
    assert OFFICE.shut(at("2026-11-27T12:00", OFFICE.tz)) == ""
    assert OFFICE.shut(at("2026-11-28T12:00", OFFICE.tz)) == (
        "it rises only within mon-fri 9:00-17:00 Europe/Berlin; it may fall at any time"
    )
