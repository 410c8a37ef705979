"""Pairs for the tests of comparators."""

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from shadow.compare.pair import AppRequest, ModelAnswer, Pair, ToolCall

CHAT = "/v1/chat/completions"
LETTERS = 'aAbB01 .,-_*#`>"\\{}[]:/\n\t\0üßИ中ﬁ\u0301\u200d\ud800🙂'
"""Letters that have given trouble, and a few that have not."""
WORDS = st.text(LETTERS, max_size=12)
_WHOLE = st.text(LETTERS.replace("\ud800", ""), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False, allow_infinity=False) | _WHOLE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WHOLE, inner, max_size=3),
    max_leaves=12,
)
FEWER = settings(max_examples=60)
"""Examples of a property, where each is a long one."""
EMPTY: dict[str, Any] = {}


def called(name: str, **arguments: Any) -> ToolCall:
    """A call, its arguments as a model writes them."""
    return ToolCall(name, json.dumps(arguments))


def answer(text: str = "", *calls: ToolCall, finish: str = "stop") -> ModelAnswer:
    """What a model said."""
    return ModelAnswer(text, calls, finish)


def pair(
    baseline: ModelAnswer | str, candidate: ModelAnswer | str, fields: Mapping[str, Any] = EMPTY, path: str = CHAT
) -> Pair:
    """Two answers to one request."""
    ours, theirs = (each if isinstance(each, ModelAnswer) else answer(each) for each in (baseline, candidate))
    return Pair(AppRequest(path, fields), ours, theirs, id="pair-1")


def swapped(both: Pair) -> Pair:
    """The same pair, the other way round."""
    return Pair(both.asked, both.candidate, both.baseline, both.id)


def tool(name: str, properties: Mapping[str, Any] = EMPTY, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """A function that a chat request offers."""
    parameters = {"type": "object", "properties": dict(properties), "required": list(required)}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}
