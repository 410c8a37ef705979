"""A real vLLM behind the gateway: as the upstream of everything, and as a candidate. `make vllm` sets it up.

`make vllm-faults` runs the long counts: 50 kills with 2,000 requests, 1,000 cuts.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from policies.routing import PPM
from tests.acceptance import candidate_faults, vllm_server
from tests.acceptance.candidate_faults import NEVER, candidate_route, cut_streams, gateway_for, kill_vllm, verify
from tests.acceptance.vllm_server import MODEL, VllmServer
from tests.fakes.openai_answers import Speaker
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream
from tests.rooms.gateway_process import Gateway, table_for

TURNS: Any = [{"role": "user", "content": "Where is my card?"}]
ALL_BUT_NONE = PPM - 1
"""At a full weight the gateway asks the frontier now and then, to verify the key again."""
needs_vllm = pytest.mark.skipif(not vllm_server.is_installed(), reason="no vLLM is set up here: make vllm")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    with VllmServer(tmp_path_factory.mktemp("vllm") / "vllm.log") as server:
        server.start()
        yield server


@pytest.fixture(scope="module")
def client(vllm: VllmServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    """The SDK, at a gateway whose only upstream is vLLM."""
    with (
        Gateway(tmp_path_factory.mktemp("gateway"), table_for(vllm.base_url)) as gateway,
        OpenAI(base_url=gateway.base_url, api_key="sk-app", max_retries=0) as client,
    ):
        yield client


@needs_vllm
def test_vllm_as_upstream_chats(client: OpenAI):
    """Plain and streamed chat, the same greedy words both times, usage last."""
    asked: Any = {"model": MODEL, "messages": TURNS, "max_tokens": 12, "temperature": 0}
    whole = client.chat.completions.create(**asked)
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == whole.choices[0].message.content
    assert (chunks[-1].choices, chunks[-1].usage) == ([], whole.usage)


@needs_vllm
def test_vllm_as_upstream_completes_and_responds(client: OpenAI):
    """Legacy completions, Responses plain and streamed, models."""
    assert client.completions.create(model=MODEL, prompt="Once", max_tokens=5).choices[0].finish_reason == "length"
    assert client.responses.create(model=MODEL, input="Hi", max_output_tokens=5).id.startswith("resp_")
    events = list(client.responses.create(model=MODEL, input="Hi", max_output_tokens=5, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [model.id for model in client.models.list()] == [MODEL]


@needs_vllm
def test_vllm_as_upstream_refuses_in_its_own_words(client: OpenAI):
    """A baseline's error is not rewritten: the code stays the number that vLLM writes."""
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="missing", messages=TURNS)
    problem: Any = caught.value.body
    assert problem["code"] == 404
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model=MODEL, messages=TURNS, max_tokens=-1)


@needs_vllm
@pytest.mark.parametrize("stream", [False, True])
def test_vllm_as_candidate_looks_like_the_frontier(vllm: VllmServer, tmp_path: Path, stream: bool):  # noqa: FBT001 -- a pytest parameter
    """An app at the candidate sees the model it asked for and nothing of the engine's."""
    with in_thread(FakeUpstream()) as frontier:
        route = candidate_route(MODEL, ALL_BUT_NONE)
        with gateway_for(tmp_path, frontier.base_url, vllm.base_url, route) as gateway:
            client = OpenAI(base_url=gateway.base_url, api_key="sk-app", max_retries=0)
            client.chat.completions.create(model="gpt-4o", messages=TURNS)
            raw = client.chat.completions.with_raw_response.create(
                model="gpt-4o", messages=TURNS, max_tokens=5, stream=stream, store=False, user="u"
            )
            assert raw.headers["x-crossfade-variant"] == "candidate"
            parts: Any = raw.parse() if stream else [raw.parse()]
            for part in parts:
                assert part.model == "gpt-4o"
                assert not (part.model_extra or {}).keys() & {
                    "prompt_logprobs",
                    "kv_transfer_params",
                    "prompt_token_ids",
                }
                assert not (part.choices[0].model_extra or {}).keys() & {"stop_reason", "token_ids"}
            client.close()


