"""HTTP/1.1 towards apps: the only file that speaks to whoever connects.

A connection turns bytes into requests, refuses what no honest app sends, and hands each request to a `Service`, which
answers through the connection. It keeps no request waiting unseen: what may be sent, and how long that may take, is
bounded (`gateway.boot.Limits`), and a hang-up is told to the exchange at once, in every phase.

Rules:
1. One exchange at a time; pipelined requests wait in order, within a bound.
2. Framing that two parsers could read differently is refused, never guessed at.
3. After a malformed request nothing more is read from the connection.
Source: RFC 9112; what others met is listed in docs/adr/003.
"""

import asyncio
from collections import deque
from typing import Protocol, cast

import httptools

from gateway.boot import Limits
from gateway.transport.message import Headers, Request

HELD_BYTES = 64 * 1024
"""Most that an app may send ahead of its next turn."""
PIPELINE = 16
LINGER_S = 2.0
LINGER_BYTES = 4 * 1024 * 1024
"""Of a request that was refused while it was still being sent: read and dropped, so that the answer gets through."""


_HOST = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-._~%!$&'()*+,;=:[]"
"""What a Host may be made of (RFC 3986 §3.2.2)."""


class Exchange(Protocol):
    """One request under way; the connection tells it what the app does."""

    def on_body(self, data: bytes) -> None:
        """More of the request's body, or of a tunnel."""
        ...

    def on_body_end(self) -> None:
        """The request is whole."""
        ...

    def on_gone(self) -> None:
        """The app hung up: nobody will read an answer. The connection is not to be used any more."""
        ...

    def on_blocked(self) -> None:
        """The app reads slower than it is written to: write no more until `on_ready`."""
        ...

    def on_ready(self) -> None:
        """The app has caught up."""
        ...


class Service(Protocol):
    """Whatever answers requests."""

    limits: Limits
    connections: set["AppConnection"]

    def now(self) -> float:
        """Monotonic seconds."""
        ...

    def begin(self, request: Request, connection: "AppConnection") -> Exchange | None:
        """A request's head is here. None: it was answered already, and its body is of no interest."""
        ...

    def refusal(self, status: int, code: str, message: str) -> bytes:
        """A whole answer, head and body, for a connection that will be closed."""
        ...

    def full(self) -> bool:
        """Whether one more connection is one too many."""
        ...


class _Waiting:
    """A pipelined request that waits for its turn."""

    __slots__ = ("body", "request", "whole")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.body: list[bytes] = []
        self.whole = False


