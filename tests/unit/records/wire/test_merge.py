"""Pieces of an answer put together."""

from typing import Any

import pytest

from records.wire.merge import Fields, encode, merge, number, settled


def merged(*parts: Fields) -> Any:
    whole: Fields = {}
    for part in parts:
        merge(whole, part)
    return settled(whole)


@pytest.mark.parametrize("nothing", [None, "", [], {}])
def test_an_empty_value_says_nothing(nothing):
    """It never replaces what was said; alone it stands as it came."""
    assert merged({"id": "1", "content": "a"}, {"id": nothing, "content": nothing}) == {"id": "1", "content": "a"}
    assert merged({"id": nothing}) == {"id": nothing}


def test_false_and_nought_are_values():
    """They replace what was said."""
    assert merged({"a": 1, "b": True}, {"a": 0, "b": False}) == {"a": 0, "b": False}


def test_calls_without_index():
    """An id or a name begins a call, the id of an earlier one goes on with it, arguments alone with the last."""
    calls = (
        {"id": "1", "function": {"name": "f", "arguments": "a"}},
        {"function": {"arguments": "b"}},
        {"function": {"name": "g", "arguments": "c"}},
        {"id": "1", "function": {"arguments": "x"}},
    )
    found = merged(*({"tool_calls": [call]} for call in calls))["tool_calls"]
    assert [call["function"] for call in found] == [{"name": "f", "arguments": "abx"}, {"name": "g", "arguments": "c"}]


def test_other_lists_grow():
    """Items without an index are more items; null is none."""
    assert merged({"a": [1]}, {"a": [None, {"x": 1}]}) == {"a": [1, {"x": 1}]}


def test_a_token_without_a_probability_keeps_its_place():
    """An echoed prompt's first token has none: what stands beside the tokens stays beside them."""
    first = {"tokens": ["Once"], "token_logprobs": [None]}
    assert merged(first, {"tokens": [" upon"], "token_logprobs": [-0.1]}) == {
        "tokens": ["Once", " upon"],
        "token_logprobs": [None, -0.1],
    }


@pytest.mark.parametrize(("said", "meant"), [(1, 1), (1.0, 1), ("2", 2), (True, None), (1.5, None), ("x", None)])
def test_indexes(said, meant):
    """An index is a whole number, however it is written."""
    assert number(said) == meant


def test_growing_text_is_written_whole():
    """Pieces are joined when they are written."""
    whole: Fields = {}
    merge(whole, {"content": "a"})
    merge(whole, {"content": "b"})
    assert encode(whole) == b'{"content":"ab"}'
