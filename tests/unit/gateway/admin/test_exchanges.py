"""Comparisons and feedback, page by page."""

from pathlib import Path

import msgspec
import pytest

from gateway.admin.exchanges import ExchangeReader
from gateway.admin.filters import RecordFilter, wanted
from gateway.admin.queries import RecordQueries
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


def pairs(**words: str) -> RecordFilter:
    return wanted("comparisons", words, now=AT)


def test_comparisons_of_one_exchange_stay_together(store: Store) -> None:
    """Pages go by exchange: what was asked beside one is never split, and nothing is left out or shown twice."""
    recorded = ExchangeReader(RecordQueries(store))
    assert recorded.comparisons(wanted=pairs(), before=None, limit=2).comparisons == []
    rows = [comparison(number, asked) for number in range(5) for asked in ("candidate", "baseline_again")]
    store.publish(store.stage(COMPARISONS, [*rows, comparison(9, route="other")], "a"))
    pages, before = [], None
    for _ in range(4):
        page = recorded.comparisons(wanted=pairs(route="triage"), before=before, limit=2)
        pages.append([(each.exchange_id, each.asked) for each in page.comparisons])
        before = page.next_before
        if before is None:
            break
    assert [len(page) for page in pages] == [4, 4, 2]
    assert [each for page in pages for each in page] == [
        (exchange_id(number), asked) for number in (4, 3, 2, 1, 0) for asked in ("baseline_again", "candidate")
    ]
    assert recorded.comparisons(wanted=pairs(), before=None, limit=1).comparisons[0].route == "other"


def test_feedback_comes_with_its_route(store: Store) -> None:
    """What was last said of each exchange, with the exchange's route where it is recorded."""
    recorded = ExchangeReader(RecordQueries(store))
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


def test_pairs_are_counted_and_ordered(store: Store) -> None:
    """Pairs come in the order that is asked for, with how many there are, what they share, and what the app got."""
    reader = ExchangeReader(RecordQueries(store))
    assert reader.pairs(pairs(), sort="q", limit=5, offset=0).n == 0
    keep(store, "a", record(1), record(2, variant="candidate"))
    rows = [msgspec.structs.replace(comparison(number), q=number / 10 - 0.2) for number in range(1, 5)]
    store.publish(store.stage(COMPARISONS, rows, "b"))
    worst = reader.pairs(pairs(), sort="q", limit=2, offset=0)
    assert [each.exchange_id for each in worst.pairs] == [exchange_id(1), exchange_id(2)]
    assert [each.variant for each in worst.pairs] == ["baseline", "candidate"]
    assert worst.n == 4
    assert [(each.value, each.n) for each in worst.facets["asked"]] == [("candidate", 4)]
    assert reader.pairs(pairs(view="better"), sort="-q", limit=9, offset=0).n == 2
    rest = reader.pairs(pairs(), sort="q", limit=2, offset=2)
    assert [(each.exchange_id, each.variant) for each in rest.pairs] == [(exchange_id(3), None), (exchange_id(4), None)]


def test_traffic_is_counted_and_ordered(store: Store) -> None:
    """Exchanges come in the order that is asked for; facets count what the filters leave."""
    reader = ExchangeReader(RecordQueries(store))
    keep(store, "a", *(record(number, total_s=number + 0.5, status=500 if number == 3 else 200) for number in range(4)))
    found = reader.traffic(wanted("exchanges", {}, now=AT), sort="-total_ms", limit=2, offset=0)
    assert [each.id for each in found.exchanges] == [exchange_id(3), exchange_id(2)]
    assert [(each.value, each.n) for each in found.facets["status"]] == [("200", 3), ("500", 1)]
    assert reader.traffic(wanted("exchanges", {"status": "5xx"}, now=AT), sort="-id", limit=2, offset=0).n == 1


def test_a_pair_has_both_answers(store: Store) -> None:
    """One pair is the exchange's record and the comparison's, content and all; the mirror's comes first."""
    reader = ExchangeReader(RecordQueries(store))
    keep(store, "a", record(1))
    again = msgspec.structs.replace(comparison(1, "baseline_again"), answer_json="[2]")
    mirror = msgspec.structs.replace(comparison(1), answer_json="[1]")
    store.publish(store.stage(COMPARISONS, [again, mirror], "b"))
    found = reader.pair(exchange_id(1)).pairs
    assert [each.comparison["answer_json"] for each in found] == ["[1]", "[2]"]
    assert all("question 1" in str((each.exchange or {})["request_json"]) for each in found)
    assert reader.pair(exchange_id(2)).pairs == []


def test_a_row_on_the_other_side_of_midnight(store: Store) -> None:
    """An exchange whose id was made a moment before midnight, and its record after it, is found all the same."""
    midnight = AT // 86_400 * 86_400
    late = msgspec.structs.replace(record(1, at=midnight - 0.001), arrived_us=int(midnight * 1e6) + 5)
    keep(store, "a", late)
    row = msgspec.structs.replace(comparison(1), exchange_id=late.id, compared_us=int((midnight + 86_400 * 20) * 1e6))
    store.publish(store.stage(COMPARISONS, [row], "b"))
    reader = ExchangeReader(RecordQueries(store))
    assert reader.show(late.id) is not None
    assert len(reader.pair(late.id).pairs) == 1


@pytest.mark.parametrize(
    "name", ["", "x", "f" * 8 + "-ffff-7fff-bfff-" + "f" * 12, "00000000-0000-4000-8000-000000000000"]
)
def test_ids_that_are_none(store: Store, name: str) -> None:
    """What is no id of ours finds nothing, and breaks nothing."""
    keep(store, "a", record(1))
    reader = ExchangeReader(RecordQueries(store))
    assert reader.show(name) is None
    assert reader.pair(name).pairs == []
