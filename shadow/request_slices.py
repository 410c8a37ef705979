"""Which slices of a route's traffic a request belongs to, as `language=german`: by what it says itself. Pure.

Rules:
1. A worker that goes by slices tells all but the language as they are told here: `policies.request.own_slice`.
2. All requests of a conversation are of the slices of its first (`policies.evidence`), but where slices move alone.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from policies.request.body import Body, Call, UnroutableBodyError, beginning
from policies.request.own_slice import OTHER, named, own_slice
from policies.request.shapes import RoutingFields
from records.exchange import Exchange, Meta
from shadow.compare import language

_DECODING: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)
_OUTSIDE: Final = ("length", "header")
"""Dimensions that are told without the body."""
_NOTHING: Final = Body(b"{}", fields=RoutingFields())


def slices_of(exchange: Exchange, body: Body | None, by: Sequence[str]) -> tuple[str, ...]:
    """The slices of an exchange by each dimension; `body`: None where it cannot be read."""
    return tuple(_slice(name, exchange.meta, body) for name in by)


def _slice(name: str, meta: Meta, body: Body | None) -> str:
    if name == "language":
        return named(name, _language(meta, body))
    if body is None and name.partition(":")[0] not in _OUTSIDE:
        return named(name, OTHER)
    headers = {each.lower(): value for each, value in meta.request_headers}
    return own_slice(name, Call(_path(meta), headers, body or _NOTHING, body_bytes=meta.request_bytes))


def _path(meta: Meta) -> str:
    return meta.target.partition("?")[0]


def _language(meta: Meta, body: Body | None) -> str:
    """The language of the first user turn; `other` where it is too short to tell, or mixed."""
    if body is None:
        return OTHER
    try:
        said = beginning(Call(_path(meta), {}, body, body_bytes=len(body.raw)))
        if said is None and bytes(body.fields.input).startswith(b'"'):
            said = [msgspec.json.decode(body.fields.input, type=str).encode("utf-8", "surrogatepass")]
    except (*_DECODING, UnroutableBodyError):
        return OTHER
    return language.of(said[-1].decode("utf-8", "replace")) or OTHER if said else OTHER
