"""A request that is over leaves nothing to the garbage collector: what it held, its bodies above all, is free."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.proxy.candidate import CandidateRelay
from gateway.proxy.life import Life
from gateway.transport.connection import Connection
from gateway.transport.outgoing import Sending
from gateway.transport.server import AppConnection
from policies.routing import PPM, Match, Route, Upstream, Variant
from tests.fakes.raw_upstream import (
    DONE,
    LAST_CHUNK,
    SSE_HEAD,
    STOP,
    WHOLE,
    Call,
    RawUpstream,
    answer,
    chunk,
    event,
)
from tests.rooms.house import House, a_house, post, table
from tests.rooms.waiting import until

ROUTE = Route(
    "r", Variant("openai"), match=Match(model=("gpt-4o",)), candidate=Variant("vllm", first_byte_s=0.05),
    weight_ppm=PPM - 1,
)  # fmt: skip


def chat(content: str, *, model: str = "gpt-4o", stream: bool = False) -> bytes:
    options = b',"stream":true' if stream else b""
    return b'{"model":"%b","messages":[{"role":"user","content":"%b"}]%b}' % (model.encode(), content.encode(), options)


async def answers(call: Call) -> None:
    """What the body asks for."""
    body = call.request.body
    if b"silence" in body:
        await asyncio.Event().wait()
    elif b"illness" in body:
        await call.send(answer(b"{}", status=b"500 Oops"))
    elif b'"stream":true' in body:
        await call.send(SSE_HEAD + chunk(event("hello")))
        if b"a cut" not in body:
            await call.send(chunk(STOP) + chunk(DONE) + LAST_CHUNK)
        call.writer.close()
    else:
        await call.send(answer(WHOLE))


REQUESTS = (Life, CandidateRelay, Sending)
CONNECTIONS = (AppConnection, Connection)


def held(*kinds: type) -> list[object]:
    """All of these kinds that came with the test and are not free yet."""
    return [found for found in gc.get_objects() if isinstance(found, kinds)]


@pytest.fixture
def uncollected() -> Iterator[None]:
    """With the collector off, and what was there before out of its sight: looking takes no longer in a big process."""
    gc.disable()
    gc.freeze()
    yield
    gc.unfreeze()
    gc.enable()


@asynccontextmanager
async def a_trusted_house(directory: Path) -> AsyncIterator[tuple[House, RawUpstream]]:
    """A worker whose caller the frontier knows: its candidate may be asked."""

    async def frontier_answers(call: Call) -> None:
        """The baseline mends what the candidate was asked to spoil."""
        await (answers(call) if b"other" in call.request.body else call.send(answer(WHOLE)))

    async with RawUpstream(frontier_answers) as frontier, RawUpstream(answers) as student:
        upstreams = (Upstream("openai", frontier.base_url), Upstream("vllm", student.base_url, "vllm"))
        async with a_house(directory, table("", upstreams=upstreams, routes=(ROUTE,))) as house:
            house.ask(post(chat("hi", model="other")))
            await until(house.rows)
            yield house, student


@pytest.mark.parametrize(
    "body",
    [
        chat("hi", model="other"), chat("illness", model="other"), chat("hi", model="other", stream=True),
        chat("a cut", model="other", stream=True), chat("hi"), chat("illness"), chat("hi", stream=True),
        chat("a cut", stream=True), chat("silence", stream=True),
    ],
    ids=[
        "baseline", "baseline ill", "baseline streams", "baseline cut", "candidate", "fallback", "candidate streams",
        "candidate cut", "candidate late",
    ],
)  # fmt: skip
async def test_however_it_was_answered(tmp_path: Path, uncollected: None, body: bytes) -> None:
    """Once the row is written nothing of the request is there, without any collection."""
    async with a_trusted_house(tmp_path) as (house, student):
        house.ask(post(body))
        if b"silence" in body:
            await until(lambda: student.calls)
            house.pass_time(1)
        await until(lambda: len(house.rows()) == 2)
        assert bool(student.calls) is (b"other" not in body)
        await until(lambda: not held(*REQUESTS))


async def test_after_a_hang_up(tmp_path: Path, uncollected: None) -> None:
    """So it is when the app has gone before the candidate's answer."""
    async with a_trusted_house(tmp_path) as (house, student):
        app = house.ask(post(chat("silence")))
        await until(lambda: student.calls)
        app.lose()
        await until(lambda: len(house.rows()) == 2 and not held(*REQUESTS))
        assert house.rows()[1].meta.outcome == "app_gone"


async def test_with_its_connections(tmp_path: Path, uncollected: None) -> None:
    """A broken answer ends both its connections: neither stays behind."""
    async with a_trusted_house(tmp_path) as (house, _):
        app = house.ask(post(chat("a cut", model="other", stream=True)))
        await until(lambda: len(house.rows()) == 2)
        assert (len(held(AppConnection)), app.closing) == (2, True)
        app.lose()
        del app.protocol, app  # the first as a real transport does
        await until(lambda: len(held(AppConnection)) == 1 and not held(Connection))
