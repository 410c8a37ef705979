"""Each shipped alert, seen firing by a real Prometheus on a real gateway to which that happens of which it warns."""

from collections.abc import Iterator

import pytest

from tests.acceptance import prometheus_server
from tests.acceptance.alarms import CONDITIONS, NOT_MADE, AlarmRoom, Condition, alarmed, alerts
from tests.rooms.waiting import await_true

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not prometheus_server.is_installed(), reason="no Prometheus is here: make prometheus"),
]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlarmRoom]:
    """One gateway for all of them."""
    with alarmed(tmp_path_factory.mktemp("alarms"), tmp_path_factory.mktemp("s")) as made:
        yield made


def test_each_alert_is_made_or_says_why_not() -> None:
    """An alert that is added has its condition here, or a reason why it cannot have one."""
    made = [alert for condition in CONDITIONS.values() for alert in condition.alerts]
    assert sorted([*made, *NOT_MADE]) == sorted(alerts())


def test_none_fires_while_all_is_well(room: AlarmRoom) -> None:
    """A gateway that answers, with a policy in its shadow, has nothing to be told of."""
    for _ in range(5):
        assert room.ask("quiet").status_code == 200
    room.prometheus.await_scrapes(5, 'crossfade_requests_total{route="quiet"}')
    assert room.prometheus.firing() == set()


@pytest.mark.parametrize("condition", CONDITIONS.values(), ids=CONDITIONS)
def test_an_alert_fires_of_what_it_warns_of(room: AlarmRoom, condition: Condition) -> None:
    """It is quiet before, and fires once the gateway meets the condition, by its own metrics alone."""
    assert not room.prometheus.firing().intersection(condition.alerts)
    with condition.made(room) as go_on:

        def fires() -> bool:
            go_on()
            return room.prometheus.firing().issuperset(condition.alerts)

        await_true(fires, f"{', '.join(condition.alerts)} firing")
