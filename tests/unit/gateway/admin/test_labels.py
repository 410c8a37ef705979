"""The queue of pairs that people judge."""

import pytest

from gateway.admin.labels import QueuedPair, agree, human, is_swapped, verdict, voted
from gateway.node.labels import LabelVote, PairLabel

PAIRS = [QueuedPair(f"id-{number}", "candidate") for number in range(400)]


def test_sides_are_drawn_by_lot() -> None:
    """The candidate stands left about half of the time, for each person differently, and always the same."""
    ada = [is_swapped(pair, "ada") for pair in PAIRS]
    assert ada == [is_swapped(pair, "ada") for pair in PAIRS]
    assert 150 < sum(ada) < 250
    assert 100 < sum(one != is_swapped(pair, "bob") for one, pair in zip(ada, PAIRS, strict=True)) < 300


def test_a_choice_says_whose_answer_is_better() -> None:
    """Left and right are taken back to who stood there; the other choices speak of both."""
    for pair in PAIRS:
        better = "candidate" if is_swapped(pair, "ada") else "baseline"
        assert voted(pair, "ada", "left") == better
        assert voted(pair, "ada", "right") != better
    assert [voted(PAIRS[0], "ada", choice) for choice in ("equal", "bad", "skip")] == ["equal", "both_bad", "skipped"]


@pytest.mark.parametrize(
    ("pairs", "agreed", "kappa"),
    [
        ([], 0, None),
        ([("a", "a")], 1, None),
        ([("a", "a"), ("b", "b")], 2, 1.0),
        ([("a", "a"), ("a", "a")], 2, None),
        ([("a", "b"), ("b", "a")], 0, -1.0),
        ([("a", "a")] * 20 + [("a", "b")] * 5 + [("b", "a")] * 10 + [("b", "b")] * 15, 35, 0.4),
    ],
)
def test_agreement_beyond_chance(pairs: list[tuple[str, str]], agreed: int, kappa: float | None) -> None:
    """Cohen's kappa; where chance alone would do, or there are too few, it is not known."""
    found = agree(pairs)
    assert (found.n, found.agreed) == (len(pairs), agreed)
    assert found.kappa == (None if kappa is None else pytest.approx(kappa))


def test_the_error_of_an_agreement() -> None:
    """Kappa's interval narrows with the root of the number of pairs."""
    some = [("a", "a")] * 20 + [("a", "b")] * 5 + [("b", "a")] * 10 + [("b", "b")] * 15
    once, often = agree(some).kappa_half, agree(some * 100).kappa_half
    assert once is not None
    assert often is not None
    assert once == pytest.approx(10 * often)
    assert once == pytest.approx(1.96 * (0.7 * 0.3 / 50) ** 0.5 / 0.5)


def test_the_human_metric_is_of_random_pairs_alone() -> None:
    """Only votes on pairs that were drawn count, each pair once; more of them make its interval narrower."""

    def votes(count: int, pool: str = "random", by: str = "ada") -> list[PairLabel]:
        said: tuple[LabelVote, ...] = ("candidate", "candidate", "equal", "baseline")
        return [PairLabel(f"{pool}{n}", "candidate", by, "r", pool, said[n % 4], (), 1.0) for n in range(count)]

    assert human([]).mean is human(votes(9, "disagreements")).mean is None
    few, many = human(votes(40)), human([*votes(400), *votes(400, by="bob"), *votes(400, "chosen")])
    assert (few.n, many.n) == (40, 400)
    assert few.mean == many.mean == 0.25
    for found in (few, many):
        assert found.lower is not None
        assert found.upper is not None
        assert -1 <= found.lower < 0.25 < found.upper <= 1
    assert (many.upper or 0) - (many.lower or 0) < ((few.upper or 0) - (few.lower or 0)) / 2


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"metric": "judge", "q": 1.0, "judge_json": '{"drawn":true,"orders":[]}'}, 1.0),
        ({"metric": "judge", "q": 0.0, "judge_json": '{"drawn":false}'}, None),
        ({"metric": "judge", "q": 0.0}, None),
        ({"metric": "judge", "q": None, "judge_json": '{"drawn":true}', "abstained": True}, None),
        ({"metric": "python", "q": -0.5}, -0.5),
        ({"metric": "python", "q": None}, None),
    ],
)
def test_who_has_a_verdict(told: dict[str, object], expected: float | None) -> None:
    """A judge's counts where it was asked; what was plain, or what its lot fell beside, is no word of it."""
    assert verdict({"judge_json": "", "abstained": False} | told) == expected
