"""wire.md B5 and finding 6, line by line: a candidate's answer looks like the frontier's."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rewrite.answer import StreamAdapter, adapt_whole, is_empty
from gateway.rewrite.call_ids import own
from gateway.rewrite.problem import CandidateFailure
from gateway.rewrite.request import adapt_request
from gateway.rewrite.shapes import Adapted, AnswerShape
from policies.routing import Variant
from records.wire.assemble import read_stream

STUDENT = Variant("vllm", model="triage-7b")
CHAT = AnswerShape("chat", "gpt-4o", stream=True)
DONE = b"data: [DONE]\n\n"
EXTRAS = {"prompt_logprobs": None, "prompt_token_ids": None, "kv_transfer_params": None, "prompt_text": None}


def event(value: dict[str, Any], name: str = "") -> bytes:
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(value).encode() + b"\n\n"


def chunk(delta: dict[str, Any] | None = None, *, finish: str | None = None, **more: Any) -> bytes:
    """A chunk as vLLM's Python front end writes it."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "triage-7b", **EXTRAS}
    choice = {"index": more.pop("index", 0), "delta": delta or {}, "logprobs": None, "finish_reason": finish}
    return event(head | {"choices": [choice | {"token_ids": None, "stop_reason": None}]} | more)


USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "prompt_tokens_details": None}
USAGE_CHUNK = event({"id": "chatcmpl-1", "object": "x", "created": 7, "model": "t", "choices": [], "usage": USAGE})
ROLE = chunk({"role": "assistant", "content": ""})
STREAM = ROLE + chunk({"content": "Hé"}) + chunk({"content": "llo"}) + chunk({}, finish="stop") + USAGE_CHUNK + DONE


def read(out: bytes) -> list[Any]:
    """The events of an app's stream, each checked to be one line of data and a blank line."""
    found: list[Any] = []
    for block in out.decode().split("\n\n")[:-1]:
        data = (
            block.removeprefix(f"event: {block.partition(chr(10))[0][7:]}\n") if block.startswith("event:") else block
        )
        assert data.startswith("data: ")
        assert "\n" not in data
        found.append("[DONE]" if data == "data: [DONE]" else json.loads(data[6:]))
    return found


def run(stream: bytes, asked: AnswerShape = CHAT, variant: Variant = STUDENT) -> tuple[list[Any], StreamAdapter]:
    adapter = StreamAdapter(asked, variant)
    out = adapter.feed(stream) + adapter.end()
    return read(out), adapter


def whole(body: dict[str, Any], asked: AnswerShape | None = None, variant: Variant = STUDENT) -> Any:
    found = adapt_whole(json.dumps(body).encode(), asked or AnswerShape("chat", "gpt-4o"), variant)
    return found if isinstance(found, CandidateFailure) else json.loads(found)


def message(finish: str = "stop", **fields: Any) -> dict[str, Any]:
    """A whole answer as vLLM writes it."""
    turn = {"role": "assistant", "content": "Hi", "refusal": None, "annotations": None, "audio": None}
    turn |= {"function_call": None, "tool_calls": [], "reasoning": None, "reasoning_content": None} | fields
    choice = {
        "index": 0,
        "message": turn,
        "logprobs": None,
        "finish_reason": finish,
        "stop_reason": None,
        "token_ids": None,
    }
    head = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 7,
        "model": "triage-7b",
        "system_fingerprint": "vllm-x",
    }
    return head | {"choices": [choice], "usage": USAGE, "service_tier": None, **EXTRAS}


SAYS_HI = {"role": "assistant", "content": "hi"}


@pytest.mark.parametrize(
    ("choice", "surface", "is_answer"),
    [
        ({"message": {"content": "hi"}}, "chat", True),
        ({"message": SAYS_HI | {"role": None}}, "chat", True),
        ({"delta": SAYS_HI}, "chat", True),
        ({"message": None}, "chat", False),
        ({}, "chat", False),
        ({"text": "hi"}, "chat", False),
        ({"text": "hi"}, "completions", True),
        ({"message": SAYS_HI}, "completions", False),
    ],
)
def test_a_whole_answer_has_what_sdks_read(choice: dict[str, Any], surface: Any, *, is_answer: bool) -> None:
    """A message by the assistant, or a text; an answer without it is none, and the baseline's to give."""
    body = {"id": "x", "choices": [{"index": 0, "finish_reason": "stop"} | choice]}
    found = adapt_whole(json.dumps(body).encode(), AnswerShape(surface, "gpt-4o"), STUDENT)
    if not is_answer:
        assert found == CandidateFailure("failure", "empty")
        return
    assert isinstance(found, bytes)
    (told,) = json.loads(found)["choices"]
    said = told["message"] if surface == "chat" else {"role": "assistant", "content": told["text"]}
    assert {name: said[name] for name in SAYS_HI} == SAYS_HI


@pytest.mark.parametrize(
    "choices",
    [
        [{"delta": SAYS_HI}, {"finish_reason": "stop"}],
        [{"delta": SAYS_HI}, {"delta": None, "finish_reason": "stop"}],
        [{"message": SAYS_HI}, {"message": {}, "finish_reason": "stop"}],
        [{"message": SAYS_HI, "finish_reason": "stop"}],
    ],
)
def test_each_part_of_a_stream_has_a_delta(choices: list[dict[str, Any]]) -> None:
    """SDKs look into it without asking whether it is there; what a server calls `message` is one."""
    found, adapter = run(b"".join(event({"id": "x", "choices": [{"index": 0} | one]}) for one in choices) + DONE)

    parts = [choice for one in found[:-1] for choice in one["choices"]]
    assert "".join(part["delta"].get("content") or "" for part in parts) == "hi"
    assert (parts[0]["delta"]["role"], parts[-1]["finish_reason"]) == ("assistant", "stop")
    assert (adapter.done, adapter.failure) == (True, None)


