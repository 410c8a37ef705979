"""What differs between two datasets: how they were made, and which rows only one of them has."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from records.dataset.check import lines_of_file
from records.dataset.formats import format_named
from records.dataset.manifest import Manifest
from records.dedupe import exact_key


@dataclass(frozen=True, slots=True)
class DatasetDifference:
    """Of a later dataset, against an earlier one."""

    settings: dict[str, tuple[Any, Any]]
    """What was asked for otherwise: before and after."""
    left_out: dict[str, tuple[int, int]]
    """Reasons whose count differs."""
    same: int
    """Rows that both have, in the same split."""
    added: int
    """Prompts that only the later one has."""
    removed: int
    answered_otherwise: int
    """Prompts that both have, with another answer."""
    moved: int
    """Rows that stand in another split."""

    @property
    def is_same(self) -> bool:
        """Whether both teach the same."""
        return not (self.added or self.removed or self.answered_otherwise or self.moved)


def difference(before: tuple[Path, Manifest], after: tuple[Path, Manifest]) -> DatasetDifference:
    """What differs; no more than two hashes of a row are held.

    Raises:
        OSError, duckdb.Error: a file cannot be read.
        ValueError: they are of different formats: nothing could be said of their rows.
    """
    old, new = before[1], after[1]
    if old.dataset_format != new.dataset_format:
        raise ValueError(
            f"{old.dataset_format} and {new.dataset_format} rows cannot be compared. hint: build both in one format"
        )
    first, second = dict(_rows(*before)), dict(_rows(*after))
    prompts = {prompt for prompt, _ in first}, {prompt for prompt, _ in second}
    both = first.keys() & second.keys()
    told = {row[0] for row in both}
    return DatasetDifference(
        settings=_unequal(_asked(old), _asked(new)),
        left_out=_unequal(old.left_out, new.left_out, missing=0),
        same=sum(first[row] == second[row] for row in both),
        added=len(prompts[1] - prompts[0]),
        removed=len(prompts[0] - prompts[1]),
        answered_otherwise=len((prompts[0] & prompts[1]) - told),
        moved=sum(first[row] != second[row] for row in both),
    )


def _rows(folder: Path, made: Manifest) -> Iterator[tuple[tuple[bytes, bytes], str]]:
    """Of each row: the hash of what is read, the hash of what is learned, and its split."""
    lessons_of = format_named(made.dataset_format).lessons
    for file in made.files:
        for line in lines_of_file(folder / file.name):
            lessons = list(lessons_of(msgspec.json.decode(line, type=dict[str, Any])))
            read = [[turn for at, turn in enumerate(each.messages) if at not in each.learned] for each in lessons]
            learned = [[turn for at, turn in enumerate(each.messages) if at in each.learned] for each in lessons]
            ways = [each.way for each in lessons]
            scored = "" if any(learned) else line.decode()  # the model answers by itself, and is scored by the rest
            yield (exact_key(read, lessons[0].tools), exact_key(learned, ways, scored)), file.split


def _asked(made: Manifest) -> dict[str, Any]:
    return {
        "route": made.route, "first_id": made.first_id, "last_id": made.last_id, "redaction": made.redaction_versions,
        "against": sorted(file.sha256[:12] for file in made.against), "filters": made.filters,
        **{f"split.{name}": value for name, value in made.split.items()},
    }  # fmt: skip


def _unequal(before: dict[str, Any], after: dict[str, Any], missing: Any = None) -> dict[str, tuple[Any, Any]]:
    names = sorted(before.keys() | after.keys())
    pairs = {name: (before.get(name, missing), after.get(name, missing)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
