"""wire.md B6, line by line: hang-ups, back-pressure, draining, kept connections, tunnels."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from tests.fakes.raw_http import App, read_response
from tests.fakes.raw_upstream import LAST_CHUNK, SSE_HEAD, Call, RawUpstream, answer, chunk, event
from tests.fakes.thread import in_thread
from tests.rooms.gateway_process import Gateway, table_for
from tests.rooms.origin import Origin, an_app, ask, get, origin, post
from tests.rooms.waiting import PATIENCE_S, until

CHAT = b'{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}'


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    """One worker for the module."""
    with origin(tmp_path_factory.mktemp("lifecycle")) as found:
        yield found


@pytest.fixture
def there(serving: Origin) -> Origin:
    """The worker, with nothing left of the test before."""
    serving.reset()
    return serving


async def never(call: Call) -> None:
    await asyncio.Event().wait()


async def forever(call: Call) -> None:
    await call.send(SSE_HEAD)
    while True:
        await call.send(chunk(event("more")))
        await asyncio.sleep(0.002)


@pytest.mark.parametrize("reset", [True, False], ids=["RST", "FIN"])
@pytest.mark.parametrize("phase", ["in the body", "waiting", "waiting for a stream", "in the stream"])
async def test_a_hang_up_cancels_the_upstream_in_every_phase(there: Origin, phase: str, *, reset: bool) -> None:
    """The upstream's connection ends when the app's does, and there is a row even then."""
    before = there.gateway.journal().exchanges
    there.answers(forever if phase == "in the stream" else never)
    async with an_app(there.port) as app:
        if phase == "in the body":
            app.writer.write(post(b"x" * 300_000, target=b"/v1/files")[:-1000])
            await until(lambda: len(there.upstream.heads) == 1)
        else:
            app.writer.write(post(CHAT))
            await until(lambda: len(there.upstream.calls) == 1)
        if phase == "in the stream":
            await app.reader.readuntil(b"more")
        (app.reset if reset else app.close)()
        await until(lambda: there.upstream.heads[0].gone_at is not None)
    await until(lambda: len(there.gateway.journal().exchanges) > len(before))
    rows = there.gateway.journal().exchanges[len(before) :]
    assert there.gateway.worker.live()["in_flight"] == 0
    assert [row.meta.outcome for row in rows] == ["app_gone"]
    assert [one.error for one in rows[0].meta.attempts] == ["app_gone"]


async def test_a_hang_up_before_the_head_is_whole_asks_nobody(there: Origin) -> None:
    """Half a request reaches no upstream and leaves nothing."""
    async with an_app(there.port) as app:
        app.writer.write(post(CHAT)[:40])
        await app.writer.drain()
    async with an_app(there.port) as app:
        app.writer.write(post(CHAT)[:-5])
        await app.writer.drain()
    await until(lambda: there.gateway.worker.live()["in_flight"] == 0)
    assert there.upstream.heads == []


async def test_a_slow_reader_slows_the_upstream(there: Origin) -> None:
    """What an app does not read is not read from its upstream either, and goes on when it reads."""
    size = 64 * 1024 * 1024
    sent = 0

    async def large(call: Call) -> None:
        nonlocal sent
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            await call.send(bytes(65536))
            sent += 65536

    there.answers(large)
    before = there.gateway.worker.rss_bytes()
    reader, writer = await asyncio.open_connection("127.0.0.1", there.port, limit=1024)
    writer.write(get(b"/v1/videos/v/content"))
    await reader.readuntil(b"\r\n\r\n")
    still, last = 0, -1
    while still < 20:  # until the upstream has made no progress for a while
        await asyncio.sleep(0.01)
        still, last = (still + 1, last) if sent == last else (0, sent)
    assert sent < size
    assert there.gateway.worker.rss_bytes() - before < 16 * 1024 * 1024
    left = size
    while left:
        left -= len(await reader.read(1 << 20))
    writer.close()


async def test_kept_connections_serve_request_after_request(there: Origin) -> None:
    """Both sides are kept alive: many requests, one connection each."""
    before = there.upstream.connections
    async with an_app(there.port) as app:
        for _ in range(10):
            assert (await app.ask(post(CHAT))).status == 200
    assert there.upstream.connections - before <= 1


async def test_pipelined_requests_are_answered_in_order(there: Origin) -> None:
    """Requests sent ahead get their own answers, in turn."""

    async def echo(call: Call) -> None:
        await call.send(answer(call.request.target))

    there.answers(echo)
    async with an_app(there.port) as app:
        app.writer.write(b"".join(get(b"/v1/%d" % number) for number in range(5)))
        for number in range(5):
            assert (await read_response(app.reader)).body == b"/v1/%d" % number


async def test_http_1_0_apps_are_served(there: Origin) -> None:
    """An app of HTTP/1.0 gets an unchunked answer whose end is the connection's."""
    there.says(SSE_HEAD, chunk(event("x")), LAST_CHUNK)
    async with an_app(there.port) as app:
        app.writer.write(b"GET /v1/x HTTP/1.0\r\n\r\n")
        message = await read_response(app.reader)
    assert message.until_close
    assert message.body == event("x")


