"""A candidate's answer that its strict shape refuses."""

import json
from typing import Any

import pytest

from gateway.rewrite.answer import StreamAdapter, adapt_whole
from gateway.rewrite.lax_reader import LaxReader
from gateway.rewrite.shapes import AnswerShape
from policies.routing import Variant
from records.wire.json_reader import UnreadableError

STUDENT = Variant("vllm", "student")
ASKED = AnswerShape("chat", "gpt-4o", stream=True)


def chunk(content: str, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": None}
    return b"data: " + json.dumps({"id": "1", "choices": [choice | fields]}).encode() + b"\n\n"


END = chunk("", delta={}, finish_reason="stop")


def heard(*events: bytes) -> str:
    adapter = StreamAdapter(ASKED, STUDENT)
    out = b"".join(map(adapter.feed, events))
    assert (adapter.failure, adapter.done) == (None, True)
    chunks = [json.loads(line[6:]) for line in out.split(b"\n") if line.startswith(b"data: {")]
    return "".join(choice["delta"].get("content") or "" for one in chunks for choice in one["choices"])


@pytest.mark.parametrize(
    "odd",
    [
        chunk("lo", index=None),
        chunk("lo", index="0"),
        chunk("lo", logprobs=float("nan")),
        chunk("lo", finish_reason=""),
        chunk("lo", finish_reason=7),
        chunk("", delta={"content": [{"type": "text", "text": "lo"}]}),
        chunk("", delta={"content": "lo", "tool_calls": None, "role": 7}),
        chunk("lo").replace(b'"id": "1"', b'"id": null, "created": 1.5'),
        chunk("l") + b"data:\n\n" + b"data: ping\n\n" + chunk("o"),
        b'data: {"choices": null}\n\n' + chunk("lo"),
        b'data: {"choices": [], "usage": {"prompt_tokens": 9.0, "completion_tokens": null}}\n\n' + chunk("lo"),
    ],
)
def test_an_odd_field_costs_that_field(odd):
    """The candidate's answer is whole although one of its fields is of another shape, null or empty."""
    assert heard(chunk("Hel"), odd, END, b"data: [DONE]\n\n") == "Hello"


@pytest.mark.parametrize(("one", "two"), [(b"\\ud83d", b"\\ude00"), (b"\xf0\x9f", b"\x98\x80")])
def test_a_character_cut_between_two_chunks_is_joined(one, two):
    """The app gets the character whole, in the chunk that completes it."""
    events = (chunk("@").replace(b"@", one), chunk("@").replace(b"@", two), chunk("!"), END, b"data: [DONE]\n\n")
    assert heard(*events) == "\U0001f600!"


@pytest.mark.parametrize(
    "said", [b'{"choices": [{"index": 0, "delta": {"content": 7}}]}', b"[]", b"{", b'{"choices": 7}']
)
def test_words_that_cannot_be_read_are_not_left_out(said):
    """An answer without its words would be another answer: it is malformed."""
    with pytest.raises(UnreadableError):
        LaxReader().read(said)


def test_whole_answers_are_read_alike():
    """Arguments as an object are text for the app; the engine's own word for the end is OpenAI's."""
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
    said = {"choices": [{"index": 0, "message": {"content": None, "tool_calls": [call]}, "finish_reason": "tool_use"}]}
    found = adapt_whole(json.dumps(said).encode(), AnswerShape("chat", "gpt-4o"), STUDENT)

    assert isinstance(found, bytes)
    choice = json.loads(found)["choices"][0]
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == '{"a":1}'
    assert choice["finish_reason"] == "tool_calls"
