"""Why an upstream gave no whole answer: one word each, by what may be done about it."""

from enum import StrEnum


class Failure(StrEnum):
    """What went wrong with a request to an upstream."""

    UNREACHABLE = "unreachable"
    """No connection: nothing was sent."""
    TLS = "tls"
    """No trusted connection: nothing was sent. Never answered by a plain one."""
    FORBIDDEN_ADDRESS = "forbidden_address"
    """The name resolved to an address no upstream may have (a cloud's metadata service): nothing was sent."""
    NOT_READY = "not_ready"
    """Its key, its certificates or its address cannot be read: nothing was sent."""
    NO_SOCKET = "no_socket"
    """The system has no file or memory left for a socket of ours: nothing was sent, and it says nothing of whom."""
    SATURATED = "saturated"
    """As many connections as we make are in use, to it or to all together: nothing was sent, and it was not asked."""
    NO_ANSWER = "no_answer"
    """The connection ended after the request, before any of the answer."""
    MALFORMED = "malformed"
    """What came is not HTTP/1.1, or frames itself ambiguously."""
    BROKEN = "broken"
    """The answer ended in the middle."""
    TIMEOUT = "timeout"
    """A deadline of ours, or of the app's, passed."""

    @property
    def nothing_sent(self) -> bool:
        """Whether the upstream cannot have begun to work on the request."""
        return self in _NOTHING_SENT


NOT_ASKED = (Failure.NO_SOCKET, Failure.SATURATED)
"""A limit of ours, or of our machine, was reached: it says nothing of whom the request was for."""
_NOTHING_SENT = frozenset(
    (
        Failure.UNREACHABLE, Failure.TLS, Failure.FORBIDDEN_ADDRESS, Failure.NOT_READY, Failure.NO_SOCKET,
        Failure.SATURATED,
    )
)  # fmt: skip
