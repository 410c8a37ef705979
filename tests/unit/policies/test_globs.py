"""Names with stars: what they stand for, when two of them meet, and that no name makes it slow."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.globs import is_glob, is_like, meet, regex

PATTERNS = st.text("ab*?.", max_size=6)
NAMES = st.text("ab.", max_size=6)


@pytest.mark.parametrize(
    ("glob", "name", "fits"),
    [
        ("gpt-4o*", "gpt-4o-mini", True), ("gpt-4o*", "gpt-4o", True), ("gpt-4o*", "xgpt-4o", False),
        ("*-mini", "gpt-4o-mini", True), ("gpt-?o", "gpt-4o", True), ("gpt-?o", "gpt-o", False),
        ("a.c*", "abc", False), ("[ab]*", "a", False), ("[ab]*", "[ab]c", True), ("*", "", True), ("*", "a\nb", True),
    ],
)  # fmt: skip
def test_only_stars_and_question_marks_stand_for_others(glob: str, name: str, *, fits: bool):
    """Whatever else is a sign to regular expressions or shells stands for itself here."""
    assert is_like(name, ("zz*", glob)) is fits
    assert is_glob(glob)
    assert not is_like(name, ())


@given(PATTERNS, NAMES)
def test_the_expression_for_the_records_says_the_same(glob: str, name: str):
    """The workers' matching and the query over recorded traffic agree."""
    assert (re.fullmatch(regex(("zz", glob)), name) is not None) is is_like(name, (glob,))


@given(PATTERNS, PATTERNS, NAMES)
def test_globs_with_a_name_in_common_meet(one: str, two: str, name: str):
    """In either order; and a name meets just those that it is like."""
    if is_like(name, (one,)) and is_like(name, (two,)):
        assert meet(one, two)
    assert meet(one, two) is meet(two, one)
    assert meet(one, name) is is_like(name, (one,))


def test_the_longest_names_meet():
    """Two of as many letters as a policy may state are compared, however deep."""
    assert meet("a" * 600 + "*", "a" * 600)
    assert not meet("a" * 600 + "*b", "a" * 600)


def test_no_name_makes_it_slow():
    """A hostile name costs its length, whatever the stars."""
    before = time.process_time()

    assert not is_like("a" * 200_000, ("*a*a*a*a*a*b",))
    assert time.process_time() - before < 5
