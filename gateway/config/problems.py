"""What pydantic finds wrong with a file, in our words and with its place.

Values are never repeated: they may be secrets.
"""

import difflib
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Union, cast, get_args, get_origin

from pydantic import BaseModel, RootModel, ValidationError

from gateway.config.yaml_file import Document, FileProblem, Loc, Place

_MESSAGES = {
    "string_type": ("must be text", "put it in quotes"),
    "int_type": ("must be a whole number", ""),
    "int_parsing": ("must be a whole number", ""),
    "int_from_float": ("must be a whole number", ""),
    "float_type": ("must be a number", ""),
    "float_parsing": ("must be a number", ""),
    "bool_type": ("must be true or false", ""),
    "bool_parsing": ("must be true or false", ""),
    "dict_type": ("must be a mapping of keys to values", ""),
    "model_type": ("must be a mapping of keys to values", ""),
    "model_attributes_type": ("must be a mapping of keys to values", ""),
    "list_type": ("must be a list", ""),
    "tuple_type": ("must be a list", ""),
    "too_short": ("is empty", ""),
    "finite_number": ("must be a finite number", ""),
}


def problems(document: Document, error: ValidationError, model: type[BaseModel]) -> list[FileProblem]:
    """What is wrong with `document`, in the order of the file; `model` is what it should have been."""
    found: dict[tuple[Place | None, str], FileProblem] = {}
    for part in error.errors(include_url=False, include_input=False):
        loc = _real(document.value, part["loc"])
        if part["type"] == "too_short" and _at(document.value, loc):
            continue  # its items are wrong, and are complained of
        problem = _problem(document, loc, part, model)
        found.setdefault((problem.place, problem.message), problem)
    return sorted(found.values(), key=lambda problem: problem.place or Place(0, 0))


def _real(value: object, loc: Sequence[str | int]) -> Loc:
    """`loc` without the names pydantic gives to what it tried; a key that is missing stays as the last part."""
    kept: list[str | int] = []
    for at, part in enumerate(loc):
        if isinstance(value, dict) and part in value:
            value = cast("dict[str | int, object]", value)[part]
        elif isinstance(value, list) and isinstance(part, int) and part < len(cast("list[object]", value)):
            value = cast("list[object]", value)[part]
        elif not isinstance(value, dict) or at != len(loc) - 1 or not isinstance(part, str) or part[:1] in "[(":
            continue
        kept.append(part)
    return tuple(kept)


def _at(value: object, loc: Loc) -> object:
    for part in loc:
        value = cast("dict[str | int, object]", value)[part]
    return value


def _problem(document: Document, loc: Loc, part: Mapping[str, Any], model: type[BaseModel]) -> FileProblem:
    kind = str(part["type"])
    name = ".".join(str(key) for key in loc)
    if kind == "extra_forbidden":
        key = str(part["loc"][-1])
        hint = _nearest(key, _fields(model, loc[:-1] if loc[-1:] == (key,) else loc))
        return document.problem(loc, f"`{key}` is no key here", hint, of_key=True)
    if kind == "missing":
        key = str(part["loc"][-1])
        whole = (*loc[:-1], key) if loc[-1:] == (key,) else (*loc, key)
        return document.problem(whole[:-1], f"`{'.'.join(map(str, whole))}` is missing")
    message, hint = _words(kind, part)
    return document.problem(loc, f"{name}: {message}" if name else message, hint)


def _words(kind: str, part: Mapping[str, Any]) -> tuple[str, str]:
    context = cast("Mapping[str, Any]", part.get("ctx") or {})
    if kind in ("value_error", "assertion_error"):
        message, _, hint = str(context.get("error", part["msg"])).partition(" hint: ")
        return message.rstrip("."), hint
    if kind == "too_long":
        return f"has {context['actual_length']} entries", f"at most {context['max_length']}"
    if kind in ("literal_error", "enum"):
        return f"must be {str(context.get('expected', '')).replace(chr(39), '`')}", ""
    if kind in _MESSAGES:
        return _MESSAGES[kind]
    return str(part["msg"]).replace("Input should", "must"), ""


def _nearest(key: str, known: Sequence[str]) -> str:
    """Which key was meant, or which there are."""
    close = difflib.get_close_matches(key.lower(), known, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{close[0]}`?"
    return f"there are {', '.join(known)}" if known else ""


def _fields(model: type[BaseModel], loc: Loc) -> list[str]:
    """The keys there may be at `loc`."""
    sections: list[type[BaseModel]] = [model]
    for part in loc:
        inner = [found for section in sections for found in _below(section, part)]
        sections = inner or sections
    return [field.alias or name for section in sections for name, field in section.model_fields.items()]


def _below(section: type[BaseModel], part: str | int) -> Iterator[type[BaseModel]]:
    for name, field in section.model_fields.items():
        if part in (name, field.alias):
            yield from _models(field.annotation)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """The models within a type: of a union, of a list's items, of a mapping's values."""
    if isinstance(annotation, type) and issubclass(annotation, RootModel):
        yield from _models(annotation.model_fields["root"].annotation)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, types.UnionType, tuple, list, dict) or get_args(annotation):
        for inner in get_args(annotation):
            yield from _models(inner)
