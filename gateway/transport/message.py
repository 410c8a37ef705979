"""What both ends of the wire share: a request's head, and which headers are a matter of one hop only."""

from collections.abc import Sequence

Header = tuple[bytes, bytes]
Headers = list[Header]

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
"""Source: RFC 9110 §7.6.1; proxy-connection as its de facto twin."""


class Head:
    """The headers of a request or an answer, as they came, and as they are looked up."""

    __slots__ = ("lines", "lower", "lowers")

    def __init__(self, headers: Headers) -> None:
        self.lines = list(map(b": ".join, headers))
        """In order, in the sender's own case."""
        self.lowers = [name.lower() for name, _ in headers]
        """The names in lower case, in the same order."""
        self.lower = dict(zip(self.lowers, [value for _, value in headers], strict=True))
        """Values by lower-case name; of a repeated one the last."""

    def without(self, hidden: frozenset[bytes]) -> bytes:
        """The lines of all headers but those named, with CRLF between."""
        if hidden.isdisjoint(self.lower):
            return b"\r\n".join(self.lines)
        return b"\r\n".join([line for line, low in zip(self.lines, self.lowers, strict=True) if low not in hidden])

    def one_hop(self, more: frozenset[bytes]) -> list[int]:
        """Where the headers stand that are of one hop, by name or by what Connection says, or that `more` names."""
        connection = self.lower.get(b"connection")
        if connection is not None:
            more |= named_by_connection(connection)
        if more.isdisjoint(self.lower):
            return []
        return [place for place, low in enumerate(self.lowers) if low in more]


class Request(Head):
    """One request's head, as an app sent it."""

    __slots__ = (
        "arrived_s",
        "chunked",
        "content_length",
        "http10",
        "keep_alive",
        "method",
        "target",
        "upgrade",
    )

    def __init__(self, method: bytes, target: bytes, headers: Headers, *, arrived_s: float) -> None:
        super().__init__(headers)
        self.method = method
        self.target = target
        """Raw: path and query as they came."""
        self.arrived_s = arrived_s
        """Monotonic seconds."""
        self.keep_alive = True
        self.http10 = False
        self.upgrade = False
        self.chunked = b"transfer-encoding" in self.lower
        length = self.lower.get(b"content-length")
        self.content_length = int(length) if length is not None else None

    @property
    def has_body(self) -> bool:
        """Whether body bytes may follow the head."""
        return self.chunked or bool(self.content_length)


def named_by_connection(value: bytes) -> frozenset[bytes]:
    """The lower-case header names that a Connection header declares to be of one hop."""
    if value.lower() in (b"keep-alive", b"close"):
        return frozenset()
    return frozenset(token.strip().lower() for token in value.split(b","))


def head_bytes(first_line: bytes, headers: Sequence[Header]) -> bytes:
    """A message head on the wire."""
    lines = [first_line]
    lines += [b"%b: %b" % header for header in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """`data` as one chunk of a chunked body; it must not be empty."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