def test_a_called_function_has_its_type() -> None:
    """Also where the engine leaves it out."""
    calls = [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]
    told = whole(message("tool_calls", tool_calls=calls))
    assert told["choices"][0]["message"]["tool_calls"][0]["type"] == "function"


@pytest.mark.parametrize("said", [None, [], [{"type": "url_citation"}]])
def test_a_whole_message_has_its_annotations(said: Any):
    """The frontier's message has `annotations: []`, which SDKs of typed languages want there; an engine's own stay."""
    body = message(annotations=said)
    assert whole(body)["choices"][0]["message"]["annotations"] == (said or [])
    del body["choices"][0]["message"]["annotations"]
    assert whole(body)["choices"][0]["message"]["annotations"] == []


CALL = {"id": "call_9", "type": "function", "function": {"name": "f", "arguments": "{}"}}


class TestHead:
    """Finding 6: what an engine says before it generates is kept back."""

    def test_nothing_is_shown_before_the_first_token(self):
        """A role-only chunk, however often, and comments are no answer: the baseline can still take over."""
        adapter = StreamAdapter(CHAT, STUDENT)
        assert adapter.feed(b": hello\n\n" + ROLE + ROLE + chunk({})) == b""
        assert not adapter.begun
        out = adapter.feed(chunk({"content": "x"}))
        assert adapter.begun
        assert [one["choices"][0]["delta"].get("content") for one in read(out)] == ["", "x"]

    @pytest.mark.parametrize(
        "first",
        [
            chunk({"content": "x"}),
            chunk({"tool_calls": [CALL | {"index": 0}]}),
            chunk({"reasoning": "hm"}),
            chunk({"reasoning_content": "hm"}),
            chunk({"refusal": "no"}),
            chunk({}, finish="stop"),
        ],
    )
    def test_the_first_token_may_be_of_any_kind(self, first: bytes):
        """Content, a tool call, reasoning, a refusal or an end: the engine has answered."""
        adapter = StreamAdapter(CHAT, STUDENT)
        adapter.feed(ROLE + first)
        assert adapter.begun

    @pytest.mark.parametrize(
        ("stream", "failure"),
        [
            (
                ROLE + event({"error": {"message": "EngineCore", "code": 500}}) + DONE,
                CandidateFailure("failure", "server_error"),
            ),
            (ROLE + chunk({}, finish="abort") + DONE, CandidateFailure("failure", "aborted")),
            (ROLE + chunk({}, finish="error") + DONE, CandidateFailure("failure", "aborted")),
            (ROLE + b"data: {oops\n\n", CandidateFailure("failure", "malformed")),
            (b"<html>", CandidateFailure("failure", "empty")),
            (ROLE + DONE, CandidateFailure("failure", "empty")),
            (ROLE, CandidateFailure("failure", "empty")),
            (b"", CandidateFailure("failure", "empty")),
        ],
    )
    def test_a_failure_before_the_first_token_shows_nothing(self, stream: bytes, failure: CandidateFailure):
        """An error event, an abort, junk or an early end is a failure, and the app has seen no byte."""
        events, adapter = run(stream)
        assert (events, adapter.failure, adapter.begun, adapter.done) == ([], failure, False, False)

    def test_a_head_without_end_is_a_failure(self):
        """A stream that goes on and on without a token is cut off."""
        adapter = StreamAdapter(AnswerShape("responses", "gpt-4o", stream=True), STUDENT)
        junk = event({"type": "response.in_progress", "response": {"instructions": "x" * 10_000}})
        for _ in range(200):
            assert adapter.feed(junk) == b""
        assert adapter.failure == CandidateFailure("failure", "empty")


