"""Too much at once: overload is shed, slow readers hold no memory, and nobody's cookies or redirects get mixed up."""

import asyncio
import contextlib
import json
import socket
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from gateway import clock
from gateway.transport.limits import Limits
from tests.fakes.raw_http import App, Message, read_response, request
from tests.fakes.raw_upstream import LAST_CHUNK, SSE_HEAD, Call, RawUpstream, answer, chunk
from tests.faults.bad_input import complaint
from tests.faults.replay import NO_ANSWER
from tests.rooms.gateway_process import Gateway, table_for
from tests.rooms.waiting import PATIENCE_S

PIECE = b"data: " + b"x" * 16_000 + b"\n\n"
LET_GO_S = 60.0
ENDLESS_BYTES = 64 * 1024 * 1024
PER_READER_BYTES = 400 * 1024
"""What a slow reader may hold in the gateway: one read of the loop's (256 KiB), framed, behind a full write buffer."""


@dataclass(slots=True)
class ShedFound:
    """What an overloaded gateway answered."""

    admitted: int = 0
    answered: int = 0
    shed: int = 0
    unlike: list[str] = field(default_factory=list[str])
    shed_ms: list[float] = field(default_factory=list[float])
    counted: int = 0

    def held(self) -> bool:
        """Whether exactly what was over the limit was shed, at once and as an SDK expects it."""
        return not self.unlike and self.answered == self.admitted and self.shed == self.counted > 0

    def report(self) -> str:
        """The figures."""
        ordered = sorted(self.shed_ms) or [float("nan")]
        p50, p99 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
        return "\n".join(
            (
                f"{self.admitted} admitted and {self.answered} of them answered",
                f"{self.shed} shed with 503 ({self.counted} by the gateway), p50 {p50:.1f} ms, p99 {p99:.1f} ms",
                *self.unlike[:10],
            )
        )


async def overload(directory: Path, *, limit: int = 32, asked: int = 400) -> ShedFound:
    """Fill a gateway to its limit with requests that wait, then ask `asked` more; at last let all be answered."""
    found, full, go = ShedFound(), asyncio.Event(), asyncio.Event()

    async def serve(call: Call) -> None:
        found.admitted += 1
        if found.admitted == limit:
            full.set()
        await go.wait()
        await call.send(answer(b'{"ok":true}'))

    async def admitted(port: int) -> None:
        app = await App.connect(port)
        message = await asyncio.wait_for(app.ask(request(b'{"model":"gpt-4o"}')), PATIENCE_S)
        found.answered += message.status == 200
        app.close()

    async with RawUpstream(serve, keep_calls=False) as upstream:
        with Gateway(directory, table_for(upstream.base_url), limits=Limits(in_flight=limit)) as gateway:
            async with asyncio.TaskGroup() as group:
                for _ in range(limit):
                    group.create_task(admitted(gateway.port))
                await asyncio.wait_for(full.wait(), PATIENCE_S)
                await _ask_too_much(gateway.port, asked, found)
                go.set()
            await asyncio.to_thread(gateway.worker.stop)
            found.counted = gateway.worker.live()["shed"]
    return found


async def _ask_too_much(port: int, asked: int, found: ShedFound) -> None:
    app = await App.connect(port)
    for _ in range(asked):
        started_s = clock.monotonic()
        try:
            message = await asyncio.wait_for(app.ask(request(b'{"model":"gpt-4o"}')), PATIENCE_S)
        except NO_ANSWER:
            found.unlike.append("a kept connection was closed instead of an answer")
        else:
            found.shed_ms.append((clock.monotonic() - started_s) * 1e3)
            found.shed += 1
            found.unlike += filter(None, [_unlike_shed(message)])
            if not message.closes():
                continue
        app.close()
        app = await App.connect(port)
    app.close()


def _unlike_shed(message: Message) -> str:
    wrong = complaint(message, 503)
    if wrong:
        return wrong
    after = message.get(b"retry-after")
    if not after or not 0 <= float(after) <= 60:
        return f"retry-after {after!r}"
    return "" if message.get(b"x-crossfade-request-id") else "no request id"


