"""What a page is asked, and what it shows: values between the web and the pages, so that pages know no web."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel

from gateway.admin.api import Pages
from gateway.admin.filters import FilterError
from gateway.admin.sessions import Role

PAGE = 50
"""Rows of a page."""
EXPORTED = 100_000
"""Most rows of a CSV."""


class AskError(Exception):
    """A question that cannot be answered, with its status; the message ends with what to do."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Ask:
    """A request for a page."""

    pages: Pages
    """The admin API's own: a page shows its numbers and no others."""
    path: str
    given: Mapping[str, str]
    """The words of the URL behind its question mark; empty ones are left out."""
    now: float
    role: Role
    form_word: str
    """What a form carries back, so that it is known for ours."""
    places: Mapping[str, str] = field(default_factory=dict[str, str])
    """The named parts of the path."""
    form: Mapping[str, str] = field(default_factory=dict[str, str])
    """What was filled in, where something was."""
    theme: str = ""

    @property
    def number(self) -> int:
        """Which page of a list.

        Raises:
            FilterError: it is no number.
        """
        text = self.given.get("page", "1")
        if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:6]) <= 10_000:
            raise FilterError(f"page={text[:20]!r} is none. hint: page=1 is the first")
        return int(text)

    def choice(self, name: str, choices: Iterable[str], usual: str) -> str:
        """A word of the URL out of a closed list.

        Raises:
            FilterError: it is not in it.
        """
        found, known = self.given.get(name, usual), list(choices)
        if found not in known:
            raise FilterError(f"{name}={found[:40]!r} is none. hint: {', '.join(known)}")
        return found

    def url(self, **changed: str | int | None) -> str:
        """This page with some words of its URL changed; None takes a word away."""
        words = {**self.given, **{name: value for name, value in changed.items() if value is not None}}
        kept = {name: value for name, value in words.items() if not (name in changed and changed[name] is None)}
        return self.path + (f"?{urlencode(kept, errors='replace')}" if kept else "")

    def twin(self, suffix: str) -> str:
        """The same as `.json` or `.csv`."""
        path = "/routes" if self.path == "/" else self.path
        return f"{path}.{suffix}" + (f"?{urlencode(self.given, errors='replace')}" if self.given else "")


@dataclass(frozen=True, slots=True)
class Shown:
    """A page's content."""

    template: str
    title: str
    context: Mapping[str, Any] = field(default_factory=dict[str, Any])
    view: BaseModel | None = None
    """The same for programs; None: the page has none."""
    status: int = 200
    see: str = ""
    """Where to go instead."""


Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ConsolePage:
    """One page: where it is, what it understands, and what it shows."""

    path: str
    show: Callable[[Ask], Shown]
    nav: str = ""
    """Which entry of the side bar it belongs to."""
    words: tuple[str, ...] = ()
    """What may stand behind the question mark; anything else is refused."""
    has_json: bool = True
    rows: Callable[[Ask], Iterable[Row]] | None = None
    """The rows of its CSV."""
    is_form: bool = False
    """Whether it takes a form and changes something."""


def understood(given: Mapping[str, str], words: Iterable[str]) -> None:
    """Refuse what a page does not understand: a filter that is left out silently shows the wrong rows.

    Raises:
        FilterError: there is such a word.
    """
    known = list(words)
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, 1)
            there = f"there are {', '.join(known)}" if known else "this page takes none"
            raise FilterError(
                f"this page knows no {name[:40]!r}. hint: " + (f"did you mean {near[0]}?" if near else there)
            )
