"""From values to HTML: the templates with their filters. Everything that is not ours is text, and escaped.

What cannot be seen (controls, bidirectional and zero-width marks) is made visible in every value, by `finalize`.
"""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from gateway.console import drawing, words
from policies.explain import plain_money

STATIC = ("console.css", "console.js", "icon.svg")
ICONS = {
    "pass": "M3 8.5l3.2 3.2L13 5",
    "wait": "M8 2.5a5.5 5.5 0 100 11 5.5 5.5 0 000-11zM8 5v3.2l2 1.3",
    "fail": "M4 4l8 8M12 4l-8 8",
    "back": "M6 4L2.5 7.5 6 11M3 7.5h6.5a4 4 0 010 5.5",
    "shadow": "M2 8s2.2-4 6-4 6 4 6 4-2.2 4-6 4-6-4-6-4zM3 13L13 3",
    "up": "M2.5 13h3V9H9V5h4.5V2",
    "done": "M8 2a6 6 0 100 12A6 6 0 008 2zM5.2 8.3l2 2 3.6-4.3",
    "ask": "M8 2a6 6 0 100 12A6 6 0 008 2zM6.3 6.3a1.8 1.8 0 113 1.5c-.9.6-1.3.9-1.3 1.7M8 11.7v.1",
    "alert": "M8 2.5l6.2 11H1.8zM8 6.8v3M8 11.7v.1",
    "pause": "M5.5 3.5v9M10.5 3.5v9",
    "play": "M5 3.5l7 4.5-7 4.5z",
    "equal": "M3.5 6h9M3.5 10h9",
    "differ": "M3.5 6h9M3.5 10h9M10.5 3l-5 10",
    "file": "M4 1.8h5.2L12.5 5v9.2H4zM9 2v3.300h3.300",
    "live": "M8 5.500a2.500 2.500 0 100 5 2.500 2.500 0 000-5z",
}
PHASES = {
    "shadow": ("shadow", ""), "canary": ("up", "cand"), "approving": ("ask", "wait"), "paused": ("pause", "wait"),
    "promoted": ("done", "pass"), "rolled_back": ("back", "fail"), "quarantined": ("alert", "fail"),
    "suspended": ("wait", "fail"), "rejected": ("fail", "fail"), "unreadable": ("alert", "fail"),
}  # fmt: skip
"""Phase -> icon and colour."""
VERDICTS = {
    "PASS": ("pass", "pass"),
    "INCONCLUSIVE": ("wait", "wait"),
    "ERROR": ("alert", "wait"),
    "FAIL": ("fail", "fail"),
}
OUTCOMES = {
    "PROMOTE": ("up", "cand"), "JOIN": ("up", "cand"), "ROLLBACK": ("back", "fail"), "REJECTED": ("fail", "fail"),
    "SUSPEND": ("pause", "fail"), "RETURN": ("up", "cand"), "INCONCLUSIVE": ("ask", "wait"), "HOLD": ("pause", ""),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file as it is served."""

    content: bytes
    sha256: str


def static_files() -> dict[str, StaticFile]:
    """The stylesheet, the script and the icon."""
    folder = resources.files("gateway.console") / "static"
    found = {name: (folder / name).read_bytes() for name in STATIC}
    return {name: StaticFile(content, hashlib.sha256(content).hexdigest()) for name, content in found.items()}


def icon(name: str) -> Markup:
    """A picture beside a word."""
    return Markup('<svg class="i" viewBox="0 0 16 16" aria-hidden="true"><path d="{}"/></svg>').format(ICONS[name])


def word(text: str, name: str, css: str = "") -> Markup:
    """A word with its icon and its colour: colour never stands alone."""
    return Markup('<span class="word {}">{}{}</span>').format(css, icon(name), _seen(text))


def code(text: str) -> Markup:
    """A sentence of ours: what it has between backticks as code. All of it stays text."""
    parts = words.plain(text).split("`")
    if len(parts) % 2 == 0:  # one that has no partner is a character like any other
        parts[-2:] = ["`".join(parts[-2:])]
    pieces = [Markup("<code>{}</code>").format(part) if at % 2 else escape(part) for at, part in enumerate(parts)]
    return Markup().join(pieces)


def phase(name: str, text: str = "") -> Markup:
    """Where a rollout stands."""
    picture, css = PHASES.get(name, ("ask", ""))
    return word(text or name.replace("_", " "), picture, css)


def verdict(name: str, text: str = "") -> Markup:
    """What a gate says."""
    picture, css = VERDICTS.get(name, ("ask", ""))
    return word(text or name.capitalize(), picture, css)


def outcome(name: str) -> Markup:
    """What a decision came to."""
    picture, css = OUTCOMES.get(name, ("ask", ""))
    return word(name.lower(), picture, css)


def when(at: Any, now: float) -> Markup:
    """A moment: how long ago, and when exactly."""
    seconds = words.seconds(at)
    return Markup('<time title="{}">{}</time>').format(words.moment(at), words.ago(seconds, now))


def _seen(value: object) -> object:
    """A text with what cannot be seen made visible; anything else as it is. Our own HTML is none of it."""
    return words.plain(value) if type(value) is str else value


@functools.cache
def environment() -> Environment:
    """The templates, with what they may say. Made once: to compile a page's takes longer than to render it twice."""
    found = Environment(
        loader=PackageLoader("gateway.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=_seen,
    )
    for name in (
        "number",
        "share",
        "money",
        "millis",
        "duration",
        "moment",
        "short",
        "size",
        "ratio",
        "cut",
        "signed",
        "window",
    ):
        found.filters[name] = getattr(words, name)
    found.filters["code"] = code
    found.filters["plain_money"] = plain_money
    said: dict[str, object] = {
        "icon": icon, "word": word, "phase": phase, "verdict": verdict, "outcome": outcome, "when": when,
        "draw": drawing, "unknown": words.UNKNOWN,
    }  # fmt: skip
    found.globals = {**found.globals, **said}  # pyright: ignore[reportAttributeAccessIssue] -- typed as its defaults alone
    return found


@dataclass(frozen=True, slots=True)
class Renderer:
    """The templates."""

    static: Mapping[str, StaticFile] = field(default_factory=static_files)
    environment: Environment = field(init=False, default_factory=environment)

    def page(self, template: str, **context: Any) -> str:
        """One page."""
        versions = {name: file.sha256[:12] for name, file in self.static.items()}
        return self.environment.get_template(f"{template}.html").render(versions=versions, **context)
