"""How often two answers are the same: which pairs are held against each other, and what is counted of them."""

from policies.terms import Owner
from policies.variety import Variety
from tests.rooms.pair_events import answer, own, pair


def after(*pairs: tuple[str, str], **more: object) -> Variety:
    """What is counted of pairs of (candidate's, baseline's) answers, each in a conversation of its own."""
    found = Variety()
    for number, (ours, theirs) in enumerate(pairs):
        found = found.after(pair(f"u{number}", output_candidate=answer(ours), output_baseline=answer(theirs), **more))
    return found


def test_pairs_are_taken_two_by_two_and_each_once():
    """Four pairs are held against each other twice; a fifth waits."""
    found = after(("a", "a"), ("a", "b"), ("a", "c"), ("a", "d"), ("a", "e"))
    assert (found.n, found.candidate, found.waiting is not None) == (2, 2, True)
    assert after(("a", "a"), ("a", "b")).waiting is None


def test_each_side_is_told_apart():
    """Both say the same twice, only one side does, or neither; the excess is the candidate's less the baseline's."""
    same, theirs, ours, none = (
        (("a", "x"), ("a", "x")),
        (("a", "x"), ("b", "x")),
        (("a", "x"), ("a", "y")),
        (("a", "x"), ("b", "y")),
    )
    assert (after(*same).both, after(*same).excess) == (1, 0.0)
    assert (after(*theirs).baseline, after(*theirs).excess) == (1, -1.0)
    assert (after(*ours).candidate, after(*ours).excess) == (1, 1.0)
    found = after(*same, *theirs, *ours, *ours, *none)
    assert (found.n, found.both, found.candidate, found.baseline, found.excess) == (5, 1, 2, 1, 0.2)
    assert Variety().excess == 0.0


def test_answers_to_one_request_may_be_the_same():
    """Requests of one conversation, and equal prompts, are not held against each other: the next other one is."""
    first = pair("u", prompt="p", output_candidate=answer("a"), output_baseline=answer("b"))
    found = Variety().after(first)
    for unit, prompt in (("u", "q"), ("v", "p")):
        again = pair(unit, prompt=prompt, output_candidate=answer("a"), output_baseline=answer("c"))
        assert found.after(again) == found
    other = pair("v", prompt="q", output_candidate=answer("a"), output_baseline=answer("c"))
    assert (found.after(other).n, found.after(other).candidate) == (1, 1)
    nameless = pair("v", output_candidate=answer("a"), output_baseline=answer("c"))
    assert Variety().after(nameless).after(pair("w", output_candidate=answer("a"), output_baseline=answer("d"))).n == 1


def test_answers_that_are_the_baselines_by_the_comparator_are_its_own_sameness():
    """Where the baseline's two differ only in what the comparator ignores, the candidate's are no more the same."""
    assert after(("a", "x"), ("a", "y"), agree=1.0).excess == 0.0
    assert after(("a", "x"), ("a", "y"), agree=1.0).both == 1
    assert after(("a", "x"), ("a", "y"), agree=0.99).excess == 1.0
    assert after(("a", "x"), ("b", "y"), agree=1.0).both == 0
    one = pair("u", agree=1.0, output_candidate=answer("a"), output_baseline=answer("x"))
    other = pair("v", agree=0.0, output_candidate=answer("a"), output_baseline=answer("y"))
    assert Variety().after(one).after(other).excess == Variety().after(other).after(one).excess == 1.0


def test_a_request_without_both_answers_says_nothing():
    """One arm's requests, and pairs one of which failed, change nothing."""
    found = after(("a", "b"))
    for silent in (
        own(Owner.CANDIDATE),
        pair("v"),
        pair("v", output_candidate=answer("a")),
        pair("v", output_baseline=answer("a")),
    ):
        assert found.after(silent) is found
