"""JSON of models is read within bounds."""

from typing import Any

import pytest
from hypothesis import given

from shadow.compare import json_text
from shadow.compare.json_text import NO_JSON, below, decode, is_named, pointers
from tests.rooms.pairs import FEWER, JSON, WORDS


@pytest.mark.parametrize(
    ("text", "value"),
    [(' {"a": 1}\n', {"a": 1}), ("1", 1), ("null", None), ("", NO_JSON), ("{", NO_JSON), ("NaN", NO_JSON)],
)
def test_json_is_read(text: str, value: Any) -> None:
    """White space around it does not matter; what is no JSON is none."""
    assert decode(text) == value or decode(text) is value


def test_fences_are_taken_off_on_request() -> None:
    """A fence with or without a language."""
    assert decode("```json\n[1]\n```") is NO_JSON
    assert decode("```json\n[1]\n```", fenced=True) == [1]
    assert decode("```\n[1]```", fenced=True) == [1]
    assert decode("``````", fenced=True) is NO_JSON


@pytest.mark.parametrize(
    "text",
    ["[" * 65 + "]" * 65, "[" * 100_000, '"' + "x" * json_text.MAX_CHARS + '"', "9" * 5000, '"\ud800"'],
)
def test_too_much_is_no_json(text: str) -> None:
    """Depth, length, digits, and half a letter."""
    assert decode(text) is NO_JSON


def test_the_deepest_that_is_read() -> None:
    """As deep as the bound says."""
    assert decode("[" * 64 + "]" * 64) is not NO_JSON


@FEWER
@given(WORDS)
def test_no_text_raises(text: str) -> None:
    """Whatever a model writes."""
    assert decode(text, fenced=True) is NO_JSON or decode(text) is not None or text.strip() == "null"


@FEWER
@given(JSON)
def test_one_text_for_what_is_the_same(value: Any) -> None:
    """The order of keys is nothing."""
    turned = dict(reversed(value.items())) if isinstance(value, dict) else value
    assert json_text.canonical(value) == json_text.canonical(turned)


def test_pointers_are_followed_on_the_way_down() -> None:
    """By name, by index, escaped, and by the star that stands for any."""
    tree = pointers(("/a/0", "/b~1c", "/d/*/e"))
    assert is_named(below(below(tree, "a"), 0))
    assert not is_named(below(tree, "a"))
    assert is_named(below(tree, "b/c"))
    assert is_named(below(below(below(tree, "d"), 7), "e"))
    assert not is_named(below(tree, "x"))
    assert below(pointers("/a"), "a") == {}


def test_truth_is_no_number() -> None:
    """Although Python says so."""
    assert [json_text.is_number(each) for each in (1, 1.5, True, "1", None)] == [True, True, False, False, False]
