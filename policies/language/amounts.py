"""How people write amounts in a policy, and what they mean: strictly, a number without its unit is refused."""

import math
import re
from typing import Annotated, cast

from pydantic import BeforeValidator, WithJsonSchema

from policies.windows import DAYS, is_zone

PPM = 1_000_000
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
_DURATION = re.compile(rf"({_NUMBER})(ms|s|m|h|d)")
_PERCENT = re.compile(rf"({_NUMBER})%")
_SIGNED_PERCENT = re.compile(rf"(-?{_NUMBER})%")
_TIMES = re.compile(rf"({_NUMBER})x")
_HOURS = re.compile(r"([0-9]{1,2})(?::([0-5][0-9]))?-([0-9]{1,2})(?::([0-5][0-9]))?")
_DAY_MIN = 24 * 60
_PER_DAY = re.compile(rf"\$({_NUMBER})/day")


def seconds(value: object) -> float:
    """What a duration means: `800ms`, `1.5s`, `30m`, `1h`, `14d`.

    Raises:
        ValueError: it is none, or has no unit.
    """
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be a duration. hint: a number and its unit: 800ms, 1.5s, 30m, 1h, 14d")
    return float(match[1]) * _SECONDS[match[2]]


def share_ppm(value: object) -> int:
    """What a share means, in parts per million: `20%`, `0.5%`.

    Raises:
        ValueError: it is none, is more than all, or is finer than a millionth.
    """
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be a share. hint: a percentage with its sign: 20%, 0.5%")
    ppm = float(match[1]) * PPM / 100
    if ppm > PPM:
        raise ValueError("is more than all. hint: at most 100%")
    if abs(ppm - round(ppm)) > 1e-6:
        raise ValueError("is finer than a millionth. hint: 0.0001% is the least step")
    return round(ppm)


def fraction(value: object) -> float:
    """A number between 0 and 1, written as it is or in percent: `0.05` or `5%`.

    Raises:
        ValueError: it is none.
    """
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        found = float(match[1]) / 100
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        found = float(value)
    else:
        raise ValueError("must be a fraction. hint: 0.05 or 5%")
    if not 0 <= found <= 1:  # NaN is not either
        raise ValueError("must lie between 0 and 1. hint: 0.05 or 5%")
    return found


def margin(value: object) -> float:
    """How much harm is allowed, `0.05` or `5%`; or, below 0, how much better something has to be: `-0.02`, `-2%`.

    Raises:
        ValueError: it is none, or nothing.
    """
    match = _SIGNED_PERCENT.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        found = float(match[1]) / 100
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        found = float(value)
    else:
        raise ValueError("must be a margin. hint: 0.05 or 5% is the harm allowed, -0.02 demands that it is better")
    if not -1 < found < 1:  # NaN is not either
        raise ValueError("must lie between -1 and 1. hint: 0.05 or 5%; -0.02 demands that it is better")
    if not found:
        raise ValueError("is 0, which what is equal never passes. hint: 0.02 allows a little, -0.02 demands better")
    return found


def times(value: object) -> float:
    """A multiple: `1.2x`, or `0.6`.

    Raises:
        ValueError: it is none, or not above zero.
    """
    match = _TIMES.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        found = float(match[1])
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        found = float(value)
    else:
        raise ValueError("must be a multiple. hint: 1.2x")
    if not 0 < found < math.inf:
        raise ValueError("must be above 0. hint: 1.2x")
    return found


def hours(value: object) -> tuple[int, int]:
    """A part of the day, in minutes after midnight: `9-17`, `9:30-17:00`, `22-6` over midnight.

    Raises:
        ValueError: it is none.
    """
    match = _HOURS.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be hours of the day. hint: 9-17, or 9:30-17:45")
    begins, ends = (int(match[hour]) * 60 + int(match[minute] or 0) for hour, minute in ((1, 2), (3, 4)))
    if begins == ends or begins >= _DAY_MIN or ends > _DAY_MIN:
        raise ValueError("are no hours of a day. hint: from 0 to 24, as 9-17; 22-6 goes over midnight")
    return begins, ends


