import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway import clock
from gateway.admin.auth import Door, digest
from gateway.admin.sessions import COOKIE
from gateway.log import Log
from gateway.supervisor.front import PUBLIC, WAITING, Front, FrontAnswer
from tests.rooms.waiting import PATIENCE_S, until

LOCAL = "host: 127.0.0.1:8081\r\n"
TOKEN = "a-token-of-some-length"


@pytest.fixture
def admin_socket(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "a.sock"


@asynccontextmanager
async def front(admin_socket: Path, token: str | None = None) -> AsyncIterator[int]:
    pages = {
        "/healthz": lambda: FrontAnswer(200, b"fine"),
        "/metrics": lambda: FrontAnswer(200, b"m 1\n", "text/plain"),
    }
    serving = Front(pages, Door(None if token is None else digest(token)), admin_socket, Log("test"))
    server = await asyncio.start_server(serving.serve, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


async def send(port: int, data: str | bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data if isinstance(data, bytes) else data.encode())
    async with asyncio.timeout(PATIENCE_S):
        answer = await reader.read()
    writer.close()
    return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def code(answer: bytes) -> str:
    return str(json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]["code"])


async def test_a_probe_is_answered(admin_socket: Path) -> None:
    """A probe needs no token and no name, and its connection is closed behind the answer."""
    async with front(admin_socket, TOKEN) as port:
        answer = await send(port, "GET /healthz HTTP/1.1\r\nhost: anything\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"connection: close\r\n\r\nfine")
        head = await send(port, "HEAD /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert status(head) == 200
        assert head.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"authorization: Bearer {TOKEN}", 200),
        (f"authorization: bearer {TOKEN}", 200),
        (f"cookie: sign-on={'x' * 40_000}\r\nauthorization: Bearer {TOKEN}", 200),
        ("authorization: Bearer wrong", 401),
        (f"authorization: Basic {TOKEN}", 401),
        (f"authorization: Bearer {TOKEN}\r\nauthorization: Bearer {TOKEN}", 401),
        ("x: y", 401),
    ],
)
async def test_everything_else_wants_the_token(admin_socket: Path, header: str, expected: int) -> None:
    """With a token configured, only who sends it sees more than the probes; nothing hints at the token."""
    async with front(admin_socket, TOKEN) as port:
        answer = await send(port, f"GET /metrics HTTP/1.1\r\n{LOCAL}{header}\r\n\r\n")
    assert status(answer) == expected
    assert TOKEN.encode() not in answer


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:8081", 200),
        ("localhost", 200),
        ("[::1]:8081", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("127.evil.example:8081", 403),
        ("", 403),
    ],
)
async def test_without_a_token_only_local_names_are_answered(admin_socket: Path, host: str, expected: int) -> None:
    """A web page that points a name of its own at this port reads nothing."""
    async with front(admin_socket) as port:
        assert status(await send(port, f"GET /metrics HTTP/1.1\r\nhost: {host}\r\n\r\n")) == expected


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET http://evil/metrics HTTP/1.1\r\nhost: localhost\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\nGET /x HTTP/1.1\r\nhost: localhost\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n", 400),
        (b"POST /metrics HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n", 405),
        (b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 100_000 + b"\r\n\r\n", 431),
        (b"POST /x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2000000\r\n\r\n", 413),
    ],
    ids=["garbage", "absolute-form", "pipelined", "cl-te", "upgrade", "method", "header-bomb", "body-bomb"],
)
async def test_bad_requests_are_refused(admin_socket: Path, request_bytes: bytes, expected: int) -> None:
    """What is malformed or too large is refused with an error object, or the connection is closed."""
    async with front(admin_socket) as port:
        assert status(await send(port, request_bytes)) == expected


async def test_a_browser_is_led_to_the_way_in(admin_socket: Path) -> None:
    """Who looks at a page without a session is sent to sign in, and back behind it; a program is refused as before."""
    async with front(admin_socket, TOKEN) as port:
        led = await send(port, f"GET /pairs?q=a&b HTTP/1.1\r\n{LOCAL}accept: text/html\r\n\r\n")
        assert status(led) == 303
        assert b"\r\nlocation: /sign-in?next=%2Fpairs%3Fq%3Da%26b\r\n" in led
        for path, accept in (("/pairs", "*/*"), ("/api/v1/keys", "text/html")):
            answer = await send(port, f"GET {path} HTTP/1.1\r\n{LOCAL}accept: {accept}\r\n\r\n")
            assert status(answer) == 401
        assert status(await send(port, f"POST /kill HTTP/1.1\r\n{LOCAL}accept: text/html\r\n\r\n")) == 401


