"""HTTP/1.1 towards apps: the only file that speaks to whoever connects.

A connection turns bytes into requests, refuses what no honest app sends, and hands each request to a `Service`, which
answers through the connection. It keeps no request waiting unseen: what may be sent, and how long that may take, is
bounded (`gateway.proxy.boot.Limits`), and a hang-up is told to the exchange at once, in every phase.

Rules:
1. One exchange at a time; pipelined requests wait in order, within a bound.
2. Framing that two parsers could read differently is refused, never guessed at.
3. After a malformed request nothing more is read from the connection.
Source: RFC 9112. Longer than a file should be: the turns of one connection can only be understood together.
"""

import asyncio
import select
from typing import Final, Protocol, cast

from gateway.transport import guard
from gateway.transport.limits import Limits
from gateway.transport.message import Preamble, RequestHead, split_length
from gateway.transport.request_parser import RequestParser, RequestRefusedError
from gateway.transport.write_batch import Outlet, WriteBatch

HELD_BYTES: Final = 64 * 1024
"""Most that an app may send ahead of its next turn."""
LINGER_S: Final = 2.0
LINGER_BYTES: Final = 4 * 1024 * 1024
"""Of a request that was refused while it was still being sent: read and dropped, so that the answer gets through."""
PAUSED_LOOK_S: Final = 1.0
"""How often it is looked whether an app is still there, of whose body no more is taken for now."""
PEER_CLOSED: Final[int] = getattr(select, "POLLRDHUP", 0)
"""Linux tells of a peer that will send no more, though what it sent is unread; a reset is told everywhere."""


class ServedRequest(Protocol):
    """One request under way; the connection tells it what the app does."""

    def on_body(self, data: bytes) -> None:
        """More of the request's body, or of a tunnel."""
        ...

    def on_body_end(self) -> None:
        """The request is whole."""
        ...

    def on_whole(self, body: bytes) -> None:
        """The request is whole, and this is all of its body: instead of `on_body` and `on_body_end`."""
        ...

    def on_gone(self) -> None:
        """The app hung up: nobody will read an answer. The connection is not to be used any more."""
        ...

    def has_begun(self) -> bool:
        """Whether some of the answer may have been written."""
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
    turn: WriteBatch
    connections: set["AppConnection"]
    preambles: dict[bytes, Preamble]
    """Heads that were found good, by their bytes: the same ones need no second look."""

    def now(self) -> float:
        """Monotonic seconds."""
        ...

    def begin(self, request: RequestHead, connection: "AppConnection") -> ServedRequest | None:
        """A request's head is here. None: it was answered already, and its body is of no interest."""
        ...

    def refusal(self, status: int, code: str, message: str) -> bytes:
        """A whole answer, head and body, for a connection that will be closed."""
        ...

    def full(self) -> bool:
        """Whether one more connection is one too many."""
        ...