class TestStream:
    """B5 in chunks."""

    def test_every_chunk_names_the_model_that_was_asked_for(self):
        """Line 50: one model name over the whole stream, the app's by default, the engine's if the policy says so."""
        events, _ = run(STREAM)
        assert {one["model"] for one in events[:-1]} == {"gpt-4o"}
        events, _ = run(STREAM, variant=Variant("vllm", report_model="actual"))
        assert {one["model"] for one in events[:-1]} == {"triage-7b"}

    def test_a_chunk_has_the_frontiers_fields_and_no_others(self):
        """Lines 51, 52, 55: ids stable, object named, null where OpenAI says null, nothing of the engine's."""
        events, _ = run(STREAM)
        for one in events[:-1]:
            assert list(one) == ["id", "object", "created", "model", "system_fingerprint", "choices"]
            assert (one["id"], one["object"], one["created"]) == ("chatcmpl-1", "chat.completion.chunk", 7)
            assert one["system_fingerprint"] is None
            assert list(one["choices"][0]) == ["index", "delta", "logprobs", "finish_reason"]
        assert [one["choices"][0]["finish_reason"] for one in events[:-1]] == [None, None, None, "stop"]

    def test_the_first_chunk_has_role_and_content(self):
        """Line 55: also where an engine leaves them out; later chunks do not repeat the role."""
        bare = chunk({"content": "x"}) + chunk({"role": "assistant", "content": "y"}) + chunk({}, finish="stop") + DONE
        deltas = [one["choices"][0]["delta"] for one in run(bare)[0][:-1]]
        assert deltas == [{"role": "assistant", "content": "x", "refusal": None}, {"content": "y"}, {}]
        assert run(STREAM)[0][0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}

    def test_usage_that_was_not_asked_for_is_taken_out(self):
        """Line 35: no chunk without choices, no usage field; the engine's count is still known to us."""
        events, adapter = run(STREAM)
        assert all(one["choices"] and "usage" not in one for one in events[:-1])
        assert adapter.usage is not None
        assert adapter.usage.total_tokens == 5

    @pytest.mark.parametrize("merged", [False, True])
    def test_usage_that_was_asked_for_comes_once_and_last(self, merged: bool):  # noqa: FBT001 -- a pytest parameter
        """Line 35, 55: null in each chunk, then one chunk with it and no choices, even if the engine merged it."""
        stream = STREAM.replace(USAGE_CHUNK, b"")
        stream = stream.replace(chunk({}, finish="stop"), chunk({}, finish="stop", usage=USAGE)) if merged else STREAM
        events, _ = run(stream, AnswerShape("chat", "gpt-4o", stream=True, include_usage=True))
        assert [one["usage"] for one in events[:-2]] == [None] * 4
        assert (events[-2]["choices"], events[-2]["usage"]["total_tokens"], events[-1]) == ([], 5, "[DONE]")

    @pytest.mark.parametrize("end", [DONE, DONE + DONE, b""])
    def test_there_is_exactly_one_done(self, end: bytes):
        """B32: one `[DONE]`, also where the engine says it twice or, after a finish, not at all."""
        events, adapter = run(ROLE + chunk({"content": "x"}) + chunk({}, finish="stop") + end)
        assert events.count("[DONE]") == 1
        assert events[-1] == "[DONE]"
        assert adapter.done

    def test_nothing_follows_the_end(self):
        """What an engine says after `[DONE]` is not the app's."""
        events, adapter = run(STREAM + chunk({"content": "ghost"}))
        assert "ghost" not in json.dumps(events)
        assert adapter.failure is None

    @pytest.mark.parametrize(
        ("tail", "failure"),
        [
            (b"", CandidateFailure("failure", "truncated")),
            (DONE, CandidateFailure("failure", "truncated")),
            (event({"error": {"message": "x", "code": 500}}) + DONE, CandidateFailure("failure", "server_error")),
            (chunk({}, finish="abort") + DONE, CandidateFailure("failure", "aborted")),
            (b'data: {"id": \n\n', CandidateFailure("failure", "malformed")),
        ],
    )
    def test_a_begun_answer_that_breaks_is_never_ended_cleanly(self, tail: bytes, failure: CandidateFailure):
        """Finding 5, line 54: what came before is shown, then an error event, and no `[DONE]`."""
        events, adapter = run(ROLE + chunk({"content": "x"}) + tail)
        assert [one["choices"][0]["delta"]["content"] for one in events] == ["", "x"]
        assert (adapter.failure, adapter.done) == (failure, False)
        (broken,) = read(adapter.broken())
        assert broken["error"]["code"] == "upstream_broken"
        assert isinstance(broken["error"]["message"], str)

    def test_reasoning_is_not_shown(self):
        """Line 53: chunks that only reason are left out; the answer follows."""
        thinking = chunk({"reasoning": "hm"}) + chunk({"reasoning_content": "hm"})
        events, _ = run(ROLE + thinking + chunk({"content": "x"}) + chunk({}, finish="stop") + DONE)
        assert len(events) == 4
        assert "hm" not in json.dumps(events)

    @pytest.mark.parametrize(("reason", "shown"), [("repetition", "length"), ("length", "length"), ("stop", "stop")])
    def test_finish_reasons_are_openais(self, reason: str, shown: str):
        """Line 54: a reason that OpenAI does not have becomes one that it has."""
        events, _ = run(ROLE + chunk({"content": "x"}, finish=reason) + DONE)
        assert events[-2]["choices"][0]["finish_reason"] == shown

    def test_blank_content_before_tool_calls_is_left_out(self):
        """Line 56: the newline that templates leave before a tool call is nothing an app should show."""
        asked = AnswerShape("chat", "gpt-4o", stream=True, tools=True)
        calls = chunk({"tool_calls": [CALL | {"index": 0}]}) + chunk({"content": "\n"})
        events, _ = run(ROLE + chunk({"content": "\n"}) + calls + chunk({}, finish="tool_calls") + DONE, asked)
        assert [one["choices"][0]["delta"].get("content", "-") for one in events[:-1]] == [None, "-"]
        assert events[0]["choices"][0]["delta"]["role"] == "assistant"
        events, _ = run(
            ROLE + chunk({"content": "\n"}) + chunk({"content": "x"}) + chunk({}, finish="stop") + DONE, asked
        )
        assert "".join(one["choices"][0]["delta"].get("content", "") for one in events[:-1]) == "\nx"

    def test_blank_content_alone_leaves_the_baseline_able_to_take_over(self):
        """Content that is kept back is no first token: the app has seen nothing of it."""
        adapter = StreamAdapter(AnswerShape("chat", "gpt-4o", stream=True, tools=True), STUDENT)
        assert adapter.feed(ROLE + chunk({"content": "\n"})) == b""
        assert not adapter.begun
        out = adapter.feed(chunk({}, finish="stop") + DONE)
        assert [one["choices"][0]["delta"].get("content") for one in read(out)[:-1]] == ["\n", None]

    def test_calls_without_ids_get_one_each(self):
        """What begins without an id is named once, for the app's result to name it; a later id is no second name."""
        named = {"type": "function", "function": {"name": "f", "arguments": ""}}
        pieces = [
            {"index": 0, **named}, {"index": 0, "function": {"arguments": "{"}},
            {"index": 0, "id": "call_late", "function": {"arguments": "}"}}, {"index": 1, "id": "", **named},
        ]  # fmt: skip
        stream = b"".join(chunk({"tool_calls": [piece]}) for piece in pieces) + chunk(finish="tool_calls") + DONE
        events, _ = run(stream)
        calls = [call for event in events[:-1] for call in event["choices"][0]["delta"].get("tool_calls", ())]
        ids = [call.get("id") for call in calls]
        assert ids[1:3] == [None, None]
        assert len({ids[0], ids[3]}) == 2
        assert all(found.startswith("call_cfn") and len(found) <= 40 and own(found, "f") == found for found in ids[::3])
        again, _ = run(stream.replace(b"chatcmpl-1", b"chatcmpl-2"))
        assert again[0]["choices"][0]["delta"]["tool_calls"][0]["id"] != ids[0]

    def test_what_a_call_is_called_is_said_once(self):
        """Triton's forced calls repeat the name, others the id and the type: an SDK would add them up."""
        repeats = {"index": 0, "id": "call_a", "type": "function"}
        for head in (repeats, {"index": 0}):
            pieces = [head | {"function": {"name": "f", "arguments": part}} for part in ('{"a"', ":", "1}")]
            stream = b"".join(chunk({"tool_calls": [piece]}) for piece in pieces) + chunk(finish="tool_calls") + DONE
            events, _ = run(stream)
            calls = [call for event in events[:-1] for call in event["choices"][0]["delta"].get("tool_calls", ())]
            assert [(call.get("type"), call["function"].get("name")) for call in calls] == [
                ("function", "f"), (None, None), (None, None),
            ]  # fmt: skip
            assert ["id" in call for call in calls] == [True, False, False]
            assert "".join(call["function"]["arguments"] for call in calls) == '{"a":1}'

    def test_another_name_at_the_same_index_is_another_call(self):
        """Without ids, as the records read it: two calls, not one with both arguments."""
        pieces = [{"index": 0, "function": {"name": name, "arguments": "{}"}} for name in ("f", "g")]
        stream = b"".join(chunk({"tool_calls": [piece]}) for piece in pieces) + chunk(finish="tool_calls") + DONE
        events, _ = run(stream)
        calls = [call for event in events[:-1] for call in event["choices"][0]["delta"].get("tool_calls", ())]
        assert [(call["index"], call["function"]["name"]) for call in calls] == [(0, "f"), (1, "g")]
        assert calls[0]["id"] != calls[1]["id"]

    def test_whole_calls_without_ids_get_one_each(self):
        """The same of an answer in one piece."""
        bare = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
        (choice,) = whole(message("tool_calls", content=None, tool_calls=[bare, CALL, bare | {"id": None}]))["choices"]
        ids = [call["id"] for call in choice["message"]["tool_calls"]]
        assert ids[1] == "call_cfp9"
        assert len(set(ids)) == 3
        assert ids[0].startswith("call_cfn")

    def test_parallel_tool_calls_keep_index_and_order_and_get_signed_ids(self):
        """Lines 38, 57: id and name once, arguments in fragments by index; the id says who made the call."""
        first = {"index": 0, "id": "call_a", "type": "function", "function": {"name": "f"}}
        second = {
            "index": 1,
            "id": "chatcmpl-tool-" + "b" * 32,
            "type": "function",
            "function": {"name": "g", "arguments": "{}"},
        }
        rest = {"index": 0, "id": None, "type": None, "function": {"name": None, "arguments": "{}"}}
        stream = b"".join(chunk({"content": None, "tool_calls": [call]}) for call in (first, second, rest))
        events, _ = run(ROLE + stream + chunk({}, finish="stop") + DONE)
        calls = [one["choices"][0]["delta"]["tool_calls"][0] for one in events[1:4]]
        assert calls[0] == {
            "index": 0,
            "id": "call_cfpa",
            "type": "function",
            "function": {"name": "f", "arguments": ""},
        }
        assert all("content" not in one["choices"][0]["delta"] for one in events[1:4])
        assert calls[1]["id"] == "call_cft" + "b" * 32
        assert calls[2] == {"index": 0, "function": {"arguments": "{}"}}
        assert events[-2]["choices"][0]["finish_reason"] == "tool_calls"

    def test_ids_are_no_longer_than_openai_takes(self):
        """Line 57: a conversation may go back to the frontier, which refuses ids of more than 40 characters."""
        (choice,) = whole(message(tool_calls=[CALL | {"id": "x" * 60 + "end"}]))["choices"]
        made = choice["message"]["tool_calls"][0]["id"]
        assert len(made) == 40
        assert made.endswith("end")

    def test_a_forced_function_ends_with_stop(self):
        """Line 57: OpenAI says stop where the app forced one function."""
        asked = AnswerShape("chat", "gpt-4o", stream=True, named_tool=True, tools=True)
        events, _ = run(
            ROLE + chunk({"tool_calls": [CALL | {"index": 0}]}) + chunk({}, finish="tool_calls") + DONE, asked
        )
        assert events[-2]["choices"][0]["finish_reason"] == "stop"

    def test_choices_of_one_stream_are_kept_apart(self):
        """B39: each of n answers has its own first chunk, finish and end; one that lacks its end breaks the stream."""
        both = chunk({"content": "a"}) + chunk({"content": "b"}, index=1) + chunk({}, finish="stop")
        asked = AnswerShape("chat", "gpt-4o", stream=True, n=2)
        events, adapter = run(both + chunk({}, finish="length", index=1) + DONE, asked)
        assert [one["choices"][0]["index"] for one in events[:-1]] == [0, 1, 0, 1]
        assert [one["choices"][0]["delta"].get("role") for one in events[:2]] == ["assistant", "assistant"]
        assert adapter.done
        assert run(both + DONE, asked)[1].failure == CandidateFailure("failure", "truncated")

    def test_a_tier_is_echoed_when_it_was_asked_for(self):
        """Line 59: "default" in each chunk, and no tier where none was asked for."""
        events, _ = run(STREAM, AnswerShape("chat", "gpt-4o", stream=True, service_tier=True))
        assert {one["service_tier"] for one in events[:-1]} == {"default"}

    def test_logprobs_pass_as_they_are(self):
        """Line 59: the engine's logprobs have OpenAI's form already."""
        logprobs = {"content": [{"token": "x", "logprob": -0.1, "bytes": [120], "top_logprobs": []}]}
        stream = ROLE + chunk({"content": "x"}).replace(
            b'"logprobs": null', b'"logprobs": ' + json.dumps(logprobs).encode()
        )
        events, _ = run(stream + chunk({}, finish="stop") + DONE)
        assert events[1]["choices"][0]["logprobs"] == logprobs

    def test_legacy_completions_have_their_own_shape(self):
        """Line 51: text_completion, cmpl-, text in each choice."""
        head = {"id": "x1", "object": "text_completion", "created": 7, "model": "t"}
        parts = [{"index": 0, "text": "a", "finish_reason": None}, {"index": 0, "text": "", "finish_reason": "stop"}]
        stream = b"".join(event(head | {"choices": [part | {"prompt_logprobs": None}]}) for part in parts) + DONE
        events, adapter = run(stream, AnswerShape("completions", "davinci", stream=True))
        assert [one["choices"][0]["text"] for one in events[:-1]] == ["a", ""]
        assert {(one["id"], one["object"], one["model"]) for one in events[:-1]} == {
            ("cmpl-x1", "text_completion", "davinci")
        }
        assert adapter.done

    @given(st.lists(st.integers(0, len(STREAM) * 2), max_size=40))
    def test_chunk_boundaries_change_nothing(self, cuts: list[int]):
        """B29: any split of the bytes, mid UTF-8 and mid line, gives the app the same bytes."""
        stream = STREAM.replace(b'"H\\u00e9"', '"Hé"'.encode()).replace(b"\n", b"\r\n", 2)
        expected = StreamAdapter(CHAT, STUDENT).feed(stream)
        adapter = StreamAdapter(CHAT, STUDENT)
        edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
        out = b"".join(adapter.feed(stream[a:b]) for a, b in pairwise(edges))
        assert out + adapter.end() == expected
        assert adapter.done


