"""The decision core, through the real command, on what real models really answered."""

import json

import pytest

from tests.acceptance.real_verdicts import CASES, DATA, Case, decide, is_expected, pairs


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.candidate}-{case.policy}")
def test_real_candidates_get_the_verdict_they_deserve(case: Case):
    """The better are promoted, the worse rejected, the slow blocked, the one that games the judge stopped."""
    if not DATA.exists():
        pytest.skip("the real answers of ../shared/data are not here")
    lines = b"\n".join(json.dumps(pair).encode() for pair in pairs(case))

    found = decide(case, lines, seed=1)

    assert is_expected(case, found), (found["decision"], found["reason"])
