"""Whom the guard of outputs convicts: nobody whose answers vary as the baseline's do, and soon who says one thing."""

import numpy as np
import pytest

from policies.evidence import Evidence
from policies.guards import watch
from policies.rules import Gates, Guards, Rules
from policies.terms import Verdict
from tests.acceptance.decisions import answers as a
from tests.acceptance.decisions import measures as m
from tests.rooms.pair_events import KEY, answer, evidence, pair

RULES = Rules("r", KEY, Gates(None, None, None, None), Guards(same_answers=a.ALLOWED))


@pytest.mark.parametrize(
    ("skew", "wrong", "strays"), [(0.0, 0.15, 0.0), (0.0, 0.25, 0.6), (1.0, 0.3, 0.1), (1.5, 0.2, 0.0)]
)
def test_a_tune_that_is_right_is_never_convicted(skew: float, wrong: float, strays: float):
    """Beside a baseline that errs, and whose stray words make its answers look more varied: no run of 300."""
    rng = np.random.default_rng([18, 11])
    right = a.asked(rng, 300, 2000, skew)
    ours, theirs = a.classified(rng, right, wrong=0.05), a.classified(rng, right, wrong=wrong, strays=strays)
    assert m.share(a.convicted(ours, theirs)) == 0
    assert strays < 0.5 or a.convicted_by_shares(ours, theirs) > 0.5


def test_a_candidate_at_the_limit_is_convicted_by_its_alpha_at_most():
    """Half of its answers are one, the baseline's never: a quarter more of twos are the same, which is the limit."""
    rng = np.random.default_rng([18, 12])
    right = a.asked(rng, 600, 2000, 0.0)
    theirs = a.free_words(right, side=0)
    ours = a.collapsed(a.free_words(right, side=1), rng, share=0.5)
    assert m.share(a.convicted(ours, theirs)) <= a.ALPHA + 3 * (a.ALPHA / 600) ** 0.5
    assert np.quantile(a.convicted(a.collapsed(a.free_words(right, side=1), rng, share=0.8), theirs), 0.9) < 200


@pytest.mark.parametrize("skew", [0.0, 1.0])
def test_a_constant_answer_is_convicted_within_forty_pairs(skew: float):
    """Beside a classifier of 77 labels, common ones among them, in every run."""
    rng = np.random.default_rng([18, 13])
    right = a.asked(rng, 300, 400, skew)
    found = a.convicted(a.collapsed(right, rng), a.classified(rng, right, wrong=0.1))
    assert found.max() <= 80
    assert np.median(found) <= 40


def test_a_baseline_that_says_one_thing_excuses_a_candidate_that_does():
    """One label at 95 to 100 % of all requests: the same of the candidate is no breach."""
    rng = np.random.default_rng([18, 14])
    right = np.zeros((200, 2000), dtype=int)
    for wrong in (0.0, 0.05):
        assert m.share(a.convicted(right, a.classified(rng, right, wrong=wrong))) == 0


def test_the_runs_are_what_the_guard_computes():
    """A run is convicted after the very pair after which the guard's own count of the same answers convicts."""
    rng = np.random.default_rng([18, 15])
    right = a.asked(rng, 1, 200, 1.0)
    ours, theirs = a.collapsed(right, rng, share=0.9), a.classified(rng, right, wrong=0.1)
    found: Evidence = evidence(RULES)
    first = float("inf")
    for number in range(200):
        said = {"output_candidate": answer(str(ours[0, number])), "output_baseline": answer(str(theirs[0, number]))}
        found.observe(pair(f"u{number}", float(number), **said))
        if watch(found)[0].verdict is Verdict.FAIL:
            first = number + 1.0
            break
    assert a.convicted(ours, theirs)[0] == first < 200
