"""Events: what makes a pair."""

import pytest

from policies.events import PairEvent


@pytest.mark.parametrize(
    ("candidate", "baseline", "paired"),
    [(False, True, True), (True, None, False), (None, False, False), (None, None, False)],
)
def test_a_pair_is_what_both_variants_were_asked(candidate: bool | None, baseline: bool | None, paired: bool):  # noqa: FBT001 -- parameters
    """Whether they failed is another matter."""
    assert PairEvent("u", 0.0, error_candidate=candidate, error_baseline=baseline).paired is paired
