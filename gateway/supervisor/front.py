"""The admin port's front: answers probes and metrics by itself, hands everything else to the admin process.

It is the one thing of the admin port that must not fall with the control plane, so it is small: one request per
connection, every read and write with a deadline and a bound.
"""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

import httptools

from gateway import clock
from gateway.admin.auth import PROBES, SIGN_IN, Credentials, Door, is_public
from gateway.log import Log
from gateway.transport.server_certificate import ServerCertificate

HEAD_BYTES = 64 * 1024
"""As on the data port: a sign-on in front of the console has cookies of its own."""
BODY_BYTES = 1024 * 1024
HEAD_S = 5.0
LATE_PASSES = 4
"""Of the event loop, after a deadline: a connection that was just accepted is listened to in the second of them."""
BODY_S = 10.0
WRITE_S = 10.0
ADMIN_CONNECT_S = 2.0
ADMIN_PAUSE_S = 60.0
"""Longest pause in an answer of the admin process."""
WAITING = 128
"""Connections whose other side we wait for, a request's head, its body or room for an answer: when another one comes,
the one that has kept us waiting longest makes room. Whoever sends a whole head at once is never the one: half a head
costs its sender a place, and nobody else."""
PUBLIC = 8
"""Requests of strangers, for the page to sign in, that the admin process answers at a time."""
HANDED_OVER = 64
"""Requests that the admin process answers at a time; above it, it is busy. Probes need none of these."""
PART_BYTES = 64 * 1024
"""Of an answer, at a time."""
_DROPPED = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"content-length", b"expect", b"upgrade"})

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class FrontAnswer:
    """What the front says by itself."""

    status: int
    body: bytes
    content_type: str = "application/json"
    location: str = ""

    def encode(self, *, with_body: bool = True) -> bytes:
        """The bytes for the wire."""
        phrase = HTTPStatus(self.status).phrase
        head = (
            f"HTTP/1.1 {self.status} {phrase}\r\ncontent-type: {self.content_type}\r\n"
            f"content-length: {len(self.body)}\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n"
            "connection: close\r\n"
        )
        if self.location:
            head += f"location: {self.location}\r\n"
        if self.status == HTTPStatus.UNAUTHORIZED:
            head += "www-authenticate: Bearer\r\n"
        return head.encode() + b"\r\n" + (self.body if with_body else b"")


def error(status: int, code: str, message: str) -> FrontAnswer:
    """An error in the one shape Crossfade's own errors have."""
    content = {"error": {"message": message, "type": "crossfade_error", "param": None, "code": code}}
    return FrontAnswer(status, json.dumps(content).encode() + b"\n")


@dataclass(slots=True)
class FrontRequest:
    """A request as it comes in."""

    method: str = ""
    target: bytes = b""
    headers: list[Header] = field(default_factory=list[Header])
    body: bytearray = field(default_factory=bytearray)
    head_done: bool = False
    done: bool = False
    # What httptools calls:

    def on_url(self, url: bytes) -> None:
        """A part of the target.

        Raises:
            ValueError: it is a second request's; answers here are one per connection.
        """
        if self.done:
            raise ValueError("pipelined")
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self.head_done = True

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self.body += body

    def on_message_complete(self) -> None:
        """The request is whole."""
        self.done = True

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.split(b"?", 1)[0].decode("latin-1")

    def header(self, name: bytes) -> str:
        """A header's value; empty if it is missing or there are several."""
        found = [value for key, value in self.headers if key == name]
        return found[0].decode("latin-1") if len(found) == 1 else ""

    @property
    def credentials(self) -> Credentials:
        """What it says of its sender."""
        return Credentials(self.header(b"host"), self.header(b"authorization"), self.header(b"cookie"))

    @property
    def is_browsers(self) -> bool:
        """Whether a person looks at a page, and can sign in."""
        return self.method == "GET" and "text/html" in self.header(b"accept") and not self.path.startswith("/api/")


class _RefusedError(Exception):
    def __init__(self, answer: FrontAnswer) -> None:
        super().__init__(answer.status)
        self.answer = answer


Page = Callable[[], FrontAnswer]
_NOT_THERE = error(503, "admin_unavailable", "the admin process is not there; traffic is not affected. Try again soon")
_NO_ANSWER = error(
    503, "admin_unavailable", "the admin process gave no answer: see whether what was asked is done, then ask again"
)


