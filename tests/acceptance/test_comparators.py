"""Comparators on what real models really answered: where no judge is asked, none was needed."""

import pytest

from tests.acceptance.comparators import LEAST_SAME_VERDICTS, flag_shares, tool_call_tallies
from tests.acceptance.real_verdicts import DATA

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.exists(), reason="the real answers of ../shared/data are not here"),
]


def test_equal_calls_are_both_right_or_both_wrong() -> None:
    """Of every two of seven models, on a thousand questions: what is skipped as equal needs no judge."""
    tallies = list(tool_call_tallies())
    assert len(tallies) == 21
    for one, other, tally in tallies:
        assert tally.same_verdict >= LEAST_SAME_VERDICTS * tally.equal, (one, other, tally)
    assert sum(tally.equal for _, _, tally in tallies) > 10_000


def test_real_answers_raise_few_flags_and_the_null_model_one_answer() -> None:
    """No real model is flagged much more often than the baseline; one answer for everything is seen at once."""
    told = flag_shares("gpt4_1106_preview")
    assert all(share < 0.05 for shares, _, _ in told.values() for share in shares.values())
    assert told["NullModel"][1] == 1.0
    assert all(top < 0.01 for name, (_, top, _) in told.items() if name != "NullModel")
