"""A worker in front of an upstream on a raw socket, for tests of what stands on the wires."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from gateway.transport.limits import Limits
from policies.routing import Capture, Match, Route, Table, Upstream, Variant
from records.exchange import Exchange
from tests.fakes.raw_http import App, Message, request
from tests.fakes.raw_upstream import Call, RawUpstream, Script, answer
from tests.fakes.thread import in_thread
from tests.rooms.gateway_process import Gateway, table_for
from tests.rooms.waiting import PATIENCE_S, await_true

KEY = b"Authorization: Bearer sk-CANARY-caller"


async def hello(call: Call) -> None:
    """The plainest answer."""
    await call.send(answer(b'{"hello":1}'))


@dataclass
class Origin:
    """The upstream, the worker, and what passed between them."""

    gateway: Gateway
    upstream: RawUpstream

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what was, and answer plainly again."""
        self.upstream.script = hello
        self.upstream.calls.clear()
        self.upstream.heads.clear()

    @property
    def port(self) -> int:
        """Where the worker listens."""
        return self.gateway.port

    @property
    def call(self) -> Call:
        """The last whole request at the upstream."""
        return self.upstream.calls[-1]

    def answers(self, script: Script) -> None:
        """How the upstream answers from now on."""
        self.upstream.script = script

    def says(self, *pieces: bytes, close: bool = False) -> None:
        """The bytes of the upstream's next answers, each piece by itself."""

        async def script(call: Call) -> None:
            for piece in pieces:
                await call.send(piece)
                await asyncio.sleep(0)
            if close:
                call.writer.close()

        self.upstream.script = script

    def row(self, message: Message) -> Exchange:
        """The one row that the journal has of an answer."""
        identity = message.get(b"x-crossfade-request-id").decode()
        (found,) = [one for one in self.gateway.journal().exchanges if one.meta.id == identity]
        return found

    def publish(self, **fields: Any) -> None:
        """Serve from a changed table."""
        table = msgspec.structs.replace(self.gateway.table, version=self.gateway.table.version + 1, **fields)
        self.gateway.publish(table)
        await_true(lambda: self.gateway.worker.live()["table_version"] == table.version, "the table is taken up")


def routed(base_url: str, **fields: Any) -> Table:
    """A table with a route, so that bodies are read: the baseline answers it all the same."""
    route = Route("routed", Variant("openai"), match=Match(model=("gpt-4o",)), candidate=Variant("none"), weight_ppm=0)
    none = Upstream("none", "http://127.0.0.1:9/v1")
    table = table_for(base_url, route, upstreams=(none,))
    return msgspec.structs.replace(table, capture=Capture(binary="keep"), **fields)


@contextmanager
def origin(directory: Path, *, limits: Limits | None = None) -> Iterator[Origin]:
    """A worker and its upstream, for as long as entered."""
    upstream = RawUpstream(hello)
    with in_thread(upstream), Gateway(directory, routed(upstream.base_url), limits or Limits()) as gateway:
        yield Origin(gateway, upstream)


@asynccontextmanager
async def an_app(port: int) -> AsyncIterator[App]:
    """One connection of an app, closed at the end."""
    app = await App.connect(port)
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield app
    finally:
        app.writer.close()


async def ask(port: int, raw: bytes) -> Message:
    """One request on a connection of its own."""
    async with an_app(port) as app:
        return await app.ask(raw)


def post(body: bytes, *headers: bytes, target: bytes = b"/v1/chat/completions") -> bytes:
    """A request with the caller's key."""
    return request(body, KEY, *headers, target=target)


def get(target: bytes, *headers: bytes, method: bytes = b"GET") -> bytes:
    """A request without a body."""
    return b"\r\n".join((method + b" " + target + b" HTTP/1.1", b"Host: gateway", KEY, *headers, b"", b""))
