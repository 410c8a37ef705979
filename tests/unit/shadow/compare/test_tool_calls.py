"""The same calls, however they are written; and calls that cannot be made."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare import tool_calls
from shadow.compare.pair import ModelAnswer, Pair, Score, ToolCall
from tests.rooms.pairs import FEWER, JSON, WORDS, answer, called, pair, swapped, tool

WEATHER = tool(
    "weather",
    {
        "city": {"type": "string"},
        "days": {"type": "integer"},
        "wind": {"type": "boolean"},
        "unit": {"type": "string", "default": "celsius"},
        "code": {"type": ["string", "null"]},
        "at": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "spots": {"type": "array", "items": {"$ref": "#/$defs/spot"}},
    },
    ("city",),
)
WEATHER["function"]["parameters"]["$defs"] = {"spot": {"type": "number"}}
SQL = {"type": "custom", "custom": {"name": "sql"}}
OFFERED = {"tools": [WEATHER, tool("news"), SQL, {"type": "function", "function": {"name": "loose"}}]}
plain = tool_calls.make({})


def both(one: ModelAnswer, other: ModelAnswer) -> Pair:
    return pair(one, other, OFFERED)


def same(one: dict[str, Any], other: dict[str, Any], **options: Any) -> bool:
    """Whether two calls of one function are taken for the same, from both sides."""
    ours, theirs = (answer("", called("weather", **each)) for each in (one, other))
    found = tool_calls.make(options)(both(ours, theirs))
    assert found.agree == tool_calls.make(options)(both(theirs, ours)).agree
    return found.agree == 1.0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"city": "New York", "days": 3}, {"days": 3, "city": "New York"}),
        ({"city": "New York"}, {"city": "new-york"}),
        ({"city": "Paris, France"}, {"city": "paris france"}),
        ({"city": "O'Hare"}, {"city": 'o"hare'}),
        ({"city": "a", "days": 3}, {"city": "a", "days": 3.0}),
        ({"city": "a", "days": 3}, {"city": "a", "days": "3"}),
        ({"city": "a", "at": 1.5}, {"city": "a", "at": "1.50"}),
        ({"city": "a", "wind": True}, {"city": "a", "wind": "True"}),
        ({"city": 5}, {"city": "5"}),
        ({"city": 5.0}, {"city": "5"}),
        ({"city": "a", "unit": "Celsius"}, {"city": "a"}),
        ({"city": "a", "code": None}, {"city": "a"}),
        ({"city": "a", "spots": [1, 2]}, {"city": "a", "spots": ["1", 2.0]}),
        ({"city": "a", "more": {"x": [1.0]}}, {"city": "a", "more": {"x": [1]}}),
    ],
)
def test_the_same_call(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Order of keys, case, punctuation, the schema's type, defaults and null say nothing."""
    assert same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"city": "Paris"}, {"city": "Rome"}),
        ({"city": "a", "days": 3}, {"city": "a"}),
        ({"city": "a", "days": 3}, {"city": "a", "days": 4}),
        ({"city": "1.5"}, {"city": "15"}),
        ({"city": "-5"}, {"city": "5"}),
        ({"city": "a", "wind": True}, {"city": "a", "wind": False}),
        ({"city": "a", "wind": True}, {"city": "a", "wind": 1}),
        ({"city": "a", "days": "three"}, {"city": "a", "days": 3}),
        ({"city": "a", "unit": "kelvin"}, {"city": "a"}),
        ({"city": None}, {}),
        ({"city": "a", "spots": [1, 2]}, {"city": "a", "spots": [2, 1]}),
        ({"city": "a", "wind": "maybe"}, {"city": "a", "wind": True}),
        ({"city": "a", "untyped": "true"}, {"city": "a", "untyped": True}),
    ],
)
def test_another_call(one: dict[str, Any], other: dict[str, Any]) -> None:
    """What a function would notice."""
    assert not same(one, other)


def test_arguments_that_do_not_count() -> None:
    """Anywhere, and on one side alone."""
    one, other = {"city": "a", "why": "x", "more": [{"t": 1}]}, {"city": "a", "more": [{"t": 2}]}
    assert same(one, other, ignore=["/why", "/more/*/t"])
    assert not same(one, other, ignore=["/why"])


