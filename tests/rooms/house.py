"""A worker inside the test: real files, real upstream sockets, an app on a wire in memory, and a clock in the hand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway.proxy.boot import Boot
from gateway.proxy.worker import Worker, WorkerClock
from gateway.transport.limits import Limits
from gateway.transport.server import AppConnection
from gateway.transport.write_batch import Soon
from policies.routing import Lease, Table, Upstream, encode
from records.exchange import Exchange, FeedbackFrame
from tests.rooms.gateway_process import JOURNAL_KEY, PEPPER, Journal, read_journal
from tests.rooms.wires import Wire

KEY = b"Authorization: Bearer sk-CANARY\r\n"


@dataclass
class House:
    """The worker and its clocks."""

    directory: Path
    worker: Worker = field(init=False)
    now: float = 500.0
    wall: float = 1_000_000.0
    soon: Soon = lambda end: end()
    """When a turn of the worker's ends: at once, unless a test holds it."""

    def app(self) -> Wire:
        """A new connection of an app."""
        wire = Wire(AppConnection(self.worker))
        wire.connect()
        return wire

    def ask(self, raw: bytes) -> Wire:
        """A request on a connection of its own."""
        wire = self.app()
        send(wire, raw)
        return wire

    def pass_time(self, seconds: float) -> None:
        """Let time pass, in steps of a second, with the worker's tick in each."""
        left = seconds
        while left > 0:
            self.now += min(1.0, left)
            self.wall += min(1.0, left)
            left -= 1.0
            self.worker.tick()

    def publish(self, table: Table) -> None:
        """Publish, and have it taken up."""
        fresh = self.directory / "routing.new"
        fresh.write_bytes(encode(table))
        fresh.replace(self.directory / "routing.json")
        self.worker.tick()

    def journal(self) -> Journal:
        """What is in the journal."""
        return read_journal(self.directory / "journal")

    def rows(self) -> list[Exchange]:
        """The exchanges that have ended."""
        return self.journal().exchanges

    def feedback(self) -> list[FeedbackFrame]:
        """What was said."""
        return self.journal().feedback


def table(base_url: str, **fields: object) -> Table:
    """A table with one upstream, and a lease that holds."""
    plain: dict[str, object] = {"version": 1, "lease": Lease(1_000_000.0), "upstreams": (Upstream("openai", base_url),)}
    return Table(**({"default_upstream": "openai"} | plain | fields))  # type: ignore[arg-type]


@asynccontextmanager
async def a_house(directory: Path, served: Table, limits: Limits | None = None) -> AsyncIterator[House]:
    """A worker, closed at the end."""
    house = House(directory)
    (directory / "routing.json").write_bytes(encode(served))
    boot = Boot(
        worker="w", listen_fds=[], routing=str(directory / "routing.json"), kill=str(directory / "KILL"),
        journal=str(directory / "journal"), journal_key=JOURNAL_KEY.hex(), pepper=PEPPER.hex(),
        live=str(directory / "live"), limits=limits or Limits(),
    )  # fmt: skip
    async with asyncio.TaskGroup() as tasks:
        clock = WorkerClock(lambda: house.now, lambda: house.wall, lambda end: house.soon(end))  # noqa: PLW0108 -- a test may change it later
        house.worker = Worker(boot, clock, tasks=tasks, environment={})
        try:
            yield house
        finally:
            house.worker.close()


def send(wire: Wire, *pieces: bytes) -> None:
    """Bytes of the app's."""
    assert isinstance(wire.protocol, AppConnection)
    for piece in pieces:
        wire.protocol.data_received(piece)


def post(body: bytes, *lines: bytes, target: bytes = b"/v1/chat/completions") -> bytes:
    """A request with a key."""
    head = b"POST %b HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\n" % target
    return head + KEY + b"".join(line + b"\r\n" for line in lines) + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
