"""What both ends of the wire share: a head, kept as the bytes it came as, and which headers are of one hop only.

A head is never taken apart to be put together again: httptools has checked its syntax, a header is found by a search in
its lower-case copy, and what has to go is cut out of the bytes. `find` is five times as quick as `in`, which first
tries whether what it looks for is a number.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from email.utils import formatdate
from functools import lru_cache
from typing import Final

Header = tuple[bytes, bytes]
Headers = Sequence[Header]

HOP_BY_HOP: Final = (
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
"""Source: RFC 9110 §7.6.1; proxy-connection as its de facto twin."""
_find_hop = re.compile(rb"\r\n(?:%b):" % b"|".join(HOP_BY_HOP)).search
LENGTH_MARK: Final = b"\0"
"""Stands for the value of Content-Length in a `Preamble`: no head that came over the wire can hold it."""


class Head:
    """The first line and the header lines of a message, CRLF between, without the empty line."""

    __slots__ = ("_low", "_values", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._low = raw.lower()
        self._values: dict[bytes, bytes] | None = None

    def get(self, name: bytes) -> bytes | None:
        """The value of the first header of this lower-case `name`."""
        mark = b"\r\n" + name + b":"
        start = self._low.find(mark)
        if start < 0:
            return None
        start += len(mark)
        end = self.raw.find(b"\r\n", start)
        return (self.raw[start:end] if end >= 0 else self.raw[start:]).strip(b" \t")

    def has(self, name: bytes) -> bool:
        """Whether there is a header of this lower-case `name`."""
        return self._low.find(b"\r\n" + name + b":") >= 0

    def count(self, name: bytes) -> int:
        """How many headers of this lower-case `name` there are."""
        return self._low.count(b"\r\n" + name + b":")

    @property
    def fields(self) -> int:
        """How many headers there are."""
        return self.raw.count(b"\r\n")

    @property
    def values(self) -> dict[bytes, bytes]:
        """All values by lower-case name, of a repeated one the last: for what looks for many."""
        if self._values is None:
            lines = [line.partition(b":") for line in self.raw.split(b"\r\n")[1:]]
            self._values = {name.lower(): value.strip(b" \t") for name, _, value in lines}
        return self._values

    @property
    def lines(self) -> bytes:
        """The header lines, each behind a CRLF."""
        start = self.raw.find(b"\r\n")
        return self.raw[start:] if start >= 0 else b""

    @property
    def is_of_one_hop(self) -> bool:
        """Whether some header is of one hop."""
        return _find_hop(self._low) is not None

    def changed(self, names: Collection[bytes], instead: Mapping[bytes, bytes]) -> bytes:
        """The header lines, each behind a CRLF: those named are gone, or have the value that `instead` gives them."""
        raw, low = self.raw, self._low
        cuts: list[tuple[int, int, bytes]] = []
        for name in names:
            mark = b"\r\n" + name + b":"
            start = low.find(mark)
            while start >= 0:
                end = low.find(b"\r\n", start + 2)
                value = instead.get(name)
                kept = raw[start : start + len(mark)] + b" " + value if value is not None else b""
                cuts.append((start, end if end >= 0 else len(low), kept))
                start = low.find(mark, start + 2)
        if not cuts:
            return self.lines
        cuts.sort()
        pieces: list[bytes] = []
        place = low.find(b"\r\n")
        for start, end, kept in cuts:
            if start >= place:  # a name may be there twice
                pieces += (raw[place:start], kept)
                place = end
        pieces.append(raw[place:])
        return b"".join(pieces)

    def one_hop(self, names: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """`names`, and what this head's Connection header declares to be of one hop too."""
        value = self.get(b"connection")
        if value is None or value.lower() in (b"keep-alive", b"close"):
            return names
        named = {token.strip().lower() for token in value.split(b",")}
        # Without its length a body would be read as the next request by whoever comes behind us.
        return (*names, *named.difference(names, (b"content-length",)))