@dataclass(slots=True)
class SlowFound:
    """What apps that do not read cost."""

    readers: int = 0
    grown_bytes: int = 0
    taken_bytes: list[int] = field(default_factory=list[int])
    """How much of the endless answer the gateway took from the upstream, per reader."""
    others_failed: int = 0
    let_go: int = 0
    """Upstream connections closed after the readers' time was up."""

    def held(self) -> bool:
        """Whether memory stayed bounded, the upstream was slowed, and silent readers were let go."""
        return (
            self.grown_bytes <= self.readers * PER_READER_BYTES + (4 << 20)
            and max(self.taken_bytes) < ENDLESS_BYTES
            and self.let_go == self.readers
            and not self.others_failed
        )

    def report(self) -> str:
        """The figures."""
        return (
            f"{self.readers} apps that do not read: +{self.grown_bytes / self.readers / 1024:.0f} KiB each\n"
            f"the upstream could send {max(self.taken_bytes) / 1024:.0f} KiB at most; {self.let_go} let go after their "
            f"time; {self.others_failed} other requests failed"
        )


async def slow_readers(directory: Path, count: int) -> SlowFound:
    """`count` apps ask for an endless stream and never read."""
    found = SlowFound(count)
    sent: Counter[int] = Counter()

    async def serve(call: Call) -> None:
        if not call.request.get(b"x-endless"):
            await call.send(answer(b'{"ok":true}'))
            return
        number = int(call.request.get(b"x-endless"))
        _small_buffer(call.writer, socket.SO_SNDBUF)
        await call.send(SSE_HEAD)
        while sent[number] < ENDLESS_BYTES:
            await call.send(chunk(PIECE))
            sent[number] += len(PIECE)
        await call.send(LAST_CHUNK)

    limits = Limits(idle_write_s=3.0)
    async with RawUpstream(serve) as upstream:
        with Gateway(directory, table_for(upstream.base_url), limits=limits) as gateway:
            honest = await App.connect(gateway.port)
            assert (await honest.ask(request(b"{}"))).status == 200
            before = gateway.worker.rss_bytes()
            readers = [await _silent_reader(gateway.port, number) for number in range(count)]
            await asyncio.sleep(1.5)
            found.grown_bytes = gateway.worker.rss_bytes() - before
            found.taken_bytes = list(sent.values())
            found.others_failed += (await honest.ask(request(b"{}"))).status != 200
            until_s = clock.monotonic() + LET_GO_S
            while found.let_go < count and clock.monotonic() < until_s:
                await asyncio.sleep(0.2)
                found.let_go = sum(1 for call in upstream.heads if call.request.get(b"x-endless") and call.gone_at)
            for reader in readers:
                reader.close()
            honest.close()
    return found


async def _silent_reader(port: int, number: int) -> socket.socket:
    """A connection that asks and never reads, with a small receive buffer."""
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.settimeout(0)
    await asyncio.get_running_loop().sock_connect(reader, ("127.0.0.1", port))
    body = b'{"model":"gpt-4o","stream":true}'
    await asyncio.get_running_loop().sock_sendall(reader, request(body, b"x-endless: %d" % number))
    return reader


def _small_buffer(writer: asyncio.StreamWriter, which: int) -> None:
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, which, 16_384)
    writer.transport.set_write_buffer_limits(high=0)


@dataclass(slots=True)
class MixedFound:
    """What crossed over between callers, and what was followed that should not be."""

    asked: int = 0
    cookies_leaked: int = 0
    keys_mixed: int = 0
    """Connections to the upstream that carried the keys of two callers."""
    followed: int = 0
    """Requests that a redirect's target received."""
    unlike: list[str] = field(default_factory=list[str])

    def held(self) -> bool:
        """Whether nothing did."""
        return not (self.cookies_leaked or self.keys_mixed or self.followed or self.unlike) and self.asked > 0

    def report(self) -> str:
        """The figures."""
        return "\n".join(
            (
                f"{self.asked} requests of many callers: {self.cookies_leaked} with another's cookie, "
                f"{self.keys_mixed} upstream connections with two callers' keys, {self.followed} redirects followed",
                *self.unlike[:10],
            )
        )


