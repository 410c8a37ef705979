"""What differs between two datasets."""

from pathlib import Path

import pytest

from records.dataset.build import Wanted, build
from records.dataset.difference import DatasetDifference, difference
from records.parquet import FEEDBACK
from records.record import Vote
from records.store import Store
from tests.fakes.exchanges import AT
from tests.rooms.stored_records import keep, record


def rows(first: int, last: int) -> list:
    return [record(number, route="triage", why="assigned") for number in range(first, last)]


def built(store: Store, out: Path, shape: str = "trl-sft", **more):
    return build(store, Wanted("triage", shape, **more), out)


def test_later_records_are_added_and_corrections_answer_otherwise(tmp_path: Path):
    """New prompts, prompts that are gone, other answers and other splits are told apart."""
    early, late = Store(tmp_path / "early"), Store(tmp_path / "late")
    first, later = rows(0, 20), rows(5, 30)
    keep(early, "a", *first)
    keep(late, "a", *later)
    said = Vote(
        exchange_id=later[0].id, said_us=int(AT * 1e6), key_id="k", score=None, label=None, comment=None,
        corrected_output_json='"Better."',
    )  # fmt: skip
    late.publish(late.stage(FEEDBACK, [said], "v"))

    before = built(early, tmp_path / "a", validation_ppm=0)
    found = difference(before, built(late, tmp_path / "b", validation_ppm=0))
    moved = difference(before, built(early, tmp_path / "c", validation_ppm=400_000))

    assert (found.same, found.added, found.removed, found.answered_otherwise, found.moved) == (14, 10, 5, 1, 0)
    assert found.settings.keys() == {"first_id", "last_id"}
    assert not found.is_same
    assert moved.moved > 0
    assert (moved.added, moved.removed, moved.settings) == (0, 0, {"split.validation_ppm": (0, 400_000)})
    assert difference(before, before) == DatasetDifference({}, {}, 20, 0, 0, 0, 0)


def test_formats_are_not_compared_with_each_other(tmp_path: Path):
    """What their rows are is not one thing."""
    store = Store(tmp_path / "records")
    keep(store, "a", *rows(0, 3))

    with pytest.raises(ValueError, match="build both in one format"):
        difference(built(store, tmp_path / "a"), built(store, tmp_path / "b", "openai-sft"))
