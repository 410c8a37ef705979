"""The official Python SDK, every surface an app uses, directly and through the gateway."""

import asyncio
import base64
import io
import json
import struct
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from gateway import clock
from tests.acceptance.arena import Arena
from tests.acceptance.turns import SAID, TURNS, tool
from tests.fakes.faults import Fault
from tests.fakes.openai_api import SPEECH


class Triage(BaseModel):
    intent: str
    urgent: bool


@pytest.fixture
def client(arena: Arena) -> Iterator[OpenAI]:
    with OpenAI(base_url=arena.base_url, api_key="sk-app", max_retries=0) as client:
        yield client


def test_chat(client: OpenAI):
    """A plain chat completion, with its usage, its headers and its request id."""
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=TURNS)
    answer = raw.parse()
    assert answer.choices[0].message.content == SAID
    assert answer.usage is not None
    assert answer.usage.total_tokens > 0
    assert raw.headers["x-request-id"].startswith("req_frontier")
    assert raw.headers["x-ratelimit-limit-requests"] == "10000"
    assert raw.headers["openai-processing-ms"] == "7"
    assert len(raw.headers.get_list("set-cookie")) == 2


def test_chat_stream(client: OpenAI):
    """Chunks as they come, and one usage chunk without choices at the end."""
    stream = client.chat.completions.create(
        model="gpt-4o", messages=TURNS, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == SAID
    assert (chunks[-1].choices, chunks[-1].usage is not None) == ([], True)
    assert chunks[-2].choices[0].finish_reason == "stop"


def test_chat_stream_helper(client: OpenAI):
    """The SDK's stream helper assembles the same answer from its events."""
    with client.chat.completions.stream(model="gpt-4o", messages=TURNS) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert final.choices[0].message.content == SAID


def test_tools_and_the_turn_after_them(client: OpenAI):
    """A call of a tool, and the answer to its result."""
    (call,) = client.chat.completions.create(model="gpt-4o", messages=TURNS, tools=[tool("weather")]).choices
    (made,) = call.message.tool_calls or ()
    assert call.finish_reason == "tool_calls"
    assert made.type == "function"
    assert json.loads(made.function.arguments) == {"city": "value"}
    result = {"role": "tool", "tool_call_id": made.id, "content": "sunny"}
    turns = [*TURNS, call.message.model_dump(exclude_none=True), result]
    last = client.chat.completions.create(model="gpt-4o", messages=turns, tools=[tool("weather")])
    assert last.choices[0].message.content == SAID


def test_parallel_tools_in_a_stream(client: OpenAI):
    """Two calls by index, each with its id and name once and its arguments in pieces."""
    tools = [tool("weather"), tool("time")]
    with client.chat.completions.stream(model="gpt-4o", messages=TURNS, tools=tools) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0].message
    calls = message.tool_calls or []
    assert [call.function.name for call in calls] == ["weather", "time"]
    assert all(json.loads(call.function.arguments) == {"city": "value"} for call in calls)
    assert len({call.id for call in calls}) == 2


def test_json_schema(client: OpenAI):
    """A parsed answer of the app's own type, whole and streamed."""
    whole = client.chat.completions.parse(model="gpt-4o", messages=TURNS, response_format=Triage)
    assert whole.choices[0].message.parsed == Triage(intent="value", urgent=True)
    with client.chat.completions.stream(model="gpt-4o", messages=TURNS, response_format=Triage) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == Triage(intent="value", urgent=True)


@pytest.mark.parametrize("stream", [False, True])
def test_logprobs_and_two_choices(client: OpenAI, stream: bool):  # noqa: FBT001 -- a pytest parameter
    """n=2 with logprobs: both choices, each with its tokens' logprobs, whole or interleaved."""
    asked: Any = {"model": "gpt-4o", "messages": TURNS, "n": 2, "logprobs": True, "top_logprobs": 2, "stream": stream}
    answer = client.chat.completions.create(**asked)
    parts = answer if stream else [answer]
    said: dict[int, int] = {0: 0, 1: 0}
    for part in parts:
        for choice in part.choices:
            tokens = choice.logprobs.content or [] if choice.logprobs else []
            said[choice.index] += len(tokens)
            assert all(len(token.top_logprobs) == 2 for token in tokens)
    assert said == {0: 8, 1: 8}


def test_legacy_completions(client: OpenAI):
    """The legacy endpoint, whole and streamed."""
    assert client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once").choices[0].text == SAID
    parts = client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once", stream=True)
    assert "".join(part.choices[0].text for part in parts) == SAID