class AppConnection(Outlet):
    """One app's connection: a `Protocol` of asyncio's by its methods, as a compiled class cannot have it for a base."""

    __slots__ = (
        "_began_s", "_body_bytes", "_body_left", "_body_unasked", "_closing", "_exchange", "_held", "_held_bytes",
        "_keep_alive", "_late", "_limits", "_linger", "_parser", "_partial", "_paused", "_plain", "_receiving",
        "_service", "_tunnel", "_unread_bytes", "blocked", "deadline_s",
    )  # fmt: skip

    def __init__(self, service: Service) -> None:
        super().__init__(service.turn)
        self._service = service
        self._limits = service.limits
        self._parser: RequestParser | None = None
        """Made once it is needed: most apps send one head again and again."""
        self._plain = False
        """The current request's head was seen before: its body is framed by its length alone, without the parser."""
        self._partial = b""
        """A head that is not whole yet."""
        self._began_s = 0.0
        self._exchange: ServedRequest | None = None
        self._receiving = False
        """The body of the current request is not whole yet."""
        self._body_left = 0
        """Body bytes still to come; -1: the body is chunked."""
        self._body_bytes = 0
        self._body_unasked = False
        """The app has not been told yet to send its body, and waits for that."""
        self._paused = False
        """No more of the current body is taken for now."""
        self._tunnel = False
        self._keep_alive = True
        self._closing = False
        self._late = b""
        """An error that has its turn once the answer under way is over; nothing follows it."""
        self._linger = 0
        self._held: list[bytes] = []
        self._held_bytes = 0
        self.deadline_s = 0.0
        """When the connection has waited long enough for what it waits for; 0: it waits for nothing of the app's."""
        self.blocked = False
        self._unread_bytes = 0
        """Of what was written: left unread when it was last looked at."""

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
        self.forget()
        self.deadline_s = 0.0
        exchange, self._exchange = self._exchange, None
        self._held.clear()
        if self._parser is not None:
            self._parser.close()
            self._parser = None
        if exchange is not None:
            exchange.on_gone()

    def eof_received(self) -> bool:
        """The app closed its end: it is gone, as far as HTTP is concerned."""
        return False

    def pause_writing(self) -> None:
        """Our bytes pile up."""
        self.blocked = True
        self._unread_bytes = self._transport.get_write_buffer_size()
        self.deadline_s = self._service.now() + self._limits.idle_write_s
        if self._exchange is not None:
            self._exchange.on_blocked()

    def resume_writing(self) -> None:
        """Our bytes are read again."""
        self.blocked = False
        if self._closing:
            return  # the last bytes still have to be read
        if self._exchange is not None:
            self.deadline_s = self._service.now() + self._wait_s() if self._receiving else 0.0
            self._exchange.on_ready()
        else:
            self.deadline_s = self._service.now() + self._limits.keep_alive_s
            self._next_soon()

    def _wait_s(self) -> float:
        """How long more of a request's body is waited for; while none is taken, how soon to see if its app is there."""
        return PAUSED_LOOK_S if self._paused else self._limits.body_s

    def data_received(self, data: bytes) -> None:
        """The app sent something."""
        if self._closing:
            self._drop(data)
        elif self._tunnel:
            if self._exchange is not None:
                self._exchange.on_body(data)
        elif self._receiving:
            self._feed(data)
        elif self._exchange is not None or self._held or self.blocked:
            self._hold(data)
        elif self._partial or not self._take_whole(data):
            self._feed(data)

    def _take_whole(self, data: bytes) -> bool:
        """Take a request that came in one piece and has a head seen before, as most do; False: it is not as simple."""
        head, _, body = data.partition(b"\r\n\r\n")
        raw, length = split_length(head)
        preamble = self._service.preambles.get(raw)
        if preamble is None or not length or preamble.sized is False or len(body) != length:
            return False
        if length > self._limits.body_bytes:
            return False
        self._plain = True
        self._began_s = now = self._service.now()
        self.deadline_s = 0.0
        self._body_left = 0
        self._keep_alive = preamble.keep_alive
        exchange = self._service.begin(RequestHead(preamble, length, now), self)
        if exchange is not None and not self._closing:
            self._exchange = exchange
            exchange.on_whole(body)
        return True

    def _hold(self, data: bytes) -> None:
        """Keep what the app sends ahead of its turn."""
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > HELD_BYTES:
            self._transport.pause_reading()

    def _drop(self, data: bytes) -> None:
        self._linger += len(data)
        if self._linger > LINGER_BYTES:
            self._transport.abort()

    def _feed(self, data: bytes) -> None:
        try:
            rest = self._read_body(data) if self._receiving else self._read_head(data)
        except RequestRefusedError as refused:
            if not self._closing:
                self._refuse(refused.status, refused.code, refused.message)
            return
        if rest and not self._closing:
            self.data_received(rest)

    def _read_head(self, data: bytes) -> bytes:
        """Read a request's head; what is behind it, or nothing while it is not whole."""
        if self._partial:
            data = self._partial + data
        else:
            if data[0] in b"\r\n":  # empty lines before a request are no request (RFC 9112 §2.2)
                data = data.lstrip(b"\r\n")
                if not data:
                    return b""
            self._began_s = now = self._service.now()
            self.deadline_s = now + self._limits.header_s
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._partial = data
            if len(data) > self._limits.header_bytes:
                self._refuse(431, "headers_too_large", guard.too_large(self._limits))
            elif b"\n\n" in data or not data[:1].isalpha():  # a TLS handshake, say: its app would wait for its end
                self._the_parser().read_broken_head(data)
            return b""
        self._partial = b""
        raw, length = split_length(data[:end])
        preamble = self._service.preambles.get(raw)
        if preamble is not None and preamble.sized is (length is not None):  # the mark itself may have been sent
            self._plain = True
            self.on_head(RequestHead(preamble, length, self._began_s))
            if not length:
                self.on_end()
            return data[end + 4 :]
        self._plain = False
        if self._the_parser().read_head(data[:end], self._began_s):
            self._begin_tunnel()
        return data[end + 4 :]

    def _the_parser(self) -> RequestParser:
        if self._parser is None:
            self._parser = RequestParser(self, self._limits, self._service.preambles)
        return self._parser

    def _read_body(self, data: bytes) -> bytes:
        """Read body bytes; what is behind the body."""
        rest = b""
        if 0 <= self._body_left < len(data):
            data, rest = data[: self._body_left], data[self._body_left :]
        if self._body_left > 0:
            self._body_left -= len(data)
        if self._plain:
            self.on_body(data)
            if not self._body_left:
                self.on_end()
        else:
            self._the_parser().read_body(data)
        return rest

    # A request, as it comes ---------------------------------------------------------------------------------------

    def on_head(self, request: RequestHead) -> None:
        """A request's head is whole: its turn begins."""
        length = request.content_length
        if length is not None and length > self._limits.body_bytes:
            self._refuse(413, "body_too_large", f"The request body is over {self._limits.body_bytes} bytes.")
            return
        self._receiving = True
        self._body_bytes = 0
        self._body_left = -1 if request.chunked else length or 0
        self._keep_alive = request.preamble.keep_alive
        expected = (request.get(b"expect") or b"").lower() if request.has_body and not request.http10 else b""
        self._body_unasked = expected == b"100-continue"
        self.deadline_s = self._began_s + self._limits.body_s
        exchange = self._service.begin(request, self)
        if exchange is not None and not self._closing:
            self._exchange = exchange
            if self._body_unasked:
                self._body_unasked = False
                self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """More of a request's body."""
        self._body_bytes += len(body)
        if self._body_bytes > self._limits.body_bytes:
            message = f"The request body is over {self._limits.body_bytes} bytes."
            raise RequestRefusedError(413, "body_too_large", message)
        if self._exchange is not None:
            if not self.blocked:
                self.deadline_s = self._service.now() + self._limits.body_s
            self._exchange.on_body(body)

    def on_end(self) -> None:
        """The request is whole."""
        self._receiving = False
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        if self._exchange is not None:
            if not self.blocked:
                self.deadline_s = 0.0
            self._exchange.on_body_end()
        elif not self._closing:
            self.deadline_s = self._service.now() + self._limits.keep_alive_s

    # Refusals -----------------------------------------------------------------------------------------------------

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer with an error and close; behind a whole answer that is under way, in the middle of none."""
        exchange = self._exchange
        if exchange is not None and not self._receiving:
            self._late = self._service.refusal(status, code, message)  # it has its turn behind the answer under way
            self._keep_alive = False
            return
        if exchange is not None:
            self._exchange = None
            begun = exchange.has_begun()
            exchange.on_gone()
            if begun:
                self._transport.abort()
                return
        self.write(self._service.refusal(status, code, message))
        self._receiving = True  # what more comes is read and dropped, so that the answer gets through
        self._close_lingering()

    # Turns --------------------------------------------------------------------------------------------------------

    def _begin_tunnel(self) -> None:
        """What follows an upgrade request is no HTTP any more."""
        if self._exchange is not None:
            self._tunnel = True
            self.deadline_s = 0.0
        else:
            self._close_lingering()

    def _next_soon(self) -> None:
        """Take up what was sent ahead, once this turn's work is done and the app has read its last answer."""
        if self._held and not self.blocked:
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        """The current exchange is over: take up what was sent ahead."""
        if self._held and self._exchange is None and not (self._closing or self.blocked):
            data = b"".join(self._held)
            self._held.clear()
            self._held_bytes = 0
            self._transport.resume_reading()
            self.data_received(data)

    # The exchange tells us ----------------------------------------------------------------------------------------

    def finish(self, *, close: bool = False) -> None:
        """The answer is whole."""
        self._exchange = None
        if self._paused:  # what is still to come has no upstream any more to wait for
            self._paused = False
            self._transport.resume_reading()
        if self._late:
            self.write(self._late)
            self._receiving = True  # as for any refusal
        if close or not self._keep_alive or self._tunnel:
            self._close_lingering()
            return
        if not self.blocked:
            self.deadline_s = self._service.now() + self._limits.keep_alive_s
        if self._receiving and self.ends_early:
            self._close_lingering()
        else:
            self._next_soon()

    @property
    def ends_early(self) -> bool:
        """Whether an answer given now ends the connection: so much of its request is still to come, or may not come.

        A short rest has no reader either: it is dropped, and the connection goes on behind it.
        """
        return self._receiving and (self._body_unasked or not 0 <= self._body_left <= HELD_BYTES)

    def break_off(self, *, abort: bool) -> None:
        """End the connection in the middle, so that the app sees that its answer is not whole.

        `abort`: by a reset, where the connection's end would be the answer's.
        """
        self._exchange = None
        if abort:
            self.settle()
            self._closing = True
            self._transport.abort()
        else:
            self._close()

    def pause_reading(self) -> None:
        """Take no more of the request's body for now.

        Not when it is whole: there is nothing left to take, and a hang-up has to be seen.
        """
        if self._receiving or self._tunnel:
            self._paused = True
            self._transport.pause_reading()
            if not self.blocked:
                self.deadline_s = self._service.now() + PAUSED_LOOK_S

    def resume_reading(self) -> None:
        """Take more of the request's body."""
        if self._paused and not self._closing:
            self._paused = False
            self._transport.resume_reading()
            if not self.blocked:
                self.deadline_s = 0.0 if self._tunnel else self._service.now() + self._limits.body_s

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
        self.settle()
        if self._receiving and self._transport.can_write_eof():
            self._transport.write_eof()
            self._transport.resume_reading()
            self.deadline_s = self._service.now() + LINGER_S
        else:
            self._close()

    def _close(self) -> None:
        """Close; the app has so long to read what is written."""
        self._closing = True
        self.settle()
        self.deadline_s = self._service.now() + self._limits.idle_write_s
        self._unread_bytes = self._transport.get_write_buffer_size()
        self._transport.close()

    def on_deadline(self) -> None:
        """What the connection waited for did not come in time."""
        self.deadline_s = 0.0
        if self._closing or self.blocked:
            self._abort_unless_read()
        elif self._paused:
            if self._is_gone():
                self._transport.abort()
            else:
                self.deadline_s = self._service.now() + PAUSED_LOOK_S
        elif self._tunnel:
            self._transport.abort()
        elif self._exchange is not None:
            if self._receiving:  # a request body that stopped coming: nobody is there
                self._transport.abort()
        elif self._partial:
            self._refuse(408, "header_timeout", f"The request's headers took over {self._limits.header_s:g} s.")
        else:
            self._close()

    def _abort_unless_read(self) -> None:
        """End a connection whose app has read nothing for so long; one that reads, however slowly, has more time."""
        left = self._transport.get_write_buffer_size()
        if 0 < left < self._unread_bytes:
            self._unread_bytes = left
            self.deadline_s = self._service.now() + self._limits.idle_write_s
        else:
            self._transport.abort()

    def _is_gone(self) -> bool:
        """Whether the app hung up, while nothing is read of what it sends: no event tells."""
        sock = self._transport.get_extra_info("socket")
        if sock is None:
            return False
        looking = select.poll()
        looking.register(sock.fileno(), 0 if self._tunnel else PEER_CLOSED)
        return bool(looking.poll(0))
