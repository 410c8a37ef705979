"""Whether a file is what its trainer takes: every line looked at, every fault named with its line."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, cast

from records.dataset.example import Fields
from records.dataset.format import TrainingFormat
from records.dataset.parquet_file import lines_of
from records.wire.json_reader import UnreadableError, read


class Fault(NamedTuple):
    """Something wrong in a file."""

    line: int
    """From 1; 0: of the file as a whole."""
    text: str


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
        yield Fault(0, f"{number} examples; trainers take {least} or more")


def lines_of_file(path: Path) -> Iterator[bytes]:
    """Each row of a training file as a JSON line.

    Raises:
        OSError, duckdb.Error: it cannot be read.
    """
    if path.suffix == ".parquet":
        yield from lines_of(path)
        return
    with path.open("rb") as file:
        yield from file


def check_line(line: bytes, shape: TrainingFormat) -> Iterator[str]:
    """What is wrong with one example."""
    try:
        found = read(line)
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
