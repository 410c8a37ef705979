"""Reads `crossfade.yaml`: whole or not at all, and every complaint with its place."""

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from gateway.config import policies_home
from gateway.config import yaml_file as yamlfile
from gateway.config.problems import problems
from gateway.config.settings import Settings, contradictions
from gateway.config.yaml_file import Document, FileProblem, Loc, YamlFileError

DEFAULT_PATH = Path("crossfade.yaml")
PATH_VARIABLE = "CROSSFADE_CONFIG"
MAX_BYTES = 256 * 1024
_NEARLY = 0.92
"""How alike a misspelt name is; what an orchestrator sets for a service called `crossfade` is less so."""


class SettingsError(Exception):
    """The settings cannot be used; the message says for each place what is wrong there and what to do."""

    def __init__(self, *problems: FileProblem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        # Without the file's own lines, which may hold what no log should.
        self.brief = "; ".join(str(replace(problem, source="")).replace("\n    ", ". ") for problem in problems)


def find(named: str | None, environment: Mapping[str, str]) -> Path | None:
    """The settings file: the one that is named, or `crossfade.yaml` here, or none.

    Raises:
        SettingsError: the named one is not there, or a variable's name is nearly the one that names it.
    """
    wanted = named or environment.get(PATH_VARIABLE)
    if wanted is None:
        ours = [name for name in environment if name.startswith("CROSSFADE_")]
        if near := get_close_matches(PATH_VARIABLE, ours, n=1, cutoff=_NEARLY):  # else the defaults would be served
            raise SettingsError(FileProblem(near[0], None, "no variable of ours", f"did you mean {PATH_VARIABLE}?"))
        return DEFAULT_PATH if DEFAULT_PATH.exists() else None
    if Path(wanted).is_dir():
        raise SettingsError(FileProblem(wanted, None, "a folder, and no file", "name the crossfade.yaml in it"))
    if not Path(wanted).is_file():
        what = "it is no file" if Path(wanted).exists() else "no such file"
        raise SettingsError(FileProblem(wanted, None, what, "`crossfade init` writes one to start from"))
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
    _check_words(overrides or {})
    value = _with(tree or {}, overrides or {})
    try:
        settings = Settings.model_validate(value, context={"folder": path.parent if path is not None else Path()})
    except ValidationError as error:
        # pydantic's own text shows values, which may be secrets
        raise SettingsError(*problems(document, error, Settings)) from None
    found = [_at(document, loc, text) for loc, text in contradictions(settings)]
    if found:
        raise SettingsError(*found)
    return settings if "policies" in settings.model_fields_set else _with_policies_home(settings)


def _with_policies_home(settings: Settings) -> Settings:
    """The settings with the folder that is read when they name none."""
    chosen = settings.model_copy(update={"policies": policies_home.unstated(settings.policies)})
    chosen.model_fields_set.discard("policies")  # it stays what nobody stated
    return chosen


def policies_note(settings: Settings) -> str:
    """What to tell somebody who still has the earlier default folder of policies; empty: nothing."""
    return policies_home.note(settings.policies, stated="policies" in settings.model_fields_set)


def _at(document: Document, loc: Loc, text: str) -> FileProblem:
    message, _, hint = text.partition(". hint: ")
    return document.problem(loc, f"{'.'.join(str(part) for part in loc)}: {message}", hint)


def _check_words(overrides: Mapping[Loc, str]) -> None:
    """Refuse what the command line says wrong as its own: the file's line that it stands for may be right.

    Raises:
        SettingsError: which word.
    """
    try:
        Settings.model_validate(_with({}, overrides), context={"folder": Path()})
    except ValidationError as error:
        raise SettingsError(*problems(Document("command line", {}), error, Settings)) from None


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
