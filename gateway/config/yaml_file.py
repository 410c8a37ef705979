"""Files that people write: YAML read safely into plain values, with the place of every key and value.

Rules:
1. What is not plain data is refused: tags, several documents, keys that are no text, the same key twice.
2. Size, depth and the number of values are bounded before anything is built, aliases counted by what they expand to.
3. Words are text: only null, true, false and JSON's numbers are anything else, so that `on`, `no`, `2026-11-18` and
   `12:30` stay what was written.
4. `${NAME}` and `${NAME:-default}` in a value come from the environment, `$$` is a dollar; they are replaced after
   parsing, so that a value never becomes a key.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import yaml

from records.named_file import require_file

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_VALUES = 20_000

Loc = tuple[str | int, ...]
"""The way to a value: keys and list positions."""

_VARIABLE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})")
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_NUMBER = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]{1,3})?")
_WORDS: dict[str, object] = {"": None, "~": None, "null": None, "true": True, "false": False}
_SECRET = re.compile(r"(?i)((?:key|token|secret|password|pepper|authorization)[\"']?\s*:\s*)(?=\S)(?![{\[$]).*")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a file: line and column, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class FileProblem:
    """One thing that is wrong with a file, where, and what to do."""

    name: str
    place: Place | None
    message: str
    hint: str = ""
    source: str = ""
    """The line of the file; values of keys that sound like secrets are left out."""

    def __str__(self) -> str:
        """`file:line:col: message`, the source line with a caret, `hint: …`."""
        where = f"{self.name}:{self.place.line}:{self.place.column}" if self.place else self.name
        lines = [f"{where}: {self.message}"]
        if self.place is not None and self.source.strip():
            lines += [f"    {self.source}", f"    {' ' * (self.place.column - 1)}^"]
        if self.hint:
            lines.append(f"    hint: {self.hint}")
        return "\n".join(lines)


class YamlFileError(Exception):
    """A file that is not used, with all that is wrong with it."""

    def __init__(self, *problems: FileProblem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, and where it says it."""

    name: str
    value: object
    """Mappings, lists, text, numbers, booleans and None."""
    lines: tuple[str, ...] = ()
    values: Mapping[Loc, Place] = field(default_factory=dict[Loc, Place])
    keys: Mapping[Loc, Place] = field(default_factory=dict[Loc, Place])

    def place(self, loc: Loc, *, of_key: bool = False) -> Place | None:
        """Where the value (or the key) of `loc` stands, or what is nearest around it."""
        first, second = (self.keys, self.values) if of_key else (self.values, self.keys)
        for end in range(len(loc), -1, -1):
            found = first.get(loc[:end]) or second.get(loc[:end])
            if found is not None:
                return found
        return None

    def problem(self, loc: Loc, message: str, hint: str = "", *, of_key: bool = False) -> FileProblem:
        """A complaint about what stands at `loc`."""
        return complaint(self.name, self.lines, self.place(loc, of_key=of_key), message, hint=hint)


def complaint(name: str, lines: tuple[str, ...], place: Place | None, message: str, *, hint: str = "") -> FileProblem:
    """A problem with its source line, secrets left out."""
    source = ""
    if place is not None and place.line <= len(lines):
        source = _SECRET.sub(r"\1…", lines[place.line - 1].replace("\t", " "))[:200]
    return FileProblem(name, place, message, hint, source)


def load(path: Path, environment: Mapping[str, str] | None = None, *, max_bytes: int = MAX_BYTES) -> Document:
    """The file at `path`.

    Raises:
        YamlFileError: it cannot be read, or is not such a file.
    """
    name = str(path)
    try:
        require_file(path)
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason, hint = _unreadable(error)
        raise YamlFileError(FileProblem(name, None, f"cannot be read: {reason}", hint)) from error
    if len(data) > max_bytes:
        raise YamlFileError(FileProblem(name, None, f"longer than {max_bytes} bytes"))
    return parse(text, name, environment)


def _unreadable(error: OSError | UnicodeDecodeError) -> tuple[str, str]:
    """Why a file cannot be read, and what to do."""
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8", "save it as UTF-8"
    if isinstance(error, IsADirectoryError):
        return "a folder, and no file", "name a file in it"
    return error.strerror or str(error), "is the path right, and may this user read it?"


def parse(text: str, name: str, environment: Mapping[str, str] | None = None) -> Document:
    """What `text` says; without `environment`, `${NAME}` stays as it stands.

    Raises:
        YamlFileError: it is not plain YAML, or over a bound.
    """
    builder = _Builder(name, tuple(text.splitlines()), environment)
    if len(text) > MAX_BYTES:
        raise YamlFileError(FileProblem(name, None, f"longer than {MAX_BYTES} bytes"))
    try:
        value = builder.document(cast("Iterator[yaml.Event]", yaml.parse(text, Loader=_LOADER)))  # pyright: ignore[reportUnknownMemberType]
    except yaml.YAMLError as error:
        raise YamlFileError(builder.syntax(error)) from error
    except UnicodeError as error:
        raise YamlFileError(FileProblem(name, None, "not UTF-8")) from error
    return Document(name, value, builder.lines, builder.values, builder.keys)


