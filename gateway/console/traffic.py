"""`/traffic` and `/traffic/ID`: what apps asked and got, and why who answered."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from gateway.admin import filters
from gateway.admin.exchanges import TrafficSort
from gateway.admin.figure_views import TrafficView
from gateway.admin.filters import wanted
from gateway.admin.prompts import answer_outline, pretty, prompt_outline
from gateway.console import words
from gateway.console.ask import PAGE as PAGE_ROWS
from gateway.console.ask import Ask, AskError, ConsolePage, Row, Shown

SORTS: tuple[TrafficSort, ...] = ("-id", "-total_ms", "-first_byte_ms", "-cost_usd", "-prompt_tokens")
SORT_WORDS = {
    "-id": "newest first", "-total_ms": "slowest first", "-first_byte_ms": "longest wait first",
    "-cost_usd": "dearest first", "-prompt_tokens": "longest prompt first",
}  # fmt: skip
WINDOWS = ("1h", "24h", "7d", "30d", "all")
USUAL = "24h"
_EXPORT = 5000
_OWN = ("sort", "page")
_UNITS: dict[str, Callable[[float], str]] = {
    "_ms": words.millis, "_usd": words.money, "_tokens": words.number, "_bytes": words.size,
    "_ppm": lambda value: words.share(value / 1e6),
}  # fmt: skip
_FACTS = (
    ("Why", ("variant", "why", "reason", "weight_ppm", "table_version", "candidate_revision", "pinned", "unit")),
    ("Models", ("upstream", "model_requested", "model_returned", "system_fingerprint", "service_tier")),
    ("Tokens", ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens", "usage_source")),
    ("Money", ("cost_usd", "counterfactual_cost_usd", "price_version")),
    ("Times", ("overhead_ms", "first_byte_ms", "tpot_ms", "total_ms")),
    ("Who asked", ("key_name", "key_id", "user_id", "conversation_id", "user_agent", "trace_id", "retry_count")),
    ("Kept", ("consent", "consent_source", "redaction_version", "worker", "request_bytes", "response_bytes")),
)


@dataclass(frozen=True, slots=True)
class AttemptLine:
    """One try of one upstream."""

    variant: str
    upstream: str
    status: int | None
    error: str
    started_s: float | None
    first_byte_s: float | None
    ended_s: float | None


def show(ask: Ask) -> Shown:
    """The list."""
    sort, view = _asked(ask)
    context = {
        "sorts": SORT_WORDS, "sort": sort, "since": ask.given.get("since", USUAL), "windows": WINDOWS,
        "size": PAGE_ROWS, "fields": filters.names("exchanges"),
        "names": {
            "route": "route", "variant": "variant", "why": "why", "reason": "reason", "status": "status",
            "model_requested": "model",
        },
        "cli": "crossfade records tail" + (f" --route {ask.given['route']}" if "route" in ask.given else ""),
    }  # fmt: skip
    return Shown("traffic", "Traffic", context, view)


def csv_rows(ask: Ask) -> Iterable[Row]:
    """The filtered exchanges as rows."""
    sort, given = ask.choice("sort", SORTS, SORTS[0]), _filters(ask)
    for start in range(0, 1_000_000, _EXPORT):
        found = wanted("exchanges", given, now=ask.now)
        rows = ask.pages.recorded.traffic_rows(found, sort=cast(TrafficSort, sort), limit=_EXPORT, offset=start)
        yield from (row.model_dump() for row in rows)
        if len(rows) < _EXPORT:
            return


def show_one(ask: Ask) -> Shown:
    """One exchange."""
    try:
        name = str(UUID(ask.places["exchange_id"]))
    except ValueError as error:
        raise AskError(404, "that is no id of an exchange. hint: apps get it as x-crossfade-request-id") from error
    view = ask.pages.recorded.show(name)
    if view is None:
        raise AskError(404, "no exchange has that id; it may be too new to be recorded, or too old")
    record = view.record
    path = str(record["path"] or "")
    request, response = record["request_json"], record["response_json"]
    context = {
        "record": record, "facts": facts(record),
        "prompt": prompt_outline(path, request if isinstance(request, str) else None),
        "answer": answer_outline(path, response if isinstance(response, str) else None), "pretty": pretty,
        "attempts": _attempts(record["attempts_json"]), "redactions": _counts(record["redactions_json"]),
        "has_pair": bool(ask.pages.recorded.pair(name).pairs), "cli": f"crossfade records show {name}",
        "is_raw": ask.choice("view", ("text", "raw"), "text") == "raw",
    }  # fmt: skip
    return Shown("exchange", f"Exchange {name[:8]}", context, view)


def facts(record: Mapping[str, object]) -> list[tuple[str, list[tuple[str, str]]]]:
    """What is kept beside the text, with units; what says nothing is left out."""
    return [
        (title, [(name, said) for name in names if (said := fact(name, record[name]))]) for title, names in _FACTS
    ]  # fmt: skip


def fact(name: str, value: object) -> str:
    """A column's value with its unit; empty: there is nothing to say."""
    if value is None or value is False or value == "":
        return ""
    if isinstance(value, int | float) and value is not True:
        for ending, form in _UNITS.items():
            if name.endswith(ending):
                return form(value)
    return str(value)


def _asked(ask: Ask) -> tuple[str, TrafficView]:
    sort = ask.choice("sort", SORTS, SORTS[0])
    found = wanted("exchanges", _filters(ask), now=ask.now)
    offset = (ask.number - 1) * PAGE_ROWS
    return sort, ask.pages.recorded.traffic(found, sort=cast(TrafficSort, sort), limit=PAGE_ROWS, offset=offset)


def _filters(ask: Ask) -> dict[str, str]:
    return {"since": USUAL} | {name: value for name, value in ask.given.items() if name not in _OWN}


def _attempts(text: object) -> list[AttemptLine]:
    found = _read(text)
    rows = cast("list[Any]", found) if isinstance(found, list) else []
    return [line for each in rows if (line := _attempt(each)) is not None]


def _attempt(each: Any) -> AttemptLine | None:
    if not isinstance(each, dict):
        return None
    fields = cast("dict[str, Any]", each)
    times = [fields.get(name) for name in ("started_s", "first_byte_s", "ended_s")]
    seconds = [float(value) if isinstance(value, int | float) else None for value in times]
    status = fields.get("status")
    return AttemptLine(
        str(fields.get("variant") or ""), str(fields.get("upstream") or ""),
        status if isinstance(status, int) else None, str(fields.get("error") or ""), *seconds,
    )  # fmt: skip


def _counts(text: object) -> dict[str, Any]:
    found = _read(text)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _read(text: object) -> object:
    try:
        return json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None


_WORDS = (*filters.names("exchanges"), "q", "since", "until", "sort", "page")
PAGE = ConsolePage("/traffic", show, "Traffic", _WORDS, rows=csv_rows)
ONE = ConsolePage("/traffic/{exchange_id}", show_one, "Traffic", ("view",))
