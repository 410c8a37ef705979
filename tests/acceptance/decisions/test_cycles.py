"""The whole cycle of an alarm at the suite's size; `make decisions` has it at full size."""

import numpy as np
import pytest

from policies.terms import Phase
from tests.acceptance.decisions import cycles as c


@pytest.mark.parametrize(
    ("lasts_s", "phase"), [(1.0, Phase.PROMOTED), (30.0, Phase.PROMOTED), (90.0, Phase.ROLLED_BACK)]
)
def test_a_blip_is_back_within_minutes_and_a_long_one_is_not(lasts_s: float, phase: Phase):
    """At 2 and 20 requests a second: blips of up to half a minute cost no day, one of ninety seconds does."""
    for number, per_s in enumerate((2.0, 20.0)):
        found = c.cycle(
            np.random.default_rng([18, 40, number]), lambda at: float(at < max(lasts_s, 3.0)), per_s=per_s, most_s=300.0
        )
        assert found.phase is phase
        assert found.away_s <= 180.0


@pytest.mark.parametrize("rate", [1.0, 0.2])
def test_failing_on_is_rolled_back_within_three_minutes(rate: float):
    """And apps meet few failures of it."""
    for number in range(4):
        found = c.cycle(np.random.default_rng([18, 41, number]), lambda _: rate, per_s=2.0, most_s=600.0)
        assert (found.phase, found.ended_s <= 180.0, found.met <= 25) == (Phase.ROLLED_BACK, True, True)


def test_a_healthy_candidate_passes_its_trial():
    """Half a percent of failures fails none of forty; half of its requests all."""
    assert not any(c.trial_failed(np.random.default_rng([18, 42, number]), 0.005) for number in range(40))
    assert all(c.trial_failed(np.random.default_rng([18, 43, number]), 0.5) for number in range(5))
