"""A route's traffic, as it is read off the records."""

from pathlib import Path

import pytest

from gateway.cli.policy_traffic import recorded
from records.parquet import EXCHANGES
from records.pricing import PriceBook
from records.record_maker import RecordMaker, RoutePrices
from records.redact import Redactor
from records.store import Store
from tests.fakes.exchanges import AT, chat_request, exchange
from tests.rooms.policy_files import policy

pytestmark = pytest.mark.usefixtures("place")


def kept(place: Path, count: int, *, route: str, units: int) -> Path:
    """Records of `count` exchanges, one a minute, by so many units."""
    maker = RecordMaker(
        b"p" * 32, Redactor(), PriceBook({"openai": "https://api.openai.com/v1"}), {"": RoutePrices("openai")}
    )
    rows = [
        maker.record(
            exchange(
                n, chat_request(f"q{n}"), arrived_at=AT + 60 * n, route=route, why="assigned", unit=f"u{n % units}"
            )
        )
        for n in range(count)
    ]
    store = Store(place / "records")
    store.publish(store.stage(EXCHANGES, rows, "a"))
    return store.root


def test_traffic_is_read_off_the_records(place: Path):
    """Units a day since the first of them in the last week, and the busiest unit's share."""
    records = kept(place, 1440, route="support-triage", units=144)

    found = recorded(records, policy(), AT + 86_400)

    assert found is not None
    assert found.units_per_day == pytest.approx(144)
    assert found.requests_per_day == pytest.approx(1440)
    assert 0 < found.busiest_share < 10 / 1440
    assert recorded(records, policy(), AT + 30 * 86_400) is None
    assert recorded(place / "none", policy(), AT) is None


def test_a_new_routes_traffic_is_guessed_by_its_models(place: Path):
    """Before a policy is in force, what asks for its models is what it would get."""
    records = kept(place, 60, route="", units=60)

    found = recorded(records, policy(), AT + 3600)

    assert found is not None
    assert found.units_per_day == pytest.approx(1440)
    assert recorded(records, policy(match="{model: other}"), AT + 3600) is None