def test_responses(client: OpenAI):
    """A plain response, which the upstream keeps and gives again by its id."""
    answer = client.responses.create(model="gpt-4o", input="Where is my card?")
    assert answer.output_text == SAID
    assert client.responses.retrieve(answer.id).output_text == SAID
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve("resp_none")


def test_responses_stream(client: OpenAI):
    """Named events, numbered from 0 without a gap, ended by response.completed."""
    with client.responses.stream(model="gpt-4o", input="Where is my card?") as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    assert final.output_text == SAID


def test_responses_tools_and_schema(client: OpenAI):
    """Function calls with their arguments, and a parsed answer of the app's own type."""
    flat: Any = {"type": "function"} | tool("weather")["function"] | {"strict": False}
    (call,) = client.responses.create(model="gpt-4o", input="Weather?", tools=[flat]).output
    assert call.type == "function_call"
    assert json.loads(call.arguments) == {"city": "value"}
    parsed = client.responses.parse(model="gpt-4o", input="Triage", text_format=Triage)
    assert parsed.output_parsed == Triage(intent="value", urgent=True)


def test_embeddings(client: OpenAI, arena: Arena):
    """Vectors, which the SDK asks for in base64 by itself, and in the encoding that the app names."""
    found = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    assert arena.upstream.ledger[-1].json["encoding_format"] == "base64"
    assert [len(one.embedding) for one in found.data] == [8, 8]
    plain = client.embeddings.create(model="text-embedding-3-small", input="a", encoding_format="float")
    packed = client.embeddings.create(model="text-embedding-3-small", input="a", encoding_format="base64")
    raw: Any = packed.data[0].embedding
    assert plain.data[0].embedding == pytest.approx(struct.unpack("<8f", base64.b64decode(raw)), rel=1e-6)


def test_models(client: OpenAI, arena: Arena):
    """The list, one model, and one whose id must stay percent-encoded."""
    assert "gpt-4o" in {model.id for model in client.models.list()}
    assert client.models.retrieve("acme/gpt:tuned").id == "acme/gpt:tuned"
    assert arena.upstream.ledger[-1].request.target.lower() in {
        b"/v1/models/acme%2fgpt:tuned",
        b"/v1/models/acme%2fgpt%3atuned",
    }


def test_files(client: OpenAI):
    """Upload, list, content and deletion of a file, its bytes unchanged."""
    content = bytes(range(256)) * 300
    made = client.files.create(file=("train.jsonl", content), purpose="fine-tune")
    assert made.bytes == len(content)
    assert [one.id for one in client.files.list()] == [made.id]
    assert client.files.content(made.id).read() == content
    assert client.files.delete(made.id).deleted


def test_audio(client: OpenAI, arena: Arena):
    """Multipart with a repeated field, a streamed transcription, and speech as raw bytes."""
    sound = ("a b.wav", io.BytesIO(b"RIFF\r\n\x00--" * 50))
    said: Any = client.audio.transcriptions.create(
        file=sound,
        model="whisper-1",
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert said.text == "a b.wav: 450 bytes"
    assert [value for name, value in said.fields if name == "timestamp_granularities[]"] == ["word", "segment"]
    stream = client.audio.transcriptions.create(file=("c.wav", b"x"), model="gpt-4o-transcribe", stream=True)
    assert [event.type for event in stream] == ["transcript.text.delta", "transcript.text.done"]
    assert client.audio.speech.create(input="hi", model="tts-1", voice="alloy").content == SPEECH


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(status=400), openai.BadRequestError),
        (Fault(status=401), openai.AuthenticationError),
        (Fault(status=403), openai.PermissionDeniedError),
        (Fault(status=404), openai.NotFoundError),
        (Fault(status=409), openai.ConflictError),
        (Fault(status=422), openai.UnprocessableEntityError),
        (Fault(status=429, headers={"retry-after-ms": "5"}), openai.RateLimitError),
        (Fault(status=500), openai.InternalServerError),
        (Fault(status=502, body="<html>bad gateway</html>"), openai.InternalServerError),
        (Fault(status=503, body=""), openai.InternalServerError),
    ],
)
def test_errors(client: OpenAI, arena: Arena, fault: Fault, error: type[openai.APIStatusError]):
    """Every status comes as the SDK's error for it, with the upstream's own body and headers."""
    arena.upstream.plan(fault)
    with pytest.raises(error) as caught:
        client.chat.completions.create(model="gpt-4o", messages=TURNS)
    assert caught.value.response.text == (fault.body if fault.body is not None else caught.value.response.text)
    assert "retry-after-ms" in caught.value.response.headers or not fault.headers
    if fault.body is None:
        assert (caught.value.code, caught.value.param) == ("scripted", None)


