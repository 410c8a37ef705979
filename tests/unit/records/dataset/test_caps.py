"""At most so many rows of one group."""

import json
from pathlib import Path
from typing import Any

import pytest

from records.dataset.build import Wanted, build, reads
from records.dataset.caps import Cap
from records.dedupe import exact_key
from records.store import Store
from tests.fakes.exchanges import chat_request
from tests.rooms.stored_records import keep, record

KEYS = [exact_key(number) for number in range(100)]


def test_no_group_gives_more_than_its_share():
    """Of a hundred rows of one group ten are taken, of a small group all; which ones hangs on no order."""
    cap, backwards = Cap(10), Cap(10)
    for key in KEYS:
        cap.offer("loud", key)
    for key in reversed(KEYS):
        backwards.offer("loud", key)
    cap.offer("quiet", KEYS[0])
    assert all(cap.takes("loud", key) for key in KEYS)  # nothing is drawn yet
    cap.close()
    backwards.close()

    taken = {key for key in KEYS if cap.takes("loud", key)}
    assert len(taken) == 10
    assert taken == {key for key in KEYS if backwards.takes("loud", key)}
    assert cap.takes("quiet", KEYS[0])
    assert taken != set(KEYS[:10])


def test_equal_rows_count_once():
    """A row that was offered a hundred times takes one place."""
    cap = Cap(2)
    for key in [KEYS[0]] * 100 + KEYS[:2]:
        cap.offer("a", key)
    cap.close()
    assert [cap.takes("a", key) for key in KEYS[:2]] == [True, True]


def test_without_a_cap_all_are_taken():
    """And nothing is held."""
    cap = Cap(None)
    cap.offer("a", KEYS[0])
    assert not cap.is_bound
    assert cap.takes("b", KEYS[1])


def in_evaluation(folder: Path) -> dict[str, Any]:
    """All but the last three questions are evaluation rows."""
    rows = folder / "evaluation.jsonl"
    rows.write_text("".join(f"{json.dumps({'question': f'question {number}'})}\n" for number in range(17)), "utf-8")
    return {"against": (rows,), "drops_leaks": True}


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        (in_evaluation, 3),
        (lambda _: {"near": 0.5}, 3),  # four of them say something of their own
        (lambda _: {"most_per_source": 1}, 3),
    ],
    ids=["evaluation rows", "near duplicates", "the other cap"],
)
def test_no_place_is_given_to_a_row_that_is_refused_for_something_else(tmp_path: Path, more: Any, kept: int):
    """Of twenty rows of one template and ten users three may stay, and three do where three are left."""
    store = Store(tmp_path / "records")
    keep(store, "a", *(record(number, user=f"u-{number % 10}", route="triage", why="assigned") for number in range(20)))
    seen = list[int]()
    wanted = Wanted("triage", "trl-sft", validation_ppm=0, most_per_template=3, watch=seen.append, **more(tmp_path))

    _, made = build(store, wanted, tmp_path / "out")

    assert made.kept == kept
    assert made.kept + sum(made.left_out.values()) == made.read == 20
    assert sum(seen) == reads(store, wanted)


def test_what_one_source_gives_no_more_of_another_one_may_give(tmp_path: Path):
    """A row is a duplicate of one that is in the dataset, not of one that its source's cap left out."""
    store = Store(tmp_path / "records")
    asked = [chat_request(f"question {number}", user="loud") for number in range(20)]
    asked += [chat_request(f"question {number}", user=f"u-{number}") for number in range(20)]
    keep(store, "a", *(record(n, request=one, route="triage", why="assigned") for n, one in enumerate(asked)))

    _, made = build(store, Wanted("triage", "trl-sft", validation_ppm=0, most_per_source=1), tmp_path / "out")

    assert (made.kept, made.left_out) == (20, {"duplicate": 1, "over_cap": 19})