@dataclass(slots=True)
class Front:
    """Serves the admin port."""

    pages: dict[str, Page]
    """What it answers by itself, by path."""
    door: Door
    admin_socket: Path
    log: Log
    tls: ServerCertificate | None = None
    """None: the port speaks plain HTTP."""
    _waiting: dict[asyncio.StreamWriter, None] = field(default_factory=dict[asyncio.StreamWriter, None], init=False)
    """The one that has kept us waiting longest first."""
    _handed_over: int = field(default=0, init=False)
    _strangers: int = field(default=0, init=False)
    """Those among them that nobody has signed in for."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: one request, one answer."""
        try:
            if len(self._waiting) >= WAITING:
                slowest = next(iter(self._waiting))
                del self._waiting[slowest]
                slowest.transport.abort()
            self._waiting[writer] = None
            if self.tls is not None:  # after it is counted: a handshake that is never ended is half a head, too
                await writer.start_tls(self.tls.context, ssl_handshake_timeout=HEAD_S)
            await self._answer(reader, writer)
        except (OSError, TimeoutError, ssl.SSLError):
            return  # the other side is gone or too slow: there is nobody to tell
        finally:
            self._waiting.pop(writer, None)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await read_request(reader)
            answer = self._refusal(request) or self._own(request)
            if answer is None:
                await self._hand_over(request, writer)
            else:
                await _write(writer, answer.encode(with_body=request.method != "HEAD"))
        except _RefusedError as refused:
            await _write(writer, refused.answer.encode())

    def _own(self, request: FrontRequest) -> FrontAnswer | None:
        page = self.pages.get(request.path)
        if page is None:
            return None
        return page() if request.method in ("GET", "HEAD") else error(405, "bad_method", "ask with GET")

    def _refusal(self, request: FrontRequest) -> FrontAnswer | None:
        if not request.target.startswith(b"/"):
            return error(400, "bad_target", "the request target must be a path")
        if request.path in PROBES:
            return None
        reason = self.door.refusal(request.credentials, now=clock.wall())
        if reason is None or (is_public(request.path) and self.door.token_sha256 is not None):
            return None
        if self.door.token_sha256 is not None and request.is_browsers:
            return FrontAnswer(303, b"", location=f"{SIGN_IN}?next={quote(request.target.decode('latin-1'), safe='')}")
        status = 403 if self.door.token_sha256 is None else 401
        return error(status, "admin_refused", reason)

    async def _hand_over(self, request: FrontRequest, writer: asyncio.StreamWriter) -> None:
        """Let the admin process answer.

        Raises:
            _RefusedError: it is not there, or busy.
        """
        is_strangers = self.door.role(request.credentials, now=clock.wall()) is None
        if self._handed_over >= HANDED_OVER or (is_strangers and self._strangers >= PUBLIC):
            raise _RefusedError(error(503, "admin_busy", f"{HANDED_OVER} requests are being answered. Try again soon"))
        self._waiting.pop(writer, None)  # from here on it waits for us
        self._handed_over += 1
        self._strangers += is_strangers
        try:
            await self._relay(request, writer)
        finally:
            self._handed_over -= 1
            self._strangers -= is_strangers

    async def _relay(self, request: FrontRequest, writer: asyncio.StreamWriter) -> None:
        """Hand a request over, and its answer back.

        Raises:
            _RefusedError: the admin process is not there, or ended without an answer, as in a reload.
        """
        try:
            async with asyncio.timeout(ADMIN_CONNECT_S):
                answers, asks = await asyncio.open_unix_connection(self.admin_socket)
        except (OSError, TimeoutError) as failure:
            raise _RefusedError(_NOT_THERE) from failure
        try:
            try:
                await _write(asks, _encode(request))
                chunk = await _within(ADMIN_PAUSE_S, answers.read(PART_BYTES))
            except (OSError, TimeoutError) as failure:
                raise _RefusedError(_NO_ANSWER) from failure
            if not chunk:
                raise _RefusedError(_NO_ANSWER)
            while chunk:
                await _write(writer, chunk)
                chunk = await _within(ADMIN_PAUSE_S, answers.read(PART_BYTES))
        finally:
            asks.close()


async def read_request(reader: asyncio.StreamReader) -> FrontRequest:
    """The request that comes in.

    Raises:
        _RefusedError: malformed or too large.
        OSError: the other side is gone.
        TimeoutError: it is too slow.
    """
    request = FrontRequest()
    parser = httptools.HttpRequestParser(request)
    seen = 0

    async def head() -> None:
        nonlocal seen
        if seen >= HEAD_BYTES:
            raise _RefusedError(error(431, "headers_too_large", f"the headers are longer than {HEAD_BYTES} bytes"))
        seen += await _feed(parser, reader, HEAD_BYTES - seen)

    async def body() -> None:
        await _feed(parser, reader, HEAD_BYTES)
        if len(request.body) > BODY_BYTES:
            raise _RefusedError(error(413, "body_too_large", f"the body is longer than {BODY_BYTES} bytes"))

    try:
        await _until(lambda: request.head_done, head, HEAD_S)
        request.method = parser.get_method().decode("ascii")
        if int(request.header(b"content-length") or "0") > BODY_BYTES:
            raise _RefusedError(error(413, "body_too_large", f"the body is longer than {BODY_BYTES} bytes"))
        await _until(lambda: request.done, body, BODY_S)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade) as failure:
        raise _RefusedError(error(400, "bad_request", "this is not HTTP/1.1")) from failure
    return request


async def _until(is_whole: Callable[[], bool], reads: Callable[[], Awaitable[None]], seconds: float) -> None:
    """Read until it is whole.

    On a machine that did not run us, the deadline and bytes that came long before it are seen in one and the same pass
    of the loop, and the deadline wins. So what has come by then is still read, once: who sent a whole head at once is
    answered, however late we are; nothing more is waited for.

    Raises:
        TimeoutError: it is not whole.
    """
    try:
        async with asyncio.timeout(seconds):
            while not is_whole():
                await reads()
    except TimeoutError:
        for _ in range(LATE_PASSES):
            await asyncio.sleep(0)
        async with asyncio.timeout(0):
            while not is_whole():
                await reads()


async def _feed(parser: httptools.HttpRequestParser, reader: asyncio.StreamReader, most: int) -> int:
    data = await reader.read(most)
    if not data:
        raise ConnectionResetError
    parser.feed_data(data)
    return len(data)


async def _within(seconds: float, wanted: Awaitable[bytes]) -> bytes:
    async with asyncio.timeout(seconds):
        return await wanted


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    async with asyncio.timeout(WRITE_S):
        await writer.drain()


def _encode(request: FrontRequest) -> bytes:
    lines = [request.method.encode() + b" " + request.target + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in request.headers if name not in _DROPPED]
    lines += [b"content-length: %d" % len(request.body), b"connection: close", b"", bytes(request.body)]
    return b"\r\n".join(lines)
