"""HTTP/1.1 as it stands on a socket: whole messages with their raw bytes, for tests that compare wires."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
LIMIT = 256 * 1024 * 1024
"""Of a stream's buffer: nothing here waits for a limit of asyncio's."""


@dataclass(frozen=True, slots=True)
class Message:
    """One request or answer."""

    start: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    """As written: case, order and duplicates kept."""
    body: bytes
    """Without its transfer coding."""
    raw: bytes
    """Every byte of it, framing included."""
    until_close: bool = False
    """The body ended with the connection."""
    interim: tuple[bytes, ...] = ()
    """The 1xx answers before it."""

    @property
    def status(self) -> int:
        """Of an answer."""
        return int(self.start.split(b" ", 2)[1])

    @property
    def method(self) -> bytes:
        """Of a request."""
        return self.start.split(b" ", 1)[0]

    @property
    def target(self) -> bytes:
        """Of a request."""
        return self.start.split(b" ")[1]

    def all(self, name: bytes) -> list[bytes]:
        """The values of a header, by its lower-case name."""
        return [value for key, value in self.headers if key.lower() == name]

    def get(self, name: bytes) -> bytes:
        """The first value of a header, or nothing."""
        return next(iter(self.all(name)), b"")

    def closes(self) -> bool:
        """Whether the connection ends with this answer."""
        said = self.get(b"connection").lower()
        return self.until_close or b"close" in said or (self.start.startswith(b"HTTP/1.0") and said != b"keep-alive")

    def canonical(self) -> bytes:
        """What must arrive unchanged: all but what belongs to one hop, Host's value, and our own headers.

        A hop's own are the Connection headers, the transfer coding, and the version of HTTP it speaks.
        """
        kept = [
            (name, b"*" if name.lower() == b"host" else value)
            for name, value in self.headers
            if name.lower() not in HOP_BY_HOP and not name.lower().startswith(b"x-crossfade-")
        ]
        start = self.start.replace(b"HTTP/1.0", b"HTTP/1.1", 1)
        lines = [start, *(name + b": " + value for name, value in kept)]
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body

    def framed(self) -> bytes:
        """The body's bytes on the wire, chunk sizes and all."""
        return self.raw.partition(b"\r\n\r\n")[2]


@dataclass(slots=True)
class Wire:
    """Reads messages off a stream and keeps what it read."""

    reader: asyncio.StreamReader
    taken: bytearray = field(default_factory=bytearray)

    async def line(self) -> bytes:
        """Up to and with the next LF; raises `asyncio.IncompleteReadError` at the end."""
        data = await self.reader.readuntil(b"\n")
        self.taken += data
        return data

    async def exactly(self, count: int) -> bytes:
        """`count` bytes."""
        data = await self.reader.readexactly(count)
        self.taken += data
        return data

    async def rest(self) -> bytes:
        """All until the end of the stream."""
        data = await self.reader.read(-1)
        self.taken += data
        return data

    async def head(self) -> tuple[bytes, tuple[tuple[bytes, bytes], ...]]:
        """The start line and the headers."""
        start = (await self.line()).rstrip(b"\r\n")
        headers: list[tuple[bytes, bytes]] = []
        while line := (await self.line()).rstrip(b"\r\n"):
            name, _, value = line.partition(b":")
            headers.append((name, value.strip(b" \t")))
        return start, tuple(headers)

    async def chunked(self) -> bytes:
        """A chunked body, decoded; trailers are read and kept in `taken` only."""
        body = bytearray()
        while size := int((await self.line()).split(b";")[0], 16):
            body += await self.exactly(size)
            await self.exactly(2)
        while (await self.line()).rstrip(b"\r\n"):
            pass
        return bytes(body)


def _is_chunked(headers: tuple[tuple[bytes, bytes], ...]) -> bool:
    return any(name.lower() == b"transfer-encoding" and b"chunked" in value.lower() for name, value in headers)


def _length(headers: tuple[tuple[bytes, bytes], ...]) -> int | None:
    return next((int(value) for name, value in headers if name.lower() == b"content-length"), None)


async def read_request(
    reader: asyncio.StreamReader, on_head: Callable[[Message], Awaitable[None]] | None = None
) -> Message:
    """The next request; `on_head` sees its head before its body is read.

    Raises:
        asyncio.IncompleteReadError: the stream ended first.
    """
    wire = Wire(reader)
    start, headers = await wire.head()
    if on_head is not None:
        await on_head(Message(start, headers, b"", bytes(wire.taken)))
    body = await wire.chunked() if _is_chunked(headers) else await wire.exactly(_length(headers) or 0)
    return Message(start, headers, body, bytes(wire.taken))


async def read_response(
    reader: asyncio.StreamReader, method: bytes = b"GET", on_head: Callable[[], None] | None = None
) -> Message:
    """The next final answer to a request of this method; `on_head` is told when its head is here.

    Raises:
        asyncio.IncompleteReadError: the stream ended in the middle of it.
    """
    interim: list[bytes] = []
    while True:
        wire = Wire(reader)
        start, headers = await wire.head()
        status = int(start.split(b" ", 2)[1])
        if status >= 200 or status == 101:
            break
        interim.append(bytes(wire.taken))
    if on_head is not None:
        on_head()
    until_close = False
    length = _length(headers)
    if method == b"HEAD" or status in (101, 204, 304):
        body = b""
    elif _is_chunked(headers):
        body = await wire.chunked()
    elif length is not None:
        body = await wire.exactly(length)
    else:
        body, until_close = await wire.rest(), True
    return Message(start, headers, body, bytes(wire.taken), until_close, tuple(interim))


@dataclass(slots=True)
class App:
    """One connection of an app, on a raw socket."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def connect(cls, port: int) -> "App":
        """Connect to 127.0.0.1."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=LIMIT))

    async def ask(self, raw: bytes) -> Message:
        """Send one request's bytes, and read its answer."""
        self.writer.write(raw)
        return await read_response(self.reader, raw.split(b" ", 1)[0])

    def reset(self) -> None:
        """Hang up with RST, if the other end has not hung up before."""
        if self.writer.is_closing():
            return
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self) -> None:
        """Hang up with FIN, at once: what stops the gateway next need not let the loop run first."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            raw.shutdown(socket.SHUT_RDWR)
        self.writer.close()


def request(
    body: bytes = b"", *headers: bytes, method: bytes = b"POST", target: bytes = b"/v1/chat/completions"
) -> bytes:
    """A well-formed request with a content-length."""
    lines = [
        method + b" " + target + b" HTTP/1.1",
        b"Host: gateway",
        b"Content-Type: application/json",
        *headers,
        b"Content-Length: %d" % len(body),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
