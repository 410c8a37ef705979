"""`/pairs` and `/pairs/ID`: two answers to one request, side by side, and what the comparators said of them.

Blindness is the label queue's (`label.py`); here everything is shown. Model output is only ever text.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from gateway.admin import filters
from gateway.admin.exchanges import PairSort
from gateway.admin.figure_views import PairListView, PairsView, PairView
from gateway.admin.filters import wanted
from gateway.admin.prompts import AnswerOutline, PromptOutline, answer_outline, pretty, prompt_outline
from gateway.console import differences, drawing
from gateway.console.ask import PAGE as PAGE_ROWS
from gateway.console.ask import Ask, AskError, ConsolePage, Row, Shown
from policies.candidates import route_of

SORTS: tuple[PairSort, ...] = ("-exchange_id", "q", "-q", "-total_ms", "-cost_usd")
SORT_WORDS = {
    "-exchange_id": "newest first", "q": "worst first", "-q": "best first", "-total_ms": "slowest first",
    "-cost_usd": "dearest first",
}  # fmt: skip
VIEW_WORDS = {
    "": "all", "disagreements": "disagreements", "broken": "candidate broken", "invalid": "invalid answers",
    "unsure": "judge unsure", "better": "candidate better", "against_judge": "judge against comparator",
}  # fmt: skip
WINDOWS = ("1h", "24h", "7d", "30d", "all")
USUAL = "7d"
MODES = ("side", "inline", "fields", "calls", "raw")
LONGEST = 1_048_576
"""Letters of an answer that are shown: beyond, there is the JSON to download."""
_EXPORT = 5000
_OWN = ("sort", "page")


@dataclass(frozen=True, slots=True)
class SideView:
    """One answer of a pair."""

    name: str
    """baseline or candidate."""
    about: str
    outline: AnswerOutline
    first_byte_ms: float | None
    total_ms: float | None
    tokens: int | None
    cost_usd: float | None
    is_served: bool
    """Whether the app got this one."""


@dataclass(frozen=True, slots=True)
class PairSides:
    """A pair, read."""

    prompt: PromptOutline
    baseline: SideView
    candidate: SideView
    asked: str
    scores: list[tuple[str, dict[str, str]]]
    """Per comparator: what it found, in words."""
    judge: str
    """The judge's own account, laid out; empty: not judged."""


def show(ask: Ask) -> Shown:
    """The list."""
    sort, since, view = _asked(ask)
    context = {
        "sorts": SORT_WORDS, "sort": sort, "since": since, "windows": WINDOWS, "views": VIEW_WORDS,
        "view_word": ask.given.get("view", ""), "size": PAGE_ROWS,
        "routes": [each.route for each in ask.pages.rollouts().rollouts],
        "names": {"route": "route", "asked": "asked", "came": "came", "reason": "reason", "metric": "metric"},
    }  # fmt: skip
    return Shown("pairs", "Pairs", context, view)


def csv_rows(ask: Ask) -> Iterable[Row]:
    """The filtered pairs as rows."""
    sort = ask.choice("sort", SORTS, SORTS[0])
    given = _filters(ask)
    for start in range(0, 1_000_000, _EXPORT):
        found = wanted("comparisons", given, now=ask.now)
        rows = ask.pages.recorded.pair_rows(found, sort=cast(PairSort, sort), limit=_EXPORT, offset=start)
        yield from (row.model_dump() for row in rows)
        if len(rows) < _EXPORT:
            return


