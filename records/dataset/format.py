"""What an export format is: how an example becomes a line of a training file, and what its trainer refuses."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from records.dataset.example import Example, Fields


@dataclass(frozen=True, slots=True)
class TrainingFormat:
    """One export format: everything that `dataset build` and `dataset validate` know of it."""

    row: Callable[[Example], Fields]
    """The fields of an example's line. A field that is None is left out."""
    fields: frozenset[str]
    """The names of a line's fields: any other is a fault."""
    faults: Callable[[Fields], Iterator[str]]
    """What its trainer refuses of a line, one sentence each."""
    columns: str
    """The dataset card's `features`, as YAML: what `datasets` infers by itself gives one row's keys to all others."""
    note: str = ""
    """What the card says of this format besides."""
    least: int = 10
    """Examples to train on at least: OpenAI's fine-tuning takes no fewer."""

    def line(self, example: Example) -> bytes:
        """The example's line, without its end."""
        return msgspec.json.encode({name: value for name, value in self.row(example).items() if value is not None})
