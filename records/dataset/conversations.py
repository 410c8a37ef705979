"""One conversation in both splits: a validation row that goes on where a training row ended, or the other way round.

Splits are made by conversation; files that were put together by hand may not be. What is validated on then measures
memory of what was trained on.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from records.dataset.check import Fault, lines_of_file
from records.dataset.format import TrainingFormat
from records.dedupe import exact_key


def split_faults(train: Path, validation: Path, shape: TrainingFormat) -> Iterator[Fault]:
    """Each row of `validation` whose conversation is in `train`, by its line.

    Raises:
        OSError, duckdb.Error: a file cannot be read.
    """
    asked: set[bytes] = set()
    said: set[bytes] = set()
    begun: set[bytes] = set()
    for prompt, whole, earlier in _rows(train, shape):
        asked.add(prompt)
        said.add(whole)
        begun.update(earlier)
    for number, (prompt, whole, earlier) in enumerate(_rows(validation, shape), start=1):
        if prompt in asked:
            yield Fault(number, "its prompt is trained on: one conversation in both splits")
        elif whole in begun or not said.isdisjoint(earlier):
            yield Fault(number, "a training row goes on with it, or it with one: one conversation in both splits")


def _rows(path: Path, shape: TrainingFormat) -> Iterator[tuple[bytes, bytes, list[bytes]]]:
    """Of each row, hashes: of its prompt, of all of it, and of all that was said up to each earlier answer."""
    for line in lines_of_file(path):
        lesson = next(shape.lessons(msgspec.json.decode(line, type=dict[str, Any])))
        turns = [(turn.get("role"), turn.get("content") or "", turn.get("tool_calls")) for turn in lesson.messages]
        end = min(lesson.learned, default=len(turns))
        earlier = [exact_key(turns[: at + 1]) for at in range(end) if turns[at][0] == "assistant"]
        yield exact_key(turns[:end]), exact_key(turns), earlier
