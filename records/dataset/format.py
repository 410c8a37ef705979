"""What an export format is: how an example becomes a line of a training file, and what its trainer refuses."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from records.dataset.example import Example, Fields
from records.dataset.lesson import Lessons

Learns = Literal["answers", "preferences", "votes"]
"""What a trainer learns from: answers; which of two answers is better; whether an answer was liked."""


@dataclass(frozen=True, slots=True)
class TrainingFormat:
    """One export format: everything that `dataset build` and `dataset validate` know of it."""

    row: Callable[[Example], Fields]
    """The fields of an example's line. A field that is None is left out."""
    fields: frozenset[str]
    """The names of a line's fields: any other is a fault."""
    faults: Callable[[Fields], Iterator[str]]
    """What its trainer refuses of a line, one sentence each."""
    lessons: Lessons
    """What of a line is learned."""
    columns: str
    """The dataset card's `features`, as YAML: what `datasets` infers by itself gives one row's keys to all others."""
    turn_faults: Callable[[Sequence[Fields]], Iterator[str]] = lambda _: iter(())
    """What its trainer refuses of the order of a conversation's turns, where others take it: such an example is left
    out as `odd_turns`."""
    learns: Learns = "answers"
    note: str = ""
    """What the card says of this format besides."""
    companion: tuple[str, Callable[[Sequence[str]], str]] | None = None
    """A file that the trainer wants beside them: its name, and its text by the splits that there are."""
    is_parquet: bool = False
    """Files are Parquet, every column a text; else JSON lines."""
    least: int = 10
    """Examples to train on at least: OpenAI's fine-tuning takes no fewer."""

    def line(self, example: Example) -> bytes:
        """The example's line, without its end."""
        return msgspec.json.encode({name: value for name, value in self.row(example).items() if value is not None})
