"""Which slices of a route's traffic a request belongs to, as `language=german`: by what it says itself. Pure.

Rules:
1. A worker that goes by slices tells all but the language as they are told here: `policies.request.own_slice`.
2. All requests of a conversation are of the slices of its first (`policies.evidence`), but where slices move alone.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from policies.request.body import Body, Call, UnroutableBodyError, beginning, endpoint_of
from policies.request.own_slice import OTHER, named, own_slice
from policies.request.shapes import RoutingFields
from records.exchange import Exchange
from shadow.compare import language

_DECODING: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)
_OUTSIDE: Final = ("length", "header")
"""Dimensions that are told without the body."""
_NOTHING: Final = Body(b"{}", fields=RoutingFields())


def slices_of(exchange: Exchange, body: Body | None, by: Sequence[str]) -> tuple[str, ...]:
    """The slices of an exchange by each dimension; `body`: None where it cannot be read."""
    if not by:
        return ()
    meta = exchange.meta
    headers = {each.lower(): value for each, value in meta.request_headers}
    call = Call(endpoint_of(meta.target), headers, body or _NOTHING, body_bytes=meta.request_bytes)
    return tuple(_slice(name, call, is_read=body is not None) for name in by)


def _slice(name: str, call: Call, *, is_read: bool) -> str:
    if not is_read and name.partition(":")[0] not in _OUTSIDE:
        return named(name, OTHER)
    return named(name, _language(call)) if name == "language" else own_slice(name, call)


def _language(call: Call) -> str:
    """The language of the first user turn; `other` where it is too short to tell, or mixed."""
    body = call.body
    try:
        said = beginning(call)
        if said is None and bytes(body.fields.input).startswith(b'"'):
            said = [msgspec.json.decode(body.fields.input, type=str).encode("utf-8", "surrogatepass")]
    except (*_DECODING, UnroutableBodyError):
        return OTHER
    return language.of(said[-1].decode("utf-8", "replace")) or OTHER if said else OTHER
