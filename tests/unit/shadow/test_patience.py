"""One bound for who asks, who compares and who counts."""

from gateway.control.events.join import BEHIND_S, WAIT_S
from policies.rules import RollbackSettings
from shadow.patience import ASK_S, LATEST_ASK_S, PATIENCE_S, age_s
from tests.fakes.exchanges import exchange


def test_what_is_asked_at_the_last_moment_is_in_time():
    """Who is asked at the latest, and takes as long as may be, is waited for; evidence is not too old meanwhile."""
    assert LATEST_ASK_S + ASK_S <= PATIENCE_S < WAIT_S < BEHIND_S < RollbackSettings().stale_s


def test_an_age_is_since_the_answers_end():
    """A long answer is no old exchange."""
    assert age_s(exchange(arrived_at=1000.0, total_s=250.0).meta, 1260.0) == 10.0
