"""Reads `crossfade.yaml`: whole or not at all, and every complaint with its place."""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

import yaml
from pydantic import BaseModel, ValidationError

from gateway.settings import Loc, Settings, contradictions

DEFAULT_PATH = Path("crossfade.yaml")
PATH_VARIABLE = "CROSSFADE_CONFIG"
MAX_BYTES = 256 * 1024
_VARIABLE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})")


class SettingsError(Exception):
    """The settings cannot be used; each line says file, line, column, what is wrong and what to do."""


def find(named: str | None, environment: Mapping[str, str]) -> Path | None:
    """The settings file: the one that is named, or `crossfade.yaml` here, or none.

    Raises:
        SettingsError: the named one is not there.
    """
    wanted = named or environment.get(PATH_VARIABLE)
    if wanted is None:
        return DEFAULT_PATH if DEFAULT_PATH.exists() else None
    if not Path(wanted).is_file():
        raise SettingsError(f"{wanted}: no such file. hint: `crossfade init` writes one to start from")
    return Path(wanted)


def load(path: Path | None, environment: Mapping[str, str], overrides: Mapping[Loc, str] | None = None) -> Settings:
    """The settings in `path` (None: the defaults), with what the command line says instead.

    Raises:
        SettingsError: anything in them is wrong.
    """
    name = "command line" if path is None else str(path)
    tree = _Tree({}, {})
    if path is not None:
        tree = _read(path, environment)
    value = _with(tree.value, overrides or {})
    folder = path.parent if path is not None else Path()
    try:
        settings = Settings.model_validate(value, context={"folder": folder})
    except ValidationError as error:
        found = [(_keys(part["loc"]), part["type"], part["msg"]) for part in error.errors(include_input=False)]
        raise SettingsError(
            "\n".join(_line(name, tree, loc, _words(loc, kind, text)) for loc, kind, text in found)
        ) from None
    lines = [_line(name, tree, loc, text) for loc, text in contradictions(settings)]
    if lines:
        raise SettingsError("\n".join(lines))
    return settings


def _line(name: str, tree: "_Tree", loc: Loc, text: str) -> str:
    place = tree.place(loc)
    where = f"{name}:{place[0]}:{place[1]}" if place else name
    return f"{where}: {'.'.join(str(part) for part in loc)}: {text}" if loc else f"{where}: {text}"


def _keys(loc: Loc) -> Loc:
    """`loc` without the tags pydantic puts between the keys."""
    return tuple(part for part in loc if not str(part).startswith("("))


def _words(loc: Loc, kind: str, text: str) -> str:
    """What is wrong, in our words; never the value itself, which may be a secret."""
    if kind == "extra_forbidden":
        known = _fields(loc[:-1])
        near = difflib.get_close_matches(str(loc[-1]), known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        return f"no such key. hint: {hint}"
    if kind == "missing":
        return "is missing"
    return text.removeprefix("Value error, ")


def _fields(loc: Loc) -> list[str]:
    """The keys there may be at `loc`."""
    section: object = Settings
    for part in loc:
        if isinstance(section, type) and issubclass(section, BaseModel):
            field = section.model_fields.get(str(part))
            section = field.annotation if field is not None else section
        # A dictionary of sections, or a choice between a section and a word: the section is what has keys.
        section = next((inner for inner in _inside(section) if issubclass(inner, BaseModel)), section)
    return list(section.model_fields) if isinstance(section, type) and issubclass(section, BaseModel) else []


def _inside(annotation: object) -> Iterator[type]:
    if isinstance(annotation, type) and not get_args(annotation):
        yield annotation
    for inner in get_args(annotation):
        yield from _inside(inner)


def _with(value: object, overrides: Mapping[Loc, str]) -> dict[str, object]:
    """The tree with some values put in."""
    if not isinstance(value, dict):
        value = {}
    merged = dict(cast("dict[str, object]", value))
    for loc, text in overrides.items():
        section: dict[str, object] = merged
        for part in loc[:-1]:
            inner = section.get(str(part))
            copy = dict(cast("dict[str, object]", inner)) if isinstance(inner, dict) else {}
            section[str(part)] = copy
            section = copy
        section[str(loc[-1])] = text
    return merged


@dataclass(frozen=True, slots=True)
class _Tree:
    """What a file holds, and where."""

    value: object
    marks: dict[Loc, tuple[int, int]]

    def place(self, loc: Loc) -> tuple[int, int] | None:
        """Line and column of `loc`, or of what is nearest around it."""
        known: list[Loc] = [()]
        for part in loc:  # names of sections that pydantic tried are no keys of the file
            if (*known[-1], part) in self.marks:
                known.append((*known[-1], part))
        return self.marks.get(known[-1])


def _read(path: Path, environment: Mapping[str, str]) -> _Tree:
    """A file as a tree.

    Raises:
        SettingsError: it cannot be read, or is no YAML.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}. hint: the settings are a readable file in UTF-8") from error
    if len(data) > MAX_BYTES:
        raise SettingsError(f"{path}: longer than {MAX_BYTES} bytes")
    marks: dict[Loc, tuple[int, int]] = {}
    try:
        node = yaml.compose(text, yaml.SafeLoader)
        value = None if node is None else _value(node, (), marks, environment)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise SettingsError(f"{where}: {error.problem}") from None
    return _Tree(value, marks)


def _value(node: yaml.Node, loc: Loc, marks: dict[Loc, tuple[int, int]], environment: Mapping[str, str]) -> object:
    marks.setdefault(loc, (node.start_mark.line + 1, node.start_mark.column + 1))
    if isinstance(node, yaml.MappingNode):
        found: dict[str, object] = {}
        for key, inner in node.value:
            if key.value in found:
                raise yaml.MarkedYAMLError(problem=f"{key.value} stands here twice", problem_mark=key.start_mark)
            marks[*loc, key.value] = (key.start_mark.line + 1, key.start_mark.column + 1)
            found[key.value] = _value(inner, (*loc, key.value), marks, environment)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_value(inner, (*loc, place), marks, environment) for place, inner in enumerate(node.value)]
    return _scalar(node, environment)


def _scalar(node: yaml.Node, environment: Mapping[str, str]) -> object:
    def variable(match: re.Match[str]) -> str:
        if match[1] is None:
            return "$"  # `$$`
        value = environment.get(match[1]) or match[2]
        if value is None:
            raise yaml.MarkedYAMLError(
                problem=f"the environment has no {match[1]}. hint: set it, or write ${{{match[1]}:-default}}",
                problem_mark=node.start_mark,
            )
        return value

    text = _VARIABLE.sub(variable, node.value)
    plain = yaml.ScalarNode(node.tag, text, node.start_mark, style=node.style)
    return yaml.SafeLoader("").construct_object(plain) if node.tag != "tag:yaml.org,2002:str" else text