def show_one(ask: Ask) -> Shown:
    """One pair."""
    found = pair_list(ask)
    asked = ask.choice("asked", [str(each.comparison["asked"]) for each in found.pairs], _first(found))
    asked_so = [each for each in found.pairs if each.comparison["asked"] == asked]
    rollouts = [str(each.comparison["route"]) for each in asked_so]
    pair = asked_so[rollouts.index(ask.choice("of", rollouts, rollouts[0]))]
    sides = read(pair)
    mode = ask.choice("mode", MODES, "side")
    ours, theirs = sides.baseline.outline, sides.candidate.outline
    is_long = max(len(ours.text), len(theirs.text)) > LONGEST
    pieces = [] if is_long else differences.words(laid_out(ours.text), laid_out(theirs.text))
    calls = differences.calls(
        () if ours.answer is None else ours.answer.calls, () if theirs.answer is None else theirs.answer.calls
    )
    fields = None if is_long else differences.fields(ours.text, theirs.text)
    context = {
        "pair": pair, "sides": sides, "mode": mode, "modes": _modes(fields is not None, bool(calls)), "pieces": pieces,
        "gone": differences.side(pieces, "gone"), "new": differences.side(pieces, "new"), "fields": fields,
        "calls": calls, "is_long": is_long, "others": _others(found),
        "is_json": fields is not None, "all_fields": ask.given.get("all") == "yes", "pretty": pretty,
        "times": drawing.times(
            (sides.baseline.first_byte_ms, sides.baseline.total_ms),
            (sides.candidate.first_byte_ms, sides.candidate.total_ms),
        ),
        "beside": _beside(ask, str(pair.comparison["exchange_id"])),
    }  # fmt: skip
    return Shown("pair", f"Pair {ask.places['exchange_id'][:8]}", context, found)


def _others(found: PairListView) -> list[tuple[str, str | None, str]]:
    """All that was put beside the exchange: who was asked, which of several candidates that was, and both in words."""
    named = [(str(each.comparison["asked"]), str(each.comparison["route"])) for each in found.pairs]
    several = {asked for asked, count in Counter(asked for asked, _ in named).items() if count > 1}
    return [
        (asked, of, f"{asked.replace('_', ' ')} {of.removeprefix(route_of(of))}")
        if asked in several
        else (asked, None, asked.replace("_", " "))
        for asked, of in named
    ]


def pair_list(ask: Ask) -> PairListView:
    """All that was put beside the exchange the path names.

    Raises:
        AskError: nothing was.
    """
    try:
        name = str(UUID(ask.places["exchange_id"]))
    except ValueError as error:
        raise AskError(
            404, "that is no id of a pair. hint: ids are those of exchanges, as /traffic has them"
        ) from error
    found = ask.pages.recorded.pair(name)
    if not found.pairs:
        raise AskError(404, "nothing was put beside that exchange; it may be too new, too old, or was not drawn")
    return found


def read(pair: PairView) -> PairSides:
    """Both answers of a pair, and what was said of them."""
    row, exchange = pair.comparison, pair.exchange or {}
    path = _text(exchange.get("path")) or "/v1/chat/completions"
    request = exchange.get("request_json")
    prompt = prompt_outline(path, request if isinstance(request, str) else None)
    served_json, background_json = exchange.get("response_json"), row.get("answer_json")
    is_reverse = row["asked"] == "baseline"
    # A candidate's answer names the model that the app asked for, which says nothing of who gave it.
    model = "" if is_reverse else _text(exchange.get("model_returned")) or _text(exchange.get("model_requested"))
    served = SideView(
        "", model or "the app's answer",
        answer_outline(path, served_json if isinstance(served_json, str) else None),
        _number(exchange.get("first_byte_ms")), _number(exchange.get("total_ms")),
        _whole(exchange.get("completion_tokens")), _number(exchange.get("cost_usd")), is_served=True,
    )  # fmt: skip
    background = SideView(
        "", f"asked in the background, {row['came']}" + (f": {row['reason']}" if row["reason"] else ""),
        answer_outline(path, background_json if isinstance(background_json, str) else None),
        _number(row.get("first_byte_ms")), _number(row.get("total_ms")), _whole(row.get("completion_tokens")),
        _number(row.get("cost_usd")), is_served=False,
    )  # fmt: skip
    ours, theirs = (background, served) if is_reverse else (served, background)
    return PairSides(
        prompt, _named(ours, "baseline"), _named(theirs, "candidate"), _text(row["asked"]),
        _scores(_text(row.get("scores_json"))), pretty(_text(row.get("judge_json"))),
    )  # fmt: skip


