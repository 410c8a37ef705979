"""SIGKILL of workers under load: what an app received in full is in the journal, once."""

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.raw_http import App, Message, request
from tests.fakes.raw_upstream import DONE, LAST_CHUNK, SSE_HEAD, Call, RawUpstream, answer, chunk, event
from tests.faults.dice import dice
from tests.faults.replay import NO_ANSWER, hashed
from tests.rooms.gateway_process import Gateway, Journal, table_for
from tests.rooms.waiting import PATIENCE_S

APPS = 16
EVENTS = 6


async def serve(call: Call) -> None:
    """A JSON answer, or a short stream whose length and pauses vary."""
    if b'"stream":true' not in call.request.body:
        await call.send(answer(b'{"id":"x","echo":' + call.request.body + b"}"))
        return
    await call.send(SSE_HEAD)
    for index in range(EVENTS):
        await call.send(chunk(event(f"token {index} of {call.at}")))
        await asyncio.sleep(0.002)
    await call.send(chunk(DONE) + LAST_CHUNK)


@dataclass(slots=True)
class KillsFound:
    """The apps' ledger against the journal."""

    kills: int
    completed: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """SHA-256 of request and answer of each exchange an app received in full, by id."""
    cut: int = 0
    """Answers that a kill ended: never taken for whole."""
    missing: int = 0
    duplicates: int = 0
    unlike: int = 0
    """Kept, but with other bytes."""
    damaged: int = 0
    lost_worker: int = 0
    recorder_kills: int = 0

    def held(self) -> bool:
        """Whether nothing is missing, doubled or altered."""
        return bool(self.completed) and not (self.missing or self.duplicates or self.unlike or self.damaged)

    def report(self) -> str:
        """The figures."""
        return (
            f"{self.kills} SIGKILLs of workers, {self.recorder_kills} of the recorder; "
            f"{len(self.completed)} exchanges completed, {self.cut} cut by a kill\n"
            f"completed and missing: {self.missing}; twice: {self.duplicates}; with other bytes: {self.unlike}; "
            f"damaged frames: {self.damaged}; cut ones kept as lost_worker: {self.lost_worker}"
        )


async def app_that_asks(port: int, found: KillsFound, stop: asyncio.Event, number: int) -> None:
    """Ask again and again, half of it streamed, and note what came in full."""
    sent = 0
    connection: App | None = None
    while not stop.is_set():
        sent += 1
        stream = "true" if sent % 2 else "false"
        body = f'{{"model":"gpt-4o","app":{number},"turn":{sent},"stream":{stream}}}'.encode()
        try:
            connection = connection or await App.connect(port)
            message = await asyncio.wait_for(connection.ask(request(body)), PATIENCE_S)
        except NO_ANSWER:
            found.cut += 1
            if connection is not None:
                connection.close()
            connection = None
            continue
        _note(found, body, message)
        if message.closes():
            connection.close()
            connection = None
    if connection is not None:
        connection.close()


def _note(found: KillsFound, body: bytes, message: Message) -> None:
    identity = message.get(b"x-crossfade-request-id").decode()
    assert message.status == 200, message.raw
    found.completed[identity] = (hashed(body), hashed(message.body))


async def kills(count: int, directory: Path, *, seed: int = 1) -> KillsFound:
    """Kill `count` workers at random moments; the next one is up before each kill, as under the supervisor."""
    found, stop, moments = KillsFound(count), asyncio.Event(), dice(seed)
    async with RawUpstream(serve, keep_calls=False) as upstream:
        with Gateway(directory, table_for(upstream.base_url)) as gateway:
            async with asyncio.TaskGroup() as group:
                for number in range(APPS):
                    group.create_task(app_that_asks(gateway.port, found, stop, number))
                with contextlib.ExitStack() as stack:
                    stack.callback(stop.set)
                    for _ in range(count):
                        old = gateway.worker
                        await asyncio.to_thread(gateway.start)
                        await asyncio.sleep(moments.uniform(0.02, 0.2))
                        old.kill()
                    await asyncio.sleep(0.2)
            await asyncio.to_thread(gateway.worker.stop)
            check(found, gateway.journal())
    return found


def check(found: KillsFound, journal: Journal) -> None:
    """Hold the ledger against the journal."""
    seen = Counter(exchange.meta.id for exchange in journal.exchanges)
    kept = {
        exchange.meta.id: (hashed(exchange.request_body), hashed(exchange.response_body))
        for exchange in journal.exchanges
        if exchange.meta.outcome == "complete"
    }
    found.missing = sum(1 for identity in found.completed if identity not in kept)
    found.duplicates = sum(1 for times in seen.values() if times > 1)
    found.unlike = sum(1 for identity, hashes in found.completed.items() if kept.get(identity, hashes) != hashes)
    found.lost_worker = sum(1 for exchange in journal.exchanges if exchange.meta.outcome == "lost_worker")
    found.damaged = journal.damaged
