"""A transport that a test holds both ends of, and a service that notes what it is told."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.transport.limits import Limits
from gateway.transport.message import Preamble, RequestHead
from gateway.transport.server import AppConnection
from gateway.transport.write_batch import WriteBatch


class Wire(asyncio.Transport):
    """What a protocol writes to, in memory. `reads`: whether the other end takes what is written."""

    def __init__(self, protocol: asyncio.BaseProtocol, *, can_eof: bool = True) -> None:
        super().__init__()
        self.protocol = protocol
        self.out = bytearray()
        self.reads = True
        self.reading = True
        self.closing = False
        self.aborted = False
        self.ended = False
        """Our end said that it will write no more."""
        self.on_write: Callable[[], object] = lambda: None
        self.sock: object = None
        """What it stands for, if a test has one."""
        self._unread = bytearray()
        self._high = 64 * 1024
        self._paused = False
        self._can_eof = can_eof

    def connect(self) -> None:
        """Tell the protocol that it is connected."""
        self.protocol.connection_made(self)

    def catch_up(self) -> None:
        """The other end reads everything, and goes on reading."""
        self.reads = True
        self.out += self._unread
        self._unread.clear()
        if self._paused:
            self._paused = False
            self.protocol.resume_writing()

    def lose(self, error: Exception | None = None) -> None:
        """The connection is gone."""
        self.closing = True
        self.protocol.connection_lost(error)

    # What protocols call ------------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.closing:
            return
        self.on_write()
        if self.reads:
            self.out += data
            return
        self._unread += data
        if len(self._unread) > self._high and not self._paused:
            self._paused = True
            self.protocol.pause_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = high or 0

    def get_write_buffer_size(self) -> int:
        return len(self._unread)

    def read_some(self, count: int) -> None:
        """The other end reads so many bytes, and no more."""
        self.out += self._unread[:count]
        del self._unread[:count]

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self.sock if name == "socket" else default

    def can_write_eof(self) -> bool:
        return self._can_eof

    def write_eof(self) -> None:
        self.ended = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True

    @property
    def gone(self) -> bool:
        """Whether the protocol ended the connection."""
        return self.closing or self.ended


@dataclass
class Heard:
    """An exchange that notes what it is told."""

    request: RequestHead
    connection: AppConnection
    events: list[str] = field(default_factory=list[str])
    body: bytearray = field(default_factory=bytearray)
    begun: bool = False

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_whole(self, body: bytes) -> None:
        self.on_body(body)
        self.on_body_end()

    def on_body_end(self) -> None:
        self.events.append("end")

    def on_gone(self) -> None:
        self.events.append("gone")

    def has_begun(self) -> bool:
        return self.begun

    def on_blocked(self) -> None:
        self.events.append("blocked")

    def on_ready(self) -> None:
        self.events.append("ready")

    def answer(self, body: bytes = b"ok", *, close: bool = False) -> None:
        """Answer whole."""
        self.connection.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        self.connection.finish(close=close)


class Notes:
    """A service that notes the requests it is given; `on_begin` may answer them at once."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.turn = WriteBatch(lambda end: end())
        self.connections: set[AppConnection] = set()
        self.preambles: dict[bytes, Preamble] = {}
        self.clock = 100.0
        self.heard: list[Heard] = []
        self.on_begin: Callable[[Heard], bool] = lambda heard: False
        """Returns whether it answered."""
        self.crowded = False

    def now(self) -> float:
        return self.clock

    def begin(self, request: RequestHead, connection: AppConnection) -> Heard | None:
        heard = Heard(request, connection)
        self.heard.append(heard)
        return None if self.on_begin(heard) else heard

    def refusal(self, status: int, code: str, message: str) -> bytes:
        return b"HTTP/1.1 %d %b\r\n\r\n" % (status, code.encode())

    def full(self) -> bool:
        return self.crowded

    def connect(self, *, can_eof: bool = True) -> Wire:
        """A new connection."""
        wire = Wire(AppConnection(self), can_eof=can_eof)
        wire.connect()
        return wire

    def overdue(self) -> None:
        """Do what the worker's clock does."""
        for connection in [found for found in self.connections if 0 < found.deadline_s < self.clock]:
            connection.on_deadline()