@pytest.mark.parametrize("target", [b"/", b"/health", b"/healthz", b"/metrics", b"/v1/health", b"/api/v1/rollouts"])
async def test_no_path_of_the_data_port_is_ours(there: Origin, target: bytes) -> None:
    """Nothing but POST /v1/feedback is answered here: health, metrics and admin are another port's."""
    assert (await ask(there.port, get(target))).body == b'{"hello":1}'
    assert (await ask(there.port, get(b"/v1/feedback"))).body == b'{"hello":1}'
    assert len(there.upstream.calls) == 2


async def test_cors_is_the_upstreams(there: Origin) -> None:
    """A preflight reaches the upstream, and its answer the browser."""
    said = b"HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: *\r\n\r\n"
    there.says(said)
    message = await ask(there.port, get(b"/v1/x", b"Origin: https://x", method=b"OPTIONS"))
    assert (message.status, message.get(b"access-control-allow-origin")) == (204, b"*")
    assert there.call.request.get(b"origin") == b"https://x"


# Tunnels --------------------------------------------------------------------------------------------------------------


async def parrot(connection: ServerConnection) -> None:
    """Says what it hears; at "bye" closes with a code of its own."""
    async for message in connection:
        if message == "bye":
            await connection.close(4001, "as you wish")
            return
        await connection.send(message)


async def test_websockets_are_tunnelled(tmp_path: Path) -> None:
    """Frames of any kind and size, the subprotocol and the close code pass both ways; the row says tunnel."""
    async with serve(
        parrot, "127.0.0.1", 0, subprotocols=[websockets.Subprotocol("realtime")], max_size=None
    ) as server:
        port = server.sockets[0].getsockname()[1]
        with Gateway(tmp_path / "g", table_for(f"http://127.0.0.1:{port}/v1")) as gateway:
            url = gateway.base_url.replace("http", "ws") + "/realtime?model=gpt-4o"
            protocols = [websockets.Subprotocol("realtime"), websockets.Subprotocol("openai-insecure-api-key.CANARY")]
            async with (
                asyncio.timeout(PATIENCE_S),
                connect(url, subprotocols=protocols, max_size=None, compression=None) as app,
            ):
                assert app.subprotocol == "realtime"
                for said in ("hi", b"\x00\xff" * 100, "x" * 3_000_000):
                    await app.send(said)
                    assert await app.recv() == said
                await app.send("bye")
                with pytest.raises(websockets.ConnectionClosed) as closed:
                    await app.recv()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "as you wish")
            await until(lambda: gateway.journal().exchanges)
            (row,) = gateway.journal().exchanges
            assert (row.meta.outcome, row.meta.status) == ("tunnel", 101)
            assert (row.request_body, row.response_body) == (b"", b"")
            assert row.meta.response_bytes > 3_000_000
            assert b"CANARY" not in row.meta.request_head