class TestWhole:
    """B5 in one piece."""

    def test_the_engines_fields_are_gone(self):
        """Lines 50 to 53: the app's model, OpenAI's fields, no reasoning, no fingerprint of the engine."""
        found = whole(message(reasoning="hm", reasoning_content="hm"))
        assert found["model"] == "gpt-4o"
        assert found["system_fingerprint"] is None
        assert found["choices"] == [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi", "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ]
        assert not found.keys() & (EXTRAS.keys() | {"service_tier", "error"})

    def test_usage_has_the_details_that_apps_read(self):
        """Line 58: what an engine does not report is zero; what it reports stays."""
        usage = whole(message())["usage"]
        assert usage["prompt_tokens_details"] == {"cached_tokens": 0, "audio_tokens": 0}
        assert usage["completion_tokens_details"]["reasoning_tokens"] == 0
        body = message()
        body["usage"] = USAGE | {"prompt_tokens_details": {"cached_tokens": 2}}
        assert whole(body)["usage"]["prompt_tokens_details"] == {"cached_tokens": 2}

    @pytest.mark.parametrize("content", ["\n", "", None])
    def test_blank_content_beside_tool_calls_is_null(self, content: str | None):
        """Line 56: OpenAI's content is null beside tool calls; ids are signed, the finish says tool_calls."""
        (choice,) = whole(message(content=content, tool_calls=[CALL]))["choices"]
        assert choice["message"]["content"] is None
        assert choice["message"]["tool_calls"] == [CALL | {"id": "call_cfp9"}]
        assert choice["finish_reason"] == "tool_calls"

    def test_spoken_content_beside_tool_calls_stays(self):
        """Line 56 is about blanks only."""
        assert (
            whole(message(content="Let me see", tool_calls=[CALL]))["choices"][0]["message"]["content"] == "Let me see"
        )

    @pytest.mark.parametrize("finish", ["abort", "error"])
    def test_an_aborted_answer_is_a_failure(self, finish: str):
        """Line 54: the baseline answers instead."""
        assert whole(message(finish)) == CandidateFailure("failure", "aborted")

    def test_what_is_no_answer_is_a_failure(self):
        """Errors in a 200, empty answers and junk are the candidate's failures, whatever the surface."""
        assert whole({"error": {"message": "x", "code": 500}}) == CandidateFailure("failure", "server_error")
        assert whole({"choices": []}) == CandidateFailure("failure", "empty")
        assert adapt_whole(b"<html>", CHAT, STUDENT) == CandidateFailure("failure", "malformed")
        error = {"error": {"message": "x", "code": 500}}
        assert whole(error, AnswerShape("responses", "m")) == CandidateFailure("failure", "server_error")
        for junk in (b"[]", b'{"choices":' + b"[" * 5000, b'{"model":"\xff'):
            for surface in ("chat", "responses"):
                assert adapt_whole(junk, AnswerShape(surface, "m"), STUDENT) == CandidateFailure("failure", "malformed")


