"""What both ends of the wire share: a request's head, and which headers are a matter of one hop only."""

from collections.abc import Iterable, Sequence

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


class Request:
    """One request's head, as an app sent it."""

    __slots__ = (
        "arrived_s",
        "chunked",
        "content_length",
        "headers",
        "http10",
        "keep_alive",
        "lower",
        "lowers",
        "method",
        "target",
        "upgrade",
    )

    def __init__(self, method: bytes, target: bytes, headers: Headers, *, arrived_s: float) -> None:
        self.method = method
        self.target = target
        """Raw: path and query as they came."""
        self.headers = headers
        """In order, names in the app's own case."""
        self.lowers = [name.lower() for name, _ in headers]
        """The names in lower case, in the same order."""
        self.lower = {low: header[1] for low, header in zip(self.lowers, headers, strict=True)}
        """Values by lower-case name; of a repeated one the last."""
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


def named_by_connection(value: bytes | None) -> frozenset[bytes]:
    """The lower-case header names that a Connection header declares to be of one hop."""
    if value is None or value.lower() in (b"keep-alive", b"close"):
        return frozenset()
    return frozenset(token.strip().lower() for token in value.split(b","))


def end_to_end(headers: Iterable[Header], connection: bytes | None) -> Headers:
    """`headers` without those of one hop; order and case as they were."""
    dropped = HOP_BY_HOP | named_by_connection(connection)
    return [header for header in headers if header[0].lower() not in dropped]


def head_bytes(first_line: bytes, headers: Sequence[Header]) -> bytes:
    """A message head on the wire."""
    lines = [first_line]
    lines += [b"%b: %b" % header for header in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """`data` as one chunk of a chunked body; it must not be empty."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
