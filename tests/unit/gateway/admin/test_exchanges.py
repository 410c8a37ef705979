"""Comparisons and feedback, page by page."""

from pathlib import Path

import pytest

from gateway.admin.exchanges import ExchangeReader
from records.comparison import Comparison
from records.parquet import COMPARISONS, FEEDBACK
from records.store import Store
from tests.fakes.exchanges import AT, exchange_id
from tests.rooms.stored_records import keep, record, vote


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def comparison(number: int, asked: str = "candidate", route: str = "triage") -> Comparison:
    return Comparison(
        exchange_id=exchange_id(number), asked=asked, route=route, unit="u", candidate_key="k",
        compared_us=int(AT * 1e6), p_mirror=1.0, came="answered", q=0.5,
    )  # fmt: skip


def test_comparisons_of_one_exchange_stay_together(store: Store) -> None:
    """Pages go by exchange: what was asked beside one is never split, and nothing is left out or shown twice."""
    recorded = ExchangeReader(store)
    assert recorded.comparisons(route=None, before=None, limit=2).comparisons == []
    rows = [comparison(number, asked) for number in range(5) for asked in ("candidate", "baseline_again")]
    store.publish(store.stage(COMPARISONS, [*rows, comparison(9, route="other")], "a"))
    pages, before = [], None
    for _ in range(4):
        page = recorded.comparisons(route="triage", before=before, limit=2)
        pages.append([(each.exchange_id, each.asked) for each in page.comparisons])
        before = page.next_before
        if before is None:
            break
    assert [len(page) for page in pages] == [4, 4, 2]
    assert [each for page in pages for each in page] == [
        (exchange_id(number), asked) for number in (4, 3, 2, 1, 0) for asked in ("baseline_again", "candidate")
    ]
    assert recorded.comparisons(route=None, before=None, limit=1).comparisons[0].route == "other"


def test_feedback_comes_with_its_route(store: Store) -> None:
    """What was last said of each exchange, with the exchange's route where it is recorded."""
    recorded = ExchangeReader(store)
    assert recorded.feedback(before=None, limit=2).feedback == []
    keep(store, "a", record(1), record(2))
    votes = [vote(exchange_id(1), -1.0), vote(exchange_id(1), 1.0, AT + 5), vote(exchange_id(3), 0.5)]
    store.publish(store.stage(FEEDBACK, votes, "b"))
    first = recorded.feedback(before=None, limit=1)
    second = recorded.feedback(before=first.next_before, limit=1)
    assert [(each.exchange_id, each.route, each.score) for each in first.feedback] == [(exchange_id(3), None, 0.5)]
    assert [(each.exchange_id, each.route, each.score) for each in second.feedback] == [
        (exchange_id(1), "support", 1.0)
    ]
