"""What the settings say of servers that have to be warm."""

import pytest

from policies.warm_rule import WarmRule

RULE = WarmRule(replicas=4, within_s=600.0, answer_s=10.0)


@pytest.mark.parametrize(
    ("served_ppm", "wanted"), [(10_000, 1), (250_000, 1), (260_000, 2), (500_000, 2), (980_000, 4)]
)
def test_a_weight_wants_its_share_of_the_replicas(served_ppm: int, wanted: int):
    """Rounded up, and one at least."""
    assert RULE.wanted(served_ppm) == wanted


def test_cold_is_failing_once_apps_are_answered():
    """A server may start up for as long as it is waited for while nobody is served by it, and not a moment after."""
    assert [RULE.cold_s(weight_ppm) for weight_ppm in (0, 1)] == [600.0, 0.0]
