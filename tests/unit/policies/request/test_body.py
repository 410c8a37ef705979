"""A request is read no further than a question needs, and no bytes whatever crash the reader."""

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.request.body import (
    CHAT,
    RESPONSES,
    UnroutableBodyError,
    endpoint_of,
    leading_turns,
    read_body,
    system_prompt,
    trailing_turns,
)
from tests.rooms.calls import call, chat


def test_the_routed_fields_are_read_and_the_rest_is_left_alone():
    """Model and stream are there; fields nobody knows are no matter."""
    body = read_body(b'{"model": "gpt-4o", "stream": true, "x": [1, {"y": null}], "messages": []}')

    assert body is not None
    assert (body.model, body.fields.stream) == ("gpt-4o", True)


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"null", b"{", b'"x"', b"{}{}", b'{"model": 1}', b'{"model": "\xff"}', b'{"model": "\\ud800"}',
     b'{"stream": "yes"}', b'{"messages": ' + b"[" * 100_000, b"\xef\xbb\xbf{}"],
)  # fmt: skip
def test_what_is_no_request_is_none(raw: bytes):
    """It passes through unrouted: the frontier says what is wrong with it."""
    assert read_body(raw) is None


@given(st.binary())
def test_no_bytes_crash_the_reader(raw: bytes):
    """Every answer is a body or None."""
    assert read_body(raw) is None or raw.lstrip().startswith(b"{")


def test_a_huge_body_costs_no_memory():
    """A million empty objects are skipped, not built; as a conversation they are refused, not built either."""
    raw = b'{"model": "gpt-4o", "messages": [' + b",".join([b"{}"] * 1_000_000) + b"]}"
    tracemalloc.start()
    body = read_body(raw)
    assert body is not None
    spent = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert spent < 100_000
    with pytest.raises(UnroutableBodyError):
        body.turns("/v1/chat/completions")


PLAIN = '[{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]'


@pytest.mark.parametrize(
    ("rest", "common"),
    [
        ('"stream": true, "user": "u", "temperature": 0.5, "metadata": {"a": "b"}', True),
        ('"safety_identifier": null, "prompt_cache_key": "k", "seed": 1', True),
        ('"n": 2', False),
        ('"tools": []', False),
        ('"x": [{"y": 1}]', False),
        ('"temperature": 0, "temperature": 1', False),
        ('"messages": "none"', False),
        (", ".join(f'"x{n}": 0' for n in range(64)), False),
        (f'"x": "{"y" * 262_144}"', False),
    ],
)
def test_most_requests_are_common(rest: str, *, common: bool):
    """A chat of text, each field once, none that rules look at, is told from one pass; both ways read the same."""
    body = read_body(f'{{"model": "gpt-4o", "messages": {PLAIN}, {rest}}}'.encode())

    assert body is not None
    assert body.is_common is common
    assert body.model == "gpt-4o"
    if "none" not in rest:
        assert body.conversation("/v1/chat/completions") == PLAIN.encode()
        assert [body.text(turn) for turn in body.plain_turns("/v1/chat/completions")] == ["s", "u"]


@pytest.mark.parametrize("field", ["model", "stream", "user", "safety_identifier", "prompt_cache_key"])
def test_a_common_request_has_fields_of_their_types(field: str):
    """A number where a text or a flag should be is no request, for whoever reads it."""
    assert read_body(f'{{"messages": {PLAIN}, "{field}": 1}}'.encode()) is None


@pytest.mark.parametrize(
    ("raw", "only_frontier"),
    [
        (b'{"messages": [{"role": "user", "content": "hi \xff"}]}', True),
        (b'{"messages": [], "metadata": {"a": "\xff"}}', True),
        ('{"messages": [{"role": "user", "content": [{"type": "text", "text": "é"}]}]}'.encode(), False),
        ('{"messages": [{"role": "user", "content": "é"}]}'.encode(), False),
    ],
)
def test_bytes_that_are_no_text_are_the_frontiers(raw: bytes, *, only_frontier: bool):
    """A request whose fields can be read keeps its route; with a byte that is no UTF-8 no candidate is asked it."""
    body = read_body(raw)
    assert body is not None
    assert body.is_copy is only_frontier


def test_the_system_prompt_is_the_leading_system_and_developer_text():
    """Turns are joined by newlines, parts are put together; what comes later does not count."""
    parts = [{"type": "text", "text": "b"}, {"type": "image_url"}, {"text": None}, {"text": "c"}]
    turns = [("system", "a"), ("developer", parts), ("system", None), ("user", "x"), ("system", "late")]
    messages = [{"role": role, "content": content} for role, content in turns]

    assert system_prompt(call({"model": "m", "messages": messages})) == "a\nbc"
    assert system_prompt(call(chat("plain", "u"))) == "plain"


def test_instructions_are_a_responses_system_prompt():
    """They come before the input's own; an input that is a text has none."""
    body = {"model": "m", "instructions": "a", "input": [{"role": "developer", "content": "b"}, {"role": "user"}]}

    assert system_prompt(call(body, RESPONSES)) == "a\nb"
    assert system_prompt(call({"model": "m", "input": "hello"}, RESPONSES)) == ""


@pytest.mark.parametrize("messages", ['[{"role": 1}]', '[{"role": "system", "content": 5}]', "[7]"])
def test_a_conversation_of_another_shape_is_unreadable(messages: str):
    """It is said so, and nothing is made of the half of it."""
    with pytest.raises(UnroutableBodyError):
        system_prompt(call(f'{{"model": "m", "messages": {messages}}}'))


@pytest.mark.parametrize(
    "target",
    ["/v1/chat/completions", "/chat/completions", "/v1/chat/completions/?a=/b", "/chat/completions/", CHAT + "?x"],
)
def test_an_endpoint_has_one_name_whatever_its_app_calls_our_base(target: str):
    """With /v1 or without, with a slash at its end and a query: data plane, shadow and replay mean the same by it."""
    assert endpoint_of(target) == CHAT


@pytest.mark.parametrize(("target", "means"), [("/", "/v1/"), ("/v1", "/v1"), ("/v1x", "/v1/v1x"), ("*", "/v1*")])
def test_what_is_no_endpoint_is_not_taken_for_one(target: str, means: str):
    """Other targets keep what they are."""
    assert endpoint_of(target) == means


def test_turns_are_read_from_either_end():
    """The first ones in order, the last ones backwards; what is no list has none."""
    asked = call(chat("s", "u1", "a1", "u2"))

    assert [turn.role for turn in leading_turns(asked)] == ["system", "user", "assistant", "user"]
    assert bytes(next(trailing_turns(asked)).content) == b'"u2"'
    assert list(leading_turns(call(json.dumps({"model": "m", "messages": "no list"})))) == []
