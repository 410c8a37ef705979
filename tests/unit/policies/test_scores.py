"""What one request comes to: each verdict that is there as it is, each that is missing at its worst for either side."""

from dataclasses import replace

import pytest

from policies import scores
from policies.rules import Latency, Quality
from policies.terms import Owner
from tests.rooms.pair_events import answer, pair

NAN = float("nan")
PLAIN, JUDGED = Quality(missing=-1.0), Quality(scale=4.0, missing=-1.0)


@pytest.mark.parametrize(
    ("changed", "bounds"),
    [
        ({"q": 0.5}, (500_000, 500_000)),
        ({"q": 0.0}, (0, 0)),
        ({"q": None}, (-1_000_000, 1_000_000)),
        ({"q": NAN}, (-1_000_000, 1_000_000)),
        ({"q": 1.5}, (-1_000_000, 1_000_000)),
        ({"q": 0.0, "abstained": True}, (-1_000_000, 1_000_000)),
        ({"q": None, "error_candidate": True}, (-1_000_000, -1_000_000)),
        ({"q": None, "dropped": True}, (-1_000_000, -1_000_000)),
        ({"q": None, "error_baseline": True}, None),
        ({"q": 0.5, "error_candidate": None}, None),
    ],
)
def test_what_a_pair_is_worth(changed: dict[str, object], bounds: tuple[int, int] | None):
    """A missing verdict is a loss to the certificate and a win to harm; a failure is a loss, no pair is nothing."""
    assert scores.quality(pair(**changed), PLAIN) == bounds


@pytest.mark.parametrize(
    ("p", "bounds"),
    [(0.25, (-1_000_000, 1_000_000)), (0.5, (-500_000, 500_000)), (1.0, (-1_000_000, 1_000_000)), (0.1, None)],
)
def test_a_missing_verdict_weighs_what_its_lot_does(p: float, bounds: tuple[int, int] | None):
    """One over the lot's chance, never more than the scale; all of it where not even the lot is known."""
    assert scores.quality(pair(q=None, p_sample=p), JUDGED) == (bounds or (-1_000_000, 1_000_000))


def test_a_weaker_assumption_holds_for_the_certificate_alone():
    """What is assumed of missing pairs at worst says nothing of how good they may be."""
    assert scores.quality(pair(q=None), Quality(missing=-0.5)) == (-500_000, 1_000_000)


def test_records_of_before_left_missing_verdicts_out():
    """Without the rule an abstention is a tie and what has no score is no evidence."""
    assert scores.quality(pair(q=None), Quality()) is None
    assert scores.quality(pair(q=None, abstained=True), Quality()) == (0, 0)


@pytest.mark.parametrize(
    "changed",
    [{"q": 0.0}, {"q": None, "error_candidate": True}, {"dropped": True}, {"q": None, "error_baseline": True}],
)
def test_only_two_good_answers_can_lack_a_verdict(changed: dict[str, object]):
    """Losses and failures have their own meaning."""
    assert not scores.is_missing(pair(**changed), PLAIN)
    assert scores.is_missing(pair(q=None), PLAIN)
    assert scores.is_missing(pair(q=0.0, abstained=True), PLAIN)


ALIKE = Quality(likeness=True, missing=-1.0)


@pytest.mark.parametrize(
    ("changed", "bounds"),
    [
        ({"agree": 0.5, "agree_cross": 0.75, "agree_again": 0.875}, (-250_000, -250_000)),
        ({"agree": 1.0, "agree_cross": 1.0, "agree_again": 0.5}, (500_000, 500_000)),
        ({"agree": 0.5, "agree_again": 1.0}, (-500_000, -500_000)),
        ({"agree": 0.5, "agree_cross": 0.5}, (-1_000_000, 1_000_000)),
        ({"agree": 0.5, "agree_again": NAN}, (-1_000_000, 1_000_000)),
        ({"error_candidate": True}, (-1_000_000, -1_000_000)),
    ],
)
def test_likeness_is_held_against_the_baselines_likeness_to_itself(changed: dict[str, object], bounds: tuple[int, int]):
    """Both of the baseline's answers are used; where the second did not come the verdict is missing."""
    assert scores.quality(pair(q=-0.5, again=True, **changed), ALIKE) == bounds


def test_a_pair_that_nobody_was_asked_twice_for_is_no_evidence_of_likeness():
    """No lot fell on it, so it is left out, and not missing; a failure of the candidate's counts all the same."""
    assert scores.quality(pair(agree=0.5), ALIKE) is None
    assert not scores.is_missing(pair(agree=0.5), ALIKE)
    assert scores.is_missing(pair(agree=0.5, again=True), ALIKE)


def test_a_baseline_that_is_declared_deterministic_is_its_own_floor():
    """One to one by declaration, and nobody is asked twice."""
    gate = Quality(likeness=True, deterministic=True, missing=-1.0)
    assert scores.quality(pair(agree=0.75, agree_again=0.5, again=True), gate) == (-250_000, -250_000)
    assert scores.quality(pair(agree=1.0), gate) == (0, 0)


def test_the_other_gates_scores():
    """Validity and errors are differences; a judge's bias is halved to stay within its range."""
    assert scores.validity(pair(valid_candidate=True, valid_baseline=False)) == 1_000_000
    assert scores.validity(pair()) is None
    assert scores.errors(pair(error_candidate=True)) == -1_000_000
    assert scores.judge_bias(pair(q=1.0, label=0.0)) == 500_000
    assert scores.judge_bias(pair(q=1.0)) is None


def test_times_and_lengths():
    """The gate's measure of the side that is asked about; what is no time is none."""
    event = pair(ttft_candidate_s=0.2, total_candidate_s=2.0, total_baseline_s=-1.0)
    assert scores.latency(event, Latency(), Owner.CANDIDATE) == 0.2
    assert scores.latency(event, Latency("total"), Owner.CANDIDATE) == 2.0
    assert scores.latency(event, Latency("total"), Owner.BASELINE) is None
    said = replace(event, output_candidate=answer("abcd"), output_baseline=answer("ab"))
    assert (scores.length_ratio(said), scores.length_ratio(event)) == (2.0, None)
