"""From exports to records: once each, redacted, marked, and without who is forgotten."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from records import forgetting
from records.dataset.build import Wanted, build
from records.erasure import Subject
from records.importers import intake as importing
from records.importers.imported import ImportedExchange, completion
from records.importers.intake import LogImport, imported_id
from records.importers.sources import source_named
from records.pricing import PriceBook
from records.record_maker import RecordMaker, RoutePrices
from records.redact import Redactor
from records.store import Store

EXPORTS = Path(__file__).parents[3] / "fakes" / "exports"
NOW = 1_793_100_000.0
PEPPER = b"p" * 32


def intake(store: Store, source: str, **given: Any) -> LogImport:
    maker = RecordMaker(
        PEPPER, Redactor(), PriceBook({"openai": "https://api.openai.com/v1"}), {"": RoutePrices("openai")}
    )
    fixed: dict[str, Any] = {"route_of": lambda path, body: "triage", "now": NOW, "oldest": 0.0}
    return LogImport(store, maker, source, source_named(source), **(fixed | given))


def take(store: Store, name: str, **given: Any) -> LogImport:
    found = intake(store, Path(name).stem, **given)
    list(found.take([EXPORTS / name]))
    return found


def rows(store: Store, query: str) -> Sequence[tuple[Any, ...]]:
    with store.open_views() as views:
        return views.execute(query).fetchall()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "records")


def test_what_is_imported_is_a_record_like_any_other_and_says_that_it_is_not(store: Store):
    """Redacted, hashed, in order of time and with its price; marked, so that no gate takes it for evidence."""
    take(store, "litellm.json")

    (first, *others) = rows(
        store,
        "SELECT request_json, user_id, key_id, arrived_at, cost_usd, prompt_tokens, total_ms, conversation_id, route "
        "FROM exchanges ORDER BY id",
    )
    assert "[EMAIL_" in first[0]
    assert "bob@example.com" not in first[0]
    assert "anna@example.com" not in str(first)
    assert "88dc28d0" not in str(first)
    assert (str(first[3]), first[4], first[5], first[6]) == (
        "2026-10-26 09:00:01.125000", 0.00021, 21, pytest.approx(800, abs=1),
    )  # fmt: skip
    assert all(first[at] for at in (1, 2, 7, 8))
    assert len(others) == 4
    marked = rows(store, "SELECT DISTINCT why, reason, variant, unit, weight_ppm, candidate_revision FROM exchanges")
    assert marked == [("imported", "litellm", "baseline", "", 0, "")]


def test_an_import_that_is_done_again_adds_nothing(store: Store, monkeypatch: pytest.MonkeyPatch):
    """Cut off anywhere, the same command goes on; a second export of the same log, in another shape, is known too."""
    monkeypatch.setattr(importing, "BATCH_ROWS", 2)
    cut = intake(store, "litellm")
    for row in json.loads((EXPORTS / "litellm.json").read_text())[:3]:
        cut._take_row(row)  # what was not yet written is lost with the process

    again = take(store, "litellm.json").count
    other = take(store, "litellm.csv").count

    assert (cut.count.imported, again.imported, again.known) == (2, 3, 2)
    assert (other.imported, other.known, other.broken) == (0, 3, 1)
    assert rows(store, "SELECT count(*), count(DISTINCT id) FROM exchanges") == [(5, 5)]


def test_rows_without_a_time_are_known_by_their_content(store: Store):
    """A fine-tuning file that is imported on another day is still the same file."""
    first = take(store, "openai.jsonl").count
    later = take(store, "openai.jsonl", now=NOW + 86_400).count

    assert (first.imported, later.imported, later.known) == (8, 0, 8)


def test_broken_rows_are_told_by_file_and_line_and_cost_nothing_else(store: Store):
    """Every broken row is named; the others are taken in, and what is no exchange is counted by what it is."""
    found = intake(store, "langfuse")

    broken = [str(row) for row in found.take([EXPORTS / "langfuse.jsonl"])]

    path = EXPORTS / "langfuse.jsonl"
    assert broken == [f"{path}:7: input: no messages with a role and content", f"{path}:10: not JSON"]
    assert (found.count.rows, found.count.imported, found.count.broken) == (10, 7, 2)
    assert found.count.passed_over == {"type SPAN": 1}


def test_who_is_forgotten_is_not_imported(store: Store):
    """A wish to be forgotten holds for what others recorded, too."""
    take(store, "helicone.jsonl")
    ((user,),) = rows(store, "SELECT DISTINCT user_id FROM exchanges WHERE user_id <> ''")
    with store.held():
        forgetting.wish(store, Subject("user", user, NOW))
        forgetting.carry_out(store)

    again = take(store, "helicone.jsonl").count

    assert again.forgotten == 3
    assert rows(store, "SELECT count(*) FROM exchanges WHERE user_id <> ''") == [(0,)]
    assert rows(store, "SELECT count(*) FROM feedback") == [(0,)]


def test_what_would_be_deleted_at_once_is_left_out(store: Store):
    """Rows older than records are kept are counted and not written."""
    count = take(store, "tensorzero.jsonl", oldest=NOW).count

    assert (count.imported, count.expired) == (0, 5)


def test_a_row_of_the_future_is_broken(store: Store, tmp_path: Path):
    """A clock that was wrong would keep its row for ever, as the newest there is: it is told with its time."""
    logged = [
        {"request_id": str(at), "call_type": "acompletion", "spend": 0.1, "startTime": at}
        for at in (NOW + 3_600, 4_089_000_000)
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, logged)))
    found = intake(store, "litellm")

    broken = [row.fault for row in found.take([tmp_path / "a.jsonl"])]

    assert broken == ["its time is in the future: 2099-07-29 09:20 UTC"]
    assert (found.count.imported, found.count.broken) == (1, 1)


def test_imported_answers_become_a_dataset(store: Store, tmp_path: Path):
    """What was logged elsewhere is learned from: corrections and votes included, errors and cut prompts left out."""
    for name in ("litellm.json", "helicone.jsonl", "openpipe.jsonl", "tensorzero.jsonl", "openai.jsonl"):
        take(store, name)

    folder, made = build(store, Wanted("triage", "trl-sft", validation_ppm=0), tmp_path / "out")

    answers = [json.loads(line)["completion"][0] for line in (folder / "train.jsonl").read_text().splitlines()]
    words = {answer["content"] for answer in answers}
    assert {"On its way.", "Until eight.", "Yes, in five days.", "Right.", "The better.", "Second."} <= words
    assert words.isdisjoint({"No.", "Wrong.", "The worse.", "It left."})  # corrected, or voted down
    assert made.corrected == 3


def test_rows_for_evaluation_alone_make_no_dataset(store: Store, tmp_path: Path):
    """What may not be trained on is recorded so."""
    take(store, "openai.jsonl", trains=False)

    _, made = build(store, Wanted("triage", "trl-sft"), tmp_path / "out")

    assert (made.kept, made.left_out) == (0, {"no_train": 8})


def test_ids_are_ids_of_their_time():
    """An id is a UUIDv7 of the exchange's second, whatever fraction of it a log has; another row has another."""
    one = ImportedExchange(request={"a": 1}, response=completion({"content": "x"}), at=NOW + 0.25, source_id="r-1")
    same = ImportedExchange(request=None, response=None, at=NOW + 0.75, source_id="r-1")
    other = ImportedExchange(request=None, response=None, at=NOW, source_id="r-2")

    ids = [imported_id("litellm", each) for each in (one, same, other)]

    assert ids[0] == ids[1] != ids[2]
    assert ids[0] != imported_id("helicone", one)
    assert int(ids[0].replace("-", "")[:12], 16) == NOW * 1000
    assert (ids[0][14], ids[0][19] in "89ab", len(ids[0])) == ("7", True, 36)