@needs_vllm
def test_tool_calls_of_a_candidate_look_like_the_frontiers(vllm: VllmServer, tmp_path: Path):
    """Whole and streamed: signed id, valid arguments, null content, OpenAI's finish; the loop stays where it began."""
    cities = {"city": {"type": "string", "enum": ["Rome", "Paris"]}}
    schema = {"type": "object", "properties": cities, "required": ["city"], "additionalProperties": False}
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": schema, "strict": True}}
    forced: Any = {"type": "function", "function": {"name": "weather"}}
    asked: Any = {"model": "gpt-4o", "messages": TURNS, "max_tokens": 500, "seed": 1}
    asked |= {"tools": [tool], "tool_choice": forced}
    with (
        in_thread(FakeUpstream()) as frontier,
        gateway_for(tmp_path, frontier.base_url, vllm.base_url, candidate_route(MODEL, ALL_BUT_NONE)) as gateway,
        OpenAI(base_url=gateway.base_url, api_key="sk-app", max_retries=0) as client,
    ):
        client.chat.completions.create(model="gpt-4o", messages=TURNS)
        (whole,) = client.chat.completions.create(**asked).choices
        with client.chat.completions.stream(**asked) as stream:
            for _ in stream:
                pass
            (streamed,) = stream.get_final_completion().choices
        for choice in (whole, streamed):
            (call,) = choice.message.tool_calls or ()
            assert call.id.startswith("call_cf")
            assert call.type == "function"
            assert json.loads(call.function.arguments)["city"] in {"Rome", "Paris"}
            assert (choice.message.content, choice.finish_reason) == (None, "stop")
        result: Any = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
        turns: Any = [*TURNS, whole.message.model_dump(exclude_none=True), result]
        after = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=turns, max_tokens=5)
        assert after.headers["x-crossfade-variant"] == "candidate"


@needs_vllm
def test_conversations_stay_where_they_began(vllm: VllmServer, tmp_path: Path):
    """At 30 %, about 30 % of conversations are the candidate's, and each turn of one goes where its first turn went."""
    served: list[set[str]] = []
    with (
        in_thread(FakeUpstream()) as frontier,
        gateway_for(tmp_path, frontier.base_url, vllm.base_url, candidate_route(MODEL)) as gateway,
        OpenAI(base_url=gateway.base_url, api_key="sk-app", max_retries=0) as client,
    ):
        client.chat.completions.create(model="gpt-4o", messages=TURNS)
        for number in range(60):
            turns: Any = [{"role": "user", "content": f"case {number}"}]
            seen: set[str] = set()
            for _ in range(3):
                raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=turns, max_tokens=3)
                seen.add(raw.headers["x-crossfade-variant"])
                answer = raw.parse().choices[0].message.content
                turns += [{"role": "assistant", "content": answer}, {"role": "user", "content": "and?"}]
            served.append(seen)
    assert all(len(seen) == 1 for seen in served)
    assert 9 <= sum(seen == {"candidate"} for seen in served) <= 27


async def test_a_junk_key_never_gets_the_candidates_answer(tmp_path: Path):
    """In pass-through mode only the frontier knows a good key: at 100 % a junk key still gets its 401."""
    frontier, candidate = FakeUpstream(), FakeUpstream(Speaker("candidate", vllm=True), require_key=False)
    async with frontier, candidate:
        route = candidate_route("tiny", ALL_BUT_NONE, breaker=NEVER)
        with gateway_for(tmp_path, frontier.base_url, candidate.base_url, route) as gateway:
            async with AsyncOpenAI(base_url=gateway.base_url, api_key="sk-good", max_retries=0) as good:
                await verify(good)
                answer = await good.chat.completions.create(model="gpt-4o", messages=TURNS)
                assert (answer.choices[0].message.content or "").startswith("candidate-")
            async with AsyncOpenAI(base_url=gateway.base_url, api_key="sk-junk-1", max_retries=0) as junk:
                for _ in range(50):
                    with pytest.raises(openai.AuthenticationError):
                        await junk.chat.completions.create(model="gpt-4o", messages=TURNS)
    assert all(b"sk-" not in entry.request.raw for entry in candidate.ledger)


async def test_cut_streams_are_never_spliced(tmp_path: Path):
    """Cut before the first token, the baseline answers; cut after it, the app gets an error and no other words."""
    figures = await cut_streams(100, tmp_path)
    assert (figures.errors_before_first_byte, figures.spliced) == (0, 0), figures.seen
    assert figures.broken > 0
    assert figures.served["baseline"] > 0


@needs_vllm
async def test_a_killed_vllm_is_not_felt(vllm: VllmServer, tmp_path: Path):
    """While vLLM is killed with requests in flight, no app sees an error before the first byte."""
    figures = await kill_vllm(2, tmp_path, vllm)
    assert (figures.errors_before_first_byte, figures.spliced) == (0, 0), figures.seen
    assert figures.least_in_flight >= candidate_faults.IN_FLIGHT
    assert figures.fallbacks > 0
