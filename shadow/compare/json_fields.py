"""The share of equal fields in two JSON answers.

What a field is compared by follows from the request's schema: words of an `enum`, a `const`, a `pattern` or a `format`
letter by letter; other text by what it says (see `exact`); numbers within the tolerance; a list of `uniqueItems`
without its order. Every leaf weighs the same.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from shadow.compare import json_schema
from shadow.compare import request as asked
from shadow.compare.exact import normal
from shadow.compare.json_text import (
    NO_JSON,
    Pointers,
    below,
    canonical,
    children,
    decode,
    is_named,
    is_number,
    pointers,
)
from shadow.compare.pair import Comparator, Fields, Pair, Score

_LITERAL = ("enum", "const", "pattern", "format")
_MOST_REFERENCES = 8


class Counted(NamedTuple):
    """Leaves."""

    equal: int
    total: int


def make(options: Mapping[str, object]) -> Comparator:
    """The comparator, for the policy's `json_fields` options."""
    ignore, tolerance = pointers(options.get("ignore")), options.get("numeric_tolerance", 0.0)
    tolerance = float(tolerance) if isinstance(tolerance, (int, float)) else 0.0

    def compare(pair: Pair) -> Score:
        ours, theirs = (decode(answer.text, fenced=True) for answer in (pair.baseline, pair.candidate))
        if ours is NO_JSON and theirs is NO_JSON:
            return Score()
        if ours is NO_JSON or theirs is NO_JSON:
            return Score(q=-1.0, agree=0.0, told={"not_json": True})
        schema = asked.form(pair.asked).schema or {}
        equal, total = _Walk(schema, tolerance).compare(ours, theirs, schema, ignore)
        agree = equal / total if total else 1.0
        return Score(q=agree - 1.0, agree=agree, equal=equal == total, told={"fields": total})

    return compare


@dataclass(frozen=True, slots=True)
class _Walk:
    """Down both answers at once."""

    root: Fields
    tolerance: float

    def compare(self, one: Any, other: Any, schema: Any, ignore: Pointers) -> Counted:
        if is_named(ignore):
            return Counted(0, 0)
        rule = self._rule(schema)
        if isinstance(one, dict) and isinstance(other, dict):
            return self._objects(cast(Fields, one), cast(Fields, other), rule, ignore)
        if isinstance(one, list) and isinstance(other, list):
            return self._lists(cast("list[Any]", one), cast("list[Any]", other), rule, ignore)
        if self._is_leaf(one) and self._is_leaf(other):
            return Counted(int(self._equal(one, other, rule)), 1)
        return Counted(0, max(_leaves(one, ignore), _leaves(other, ignore)))

    def _objects(self, one: Fields, other: Fields, rule: Fields, ignore: Pointers) -> Counted:
        schemas = asked.mapping(rule.get("properties"))
        found = [
            self.compare(one[name], other[name], schemas.get(name), below(ignore, name))
            if name in one and name in other
            else Counted(0, _leaves(one.get(name, other.get(name)), below(ignore, name)))
            for name in one.keys() | other.keys()
        ]
        return _sum(found)

    def _lists(self, one: list[Any], other: list[Any], rule: Fields, ignore: Pointers) -> Counted:
        if rule.get("uniqueItems") is True:
            ours, theirs = (Counter(map(canonical, each)) for each in (one, other))
            return Counted((ours & theirs).total(), max(len(one), len(other), 1))
        shared = min(len(one), len(other))
        found = [
            self.compare(one[index], other[index], rule.get("items"), below(ignore, index)) for index in range(shared)
        ]
        longer = one if len(one) > shared else other
        found += [Counted(0, _leaves(longer[at], below(ignore, at))) for at in range(shared, len(longer))]
        return _sum(found)

    def _equal(self, one: Any, other: Any, rule: Fields) -> bool:
        if is_number(one) and is_number(other):
            return one == other or _is_near(one, other, self.tolerance)
        if isinstance(one, str) and isinstance(other, str) and not any(name in rule for name in _LITERAL):
            return normal(one) == normal(other)
        return type(one) is type(other) and one == other

    def _is_leaf(self, value: Any) -> bool:
        return not isinstance(value, (dict, list))

    def _rule(self, schema: Any) -> Fields:
        """The schema that speaks of a value: references followed, and what may also be null taken for what it is."""
        for _ in range(_MOST_REFERENCES):
            fields = asked.mapping(schema)
            choices = [
                each
                for name in ("anyOf", "oneOf", "allOf")
                for each in asked.objects(fields.get(name))
                if each.get("type") != "null"
            ]
            if "$ref" in fields:
                schema = json_schema.resolve(self.root, fields["$ref"])
            elif len(choices) == 1:
                schema = choices[0]
            else:
                return fields
        return {}


def _is_near(one: float, other: float, tolerance: float) -> bool:
    try:
        return tolerance > 0 and math.isclose(one, other, rel_tol=min(tolerance, 1.0))
    except OverflowError:  # whole numbers beyond floats
        return False


def _sum(found: list[Counted]) -> Counted:
    """An empty object or list counts as one leaf: it is there."""
    if not found:
        return Counted(1, 1)
    return Counted(sum(each.equal for each in found), sum(each.total for each in found))


def _leaves(value: Any, ignore: Pointers) -> int:
    if is_named(ignore):
        return 0
    if isinstance(value, dict):
        inner = [_leaves(child, below(ignore, name)) for name, child in cast(Fields, value).items()]
    else:
        inner = [_leaves(child, below(ignore, index)) for index, child in enumerate(children(value))]
    return sum(inner) if inner else 1
