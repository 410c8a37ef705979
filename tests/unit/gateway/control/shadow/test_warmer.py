"""Small requests at once to servers that have to be warm."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway import clock
from gateway.control.shadow.model import Background
from gateway.control.shadow.warmer import Warmer
from gateway.transport.client import Client
from policies.matching import ROUTABLE
from policies.routing import Upstream
from shadow.warming import WarmReport, WarmWish, read
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream
from tests.rooms.shadowing import route

AWAY = Fault(status=503)


@dataclass(slots=True)
class Told:
    errors: list[OSError] = field(default_factory=list[OSError])
    killed: bool = False


@asynccontextmanager
async def warmer(upstream: FakeUpstream, path: Path, told: Told) -> AsyncIterator[Warmer]:
    async with asyncio.TaskGroup() as tasks:
        client = Client(now=clock.monotonic, tasks=tasks)
        background = Background(client, clock.monotonic)
        background.adopt([Upstream("vllm", upstream.base_url, kind="vllm")], {"vllm": "sk-own"})
        yield Warmer(background, path, lambda: 7.0, lambda: told.killed, told.errors.append)
        client.close()


async def test_so_many_at_once_and_how_many_were_answered(tmp_path: Path) -> None:
    """Each is a request of one token, with our key; a server that refuses it is there all the same."""
    path = tmp_path / "warm.json"
    async with FakeUpstream() as upstream, warmer(upstream, path, Told()) as warming:
        warming.adopt({"support": route(warm=WarmWish(3, 5.0)), "other": route()})
        upstream.plan(AWAY, Fault(before="close"), AWAY)
        await warming.look()
        assert read(path) == {"support": WarmReport(3, 0, 7.0, "overloaded")}
        upstream.plan(AWAY, Fault(status=400))
        await warming.look()
        assert read(path) == {"support": WarmReport(3, 2, 7.0, "overloaded")}
        asked = upstream.ledger[-1]
        assert (asked.json["model"], asked.json["max_tokens"]) == ("tuned", 1)
        assert asked.request.get(b"authorization") == b"Bearer sk-own"
        assert len(upstream.ledger) == 6


@pytest.mark.parametrize("path", ROUTABLE)
async def test_each_endpoint_that_a_route_can_have_is_asked_as_it_wants(tmp_path: Path, path: str) -> None:
    """A server that has no other endpoint, as of embeddings, is never warm by one that it lacks."""
    async with FakeUpstream() as upstream, warmer(upstream, tmp_path / "warm.json", Told()) as warming:
        warming.adopt({"support": route(warm=WarmWish(1, 5.0), path=(path,))})
        await warming.look()
        assert upstream.ledger[-1].request.start.split()[1] == path.encode()
        assert read(tmp_path / "warm.json") == {"support": WarmReport(1, 1, 7.0)}


async def test_one_that_is_late_does_not_answer(tmp_path: Path) -> None:
    """A server that takes a request and starts up is not warm."""
    path = tmp_path / "warm.json"
    async with FakeUpstream() as upstream, warmer(upstream, path, Told()) as warming:
        warming.adopt({"support": route(warm=WarmWish(1, 0.05))})
        upstream.plan(Fault(before="hang"))
        await warming.look()
        assert read(path) == {"support": WarmReport(1, 0, 7.0, "total_timeout")}


async def test_nobody_is_asked_whom_nobody_waits_for(tmp_path: Path) -> None:
    """No wish, or the kill switch; and a disk that takes nothing is told of."""
    told, gone = Told(), tmp_path / "gone"
    async with FakeUpstream() as upstream, warmer(upstream, gone / "warm.json", told) as warming:
        warming.adopt({"support": route()})
        await warming.look()
        warming.adopt({"support": route(warm=WarmWish(1, 5.0))})
        told.killed = True
        await warming.look()
        assert (upstream.ledger, told.errors) == ([], [])
        told.killed = False
        await warming.look()
        assert [type(error) for error in told.errors] == [FileNotFoundError]
        warming.adopt({})
        assert warming.reports == {}
