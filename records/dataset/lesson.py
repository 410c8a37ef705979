"""What a row teaches: which of its messages are learned, and which are only read.

Each format says it of its own rows, as its trainer takes them: `dataset inspect` shows it, before hours are paid.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal, cast

import msgspec

from records.dataset.example import Fields
from records.wire.json_reader import read

Way = Literal["toward", "away"]
"""Whether what is learned is to become likelier or less likely."""


class Lesson(msgspec.Struct, frozen=True):
    """One conversation, and what of it is learned."""

    messages: list[Fields]
    learned: frozenset[int]
    """Places of the messages that are; none where the trainer scores the model's own answers."""
    tools: list[Fields] | None = None
    way: Way = "toward"


Lessons = Callable[[Fields], Iterator[Lesson]]


def of_answer(prompt: str, answer: str) -> Lessons:
    """Of rows that have the prompt and the answer to it apart."""

    def lessons(fields: Fields) -> Iterator[Lesson]:
        yield _answered(fields, _turns(fields, prompt), _turns(fields, answer))

    return lessons


def of_vote(prompt: str, answer: str, label: str) -> Lessons:
    """The same, liked or not."""

    def lessons(fields: Fields) -> Iterator[Lesson]:
        way: Way = "toward" if fields.get(label) else "away"
        yield _answered(fields, _turns(fields, prompt), _turns(fields, answer), way)

    return lessons


def of_preference(prompt: str, better: str, worse: str) -> Lessons:
    """Of rows with two answers; a name with a dot is of a field within a field."""

    def lessons(fields: Fields) -> Iterator[Lesson]:
        outer, _, inner = prompt.partition(".")
        home = cast(Fields, fields.get(outer)) if inner else fields
        asked = _turns(home, inner or outer)
        yield _answered(home, asked, _turns(fields, better))
        yield _answered(home, asked, _turns(fields, worse), "away")

    return lessons


def of_marked(mark: str, *, unmarked: bool) -> Lessons:
    """Of whole conversations whose assistant's turns say under `mark` whether they are learned."""

    def lessons(fields: Fields) -> Iterator[Lesson]:
        turns = _turns(fields, "messages")
        places = (at for at, turn in enumerate(turns) if turn.get("role") == "assistant" and turn.get(mark, unmarked))
        yield Lesson(turns, frozenset(places), _tools(fields))

    return lessons


def of_last(fields: Fields) -> Iterator[Lesson]:
    """Of whole conversations of which the last answer alone is learned."""
    turns = _turns(fields, "messages")
    yield Lesson(turns, frozenset({len(turns) - 1}), _tools(fields))


def of_own_answers(prompt: str) -> Lessons:
    """Of prompts whose answers the model gives itself, and a reward scores."""

    def lessons(fields: Fields) -> Iterator[Lesson]:
        yield Lesson(_turns(fields, prompt), frozenset(), _tools(fields))

    return lessons


def _answered(fields: Fields, asked: list[Fields], said: list[Fields], way: Way = "toward") -> Lesson:
    turns = [*asked, *said]
    return Lesson(turns, frozenset(range(len(asked), len(turns))), _tools(fields), way)


def _turns(fields: Fields, name: str) -> list[Fields]:
    """The messages under a name: a list, one message, or the JSON text of either."""
    found: Any = fields.get(name)
    found = read(found) if isinstance(found, str) else found
    listed = cast(list[Any], found if isinstance(found, list) else [found])
    return [cast(Fields, turn) for turn in listed if isinstance(turn, dict)]


def _tools(fields: Fields) -> list[Fields] | None:
    found: Any = fields.get("tools")
    found = read(found) if isinstance(found, str) and found else found
    return cast(list[Fields], found) or None
