"""One connection to an upstream: a request out, its answer in, and whether the connection is as good as new after it.

A read is parsed and handed over once, in the same turn of the loop.
Longer than a file should be: what a connection reads, and what its end means, is one state.
Source: RFC 9112; a reader of answers must not trust them more than a server trusts requests.
"""

import asyncio
import re
import select
import ssl
from typing import Final, Protocol, cast

import httptools

from gateway.transport.failure import Failure
from gateway.transport.message import whole_chunks
from gateway.transport.outgoing import PoolKey, Reply, Sending
from gateway.transport.write_batch import Outlet, WriteBatch

HEADER_BYTES: Final = 256 * 1024
INTERIM: Final = 16
"""Most 1xx answers before the real one."""

_TAB_BEHIND_CODING: Final = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*\t", re.IGNORECASE)

_FOLD: Final = re.compile(rb"[ \t]*\r\n[ \t]+")
_BLANK_BEHIND_NAME: Final = re.compile(rb"(\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]+:")

_NOBODYS: Final = httptools.HttpResponseParser(None)
"""The parser of connections that are gone."""


class ConnectionOwner(Protocol):
    """Whoever keeps the connections."""

    turn: WriteBatch

    def opened(self, connection: "Connection") -> None:
        """A connection is there."""
        ...

    def closed(self, connection: "Connection") -> None:
        """A connection is gone."""
        ...

    def release(self, connection: "Connection") -> None:
        """A connection is free again."""
        ...


