"""Filters over the records: words of a URL as SQL conditions, from a closed list.

Pure: `now` is an argument. A word that nobody knows is refused with a hint, never left out silently.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Literal

from gateway.node import moments
from gateway.node.moments import MomentError
from policies.language.compare import SCORES
from records.route_facts import grained

RecordTable = Literal["exchanges", "comparisons"]

TEXT_S = 7 * 86_400.0
"""Words of the text are looked for within a week at most: it means reading every prompt."""
MAX_VALUE = 400
_TOKEN = re.compile(r'(\w+):(?:"([^"]*)"|(\S+))|(\S+)')
_NUMBER = re.compile(r"(>=|<=|>|<)?(-?\d{1,12}(?:\.\d{1,6})?)(ms|s)?", re.ASCII)

_EQUAL: dict[RecordTable, dict[str, str]] = {
    "exchanges": {
        "route": "route", "variant": "variant", "why": "why", "reason": "reason", "model": "model_requested",
        "outcome": "outcome", "user": "user_id", "key": "key_name", "trace": "trace_id", "finish": "finish_reason",
        "conversation": "conversation_id", "upstream": "upstream", "id": "id",
    },
    "comparisons": {
        "route": "route", "asked": "asked", "came": "came", "reason": "reason", "metric": "metric",
        "id": "exchange_id",
    },
}  # fmt: skip
_NUMBERS: dict[RecordTable, dict[str, tuple[str, float]]] = {
    "exchanges": {
        "tokens": ("prompt_tokens", 1.0), "out": ("completion_tokens", 1.0), "ttft": ("first_byte_ms", 1000.0),
        "total": ("total_ms", 1000.0), "cost": ("cost_usd", 1.0),
    },
    "comparisons": {"q": ("q", 1.0), "agree": ("agree", 1.0), "total": ("total_ms", 1000.0)},
}  # fmt: skip
"""Name -> column, and what a second of the question is in the column."""
_MOMENT: dict[RecordTable, str] = {"exchanges": "arrived_at", "comparisons": "compared_at"}


def _score(comparator: str) -> str:
    return f"sign(TRY_CAST(json_extract_string(scores_json, '$.{comparator}.q') AS DOUBLE))"


_VIEWS = {
    "disagreements": "q < 0",
    "broken": "came IN ('failed', 'timed_out', 'dropped')",
    "unsure": "abstained",
    "invalid": "valid_candidate = false",
    "better": "q > 0",
    "against_judge": " OR ".join(f"{_score(name)} <> {_score('judge')}" for name in SCORES if name != "judge"),
}
"""Built-in views of pairs."""


class FilterError(Exception):
    """A word that says nothing here; the message says which, and what there is."""


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when, in Unix seconds."""

    since: float | None
    until: float | None


@dataclass(slots=True)
class RecordFilter:
    """Conditions for one table, as SQL with its parameters."""

    table: RecordTable
    window: Window
    conditions: list[str] = field(default_factory=list[str])
    parameters: list[object] = field(default_factory=list[object])

    @property
    def where(self) -> str:
        """All conditions joined into one SQL expression."""
        return " AND ".join(["true", *self.conditions])

    def add(self, condition: str, *values: object) -> None:
        """Add a condition that must hold, too."""
        self.conditions.append(condition)
        self.parameters += values


def moment(text: str, *, now: float) -> float:
    """A moment: `24h` (so long ago, to a thousandth) or an ISO date or time, UTC where it does not say.

    Raises:
        FilterError: neither.
    """
    long_s = moments.ago_s(text)
    try:
        at = moments.moment(text, now=now)
    except MomentError as error:
        raise FilterError(str(error)) from error
    return at if long_s is None else grained(at, long_s)


def window(given: Mapping[str, str], *, now: float, usual: str | None = None) -> Window:
    """`since` and `until` of a URL; `usual` where it does not say since when.

    Raises:
        FilterError: one of them is no moment.
    """
    since, until = given.get("since") or usual, given.get("until")
    return Window(
        None if not since or since == moments.ALWAYS else moment(since, now=now),
        None if not until else moment(until, now=now),
    )


