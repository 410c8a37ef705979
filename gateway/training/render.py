"""Writes a recipe into the user's folder, with their settings in its settings block. What the user changed stays."""

import ast
import contextlib
import difflib
import math
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import policies
import records
import shadow
from records.durable import replace

RECIPES = Path(__file__).parent / "recipes"
COMPARATORS = "comparators"
LOCK = Path(__file__).parent / "train.lock"
BEGIN, END = "# Settings: edit them here.", "# End of the settings."
_WORDS = {"METHOD": ("full", "lora")}
"""Settings that take certain words alone."""
_ASSIGNED = re.compile(r"^([A-Z_]+) = (.*)$", re.MULTILINE)


def names(recipe: str) -> list[str]:
    """The settings of a recipe."""
    return [name for name, _ in _ASSIGNED.findall(_block((RECIPES / recipe).read_text("utf-8")))]


def rendered(recipe: str, settings: Mapping[str, object]) -> str:
    """The recipe with these settings.

    Raises:
        ValueError: it has no such setting, or one of another kind.
    """
    text = (RECIPES / recipe).read_text("utf-8")
    block = _block(text)
    known = names(recipe)
    for name in settings:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1) or [", ".join(known)]
            raise ValueError(f"{recipe} has no setting {name.lower()}. hint: {near[0].lower()}")
    held = settings_in(text)
    for name, wanted in settings.items():
        if name in held and not _is_such(held[name], wanted):
            raise ValueError(f"{name.lower()} = {wanted!r}: of another kind. hint: such as {held[name]!r}")
        if name in held and not _is_in_range(held[name], wanted):
            raise ValueError(f"{name.lower()} = {wanted!r}: out of range. hint: such as {held[name]!r}")
        if name in _WORDS and wanted not in _WORDS[name]:
            raise ValueError(f"{name.lower()} = {wanted!r}: there is no such. hint: {', '.join(_WORDS[name])}")
    return text.replace(
        block,
        _ASSIGNED.sub(
            lambda found: f"{found[1]} = {settings[found[1]]!r}" if found[1] in settings else found[0], block
        ),
    )


def job(action: str, torch: str) -> str:
    """The Kubernetes Job that runs the script of `action`."""
    text = (RECIPES / "job.yaml").read_text("utf-8")
    return text.replace("train-sft", f"train-{action}").replace("train_sft", f"train_{action}").replace("TORCH", torch)


def write_comparators(folder: Path) -> None:
    """Copy what a reward is made of beside the script: the packages `shadow`, `records` and `policies`.

    Raises:
        OSError: it cannot be written.
    """
    target = folder / COMPARATORS
    shutil.rmtree(target, ignore_errors=True)
    for package in (shadow, records, policies):
        source = Path(package.__path__[0])
        shutil.copytree(source, target / source.name, ignore=shutil.ignore_patterns("*.so", "__pycache__", "examples"))


def value(text: str) -> object:
    """A setting's value as words of a command line say it: a Python literal, or else a text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def write(folder: Path, name: str, text: str, *, fresh: bool = False) -> bool:
    """Write `text` as `folder/name`, unless another one is there already. Returns whether it is the one that is there.

    Raises:
        OSError: it cannot be written.
    """
    path = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    if path.exists() and not fresh:
        return path.read_text("utf-8") == text
    replace(path, text.encode())  # cut off by a full disk, it would be taken for the user's own
    return True


def settings_in(script: str) -> dict[str, object]:
    """The settings that a script says. What is computed there is left out.

    Raises:
        ValueError: it has no block of settings: it is the user's own altogether.
    """
    held = dict[str, object]()
    for name, said in _ASSIGNED.findall(_block(script)):
        with contextlib.suppress(ValueError, SyntaxError):
            held[name] = ast.literal_eval(said)
    return held


def _is_such(held: object, wanted: object) -> bool:
    """Whether a value is of the kind that stands there: words are no number, and 2.5 is no whole one."""
    if isinstance(held, bool):
        return isinstance(wanted, bool)
    if isinstance(held, int):
        return isinstance(wanted, int) and not isinstance(wanted, bool)
    if isinstance(held, float):
        return isinstance(wanted, int | float) and not isinstance(wanted, bool)
    if held is None:  # a number that the script decides itself
        return wanted is None or (isinstance(wanted, int | float) and not isinstance(wanted, bool))
    return True


def _is_in_range(held: object, wanted: object) -> bool:
    """Whether a number can be meant: none is negative or without an end, and what counts something is not zero."""
    if isinstance(wanted, bool) or not isinstance(wanted, int | float):
        return True
    counts = isinstance(held, int) and held > 0
    return math.isfinite(wanted) and wanted >= (1 if counts else 0)


def contradictions(script: str, settings: Mapping[str, object]) -> list[str]:
    """Where a script says a setting otherwise, each as `epochs = 1.0, not 5`. What is computed there is left out."""
    held = settings_in(script)
    return [
        f"{name.lower()} = {held[name]!r}, not {wanted!r}"
        for name, wanted in settings.items()
        if name in held and held[name] != wanted
    ]


def _block(text: str) -> str:
    return text[text.index(BEGIN) : text.index(END)]
