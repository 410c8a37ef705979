"""httptools' parser of one app's connection: heads that were not seen before, and chunked bodies.

It keeps what the parser says piece by piece until it makes a `RequestHead`, and refuses what no honest app sends. Most
connections never need it: a head that was seen before is framed by its length alone.

Source: RFC 9112.
"""

from typing import Final, Protocol

import httptools

from gateway.transport import guard
from gateway.transport.limits import Limits
from gateway.transport.message import Head, Preamble, RequestHead, split_length, with_length_mark

PREAMBLES: Final = 1024
"""How many heads are remembered."""
PREAMBLE_BYTES: Final = 4096
"""Longest head that is remembered: what apps send again and again is shorter, and memory is bounded."""

_NOBODYS: Final = httptools.HttpRequestParser(None)
"""The parser of connections that are gone."""


class RequestRefusedError(Exception):
    """A request that is answered by the gateway itself, and ends its connection."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message


class RequestSink(Protocol):
    """Whoever takes what is parsed. Each may raise `RequestRefusedError`."""

    def on_head(self, request: RequestHead) -> None:
        """A request's head is whole."""
        ...

    def on_body(self, body: bytes) -> None:
        """More of its body, without the framing."""
        ...

    def on_end(self) -> None:
        """The request is whole."""
        ...


class RequestParser:
    """One connection's; the callbacks are httptools' (`on_url` and the like)."""

    __slots__ = (
        "_began_s", "_bodies", "_in_head", "_length", "_limits", "_parser", "_preambles", "_quiet_bytes", "_raw",
        "_sink", "_url",
    )  # fmt: skip

    def __init__(self, sink: RequestSink, limits: Limits, preambles: dict[bytes, Preamble]) -> None:
        self._sink = sink
        self._limits = limits
        self._preambles = preambles
        self._parser = httptools.HttpRequestParser(self)
        self._raw = b""
        """The current request's head, as a preamble has it."""
        self._length: int | None = None
        self._url = b""
        self._began_s = 0.0
        self._in_head = False
        """A head is being fed, and may begin a request."""
        self._bodies: list[bytes] = []
        """Of chunks that one read brought. They are handed over together: an app may send a byte in each."""
        self._quiet_bytes = 0
        """Of a chunked body: framing that brought nothing."""

    def close(self) -> None:
        """Let go of httptools' parser, which knows us: the two would wait for the garbage collector."""
        self._parser = _NOBODYS

    def read_head(self, head: bytes, began_s: float) -> bool:
        """Read a whole head, without its empty line. Returns whether what follows is no HTTP any more: a tunnel.

        Raises:
            RequestRefusedError: it is not valid, or what it asks for is refused.
        """
        head = guard.without_upgrade(head)
        self._raw, self._length = split_length(head)
        self._began_s = began_s
        self._url = b""
        self._quiet_bytes = 0
        self._in_head = True
        is_tunnel = self._feed(head + b"\r\n\r\n")
        self._in_head = False
        return is_tunnel

    def read_broken_head(self, data: bytes) -> None:
        """Read what cannot become a head, to hear why.

        Raises:
            RequestRefusedError: it is not valid.
        """
        self._in_head = True
        self._feed(data)

    def read_body(self, data: bytes) -> None:
        """Read more of a body and its framing.

        Raises:
            RequestRefusedError: the framing is not valid, or a trailer or a chunk's extension has no end.
        """
        self._quiet_bytes += len(data)
        self._feed(data)
        self._hand_over()
        if self._quiet_bytes > self._limits.header_bytes:
            raise RequestRefusedError(431, "headers_too_large", guard.too_large(self._limits))

    def _feed(self, data: bytes) -> bool:
        """Have httptools read it; whether a tunnel begins behind it."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return True
        except httptools.HttpParserCallbackError as error:
            raise error.__context__ or error from error
        except httptools.HttpParserError as error:
            message = f"The request is not valid HTTP/1.1: {error}."
            raise RequestRefusedError(400, "malformed_http", message) from error
        return False

    # httptools tells us -------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        if not self._in_head:
            # Sent right behind a chunked body: its head is the parser's already. It is the app's to send again.
            message = "Do not send a request behind a chunked one before its answer."
            raise RequestRefusedError(400, "too_many_pipelined", message)

    def on_url(self, url: bytes) -> None:
        """The request's target, or more of it."""
        self._url += url

    def on_headers_complete(self) -> None:
        """The request's head is here, and it is of good syntax."""
        parser = self._parser
        method, raw, length = parser.get_method(), self._raw, self._length
        if length is None and (odd := Head(raw).get(b"content-length")) is not None:
            length = int(odd)  # written in an unusual way: it goes on in the usual one
            raw = with_length_mark(raw)
        preamble = Preamble(raw, method, guard.origin_form(method, self._url))
        preamble.keep_alive = parser.should_keep_alive()
        version = parser.get_http_version()
        preamble.http10 = version == "1.0"
        if not preamble.http10 and version != "1.1":
            raise RequestRefusedError(400, "malformed_http", f"The request is of HTTP/{version}, not of HTTP/1.1.")
        preamble.upgrade = parser.should_upgrade()
        refused = guard.refusal(preamble, self._limits)
        if refused is not None:
            raise RequestRefusedError(refused[0], refused[1], refused[2])
        if raw is self._raw and not (preamble.chunked or preamble.upgrade or preamble.has(b"expect")):
            self._remember(preamble)
        self._sink.on_head(RequestHead(preamble, length, self._began_s))

    def _remember(self, preamble: Preamble) -> None:
        if len(preamble.raw) > PREAMBLE_BYTES:
            return
        if len(self._preambles) >= PREAMBLES:
            self._preambles.clear()
        self._preambles[preamble.raw] = preamble

    def on_body(self, body: bytes) -> None:
        """One chunk of a request's body, or a part of one."""
        self._bodies.append(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
        self._hand_over()
        self._sink.on_end()

    def _hand_over(self) -> None:
        """Tell of what has come of a body."""
        bodies, self._bodies = self._bodies, []
        if bodies:
            self._quiet_bytes = 0
            self._sink.on_body(bodies[0] if len(bodies) == 1 else b"".join(bodies))