class Preamble(Head):
    """All of a request's head but its length: the same in most requests of an app, so that what follows from it can be
    worked out once (`transport.server` keeps those it has seen; `proxy.request_facts` says what follows).
    """

    __slots__ = ("chunked", "http10", "keep_alive", "known", "method", "sized", "target", "upgrade")

    def __init__(self, raw: bytes, method: bytes, target: bytes) -> None:
        super().__init__(raw)
        self.method = method
        self.target = target
        """Raw: path and query as they came."""
        self.sized = LENGTH_MARK in raw
        """There is a Content-Length; its value is `LENGTH_MARK`."""
        self.chunked = self.has(b"transfer-encoding")
        self.keep_alive = True
        self.http10 = False
        self.upgrade = False
        self.known: object = None
        """What the service has worked out."""


class RequestHead:
    """One request's head, as an app sent it."""

    __slots__ = ("arrived_s", "content_length", "preamble")

    def __init__(self, preamble: Preamble, content_length: int | None, arrived_s: float) -> None:
        self.preamble = preamble
        self.content_length = content_length
        self.arrived_s = arrived_s
        """Monotonic seconds."""

    @property
    def method(self) -> bytes:
        """As GET."""
        return self.preamble.method

    @property
    def target(self) -> bytes:
        """Raw: path and query as they came."""
        return self.preamble.target

    @property
    def chunked(self) -> bool:
        """Whether its body comes in chunks."""
        return self.preamble.chunked

    @property
    def http10(self) -> bool:
        """Whether its app speaks HTTP/1.0."""
        return self.preamble.http10

    @property
    def upgrade(self) -> bool:
        """Whether it asks for another protocol."""
        return self.preamble.upgrade

    @property
    def has_body(self) -> bool:
        """Whether body bytes may follow the head."""
        return self.preamble.chunked or bool(self.content_length)

    def get(self, name: bytes) -> bytes | None:
        """The value of the first header of this lower-case `name`; not for Content-Length."""
        return self.preamble.get(name)


def split_length(raw: bytes) -> tuple[bytes, int | None]:
    """A head with `LENGTH_MARK` for its Content-Length, and the length; without a plain one, as it came and None."""
    for mark in (b"\r\nContent-Length: ", b"\r\ncontent-length: "):
        before, found, after = raw.partition(mark)
        if found:
            digits, end, rest = after.partition(b"\r\n")
            if digits.isdigit() and len(digits) < 16:
                return b"%b%b%b%b%b" % (before, mark, LENGTH_MARK, end, rest), int(digits)
    return raw, None


def with_length_mark(raw: bytes) -> bytes:
    """A head with `LENGTH_MARK` for a Content-Length that is written in an unusual way."""
    head = Head(raw)
    lines = head.changed((b"content-length",), {b"content-length": LENGTH_MARK})
    return raw[: len(raw) - len(head.lines)] + lines


def http_date(wall_s: float) -> bytes:
    """The value of Date: RFC 9110 §5.6.7."""
    return _date_of(int(wall_s))


@lru_cache(maxsize=4)
def _date_of(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


def head_bytes(first_line: bytes, headers: Headers) -> bytes:
    """A message head, without the empty line."""
    return b"\r\n".join((first_line, *map(b": ".join, headers)))


def chunk(data: bytes) -> bytes:
    """`data` as one chunk of a chunked body; it must not be empty."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def whole_chunks(data: bytes) -> list[bytes] | None:
    """The bodies of the chunks that `data` is, as most reads of a stream are one or more; None: a parser is to look.

    It does for anything else that RFC 9112 §7.1 allows (a chunk cut in two, an extension, the last chunk), or forbids.
    """
    bodies: list[bytes] = []
    at, length = 0, len(data)
    while at < length:
        size, digits = 0, 0
        while digits < _SIZE_DIGITS and at + digits < length:
            value = _hex_value(data[at + digits])
            if value < 0:
                break
            size = size * 16 + value
            digits += 1
        begin = at + digits + 2
        end = begin + size
        if size == 0 or data[begin - 2 : begin] != b"\r\n" or data[end : end + 2] != b"\r\n":
            return None
        bodies.append(data[begin:end])
        at = end + 2
    return bodies


def _hex_value(digit: int) -> int:
    """Of an ASCII character; -1: it is no hexadecimal digit."""
    if 48 <= digit <= 57:
        return digit - 48
    if 97 <= digit <= 102:
        return digit - 87
    return digit - 55 if 65 <= digit <= 70 else -1


LAST_CHUNK: Final = b"0\r\n\r\n"
_SIZE_DIGITS: Final = 7
"""Of the longest chunk that `whole_chunks` reads."""