async def test_an_app_that_ends_a_tunnel_ends_it(tmp_path: Path) -> None:
    """The app's close reaches the upstream, and is no failure."""
    async with serve(parrot, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with Gateway(tmp_path / "g", table_for(f"http://127.0.0.1:{port}/v1")) as gateway:
            async with asyncio.timeout(PATIENCE_S):
                app = await connect(gateway.base_url.replace("http", "ws") + "/realtime")
                app.transport.abort()
                await until(lambda: not server.connections)
            await until(lambda: gateway.journal().exchanges)
            (row,) = gateway.journal().exchanges
            assert row.meta.outcome == "tunnel"
            assert [one.error for one in row.meta.attempts] == [None]


async def test_a_refused_upgrade_is_the_upstreams_answer(there: Origin) -> None:
    """An upstream that does not upgrade answers as it likes, and what was sent ahead never becomes a request."""
    there.says(answer(b'{"error":{}}', status=b"401 Unauthorized"))
    upgrade = get(b"/v1/realtime", b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: x")
    async with an_app(there.port) as app:
        app.writer.write(upgrade + get(b"/v1/smuggled"))
        message = await read_response(app.reader)
        assert message.status == 401
        assert await app.reader.read() == b""
    assert [call.request.target for call in there.upstream.heads] == [b"/v1/realtime"]
    assert there.call.request.get(b"upgrade") == b"websocket"


# Draining -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_a_worker_that_is_told_to_stop_finishes_its_streams(tmp_path: Path, number: signal.Signals) -> None:
    """Running answers end whole and say that the connection ends; the worker then leaves with status 0."""
    released = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def stepwise(call: Call) -> None:
        await call.send(SSE_HEAD + chunk(event("one")))
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(released.wait(), loop))
        await call.send(chunk(event("two")) + LAST_CHUNK)

    with origin(tmp_path / "g") as there:
        there.answers(stepwise)
        async with an_app(there.port) as app, an_app(there.port) as idle:
            app.writer.write(post(CHAT))
            await app.reader.readuntil(b"one")
            os.kill(there.gateway.worker.pid, number)
            await until(lambda: there.gateway.worker.live()["draining"] == 1)
            released.set()
            rest = await app.reader.readuntil(LAST_CHUNK)
            assert b"two" in rest
            if number == signal.SIGINT:
                assert await idle.reader.read() == b""  # an idle connection is closed at once
                assert await app.reader.read() == b""
            else:
                there.reset()
                message = await idle.ask(get(b"/v1/x"))  # one that is still open is served once more
                assert (message.status, message.get(b"connection")) == (200, b"close")
        await until(lambda: there.gateway.worker.process.poll() is not None)
        assert there.gateway.worker.process.returncode == 0
        journal = there.gateway.journal()
        assert {row.meta.outcome for row in journal.exchanges} == {"complete"}
        assert journal.damaged == 0


async def test_a_stream_that_outlasts_the_drain_is_cut_and_has_its_row(tmp_path: Path) -> None:
    """After the time to drain what still runs is broken off, not ended cleanly, and stands in the journal."""
    upstream = RawUpstream(forever)
    with (
        in_thread(upstream),
        Gateway(tmp_path / "g", table_for(upstream.base_url), options={"drain_s": 0.2}) as gateway,
    ):
        app = await App.connect(gateway.port)
        app.writer.write(post(CHAT))
        await app.reader.readuntil(b"more")
        os.kill(gateway.worker.pid, signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            data = await app.reader.read()
            while piece := await app.reader.read(1 << 16):
                data += piece
        assert not data.endswith(LAST_CHUNK)
        app.writer.close()
        await asyncio.to_thread(gateway.worker.process.wait, PATIENCE_S)
        (row,) = gateway.journal().exchanges
        assert row.meta.outcome == "upstream_broken"