class Connection(Outlet):
    """One connection to an upstream: a `Protocol` of asyncio's by its methods, see `server.AppConnection`."""

    __slots__ = (
        "_between_chunks", "_chunked", "_complete", "_framed", "_head", "_interim", "_keeps_alive", "_owner", "_parser",
        "_partial", "_pieces",
        "_quiet_bytes", "_raw", "_sending", "_told_head", "_tunnel", "idle_since_s", "keep_idle_s", "key", "opened_s",
    )  # fmt: skip

    def __init__(self, owner: ConnectionOwner, key: PoolKey) -> None:
        super().__init__(owner.turn)
        self._owner = owner
        self.key = key
        self.opened_s = 0.0
        self.idle_since_s = 0.0
        self.keep_idle_s = key[0].idle_s
        self._parser = httptools.HttpResponseParser(self)
        self._sending: Sending | None = None
        self._reset()

    def _reset(self) -> None:
        self._raw = b""
        self._partial: bytes = b""
        self._quiet_bytes = 0
        self._interim = 0
        self._head: Reply | None = None
        self._told_head = False
        self._framed = True
        self._chunked = False
        self._between_chunks = False
        """The parser waits for a chunk's first byte: a read of whole chunks may pass it by."""
        self._keeps_alive = False
        self._pieces: list[bytes] = []
        self._complete = False
        self._tunnel = False

    # Carrying a request -------------------------------------------------------------------------------------------

    def carry(self, sending: Sending, *, reused: bool) -> None:
        """Take a request."""
        self._sending = sending
        sending.attach(self, reused=reused)

    def carry_on(self, sending: Sending, first: bytes) -> None:
        """Take one more request, and send the `first` of it."""
        self._sending = sending
        sending.begin_on(self, first)

    def pause_reading(self) -> None:
        """Read no more for now."""
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def drop(self) -> None:
        """Close at once; nobody is told."""
        self._sending = None
        self.forget()
        self._transport.abort()

    @property
    def has_spoken(self) -> bool:
        """Whether some of the answer has come."""
        return self._told_head

    def is_closing(self) -> bool:
        """Whether it is of no more use."""
        return self._transport.is_closing()

    def has_news(self) -> bool:
        """Whether something waits for it at the system that the loop has not brought yet: nothing has been asked, so
        it can only be the end, or what makes it of no use.
        """
        sock = self._transport.get_extra_info("socket")
        if sock is None:
            return False
        looking = select.poll()
        looking.register(sock.fileno(), select.POLLIN)  # an end can be read, too
        return bool(looking.poll(0))

    # The transport tells us ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are, without saying so
        self._transport.set_write_buffer_limits(high=64 * 1024)
        self._owner.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self.forget()
        self._owner.closed(self)
        self._parser = _NOBODYS  # ours knows us: the two would wait for the garbage collector
        if self._sending is None:
            return
        if self._tunnel or (self._told_head and not self._framed and exc is None and self._was_closed()):
            self._tell(ended=True)  # a body without a length ends with its connection
        else:
            self._fail(Failure.BROKEN if self._told_head else Failure.NO_ANSWER)

    def _was_closed(self) -> bool:
        """Whether the upstream itself closed the connection, which has ended without an error.

        Under TLS anybody on the way can end it: only the closure alert is the upstream's word (RFC 9112 §9.8). Python
        takes an end without one for an end (`OP_IGNORE_UNEXPECTED_EOF`), so the TLS object is asked what it has read.
        """
        tls = self._transport.get_extra_info("ssl_object")
        if tls is None:
            return True
        try:
            return tls.read(1) == b""
        except ssl.SSLZeroReturnError:
            return True
        except (ssl.SSLError, ValueError):
            return False

    def eof_received(self) -> bool:
        """The upstream said all it will say."""
        return False

    def pause_writing(self) -> None:
        """The upstream reads slowly."""
        if self._sending is not None:
            self._sending.listener.on_send_blocked()

    def resume_writing(self) -> None:
        """The upstream has caught up."""
        if self._sending is not None:
            self._sending.listener.on_send_ready()

    def data_received(self, data: bytes) -> None:
        """The upstream answers."""
        if self._sending is None:
            self._transport.abort()  # an answer nobody asked for
            return
        try:
            if not self._has_head() and not self._read_answer(data):
                data = self._read_head(data)
                if not self._has_head():
                    return
                if data:
                    self._read_body(data)
            elif self._told_head:
                self._read_body(data)
        except httptools.HttpParserError:
            if self._head is not None and self._pieces:
                self._tell(ended=False)  # what came before the fault is the app's
            self._fail(Failure.MALFORMED)
            return
        self._tell(ended=self._complete)

    def _has_head(self) -> bool:
        """Whether the answer's own head is here: a call, as type checkers do not know that the parser brings it."""
        return self._head is not None

    def _read_answer(self, data: bytes) -> bool:
        """Read a head and what is behind it in one go, as most answers come; False: this is not as simple.

        Raises:
            httptools.HttpParserError: it is no answer.
        """
        end = data.find(b"\r\n\r\n")
        if end < 0 or self._partial or data[9:10] == b"1" or data[8:9] != b" ":
            return False  # an interim head, or another protocol from here on
        if _is_odd(data, end):
            head = _repaired(data[:end])
            data, end = head + data[end:], len(head)
        self._raw = data[:end]
        self._feed(data)
        if self._chunked and not self._complete:
            self._between_chunks = whole_chunks(data[end + 4 :]) is not None
        return True

    def _read_head(self, data: bytes) -> bytes:
        """Read heads, interim ones too, until the answer's own is there; what is behind it.

        Raises:
            httptools.HttpParserError: it is no head, or there is no end to it.
        """
        data = self._partial + data if self._partial else data
        while not self._has_head():
            end = data.find(b"\r\n\r\n")
            if end < 0:
                if len(data) > HEADER_BYTES or b"\n\n" in data:
                    raise httptools.HttpParserError("a head without end")
                self._partial = data
                return b""
            self._raw = _repaired(data[:end])
            try:
                self._parser.feed_data(self._raw + b"\r\n\r\n")
            except httptools.HttpParserUpgrade:
                self._tunnel = True
                self._complete = False
            data = data[end + 4 :]
        self._partial = b""
        return data

    def _read_body(self, data: bytes) -> None:
        """Read body bytes.

        Raises:
            httptools.HttpParserError: they are not framed as the head says.
        """
        if self._tunnel:
            self._pieces.append(data)
        elif self._complete:
            self._keeps_alive = False  # bytes behind a whole answer: it stands, the connection does not
        elif self._between_chunks and (bodies := whole_chunks(data)) is not None:
            self._pieces += bodies
            self._quiet_bytes = 0
        else:
            self._between_chunks = False
            self._feed(data)
            if self._pieces:
                self._quiet_bytes = 0
                return
            self._quiet_bytes += len(data)
            if self._quiet_bytes > HEADER_BYTES:
                raise httptools.HttpParserError("a trailer without end")

    def _feed(self, data: bytes) -> None:
        """Have the parser read; of a fault behind a whole answer the answer knows nothing, and the connection ends.

        Raises:
            httptools.HttpParserError: it is in the answer.
        """
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if not self._complete:
                raise
            self._keeps_alive = False

    # The parser tells us ------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """An answer begins, or a second one behind the first."""
        if self._complete:
            raise _RefusedError("a second answer")

    def on_headers_complete(self) -> None:
        """A head is here."""
        parser = self._parser
        status = parser.get_status_code()
        if status < 200 and status != 101:
            self._interim += 1
            if self._interim > INTERIM:
                raise _RefusedError("interim answers without end")
            if status == 103 and self._sending is not None:
                self._sending.listener.on_interim(Reply(status, self._raw))
            return
        self._head = head = Reply(status, self._raw)
        self._keeps_alive = parser.should_keep_alive()
        without_body = self._sending is not None and self._sending.method == b"HEAD"
        coding = head.get(b"transfer-encoding") if head.hops else None
        if coding is not None and not _is_chunked(head, coding):
            raise _RefusedError("a transfer coding that nobody asked for")
        self._chunked = coding is not None and not without_body
        self._framed = head.sized or coding is not None or without_body or status in (101, 204, 304)
        self._complete = without_body

    def on_body(self, body: bytes) -> None:
        """Body bytes."""
        if self._complete:
            self._keeps_alive = False  # a body behind the answer to HEAD
        else:
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        """An answer is whole: the real one, or an interim one."""
        if self._head is not None:
            self._complete = True

    # Telling ------------------------------------------------------------------------------------------------------

    def _tell(self, *, ended: bool) -> None:
        """Hand over what one read brought."""
        sending = self._sending
        if sending is None:
            return
        if not self._told_head:
            self._told_head = True
            assert self._head is not None  # noqa: S101 -- `data_received` returns before without one
            sending.listener.on_head(self._head)
            if self._sending is None:
                return  # the listener cancelled
        pieces = self._pieces
        data = b"".join(pieces) if len(pieces) != 1 else pieces[0]
        self._pieces = []
        if not ended:
            sending.listener.on_data(data, ended=False)
            return
        self._sending = None
        listener = sending.detach()
        self._settle(sending)
        listener.on_data(data, ended=True)

    def _settle(self, sending: Sending) -> None:
        """The answer is whole: keep the connection if it is as good as new."""
        keep = sending.ended and self._framed and not self._tunnel and self._keeps_alive
        if not keep or self._transport.is_closing():
            self._transport.abort()
            return
        if sending.method == b"HEAD":
            self._parser = httptools.HttpResponseParser(self)  # the old one waits for a body that never comes
        head = self._head
        stated = head.get(b"keep-alive") if head is not None and head.hops else None
        self._reset()
        if stated is not None:
            self.keep_idle_s = min(self.keep_idle_s, _keep_alive_s(stated, self.keep_idle_s))
        self._transport.resume_reading()
        self._owner.release(self)

    def _fail(self, failure: Failure) -> None:
        sending, self._sending = self._sending, None
        self.forget()
        self._transport.abort()
        if sending is not None:
            sending.detach().on_failure(failure)


