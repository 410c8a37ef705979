"""The queue of pairs that people judge."""

import pytest

from gateway.admin.labels import QueuedPair, agree, is_swapped, voted

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
