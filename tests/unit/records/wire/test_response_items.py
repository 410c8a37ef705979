"""The output of a response, read off its events alone."""

import json

import pytest

from records.wire.merge import encode
from records.wire.response_items import ResponseItems

TEXT = "response.output_text"


def told(*events: tuple[str, dict[str, object]]) -> object:
    """The items that these events tell of."""
    items = ResponseItems()
    for kind, found in events:
        items.take(kind, found)
    return json.loads(encode(items.whole()))


@pytest.mark.parametrize(
    ("kind", "more", "item"),
    [
        (TEXT, "text", {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hello"}]}),
        ("response.refusal", "refusal",
         {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "hello"}]}),
        ("response.reasoning_text", "text",
         {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hello"}]}),
        ("response.reasoning_summary_text", "text",
         {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hello"}]}),
        ("response.function_call_arguments", "arguments", {"type": "function_call", "arguments": "hello"}),
        ("response.mcp_call_arguments", "arguments", {"type": "mcp_call", "arguments": "hello"}),
        ("response.custom_tool_call_input", "input", {"type": "custom_tool_call", "input": "hello"}),
        ("response.code_interpreter_call_code", "code", {"type": "code_interpreter_call", "code": "hello"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", [{"output_index": 0}, {"output_index": "0"}, {}], ids=["index", "text", "none"])
def test_every_kind_of_words_is_kept(kind, more, item, place):
    """In pieces or whole, with an index, with one that is a text, or without: all that was said stands in one item."""
    pieces = [(f"{kind}.delta", place | {"delta": piece}) for piece in ("he", "llo")]
    done = (f"{kind}.done", place | {more: "hello"})

    assert told(*pieces) == told(done) == told(*pieces, done) == [item]


def test_an_item_is_known_by_its_id():
    """Where no event has an index, words go on with the item that they name."""
    begun = [("response.output_item.added", {"item": {"id": name, "type": "message"}}) for name in ("a", "b")]
    words = [(f"{TEXT}.delta", {"item_id": name, "delta": name}) for name in ("a", "b", "c", "a")]

    found = told(*begun, *words)

    assert [(item["id"], item["content"][0]["text"]) for item in found] == [("a", "aa"), ("b", "b"), ("c", "c")]


def test_what_says_nothing_changes_nothing():
    """Null, an empty text or an unknown kind is no item."""
    assert told((f"{TEXT}.delta", {"delta": None}), (f"{TEXT}.done", {"text": ""}), ("response.odd.delta", {})) == []
