"""Which exchanges a dataset is made of."""

import json
from pathlib import Path
from typing import Any

import pytest

from records.dataset.build import Wanted, build
from records.dataset.filters import Filters
from records.parquet import FEEDBACK
from records.store import Store
from tests.fakes.exchanges import AT, chat_answer
from tests.rooms.stored_records import keep, record, vote

DAY_S = 86_400.0


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Six exchanges, each of another kind; the third and the fourth have votes."""
    found = Store(tmp_path_factory.mktemp("records"))
    plain: dict[str, Any] = {"route": "triage", "why": "assigned"}
    rows = [
        record(0, at=AT - 3 * DAY_S, **plain),
        record(1, model="gpt-4o-mini", **plain),
        record(2, **plain),
        record(3, **plain),
        record(4, response=chat_answer("Off.", "tool_calls"), **plain),
        record(5, route="triage", why="imported", reason="litellm"),
    ]
    keep(found, "a", *rows)
    found.publish(found.stage(FEEDBACK, [vote(rows[2].id, 1.0), vote(rows[3].id, 0.5)], "v"))
    return found


FILTERS: dict[str, tuple[dict[str, Any], int]] = {
    "nothing": ({}, 6),
    "since": ({"since": AT - DAY_S}, 5),
    "until": ({"until": AT - DAY_S}, 1),
    "a model": ({"models": ("gpt-4o-mini", "another")}, 1),
    "the model that answered": ({"models": ("gpt-4o-2024-11-20",)}, 6),
    "an end": ({"finish_reasons": ("tool_calls",)}, 1),
    "a score": ({"least_score": 0.75}, 1),
    "feedback": ({"with_feedback": True}, 2),
    "a label": ({"labels": ("good",)}, 0),
    "here": ({"recorded": "here"}, 5),
    "imported": ({"recorded": "imported"}, 1),
    "several at once": ({"since": AT - DAY_S, "recorded": "here", "with_feedback": True}, 2),
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_lets_through_what_it_says(store, tmp_path: Path, name):
    """All conditions hold for what is read; the manifest says which were asked for."""
    stated, count = FILTERS[name]

    _, made = build(store, Wanted("triage", "trl-sft", filters=Filters(**stated)), tmp_path)

    assert made.read == count
    assert made.filters == {key: list(value) if isinstance(value, tuple) else value for key, value in stated.items()}


def test_caps_and_near_duplicates_leave_rows_out_by_name(store, tmp_path: Path):
    """Of one source, of one template, of nearly the same words: counted, and in the manifest."""
    _, capped = build(store, Wanted("triage", "trl-sft", most_per_source=2), tmp_path)
    _, templates = build(store, Wanted("triage", "trl-sft", most_per_template=3), tmp_path)
    _, alike = build(store, Wanted("triage", "trl-sft", near=0.5), tmp_path)

    assert (capped.kept, capped.left_out, capped.filters) == (2, {"over_cap": 4}, {"most_per_source": 2})
    assert (templates.kept, templates.left_out) == (3, {"over_cap": 3})
    assert alike.left_out["near_duplicate"] >= 3
    assert alike.kept + sum(alike.left_out.values()) == alike.read == 6


def test_days_come_in_order_of_time(tmp_path: Path):
    """However they were written; and nothing of the sorting is left behind."""
    found = Store(tmp_path / "records")
    for day in (2, 0, 1):
        rows = [record(10 * day + number, at=AT + day * DAY_S + number, route="triage") for number in range(5)]
        keep(found, f"d{day}", *rows)

    folder, made = build(found, Wanted("triage", "trl-sft", validation_ppm=0), tmp_path / "out")

    asked = [json.loads(line)["prompt"][-1]["content"] for line in (folder / "train.jsonl").read_text().splitlines()]
    assert asked == [f"question {10 * day + number}" for day in range(3) for number in range(5)]
    assert made.first_id < made.last_id
    assert [path.name for path in (tmp_path / "out").iterdir()] == [folder.name]
