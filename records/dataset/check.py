"""Whether a file is what its trainer takes: every line looked at, every fault named with its line."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, cast

from records.dataset.example import Fields
from records.dataset.format import TrainingFormat
from records.dataset.parquet_file import lines_of
from records.named_file import opened
from records.wire.json_reader import UnreadableError, read


class Fault(NamedTuple):
    """Something wrong in a file."""

    line: int
    """From 1; 0: of the file as a whole."""
    text: str


MOST_OF_A_KIND = 20
"""Faults of one kind that are kept with their lines."""
MOST_KINDS = 50
"""Kinds that are told apart: a file may name something else in each line."""
MOST_TEXT = 300
"""Characters of a fault that are kept: what a file calls its fields may be long."""
_PLACES = re.compile(r"\d+")


@dataclass(slots=True)
class FirstFaults:
    """Of each kind of fault in each file the first few, and how many there are: the same memory for any file."""

    total: int = 0
    _counts: dict[tuple[Path, str], int] = field(default_factory=dict[tuple[Path, str], int])
    _kept: list[tuple[Path, Fault, tuple[Path, str]]] = field(
        default_factory=list[tuple[Path, Fault, tuple[Path, str]]]
    )

    def add(self, path: Path, faults: Iterable[Fault]) -> None:
        """Count what is wrong with `path`."""
        for found in faults:
            fault = Fault(found.line, found.text[:MOST_TEXT])
            kind = path, _PLACES.sub("N", fault.text)
            if kind not in self._counts and len(self._counts) >= MOST_KINDS:
                kind = path, ""  # of any other kind
            self.total += 1
            self._counts[kind] = self._counts.get(kind, 0) + 1
            if self._counts[kind] <= MOST_OF_A_KIND:
                self._kept.append((path, fault, kind))

    def shown(self) -> list[tuple[Path, Fault, int]]:
        """Those that were kept, as they came; of each kind the last one says how many more there are."""
        last = {kind: place for place, (_, _, kind) in enumerate(self._kept)}
        return [
            (path, fault, max(0, self._counts[kind] - MOST_OF_A_KIND) if last[kind] == place else 0)
            for place, (path, fault, kind) in enumerate(self._kept)
        ]


def check_file(path: Path, shape: TrainingFormat, *, least: int | None = None) -> Iterator[Fault]:
    """What is wrong with `path`; fewer lines than `least`, by default the format's, is a fault too.

    Raises:
        OSError, duckdb.Error: it cannot be read.
    """
    number = 0
    for number, line in enumerate(lines_of_file(path), start=1):
        for text in check_line(line, shape):
            yield Fault(number, text)
    least = shape.least if least is None else least
    if number < least:
        yield Fault(0, f"{number} example{'' if number == 1 else 's'}; trainers take {least} or more")


def lines_of_file(path: Path) -> Iterator[bytes]:
    """Each row of a training file as a JSON line.

    Raises:
        OSError, duckdb.Error: it cannot be read.
    """
    if path.suffix == ".parquet":
        yield from lines_of(path)
        return
    with opened(path) as file:
        yield from file


def check_line(line: bytes, shape: TrainingFormat) -> Iterator[str]:
    """What is wrong with one example."""
    try:
        line.decode()  # trainers read nothing else
        found = read(line)
    except UnicodeDecodeError:
        yield "not UTF-8. hint: save it as UTF-8"
        return
    except UnreadableError as error:
        yield f"not JSON: {error}"
        return
    if not isinstance(found, dict):
        yield "not an object"
        return
    fields = cast(Fields, found)
    if unknown := sorted(fields.keys() - shape.fields):
        yield f"unknown fields: {', '.join(unknown)}"
    yield from shape.faults(fields)