def days(value: object) -> tuple[int, ...]:
    """Days of the week, Monday being 0: `fri`, `mon-fri`, `sat-mon`, or a list of these.

    Raises:
        ValueError: one of them is none.
    """
    found = set[int]()
    parts: list[object] = cast("list[object]", value) if isinstance(value, list) and value else [cast("object", value)]
    for part in parts:
        ends = part.split("-") if isinstance(part, str) else []
        if not 0 < len(ends) <= 2 or not all(day in DAYS for day in ends):
            raise ValueError("must be days of the week. hint: mon-fri, or [mon, wed, fri]")
        first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
        found |= {(first + n) % 7 for n in range((last - first) % 7 + 1)}
    return tuple(sorted(found))


def time_zone(value: object) -> str:
    """The name of a time zone: `Europe/Berlin`, `UTC`.

    Raises:
        ValueError: nobody here knows it.
    """
    if not isinstance(value, str) or not is_zone(value):
        hint = "as in Europe/Berlin, America/New_York or UTC; they come from the system, or from the package tzdata"
        raise ValueError(f"is no time zone that is known here. hint: {hint}")
    return value


def usd_per_day(value: object) -> float:
    """Money per day: `$20/day`.

    Raises:
        ValueError: it is none.
    """
    match = _PER_DAY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be money per day. hint: $20/day")
    return float(match[1])


def _written(pattern: str, *examples: str, number: bool = False) -> WithJsonSchema:
    text = {"type": "string", "pattern": f"^{pattern}$", "examples": list(examples)}
    return WithJsonSchema({"anyOf": [{"type": "number"}, text]} if number else text)


Seconds = Annotated[float, BeforeValidator(seconds), _written(_DURATION.pattern, "800ms", "30m", "24h")]
SharePpm = Annotated[int, BeforeValidator(share_ppm), _written(_PERCENT.pattern, "20%", "0.5%")]
Fraction = Annotated[float, BeforeValidator(fraction), _written(_PERCENT.pattern, "5%", number=True)]
SignedMargin = Annotated[float, BeforeValidator(margin), _written(_SIGNED_PERCENT.pattern, "5%", "-2%", number=True)]
Times = Annotated[float, BeforeValidator(times), _written(_TIMES.pattern, "1.2x", number=True)]
Hours = Annotated[tuple[int, int], BeforeValidator(hours), _written(_HOURS.pattern, "9-17", "9:30-17:45")]
_DAY = f"({'|'.join(DAYS)})"
_DAYS_TEXT = {"type": "string", "pattern": f"^{_DAY}(-{_DAY})?$", "examples": ["mon-fri"]}
WeekDays = Annotated[
    tuple[int, ...],
    BeforeValidator(days),
    WithJsonSchema({"anyOf": [_DAYS_TEXT, {"type": "array", "items": _DAYS_TEXT, "minItems": 1}]}),
]
TimeZone = Annotated[str, BeforeValidator(time_zone)]
UsdPerDay = Annotated[float, BeforeValidator(usd_per_day), _written(_PER_DAY.pattern, "$20/day")]


def duration_text(amount_s: float) -> str:
    """A duration as a policy would have it: `1h`, `1.5s`, `800ms`."""
    for unit in ("d", "h", "m", "s"):
        if amount_s >= _SECONDS[unit] and math.isclose(amount_s / _SECONDS[unit] % 1, 0, abs_tol=1e-9):
            return f"{amount_s / _SECONDS[unit]:g}{unit}"
    return f"{amount_s:g}s" if amount_s >= 1 or not amount_s else f"{amount_s * 1000:g}ms"


def share_text(ppm: int) -> str:
    """A share as a policy would have it: `5%`."""
    return f"{ppm / 10_000:g}%"
