"""What of one conversation is news to a detector."""

import pytest

from policies import bursts as module
from policies.bursts import Bursts


def test_a_conversations_further_failures_are_no_news_for_a_minute():
    """The first counts, those within 60 s after it do not, the next counts again; another conversation's is news."""
    found = Bursts()
    told = [found.is_news("errors", "u", at, spare_s=60.0) for at in (0.0, 1.0, 59.9, 60.0, 100.0, 121.0)]
    assert told == [True, False, False, True, False, True]
    assert found.is_news("errors", "v", 122.0, spare_s=60.0)
    assert found.is_news("validity", "u", 122.0, spare_s=60.0)


def test_a_failure_that_comes_out_of_order_is_of_the_same_burst():
    """One that is told late, and was earlier, is no news either."""
    found = Bursts()
    assert found.is_news("errors", "u", 100.0, spare_s=60.0)
    assert not found.is_news("errors", "u", 41.0, spare_s=60.0)
    assert found.is_news("errors", "u", 40.0, spare_s=60.0)


def test_by_rules_of_before_each_failure_and_each_pair_counts():
    """Without a time and a likeness nothing is left out, and nothing is remembered."""
    found = Bursts()
    assert all(found.is_news("errors", "u", 0.0, spare_s=0.0) for _ in range(3))
    assert [found.weight("quality", "u", rho=0.0) for _ in range(3)] == [1.0, 1.0, 1.0]
    assert found == Bursts()


def test_a_conversations_next_pair_says_less():
    """The n-th has the weight of a user's n-th unit; another conversation begins with a whole one."""
    found = Bursts()
    weights = [found.weight("quality", "u", rho=0.3) for _ in range(4)]
    assert weights == pytest.approx([1.0, 2 / 1.3 - 1, 3 / 1.6 - 2 / 1.3, 4 / 1.9 - 3 / 1.6], abs=1e-6)
    assert found.weight("quality", "v", rho=0.3) == 1.0
    assert found.weight("quality:judge", "u", rho=0.3) == 1.0


def test_as_many_conversations_are_remembered_as_fit(monkeypatch: pytest.MonkeyPatch):
    """Whoever failed or spoke longest ago is forgotten, and then news again."""
    monkeypatch.setattr(module, "MOST", 2)
    found = Bursts()
    for unit in ("a", "b", "c"):
        assert found.is_news("errors", unit, 0.0, spare_s=60.0)
        assert found.weight("quality", unit, rho=0.3) == 1.0
    assert (len(found.failed_at), len(found.pairs)) == (2, 2)
    assert not found.is_news("errors", "b", 1.0, spare_s=60.0)
    assert found.is_news("errors", "a", 1.0, spare_s=60.0)
    assert found.weight("quality", "c", rho=0.3) < 1.0
    assert found.weight("quality", "a", rho=0.3) == 1.0
