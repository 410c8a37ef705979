"""An answer of the gateway's own: its error as an upstream's answer would be, so that it goes the same way out."""

from typing import Final

from gateway import errors
from gateway.transport.failure import Failure
from gateway.transport.outgoing import Reply, own_reply

CODES: Final = {
    Failure.UNREACHABLE: "upstream_unreachable",
    Failure.TLS: "upstream_tls",
    Failure.FORBIDDEN_ADDRESS: "upstream_forbidden",
    Failure.NOT_READY: "upstream_not_ready",
    Failure.NO_SOCKET: "no_socket",
    Failure.SATURATED: "upstream_saturated",
    Failure.NO_ANSWER: "upstream_no_answer",
    Failure.MALFORMED: "upstream_malformed",
    Failure.BROKEN: "upstream_malformed",
    Failure.TIMEOUT: "upstream_timeout",
}
"""Our error for each way in which an upstream gives no answer."""


def refusal(code: str, detail: str, *, retry_after_s: float) -> tuple[Reply, bytes]:
    """Head and body of the answer with our error `code`."""
    body = errors.body(code, detail)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    headers += errors.headers(code, retry_after_s=retry_after_s)
    return own_reply(errors.CODES[code].status, b"Error", headers), body
