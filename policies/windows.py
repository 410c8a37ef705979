"""When a weight may rise: days and hours of a week, where people are at work. Falling knows no hours. Pure.

The time and its zone are arguments; zones are those of `zoneinfo`, and so of the system or the package `tzdata`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MINUTES_A_DAY = 24 * 60
_YEARS = (0.0, 253_402_214_400.0)
"""Unix seconds that a calendar has in every zone: up to the last day of the year 9999."""


@dataclass(frozen=True, slots=True)
class RiseWindow:
    """Days of the week, and the part of each of them."""

    days: tuple[int, ...] = tuple(range(7))
    """0 is Monday."""
    begins_min: int = 0
    """Minutes after midnight."""
    ends_min: int = _MINUTES_A_DAY
    """The same; not after `begins_min`: on the day after."""
    tz: str = "UTC"

    def is_open(self, now: float) -> bool:
        """Whether `now`, Unix seconds, lies within; what no calendar has, and a zone that nobody knows, does not."""
        here = _local(now, self.tz)
        if here is None:
            return False
        minute = here.hour * 60 + here.minute
        if self.begins_min < self.ends_min:
            return here.weekday() in self.days and self.begins_min <= minute < self.ends_min
        begun = here if minute >= self.begins_min else here - timedelta(days=1)
        return begun.weekday() in self.days and not self.ends_min <= minute < self.begins_min

    def shut(self, now: float) -> str:
        """Why no certificate may raise the weight at this hour; empty: it may."""
        return "" if self.is_open(now) else f"it rises only within {self}; it may fall at any time"

    def __str__(self) -> str:
        return f"{days_text(self.days)} {clock_text(self.begins_min)}-{clock_text(self.ends_min)} {self.tz}"


def _local(now: float, tz: str) -> datetime | None:
    if not _YEARS[0] <= now < _YEARS[1]:
        return None
    try:
        return datetime.fromtimestamp(now, ZoneInfo(tz))
    except (OSError, ValueError, LookupError):
        return None


def is_zone(name: str) -> bool:
    """Whether there is a time zone of that name here."""
    return _local(0.0, name) is not None


def days_text(days: tuple[int, ...]) -> str:
    """Days as people write them: `mon-fri`, `mon,wed`."""
    first, last = days[0], days[-1]
    if len(days) > 2 and days == tuple(range(first, last + 1)):
        return f"{DAYS[first]}-{DAYS[last]}"
    return ",".join(DAYS[day] for day in days)


def clock_text(minutes: int) -> str:
    """A time of day: `9:00`."""
    return f"{minutes // 60}:{minutes % 60:02}"
