"""`/readiness`: which routes are due for a fine-tune, and why: what `crossfade readiness` says."""

from collections.abc import Iterable

from gateway.admin.readiness_views import SignView
from gateway.console import words
from gateway.console.ask import Ask, ConsolePage, Row, Shown

_MARKS = {
    ("signal", True): ("on", "up", "cand"), ("signal", False): ("off", "pause", ""),
    ("check", True): ("yes", "pass", "pass"), ("check", False): ("no", "fail", "fail"),
}  # fmt: skip
_VERDICTS = {"due": ("up", "cand"), "prepare": ("wait", "wait"), "not yet": ("pause", "")}


def show(ask: Ask) -> Shown:
    """The page."""
    view = ask.pages.readiness(ask.given.get("route"))
    context = {
        "cli": "crossfade readiness",
        "mark": mark,
        "verdicts": _VERDICTS,
        "trend": trend,
        "measured": words.measured,
    }
    return Shown("readiness", "Readiness", context, view)


def csv_rows(ask: Ask) -> Iterable[Row]:
    """One row per signal and check."""
    for route in ask.pages.readiness(ask.given.get("route")).routes:
        for kind, signs in (("signal", route.signals), ("check", route.checks)):
            for sign in signs:
                yield {"route": route.route, "verdict": route.verdict, "kind": kind} | sign.model_dump()


def mark(kind: str, sign: SignView) -> tuple[str, str, str]:
    """A sign's word, icon and colour."""
    return (words.UNKNOWN, "ask", "") if sign.holds is None else _MARKS[kind, sign.holds]


def trend(sign: SignView) -> str:
    """How the window's later half is beside its earlier one; empty: not known."""
    return words.halves(sign.before, sign.after, sign.unit)


PAGE = ConsolePage("/readiness", show, "Readiness", ("route",), rows=csv_rows)
