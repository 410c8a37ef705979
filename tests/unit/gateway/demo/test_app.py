import asyncio

from gateway import clock
from gateway.demo.app import LAG_S, LEAST, DemoApp
from gateway.demo.models import ModelServer, model_of
from gateway.demo.tickets import GOOD
from gateway.transport.client import Client
from gateway.transport.outgoing import Target
from tests.rooms.waiting import PATIENCE_S


async def _send(port, enough):
    """Run an app until `enough` says so."""
    async with asyncio.TaskGroup() as tasks:
        client = Client(now=clock.monotonic, tasks=tasks)
        app = DemoApp(Target("127.0.0.1", port), client, clock.monotonic, pace=1000)
        running = tasks.create_task(app.run())
        async with asyncio.timeout(PATIENCE_S):
            while not enough(app):  # noqa: ASYNC110 -- the app tells nobody
                await asyncio.sleep(0)
        running.cancel()
        client.close()
    return app


async def test_an_app_counts_what_it_got():
    """Answers of 200 are counted by variant (none is named here), and no ticket is sent twice."""
    server = ModelServer(model_of(GOOD))
    await server.start()
    app = await _send(server.port, lambda app: app.by_variant.total() >= 5)
    server.stop()
    assert app.failed == 0
    assert set(app.by_variant) == {""}
    assert app.sent >= app.by_variant.total()


async def test_an_app_counts_what_failed():
    """Where nobody listens every request fails, and the app goes on."""
    server = ModelServer(model_of(GOOD))
    await server.start()
    server.stop()
    app = await _send(server.port, lambda app: app.failed >= 3)
    assert app.by_variant.total() == 0


async def test_an_app_sends_less_while_its_answers_are_compared_late():
    """Its pace falls while the shadow is behind, never to nothing, and rises to what was asked for, never above."""
    async with asyncio.TaskGroup() as tasks:
        app = DemoApp(Target("127.0.0.1", 9), Client(now=clock.monotonic, tasks=tasks), clock.monotonic, pace=100)
        app.heed(LAG_S)
        assert app.part == 1.0
        parts: list[float] = []
        for _ in range(50):
            app.heed(LAG_S + 1)
            parts.append(app.part)
        assert parts[0] < 1.0
        assert parts[-1] == LEAST
        for _ in range(50):
            app.heed(0.0)
        assert app.part == 1.0
