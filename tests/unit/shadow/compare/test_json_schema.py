"""JSON Schema, with schemas and values that nobody vouches for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare import json_schema
from shadow.compare.json_schema import holds, is_usable
from tests.rooms.pairs import FEWER, JSON

ORDER = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}}},
    "required": ["id"],
    "additionalProperties": False,
    "$defs": {"line": {"type": "object", "properties": {"price": {"type": "number", "minimum": 0}}}},
}
TREE = {"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}}


@pytest.mark.parametrize(
    ("value", "is_so"),
    [
        ({"id": 1}, True),
        ({"id": 1, "lines": [{"price": 2.5}]}, True),
        ({"id": 1, "lines": [{"price": -1}]}, False),
        ({"id": 1, "more": 1}, False),
        ({"id": 1.5}, False),
        ({}, False),
        ([], False),
    ],
)
def test_what_the_schema_says(value: Any, is_so: object) -> None:
    """References within the schema are followed."""
    assert holds(ORDER, value) is is_so


def test_schemas_may_be_recursive() -> None:
    """A tree of any depth that JSON is read to."""
    value: dict[str, Any] = {}
    for _ in range(60):
        value = {"left": value, "right": None}
    assert holds(TREE, value) is True
    assert holds(TREE, {"left": {"right": 1}}) is False


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://example.com/schema.json"},
        {"properties": {"a": {"$ref": "other.json#/x"}}},
        {"items": [{"$ref": "#anchor"}]},
        {"$ref": "#here", "$defs": {"x": {"$anchor": "here"}}},
        {"$dynamicRef": "#node"},
        {"$dynamicRef": "#node", "$defs": {"x": {"$dynamicAnchor": "node"}}},
        {"properties": {"a": {"$id": "https://example.com/a"}}},
        {"$ref": "#/nowhere"},
        {"type": 5},
        {"pattern": "(?=ahead)"},
        {"pattern": "(" * 50},
        {"pattern": "((a{1000}){1000}){1000}"},
    ],
)
def test_what_cannot_be_kept_to_is_not_begun(schema: dict[str, Any]) -> None:
    """Nothing is fetched, nothing is guessed: nobody knows whether it holds."""
    assert holds(schema, {"a": 1}) is None
    assert not is_usable(schema)


def test_words_that_look_like_references_are_data() -> None:
    """In an enum, a default, or as a property's name."""
    assert holds({"enum": [{"$ref": "https://example.com"}]}, {"$ref": "https://example.com"}) is True
    assert holds({"properties": {"$ref": {"type": "string"}}}, {"$ref": "x"}) is True


def test_regular_expressions_take_linear_time() -> None:
    """The pattern that takes a back-tracking engine for ever is done with at once."""
    assert holds({"pattern": "^(a+)+$"}, "a" * 100_000 + "b") is False


def doubling(keyword: str) -> dict[str, Any]:
    """A schema of a few lines that asks the same 2 to the 40th times."""
    defs: dict[str, Any] = {"a0": {"type": "integer"}}
    for level in range(1, 41):
        both = [{"$ref": f"#/$defs/a{level - 1}"}] * 2
        defs[f"a{level}"] = {keyword: both if keyword != "dependentSchemas" else {"x": both[0], "y": both[1]}}
    return {"$defs": defs, "$ref": "#/$defs/a40"}


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf", "dependentSchemas"])
def test_a_schema_that_explodes_is_not_begun(keyword: str) -> None:
    """Steps are counted before they are taken."""
    assert holds(doubling(keyword), "x") is None


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"not": {"$ref": "#"}},
        {"patternProperties": {"a": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}},
        {"additionalProperties": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}},
    ],
)
def test_a_schema_that_goes_round_in_circles_is_not_begun(schema: dict[str, Any]) -> None:
    """In place, or doubling at every level down."""
    value: dict[str, Any] = {}
    for _ in range(40):
        value = {"a": value}
    assert holds(schema, value) is None


def test_lists_are_counted_too() -> None:
    """By index, and all alike; a long list under a plain schema is no trouble, a very long one is."""
    lists = {"prefixItems": [{"type": "integer"}], "items": {"type": "string"}}
    assert holds(lists, [1, "a", "b"]) is True
    assert holds(lists, ["a"]) is False
    assert holds(lists, [1] + ["a"] * 10_000) is True
    assert holds({"items": {"type": "integer"}}, [1] * (json_schema.MAX_STEPS + 1)) is None
    assert holds({"items": {"allOf": [{}] * 400}}, [1] * 400) is None


def test_a_schema_too_deep_is_not_begun() -> None:
    """Deeper than anything that is read."""
    schema: dict[str, Any] = {}
    for _ in range(100):
        schema = {"not": schema}
    assert holds(schema, 1) is None


@pytest.mark.parametrize("schema", [None, [], "x", 1, True])
def test_what_is_no_object_is_no_schema(schema: Any) -> None:
    """Also where the standard lets true be one."""
    assert not is_usable(schema)


def test_references_are_pointers() -> None:
    """Through objects and lists, escaped; to nowhere is nothing."""
    root: dict[str, Any] = {"a/b": [{"c": 1}], "~": 2}
    assert json_schema.resolve(root, "#") == root
    assert json_schema.resolve(root, "#/a~1b/0/c") == 1
    assert json_schema.resolve(root, "#/~0") == 2
    assert [json_schema.resolve(root, each) for each in ("#/a~1b/1", "#/a~1b/x", "#/~0/x", "#/x", 5)][:4] == [None] * 4


KEYWORDS = st.sampled_from(
    ["type", "properties", "items", "anyOf", "allOf", "$ref", "enum", "required", "pattern", "if", "not", "const",
     "dependentSchemas", "patternProperties", "additionalProperties", "minimum", "multipleOf", "prefixItems"],
)  # fmt: skip
SCHEMAS = st.recursive(
    JSON,
    lambda inner: st.dictionaries(KEYWORDS, inner, max_size=2) | st.lists(inner, max_size=2),
    max_leaves=4,
)


@FEWER
@given(st.dictionaries(KEYWORDS, SCHEMAS, max_size=4), JSON)
def test_no_schema_raises(schema: dict[str, Any], value: Any) -> None:
    """Any object is kept to, or is not, or cannot be."""
    assert holds(schema, value) in (True, False, None)


def test_half_a_letter_holds_nobody() -> None:
    """In a schema, or in a value."""
    assert holds({"properties": {"\ud800": {}}}, {}) is None
    assert holds({"pattern": "x"}, "\ud800") is None


@pytest.mark.parametrize("value", [10**400, -(10**400), 1e308, 10**20])
def test_large_numbers_are_numbers(value: Any) -> None:
    """Larger than any machine's own."""
    assert holds({"type": "number", "maximum": 3, "multipleOf": 0.5}, value) in (True, False, None)
