"""Apps that hang up at random points: the upstream is cancelled, and nothing of them stays."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from gateway import clock
from tests.fakes.raw_http import App, read_response, request
from tests.fakes.raw_upstream import DONE, LAST_CHUNK, SSE_HEAD, Call, RawUpstream, answer, chunk, event
from tests.faults.dice import Dice, dice
from tests.rooms.gateway_process import Gateway, Worker, table_for
from tests.rooms.waiting import PATIENCE_S

AT_ONCE = 16
LOOK_S = 0.005
POINTS = (
    "in the head",
    "in the body",
    "in a streamed body",
    "waiting",
    "waiting for a stream",
    "in the stream",
    "after the end",
)
LARGE = 300_000
"""A body that goes on to the upstream before it is whole."""
SETTLE_S = PATIENCE_S


async def serve(call: Call) -> None:
    """Never answers, streams for ever, or answers at once: as the request's header says."""
    what = call.request.get(b"x-answer")
    if what == b"never":
        await asyncio.sleep(3600)
    elif what == b"stream":
        await call.send(SSE_HEAD)
        while True:
            await call.send(chunk(event("more")))
            await asyncio.sleep(0.005)
    elif what == b"short":
        await call.send(SSE_HEAD + chunk(event("all")) + chunk(DONE) + LAST_CHUNK)
    else:
        await call.send(answer(b'{"ok":true}'))


