"""What a request's head may not say, although its syntax is right: what another parser on the way could read otherwise.

Source: reliability.md, finding 3, in words; RFC 9112 §3.2, §6.1, RFC 3986 §3.2.2.
"""

from typing import Final

from gateway.transport.limits import Limits
from gateway.transport.message import Preamble

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
    if not head.target.startswith(b"/") and head.target != b"*":
        return 400, "bad_target", "The request target must be a path, such as /v1/chat/completions."
    if head.count(b"authorization") > 1:
        return 400, "conflicting_credentials", "Send one Authorization header, not several."
    if head.upgrade and (head.get(b"upgrade") or b"").lower() != b"websocket":
        return 400, "upgrade_unsupported", "Only an upgrade to websocket is relayed; leave it out."
    return None


def too_large(limits: Limits) -> str:
    """What to say of headers that are over the limits."""
    return f"The request's headers are over {limits.header_bytes} bytes or {limits.header_count} fields."
