"""`crossfade dataset inspect`: what a dataset was made of, and what one of its rows teaches."""

import argparse
import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from gateway.training import environment
from gateway.training.token_mask import Tokens, token_masks
from records.dataset.check import lines_of_file
from records.dataset.example import Fields
from records.dataset.formats import format_named
from records.dataset.lesson import Lesson, Way
from records.dataset.manifest import Manifest

_COLOURS: dict[Way, str] = {"toward": "\x1b[1;32m", "away": "\x1b[1;31m"}
_READ = "\x1b[2m"
_PLAIN = "\x1b[0m"
_SAYS: dict[Way, str] = {"toward": "learned", "away": "learned to be avoided"}


def row_of(folder: Path, made: Manifest, number: int) -> Fields:
    """The row of that number, from 1, of the dataset's first file.

    Raises:
        ValueError: there is none.
        OSError, duckdb.Error: the file cannot be read.
    """
    if not made.files:
        raise ValueError(f"{folder} has no rows. hint: its manifest says why they were left out")
    path = folder / made.files[0].name
    line = next(itertools.islice(lines_of_file(path), max(0, number - 1), None), None)
    if line is None:
        raise ValueError(f"{path.name} has no row {number}. hint: it has {made.files[0].examples}")
    return msgspec.json.decode(line, type=dict[str, Any])


def told(lessons: Sequence[Lesson], masks: Sequence[Tokens] | None, *, in_colour: bool) -> Iterator[str]:
    """Lines that show the lessons of a row, token by token where `masks` has them, else message by message."""
    for number, lesson in enumerate(lessons):
        how = _SAYS[lesson.way]
        if not lesson.learned:
            yield "nothing here is learned by heart: the model answers by itself, and a reward scores it"
        elif masks is None:
            yield f"{len(lesson.learned)} of {len(lesson.messages)} messages are {how}"
        else:
            yield f"{sum(learned for _, learned in masks[number])} of {len(masks[number])} tokens are {how}"
        pieces = _messages(lesson) if masks is None else masks[number]
        yield "".join(_pieces(pieces, lesson.way, in_colour=in_colour))


def _messages(lesson: Lesson) -> Tokens:
    """Each message as a piece: who says it is read, what is said is learned or not."""
    found: Tokens = []
    for place, turn in enumerate(lesson.messages):
        found.append((f"{turn.get('role')}: ", False))
        calls = turn.get("tool_calls")
        words = str(turn.get("content") or "") + (msgspec.json.encode(calls).decode() if calls else "")
        found += [(words, place in lesson.learned), ("\n", False)]
    return found


def _pieces(pieces: Tokens, way: Way, *, in_colour: bool) -> Iterator[str]:
    """Neighbours of one kind together, in their colour; without colours what is learned stands in double brackets."""
    for learned, several in itertools.groupby(pieces, key=lambda piece: piece[1]):
        text = "".join(piece for piece, _ in several)
        if in_colour:
            yield f"{_COLOURS[way] if learned else _READ}{_shown(text)}{_PLAIN}"
        else:
            yield f"[[{_shown(text)}]]" if learned else _shown(text)


def _shown(text: str) -> str:
    """Text without what a terminal would take for an order."""
    return "".join(each if each in "\n\t" or each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def show(arguments: argparse.Namespace, made: Manifest, environ: Mapping[str, str]) -> None:
    """Print what a row teaches.

    Raises:
        ValueError: there is no such row.
        TrainingCallError: the tokens cannot be told.
        OSError, duckdb.Error: a file cannot be read.
    """
    lessons = lessons_of(arguments, made)
    masks = (
        token_masks(lessons, arguments.tokenizer, environment.home(environ))
        if arguments.tokenizer is not None
        else None
    )
    in_colour = arguments.color == "always" or (
        arguments.color == "auto" and sys.stdout.isatty() and not environ.get("NO_COLOR")
    )
    print(f"row {arguments.row or 1} of {made.files[0].name}, as {made.dataset_format} is learned from:")
    for line in told(lessons, masks, in_colour=in_colour):
        print(line)


def lessons_of(arguments: argparse.Namespace, made: Manifest) -> list[Lesson]:
    """What the chosen row teaches.

    Raises:
        ValueError: there is no such row.
        OSError, duckdb.Error: the file cannot be read.
    """
    fields = row_of(arguments.folder, made, arguments.row or 1)
    return list(format_named(made.dataset_format).lessons(fields))
