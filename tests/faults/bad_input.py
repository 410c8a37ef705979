"""What an app must not be able to do: malformed HTTP, bombs, slow senders. Other traffic goes on beside it."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway import clock
from gateway.transport.limits import Limits
from policies.routing import Match, Route, Variant
from tests.fakes.raw_http import App, Message, read_response, request
from tests.fakes.raw_upstream import Call, RawUpstream, answer
from tests.faults.replay import NO_ANSWER
from tests.rooms.gateway_process import Gateway, Worker, table_for
from tests.rooms.waiting import PATIENCE_S

LIMITS = Limits(header_s=1.0, body_s=1.0, keep_alive_s=1.0, idle_write_s=2.0, connections=2048)
"""The defaults' shape, shortened: a slow sender is sent away after a second."""
ENOUGH_S = PATIENCE_S
WARM = 20
MEMORY_BYTES = 64 * 1024 * 1024
FORBIDDEN = b"/v1/forbidden"
"""A target that must never reach the upstream."""
ROUTE = Route("read", Variant("openai"), match=Match(model=("gpt-4o",)), candidate=Variant("openai"))
"""Makes the gateway read bodies and assign them, all to the baseline."""
_HOST = b"Host: gateway\r\n"


@dataclass(frozen=True, slots=True)
class Malformed:
    """Bytes that are no request, or one that must be refused."""

    name: str
    data: bytes
    status: int = 400
    """What is answered; 0: anything that is not an answer of the upstream's, silence and close included."""


