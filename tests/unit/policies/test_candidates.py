"""What certifies one of several candidates."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from policies.candidates import closed_log_e, contender_name, is_contender, longer, route_of

logs = some.floats(-30, 30)


@given(logs, some.lists(logs, max_size=5))
def test_it_is_the_least_mean_with_any_of_the_others(own: float, others: list[float]) -> None:
    """Over every set of others, the empty one too: that the least of each size do is the shortcut."""
    sets = (chosen for size in range(len(others) + 1) for chosen in itertools.combinations(others, size))
    means = [(math.exp(own) + sum(map(math.exp, chosen))) / (1 + len(chosen)) for chosen in sets]

    assert closed_log_e(own, others) == pytest.approx(math.log(min(means)), abs=1e-9)


@given(some.floats(0, 30), some.lists(logs, max_size=7), some.sampled_from([0.01, 0.05]))
def test_a_certificate_by_bonferroni_is_one(over: float, others: list[float], alpha: float) -> None:
    """Who reaches K/alpha alone is certified beside any others: their e-values are never below 0."""
    own = math.log((1 + len(others)) / alpha) + over + 1e-9

    assert closed_log_e(own, others) >= -math.log(alpha)


@given(logs, some.lists(logs, max_size=7), logs)
def test_another_candidate_never_helps(own: float, others: list[float], more: float) -> None:
    """Each further one leaves the certificate as it is, or takes from it; alone it is the candidate's own e-value."""
    assert closed_log_e(own, [*others, more]) <= closed_log_e(own, others) + 1e-12
    assert closed_log_e(own, []) == own


def test_many_take_longer() -> None:
    """As ruling 7 measured it for 1, 2, 4 and 8, and rising between."""
    found = [longer(count) for count in range(1, 9)]

    assert [found[count - 1] for count in (1, 2, 4, 8)] == pytest.approx([1.0, 1.18, 1.29, 1.45])
    assert found == sorted(found)
    assert longer(9) == longer(8)


def test_a_contender_is_called_by_route_and_candidate() -> None:
    """Neither name can hold the sign between them; a route by itself is no contender."""
    assert contender_name("triage", "small") == "triage@small"
    assert route_of("triage@small") == route_of("triage") == "triage"
    assert (is_contender("triage@small"), is_contender("triage")) == (True, False)
