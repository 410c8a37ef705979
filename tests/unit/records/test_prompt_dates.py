"""A system prompt is the same one on any day."""

import time

import pytest

from records.prompt_dates import undated, without_dates


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Today is 2026-11-30.", "Today is 2026-12-01."),
        ("now: 2026-11-30T03:28:11.123Z, be kind", "now: 2026-12-01T23:00:00.001Z, be kind"),
        ("now: 2026-11-30 14:05:06+01:00", "now: 2026-12-01 4:05:06+02:00"),
        ("Current date: Monday, November 30, 2026", "Current date: Wednesday, December 2nd, 2026"),
        ("It is Monday, 30 November 2026, 14:05 UTC.", "It is Tuesday, 1 Dec 2026, 9:05 CET."),
        ("Heute ist Montag, der 30. November 2026.", "Heute ist Mittwoch, der 2. Dezember 2026."),
        ("hoy es 30 de noviembre de 2026", "hoy es 1 de diciembre de 2026"),
        ("Date: 11/30/2026 3:05 PM", "Date: 12/1/2026 11:15 AM"),
        ("2026\u5e7411\u670830\u65e5", "2026\u5e7412\u67081\u65e5"),
        ("2026-11-30 (Monday)", "2026-12-01 (Tuesday)"),
        ("Mon Nov 30 03:28:11 UTC 2026", "Tue Dec  1 13:28:11 UTC 2026"),
        ("date 2026-11-30, time 14:05, yesterday 2026-11-29", "date 2026-12-01, time 8:00, yesterday 2026-11-30"),
        ("at 14:05 on Nov 30, 2026 by you", "at 8:01 on Dec 1, 2026 by you"),
    ],
)
def test_another_day(one, other):
    """However the app writes the date, and the time of day beside it."""
    assert without_dates(one) == without_dates(other) != one


@pytest.mark.parametrize(
    "text",
    ["", "You triage.", "version 2026.1 of 2025", "open from 09:00 to 17:00", "2015 units by ISO 2015", "in 20 days"],
)
def test_what_is_no_date_stays(text):
    """Numbers, years alone, and times of day far from any date: another version is another prompt."""
    assert without_dates(text) is text


def test_what_is_beside_a_date_stays():
    """All but the date is compared, opening hours far from it among that."""
    hours = "Open from 09:00. " + "x" * 200
    assert without_dates(f"{hours} Today is 2026-11-30. Be kind.").startswith(hours)
    assert without_dates("a 2026-11-30 b") != without_dates("a 2026-11-30 c")


def test_a_message():
    """Its content, in parts or whole; the same message where there is none."""
    plain = {"role": "system", "content": "You triage."}
    assert undated(plain) is plain
    assert undated({"content": "2026-11-30"}) == undated({"content": "2026-12-01"})
    parts = [
        {"content": [{"type": "text", "text": f"on {day}"}, 5, {"type": "x"}]} for day in ("2026-11-30", "2027-01-01")
    ]
    assert undated(parts[0]) == undated(parts[1])


def test_a_text_full_of_years_costs_little():
    """What nobody would write is not gone through to its end."""
    begun = time.process_time()
    without_dates("2024 " * 200_000 + "on 2024-01-01")
    assert time.process_time() - begun < 1
