"""What one more conversation of the same user or prompt has to say: less and less."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import clusters
from policies.histograms import MICRO
from policies.rules import Units
from tests.rooms.pair_events import pair

OPEN = Units(rho_users=0.3, rho_prompts=0.5)


@given(rho=st.floats(0.01, 1.0), n=st.integers(1, 2000))
def test_weights_fall_and_have_a_sum(rho: float, n: int):
    """The first weighs 1, each later one no more than the one before, all of them less than one over rho."""
    several = [clusters.weight(k, rho) for k in range(1, n + 1)]
    assert several[0] == MICRO
    assert several == sorted(several, reverse=True)
    assert sum(several) <= MICRO / rho + n
    assert all(each >= 0 for each in several)


def test_the_weights_of_the_ruling():
    """At rho 0.3 a user's sessions are worth 1, 1.54, 1.88 and never more than 3.33."""
    sums = [sum(clusters.weight(k, 0.3) for k in range(1, n + 1)) / MICRO for n in (1, 2, 3, 100_000)]
    assert sums == pytest.approx([1, 2 / 1.3, 3 / 1.6, 1 / 0.3], abs=0.01)
    assert clusters.worth(0.3) == pytest.approx(1 / 0.3)


def test_without_a_rho_each_weighs_one():
    """A fixed population, and every record of before."""
    assert [clusters.weight(n, 0.0) for n in (1, 2, 1000)] == [MICRO] * 3
    assert clusters.worth(0.0) == float("inf")


def test_a_user_is_a_cluster_whatever_is_asked():
    """Another conversation, unit or prompt of one user is the next of that user's."""
    counted: dict[str, int] = {}
    first = clusters.next_weight(counted, pair("a", user="u", prompt="p"), OPEN)
    second = clusters.next_weight(counted, pair("b", user="u", prompt="q"), OPEN)
    assert (first, second) == (MICRO, clusters.weight(2, 0.3))
    assert counted == {"user u": 2}


def test_without_a_user_the_unit_and_the_prompt_tell():
    """Whoever was given the same name comes again, and so does an equal prompt: the lesser weight counts."""
    counted: dict[str, int] = {}
    weights = [
        clusters.next_weight(counted, pair(unit, prompt=prompt), OPEN)
        for unit, prompt in (("a", "p"), ("b", "p"), ("b", "q"))
    ]
    assert weights == [MICRO, clusters.weight(2, 0.5), clusters.weight(2, 0.3)]


def test_beyond_the_most_the_rest_are_one(monkeypatch: pytest.MonkeyPatch):
    """What is not told apart any more counts as one cluster, which weighs less and not more."""
    monkeypatch.setattr(clusters, "MOST", 1)
    counted: dict[str, int] = {}
    weights = [clusters.next_weight(counted, pair("a", user=user), OPEN) for user in ("u", "v", "w")]
    assert weights == [MICRO, MICRO, clusters.weight(2, 0.3)]
    assert counted == {"user u": 1, clusters.REST: 2}
