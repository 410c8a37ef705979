"""What a request's head may not say, although its syntax is right: what another parser on the way could read otherwise.

Source: reliability.md, finding 3, in words; RFC 9112 §3.2, §6.1, RFC 3986 §3.2.2.
"""

from typing import Final

from gateway.transport.limits import Limits
from gateway.transport.message import Head, Preamble

_HOST: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-._~%!$&'()*+,;=:[]"
"""What a Host may be made of."""

Refusal = tuple[int, str, str]
"""Status, code (`gateway.errors.CODES`), and what to do."""


def refusal(head: Preamble, limits: Limits) -> Refusal | None:
    """Why this head is refused; None: it is not."""
    if head.fields > limits.header_count or len(head.raw) > limits.header_bytes:
        return 431, "headers_too_large", too_large(limits)
    hosts = head.count(b"host")
    if hosts > 1 or (hosts == 0 and not head.http10) or (head.get(b"host") or b"").translate(None, _HOST):
        return 400, "bad_host", "A request has exactly one Host header, a name or an address and a port."
    if head.chunked and (head.http10 or (head.get(b"transfer-encoding") or b"").lower() != b"chunked"):
        return 400, "malformed_http", "The only transfer coding is chunked, of HTTP/1.1."
    if not head.target.startswith(b"/") and (head.target != b"*" or head.method != b"OPTIONS"):
        return 400, "bad_target", "The request target must be a path, such as /v1/chat/completions."
    if head.count(b"authorization") > 1:
        return 400, "conflicting_credentials", "Send one Authorization header, not several."
    if head.upgrade and (head.get(b"upgrade") or b"").lower() != b"websocket":
        return 400, "upgrade_unsupported", "Only an upgrade to websocket is relayed; leave it out."
    return None


def too_large(limits: Limits) -> str:
    """What to say of headers that are over the limits."""
    return f"The request's headers are over {limits.header_bytes} bytes or {limits.header_count} fields."


def origin_form(method: bytes, target: bytes) -> bytes:
    """An absolute-form target as the path it names (RFC 9112 §3.2.2); any other as it is.

    The authority in it goes before the Host header; neither goes any further, an upstream has its own.
    """
    scheme, mark, rest = target.partition(b"://")
    if not mark or scheme.lower() not in (b"http", b"https"):
        return target
    end = min([place for place in (rest.find(b"/"), rest.find(b"?")) if place >= 0], default=len(rest))
    authority, path = rest[:end], rest[end:]
    if not authority or authority.translate(None, _HOST):
        return target
    if not path:
        return b"*" if method == b"OPTIONS" else b"/"
    return path if path.startswith(b"/") else b"/" + path


def without_upgrade(head: bytes) -> bytes:
    """A request's head without an upgrade to anything but websocket: it is served without (RFC 9110 §7.8)."""
    if head.lower().find(b"\r\nupgrade:") < 0:
        return head
    found = Head(head)
    if found.count(b"upgrade") == 1 and (found.get(b"upgrade") or b"").lower() == b"websocket":
        return head
    return head[: len(head) - len(found.lines)] + found.changed((b"upgrade", b"http2-settings"), {})
