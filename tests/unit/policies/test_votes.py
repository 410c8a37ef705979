"""Votes: an alarm that is rarely wrong."""

import functools

import numpy as np
import pytest

from policies.votes import ALPHA, REMARK, Dislike, Voters, weigh


def test_more_dislike_than_chance_brings_raises_the_alarm():
    """With every number it rests on: voters, bad ones, rate, interval, evidence."""
    found = weigh(Voters(200, 40.0), Voters(1000, 50.0))

    assert found.raised
    assert found.log10_e > found.needed == 2.0
    assert found.candidate.rate == 0.2
    assert found.reason == (
        "votes: users dislike the candidate's answers more often than the baseline's, beyond chance: "
        "candidate 40.0 bad of 200 voters, 20.0% [10.7%, 32.3%], baseline 50.0 bad of 1000 voters, 5.0% [2.7%, 8.3%]; "
        f"log10 e {found.log10_e:.2f} of 2.00"
    )
    assert found.remark == REMARK


@pytest.mark.parametrize(
    ("candidate", "baseline"),
    [
        (Voters(200, 12.0), Voters(1000, 50.0)),  # 6 % against 5 %
        (Voters(5, 3.0), Voters(1000, 50.0)),  # five people
        (Voters(1000, 50.0), Voters(200, 40.0)),  # the baseline is disliked
        (Voters(1, 1.0), Voters(1, 0.0)),
    ],
)
def test_what_chance_may_bring_is_quiet(candidate: Voters, baseline: Voters):
    """A small difference, a handful of voters, or a baseline that is disliked more raises nothing."""
    found = weigh(candidate, baseline)

    assert not found.raised
    assert found.log10_e < found.needed
    assert found.reason.startswith("votes: no sign beyond chance")


@pytest.mark.parametrize(
    ("candidate", "baseline"), [(Voters(), Voters(9, 9.0)), (Voters(9, 9.0), Voters()), (Voters(), Voters())]
)
def test_without_votes_on_both_nothing_is_said(candidate: Voters, baseline: Voters):
    """No rate and no interval is made up for a variant nobody voted on."""
    found = weigh(candidate, baseline)

    assert not found.raised
    assert found.reason.startswith("votes: nothing to compare yet: ")
    assert [each for each in (found.candidate, found.baseline) if not each.n] == [
        Dislike(0, 0.0, None, None, None) for each in (candidate, baseline) if not each.n
    ]
    assert "without a vote" in found.reason


def test_looking_after_every_voter_is_rarely_wrong():
    """Of candidates disliked exactly as often as the baseline, at most ALPHA ever raise it, however often one looks."""
    lot, runs, wrong, look = np.random.default_rng(8), 100, 0, functools.cache(weigh)
    for _ in range(runs):
        ours, theirs = [0, 0], [0, 0]
        for voter in range(300):
            arm = ours if lot.random() < 0.3 else theirs
            arm[0] += 1
            arm[1] += lot.random() < 0.1
            if voter % 10 == 0 and look(Voters(*ours), Voters(*theirs)).raised:
                wrong += 1
                break
    assert wrong <= 3 * ALPHA * runs
