"""The parts of `make migration` that need neither a model nor the messages. The whole is for the command."""

import asyncio
import importlib.util
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from gateway.demo.models import ModelServer, ScriptedAnswer
from tests.acceptance.migration.front import Front
from tests.acceptance.migration.frontier import RIGHT, frontier
from tests.acceptance.migration.loop import borne
from tests.rooms.waiting import PATIENCE_S

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
LABELS = {f"message {number}": f"intent_{number % 7}" for number in range(2000)}


@asynccontextmanager
async def _fronted(*said: str) -> AsyncIterator[tuple[Front, list[ModelServer], httpx.AsyncClient]]:
    """Model servers that say one word each, a front before the first, and a caller."""
    servers = [ModelServer(lambda _, word=word: ScriptedAnswer(word, 0)) for word in said]
    for server in servers:
        await server.start()
    front = Front(servers[0].port)
    listening = await asyncio.start_server(front.serve, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
        yield front, servers, client
    listening.close()
    for server in servers:
        server.stop()
    async with asyncio.timeout(PATIENCE_S):
        while front.open:  # noqa: ASYNC110 -- its connections end by themselves, and tell nobody
            await asyncio.sleep(0)


async def _word(client: httpx.AsyncClient) -> str:
    return (await client.post("/v1/chat/completions", json=CHAT)).json()["choices"][0]["message"]["content"]


async def test_the_front_turns_to_another_server_between_two_requests():
    """On one connection, answers come whole from the server that is behind it at the time."""
    async with _fronted("one", "two") as (front, servers, client):
        before = await _word(client)
        front.target = servers[1].port
        assert (before, await _word(client)) == ("one", "two")


async def test_a_dead_server_is_told_as_a_broken_connection():
    """Where nobody is behind the front, callers get no answer, as from a server that died."""
    async with _fronted("one") as (_, servers, client):
        servers[0].stop()
        with pytest.raises(httpx.TransportError):
            await _word(client)


async def test_a_server_that_ended_an_idle_connection_is_asked_on_another():
    """A connection that the server closed between two requests is no failure of the candidate."""
    async with _fronted("one") as (_, servers, client):
        before = await _word(client)
        for writer in list(servers[0]._open):
            writer.close()
            await writer.wait_closed()
        assert (before, await _word(client)) == ("one", "one")


def test_the_frontier_is_right_as_often_as_it_says():
    """Its answers hang on the message alone, and are the label's in about RIGHT of all messages."""
    said = [frontier(LABELS, text) for text in LABELS]
    intents = [json.loads(each.text)["intent"] for each in said if each is not None]
    right = sum(intent == label for intent, label in zip(intents, LABELS.values(), strict=True))
    assert right / len(LABELS) == pytest.approx(RIGHT, abs=0.03)
    assert said == [frontier(LABELS, text) for text in LABELS]
    assert frontier(LABELS, "unheard of") is None


def test_the_scorer_goes_by_the_labels(tmp_path: Path):
    """Only the candidate right is 1, only the baseline -1, both or neither 0; what is no JSON is wrong."""
    source = Path(__file__).parent / "policies" / "evals" / "intents.py"
    (tmp_path / "labels.json").write_text(json.dumps({"hi": "greet"}), encoding="utf-8")
    (tmp_path / source.name).write_bytes(source.read_bytes())
    spec = importlib.util.spec_from_file_location("intents", tmp_path / source.name)
    assert spec is not None
    assert spec.loader is not None
    intents = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(intents)
    request = {"messages": [{"role": "user", "content": "hi"}]}
    right, wrong = {"text": '{"intent": "greet"}'}, {"text": "greet"}
    assert intents.score(request, wrong, right) == 1
    assert intents.score(request, right, wrong) == -1
    assert intents.score(request, right, right) == intents.score(request, wrong, wrong) == 0


def test_the_app_asks_half_of_what_the_engine_can_answer():
    """Eight at once in half a second are sixteen a second: eight conversations of a second; never none, never all."""
    assert borne(0.5, most=32) == 8
    assert borne(0.02, most=32) == 32
    assert borne(30.0, most=32) == 4
