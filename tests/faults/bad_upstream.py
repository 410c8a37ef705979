"""What an upstream must not be able to do: malformed framing, endless heads, cut answers, foreign cookies."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.raw_http import App, read_response, request
from tests.fakes.raw_upstream import LAST_CHUNK, SSE_HEAD, Call, answer, chunk, event
from tests.faults.bad_input import ENOUGH_S, BadInputFound, Bench, attacked, complaint
from tests.faults.replay import NO_ANSWER

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = b"x" * 65_536


@dataclass(frozen=True, slots=True)
class Evil:
    """One way an upstream misbehaves, and what the app must see of it."""

    name: str
    pieces: tuple[bytes, ...]
    expect: str
    """`own`: an error of the gateway's. `cut`: an answer that visibly breaks off. `either`: the one or the other."""
    then: str = "close"
    """After the pieces: close, reset, hang, or endless (the last piece again and again)."""


def evils() -> list[Evil]:
    """Everything a broken or hostile upstream sends."""
    ok = b"HTTP/1.1 200 OK\r\n"
    both = ok + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"ab") + LAST_CHUNK
    switching = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    trailers = (CHUNKED + chunk(b"abc") + b"0\r\n", b"X-A: " + b"a" * 4_096 + b"\r\n")
    return [
        Evil("closes at once", (), "own"),
        Evil("resets at once", (), "own", "reset"),
        Evil("garbage", (b"\x00\x01garbage\r\n\r\n",), "own"),
        Evil("half a status line", (b"HTTP/1.1 2",), "own"),
        Evil("status that is no number", (b"HTTP/1.1 abc OK\r\n\r\n",), "own"),
        Evil("status of four digits", (b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",), "own"),
        Evil("half a head", (ok + b"Content-Type: text/plain\r\n",), "own"),
        Evil("header without colon", (ok + b"nonsense\r\nContent-Length: 0\r\n\r\n",), "own"),
        Evil("NUL in a header", (ok + b"X-A: a\x00b\r\nContent-Length: 0\r\n\r\n",), "own"),
        Evil("a length over two lines", (ok + b"Content-Length: 2\r\n 3\r\n\r\nab",), "own"),
        Evil("two lengths", (ok + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",), "own"),
        Evil("length and chunked", (both,), "own"),
        Evil("negative length", (ok + b"Content-Length: -2\r\n\r\nab",), "own"),
        Evil("HTTP/2 preface", (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",), "own"),
        Evil("switching protocols unasked", (switching,), "own"),
        Evil("endless head", (ok, b"X-A: " + b"a" * 8_192 + b"\r\n"), "own", "endless"),
        Evil("endless header line", (ok + b"X-A: ", PIECE), "own", "endless"),
        Evil("endless 1xx", (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",), "own", "endless"),
        Evil("shorter than its length", (ok + b"Content-Length: 100\r\n\r\nabc",), "cut"),
        Evil("shorter, then reset", (ok + b"Content-Length: 100\r\n\r\nabc",), "cut", "reset"),
        Evil("chunked without end", (CHUNKED + chunk(b"abc"),), "cut"),
        Evil("half a chunk", (CHUNKED + b"10\r\nabc",), "cut"),
        Evil("chunk size not hex", (CHUNKED + chunk(b"abc") + b"zz\r\n",), "either"),
        Evil("chunk size overflow", (CHUNKED + b"ffffffffffffffffff\r\nabc",), "either"),
        Evil("stream without end", (SSE_HEAD + chunk(event("a")) + chunk(event("b")),), "cut"),
        Evil("stream, then reset", (SSE_HEAD + chunk(event("a")),), "cut", "reset"),
        Evil("endless chunk size", (CHUNKED, b"0" * 8_192), "either", "endless"),
        Evil("endless chunk extension", (CHUNKED + b"3;", b"a" * 8_192), "either", "endless"),
        Evil("endless trailers", trailers, "either", "endless"),
    ]  # fmt: skip


async def misbehave(evil: Evil, call: Call) -> None:
    """Do what `evil` says."""
    with contextlib.suppress(ConnectionError):
        for piece in evil.pieces:
            await call.send(piece)
        if evil.then == "endless":
            while not call.writer.is_closing():
                await call.send(evil.pieces[-1])
                await asyncio.sleep(0)
        if evil.then == "hang":
            await asyncio.sleep(3600)
    if evil.then == "reset":
        call.writer.transport.abort()
    call.writer.close()


def script_of(cases: dict[bytes, Evil]) -> Callable[[Call], Awaitable[None]]:
    """Misbehaves as the request's x-evil says, and answers all others."""

    async def serve(call: Call) -> None:
        evil = cases.get(call.request.get(b"x-evil"))
        if evil is None:
            await call.send(answer(b'{"ok":true}'))
        else:
            await misbehave(evil, call)

    return serve


async def outcome(bench: Bench, mark: bytes) -> str:
    """What the app saw: own, cut, whole or silence; with what is wrong about an error of ours."""
    app = await App.connect(bench.gateway.port)
    try:
        app.writer.write(request(b'{"model":"gpt-4o"}', b"x-evil: " + mark))
        message = await asyncio.wait_for(read_response(app.reader), ENOUGH_S)
    except TimeoutError:
        return "silence"
    except NO_ANSWER:
        return "cut"
    finally:
        app.reset()
    if message.status < 500:
        return f"whole ({message.start!r})"
    wrong = complaint(message, 0)
    return f"own, but {wrong}" if wrong else "own"


async def bad_upstream(directory: Path, *, repeat: int = 1) -> BadInputFound:
    """Every misbehaviour `repeat` times, with the honest app on the same upstream beside."""
    cases = {b"%d" % number: evil for number, evil in enumerate(evils())}
    async with attacked(directory, script_of(cases)) as bench:
        for _ in range(repeat):
            for mark, evil in cases.items():
                saw = await outcome(bench, mark)
                bench.found.cases += 1
                bench.look(evil.name)
                if saw != evil.expect and not (evil.expect == "either" and saw in ("own", "cut")):
                    bench.found.unlike.append(f"{evil.name}: {saw}, not {evil.expect}")
    return bench.found
