"""Likeness on what real models really called: it promotes the same model, and convicts nobody."""

import pytest

from tests.acceptance.real_calls import LikeCase, decide
from tests.acceptance.real_verdicts import DATA, FRONTIER


@pytest.mark.slow
@pytest.mark.parametrize(
    ("candidate", "decision"),
    [(FRONTIER, "PROMOTE"), ("gpt-3.5-turbo-0125-FC", "INCONCLUSIVE"), ("Salesforce_xLAM-7b-fc-r", "INCONCLUSIVE")],
)
def test_real_calls_are_promoted_or_found_different(candidate: str, decision: str):
    """As answered, through the shipped comparator: whoever differs is undecided, also who is right more often."""
    if not DATA.exists():
        pytest.skip("the real answers of ../shared/data are not here")

    found = decide(LikeCase(candidate, is_declared=True), shuffles=1)

    assert [each["decision"] for each in found.found] == [decision]
    assert found.holds
