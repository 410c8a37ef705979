"""Whether a value satisfies a JSON Schema, without trusting either.

Schemas come from requests and values from models. So nothing is fetched, regular expressions are of the kind that
takes linear time, and a schema that would take too many steps on a value is not begun: then nobody knows.
Source: JSON Schema 2020-12; `jsonschema-rs`, which also reads the drafts before it.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, cast

import jsonschema_rs

from shadow.compare.json_text import canonical, children, depth_within
from shadow.compare.pair import Fields

MAX_STEPS = 30_000
"""Applications of a subschema to a value, at most."""
MAX_DEPTH = 64
_PATTERN_BYTES = 1_000_000
_DATA = frozenset({"const", "default", "enum", "examples", "example"})
"""Keywords whose values are no schemas."""
_ELSEWHERE = frozenset({"$dynamicRef", "$recursiveRef"})
_HERE = ("not", "if", "then", "else")
_HERE_LISTS = ("allOf", "anyOf", "oneOf")
_NAMED = ("additionalProperties", "unevaluatedProperties")
_BY_INDEX = ("prefixItems", "items")
_LISTED = ("items", "additionalItems", "unevaluatedItems", "contains")


def holds(schema: Fields, value: Any) -> bool | None:
    """Whether `value` satisfies `schema`; None: that cannot be said, for the schema is none, or takes too long."""
    known = _known(canonical(schema)) if depth_within(schema, MAX_DEPTH) else None
    if known is None or not _is_short(schema, value):
        return None
    try:
        return known.is_valid(value)
    except ValueError:  # numbers beyond what it can count with, halves of letters
        return None


def is_usable(schema: object) -> bool:
    """Whether it is a JSON Schema that can be kept to here: every reference inside it, every pattern linear."""
    return isinstance(schema, dict) and holds(cast(Fields, schema), None) is not None


@lru_cache(maxsize=128)
def _known(text: str) -> jsonschema_rs.Validator | None:
    schema: Any = json.loads(text)
    if not _stands_alone(schema):
        return None
    linear = jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES)
    try:
        return jsonschema_rs.validator_for(schema, offline=True, pattern_options=linear, validate_formats=False)
    except (ValueError, jsonschema_rs.ReferencingError):
        return None


def _stands_alone(schema: Fields) -> bool:
    """Whether it refers to nothing but places of its own, by JSON pointer."""
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            fields = cast(Fields, node)
            reference = fields.get("$ref", "#")
            if isinstance(reference, str) and not (reference == "#" or reference.startswith("#/")):
                return False
            if not _ELSEWHERE.isdisjoint(fields) or (node is not schema and isinstance(fields.get("$id"), str)):
                return False
            waiting += [value for name, value in fields.items() if name not in _DATA]
        else:
            waiting += children(node)
    return True


def _is_short(root: Fields, value: Any) -> bool:
    """Whether few enough subschemas meet few enough values, each path counted: anyOf in anyOf doubles at every turn."""
    waiting: list[tuple[Any, Any]] = [(root, value)]
    for _ in range(MAX_STEPS):
        if not waiting:
            return True
        schema, at = waiting.pop()
        if isinstance(schema, dict):
            waiting += _in_place(root, cast(Fields, schema), at)
            waiting += _one_down(cast(Fields, schema), at)
            if len(waiting) > MAX_STEPS:
                return False
    return False


def _in_place(root: Fields, schema: Fields, at: Any) -> Iterator[tuple[Any, Any]]:
    for name in _HERE:
        if name in schema:
            yield schema[name], at
    for name in _HERE_LISTS:
        for each in children(schema.get(name)):
            yield each, at
    for each in children(schema.get("dependentSchemas")):
        yield each, at
    if "$ref" in schema:
        yield resolve(root, schema["$ref"]), at


def _one_down(schema: Fields, at: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(at, dict):
        return _in_object(schema, cast(Fields, at))
    return _in_list(schema, cast("list[Any]", at)) if isinstance(at, list) else iter(())


def _in_object(schema: Fields, at: Fields) -> Iterator[tuple[Any, Any]]:
    """Whatever a keyword may apply to a field; which patterns match its name is not looked at."""
    by_name = schema.get("properties")
    everywhere = [*children(schema.get("patternProperties")), *(schema[name] for name in _NAMED if name in schema)]
    for name, child in at.items():
        if isinstance(by_name, dict) and name in by_name:
            yield cast(Fields, by_name)[name], child
        for each in everywhere:
            yield each, child


def _in_list(schema: Fields, at: list[Any]) -> Iterator[tuple[Any, Any]]:
    by_index = [cast("list[Any]", schema[name]) for name in _BY_INDEX if isinstance(schema.get(name), list)]
    everywhere = [schema[name] for name in _LISTED if isinstance(schema.get(name), dict)]
    for index, child in enumerate(at):
        for several in by_index:
            yield several[index] if index < len(several) else None, child
        for each in everywhere:
            yield each, child


def resolve(root: Fields, reference: Any) -> Any:
    """What a reference by JSON pointer points to; None: nothing."""
    node: Any = root
    for part in str(reference).split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict):
            node = cast(Fields, node).get(name)
        else:
            several = cast("list[Any]", node) if isinstance(node, list) else []
            node = several[int(name)] if name.isdecimal() and int(name) < len(several) else None
    return node
