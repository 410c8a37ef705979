"""Which slices of a route's traffic a request belongs to, as `language=german`: by what it says itself. Pure.

Rules:
1. Every dimension has a value for every request: `none` where nothing is stated, `other` where it cannot be told.
2. A value is a short plain word: what else an app writes there (an address, a sentence) is `other`, since values are
   names in metrics and explanations.
3. All requests of a conversation are of the slices of its first (`policies.evidence`).
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from policies.request.body import Body, Call, UnroutableBodyError, beginning
from records.exchange import Exchange, Meta
from shadow.compare import language

NONE, OTHER, SEVERAL = "none", "other", "several"
SHORT_BYTES, MEDIUM_BYTES = 3_000, 24_000
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


def slices_of(exchange: Exchange, body: Body | None, by: Sequence[str]) -> tuple[str, ...]:
    """The slices of an exchange by each dimension; `body`: None where it cannot be read."""
    return tuple(f"{name}={_plain(_value(name, exchange.meta, body))}" for name in by)


def _value(name: str, meta: Meta, body: Body | None) -> str:
    kind, _, key = name.partition(":")
    if kind == "length":
        return _length(meta.request_bytes)
    if kind == "header":
        return _header(meta, key)
    if body is None:
        return OTHER
    try:
        return _metadata(body, key) if kind == "metadata" else _tool(body) if kind == "tool" else _language(meta, body)
    except (*_DECODING, UnroutableBodyError):
        return OTHER


def _plain(value: str) -> str:
    return value if _WORD.fullmatch(value) else OTHER


def _length(size_bytes: int) -> str:
    return "short" if size_bytes <= SHORT_BYTES else "medium" if size_bytes <= MEDIUM_BYTES else "long"


def _header(meta: Meta, name: str) -> str:
    found = (value for each, value in meta.request_headers if each.lower() == name.encode("latin-1"))
    return next(found, NONE.encode()).decode("latin-1")


def _metadata(body: Body, key: str) -> str:
    stated = msgspec.json.decode(body.fields.metadata, type=dict[str, msgspec.Raw] | None)
    return msgspec.json.decode(stated[key], type=str) if stated and key in stated else NONE


def _tool(body: Body) -> str:
    """The tool that is called for, or the one that is offered."""
    choice = bytes(body.fields.tool_choice)
    if choice.startswith(b"{") and (called := msgspec.json.decode(choice, type=_Tool).called):
        return called
    names = {tool.called for tool in msgspec.json.decode(body.fields.tools, type=list[_Tool] | None) or ()}
    return SEVERAL if len(names) > 1 else next(iter(names), NONE)


def _language(meta: Meta, body: Body) -> str:
    """The language of the first user turn; `other` where it is too short to tell, or mixed."""
    path = meta.target.partition("?")[0]
    said = beginning(Call(path, {}, body, body_bytes=len(body.raw)))
    if said is None and bytes(body.fields.input).startswith(b'"'):
        said = [msgspec.json.decode(body.fields.input, type=str).encode("utf-8", "surrogatepass")]
    return language.of(said[-1].decode("utf-8", "replace")) or OTHER if said else OTHER