class AppConnection(asyncio.Protocol):
    """One app's connection."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._limits = service.limits
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: Headers = []
        self._header_bytes = 0
        self._in_head = False
        self._refused: tuple[int, str, str] | None = None
        self._exchange: Exchange | None = None
        self._heard_body = False
        self._body_bytes = 0
        self._receiving = False
        """The body of the current request is not whole yet."""
        self._tunnel = False
        self._keep_alive = True
        self._closing = False
        self._linger = 0
        self._waiting: deque[_Waiting] = deque()
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._began_s = 0.0
        self.deadline_s = 0.0
        """When the connection has waited long enough for what it waits for; 0: it waits for nothing of the app's."""
        self.blocked = False

    # The transport tells us ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """An app connected."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are, without saying so
        self._transport.set_write_buffer_limits(high=64 * 1024)
        if self._service.full():
            self._transport.write(self._service.refusal(503, "overloaded", "Too many connections; try again shortly."))
            self._transport.close()
            return
        self._service.connections.add(self)
        self.deadline_s = self._service.now() + self._limits.header_s

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- the transport's signature
        """The connection is gone, whoever ended it."""
        self._service.connections.discard(self)
        self._closing = True
        self.deadline_s = 0.0
        exchange, self._exchange = self._exchange, None
        self._waiting.clear()
        self._held.clear()
        if exchange is not None:
            exchange.on_gone()

    def eof_received(self) -> bool:
        """The app closed its end: it is gone, as far as HTTP is concerned."""
        return False

    def pause_writing(self) -> None:
        """Our bytes pile up."""
        self.blocked = True
        self.deadline_s = self._service.now() + self._limits.idle_write_s
        if self._exchange is not None:
            self._exchange.on_blocked()

    def resume_writing(self) -> None:
        """Our bytes are read again."""
        self.blocked = False
        if self._closing:
            return  # the last bytes still have to be read
        if self._exchange is not None:
            self.deadline_s = self._service.now() + self._limits.body_s if self._receiving else 0.0
            self._exchange.on_ready()
        else:
            self.deadline_s = self._service.now() + self._limits.keep_alive_s
            self._next_soon()

    def data_received(self, data: bytes) -> None:
        """The app sent something."""
        if self._closing:
            self._drop(data)
        elif self._tunnel:
            if self._exchange is not None:
                self._exchange.on_body(data)
        elif self._held or self._waiting or (self.blocked if self._exchange is None else not self._receiving):
            self._hold(data)
        else:
            self._feed(data)

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > HELD_BYTES:
            self._transport.pause_reading()

    def _drop(self, data: bytes) -> None:
        self._linger += len(data)
        if self._linger > LINGER_BYTES:
            self._transport.abort()

    def _feed(self, data: bytes) -> None:
        self._heard_body = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._begin_tunnel(data[upgrade.args[0] :])
            return
        except httptools.HttpParserCallbackError as error:
            if self._refused is None:
                raise error.__context__ or error from error
            self._refuse(*self._refused)
            return
        except httptools.HttpParserError as error:
            if not self._closing:
                self._refuse(400, "malformed_http", f"The request is not valid HTTP/1.1: {error}.")
            return
        if self._in_head or (self._receiving and not self._heard_body):
            # A header's value is gathered inside the parser: only here can an endless one, or a trailer's, be seen.
            self._header_bytes += len(data)
            if self._header_bytes > self._limits.header_bytes + HELD_BYTES:
                self._refuse(431, "headers_too_large", self._too_large())
        elif self._header_bytes:
            self._header_bytes = 0
        if self._headers and not self._in_head:
            self._headers.clear()

    # The parser tells us ------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url, self._headers, self._header_bytes, self._body_bytes, self._in_head = b"", [], 0, 0, True
        self._began_s = now = self._service.now()
        if self._exchange is None:
            self.deadline_s = now + self._limits.header_s

    def on_url(self, url: bytes) -> None:
        """The request's target, or more of it."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header of the request, or of its trailer, which is dropped."""
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The request's head is here."""
        self._in_head = False
        parser = self._parser
        request = Request(parser.get_method(), self._url, self._headers, arrived_s=self._began_s)
        self._headers = []
        request.keep_alive = parser.should_keep_alive()
        version = parser.get_http_version()
        request.http10 = version == "1.0"
        if not request.http10 and version != "1.1":
            self._stop(400, "malformed_http", f"The request is of HTTP/{version}, not of HTTP/1.1.")
        request.upgrade = parser.should_upgrade()
        self._guard(request)
        if self._exchange is not None or self._waiting:
            if request.upgrade:
                # What follows it is no HTTP, and must not get into the exchange that runs.
                self._stop(400, "upgrade_unsupported", "An upgrade must not be sent ahead of its turn.")
            if len(self._waiting) >= PIPELINE:
                self._stop(400, "too_many_pipelined", f"More than {PIPELINE} requests were sent ahead of answers.")
            self._waiting.append(_Waiting(request))
        else:
            self._begin(request)

    def on_body(self, body: bytes) -> None:
        """More of a request's body."""
        self._heard_body = True
        self._body_bytes += len(body)
        if self._body_bytes > self._limits.body_bytes:
            self._stop(413, "body_too_large", f"The request body is over {self._limits.body_bytes} bytes.")
        if self._waiting:
            waiting = self._waiting[-1]
            waiting.body.append(body)
            self._held_bytes += len(body)
        elif self._exchange is not None:
            self.deadline_s = self._service.now() + self._limits.body_s
            self._exchange.on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
        if self._waiting:
            self._waiting[-1].whole = True
            return
        self._receiving = False
        if self._exchange is not None:
            if not self.blocked:
                self.deadline_s = 0.0
            self._exchange.on_body_end()
        elif not self._closing:
            self.deadline_s = self._service.now() + self._limits.keep_alive_s

    # Guards -------------------------------------------------------------------------------------------------------

    def _guard(self, request: Request) -> None:
        """Refuse what another parser on the way could read as another request."""
        limits = self._limits
        if len(request.lines) > limits.header_count or sum(map(len, request.lines)) > limits.header_bytes:
            self._stop(431, "headers_too_large", self._too_large())
        hosts = request.lowers.count(b"host")
        if (
            hosts > 1
            or (hosts == 0 and not request.http10)
            or request.lower.get(b"host", b"").strip().translate(None, _HOST)
        ):
            self._stop(400, "bad_host", "A request has exactly one Host header, a name or an address and a port.")
        if request.chunked and (request.http10 or request.lower[b"transfer-encoding"].strip().lower() != b"chunked"):
            self._stop(400, "malformed_http", "The only transfer coding is chunked, of HTTP/1.1.")
        if not request.target.startswith(b"/") and request.target != b"*":
            self._stop(400, "bad_target", "The request target must be a path, such as /v1/chat/completions.")
        if request.content_length is not None and request.content_length > self._limits.body_bytes:
            self._stop(413, "body_too_large", f"The request body is over {self._limits.body_bytes} bytes.")
        if request.lowers.count(b"authorization") > 1:
            self._stop(400, "conflicting_credentials", "Send one Authorization header, not several.")
        if request.upgrade and request.lower.get(b"upgrade", b"").strip().lower() != b"websocket":
            self._stop(400, "upgrade_unsupported", "Only an upgrade to websocket is relayed; leave it out.")

    def _too_large(self) -> str:
        limits = self._limits
        return f"The request's headers are over {limits.header_bytes} bytes or {limits.header_count} fields."

    def _stop(self, status: int, code: str, message: str) -> None:
        """Leave the parser; `_feed` then refuses."""
        self._refused = (status, code, message)
        raise _RefusedError(code)

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer with an error and close, unless an answer is under way: then just close."""
        if self._exchange is None:
            self._transport.write(self._service.refusal(status, code, message))
            self._close_lingering()
        else:
            self._transport.abort()

    # Turns --------------------------------------------------------------------------------------------------------

    def _begin(self, request: Request) -> None:
        self._receiving = request.has_body
        self._keep_alive = request.keep_alive
        if request.has_body and request.lower.get(b"expect", b"").strip().lower() == b"100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.deadline_s = self._service.now() + self._limits.body_s
        exchange = self._service.begin(request, self)
        if exchange is not None and not self._closing:
            self._exchange = exchange

    def _begin_tunnel(self, rest: bytes) -> None:
        """What follows an upgrade request is no HTTP any more."""
        if self._exchange is None:
            if not self._closing:
                self._close_lingering()
            return
        self._tunnel = True
        self.deadline_s = 0.0
        if rest:
            self._exchange.on_body(rest)

    def _next(self) -> None:
        """The current exchange is over: take up the next request, if one has come."""
        if self._waiting and self._exchange is None and not self._closing and not self.blocked:
            waiting = self._waiting.popleft()
            self._held_bytes -= sum(map(len, waiting.body))
            self._begin(waiting.request)
            for body in waiting.body:
                if self._exchange is not None:
                    self._exchange.on_body(body)
            if waiting.whole:
                self.on_message_complete_of_waiting()
        ready = not (self._waiting or self.blocked) if self._exchange is None else self._receiving
        if self._held and ready and not self._closing:
            data = b"".join(self._held)
            self._held.clear()
            self._held_bytes = 0
            self._transport.resume_reading()
            self._feed(data)

    def _next_soon(self) -> None:
        """Take up what was held back, in a turn of the loop of its own."""
        if self._waiting or self._held:
            asyncio.get_running_loop().call_soon(self._next)

    def on_message_complete_of_waiting(self) -> None:
        """A pipelined request that was already whole got its turn."""
        self._receiving = False
        if self._exchange is not None:
            self.deadline_s = 0.0
            self._exchange.on_body_end()

    # The exchange tells us ----------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send bytes of an answer."""
        self._transport.write(data)

    def finish(self, *, close: bool = False) -> None:
        """The answer is whole."""
        self._exchange = None
        if close or not self._keep_alive or self._tunnel:
            self._close_lingering()
            return
        if not self.blocked:
            self.deadline_s = self._service.now() + self._limits.keep_alive_s
        if self._receiving:
            # An early answer: the rest of this request has no reader. Its body is dropped, the connection with it.
            self._close_lingering()
        else:
            self._next_soon()

    def break_off(self, *, abort: bool) -> None:
        """End the connection in the middle, so that the app sees that its answer is not whole.

        `abort`: by a reset, where the connection's end would be the answer's.
        """
        self._exchange = None
        if abort:
            self._closing = True
            self._transport.abort()
        else:
            self._close()

    def pause_reading(self) -> None:
        """Take no more of the request's body for now."""
        self._transport.pause_reading()
        self.deadline_s = 0.0

    def resume_reading(self) -> None:
        """Take more of the request's body."""
        if not self._closing:
            self._transport.resume_reading()
            self.deadline_s = self._service.now() + self._limits.body_s

    def close_if_idle(self) -> None:
        """Close if no exchange is under way; otherwise it is closed when that one is over."""
        self._keep_alive = False
        if self._exchange is None and not self._receiving:
            self._close_lingering()

    def _close_lingering(self) -> None:
        """Close, once the app has had a chance to read what was written while it was still sending."""
        if self._closing:
            return
        self._closing = True
        if self._receiving and self._transport.can_write_eof():
            self._transport.write_eof()
            self._transport.resume_reading()
            self.deadline_s = self._service.now() + LINGER_S
        else:
            self._close()

    def _close(self) -> None:
        """Close; the app has so long to read what is written."""
        self._closing = True
        self.deadline_s = self._service.now() + self._limits.idle_write_s
        self._transport.close()

    def on_deadline(self) -> None:
        """What the connection waited for did not come in time."""
        self.deadline_s = 0.0
        if self._closing or self.blocked or self._tunnel:
            self._transport.abort()
        elif self._exchange is not None:
            if self._receiving:  # a request body that stopped coming: nobody is there
                self._transport.abort()
        elif self._in_head:
            self._refuse(408, "header_timeout", f"The request's headers took over {self._limits.header_s:g} s.")
        else:
            self._close()


class _RefusedError(Exception):
    """Raised inside the parser's callbacks to leave the parser; never seen outside this file."""