@dataclass(slots=True)
class HangupsFound:
    """How fast upstreams were cancelled, and what was left behind."""

    hangups: int
    hung_up_at: dict[int, float] = field(default_factory=dict[int, float])
    cancelled_ms: list[float] = field(default_factory=list[float])
    worst: tuple[float, str] = (0.0, "")
    """The slowest, and where it was."""
    points: dict[int, str] = field(default_factory=dict[int, str])
    not_cancelled: Counter[str] = field(default_factory=Counter[str])
    """By the point of the hang-up."""
    own_lag_ms: list[float] = field(default_factory=list[float])
    """How late this process itself was, whose loop is both the app's and the upstream's: it is in every figure."""
    app_errors: int = 0
    """Answers that should have come and did not."""
    before: dict[str, int] = field(default_factory=dict[str, int])
    after: dict[str, int] = field(default_factory=dict[str, int])
    hook_errors: int = 0
    exchanges: int = 0
    with_row: int = 0
    """Hang-ups of requests that had reached the upstream and have their row in the journal."""

    def p99_ms(self) -> float:
        """Of the time from hang-up to the upstream's end of connection."""
        return _p99(self.cancelled_ms)

    def leaked(self) -> dict[str, int]:
        """What there is more of than before; memory within 8 MiB is the same."""
        grown = {name: self.after[name] - self.before[name] for name in self.before}
        return {name: by for name, by in grown.items() if by > (8 << 20 if name == "rss" else 0)}

    def held(self) -> bool:
        """Whether all upstreams were cancelled in time and nothing leaked."""
        return not (self.not_cancelled or self.app_errors or self.leaked() or self.hook_errors) and self.p99_ms() < 100

    def report(self) -> str:
        """The figures."""
        ordered = sorted(self.cancelled_ms)
        p50 = ordered[len(ordered) // 2] if ordered else float("nan")
        return "\n".join(
            (
                f"{self.hangups} hang-ups; upstream cancelled {len(ordered)} times: p50 {p50:.1f} ms, "
                f"p99 {self.p99_ms():.1f} ms, worst {self.worst[0]:.1f} ms ({self.worst[1]})",
                f"the test's own loop was late by p99 {_p99(self.own_lag_ms):.1f} ms, which is in these figures",
                f"not cancelled: {dict(self.not_cancelled) or 'none'}; answers missing: {self.app_errors}; "
                f"hook errors: {self.hook_errors}; rows in the journal: {self.with_row} of {self.exchanges}",
                f"before {self.before}",
                f"after  {self.after}",
                f"leaked {self.leaked() or 'nothing'}",
            )
        )


def _p99(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] if ordered else float("nan")


async def _watch_lag(lag_ms: list[float]) -> None:
    while True:
        before_s = clock.monotonic()
        await asyncio.sleep(LOOK_S)
        lag_ms.append((clock.monotonic() - before_s - LOOK_S) * 1e3)


async def _hang_up(port: int, number: int, point: str, found: HangupsFound, *, reset: bool, cut: float) -> None:
    """One app that leaves at `point`."""
    mark = b"x-hangup: %d" % number
    body = b'{"model":"gpt-4o","messages":[],"stream":true}'
    app = await App.connect(port)
    leave: Callable[[], None] = app.reset if reset else app.close
    found.points[number] = f"{point}, {'RST' if reset else 'FIN'}"
    if point == "in the head":
        raw = request(body, mark)
        app.writer.write(raw[: int(len(raw.partition(b"\r\n\r\n")[0]) * cut)])
    elif point == "in the body":
        raw = request(body * 20, mark)
        app.writer.write(raw[: -int(len(body) * 10 * cut) - 1])
    elif point == "in a streamed body":
        raw = request(b"x" * LARGE, mark, target=b"/v1/files")
        app.writer.write(raw[: LARGE - int(1000 * cut)])
        await asyncio.sleep(0.02)
    elif point in ("waiting", "waiting for a stream"):
        app.writer.write(request(body if "stream" in point else b"{}", mark, b"x-answer: never"))
        await asyncio.sleep(0.01 + 0.02 * cut)
    elif point == "in the stream":
        app.writer.write(request(body, mark, b"x-answer: stream"))
        await app.reader.readuntil(b"\r\n\r\n")
        await app.reader.readexactly(1 + int(400 * cut))
    else:
        app.writer.write(request(body, mark, b"x-answer: short" if cut < 0.5 else b"x-answer: json"))
        message = await read_response(app.reader)
        found.app_errors += message.status != 200
    found.hung_up_at[number] = clock.monotonic()
    leave()


async def hangups(count: int, directory: Path, *, seed: int = 1) -> HangupsFound:
    """Hang up `count` times, after a fifth as many to warm up, and look at what is left.

    Every request has a head of its own here: at full size the warming fills the memory of heads, which has a bound.
    """
    found, rolls = HangupsFound(count), dice(seed)
    table = table_for("")
    async with RawUpstream(serve) as upstream:
        table = table_for(upstream.base_url)
        table = msgspec.structs.replace(table, upstreams=(msgspec.structs.replace(table.upstreams[0], idle_s=0.5),))
        with Gateway(directory, table) as gateway:
            await _run(gateway.port, range(count, count + max(AT_ONCE, count // 5)), rolls, HangupsFound(0))
            found.before = await _settled(gateway.worker, upstream)
            upstream.heads.clear()
            await _run(gateway.port, range(count), rolls, found)
            found.after = await _settled(gateway.worker, upstream)
            found.hook_errors = gateway.worker.live()["hook_errors"]
            await asyncio.to_thread(gateway.worker.stop)
            _count(found, upstream, gateway)
    return found


async def _run(port: int, numbers: range, rolls: Dice, found: HangupsFound) -> None:
    waiting = iter(numbers)

    async def lane() -> None:
        for number in waiting:
            point, reset, cut = rolls.choice(POINTS), rolls.random() < 0.5, rolls.random()
            try:
                await asyncio.wait_for(_hang_up(port, number, point, found, reset=reset, cut=cut), PATIENCE_S)
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                found.app_errors += 1

    async with asyncio.TaskGroup() as group:
        watch = group.create_task(_watch_lag(found.own_lag_ms))
        for done in asyncio.as_completed([group.create_task(lane()) for _ in range(AT_ONCE)]):
            await done
        watch.cancel()


async def _settled(worker: Worker, upstream: RawUpstream) -> dict[str, int]:
    """What is held on both sides of the wire, once the worker's idle connections are closed."""
    deadline = clock.monotonic() + SETTLE_S
    while True:
        live = worker.live()
        held = {name: live[name] for name in ("in_flight", "connections", "upstream_connections")}
        held["upstream_open"] = upstream.open
        if not any(held.values()) or clock.monotonic() > deadline:
            return held | {"sockets": worker.sockets(), "fds": worker.open_fds(), "rss": worker.rss_bytes()}
        await asyncio.sleep(0.1)


def _count(found: HangupsFound, upstream: RawUpstream, gateway: Gateway) -> None:
    """What the upstream saw of each hang-up, and what the journal has."""
    rows = {dict(exchange.meta.request_headers).get(b"x-hangup") for exchange in gateway.journal().exchanges}
    for call in upstream.heads:
        number = int(call.request.get(b"x-hangup"))
        found.exchanges += 1
        found.with_row += call.request.get(b"x-hangup") in rows
        if call.answered:
            continue
        if call.gone_at is None:
            found.not_cancelled[found.points[number]] += 1
        else:
            took_ms = max(0.0, call.gone_at - found.hung_up_at[number]) * 1e3
            found.cancelled_ms.append(took_ms)
            found.worst = max(found.worst, (took_ms, found.points[number]))