ASKED = AnswerShape("responses", "gpt-4o", stream=True, service_tier=True)
ITEM: dict[str, Any] = {"type": "function_call", "id": "fc_1", "call_id": "call_9", "name": "f", "arguments": "{}"}
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "model": "triage-7b",
    "status": "completed",
    "output": [ITEM],
    "metrics": None,
}


class TestResponses:
    """B40 and A2: named events, numbered, ended by their own kind of end."""

    def stream(self) -> list[bytes]:
        steps = [
            ("response.created", {"response": RESPONSE | {"output": []}}),
            ("response.in_progress", {"response": RESPONSE | {"output": []}}),
            ("response.output_item.added", {"item": ITEM}),
            ("response.function_call_arguments.delta", {"delta": "{}", "item_id": "fc_1"}),
            ("response.output_item.done", {"item": ITEM}),
            ("response.completed", {"response": RESPONSE}),
        ]
        return [event({"type": kind, "sequence_number": n} | rest, kind) for n, (kind, rest) in enumerate(steps)]

    def test_names_order_and_numbers_are_untouched(self):
        """Line 40: each event keeps its name and number; deltas keep their bytes; there is no [DONE]."""
        steps = self.stream()
        adapter = StreamAdapter(ASKED, STUDENT)
        assert adapter.feed(b"".join(steps[:3])) == b""
        out = adapter.feed(b"".join(steps[3:]) + DONE)
        events = read(out)
        assert [one["sequence_number"] for one in events] == list(range(6))
        assert steps[3] in out
        assert out.count(b"event: response.completed\n") == 1
        assert (adapter.done, adapter.end(), adapter.failure) == (True, b"", None)

    def test_model_tier_and_call_ids_are_the_apps(self):
        """Lines 50, 57, 59: wherever a response or a tool call is carried, it looks like the frontier's."""
        adapter = StreamAdapter(ASKED, STUDENT)
        events = read(adapter.feed(b"".join(self.stream())))
        assert {events[0]["response"]["model"], events[-1]["response"]["model"]} == {"gpt-4o"}
        assert events[-1]["response"]["service_tier"] == "default"
        assert "metrics" not in events[-1]["response"]
        ids = {
            events[2]["item"]["call_id"],
            events[4]["item"]["call_id"],
            events[-1]["response"]["output"][0]["call_id"],
        }
        assert ids == {"call_cfp9"}
        found = whole(RESPONSE, AnswerShape("responses", "gpt-4o"))
        assert (found["model"], found["output"][0]["call_id"]) == ("gpt-4o", "call_cfp9")

    def test_what_the_candidate_was_not_sent_is_echoed(self):
        """A response repeats its request: metadata and the like come back although the candidate never had them."""
        request = b'{"model":"gpt-4o","input":"x","metadata":{"a":"b"},"user":"u","prompt_cache_key":"k"}'
        adapted = adapt_request(request, "/v1/responses", STUDENT, kind="vllm")
        assert isinstance(adapted, Adapted)
        assert b"metadata" not in adapted.body
        found = whole(RESPONSE, adapted.asked)
        assert (found["metadata"], found["user"], found["safety_identifier"]) == ({"a": "b"}, "u", None)

    @pytest.mark.parametrize("said", [None, "Answer in rhymes."])
    def test_a_prompt_that_is_tried_is_not_shown_to_apps(self, said: str | None):
        """A candidate's own prompt takes the place of the instructions on its way there, and never on its way back."""
        request = {"model": "gpt-4o", "input": "x"} | ({} if said is None else {"instructions": said})
        tried = Variant("openai", model="gpt-4o", system_prompt="Our best prompt.")
        adapted = adapt_request(json.dumps(request).encode(), "/v1/responses", tried, kind="openai")
        assert isinstance(adapted, Adapted)
        answered = RESPONSE | {"instructions": json.loads(adapted.body)["instructions"]}
        assert answered["instructions"] == "Our best prompt."
        assert whole(answered, adapted.asked)["instructions"] == said

    def test_a_signed_id_is_signed_again(self):
        """A candidate that is itself behind a gateway gets its own ids back: each gateway undoes its own signature."""
        found = whole(RESPONSE | {"output": [ITEM | {"call_id": "call_cfp9"}]}, AnswerShape("responses", "gpt-4o"))
        given = found["output"][0]["call_id"]
        assert (given, own(given, "f")) == ("call_cfpcfp9", "call_cfp9")

    @pytest.mark.parametrize("kind", ["response.failed", "error"])
    def test_a_failed_response_is_a_failure(self, kind: str):
        """Before the first token the baseline takes over; after it, one error event with the next number."""
        steps = self.stream()
        failed = event({"type": kind, "sequence_number": 9, "error": {"message": "x", "code": 500}}, kind)
        adapter = StreamAdapter(ASKED, STUDENT)
        assert adapter.feed(steps[0] + failed) == b""
        assert (adapter.failure, adapter.begun) == (CandidateFailure("failure", "server_error"), False)
        adapter = StreamAdapter(ASKED, STUDENT)
        adapter.feed(b"".join(steps[:4]) + failed)
        assert (adapter.failure is not None, adapter.begun) == (True, True)
        (broken,) = read(adapter.broken())
        assert (broken["type"], broken["sequence_number"], broken["code"]) == ("error", 4, "upstream_broken")

    def test_an_early_end_is_a_failure(self):
        """A response without its end is truncated; one that never began is empty."""
        for count, reason in ((4, "truncated"), (2, "empty")):
            adapter = StreamAdapter(ASKED, STUDENT)
            adapter.feed(b"".join(self.stream()[:count]))
            adapter.end()
            assert adapter.failure == CandidateFailure("failure", reason)

    def test_a_failed_whole_response_is_a_failure(self):
        """A 200 whose status says failed is the baseline's to answer."""
        failed = RESPONSE | {"status": "failed", "error": {"code": "server_error", "message": "x"}}
        assert whole(failed, AnswerShape("responses", "gpt-4o")) == CandidateFailure("failure", "error_event")


