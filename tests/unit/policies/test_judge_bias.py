"""How far whoever scores is from people, and how many labels it takes to know."""

from dataclasses import replace

import numpy as np
import pytest

from policies import judge_bias
from policies.judge_bias import gaps, labels_needed, verdict
from policies.results import GuardResult
from policies.rules import Guards
from policies.terms import Verdict

ASKED = Guards(judge_bias=0.2)
ALPHA = ASKED.alpha


def test_a_gap_is_half_of_what_is_said_too_much():
    """A score beside people's word; what is no number within [-1, 1] is left out."""
    assert gaps([(1.0, 1.0), (1.0, 0.0), (-1.0, 1.0), (0.0, 0.0)]) == {0: 2, 100: 1, -200: 1}
    assert gaps([(float("nan"), 0.0), (0.0, 1.5)]) == {}


def test_where_nobody_asks_for_labels_nothing_is_judged():
    """It holds, and is not required."""
    assert verdict(Guards(), {}, is_live=True) == GuardResult(
        "judge_bias", Verdict.PASS, "judge_bias: no human labels asked for", required=False
    )


def test_it_waits_for_labels_and_says_how_many_and_where():
    """Live it names the number and the place; recorded pairs get no more labels, and it says no more than before."""
    waits = verdict(ASKED, {}, is_live=True)
    assert waits.verdict is Verdict.INCONCLUSIVE
    needed = labels_needed(0.2, {}, alpha=ALPHA)
    assert f"about {needed} judged pairs are to be labelled: the console's page Label" in waits.reason
    assert verdict(ASKED, {}, is_live=False).reason == "judge_bias: no human labels yet"
    some = verdict(ASKED, {0: 10}, is_live=True)
    assert some.verdict is Verdict.INCONCLUSIVE
    assert "on 10 units, allowed 0.2; about " in some.reason
    assert " more judged pairs" in some.reason
    assert verdict(ASKED, {0: 10}, is_live=False).reason.endswith("allowed 0.2")


@pytest.mark.parametrize(
    ("found", "expected", "says"),
    [
        ({0: 300}, Verdict.PASS, "on 300 units"),
        ({0: 300, 100: 30}, Verdict.PASS, "within [+0.0"),
        ({100: 300}, Verdict.INCONCLUSIVE, "it surely differs from them"),
        ({-100: 300}, Verdict.INCONCLUSIVE, "it surely differs from them"),
        ({0: 200, 100: 50}, Verdict.INCONCLUSIVE, "at this mean no number of labels would do"),
    ],
)
def test_a_judge_counts_once_both_sides_are_within_the_limit(found: dict[int, int], expected: Verdict, says: str):
    """Certified near people it holds; surely far from them it says so, and rolls nothing back."""
    told = verdict(ASKED, found, is_live=True)
    assert (told.verdict, told.required) == (expected, True)
    assert says in told.reason


@pytest.mark.parametrize("limit", [0.1, 0.2, 0.3])
def test_the_rule_of_thumb_is_that_of_simulations(limit: float):
    """So many labels of a judge as good as `SPREAD` says are enough in most runs, and half as many in few."""
    rules, rng = replace(ASKED, judge_bias=limit), np.random.default_rng(7)
    needed = labels_needed(limit, {}, alpha=ALPHA)
    assert needed is not None

    def held(n: int) -> int:
        drawn = (rng.choice([-1.0, -0.5, 0.0, 0.5, 1.0], n, p=[0.025, 0.1, 0.75, 0.1, 0.025]) for _ in range(40))
        found = (gaps((2 * each, 0.0) if abs(each) < 1 else (each, -each) for each in said) for said in drawn)
        return sum(verdict(rules, each, is_live=True).verdict is Verdict.PASS for each in found)

    assert held(needed) >= 30
    assert held(needed // 2) <= 20


def test_labels_that_are_there_are_taken_off():
    """What pairs show of mean and spread plans the rest; with few of them the usual spread does."""
    usual = labels_needed(0.2, {}, alpha=ALPHA)
    assert usual is not None
    assert labels_needed(0.2, {0: 20}, alpha=ALPHA) == usual - 20
    assert (labels_needed(0.2, {0: 100}, alpha=ALPHA) or 0) < usual - 100
    assert labels_needed(0.2, {0: 10_000}, alpha=ALPHA) == 1
    assert abs(judge_bias.SPREAD - np.sqrt(0.2 * 0.25 + 0.05)) < 0.01
