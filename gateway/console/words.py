"""Numbers, times and money as pages say them. Pure: `now` is an argument. Unknown is `unknown`, never 0 or a dash."""

import re
from datetime import UTC, datetime

UNKNOWN = "unknown"
THIN = "\N{NARROW NO-BREAK SPACE}"
_MINUS = "−"
_STEPS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"))
_WINDOW = re.compile(r"(\d+)([smhdw])")
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)
"""Controls but for line ends and tabs, format characters, lone surrogates, line and paragraph separators."""


def number(value: float | None, digits: int = 0) -> str:
    """A count, in thousands."""
    return UNKNOWN if value is None else _signed(f"{value:,.{digits}f}")


def share(value: float | None, digits: int | None = None) -> str:
    """A part of one, in percent; with as many digits as it takes to be no zero."""
    if value is None:
        return UNKNOWN
    percent = value * 100
    if digits is None:
        digits = 0 if abs(percent) >= 10 or percent == round(percent) else 1 if abs(percent) >= 1 else 2
    return _signed(f"{percent:.{digits}f}") + f"{THIN}%"


def money(value: float | None) -> str:
    """US dollars, to the cent; below a dollar to what shows."""
    if value is None:
        return UNKNOWN
    size = abs(value)
    digits = 0 if size >= 10_000 else 2 if size >= 1 or size == 0 else 4 if size >= 0.001 else 6
    return ("" if value >= 0 else _MINUS) + f"${size:,.{digits}f}"


def millis(value: float | None) -> str:
    """A duration that is kept in milliseconds."""
    return UNKNOWN if value is None else duration(value / 1000)


def duration(seconds: float | None) -> str:
    """A duration, in the largest unit that says it in two or three digits."""
    if seconds is None:
        return UNKNOWN
    size = abs(seconds)
    for unit_s, name in _STEPS:
        if size >= unit_s * 1.5:
            value = seconds / unit_s
            return (
                _signed(f"{value:.1f}" if abs(value) < 10 and value != round(value) else f"{value:.0f}")
                + f"{THIN}{name}"
            )
    if size >= 10:
        return _signed(f"{seconds:.0f}") + f"{THIN}s"
    if size >= 1:
        return _signed(f"{seconds:.0f}" if seconds == round(seconds) else f"{seconds:.2f}") + f"{THIN}s"
    if size >= 0.01 or size == 0:
        return _signed(f"{seconds * 1000:.0f}") + f"{THIN}ms"
    return _signed(f"{seconds * 1000:.2g}") + f"{THIN}ms"


def measured(value: float | None, unit: str | None) -> str:
    """A sign's number with its unit, as `records.readiness` names units."""
    if value is None:
        return UNKNOWN
    match unit:
        case "usd_per_month":
            return f"{money(value)} a month"
        case "s":
            return duration(value)
        case "share":
            return share(value)
        case "score":
            return signed(value, 3)
        case "tokens_per_s":
            return f"{number(value, 1)} tokens a second"
        case "days":
            told = number(value, 0 if value == round(value) else 1)
        case _:
            told = number(value)
    return f"{told} {unit or ''}".rstrip().removesuffix("s" if told == "1" else "\0")


def halves(before: float | None, after: float | None, unit: str | None) -> str:
    """A number in the earlier and in the later half of a window, with the change; empty: one of them is not known."""
    if before is None or after is None:
        return ""
    change = f", {after / before - 1:+.0%}".replace("-", _MINUS) if before > 0 else ""
    return f"{measured(before, unit)} in the earlier half, {measured(after, unit)} in the later{change}"


def ago(at: float | None, now: float) -> str:
    """How long a moment is past, or away: in whole seconds, for nobody looks sooner again."""
    if at is None:
        return UNKNOWN
    away = abs(now - at)
    told = duration(away if away >= 60 else float(round(away))) if away >= 0.5 else f"0{THIN}s"
    return f"{told} ago" if at <= now else f"in {told}"


def moment(at: float | datetime | str | None) -> str:
    """A moment, in UTC, to the second."""
    found = _datetime(at)
    return UNKNOWN if found is None else f"{found:%Y-%m-%d %H:%M:%S} UTC"


def day(at: float | datetime | str | None) -> str:
    """A day, in UTC: `31 March 2027`."""
    found = _datetime(at)
    return UNKNOWN if found is None else f"{found.day} {found:%B %Y}"


def short(at: float | datetime | str | None) -> str:
    """A moment as a table's first column has it; to the second, for fifty rows of one minute look alike."""
    found = _datetime(at)
    return UNKNOWN if found is None else f"{found.day} {found:%b %H:%M:%S}"


def window(since: str) -> str:
    """The time that a page looks at, as its address has it: `in the last 24 h`; empty: all there is."""
    found = _WINDOW.fullmatch(since)
    if found is not None:
        return f"in the last {found[1]}{THIN}{found[2]}"
    return "" if since == "all" else f"since {since}"


def signed(value: float | None, digits: int = 2) -> str:
    """A score: more than nothing has its plus."""
    told = number(value, digits)
    return f"+{told}" if value is not None and value > 0 and told.strip("0.") else told


def seconds(at: float | datetime | str | None) -> float | None:
    """A moment in Unix seconds."""
    found = _datetime(at)
    return None if found is None else found.timestamp()


def size(value: float) -> str:
    """Bytes."""
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f}{THIN}{unit}" if unit == "B" or value >= 10 else f"{value:.1f}{THIN}{unit}"
        value /= 1024
    return f"{value:.1f}{THIN}GiB"


def ratio(value: float | None) -> str:
    """How many times as much."""
    return UNKNOWN if value is None else f"{value:.2f}×"


def plain(text: str) -> str:
    """A text with what cannot be seen made visible: controls, zero-width and bidirectional marks, lone surrogates."""
    return _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


def cut(text: str, most: int) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text[: most * 4].split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _signed(text: str) -> str:
    if text.startswith("-"):
        return text[1:] if not text.strip("-0.,") else _MINUS + text[1:]
    return text


def _datetime(at: float | datetime | str | None) -> datetime | None:
    if at is None or at == "":
        return None
    if isinstance(at, str):
        try:
            at = datetime.fromisoformat(at)
        except ValueError:
            return None
    if isinstance(at, datetime):
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    try:
        return datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        return None
