"""An upstream on a raw socket: a script writes its answers byte by byte, and a ledger keeps what it received."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from gateway import clock
from tests.fakes.raw_http import LIMIT, Message, read_request


@dataclass(slots=True)
class Call:
    """One request under way at the upstream."""

    request: Message
    writer: asyncio.StreamWriter
    connection: int
    gone: asyncio.Event
    """Set when the gateway hung up, or the connection was aborted."""
    at: float
    gone_at: float | None = None
    """When the gateway hung up before the answer was written."""
    answered: bool = False

    async def send(self, data: bytes) -> None:
        """Put bytes on the wire."""
        self.writer.write(data)
        await self.writer.drain()


Script = Callable[[Call], Awaitable[None]]


class _Connection(asyncio.StreamReaderProtocol):
    """A stream's protocol that says at once when the peer hung up, without reading ahead."""

    def __init__(self, accept: Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]) -> None:
        self.gone = asyncio.Event()
        super().__init__(asyncio.StreamReader(limit=LIMIT), accept)

    def eof_received(self) -> bool:
        self.gone.set()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        super().connection_lost(exc)


def _gone(writer: asyncio.StreamWriter) -> asyncio.Event:
    """Of a connection that was made this moment: one that has ended may have no protocol any more."""
    connection = writer.transport.get_protocol()
    assert isinstance(connection, _Connection)
    return connection.gone


async def _watch(call: Call, script: asyncio.Task[None]) -> None:
    await call.gone.wait()
    call.gone_at = clock.monotonic()
    script.cancel()


@dataclass(slots=True)
class RawUpstream:
    """Listens while entered. After an answer the connection is kept, unless the script closed it."""

    script: Script
    calls: list[Call] = field(default_factory=list[Call])
    heads: list[Call] = field(default_factory=list[Call])
    """Requests whose head has come, whether or not their body did; `gone_at` is set if the body broke off."""
    connections: int = 0
    open: int = 0
    broken: int = 0
    """Connections that ended in the middle of a request."""
    keep_calls: bool = True
    port: int = 0
    """0: any that is free."""
    on_head: Script | None = None
    """Runs before a request's body is read: an answer that comes early."""
    _server: asyncio.Server | None = None
    _group: asyncio.TaskGroup | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._group = await asyncio.TaskGroup().__aenter__()
        self._server = await loop.create_server(lambda: _Connection(self._accept), "127.0.0.1", self.port, backlog=4096)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        assert self._group is not None
        self._server.close()
        self.drop_connections()
        await self._group.__aexit__(kind, error, trace)

    @property
    def base_url(self) -> str:
        """For a routing table."""
        return f"http://127.0.0.1:{self.port}/v1"

    def stop(self) -> None:
        """Be there no more: nobody listens, and every connection is aborted."""
        assert self._server is not None
        self._server.close()
        self.drop_connections()

    def drop_connections(self) -> None:
        """Abort every connection there is."""
        for writer in list(self._writers):
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._group is not None
        self._group.create_task(self._serve(reader, writer, _gone(writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gone: asyncio.Event) -> None:
        self.connections += 1
        self.open += 1
        number = self.connections
        self._writers.add(writer)
        try:
            while not writer.is_closing() and await self._answer(reader, writer, number, gone):
                pass
        except OSError:
            pass  # the gateway hung up: the ledger has it
        finally:
            self.open -= 1
            self._writers.discard(writer)
            writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int, gone: asyncio.Event
    ) -> bool:
        begun: list[Call] = []

        async def on_head(head: Message) -> None:
            begun.append(Call(head, writer, number, gone, clock.monotonic()))
            if self.keep_calls:
                self.heads.append(begun[0])
            if head.get(b"expect").lower() == b"100-continue":
                await begun[0].send(b"HTTP/1.1 100 Continue\r\n\r\n")
            if self.on_head is not None:
                await self.on_head(begun[0])

        try:
            message = await read_request(reader, on_head)
        except (asyncio.IncompleteReadError, ConnectionError):
            if begun:
                self.broken += 1
                begun[0].gone_at = clock.monotonic()
            return False
        call = begun[0]
        call.request = message
        if self.keep_calls:
            self.calls.append(call)
        await self._run(call)
        return call.gone_at is None and b"close" not in message.get(b"connection").lower()

    async def _run(self, call: Call) -> None:
        """Run the script until it ends or the gateway hangs up."""
        async with asyncio.TaskGroup() as group:
            script = group.create_task(self._script(call))
            watch = group.create_task(_watch(call, script))
            script.add_done_callback(lambda _: watch.cancel())

    async def _script(self, call: Call) -> None:
        try:
            await self.script(call)
            call.answered = True
        except ConnectionError:
            call.gone_at = call.gone_at or clock.monotonic()


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """A whole answer with a content-length."""
    lines = [b"HTTP/1.1 " + status, b"Content-Type: application/json", *headers, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


SSE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


def event(content: str) -> bytes:
    """A chat completion chunk, as an event."""
    return (
        b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m",'
        b'"choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}\n\n' % content.encode()
    )


STOP = event("").replace(b'{"content":""}', b"{}").replace(b"null}", b'"stop"}')
"""The last chunk of a choice, as an event."""
DONE = b"data: [DONE]\n\n"
WHOLE = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",'
    b'"message":{"role":"assistant","content":"hi"}}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'
)
"""A chat completion's body."""