def test_calls_are_a_collection() -> None:
    """In any order, but as often as each."""
    a, b = called("weather", city="a"), called("weather", city="b")
    assert plain(both(answer("", a, b), answer("", b, a))).agree == 1.0
    found = plain(both(answer("", a, a, b), answer("", a, b, b)))
    assert (found.agree, found.q) == (0.0, -1.0)
    assert found.told == {"baseline": 3, "candidate": 3, "matched": 2}


def test_the_name_is_part_of_a_call() -> None:
    """Letter by letter."""
    assert plain(both(answer("", called("weather", city="a")), answer("", called("Weather", city="a")))).agree == 0.0


def test_two_answers_without_calls_agree_and_are_not_equal() -> None:
    """Both chose not to call; what they say instead is for others to compare."""
    assert plain(both(answer("a"), answer("b"))) == Score(
        q=0.0, agree=1.0, equal=False, told={"baseline": 0, "candidate": 0, "matched": 0}
    )


def test_equal_calls_spare_the_judge() -> None:
    """Whatever stands beside them."""
    call = called("weather", city="a")
    assert plain(both(answer("Let me see.", call), answer("", call))).equal


@pytest.mark.parametrize(
    ("call", "is_valid"),
    [
        (called("weather", city="a"), True),
        (called("weather", city="a", days="3"), False),
        (called("weather"), False),
        (called("forecast", city="a"), False),
        (ToolCall("weather", "{"), False),
        (ToolCall("weather", "[]"), False),
        (ToolCall("news", ""), True),
        (ToolCall("news", "null"), False),
        (ToolCall("loose", '{"x": 1}'), True),
        (ToolCall("sql", "select 1"), True),
    ],
)
def test_a_call_that_can_be_made(call: ToolCall, is_valid: object) -> None:
    """The tool was offered, and its arguments satisfy its schema, without coercion."""
    found = plain(both(answer("", called("weather", city="a")), answer("", called("weather", city="a"), call)))
    assert (found.valid_baseline, found.valid_candidate) == (True, is_valid)


def test_an_answer_without_calls_is_neither_valid_nor_invalid() -> None:
    """There is nothing to check."""
    found = plain(both(answer("a"), answer("", called("weather", city="a"))))
    assert (found.valid_baseline, found.valid_candidate) == (None, True)


def test_a_schema_that_cannot_be_kept_to_holds_nobody() -> None:
    """Nobody knows, so nobody is blamed."""
    odd = tool("odd", {"a": {"$ref": "http://example.com"}})
    found = plain(pair(answer("", called("odd", a=1)), answer("", called("odd", a=2)), {"tools": [odd]}))
    assert (found.valid_candidate, found.agree) == (True, 0.0)


def test_free_text_is_compared_as_text() -> None:
    """What a custom tool is given, and arguments that are no JSON."""
    one, other = ToolCall("sql", "select  1"), ToolCall("sql", "select 1")
    assert plain(both(answer("", one), answer("", other))).agree == 1.0
    assert plain(both(answer("", ToolCall("weather", "{")), answer("", ToolCall("weather", "{ ")))).agree == 1.0
    assert plain(both(answer("", ToolCall("sql", "1")), answer("", ToolCall("sql", "2")))).agree == 0.0


def test_a_tool_nobody_offered_is_compared_all_the_same() -> None:
    """By the plainest rules."""
    one, other = answer("", called("x", a="B", b=2.0)), answer("", called("x", a="b", b=2))
    assert plain(pair(one, other)).agree == 1.0


ARGUMENTS = st.dictionaries(st.sampled_from(["city", "days", "wind", "unit", "at", "spots", "x"]), JSON, max_size=4)
CALLS = st.lists(
    st.builds(ToolCall, st.sampled_from(["weather", "news", "sql", "loose", "x"]), ARGUMENTS.map(json.dumps) | WORDS),
    max_size=4,
).map(lambda calls: answer("", *calls))


@FEWER
@given(CALLS, CALLS)
def test_both_sides_are_alike(one: ModelAnswer, other: ModelAnswer) -> None:
    """Calls equal themselves in any order, and whatever they equal equals them."""
    assert plain(both(one, other)).agree == plain(swapped(both(one, other))).agree
    assert plain(both(one, answer("", *reversed(one.calls)))).agree == 1.0
