"""Reads `crossfade.yaml`: whole or not at all, and every complaint with its place."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast, get_args

from pydantic import BaseModel, ValidationError

from gateway import yamlfile
from gateway.settings import Loc, Settings, contradictions
from gateway.yamlfile import Document, Problem, YamlFileError

DEFAULT_PATH = Path("crossfade.yaml")
PATH_VARIABLE = "CROSSFADE_CONFIG"
MAX_BYTES = 256 * 1024


class SettingsError(Exception):
    """The settings cannot be used; the message says for each place what is wrong there and what to do."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        # Without the file's own lines, which may hold what no log should.
        self.brief = "; ".join(str(replace(problem, source="")).replace("\n    ", ". ") for problem in problems)


def find(named: str | None, environment: Mapping[str, str]) -> Path | None:
    """The settings file: the one that is named, or `crossfade.yaml` here, or none.

    Raises:
        SettingsError: the named one is not there.
    """
    wanted = named or environment.get(PATH_VARIABLE)
    if wanted is None:
        return DEFAULT_PATH if DEFAULT_PATH.exists() else None
    if not Path(wanted).is_file():
        raise SettingsError(Problem(wanted, None, "no such file", "`crossfade init` writes one to start from"))
    return Path(wanted)


def load(path: Path | None, environment: Mapping[str, str], overrides: Mapping[Loc, str] | None = None) -> Settings:
    """The settings in `path` (None: the defaults), with what the command line says instead.

    Raises:
        SettingsError: anything in them is wrong.
    """
    try:
        document = (
            Document("command line", {}) if path is None else yamlfile.load(path, environment, max_bytes=MAX_BYTES)
        )
    except YamlFileError as error:
        raise SettingsError(*error.problems) from None
    tree = cast("dict[str, object] | None", document.value)
    if tree is not None and not isinstance(tree, dict):
        raise SettingsError(
            document.problem((), "settings are keys and values", "`crossfade init` writes a file to start from")
        )
    value = _with(tree or {}, overrides or {})
    try:
        settings = Settings.model_validate(value, context={"folder": path.parent if path is not None else Path()})
    except ValidationError as error:
        problems = [
            _problem(document, each["loc"], each["type"], each["msg"]) for each in error.errors(include_input=False)
        ]
        raise SettingsError(*problems) from None  # pydantic's own text shows values, which may be secrets
    problems = [_at(document, loc, text) for loc, text in contradictions(settings)]
    if problems:
        raise SettingsError(*problems)
    return settings


def _problem(document: Document, loc: Loc, kind: str, text: str) -> Problem:
    """What pydantic says, in our words; never the value itself."""
    of_key = "[key]" in loc
    loc = tuple(part for part in loc if not str(part).startswith(("(", "[")))  # tags it puts between the keys
    if kind == "extra_forbidden":
        known = _fields(loc[:-1])
        near = difflib.get_close_matches(str(loc[-1]), known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        return document.problem(loc, f"{_dotted(loc)}: no such key", hint, of_key=True)
    words = {"missing": "is missing", "model_type": f"is a section. hint: it may have {', '.join(_fields(loc))}"}
    return _at(document, loc, words.get(kind) or text.removeprefix("Value error, "), of_key=of_key)


def _at(document: Document, loc: Loc, text: str, *, of_key: bool = False) -> Problem:
    message, _, hint = text.partition(". hint: ")
    return document.problem(loc, f"{_dotted(loc)}: {message}", hint, of_key=of_key)


def _dotted(loc: Loc) -> str:
    return ".".join(str(part) for part in loc)


def _fields(loc: Loc) -> list[str]:
    """The keys there may be at `loc`."""
    section: type[BaseModel] | None = Settings
    annotation: object = Settings
    for part in loc:
        if section is not None and str(part) in section.model_fields:
            annotation = section.model_fields[str(part)].annotation
        # Of a dictionary of sections, or a choice between a section and a word, the section is what has keys.
        section = next(_sections(annotation), None)
    return list(section.model_fields) if section is not None else []


def _sections(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _sections(inner)


def _with(value: Mapping[str, object], overrides: Mapping[Loc, str]) -> dict[str, object]:
    """The tree with some values put in."""
    merged = dict(value)
    for loc, text in overrides.items():
        section = merged
        for part in loc[:-1]:
            inner = section.get(str(part))
            copy = dict(cast("dict[str, object]", inner)) if isinstance(inner, dict) else {}
            section[str(part)] = copy
            section = copy
        section[str(loc[-1])] = text
    return merged