SAID = {"role": "assistant", "content": "Hi"}
ENDS = chunk({}, finish="stop") + DONE
ASKS_USAGE = AnswerShape("chat", "gpt-4o", stream=True, include_usage=True)


@pytest.mark.parametrize(
    "stream",
    [
        chunk(SAID, error="") + ENDS,
        chunk(SAID, error={"message": "", "code": None}) + ENDS,
        chunk(SAID | {"function_call": {"name": "", "arguments": ""}, "audio": {}}) + ENDS,
        chunk(SAID, finish="null") + ENDS,
        chunk({}, finish="FINISH_REASON_STOP").join((chunk(SAID), DONE)),
        chunk(SAID) + b"data: null\n\ndata: []\n\ndata: {}\n\n" + ENDS,
        chunk(SAID) + chunk({}, finish="stop") + b"data:  [done] \n\n",
        chunk({"role": "assistant", "content": {"type": "text", "text": "Hi"}}) + ENDS,
        chunk(SAID) + ENDS.replace(b'"delta": {}', b'"delta": {}, "message": {"role": "assistant", "content": "Hi"}'),
    ],
    ids=[
        "empty error", "error of nothing", "empty call", "null as text", "enumeration", "empty events", "done", "part",
        "message beside deltas",
    ],
)  # fmt: skip
def test_what_says_nothing_is_nothing(stream: bytes):
    """A good answer is no failure for an empty field, event or word in it; and the app sees none of them."""
    found, adapter = run(stream)
    assert (adapter.failure, adapter.done, found[-1]) == (None, True, "[DONE]")
    assert "".join(one["choices"][0]["delta"].get("content") or "" for one in found[:-1]) == "Hi"
    assert [one["choices"][0]["finish_reason"] for one in found[:-1]] == [None] * (len(found) - 2) + ["stop"]
    shown = {name for one in found[:-1] for name in (*one, *one["choices"][0], *one["choices"][0]["delta"])}
    assert not shown & {"error", "function_call", "audio", "message"}