async def mixed(directory: Path, count: int, *, callers: int = 10) -> MixedFound:
    """`count` requests of several callers to an upstream that sets cookies and redirects elsewhere."""
    found = MixedFound()
    async with RawUpstream(_elsewhere) as elsewhere:

        async def serve(call: Call) -> None:
            cookie = b"Set-Cookie: who=" + call.request.get(b"authorization")[-1:] + b"; Path=/"
            target = b"Location: http://127.0.0.1:%d/v1/x" % elsewhere.port
            status = b"307 Temporary Redirect" if call.request.get(b"x-redirect") else b"200 OK"
            await call.send(answer(b"{}", cookie, target, status=status))

        async with RawUpstream(serve) as upstream:
            with Gateway(directory, table_for(upstream.base_url)) as gateway:
                turns = iter(range(count))

                async def caller(name: int) -> None:
                    app = await App.connect(gateway.port)
                    for turn in turns:
                        more = (b"x-redirect: 1",) if turn % 5 == 0 else ()
                        message = await app.ask(request(b"{}", b"Authorization: Bearer sk-%d" % name, *more))
                        wanted = (307 if more else 200, b"who=%d; Path=/" % name)
                        if (message.status, message.get(b"set-cookie")) != wanted:
                            found.unlike.append(f"{message.raw[:200]!r}, wanted {wanted}")
                    app.close()

                async with asyncio.TaskGroup() as group:
                    for name in range(callers):
                        group.create_task(caller(name))
            found.asked = len(upstream.calls)
            found.cookies_leaked = sum(1 for call in upstream.calls if call.request.get(b"cookie"))
            carried: dict[int, set[bytes]] = {}
            for call in upstream.calls:
                carried.setdefault(call.connection, set()).add(call.request.get(b"authorization"))
            found.keys_mixed = sum(1 for keys in carried.values() if len(keys) > 1)
        found.followed = len(elsewhere.heads)
    return found


async def _elsewhere(call: Call) -> None:
    await call.send(answer(b"{}"))


@dataclass(slots=True)
class RacesFound:
    """Requests that met a connection the upstream was just closing."""

    asked: int = 0
    statuses: Counter[int] = field(default_factory=Counter[int])
    unlike: list[str] = field(default_factory=list[str])
    twice: int = 0
    """Requests that the upstream received more than once."""

    def held(self) -> bool:
        """Whether each was answered, by the upstream or by a proper error, and none was sent twice."""
        return not self.unlike and not self.twice and sum(self.statuses.values()) == self.asked

    def report(self) -> str:
        """The figures."""
        return "\n".join(
            (f"{self.asked} requests, answers {dict(self.statuses)}, sent twice: {self.twice}", *self.unlike[:5])
        )


async def keep_alive_races(directory: Path, count: int, *, when: str) -> RacesFound:
    """The upstream closes kept connections: `after` an answer, or `on` the next request, before it answers."""
    found = RacesFound()

    async def serve(call: Call) -> None:
        number = int(json.loads(call.request.body)["n"])
        if when == "on" and number % 3 == 0 and call.connection in used:
            call.writer.transport.abort()
            return
        used.add(call.connection)
        await call.send(answer(b'{"n":%d}' % number))
        if when == "after" and number % 2 == 0:
            call.writer.close()

    used: set[int] = set()
    async with RawUpstream(serve) as upstream:
        table = table_for(upstream.base_url)
        table = msgspec.structs.replace(table, keys_mode="passthrough")
        with Gateway(directory, table) as gateway:
            app = await App.connect(gateway.port)
            for number in range(count):
                found.asked += 1
                app.writer.write(request(b'{"n":%d}' % number))
                with contextlib.suppress(*NO_ANSWER):
                    message = await asyncio.wait_for(read_response(app.reader), PATIENCE_S)
                    found.statuses[message.status] += 1
                    whole = message.status == 200 and json.loads(message.body)["n"] == number
                    if not whole and (when == "after" or complaint(message, 502)):
                        found.unlike.append(f"{number}: {message.start!r} {message.body[:200]!r}")
                    if message.closes():
                        app.close()
                        app = await App.connect(gateway.port)
            app.close()
        seen = Counter(json.loads(call.request.body)["n"] for call in upstream.calls)
        found.twice = sum(1 for times in seen.values() if times > 1)
    return found
