"""The head of an answer as the app gets it: the upstream's own, but for what is of one hop, and ours added behind."""

from typing import NamedTuple

from gateway.transport.message import HOP_BY_HOP, Request
from gateway.transport.sending import Reply


class Framing(NamedTuple):
    """How the app is told where an answer ends."""

    chunked: bool
    close: bool
    """The connection ends with the answer; without `chunked` or a length, its end is the answer's."""
    ends_by_closing: bool
    """Nothing but the connection's end tells the answer's."""


def frame(request: Request, reply: Reply, *, draining: bool) -> Framing:
    """The framing of the answer to `request`. An answer without a length is chunked, unless the app is of HTTP/1.0."""
    bodiless = request.method == b"HEAD" or reply.status in (101, 204, 304)
    sized = bodiless or b"content-length" in reply.lower
    ends_by_closing = not sized and request.http10
    close = ends_by_closing or draining or not request.keep_alive
    return Framing(chunked=not sized and not request.http10, close=close, ends_by_closing=ends_by_closing)


def answer_head(reply: Reply, framing: Framing, own: list[bytes]) -> bytes:
    """The bytes of the head; `own`: our header lines."""
    lines = [b"HTTP/1.1 %d %b" % (reply.status, reply.reason), *reply.lines]
    chunked_told = not framing.chunked
    for place in reversed(reply.one_hop(HOP_BY_HOP)):
        low = reply.lowers[place]
        if low == b"transfer-encoding" and not chunked_told:
            chunked_told = True
            lines[place + 1] = lines[place + 1].partition(b":")[0] + b": chunked"
        elif not _is_ours_too(low, reply.lower[low], reply.status, framing):
            del lines[place + 1]
    if not chunked_told:
        lines.append(b"transfer-encoding: chunked")
    if framing.close and reply.status != 101:
        lines.append(b"connection: close")
    lines += own
    lines.append(b"\r\n")
    return b"\r\n".join(lines)


def _is_ours_too(low: bytes, value: bytes, status: int, framing: Framing) -> bool:
    """Whether a header of the upstream's hop is as true of ours: it then stays in its place."""
    if status == 101:
        return low in (b"connection", b"upgrade")
    return low == b"connection" and value.lower() == b"keep-alive" and not framing.close