def test_errors_of_the_apps_own(client: OpenAI, arena: Arena):
    """An unknown model and a junk key get OpenAI's own words."""
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="missing-1", messages=TURNS)
    assert caught.value.code == "model_not_found"
    with OpenAI(base_url=arena.base_url, api_key="sk-junk-1", max_retries=0) as junk:
        with pytest.raises(openai.AuthenticationError) as refused:
            junk.chat.completions.create(model="gpt-4o", messages=TURNS)
        assert refused.value.code == "invalid_api_key"


def test_retries_are_the_sdks(arena: Arena):
    """The gateway adds no retry of its own: the upstream sees the SDK's tries, with their counts, and no more."""
    before = len(arena.upstream.ledger)
    arena.upstream.plan(
        Fault(status=500, headers={"retry-after-ms": "1"}), Fault(status=429, headers={"retry-after-ms": "1"})
    )
    with OpenAI(base_url=arena.base_url, api_key="sk-app", max_retries=2) as client:
        assert client.chat.completions.create(model="gpt-4o", messages=TURNS).choices[0].message.content == SAID
    tries = arena.upstream.ledger[before:]
    assert [entry.request.get(b"x-stainless-retry-count") for entry in tries] == [b"0", b"1", b"2"]
    assert len({entry.request.body for entry in tries}) == 1


@pytest.mark.parametrize("cut", ["reset", "close", "error_event", "garbage"])
def test_a_broken_stream_is_an_error(client: OpenAI, arena: Arena, cut: Any):
    """A stream that breaks at the upstream breaks at the app, after the chunks that came."""
    arena.upstream.plan(Fault(cut=cut, after=4, gap_s=0.01))
    said: list[str] = []
    with pytest.raises(openai.APIError):
        for chunk in client.chat.completions.create(model="gpt-4o", messages=TURNS, stream=True):
            said.append(chunk.choices[0].delta.content or "")  # noqa: PERF401 -- what came before the error counts
    assert "".join(said) == "frontier-0-0 frontier-0-1 frontier-0-2 "


@pytest.mark.parametrize(
    "fault",
    [Fault(gzip=True), Fault(piece_bytes=1), Fault(framing="close"), Fault(interim=(103,))],
    ids=["gzip", "one byte at a time", "close-delimited", "early hints"],
)
def test_every_framing_carries_an_answer(client: OpenAI, arena: Arena, fault: Fault):
    """However the upstream frames its body, the app reads the same answer."""
    arena.upstream.plan(fault, fault)
    assert client.chat.completions.create(model="gpt-4o", messages=TURNS).choices[0].message.content == SAID
    parts = client.chat.completions.create(model="gpt-4o", messages=TURNS, stream=True)
    assert "".join(part.choices[0].delta.content or "" for part in parts) == SAID


async def test_an_early_close_reaches_the_upstream(arena: Arena):
    """An app that leaves a stream frees the upstream's request at once."""
    arena.upstream.plan(Fault(endless=True, gap_s=0.005))
    async with AsyncOpenAI(base_url=arena.base_url, api_key="sk-app", max_retries=0) as client:
        stream = await client.chat.completions.create(model="gpt-4o", messages=TURNS, stream=True)
        async for _ in stream:
            break
        await stream.close()
    left_at = clock.monotonic()
    entry = arena.upstream.ledger[-1]
    for _ in range(1000):
        if entry.cancelled_at is not None:
            break
        await asyncio.sleep(0.005)
    assert entry.cancelled_at is not None
    assert entry.cancelled_at - left_at < 1.0


async def test_twenty_streams_at_once(arena: Arena):
    """Concurrent streams keep apart: each gets its own whole answer."""
    arena.upstream.plan(*[Fault(gap_s=0.002)] * 20)
    async with AsyncOpenAI(base_url=arena.base_url, api_key="sk-app", max_retries=0) as client:

        async def say(number: int) -> str:
            words = number % 7 + 1
            stream = await client.chat.completions.create(model="gpt-4o", messages=TURNS, stream=True, max_tokens=words)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(say(number)) for number in range(20)]
    assert [len(task.result().split()) for task in tasks] == [number % 7 + 1 for number in range(20)]