def malformed() -> list[Malformed]:
    """Framing and request lines that must be refused, each with FORBIDDEN as its target where it has one."""
    line, post = b"GET /v1/forbidden HTTP/1.1\r\n", b"POST /v1/forbidden HTTP/1.1\r\n" + _HOST
    return [
        Malformed("garbage", bytes(range(1, 255)) * 4, 0),
        Malformed("a TLS hello", bytes.fromhex("16030100f1010000ed0303") + b"\0" * 200, 0),
        Malformed("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0),
        Malformed("HTTP/0.9", b"GET /v1/forbidden\r\n\r\n", 0),
        Malformed("version 9", b"GET /v1/forbidden HTTP/9.9\r\n" + _HOST + b"\r\n", 0),
        Malformed("no method", b" /v1/forbidden HTTP/1.1\r\n" + _HOST + b"\r\n"),
        Malformed("odd method", b"G3T\x00 /v1/forbidden HTTP/1.1\r\n" + _HOST + b"\r\n"),
        Malformed("control in target", b"GET /v1/forbidden\x01 HTTP/1.1\r\n" + _HOST + b"\r\n"),
        Malformed("space in target", b"GET /v1/forbidden x HTTP/1.1\r\n" + _HOST + b"\r\n"),
        Malformed("absolute form of a user", b"GET http://u@evil/v1/forbidden HTTP/1.1\r\n" + _HOST + b"\r\n"),
        Malformed("authority form", b"CONNECT evil.invalid:443 HTTP/1.1\r\n" + _HOST + b"\r\n", 0),
        Malformed("no Host", line + b"\r\n"),
        Malformed("two Hosts", line + _HOST + b"Host: other\r\n\r\n"),
        Malformed("two equal Hosts", line + _HOST + _HOST + b"\r\n"),
        Malformed("Host with a path", line + b"Host: gateway/v1/x?\r\n\r\n"),
        Malformed("Host with spaces", line + b"Host: a b\r\n\r\n"),
        Malformed("obs-fold", line + _HOST + b"X-A: 1\r\n 2\r\n\r\n"),
        Malformed("bare LF", line.replace(b"\r\n", b"\n") + b"Host: gateway\n\n", 0),
        Malformed("space before colon", line + _HOST + b"X-A : 1\r\n\r\n"),
        Malformed("space in name", line + _HOST + b"X A: 1\r\n\r\n"),
        Malformed("empty name", line + _HOST + b": 1\r\n\r\n"),
        Malformed("no colon", line + _HOST + b"nonsense\r\n\r\n"),
        Malformed("NUL in value", line + _HOST + b"X-A: a\x00b\r\n\r\n"),
        Malformed("bare CR in value", line + _HOST + b"X-A: a\rb\r\n\r\n"),
        Malformed("CL and TE", post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        Malformed("TE and CL", post + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
        Malformed("two lengths", post + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
        Malformed("two equal lengths", post + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
        Malformed("length list", post + b"Content-Length: 1, 1\r\n\r\nx"),
        Malformed("negative length", post + b"Content-Length: -1\r\n\r\n"),
        Malformed("length with plus", post + b"Content-Length: +1\r\n\r\nx"),
        Malformed("hex length", post + b"Content-Length: 0x1\r\n\r\nx"),
        Malformed("huge length", post + b"Content-Length: 99999999999999999999\r\n\r\n", 0),
        Malformed("unknown coding", post + b"Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n", 0),
        Malformed("chunked not last", post + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 0),
        Malformed("chunked twice", post + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n", 0),
        Malformed("xchunked", post + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 0),
        Malformed("chunked with tab", post + b"Transfer-Encoding:\tchunked\x0b\r\n\r\n0\r\n\r\n", 0),
        Malformed("TE on HTTP/1.0", post.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0),
        Malformed("one header of 1 MB", line + _HOST + b"X-A: " + b"a" * (1 << 20) + b"\r\n\r\n", 431),
        Malformed("10,000 headers", line + _HOST + b"A: b\r\n" * 10_000 + b"\r\n", 431),
        Malformed("200 headers", line + _HOST + b"".join(b"A%d: b\r\n" % n for n in range(200)) + b"\r\n", 431),
        Malformed("target of 1 MB", b"GET /v1/forbidden?" + b"a" * (1 << 20) + b" HTTP/1.1\r\n" + _HOST + b"\r\n", 0),
    ]  # fmt: skip


def broken_bodies() -> list[Malformed]:
    """Requests whose head is fine and whose body is not: the upstream may see their beginning, never a whole one.

    They are on their way when the fault shows, so that a close is an answer, too.
    """
    post = (
        b"POST /v1/forbidden HTTP/1.1\r\n"
        + _HOST
        + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    return [
        Malformed("chunk size not hex", post + b"zz\r\nxx\r\n0\r\n\r\n", 0),
        Malformed("negative chunk", post + b"-1\r\nx\r\n0\r\n\r\n", 0),
        Malformed("chunk size overflow", post + b"fffffffffffffffff\r\nx\r\n", 0),
        Malformed("chunk without CRLF", post + b"3\r\nabcX\r\n0\r\n\r\n", 0),
        Malformed("chunk longer than said", post + b"1\r\nabc\r\n0\r\n\r\n", 0),
        Malformed("0x chunk size", post + b"0x3\r\nabc\r\n0\r\n\r\n", 0),
        Malformed("chunk extension of 1 MB", post + b"3;" + b"a" * (1 << 20) + b"\r\nabc\r\n0\r\n\r\n", 0),
        Malformed("trailers without end", post + b"3\r\nabc\r\n0\r\n" + b"A: b\r\n" * 50_000, 0),
    ]  # fmt: skip


def bombs() -> list[tuple[str, bytes]]:
    """Well-formed requests that cost whoever reads them whole; they are the upstream's to refuse."""
    million = b'{"model":"gpt-4o","messages":[' + b",".join([b"{}"] * 5_000_000) + b"]}"
    deep = b'{"model":"gpt-4o","messages":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    digits = b'{"model":"gpt-4o","n":' + b"9" * 1_000_000 + b"}"
    keys = json.dumps({"model": "gpt-4o"} | {f"k{n}": n for n in range(300_000)}).encode()
    packed = gzip.compress(b'{"model":"gpt-4o","x":"' + b"a" * 50_000_000 + b'"}', 9)
    return [
        ("15 MB of {}", request(million)),
        ("200,000 deep", request(deep)),
        ("a million digits", request(digits)),
        ("300,000 keys", request(keys)),
        ("50 MB in gzip", request(packed, b"Content-Encoding: gzip")),
        ("gzip that is none", request(b"\x1f\x8bnonsense", b"Content-Encoding: gzip")),
        ("not UTF-8", request(b'{"model":"\xff\xfe\xed\xa0\x80"}')),
        ("BOM", request(b'\xef\xbb\xbf{"model":"gpt-4o"}')),
    ]


@dataclass(slots=True)
class BadInputFound:
    """What happened, per case, and to everybody else meanwhile."""

    cases: int = 0
    unlike: list[str] = field(default_factory=list[str])
    grown_bytes: int = 0
    """Most memory above the start, over all cases."""
    grown_by: str = ""
    others: int = 0
    others_failed: list[str] = field(default_factory=list[str])
    others_worst_ms: float = 0.0

    def held(self) -> bool:
        """Whether every case went as it should, within memory, and nobody else noticed."""
        return not self.unlike and not self.others_failed and self.others > 0 and self.grown_bytes <= MEMORY_BYTES

    def report(self) -> str:
        """The figures, and what went wrong."""
        return "\n".join(
            (
                f"{self.cases} cases, {len(self.unlike)} not as promised",
                f"memory at most +{self.grown_bytes / 1e6:.1f} MB ({self.grown_by or 'beside them'})",
                f"other traffic meanwhile: {self.others} requests, {len(self.others_failed)} failed, "
                f"slowest {self.others_worst_ms:.0f} ms",
                *self.unlike,
                *self.others_failed[:5],
            )
        )


def complaint(message: Message, status: int) -> str:
    """What is wrong with an error of the gateway's own; empty: nothing."""
    if status and message.status != status:
        return f"status {message.status}, not {status}"
    if not 400 <= message.status < 600:
        return f"status {message.status}"
    try:
        error = json.loads(message.body)["error"]
    except (ValueError, KeyError, TypeError):
        return f"no error object: {message.body[:100]!r}"
    if set(error) != {"message", "type", "param", "code"} or error["type"] != "crossfade_error":
        return f"not shaped as OpenAI's: {error}"
    if not isinstance(error["code"], str) or not error["message"]:
        return f"no code or no message: {error}"
    if not message.get(b"content-type").startswith(b"application/json"):
        return f"content-type {message.get(b'content-type')!r}"
    return ""


async def serve(call: Call) -> None:
    """Answer at once."""
    await call.send(answer(b'{"ok":true}'))


@dataclass(slots=True)
class Bench:
    """A gateway under attack, with an honest app beside."""

    gateway: Gateway
    upstream: RawUpstream
    found: BadInputFound
    worker: Worker
    warm: asyncio.Event = field(default_factory=asyncio.Event)
    started_bytes: int = 0

    def look(self, name: str) -> None:
        """Note the memory it has now."""
        grown = self.worker.rss_bytes() - self.started_bytes
        if grown > self.found.grown_bytes:
            self.found.grown_bytes, self.found.grown_by = grown, name

    async def honest(self, stop: asyncio.Event) -> None:
        """An app that behaves, again and again, on a connection of its own each time."""
        while not stop.is_set():
            started_s = clock.monotonic()
            try:
                app = await App.connect(self.gateway.port)
                message = await asyncio.wait_for(app.ask(request(b'{"model":"gpt-4o"}', b"x-honest: 1")), ENOUGH_S)
                app.close()
            except NO_ANSWER as error:
                self.found.others_failed.append(f"honest app: {error!r}")
                continue
            if message.status != 200:
                self.found.others_failed.append(f"honest app: {message.start!r}")
            self.found.others += 1
            self.found.others_worst_ms = max(self.found.others_worst_ms, (clock.monotonic() - started_s) * 1e3)
            self.look("")
            if self.found.others == WARM:
                self.warm.set()
            await asyncio.sleep(0.01)


@asynccontextmanager
async def attacked(directory: Path, script: Callable[[Call], object] = serve) -> AsyncGenerator[Bench]:
    """A warm gateway with an honest app on it."""
    stop = asyncio.Event()
    async with RawUpstream(script, keep_calls=False) as upstream:  # pyright: ignore[reportArgumentType]
        with Gateway(directory, table_for(upstream.base_url, ROUTE), limits=LIMITS) as gateway:
            bench = Bench(gateway, upstream, BadInputFound(), gateway.worker)
            async with asyncio.TaskGroup() as group:
                group.create_task(bench.honest(stop))
                try:
                    await bench.warm.wait()
                    bench.started_bytes = bench.worker.rss_bytes()
                    bench.found.grown_bytes = 0
                    yield bench
                finally:
                    stop.set()


async def send_malformed(bench: Bench, case: Malformed) -> str:
    """What is wrong with what came of it; empty: nothing."""
    app = await App.connect(bench.gateway.port)
    seen = len(bench.upstream.calls)
    try:
        with contextlib.suppress(ConnectionError):
            app.writer.write(case.data)
            await app.writer.drain()
        message = await asyncio.wait_for(read_response(app.reader), ENOUGH_S)
        wrong = complaint(message, case.status)
        if not wrong and await asyncio.wait_for(app.reader.read(1), ENOUGH_S):
            wrong = "bytes after the error"
    except TimeoutError:
        wrong = "neither answered nor closed"
    except (OSError, asyncio.IncompleteReadError):
        wrong = f"no answer, but a close; wanted {case.status}" if case.status else ""
    finally:
        app.reset()
    reached = [call for call in bench.upstream.calls[seen:] if FORBIDDEN in call.request.target]
    return "reached the upstream" if reached else wrong


async def bad_input(directory: Path, *, repeat: int = 1) -> BadInputFound:
    """Everything malformed, one after the other, then the bombs."""
    armed = bombs()
    async with attacked(directory) as bench:
        bench.upstream.keep_calls = True
        for case in (malformed() + broken_bodies()) * repeat:
            wrong = await send_malformed(bench, case)
            bench.found.cases += 1
            bench.look(case.name)
            if wrong:
                bench.found.unlike.append(f"{case.name}: {wrong}")
        bench.upstream.keep_calls = False
        for name, raw in armed:
            app = await App.connect(bench.gateway.port)
            with contextlib.suppress(*NO_ANSWER):
                message = await asyncio.wait_for(app.ask(raw), ENOUGH_S)
                if message.status != 200 or message.body != b'{"ok":true}':
                    bench.found.unlike.append(f"{name}: {message.start!r} instead of the upstream's answer")
            app.close()
            bench.found.cases += 1
            bench.look(name)
    return bench.found


async def many_heads(directory: Path, count: int) -> BadInputFound:
    """`count` large heads, no two alike: what is kept of a head must not add up."""
    async with attacked(directory) as bench:
        app = await App.connect(bench.gateway.port)
        for number in range(count):
            message = await app.ask(request(b"{}", b"x-large: %d" % number + b"y" * 60_000))
            bench.found.cases += 1
            if message.status != 200:
                bench.found.unlike.append(f"{number}: {message.start!r}")
                break
        bench.look("large heads")
        app.close()
    return bench.found


async def _trickle(data: bytes, pause_s: float) -> AsyncIterator[bytes]:
    for at in range(len(data)):
        yield data[at : at + 1]
        await asyncio.sleep(pause_s)


async def _slow(bench: Bench, what: str) -> None:
    """One slow sender; it must be sent away by the limits."""
    whole = request(b'{"model":"gpt-4o","messages":[]}')
    head, _, body = whole.partition(b"\r\n\r\n")
    app = await App.connect(bench.gateway.port)
    started_s = clock.monotonic()
    try:
        with contextlib.suppress(ConnectionError):
            if what == "head by bytes":
                async for byte in _trickle(head, 0.2):
                    if not app.writer.is_closing():
                        app.writer.write(byte)
                    if app.reader.at_eof() or clock.monotonic() - started_s > ENOUGH_S / 2:
                        break
            elif what == "half a head":
                app.writer.write(head[:40])
            elif what == "body stops":
                app.writer.write(head + b"\r\n\r\n" + body[:4])
            elif what == "kept and idle":
                await app.ask(whole)
        await asyncio.wait_for(app.reader.read(-1), ENOUGH_S)
    except TimeoutError:
        bench.found.unlike.append(f"slow sender ({what}): still connected after {clock.monotonic() - started_s:.0f} s")
    except NO_ANSWER:
        pass  # reset is an end, too
    finally:
        app.reset()
    bench.found.cases += 1


async def slow_senders(directory: Path, count: int) -> BadInputFound:
    """`count` connections that send too slowly, at a time; all are sent away, and nobody else waits."""
    kinds = ("head by bytes", "half a head", "body stops", "kept and idle", "silent")
    async with attacked(directory) as bench, asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(_slow(bench, kinds[number % len(kinds)]))
    return bench.found