def wanted(table: RecordTable, given: Mapping[str, str], *, now: float, usual: str | None = None) -> RecordFilter:
    """The conditions that a URL's words name, `q` taken apart into words like the others.

    Raises:
        FilterError: a word is unknown or cannot be read.
    """
    found = RecordFilter(table, window(given, now=now, usual=usual))
    _within(found, table)
    words = [(name, value) for name, value in given.items() if name not in ("since", "until", "q") and value]
    for name, value in [*words, *_searched(given.get("q", ""))]:
        if len(value) > MAX_VALUE:
            raise FilterError(f"{name}: longer than {MAX_VALUE} characters")
        _word(found, name, value, now)
    return found


def names(table: RecordTable) -> list[str]:
    """The words that `wanted` knows for a table."""
    more = ["status", "text"] if table == "exchanges" else ["view"]
    return sorted([*_EQUAL[table], *_NUMBERS[table], *more])


def views() -> list[str]:
    """The built-in views of pairs."""
    return list(_VIEWS)


def _within(found: RecordFilter, table: RecordTable) -> None:
    column, window = _MOMENT[table], found.window
    for sign, at, slack_s in ((">=", window.since, -86_400.0), ("<=", window.until, 86_400.0)):
        if at is not None:
            found.add(f"{column} {sign} ?", datetime.fromtimestamp(at, UTC).replace(tzinfo=None))
            # Files lie by date: whole days are left out without being read.
            found.add(f"date {sign} ?::DATE", datetime.fromtimestamp(at + slack_s, UTC).date())


def _searched(text: str) -> list[tuple[str, str]]:
    words = [(match[1], match[2] or match[3] or "", match[4]) for match in _TOKEN.finditer(text)]
    bare = next((word for _, _, word in words if word), None)
    if bare is not None:
        raise FilterError(f"{bare[:40]!r} stands alone. hint: text:{bare[:40]} looks for it in prompts and answers")
    return [(name, value) for name, value, _ in words]


def _word(found: RecordFilter, name: str, value: str, now: float) -> None:
    table = found.table
    if name in _EQUAL[table]:
        found.add(f"{_EQUAL[table][name]} = ?", value)
    elif name in _NUMBERS[table]:
        column, scale = _NUMBERS[table][name]
        sign, number = _number(name, value)
        found.add(f"{column} {sign} ?", number * scale)
    elif name == "status" and table == "exchanges":
        _status(found, value)
    elif name == "text" and table == "exchanges":
        _text(found, value, now)
    elif name == "view" and table == "comparisons":
        if value not in _VIEWS:
            raise FilterError(f"there is no view {value[:40]!r}. hint: {', '.join(_VIEWS)}")
        found.add(f"({_VIEWS[value]})")
    else:
        near = get_close_matches(name, names(table), 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names(table))}"
        raise FilterError(f"nothing here is called {name[:40]!r}. hint: {hint}")


def _number(name: str, value: str) -> tuple[str, float]:
    match = _NUMBER.fullmatch(value)
    if match is None:
        raise FilterError(f"{name}:{value[:40]} is no number. hint: {name}:>2")
    number = float(match[2]) / (1000.0 if match[3] == "ms" else 1.0)
    return match[1] or "=", number


def _status(found: RecordFilter, value: str) -> None:
    if re.fullmatch(r"[1-5]xx", value):
        found.add("status // 100 = ?", int(value[0]))
    elif re.fullmatch(r"0|[1-9]\d\d", value):
        found.add("status = ?", int(value))
    else:
        raise FilterError(f"status:{value[:40]} is none. hint: status:5xx or status:429")


def _text(found: RecordFilter, value: str, now: float) -> None:
    since = found.window.since
    if since is None or (found.window.until or now) - since > TEXT_S:
        raise FilterError("words of the text are looked for within 7 d at most. hint: add since=7d")
    found.add("(contains(lower(request_json), lower(?)) OR contains(lower(response_json), lower(?)))", value, value)