async def test_a_session_passes_and_strangers_reach_the_way_in(admin_socket: Path) -> None:
    """A session's cookie is as good as the token; without either only signing in is handed over, a few at a time."""
    held: list[asyncio.StreamWriter] = []

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    cookie = f"cookie: {COOKIE}={Door(digest(TOKEN)).session('operator', now=clock.wall())}\r\n"
    async with front(admin_socket, TOKEN) as port:
        passed = await send(port, f"GET /pairs HTTP/1.1\r\n{LOCAL}{cookie}\r\n")
        assert code(passed) == "admin_unavailable"
        async with await asyncio.start_unix_server(silent, admin_socket):
            waiting = [await asyncio.open_connection("127.0.0.1", port) for _ in range(PUBLIC)]
            for _, writer in waiting:
                writer.write(f"GET /sign-in HTTP/1.1\r\n{LOCAL}\r\n".encode())
            await until(lambda: len(held) == PUBLIC)
            refused = await send(port, f"GET /sign-in HTTP/1.1\r\n{LOCAL}\r\n")
            assert code(refused) == "admin_busy"
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET /pairs HTTP/1.1\r\n{LOCAL}{cookie}\r\n".encode())
            await until(lambda: len(held) == PUBLIC + 1)
            for each in (*held, writer, *(writer for _, writer in waiting)):
                each.close()
            assert await reader.read() == b""


async def test_an_endless_body_is_cut_off(admin_socket: Path) -> None:
    """A body without a stated length is read up to its bound, and then the connection is closed."""
    async with front(admin_socket) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"POST /x HTTP/1.1\r\n{LOCAL}transfer-encoding: chunked\r\n\r\n".encode())
        with pytest.raises(ConnectionError):
            for _ in range(1000):
                writer.write(b"10000\r\n" + b"a" * 0x10000 + b"\r\n")
                async with asyncio.timeout(PATIENCE_S):
                    await writer.drain()
        writer.close()
        assert reader.at_eof() or reader.exception()


async def test_without_the_admin_process(admin_socket: Path) -> None:
    """When the admin process is not there, its pages answer 503 and say that traffic is not affected."""
    async with front(admin_socket) as port:
        answer = await send(port, f"GET /api/v1/rollouts HTTP/1.1\r\n{LOCAL}\r\n")
    assert (status(answer), code(answer)) == (503, "admin_unavailable")
    assert b"traffic is not affected" in answer


@pytest.mark.parametrize("is_reset", [False, True], ids=["closed", "reset"])
async def test_an_admin_process_that_ends_before_it_answers_is_told(admin_socket: Path, *, is_reset: bool) -> None:
    """Whoever asked while the admin process was replaced is told so, and never sees a connection that just closes."""

    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not is_reset:
            await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_unix_server(end, admin_socket)
    async with server, front(admin_socket) as port:
        answer = await send(port, f"GET /api/v1/status HTTP/1.1\r\n{LOCAL}\r\n")
    assert (status(answer), code(answer)) == (503, "admin_unavailable")


async def test_what_is_handed_over(admin_socket: Path) -> None:
    """The admin process gets the request whole, framed anew, and its answer reaches the caller byte by byte."""
    seen: list[bytes] = []

    async def admin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(4))
        for part in (b"HTTP/1.1 418 Teapot\r\n", b"x: y\r\n\r\n", b"body"):
            writer.write(part)
            await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(admin, admin_socket)
    async with server, front(admin_socket) as port:
        head = f"POST /api/v1/x?a=b HTTP/1.1\r\n{LOCAL}Connection: keep-alive\r\nTransfer-Encoding: chunked\r\nX: 1"
        answer = await send(port, f"{head}\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n")
    assert answer == b"HTTP/1.1 418 Teapot\r\nx: y\r\n\r\nbody"
    assert seen[0].split(b"\r\n") == [
        *(b"POST /api/v1/x?a=b HTTP/1.1", b"host: 127.0.0.1:8081", b"x: 1", b"content-length: 4", b"connection: close"),
        *(b"", b"abcd"),
    ]


async def test_half_heads_keep_nobody_from_a_probe(admin_socket: Path) -> None:
    """Whoever holds more half-sent heads than there are places loses the oldest, and every probe is answered."""
    async with front(admin_socket) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(WAITING + 32)]
        for _, writer in held:
            writer.write(b"GET /r")
        for _ in range(20):
            assert status(await send(port, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")) == 200
        first = held[0][0]
        async with asyncio.timeout(PATIENCE_S):
            assert await _end_of(first) == b""
        for _, writer in held:
            writer.close()


async def _end_of(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


async def test_a_whole_head_is_answered_however_late_it_is_read(
    admin_socket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the deadline is over before the loop runs at all, as on a starved machine, what came is still read.

    Half a head is not waited for, as ever.
    """
    monkeypatch.setattr("gateway.supervisor.front.HEAD_S", 0.0)
    monkeypatch.setattr("gateway.supervisor.front.BODY_S", 0.0)
    async with front(admin_socket) as port:
        for _ in range(20):
            assert status(await send(port, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")) == 200
        told = await send(port, f"POST /x HTTP/1.1\r\n{LOCAL}content-length: 4\r\n\r\nabcd")
        assert code(told) == "admin_unavailable"
        assert await send(port, "GET /healthz HTTP/1.1\r\n") == b""