@pytest.mark.parametrize(
    "error", [b'{"message": 1e999}', b'"\\ud83d"', b"[" * 20_000 + b"]" * 20_000, b'{"a": ' * 900 + b"0" + b"}" * 900]
)
def test_an_error_that_cannot_be_read_is_one(error: bytes):
    """In an event, in a whole answer, in a Response: a number beyond all bounds, half a character, endless depth."""
    adapter = StreamAdapter(CHAT, STUDENT)
    adapter.feed(ROLE + b'data: {"error": ' + error + b"}\n\n")
    assert adapter.failure is not None
    for surface in ("chat", "responses"):
        body = (
            b'{"id": "r", "object": "x", "status": "completed", "choices": [], "output": [], "error": ' + error + b"}"
        )
        assert isinstance(adapt_whole(body, AnswerShape(surface, "gpt-4o"), STUDENT), CandidateFailure)


NO_COUNTS: tuple[Any, ...] = (
    {}, {"prompt_tokens": 10}, {"total_tokens": 9}, [USAGE], USAGE | {"prompt_tokens": -1},
    dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), 0),
)  # fmt: skip


@pytest.mark.parametrize("given", NO_COUNTS, ids=str)
def test_a_count_that_is_none_is_not_0(given: Any):
    """What an engine does not know is not told as 0, and takes nothing from what it said before."""
    _, adapter = run(chunk(SAID, usage=given) + ENDS, ASKS_USAGE)
    assert (adapter.failure, adapter.usage) == (None, None)
    found, adapter = run(chunk(SAID, usage=USAGE) + chunk({}, finish="stop", usage=given) + DONE, ASKS_USAGE)
    assert adapter.usage is not None
    assert (adapter.usage.total_tokens, found[-2]["usage"]["total_tokens"]) == (5, 5)
    assert whole(message() | {"usage": given}).get("usage") is None


@pytest.mark.parametrize(
    ("given", "details"),
    [
        ({"usage": USAGE | {"prompt_cache_hit_tokens": 2}}, (3, 2, 2, 0)),
        ({"usage": USAGE | {"cached_tokens": 1, "reasoning_tokens": 1}}, (3, 2, 1, 1)),
        ({"x_groq": {"id": "r", "usage": USAGE}}, (3, 2, 0, 0)),
        ({"metadata": None, "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}}, (3, 2, 0, 0)),
    ],
    ids=["DeepSeek", "Kimi and SGLang", "Groq", "Bedrock"],
)
def test_counts_in_other_words_are_told_in_openais(given: dict[str, Any], details: tuple[int, ...]):
    """Where the candidate is another provider's, its counts are read as the records read them."""
    found, adapter = run(chunk(SAID) + chunk({}, finish="stop", **given) + DONE, ASKS_USAGE)
    used = found[-2]["usage"]
    assert adapter.usage is not None
    cached, thought = used["prompt_tokens_details"], used["completion_tokens_details"]
    told = (used["prompt_tokens"], used["completion_tokens"], cached["cached_tokens"], thought["reasoning_tokens"])
    assert (told, set(used)) == (details, {*USAGE, "completion_tokens_details"})


def test_a_count_in_a_choice_is_the_answers():
    """Kimi's last choice has the usage; the app's choice has none."""
    last = chunk({}, finish="stop").replace(
        b'"stop_reason"', b'"usage": %b, "stop_reason"' % json.dumps(USAGE).encode()
    )
    found, _ = run(chunk(SAID) + last + DONE, ASKS_USAGE)
    assert found[-2]["usage"]["total_tokens"] == 5
    assert "usage" not in found[-3]["choices"][0]


@pytest.mark.parametrize("index", [{"index": 0}, {}, {"index": "0"}], ids=str)
def test_a_calls_pieces_under_other_ids_are_one_call(index: dict[str, Any]):
    """Arguments without a name are no call by themselves; the app is told the first id alone."""
    first = {"id": "chatcmpl-tool-1", "type": "function", "function": {"name": "f", "arguments": '{"a"'}} | index
    then = {"id": "chatcmpl-tool-2", "type": "function", "function": {"arguments": ":1}"}} | index
    stream = chunk({"tool_calls": [first]}) + chunk({"tool_calls": then}) + chunk({}, finish="tool_calls") + DONE
    found, _ = run(stream, AnswerShape("chat", "gpt-4o", stream=True, tools=True))
    calls = [call for one in found[:-1] for call in one["choices"][0]["delta"].get("tool_calls", ())]
    assert [(call["index"], call.get("id"), call["function"]["arguments"]) for call in calls] == [
        (0, "call_cft1", '{"a"'),
        (0, None, ":1}"),
    ]


RESPONDED = {"id": "r", "status": "completed", "output": [], "error": None}


@pytest.mark.parametrize(
    "stream",
    [
        event({"type": "response.created", "response": RESPONDED}) + event({"type": "keepalive", "sequence_number": 1}),
        event({"type": "response.created", "response": RESPONDED}) + event({"type": "ping"}, "ping"),
    ],
    ids=["keepalive", "ping"],
)
def test_a_sign_of_life_is_no_token(stream: bytes):
    """Until a response says something the baseline may still answer."""
    adapter = StreamAdapter(AnswerShape("responses", "gpt-4o", stream=True), STUDENT)
    assert adapter.feed(stream) == b""
    assert adapter.end() == b""
    assert (adapter.begun, adapter.failure) == (False, CandidateFailure("failure", "empty"))


@pytest.mark.parametrize("given", [1, 2])
def test_as_many_answers_as_were_asked_for(given: int):
    """An engine that knows no `n` gives one: whole, the baseline is asked instead; of a stream the rest is missing."""
    turn = {"role": "assistant", "content": "Hi"}
    choices = [{"index": place, "message": turn, "finish_reason": "stop"} for place in range(given)]
    found = whole({"choices": choices}, AnswerShape("chat", "gpt-4o", n=2))
    assert isinstance(found, CandidateFailure) == (given < 2)

    parts = [chunk({"content": "Hi"}, finish="stop", index=place) for place in range(given)]
    _, adapter = run(b"".join(parts) + DONE, AnswerShape("chat", "gpt-4o", stream=True, n=2))
    assert (adapter.failure is not None) == (given < 2)
    assert adapter.is_said == (given >= 2)


@pytest.mark.parametrize("again", [{}, {"id": "a"}], ids=["id once", "id in each"])
def test_a_name_in_pieces_is_one_name(again: dict[str, Any]):
    """SDKs add up what comes of a name before its arguments: app and record have the same call, and one alone."""
    pieces = [
        {"index": 0, "id": "a", "type": "function", "function": {"name": "get_", "arguments": ""}},
        {"index": 0, **again, "function": {"name": "weather", "arguments": ""}},
        {"index": 0, **again, "function": {"arguments": '{"city":'}},
        {"index": 0, **again, "function": {"arguments": '"Bonn"}'}},
    ]
    stream = b"".join(chunk({"tool_calls": [piece]}) for piece in pieces) + chunk({}, finish="tool_calls") + DONE
    found, _ = run(stream, AnswerShape("chat", "gpt-4o", stream=True, tools=True))
    told = [call for one in found[:-1] for call in one["choices"][0]["delta"].get("tool_calls") or ()]
    assert {call["index"] for call in told} == {0}
    assert "".join(call["function"].get("name") or "" for call in told) == "get_weather"
    (kept,) = json.loads(read_stream("chat", stream).body)["choices"][0]["message"]["tool_calls"]
    assert kept["function"] == {"name": "get_weather", "arguments": '{"city":"Bonn"}'}


def test_what_is_kept_back_of_one_choice_is_no_others():
    """Several choices in one event: a tool call of the first takes back its blanks, and no word of the second."""
    both = event({"choices": [{"index": 0, "delta": {"content": " "}}, {"index": 1, "delta": {"content": "Hi"}}]})
    call = chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]})
    ends = chunk({}, finish="tool_calls") + chunk({}, finish="stop", index=1)
    found, adapter = run(both + call + ends + DONE, AnswerShape("chat", "gpt-4o", stream=True, tools=True, n=2))
    assert adapter.failure is None
    said = [one["choices"][0] for one in found if one != "[DONE]"]
    words = {
        place: "".join(one["delta"].get("content") or "" for one in said if one["index"] == place) for place in (0, 1)
    }
    assert words == {0: "", 1: "Hi"}


