"""The share of equal fields, each by the rule that its schema implies."""

import json
from typing import Any

import pytest
from hypothesis import given

from shadow.compare import json_fields
from shadow.compare.pair import Score
from tests.rooms.pairs import FEWER, JSON, WORDS, pair, swapped

plain = json_fields.make({"ignore": [], "numeric_tolerance": 0.0})


def form(schema: dict[str, Any]) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}


def score(one: Any, other: Any, schema: dict[str, Any] | None = None, **options: Any) -> Score:
    both = pair(json.dumps(one), json.dumps(other), form(schema) if schema else {})
    found, turned = (json_fields.make(options)(each) for each in (both, swapped(both)))
    assert found == turned
    assert found.q is not None
    assert found.agree is not None
    assert found.q == pytest.approx(found.agree - 1)
    return found


def agree(one: Any, other: Any, schema: dict[str, Any] | None = None, **options: Any) -> float | None:
    return score(one, other, schema, **options).agree


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, 1.0),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, 0.5),
        ({"a": 1}, {"a": 1, "b": {"c": 1, "d": 2, "e": []}}, 0.25),
        ({"a": {"b": 1}}, {"a": 1}, 0.0),
        ({"a": {"b": 1, "c": 2}, "d": 1}, {"a": 1, "d": 1}, 1 / 3),
        ({"a": [1, 2, 3]}, {"a": [1, 2]}, 2 / 3),
        ({"a": [1, 2]}, {"a": [2, 1]}, 0.0),
        ([], [], 1.0),
        ({}, [], 0.0),
        ([], [1], 0.0),
        (1, 1.0, 1.0),
        (True, 1, 0.0),
        (None, None, 1.0),
        (None, 0, 0.0),
        ("A  b", "a b", 1.0),
        ("1", 1, 0.0),
    ],
)
def test_leaves_are_counted(one: Any, other: Any, share: float) -> None:
    """Objects by name, lists by place, everything else by what it is."""
    assert agree(one, other) == pytest.approx(share)


def test_equal_is_all_of_it() -> None:
    """A judge is spared only where no leaf differs."""
    assert score({"a": 1}, {"a": 1}).equal
    assert not score({"a": 1, "b": 1}, {"a": 1, "b": 2}).equal
    assert score({"a": 1, "b": 1}, {"a": 1, "b": 2}).told == {"fields": 2}


def test_numbers_within_the_tolerance() -> None:
    """Relative to the larger; whole numbers beyond floats are compared as they are."""
    assert agree(100, 100.9, numeric_tolerance=0.01) == 1.0
    assert agree(100, 102, numeric_tolerance=0.01) == 0.0
    assert agree(100, 100.9) == 0.0
    assert agree(10**400, 10**400 + 1, numeric_tolerance=0.01) == 0.0
    assert agree(1, -1, numeric_tolerance=5) == 0.0 or agree(1, -1, numeric_tolerance=5) == 1.0


def test_fields_that_do_not_count() -> None:
    """Wherever they are; what is there on one side alone as well; when none is left, nothing differs."""
    one, other = {"a": 1, "why": "x", "l": [{"t": 1, "v": 1}]}, {"a": 1, "l": [{"t": 2, "v": 1}, {"t": 3}]}
    assert agree(one, other, ignore=["/why", "/l/*/t"]) == 1.0
    assert agree({"why": "x"}, {"why": "y"}, ignore=["/why"]) == 1.0
    assert agree({"l": [1]}, {"l": {"x": 1}}, ignore=["/l"]) == 1.0


def test_labels_are_compared_letter_by_letter() -> None:
    """An enum's word is what the app's code compares with."""
    schema: dict[str, Any] = {"properties": {"team": {"enum": ["billing"]}, "text": {"type": "string"}}}
    assert agree({"team": "billing", "text": "Hi"}, {"team": "Billing", "text": "hi "}, schema) == 0.5


def test_rules_are_found_behind_references_and_null() -> None:
    """The ways in which generators of schemas write an optional field."""
    schema: dict[str, Any] = {
        "properties": {
            "one": {"$ref": "#/$defs/team"},
            "two": {"anyOf": [{"$ref": "#/$defs/team"}, {"type": "null"}]},
            "three": {"anyOf": [{"enum": ["a"]}, {"enum": ["b"]}]},
            "four": {"$ref": "#/properties/four"},
        },
        "$defs": {"team": {"enum": ["billing"]}},
    }
    lower = dict.fromkeys(("one", "two", "three", "four"), "billing")
    upper = dict.fromkeys(("one", "two", "three", "four"), "BILLING")
    assert agree(lower, upper, schema) == 0.5


def test_a_set_has_no_order() -> None:
    """Where the schema says that items are unique."""
    schema: dict[str, Any] = {"properties": {"tags": {"type": "array", "uniqueItems": True}}}
    assert agree({"tags": ["a", "b"]}, {"tags": ["b", "a"]}, schema) == 1.0
    assert agree({"tags": ["a", "b", "c"]}, {"tags": ["a"]}, schema) == pytest.approx(1 / 3)
    assert agree({"tags": []}, {"tags": ["a"]}, schema) == 0.0


def test_lists_take_the_rule_of_their_items() -> None:
    """Each item is held to it."""
    schema: dict[str, Any] = {"items": {"enum": ["a", "b"]}}
    assert agree(["a", "b"], ["A", "b"], schema) == 0.5


def test_what_is_no_json_does_not_apply_or_differs() -> None:
    """Two texts are no business of this comparator; one beside JSON is a difference."""
    assert plain(pair("a", "b")) == Score()
    assert plain(pair("{}", "b")) == Score(q=-1.0, agree=0.0, told={"not_json": True})
    assert plain(pair("b", "{}")).agree == 0.0
    assert plain(pair("```json\n{}\n```", "{}")).agree == 1.0


@FEWER
@given(JSON, JSON)
def test_both_sides_are_alike(one: Any, other: Any) -> None:
    """An answer agrees with itself, and as much with another as that with it."""
    assert 0.0 <= (agree(one, other, ignore=["/a"], numeric_tolerance=0.1) or 0.0) <= 1.0
    assert score(one, one).equal


@FEWER
@given(WORDS, WORDS)
def test_no_text_raises(one: str, other: str) -> None:
    """Whatever a model writes."""
    assert plain(pair(one, other)).agree == plain(pair(other, one)).agree
