"""`/judge`: each route's judge, whether it is trusted, and whether people agree with it."""

from collections.abc import Iterable

from gateway.admin.filters import wanted
from gateway.admin.judges import JudgesView
from gateway.console.ask import Ask, ConsolePage, Row, Shown
from gateway.console.tables import USUAL, WINDOWS


def show(ask: Ask) -> Shown:
    """The page."""
    since = ask.given.get("since", USUAL)
    return Shown(
        "judge", "Judge", {"since": since, "windows": WINDOWS, "cli": "crossfade label ROUTE --by NAME"}, _view(ask)
    )


def csv_rows(ask: Ask) -> Iterable[Row]:
    """One row per route."""
    for judge in _view(ask).judges:
        flat = judge.model_dump(exclude={"agreement", "human", "bias"})
        yield flat | {f"{name}_{key}": value for name in ("agreement", "human", "bias") for key, value in
                      getattr(judge, name).model_dump().items()}  # fmt: skip


def _view(ask: Ask) -> JudgesView:
    return ask.pages.judged(wanted("comparisons", {"since": ask.given.get("since", USUAL)}, now=ask.now))


PAGE = ConsolePage("/judge", show, "Judge", ("since",), rows=csv_rows)