@pytest.mark.parametrize(("output", "silent"), [([], True), ([ITEM], False)])
def test_a_response_with_nothing_in_it(output: list[Any], *, silent: bool):
    """Whole or in events: no item, or no event of one, is nothing said."""
    asked = AnswerShape("responses", "gpt-4o", stream=True)
    whole_one = adapt_whole(json.dumps(RESPONDED | {"output": output}).encode(), asked, STUDENT)
    assert isinstance(whole_one, bytes)
    assert is_empty(whole_one, asked) is silent
    items = [event({"type": "response.output_item.done", "item": item}) for item in output]
    end = event({"type": "response.completed", "response": RESPONDED | {"output": output}})
    _, adapter = run(b"".join(items) + end, asked)
    assert (adapter.done, adapter.is_empty) == (True, silent)


def test_an_odd_response_is_a_response():
    """An error of nothing, an output of null, and types that only the events' names tell."""
    odd = RESPONDED | {"error": {}, "output": None}
    asked = AnswerShape("responses", "gpt-4o", stream=True)
    stream = event({"delta": "Hi"}, "response.output_text.delta") + event({"response": odd}, "response.completed")
    found, adapter = run(stream + b"data: null\n\n", asked)
    assert (adapter.failure, adapter.done) == (None, True)
    assert [one["type"] for one in found] == ["response.output_text.delta", "response.completed"]
    assert (found[-1]["response"]["error"], found[-1]["response"]["output"]) == (None, [])
    told = adapt_whole(json.dumps(RESPONDED | {"error": {}}).encode(), AnswerShape("responses", "gpt-4o"), STUDENT)
    assert isinstance(told, bytes)


@pytest.mark.parametrize(
    ("surface", "pieces", "said_bytes"),
    [
        ("chat", [chunk({"content": "Hello"}), chunk({"content": " you"})], 9),
        ("chat", [chunk({"content": "\u4f60\u597d"})], 6),
        ("chat", [chunk({"reasoning": "hm"}), chunk({"reasoning_content": "hm", "content": "Hi"})], 4),
        ("chat", [chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]})], 2),
        ("chat", [chunk({"refusal": "no"})], 2),
        ("chat", [chunk({"audio": {"data": "QUJD"}})], len('{"data": "QUJD"}')),
        ("completions", [event({"id": "a", "created": 7, "choices": [{"index": 0, "text": "Hello"}]})], 5),
        ("responses", [event({"type": "response.output_text.delta", "delta": "Hello"})], len('"Hello"')),
        ("responses", [event({"type": "response.reasoning_text.delta", "delta": "hm"})], len('"hm"')),
    ],
)
def test_how_much_a_stream_says(surface: Any, pieces: list[bytes], said_bytes: int):
    """Words, thoughts and calls, whether the app is shown them or not; what they are wrapped in says nothing."""
    adapter = StreamAdapter(AnswerShape(surface, "gpt-4o", stream=True), STUDENT)
    for piece in pieces:
        adapter.feed(piece)
    assert adapter.failure is None
    assert adapter.said_bytes == said_bytes
