"""Moments as people write them, in options and in URLs: so long ago, or a date.

Pure: `now` is an argument. It loads nothing that is heavy, since bad usage is answered at once.
"""

import re
from datetime import UTC, datetime

EXAMPLES = "24h, 7d, or 2026-11-29T12:00"
ALWAYS = "all"
"""The word for no beginning at all."""
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_SLACK_S = 2 * 86_400.0
"""What is looked at beside a moment, as days of the records and other time zones: it has a date, too."""
_AGO = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)([smhd])", re.ASCII)


class MomentError(ValueError):
    """Words that name no moment; the message says how one is written."""


def ago_s(text: str) -> float | None:
    """How many seconds `24h` or `0.5d` are; None: it is written otherwise."""
    found = _AGO.fullmatch(text)
    return None if found is None else float(found[1]) * _UNITS[found[2]]


def moment(text: str, *, now: float) -> float:
    """A moment, in Unix seconds, none before 1970: `24h` ago, or an ISO date or time, UTC where it does not say.

    Raises:
        MomentError: neither.
    """
    long_s = ago_s(text)
    if long_s is not None:
        return max(0.0, now - long_s)
    try:
        found = datetime.fromisoformat(text)
        at = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
        _ = datetime.fromtimestamp(at - _SLACK_S, UTC), datetime.fromtimestamp(at + _SLACK_S, UTC)
    except (ValueError, OverflowError) as error:
        raise MomentError(f"{text[:40]!r} is no moment. hint: {EXAMPLES}") from error
    return at


def since(text: str | None, *, now: float) -> float | None:
    """The moment from which on something is wanted; None: from the beginning, which `all` and nothing mean.

    Raises:
        MomentError: it is none.
    """
    return None if not text or text == ALWAYS else moment(text, now=now)
