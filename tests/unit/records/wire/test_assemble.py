"""Whole answers, out of streams as real upstreams send them."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from records.wire.assemble import Answer, read_body, read_stream, surface_of
from records.wire.problem import ErrorObject
from records.wire.usage import Usage


def stream(*chunks: object, done: bool = True) -> bytes:
    events = [b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks]
    return b"".join(events) + (b"data: [DONE]\n\n" if done else b"")


def chunk(*choices: object, **fields: object) -> dict[str, object]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 7,
        "model": "gpt-4o-2024-11-20",
        "system_fingerprint": "fp_1",
        "choices": list(choices),
        **fields,
    }


def delta(index: int = 0, finish: str | None = None, **fields: object) -> dict[str, object]:
    return {"index": index, "delta": fields, "logprobs": None, "finish_reason": finish}


def message(answer: Answer, index: int = 0) -> dict[str, object]:
    return json.loads(answer.body)["choices"][index]["message"]


def test_text():
    """Deltas become the message that the API would have given unstreamed."""
    answer = read_stream(
        "chat",
        stream(
            chunk(delta(role="assistant", content="", refusal=None)),
            chunk(delta(content="Bon")),
            chunk(delta(content="jour")),
            chunk(delta(finish="stop")),
            chunk(usage={"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}),
        ),
    )

    assert json.loads(answer.body) == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 7,
        "model": "gpt-4o-2024-11-20",
        "system_fingerprint": "fp_1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Bonjour", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    }
    assert (answer.ended, answer.finish_reasons, answer.events) == (True, ("stop",), 6)
    assert (answer.id, answer.model, answer.system_fingerprint) == ("chatcmpl-1", "gpt-4o-2024-11-20", "fp_1")
    assert answer.usage == Usage(9, 2)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"index": st.sampled_from([0, 0, 0, 1]), "delta": st.dictionaries(
                st.sampled_from(["content", "role", "refusal", "reasoning_content"]),
                st.sampled_from(["a", "", None]), max_size=2,
            )},
            optional={"finish_reason": st.sampled_from([None, "stop", ""]), "logprobs": st.none()},
        ),
        max_size=8,
    )
)  # fmt: skip
def test_the_short_way_of_a_piece_of_text_ends_where_the_long_one_does(parts):
    """Most parts are a piece of text alone and are added at once: beside a second choice all go the long way."""
    beside = {"index": 9, "delta": {"content": "x"}, "finish_reason": "stop"}
    short = read_stream("chat", stream(*(chunk(part) for part in parts), chunk(beside)))
    long = read_stream("chat", stream(*(chunk(part, beside) for part in parts), chunk(beside)))
    assert json.loads(short.body)["choices"][:-1] == json.loads(long.body)["choices"][:-1]


def test_interleaved_choices():
    """Answers that come interleaved are told apart by index, and given in its order."""
    answer = read_stream(
        "chat",
        stream(
            chunk(delta(1, role="assistant", content="b")),
            chunk(delta(0, role="assistant", content="a"), delta(1, content="B")),
            chunk(delta(1, finish="length")),
            chunk(delta(0, content="A", finish="stop")),
        ),
    )

    assert [message(answer, at)["content"] for at in (0, 1)] == ["aA", "bB"]
    assert answer.finish_reasons == ("stop", "length")


def test_parallel_tool_calls():
    """Fragments of parallel calls are put together by index; the index itself is the stream's own."""
    answer = read_stream(
        "chat",
        stream(
            chunk(delta(tool_calls=[call(0, id="call_a", name="f", arguments="")], role="assistant", content=None)),
            chunk(delta(tool_calls=[call(0, arguments='{"x"')])),
            chunk(delta(tool_calls=[call(1, id="call_b", name="g", arguments="{"), call(0, arguments=":1}")])),
            chunk(delta(tool_calls=[call(1, arguments="}")])),
            chunk(delta(finish="tool_calls")),
        ),
    )

    assert message(answer)["tool_calls"] == [
        {"id": "call_a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
        {"id": "call_b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]
    assert message(answer)["content"] is None


def call(index: int, *, arguments: str, id: str | None = None, name: str | None = None) -> dict[str, object]:
    if id is None:
        return {"index": index, "function": {"arguments": arguments}}
    return {"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_engines_that_count_every_call_as_the_first():
    """A new id at an index that is taken is another call, not more of the same."""
    answer = read_stream(
        "chat",
        stream(
            chunk(delta(tool_calls=[call(0, id="a", name="f", arguments="{}")])),
            chunk(delta(tool_calls=[call(0, id="b", name="g", arguments="{")])),
            chunk(delta(tool_calls=[call(0, arguments="}")], finish="tool_calls")),
        ),
    )

    calls = message(answer)["tool_calls"]
    assert [(one["id"], one["function"]["arguments"]) for one in calls] == [("a", "{}"), ("b", "{}")]


def test_refusal_reasoning_and_logprobs():
    """Refusals and reasoning grow like content; logprobs are listed one after another."""
    answer = read_stream(
        "chat",
        stream(
            chunk(delta(role="assistant", refusal="I ", reasoning="th")),
            chunk(delta(refusal="cannot", reasoning="ink", annotations=[{"type": "url_citation"}])),
            chunk({"index": 0, "delta": {}, "logprobs": {"content": [{"token": "a"}], "refusal": None}}),
            chunk({"index": 0, "delta": {}, "logprobs": {"content": [{"token": "b"}]}, "finish_reason": "stop"}),
        ),
    )

    assert message(answer)["refusal"] == "I cannot"
    assert message(answer)["reasoning"] == "think"
    assert message(answer)["annotations"] == [{"type": "url_citation"}]
    logprobs = json.loads(answer.body)["choices"][0]["logprobs"]
    assert logprobs == {"content": [{"token": "a"}, {"token": "b"}], "refusal": None}


def test_completions():
    """Legacy completions grow as text."""
    answer = read_stream(
        "completions",
        stream(
            {
                "id": "cmpl-1",
                "object": "text_completion",
                "choices": [{"index": 0, "text": "a", "finish_reason": None}],
            },
            {
                "id": "cmpl-1",
                "object": "text_completion",
                "choices": [{"index": 0, "text": "b", "finish_reason": "stop"}],
            },
        ),
    )

    assert json.loads(answer.body)["choices"] == [{"index": 0, "text": "ab", "finish_reason": "stop"}]
    assert answer.ended


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"data: [DONE]\n\n",
        stream(chunk(delta(content="Bon")), done=False),
        stream(chunk(delta(content="Bon"))) + b"data: {",
        stream(chunk(delta(content="a", finish="stop"), delta(1, content="b"))),
        stream(chunk(delta(content="a")), done=False) + b'data: {"choi\n\n',
        stream(chunk(delta(content="a", finish="stop")), [1], "x", done=False),
    ],
)
def test_answers_without_an_end(body):
    """A stream that stops, or that cannot be read, is no ended answer."""
    assert not read_stream("chat", body).ended


def test_error_event_in_a_good_stream():
    """An error after a 200 is told, with what came before it."""
    error = {"error": {"message": "boom", "type": "server_error", "param": None, "code": 500}}
    answer = read_stream("chat", stream(chunk(delta(content="Bon")), error, done=False))

    assert not answer.ended
    assert answer.problem == ErrorObject("boom", "server_error", "500")
    assert message(answer)["content"] == "Bon"


@pytest.mark.parametrize("kind", ["response.completed", "response.incomplete", "response.failed"])
def test_responses_end_with_the_whole(kind):
    """The terminal event holds the whole response; its numbers and order are kept."""
    status = kind.removeprefix("response.")
    response = {"id": "resp_1", "model": "gpt-5", "status": status, "output": [{"type": "message"}], "usage": None}
    if status == "failed":
        response["error"] = {"code": "server_error", "message": "boom"}
    if status == "incomplete":
        response["incomplete_details"] = {"reason": "max_output_tokens"}
    body = named(
        ("response.created", {"response": {"id": "resp_1", "status": "in_progress"}}), (kind, {"response": response})
    )

    answer = read_stream("responses", body)

    assert json.loads(answer.body) == response
    assert answer.ended == (status != "failed")
    assert answer.finish_reasons == ("max_output_tokens" if status == "incomplete" else status,)
    assert (answer.problem is not None) == (status == "failed")


def named(*events: tuple[str, dict[str, object]]) -> bytes:
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (name.encode(), json.dumps({"type": name, **fields}).encode())
        for name, fields in events
    )


def test_responses_that_break_off():
    """A response without an end is as far as it came: whole items, and the text of the one under way."""
    text = {"type": "message", "role": "assistant", "content": []}
    body = named(
        ("response.created", {"response": {"id": "resp_1", "status": "in_progress", "output": []}}),
        ("response.output_item.added", {"output_index": 0, "item": {"type": "function_call", "arguments": ""}}),
        ("response.function_call_arguments.delta", {"output_index": 0, "delta": '{"a"'}),
        ("response.output_item.done", {"output_index": 0, "item": {"type": "function_call", "arguments": '{"a":1}'}}),
        ("response.output_item.added", {"output_index": 1, "item": text}),
        ("response.content_part.added", {"output_index": 1, "content_index": 0, "part": {"type": "output_text"}}),
        ("response.output_text.delta", {"output_index": 1, "content_index": 0, "delta": "Bon"}),
        ("response.output_text.delta", {"output_index": 1, "content_index": 0, "delta": "jour"}),
    )

    answer = read_stream("responses", body)

    assert not answer.ended
    assert json.loads(answer.body)["output"] == [
        {"type": "function_call", "arguments": '{"a":1}'},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Bonjour"}]},
    ]


def test_responses_error_event():
    """An `error` event ends a response that never completes."""
    body = named(
        ("response.created", {"response": {"id": "resp_1", "status": "in_progress"}}),
        ("error", {"code": "rate_limit_exceeded", "message": "slow down", "param": None, "sequence_number": 1}),
    )

    answer = read_stream("responses", body)

    assert not answer.ended
    assert answer.problem == ErrorObject("slow down", "", "rate_limit_exceeded")


@pytest.mark.parametrize(
    ("surface", "body", "ended", "reasons"),
    [
        ("chat", {"choices": [{"finish_reason": "stop"}, {"finish_reason": "length"}]}, True, ("stop", "length")),
        ("chat", {"choices": []}, False, ()),
        ("chat", {"choices": [{"finish_reason": None}]}, False, ("",)),
        ("responses", {"status": "completed", "error": None}, True, ("completed",)),
        ("responses", {"status": "in_progress"}, False, ("in_progress",)),
        ("embeddings", {"object": "list", "data": []}, True, ()),
        ("other", {"object": "file"}, True, ()),
        ("chat", {"error": {"message": "no"}}, False, ()),
    ],
)
def test_whole_bodies(surface, body, ended, reasons):
    """A body is its own answer; whether it has its end depends on the API."""
    data = json.dumps(body).encode()

    answer = read_body(surface, data)

    assert (answer.body, answer.ended, answer.finish_reasons) == (data, ended, reasons)


KEYS = (
    *("choices", "delta", "index", "tool_calls", "id", "content", "logprobs", "usage", "error", "response", "item"),
    *("output_index", "content_index", "type", "finish_reason", "status", "message", "prompt_tokens"),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.lists(json_values, max_size=4), st.sampled_from(["chat", "completions", "responses"]))
@example([False, {"response": {}}], "responses")
def test_whatever_an_upstream_sends(values, surface):
    """No body and no stream is an error of ours; what is put together is JSON, and what cannot be is as it came."""
    whole = json.dumps(values[0] if values else None).encode()

    assert read_body(surface, whole).body == whole
    came = stream(*values)
    read = read_stream(surface, came).body
    assert (read == came and not any(one and isinstance(one, dict) for one in values)) or isinstance(
        json.loads(read), dict
    )


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN"])
def test_a_number_that_json_has_not_is_null(number: str):
    """Servers in Python write them; a dataset's reader would refuse the row, and nothing else of the answer is lost."""
    whole = f'{{"choices": [{{"index": 0, "logprob": {number}, "message": {{"content": "a"}}}}]}}'.encode()

    kept = json.loads(read_body("chat", whole).body, parse_constant=pytest.fail)
    assert kept == {"choices": [{"index": 0, "logprob": None, "message": {"content": "a"}}]}


def test_a_stream_of_another_api_keeps_its_words():
    """Events without choices, on a path of chats: all are kept as they came, and it is no whole answer."""
    events = [
        {"type": "message_start", "message": {"id": "m", "role": "assistant"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello"}},
        {"type": "message_stop"},
    ]
    for surface in ("chat", "completions"):
        read = read_stream(surface, stream(*events, done=False))
        assert (json.loads(read.body)["events"], read.ended, read.fields) == (events, False, None)
    assert "events" not in json.loads(read_stream("chat", stream({"usage": {}}, chunk(delta(content="a")))).body)


@pytest.mark.parametrize("surface", ["chat", "completions", "responses"])
@pytest.mark.parametrize(
    "body",
    [
        b"event: error\ndata: overloaded\n\n",
        b"DATA: {}\n\n",
        b": only a comment\n\n",
        b'data: {"choices": ' + b"[" * 5000 + b"\n\n",
        b"data: data: {}\n\n",
    ],
)
def test_a_stream_in_which_nothing_can_be_read_is_its_bytes(surface, body):
    """What came stays, whatever it was, and it is no whole answer; an event of errors is an error, JSON or not."""
    read = read_stream(surface, body)

    assert (read.body, read.ended, read.fields) == (body, False, None)
    assert (read.problem is not None and read.problem.message == "overloaded") == (b"error" in body)


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ({"type": "response.completed", "response": None}, "completed"),
        ({"type": "response.completed", "response": {"id": "r", "status": None}}, "completed"),
        ({"type": "response.incomplete"}, "incomplete"),
        ({"object": "response", "status": "completed", "output": []}, "completed"),
    ],
)
def test_a_response_that_says_its_end_and_no_more(end, status):
    """The last event's name is its status where it says none; what came before it is its output."""
    text = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "hello"}
    read = read_stream("responses", stream(text, end))
    whole = json.loads(read.body)
    assert (read.ended, read.finish_reasons, whole["status"]) == (True, (status,), status)
    assert whole["output"][0]["content"][0]["text"] == "hello"
    assert not read.odd