_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class _Builder:
    """Makes plain values of a parser's events."""

    def __init__(self, name: str, lines: tuple[str, ...], environment: Mapping[str, str] | None) -> None:
        self.lines = lines
        self.values: dict[Loc, Place] = {}
        self.keys: dict[Loc, Place] = {}
        self._name = name
        self._environment = environment
        self._anchors: dict[str, tuple[object, int]] = {}
        self._count = 0

    def document(self, events: Iterator[yaml.Event]) -> object:
        """The value of the only document."""
        value: object = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._refusal(event, "a second document begins", "one file, one document: take out `---`")
            elif isinstance(event, yaml.NodeEvent):
                value = self._value(event, events, ())
        return value

    def syntax(self, error: yaml.YAMLError) -> FileProblem:
        """What the parser could not read."""
        marks = [cast("yaml.Mark | None", getattr(error, name, None)) for name in ("problem_mark", "context_mark")]
        places = [_at(mark) for mark in marks if mark is not None]
        if not places:
            return FileProblem(self._name, None, "not YAML: it holds characters that no text file has")
        place = places[0]
        if place.line > len(self.lines):  # what began and never ended is wrong, not what lies behind the end
            last = len(self.lines)
            place = next((each for each in places if each.line <= last), Place(last, len(self.lines[-1]) + 1))
        line = self.lines[place.line - 1]
        hint = ""
        if "\t" in line[: len(line) - len(line.lstrip())]:
            hint = "indent with spaces, not tabs"
        elif "${" in line:
            hint = 'inside {…} and […], put "${NAME}" in quotes'
        problem = getattr(error, "problem", None) or "cannot be read here"
        return complaint(self._name, self.lines, place, f"not YAML: {problem}", hint=hint)

    def _value(self, event: yaml.NodeEvent, events: Iterator[yaml.Event], loc: Loc) -> object:
        self._check(event, loc)
        self.values[loc] = _place(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        before = self._count
        self._spend(event, 1)
        value: object
        if isinstance(event, yaml.MappingStartEvent):
            value = self._mapping(events, loc)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(events, loc)
        else:
            value = self._scalar(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._count - before)
        return value

    def _check(self, event: yaml.NodeEvent, loc: Loc) -> None:
        if len(loc) > MAX_DEPTH:
            raise self._refusal(event, f"nested more than {MAX_DEPTH} levels deep")
        if getattr(event, "tag", None) is not None:
            raise self._refusal(event, "tags (`!…`) are not used here", "put a value in quotes to make it text")

    def _spend(self, event: yaml.NodeEvent, values: int) -> None:
        self._count += values
        if self._count > MAX_VALUES:
            raise self._refusal(event, f"more than {MAX_VALUES} values, aliases counted by what they stand for")

    def _alias(self, event: yaml.AliasEvent) -> object:
        if event.anchor not in self._anchors:
            raise self._refusal(event, f"`*{event.anchor}` stands for nothing that ends before it")
        value, size = self._anchors[event.anchor]
        self._spend(event, size)
        return value

    def _mapping(self, events: Iterator[yaml.Event], loc: Loc) -> dict[str, object]:
        found: dict[str, object] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self._refusal(event, "a key must be a word", "put text with special characters in quotes")
            self._check(event, loc)
            key = event.value
            if key in found:
                first = self.keys[*loc, key].line
                raise self._refusal(event, f"`{key}` is here twice, first in line {first}")
            self.keys[*loc, key] = _place(event)
            found[key] = None
            found[key] = self._value(_node(next(events)), events, (*loc, key))
        return found

    def _sequence(self, events: Iterator[yaml.Event], loc: Loc) -> list[object]:
        found: list[object] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            found.append(self._value(_node(event), events, (*loc, len(found))))
        return found

    def _scalar(self, event: yaml.NodeEvent) -> object:
        text = str(event.value) if isinstance(event, yaml.ScalarEvent) else ""
        if self._environment is not None and "$" in text:
            text = _VARIABLE.sub(lambda match: self._variable(event, match), text)
        plain = isinstance(event, yaml.ScalarEvent) and event.implicit[0]
        return _resolved(text) if plain else text

    def _variable(self, event: yaml.Event, match: re.Match[str]) -> str:
        if match[1] is None:
            return "$"
        value = (self._environment or {}).get(match[1]) or match[2]
        if value is None:
            hint = f"set it, or give a default: ${{{match[1]}:-…}}"
            raise self._refusal(event, f"the environment has no {match[1]}", hint)
        return value

    def _refusal(self, event: yaml.Event, message: str, hint: str = "") -> YamlFileError:
        return YamlFileError(complaint(self._name, self.lines, _place(event), message, hint=hint))


def _at(mark: yaml.Mark) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _place(event: yaml.Event) -> Place:
    return _at(event.start_mark)


def _node(event: yaml.Event) -> yaml.NodeEvent:
    assert isinstance(event, yaml.NodeEvent), event  # noqa: S101  (the parser's grammar: values are nodes)
    return event


def _resolved(text: str) -> object:
    """A plain word's value: YAML 1.2's core schema, but for octal, hexadecimal and what no number can hold."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    found = float(text) if _NUMBER.fullmatch(text) else text
    return found if isinstance(found, str) or math.isfinite(found) else text
