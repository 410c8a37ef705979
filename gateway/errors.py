"""The gateway's own errors, as an OpenAI SDK expects them.

One tree by who must act: the app (4xx: final, no SDK retries it), or nobody yet (408, 429, 5xx: SDKs try again).
`CODES` is the closed list; docs/reference/errors.md is made from it.
"""

from typing import NamedTuple

import msgspec


class Code(NamedTuple):
    """One of our errors."""

    status: int
    message: str
    """What happened and what to do; `{}` takes the one detail there may be."""
    retry: bool | None = None
    """What x-should-retry says; None: the status says enough."""


CODES: dict[str, Code] = {
    # the app must act
    "malformed_http": Code(400, "The request is not valid HTTP/1.1. Nothing was sent to an upstream."),
    "bad_host": Code(400, "A request has exactly one Host header."),
    "bad_target": Code(400, "The request target must be a path, such as /v1/chat/completions."),
    "upgrade_unsupported": Code(400, "Only an upgrade to websocket is relayed; send the request without it."),
    "conflicting_credentials": Code(400, "Send one Authorization header, not several."),
    "too_many_pipelined": Code(400, "Do not send a request behind a chunked one before its answer."),
    "bad_feedback": Code(400, "Feedback is a JSON object with a request_id and a score, label or comment: {}."),
    "invalid_key": Code(401, "This gateway key is unknown or revoked. Ask the gateway's operator for one."),
    "pin_not_allowed": Code(403, "This key may not choose a variant: leave out x-crossfade-variant."),
    "unknown_variant": Code(400, "x-crossfade-variant is `baseline` or `candidate`."),
    "unknown_request": Code(404, "No answer of this gateway has that request_id."),
    "body_too_large": Code(413, "The request body is over the gateway's limit."),
    "headers_too_large": Code(431, "The request's headers are over the gateway's limits."),
    # try again
    "header_timeout": Code(408, "The request's headers took too long."),
    "feedback_limit": Code(429, "This is more feedback than is taken at once; try again shortly.", retry=True),
    "overloaded": Code(503, "The gateway has too many requests under way; try again shortly.", retry=True),
    "no_socket": Code(503, "The gateway has no socket left for upstream {}; try again shortly.", retry=True),
    "upstream_saturated": Code(503, "All connections to upstream {} are in use; try again shortly.", retry=True),
    "upstream_unreachable": Code(502, "Upstream {} cannot be reached. Nothing was sent to it.", retry=True),
    "upstream_tls": Code(502, "Upstream {} has no certificate we can trust. Nothing was sent to it.", retry=False),
    "upstream_forbidden": Code(502, "Upstream {} resolves to a forbidden address. Nothing was sent.", retry=False),
    "upstream_not_ready": Code(
        502, "The gateway cannot read what it needs for upstream {}; its log says what. Nothing was sent.", retry=True
    ),
    "upstream_no_answer": Code(502, "Upstream {} closed the connection without an answer.", retry=True),
    "upstream_malformed": Code(502, "Upstream {} answered with something that is not HTTP/1.1.", retry=True),
    "upstream_timeout": Code(504, "Upstream {} did not answer before the deadline.", retry=True),
    "internal": Code(500, "The gateway met an error of its own; it was counted and logged.", retry=True),
}


def body(code: str, detail: str = "", *, message: str | None = None) -> bytes:
    """The error object, as OpenAI's API writes it."""
    text = message if message is not None else CODES[code].message.format(detail)
    error = {"message": text, "type": "crossfade_error", "param": None, "code": code}
    return msgspec.json.encode({"error": error})


def headers(code: str, *, retry_after_s: float) -> list[tuple[bytes, bytes]]:
    """The headers that tell an SDK whether and when to try again."""
    found = CODES.get(code)
    if found is None or found.retry is None:
        return []
    told = [(b"x-should-retry", b"true" if found.retry else b"false")]
    if found.retry:
        told.append((b"retry-after-ms", b"%d" % (retry_after_s * 1000)))
        told.append((b"retry-after", b"%d" % max(1, round(retry_after_s))))
    return told