def test_a_chat_at_the_path_of_responses_keeps_its_words():
    """Events that tell of no response stay as they came."""
    read = read_stream("responses", stream(chunk(delta(content="hello"))))
    assert json.loads(read.body)["events"][0]["choices"][0]["delta"]["content"] == "hello"


def test_other_streams_stay_as_they_are():
    """A stream of an API that we do not put together is kept as it came."""
    body = b"event: transcript.text.delta\ndata: {}\n\n"

    assert read_stream("other", body) == Answer(body=body, ended=True, events=1)


@given(st.lists(st.text(), min_size=1), st.integers(0, 3))
def test_any_cut_of_the_text_gives_the_text(pieces, index):
    """However the text is cut into deltas, the answer is all of it."""
    chunks = [chunk(delta(index, content=piece)) for piece in pieces]
    answer = read_stream("chat", stream(*chunks, chunk(delta(index, finish="stop"))))

    assert message(answer)["content"] == "".join(pieces)


@pytest.mark.parametrize(
    ("path", "surface"),
    [
        ("/v1/chat/completions", "chat"),
        ("/v1/completions", "completions"),
        ("/v1/responses/", "responses"),
        ("/openai/deployments/x/embeddings", "embeddings"),
        ("/v1/files", "other"),
        ("/v1/chat/completions/chatcmpl-1", "other"),
    ],
)
def test_surfaces(path, surface):
    """The path says which API answers."""
    assert surface_of(path) == surface
