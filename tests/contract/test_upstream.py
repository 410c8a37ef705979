"""One suite over the fake upstream, its vLLM dialect, and a real vLLM where one runs: so that the fake does not lie.

CROSSFADE_TEST_VLLM=http://127.0.0.1:8000/v1 names a vLLM to hold the fake against (`make vllm` says how to get one).
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from gateway.rewrite.answer import StreamAdapter, adapt_whole
from gateway.rewrite.problem import CandidateFailure, classify
from gateway.rewrite.shapes import AnswerShape
from policies.routing import Variant
from records.wire.sse import Decoder
from tests.fakes.openai_answers import Speaker
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream
from tests.rooms.waiting import PATIENCE_S

VLLM = "CROSSFADE_TEST_VLLM"
TURNS = [{"role": "user", "content": "Where is my card?"}]


@dataclass(frozen=True, slots=True)
class Server:
    """One upstream under test."""

    http: httpx.Client
    model: str
    vllm: bool

    def chat(self, **fields: Any) -> httpx.Response:
        return self.http.post(
            "chat/completions", json={"model": self.model, "messages": TURNS, "max_tokens": 5} | fields
        )


@pytest.fixture(scope="module", params=["openai", "vllm dialect", "vllm"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    headers = {"authorization": "Bearer sk-app"}
    if request.param == "vllm":
        url = os.environ.get(VLLM)
        if not url:
            pytest.skip(f"{VLLM} names no vLLM; see `make vllm`")
        with httpx.Client(base_url=url, headers=headers, timeout=PATIENCE_S, trust_env=False) as http:
            yield Server(http, http.get("models").json()["data"][0]["id"], vllm=True)
        return
    vllm = request.param == "vllm dialect"
    with (
        in_thread(FakeUpstream(Speaker(vllm=vllm))) as upstream,
        httpx.Client(base_url=upstream.base_url, headers=headers, trust_env=False) as http,
    ):
        yield Server(http, "gpt-4o", vllm=vllm)


def events(body: bytes) -> list[Any]:
    decoder = Decoder()
    found = decoder.feed(body)
    assert decoder.finish() == []
    return [event.data if event.data == b"[DONE]" else json.loads(event.data) for event in found]


def test_a_whole_chat_completion(server: Server):
    """Id, object, model, choices and usage are where every client looks for them."""
    answer = server.chat().json()
    assert answer["id"].startswith("chatcmpl-")
    assert (answer["object"], answer["model"]) == ("chat.completion", server.model)
    assert isinstance(answer["created"], int)
    assert answer["choices"][0]["message"]["role"] == "assistant"
    assert isinstance(answer["choices"][0]["message"]["content"], str)
    assert answer["choices"][0]["finish_reason"] in {"length", "stop"}
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"]


def test_a_streamed_chat_completion(server: Server):
    """A role first, then content, a finish, the usage that was asked for without choices, and [DONE]."""
    response = server.chat(stream=True, stream_options={"include_usage": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    *chunks, usage, done = events(response.content)
    assert done == b"[DONE]"
    assert (usage["choices"], usage["usage"]["completion_tokens"] > 0) == ([], True)
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[0]["choices"][0]["delta"]["content"] == ""
    assert [one["choices"][0]["finish_reason"] for one in chunks][-1] in {"length", "stop"}
    assert len({one["id"] for one in chunks}) == 1
    assert {one["object"] for one in chunks} == {"chat.completion.chunk"}


def test_a_stream_without_usage(server: Server):
    """Nobody is told the usage who did not ask."""
    *chunks, done = events(server.chat(stream=True).content)
    assert done == b"[DONE]"
    assert all(one["choices"] and not one.get("usage") for one in chunks)


def test_two_choices_with_logprobs(server: Server):
    """n=2 gives two choices, each with the logprobs of its tokens."""
    answer = server.chat(n=2, logprobs=True, top_logprobs=1, temperature=1).json()
    assert [choice["index"] for choice in answer["choices"]] == [0, 1]
    for choice in answer["choices"]:
        token = choice["logprobs"]["content"][0]
        assert {"token", "logprob", "bytes", "top_logprobs"} <= token.keys()


TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["Rome"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
FORCED = {"type": "function", "function": {"name": "weather"}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("choice", "finish"), [(FORCED, "stop"), ("required", "tool_calls")])
def test_a_tool_call(server: Server, choice: Any, finish: str, stream: bool):  # noqa: FBT001 -- a pytest parameter
    """An id, the name once, arguments that are the schema's; and adapted it is OpenAI's whoever made it."""
    asked = {"tools": [TOOL], "tool_choice": choice, "max_tokens": 500, "temperature": 1, "seed": 1}
    body = server.chat(**asked, stream=stream).content
    shape = AnswerShape("chat", "gpt-4o", stream=stream, named_tool=choice == FORCED, tools=True)
    adapter = StreamAdapter(shape, Variant("vllm"))
    adapted = adapter.feed(body) + adapter.end() if stream else adapt_whole(body, shape, Variant("vllm"))
    assert isinstance(adapted, bytes)
    for found in (body, adapted):
        choices = [one["choices"][0] for one in events(found)[:-1]] if stream else [json.loads(found)["choices"][0]]
        turns = [one.get("delta") or one.get("message") or {} for one in choices]
        made = [(call.get("index", at), call) for turn in turns for at, call in enumerate(turn.get("tool_calls") or ())]
        calls = [call for index, call in made if index == 0]
        assert calls[0]["function"]["name"] == "weather"
        assert sum("name" in call["function"] for call in calls) == 1
        assert json.loads("".join(call["function"].get("arguments", "") for call in calls)) == {"city": "Rome"}
        assert choices[-1]["finish_reason"] == finish
        if found is adapted:
            assert calls[0]["id"].startswith("call_cf")
            assert "arguments" in calls[0]["function"]
            assert not any(turn.get("content") for turn in turns)


def test_a_legacy_completion(server: Server):
    """Text in choices, whole and streamed."""
    asked: dict[str, Any] = {"model": server.model, "prompt": "Once", "max_tokens": 5}
    answer = server.http.post("completions", json=asked).json()
    assert answer["object"] == "text_completion"
    assert isinstance(answer["choices"][0]["text"], str)
    *chunks, done = events(server.http.post("completions", json=asked | {"stream": True}).content)
    assert done == b"[DONE]"
    assert {one["object"] for one in chunks} == {"text_completion"}


def test_responses(server: Server):
    """Output items, whole; and named events, numbered from 0, streamed."""
    # Enough tokens, and always the same: a vLLM that has no whole character to show gives no output item at all.
    asked: dict[str, Any] = {"model": server.model, "input": "Hi", "store": False}
    asked |= {"max_output_tokens": 16, "temperature": 0}
    answer = server.http.post("responses", json=asked).json()
    assert answer["id"].startswith("resp_")
    assert answer["output"][0]["type"] == "message"
    found = [
        one for one in events(server.http.post("responses", json=asked | {"stream": True}).content) if one != b"[DONE]"
    ]
    assert [one["sequence_number"] for one in found] == list(range(len(found)))
    assert found[0]["type"] == "response.created"
    assert found[-1]["type"] in {"response.completed", "response.incomplete"}


def test_models(server: Server):
    """A list of model cards."""
    listed = server.http.get("models").json()
    assert listed["object"] == "list"
    assert server.model in {one["id"] for one in listed["data"]}


def test_problems(server: Server):
    """An unknown model is 404, junk is 400, both with an error object; vLLM's code is a number."""
    missing = server.chat(model="missing-1")
    assert missing.status_code == 404
    problem = missing.json()["error"]
    assert isinstance(problem["message"], str)
    assert isinstance(problem["code"], int) == server.vllm
    assert classify(404, missing.content) == CandidateFailure("failure", "not_found")
    junk = server.http.post("chat/completions", content=b"{", headers={"content-type": "application/json"})
    assert junk.status_code == 400
    assert "error" in junk.json()
    assert classify(400, junk.content) == CandidateFailure("capability", "invalid_request")


