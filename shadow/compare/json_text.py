"""JSON that a model wrote, read within bounds: nothing here raises, whatever stands in it."""

import json
from collections.abc import Iterable
from typing import Any, cast

import msgspec

MAX_CHARS = 1_000_000
MAX_DEPTH = 64
NO_JSON = msgspec.UNSET
"""What a text is that cannot be read."""
_END = ""
"""Ends a pointer in a tree of pointers; no part of a pointer below it is of interest."""

Pointers = dict[str, Any]
"""JSON pointers as a tree of their parts: to look up while walking down."""


def decode(text: str, *, fenced: bool = False) -> Any:
    """What a text says in JSON; `fenced`: also where Markdown fences stand around it. NO_JSON: nothing, or too much."""
    if len(text) > MAX_CHARS:
        return NO_JSON
    plain = text.strip()
    if fenced and plain.startswith("```") and plain.endswith("```"):
        plain = plain[3:-3].partition("\n")[2]
    try:
        found: Any = msgspec.json.decode(plain.encode())
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return NO_JSON
    return found if depth_within(found, MAX_DEPTH) else NO_JSON


def depth_within(value: Any, most: int) -> bool:
    """Whether nothing in `value` is nested deeper than `most`."""
    level = [value]
    for _ in range(most):
        level = [child for each in level for child in children(each)]
        if not level:
            return True
    return False


def children(value: Any) -> Iterable[Any]:
    """What an object or a list holds."""
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).values()
    return cast("list[Any]", value) if isinstance(value, list) else ()


def canonical(value: Any) -> str:
    """The canonical text of a JSON value: equal values have equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def is_number(value: Any) -> bool:
    """Whether it is a number; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def pointers(listed: object) -> Pointers:
    """A tree of the JSON pointers in `listed`; `*` stands for any index or name.

    Source: RFC 6901, for all but the star.
    """
    tree: Pointers = {}
    texts = cast("list[Any]", listed) if isinstance(listed, (list, tuple)) else []
    for text in texts:
        node = tree
        for part in str(text).split("/")[1:]:
            node = node.setdefault("/" + part.replace("~1", "/").replace("~0", "~"), {})
        node[_END] = {}
    return tree


def below(tree: Pointers, part: str | int) -> Pointers:
    """What is left of the pointers one step further down."""
    if not tree:
        return tree
    found: Pointers = tree.get(f"/{part}", {})
    return found | tree.get("/*", {})


def is_named(tree: Pointers) -> bool:
    """Whether a pointer ends here."""
    return _END in tree