def laid_out(text: str) -> str:
    """JSON with its lines laid out, so that it can be compared line by line; any other text as it is."""
    return pretty(text) if text.lstrip().startswith(("{", "[")) else text


def _asked(ask: Ask) -> tuple[str, str, PairsView]:
    sort, since = ask.choice("sort", SORTS, SORTS[0]), ask.given.get("since", USUAL)
    found = wanted("comparisons", _filters(ask), now=ask.now)
    view = ask.pages.recorded.pairs(
        found, sort=cast(PairSort, sort), limit=PAGE_ROWS, offset=(ask.number - 1) * PAGE_ROWS
    )
    return sort, since, view


def _filters(ask: Ask) -> dict[str, str]:
    return {"since": USUAL} | {name: value for name, value in ask.given.items() if name not in _OWN}


def _first(found: PairListView) -> str:
    return str(found.pairs[0].comparison["asked"])


def _beside(ask: Ask, exchange_id: str) -> dict[str, str]:
    """The pairs before and after this one of the list it was opened from; none where the URL names no list."""
    names = [name for name in ("route", "view", "sort", "since", "until", "came", "q") if name in ask.given]
    if not names:
        return {}
    # The list's own words: those of the pair's page (`mode`, `asked`) say nothing of the others.
    of_list = Ask(ask.pages, "/pairs", {name: ask.given[name] for name in names}, ask.now, ask.role, "")
    _, _, view = _asked(of_list)
    ids = [each.exchange_id for each in view.pairs]
    if exchange_id not in ids:
        return {}
    place, listed = ids.index(exchange_id), of_list.url()
    query = listed.partition("?")[2]
    found = {"list": listed, "place": f"{place + 1} of {view.n:,}"}
    for name, at in (("previous", place - 1), ("next", place + 1)):
        if 0 <= at < len(ids) and ids[at] != exchange_id:
            found[name] = f"/pairs/{ids[at]}?{query}"
    return found


def _modes(has_fields: bool, has_calls: bool) -> list[tuple[str, str, str]]:  # noqa: FBT001 -- two marks of one pair
    known = [("side", "Side by side", "1"), ("inline", "Inline", "2")]
    known += [("fields", "Fields", "3")] if has_fields else []
    known += [("calls", "Tool calls", "4")] if has_calls else []
    return [*known, ("raw", "Raw", "5")]


def _named(side: SideView, name: str) -> SideView:
    return SideView(
        name, side.about, side.outline, side.first_byte_ms, side.total_ms, side.tokens, side.cost_usd, side.is_served
    )


def _scores(text: str) -> list[tuple[str, dict[str, str]]]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return []
    if not isinstance(found, dict):
        return []
    listed: list[tuple[str, dict[str, str]]] = []
    for name, said in cast("dict[str, Any]", found).items():
        told = cast("Mapping[str, Any]", said) if isinstance(said, dict) else {"": said}
        listed.append((name, {key: _said(value) for key, value in told.items() if value is not None}))
    return listed


def _said(value: Any) -> str:
    return (
        f"{value:.3g}".replace("-", "−")
        if isinstance(value, float)
        else value
        if isinstance(value, str)
        else json.dumps(value)
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


_WORDS = (*filters.names("comparisons"), "q", "since", "until", "sort", "page")
PAGE = ConsolePage("/pairs", show, "Pairs", tuple(dict.fromkeys(_WORDS)), rows=csv_rows)
ONE = ConsolePage(
    "/pairs/{exchange_id}", show_one, "Pairs",
    tuple(dict.fromkeys((*_WORDS, "asked", "of", "mode", "all"))),
)  # fmt: skip