@pytest.mark.parametrize("include_usage", [False, True])
def test_the_answer_adapter_makes_them_alike(server: Server, include_usage: bool):  # noqa: FBT001 -- a pytest parameter
    """Whoever answered, the app is shown the same fields in the same places."""
    asked = AnswerShape("chat", "gpt-4o", stream=True, include_usage=include_usage)
    adapter = StreamAdapter(asked, Variant("vllm"))
    body = server.chat(stream=True, stream_options={"include_usage": True}).content
    *chunks, done = events(adapter.feed(body) + adapter.end())
    assert (done, adapter.failure, adapter.done) == (b"[DONE]", None, True)
    allowed = {"id", "object", "created", "model", "system_fingerprint", "choices", "obfuscation"}
    for one in chunks:
        assert one.keys() - {"usage"} <= allowed
        assert ("usage" in one) == include_usage
        assert one["model"] == "gpt-4o"
        for choice in one["choices"]:
            assert choice.keys() == {"index", "delta", "logprobs", "finish_reason"}
            assert choice["delta"].keys() <= {"role", "content", "refusal"}
    assert adapter.usage is not None
    whole = adapt_whole(server.chat().content, AnswerShape("chat", "gpt-4o"), Variant("vllm"))
    assert isinstance(whole, bytes)
    assert json.loads(whole)["choices"][0]["message"].keys() <= {"role", "content", "refusal", "annotations"}
