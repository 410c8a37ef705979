"""Which slice of a route's traffic a request is of, by one dimension: told by a worker and by the evidence alike. Pure.

Hot path only where slices move alone: standard library and msgspec.

Rules:
1. Every dimension has a value for every request: `none` where nothing is stated, `other` where it cannot be told.
2. A value is a short plain word: what else an app writes there (an address, a sentence) is `other`, since values are
   names in metrics and explanations.
3. Of a header that stands there twice the last counts.
"""

import re
from typing import Final

import msgspec

from policies.request.body import Body, Call, UnroutableBodyError

NONE: Final = "none"
OTHER: Final = "other"
SEVERAL: Final = "several"
SHORT_BYTES: Final = 3_000
MEDIUM_BYTES: Final = 24_000
"""Of a request: about 1,000 and 8,000 tokens, at three bytes each."""
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,39}")
_DECODING: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)


class _Function(msgspec.Struct):
    name: str = ""


class _Tool(msgspec.Struct):
    name: str = ""
    function: _Function | None = None

    @property
    def called(self) -> str:
        """Its name, where chats have it and where Responses have it."""
        return self.function.name if self.function is not None else self.name


_CHOICE: Final = msgspec.json.Decoder(_Tool)
_TOOLS: Final = msgspec.json.Decoder(list[_Tool] | None)
_METADATA: Final = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)
_TEXT: Final = msgspec.json.Decoder(str)


def own_slice(dimension: str, call: Call) -> str:
    """As `tool=search`; `dimension`: `tool`, `length`, `header:NAME` or `metadata:KEY`."""
    kind, _, key = dimension.partition(":")
    if kind == "length":
        return named(dimension, _length(call.body_bytes))
    if kind == "header":
        return named(dimension, call.headers.get(key.encode("latin-1"), NONE.encode()).decode("latin-1"))
    try:
        return named(dimension, _metadata(call.body, key) if kind == "metadata" else _tool(call.body))
    except (*_DECODING, UnroutableBodyError):
        return named(dimension, OTHER)


def named(dimension: str, value: str) -> str:
    """A slice's name; a value that is no plain word is `other`."""
    return f"{dimension}={value if _WORD.fullmatch(value) else OTHER}"


def _length(size_bytes: int) -> str:
    return "short" if size_bytes <= SHORT_BYTES else "medium" if size_bytes <= MEDIUM_BYTES else "long"


def _metadata(body: Body, key: str) -> str:
    stated = _METADATA.decode(body.fields.metadata)
    return _TEXT.decode(stated[key]) if stated and key in stated else NONE


def _tool(body: Body) -> str:
    """The tool that is called for, or the one that is offered."""
    choice = bytes(body.fields.tool_choice)
    if choice.startswith(b"{") and (called := _CHOICE.decode(choice).called):
        return called
    names = {tool.called for tool in _TOOLS.decode(body.fields.tools) or ()}
    return SEVERAL if len(names) > 1 else next(iter(names), NONE)
