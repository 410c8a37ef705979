"""The exchanges that a dataset is made of, in parts."""

import copy
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from records.dataset import rows as reading
from records.dataset.filters import Filters
from records.dataset.rows import DatasetRows
from records.store import Store
from tests.rooms.recorded_answers import ROWS, record, recorded

DAY_S = 86_400.0
NOON = 1_800_014_400.0
"""Of a day: what comes within hours of it has its date."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Forty exchanges of each of two days."""
    record(
        tmp_path,
        [recorded(number, ROWS[number], arrived_at=NOON + DAY_S * (number % 2) + number) for number in range(80)],
    )
    return Store(tmp_path / "records")


def read(store: Store, spilt: Path, **others: Any) -> DatasetRows:
    """All of the route, for answers."""
    return DatasetRows(
        store, "answers", unrouted_models=(), filters=Filters(), shape="trl-sft", labels={}, spilt=spilt, **others
    )


@pytest.mark.parametrize("part_rows", [1, 7, 40, 50_000])
def test_parts_of_any_size_give_each_row_once_and_in_order(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part_rows: int
) -> None:
    """By date, then by id."""
    monkeypatch.setattr(reading, "PART_ROWS", part_rows)
    found = [source.id for source, _ in read(store, tmp_path)]
    assert len(found) == len(set(found)) == 80
    days = [found[:40], found[40:]]
    assert days == [sorted(day) for day in days]
    assert read(store, tmp_path).count() == 80


def test_a_part_is_read_from_what_another_process_would_be_told(store: Store, tmp_path: Path) -> None:
    """The work and its parts can be packed, sent and unpacked: the store there has a connection of its own."""

    def elsewhere(work: Callable[[Any], Iterable[Any]], parts: Iterable[Any]) -> Iterator[Any]:
        for part in parts:
            there, packed = copy.deepcopy((work, part))  # by what is packed of each, as between processes
            yield from there(packed)

    here, there = list(read(store, tmp_path)), list(read(store, tmp_path / "not there", run=elsewhere))
    assert here == there
    assert len(here) == 80
