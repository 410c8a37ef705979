"""The head of an answer as the app gets it: the upstream's own, but for what is of one hop, and ours added behind."""

from typing import Final, NamedTuple

from gateway.proxy.admit import BASELINE
from gateway.transport.message import HOP_BY_HOP, RequestHead, http_date
from gateway.transport.outgoing import Reply
from policies.routing import Route


class Framing(NamedTuple):
    """How the app is told where an answer ends."""

    chunked: bool
    close: bool
    """The connection ends with the answer; without `chunked` or a length, its end is the answer's."""
    ends_by_closing: bool
    """Nothing but the connection's end tells the answer's."""
    keeps: bool = False
    """The app speaks HTTP/1.0 and has to be told that its connection is kept."""


SIZED: Final = Framing(chunked=False, close=False, ends_by_closing=False)
"""The answer's head tells its length, or that it has no body."""

KEPT: Final = Framing(chunked=False, close=False, ends_by_closing=False, keeps=True)
"""The same, for an app of HTTP/1.0 (RFC 9112 §9.3)."""


def frame(request: RequestHead, reply: Reply, *, last: bool) -> Framing:
    """The framing of the answer to `request`. An answer without a length is chunked, unless the app is of HTTP/1.0.

    `last`: its connection ends with it.
    """
    asked = request.preamble
    sized = reply.sized or asked.method == b"HEAD" or reply.status in (101, 204, 304)
    if sized and asked.keep_alive and not last:
        return KEPT if asked.http10 else SIZED
    ends_by_closing = not sized and asked.http10
    close = ends_by_closing or last or not asked.keep_alive
    return Framing(chunked=not sized and not asked.http10, close=close, ends_by_closing=ends_by_closing)


def own_lines(request_id: str, route: Route | None, variant: str, *, expose_variant: bool, wall_s: float) -> bytes:
    """Our header lines. `expose_variant`: what holds where no route matches; `wall_s`: the date of our own answers."""
    ours = request_id.encode()
    lines = b"\r\nx-crossfade-request-id: " + ours
    if route is not None:
        lines += b"\r\nx-crossfade-route: " + route.name.encode()
        expose_variant = route.expose_variant
    if expose_variant:
        lines += b"\r\nx-crossfade-variant: " + variant.encode()
    if variant != BASELINE:
        # The frontier's own are not there: SDKs log the one, and caches go by the other (RFC 9110 §6.6.1).
        lines += b"\r\nx-request-id: %b\r\ndate: %b" % (ours, http_date(wall_s))
    return lines


def answer_head(reply: Reply, framing: Framing, own: bytes) -> bytes:
    """The bytes of the head; `own`: our header lines, each behind a CRLF."""
    if framing is SIZED and not reply.hops:
        return b"HTTP/1.1%b%b\r\n\r\n" % (reply.raw[8:], own)
    instead: dict[bytes, bytes] = {}
    if reply.status == 101:
        instead = {name: value for name in (b"connection", b"upgrade") if (value := reply.get(name)) is not None}
    else:
        if framing.chunked and reply.has(b"transfer-encoding"):
            instead[b"transfer-encoding"] = b"chunked"
        elif framing.chunked:
            own += b"\r\ntransfer-encoding: chunked"
        if framing.close:
            own += b"\r\nconnection: close"
        elif (said := reply.get(b"connection")) is not None and said.lower() == b"keep-alive":
            instead[b"connection"] = said  # of the upstream's hop, and as true of ours: it stays in its place
        elif framing.keeps:
            own += b"\r\nconnection: keep-alive"
    first_line = b"HTTP/1.1" + reply.raw[8:].partition(b"\r\n")[0]
    lines = reply.changed(reply.one_hop(HOP_BY_HOP), instead) if reply.hops else reply.lines
    return b"%b%b%b\r\n\r\n" % (first_line, lines, own)
