"""Equal texts, and texts that are equal but for what says nothing."""

import pytest
from hypothesis import given

from shadow.compare import exact
from shadow.compare.pair import ModelAnswer, Score
from tests.rooms.pairs import FEWER, WORDS, answer, called, pair, swapped

loose, strict = exact.make({}), exact.make({"normalize": False})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Billing", "billing"),
        ("billing", " billing\n"),
        ("a  b", "a\nb"),
        ("ﬁne", "fine"),
        ("**Billing**", "billing"),
        ("*billing* and __refunds__", "billing and refunds"),
        ("`billing`", "billing"),
        ("# Billing", "billing"),
        ("- one\n- two", "one\ntwo"),
        ("1. one\n2) two", "one\ntwo"),
        ("> quoted", "quoted"),
        ("```json\n{}\n```", "{}"),
    ],
)
def test_what_says_nothing_is_taken_away(one: str, other: str) -> None:
    """Case, white space, Unicode form and Markdown."""
    assert loose(pair(one, other)) == Score(q=0.0, agree=1.0, equal=True)
    assert strict(pair(one, other)) == Score(q=-1.0, agree=0.0)


@pytest.mark.parametrize(
    ("one", "other"),
    [("billing", "refunds"), ("2*3", "23"), ("foo_bar", "foobar"), ("-5", "5"), ("a - b", "a b"), ("1.5", "15")],
)
def test_what_says_something_stays(one: str, other: str) -> None:
    """Signs of arithmetic and names keep their marks."""
    assert loose(pair(one, other)) == Score(q=-1.0, agree=0.0)


def test_refusals_and_calls_are_part_of_an_answer() -> None:
    """Texts alone do not make two answers equal."""
    assert not loose(pair(ModelAnswer("", refusal="no"), ModelAnswer("", refusal="never"))).equal
    assert not loose(pair(answer("a", called("f")), "a")).equal
    assert loose(pair(answer("a", called("f")), answer("A", called("f")))).equal


def test_a_text_beyond_all_measure_is_compared_as_it_is() -> None:
    """No work is done on it."""
    long = "x" * (exact.MAX_CHARS + 1)
    assert loose(pair(long, long)).equal
    assert not loose(pair(long, long.upper())).equal


@pytest.mark.parametrize("piece", ["*a ", "_a ", "`a ", "```", "# ", "*", "_", "a*", "\n- ", "**a**"])
def test_no_text_takes_long(piece: str) -> None:
    """A long text made of nothing but marks is done with in a moment: more than linear time would never end."""
    text = piece * (200_000 // len(piece))
    assert len(exact.normal(text)) <= len(text)


@FEWER
@given(WORDS, WORDS)
def test_both_sides_are_alike(one: str, other: str) -> None:
    """An answer equals itself, and whatever it equals equals it."""
    both = pair(one, other)
    for comparator in (loose, strict):
        assert comparator(both) == comparator(swapped(both))
        assert comparator(pair(one, one)) == Score(q=0.0, agree=1.0, equal=True)
