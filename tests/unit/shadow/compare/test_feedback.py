"""Votes are folded, and only a clear difference alarms."""

import math

from hypothesis import given
from hypothesis import strategies as st

from policies.terms import Owner
from shadow.compare.feedback import Feedback, Votes
from tests.unit.shadow.pairs import UNHURRIED

SCORES = st.lists(st.tuples(st.sampled_from(Owner), st.floats(-2, 2) | st.just(math.nan)), max_size=20)


def of(baseline: tuple[int, int], candidate: tuple[int, int]) -> Feedback:
    return Feedback(Votes(*baseline), Votes(*candidate))


def test_votes_are_counted_by_whose_answer_it_was() -> None:
    """Below 0 is a vote down; what is no score is no vote."""
    found = Feedback()
    for owner, score in ((Owner.BASELINE, 1.0), (Owner.CANDIDATE, -0.5), (Owner.CANDIDATE, 0.0), (Owner.BASELINE, 2.0)):
        found = found.after(owner, score)
    assert found == of((1, 0), (2, 1))
    assert found.told() == {
        "baseline": {"votes": 1, "down": 0},
        "candidate": {"votes": 2, "down": 1},
        "alarm": False,
    }


def test_a_clear_difference_alarms() -> None:
    """Not one within the slack, not the other way round, and not a handful of votes."""
    assert of((1000, 50), (1000, 200)).is_alarming
    assert not of((1000, 50), (1000, 80)).is_alarming
    assert not of((1000, 200), (1000, 50)).is_alarming
    assert not of((3, 0), (3, 3)).is_alarming
    assert not of((0, 0), (1000, 1000)).is_alarming


@UNHURRIED
@given(SCORES, SCORES)
def test_nodes_are_added(here: list[tuple[Owner, float]], there: list[tuple[Owner, float]]) -> None:
    """In any order, on any node."""

    def fold(votes: list[tuple[Owner, float]]) -> Feedback:
        found = Feedback()
        for owner, score in votes:
            found = found.after(owner, score)
        return found

    one, other, both = fold(here), fold(there), fold([*there, *here])
    assert (one.baseline + other.baseline, one.candidate + other.candidate) == (both.baseline, both.candidate)
