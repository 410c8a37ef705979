"""The head of an answer as the app gets it: the upstream's own, but for what is of one hop, and ours added behind."""

from typing import Final, NamedTuple

from gateway.transport.message import HOP_BY_HOP, RequestHead
from gateway.transport.outgoing import Reply


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
