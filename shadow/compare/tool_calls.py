"""Whether the same functions are called with the same arguments; and whether what is called is there and well-formed.

Every call is brought to one form, and the two collections of forms are compared: in any order, as often as each.
Source: the AST match of the Berkeley Function Calling Leaderboard, as decisions C.1 takes it: values coerced to the
type their schema names, text without case and punctuation, lists in order, optional arguments absent or default.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

from shadow.compare import json_schema, json_text
from shadow.compare import request as asked
from shadow.compare.json_text import NO_JSON, Pointers, below, is_named
from shadow.compare.pair import Comparator, Fields, ModelAnswer, Pair, Score, ToolCall
from shadow.compare.request import Tool

_NUMBER = re.compile(r"[-+]?\d{1,30}(?:\.\d{1,30})?")
_SAYS_NOTHING = str.maketrans({**dict.fromkeys(" \t\n,./-_*^"), '"': "'"})
_TEXT = frozenset({"string"})


def make(options: Mapping[str, object]) -> Comparator:
    """The comparator, for the policy's `tool_calls` options."""
    ignore = json_text.pointers(options.get("ignore"))

    def compare(pair: Pair) -> Score:
        tools = asked.tools(pair.asked)
        ours, theirs = (
            Counter(_form(call, tools.get(call.name), ignore) for call in answer.calls)
            for answer in (pair.baseline, pair.candidate)
        )
        equal = ours == theirs
        counts = {"baseline": ours.total(), "candidate": theirs.total(), "matched": (ours & theirs).total()}
        return Score(
            q=equal - 1.0,
            agree=float(equal),
            equal=equal and bool(ours),
            valid_baseline=_is_valid(pair.baseline, tools),
            valid_candidate=_is_valid(pair.candidate, tools),
            told=counts,
        )

    return compare


def _is_valid(answer: ModelAnswer, tools: Mapping[str, Tool]) -> bool | None:
    """Whether every call is of a tool that was offered, with arguments that satisfy its schema; None: no call."""
    if not answer.calls:
        return None
    return all(call.name in tools and _is_well_formed(call, tools[call.name]) for call in answer.calls)


def _is_well_formed(call: ToolCall, tool: Tool) -> bool:
    if tool.is_free:
        return True
    arguments = json_text.decode(call.arguments or "{}")
    if not isinstance(arguments, dict):
        return False
    return tool.parameters is None or json_schema.holds(tool.parameters, arguments) is not False


def _form(call: ToolCall, tool: Tool | None, ignore: Pointers) -> tuple[str, str]:
    """The normalized form of a call: calls that do the same have the same form."""
    arguments = NO_JSON if tool and tool.is_free else json_text.decode(call.arguments or "{}")
    if arguments is NO_JSON:
        return call.name, " ".join(call.arguments.split())
    schema = (tool.parameters if tool else None) or {}
    return call.name, json_text.canonical(_value(arguments, schema, schema, ignore))


def _value(value: Any, schema: Any, root: Fields, ignore: Pointers) -> Any:
    schema = asked.mapping(schema)
    if "$ref" in schema:
        schema = asked.mapping(json_schema.resolve(root, schema["$ref"]))
    if isinstance(value, dict):
        return _object(cast(Fields, value), schema, root, ignore)
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return [_value(each, schema.get("items"), root, below(ignore, index)) for index, each in enumerate(items)]
    return _leaf(value, _types(schema))


def _object(value: Fields, schema: Fields, root: Fields, ignore: Pointers) -> Fields:
    required, properties = json_text.children(schema.get("required")), asked.mapping(schema.get("properties"))
    kept: Fields = {}
    for name, each in value.items():
        down, inner = below(ignore, name), asked.mapping(properties.get(name))
        if is_named(down):
            continue
        found = _value(each, inner, root, down)
        if name in required or not (found is None or _is_default(found, inner, root, down)):
            kept[name] = found
    return kept


def _is_default(found: Any, schema: Fields, root: Fields, ignore: Pointers) -> bool:
    if "default" not in schema:
        return False
    return json_text.canonical(found) == json_text.canonical(_value(schema["default"], schema, root, ignore))


def _leaf(value: Any, types: frozenset[str]) -> Any:
    """A value as what its schema says it is, where it can be that."""
    if isinstance(value, float):
        value = _number(value)
    if isinstance(value, str):
        if "string" not in types:
            if types & {"number", "integer"} and _NUMBER.fullmatch(value.strip()):
                return _number(float(value)) if "." in value else int(value)
            if "boolean" in types and value.strip().lower() in ("true", "false"):
                return value.strip().lower() == "true"
        return _word(value)
    if types == _TEXT and value is not None:
        return _word(json_text.canonical(value))
    return value


def _number(value: float) -> float:
    return int(value) if value.is_integer() else value


def _word(text: str) -> str:
    """A text without what says nothing; of a number every sign counts."""
    if _NUMBER.fullmatch(text.strip()):
        return text.strip()
    return text.translate(_SAYS_NOTHING).lower()


def _types(schema: Fields) -> frozenset[str]:
    """The types a schema allows, but for null; none: it does not say."""
    stated = schema.get("type")
    named = [stated] if isinstance(stated, str) else [str(each) for each in json_text.children(stated)]
    choices = (*asked.objects(schema.get("anyOf")), *asked.objects(schema.get("oneOf")))
    named += [asked.text(choice.get("type")) for choice in choices]
    return frozenset(named) - {"null", ""}