def _is_odd(data: bytes, end: int) -> bool:
    """Whether the head that ends there may have something to repair."""
    return (
        data.find(b" :", 0, end) >= 0
        or data.find(b"\t:", 0, end) >= 0
        or data.find(b"\n ", 0, end) >= 0
        or data.find(b"\n\t", 0, end) >= 0
    )


def _repaired(head: bytes) -> bytes:
    """An answer's head without blanks between a header's name and its colon (RFC 9112 §5.1: to be removed), and without
    values that go on in the next line (§5.2: a blank instead).
    """
    return _BLANK_BEHIND_NAME.sub(rb"\1:", _FOLD.sub(b" ", head))


def _is_chunked(head: Reply, coding: bytes) -> bool:
    """Whether an answer is chunked for whoever reads it: our parser knows no coding with a tab behind it."""
    if coding.lower() != b"chunked" or head.count(b"transfer-encoding") > 1:
        return False
    return head.raw.find(b"\t") < 0 or _TAB_BEHIND_CODING.search(head.raw) is None


class _RefusedError(Exception):
    """Raised inside the parser's callbacks to leave the parser; httptools turns it into its own error."""


def _keep_alive_s(value: bytes, default: float) -> float:
    """Seconds an upstream says it keeps idle connections, one less for the way; `default` if it does not say."""
    for part in value.split(b","):
        name, _, number = part.strip().partition(b"=")
        if name.lower() == b"timeout" and number.isdigit():
            return max(0.0, int(number) - 1.0)
    return default
