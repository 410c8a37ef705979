"""Moments as people write them."""

import pytest

from gateway.node.moments import MomentError, ago_s, moment, since

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("7d", NOW - 7 * 86_400), ("12h", NOW - 43_200), ("30m", NOW - 1800), ("90s", NOW - 90),
        ("0.5d", NOW - 43_200), ("0d", NOW), ("999999d", 0.0), ("1970-01-02", 86_400.0),
        ("1970-01-02T00:00:05", 86_405.0), ("1970-01-02T02:00:00+02:00", 86_400.0),
    ],
)  # fmt: skip
def test_a_moment_is_so_long_ago_or_a_date(text: str, at: float) -> None:
    """Both forms, in UTC where a date does not say; what is longer ago than anything begins in 1970."""
    assert moment(text, now=NOW) == since(text, now=NOW) == at


@pytest.mark.parametrize(
    "text",
    ["7", "7w", "-7d", "nand", "infd", "1e9d", "9999999d", "yesterday", "2026-13-01", "0001-01-01", "\u0667d", " 7d"],
)
def test_what_is_no_moment_is_refused_with_an_example(text: str) -> None:
    """The message says how one is written."""
    with pytest.raises(MomentError) as refused:
        moment(text, now=NOW)
    assert str(refused.value) == f"{text!r} is no moment. hint: 24h, 7d, or 2026-11-29T12:00"


def test_all_has_no_beginning() -> None:
    """Nor has what is not said; so long ago is known apart from dates."""
    assert since("all", now=NOW) is None
    assert since(None, now=NOW) is since("", now=NOW) is None
    assert (ago_s("2h"), ago_s("2026-11-29")) == (7200.0, None)
