"""Two values are the same if they differ by no more than two processors do."""

import math
from dataclasses import replace

import pytest

from policies.results import Results
from policies.review import Conditions, review
from policies.rollout import start
from policies.rounding import differences
from tests.rooms.pair_events import RULES, filled, pair


def made() -> Results:
    """What thirty pairs say."""
    return review(filled([pair(f"u{n}") for n in range(30)]), start(RULES), now=0.0, seen=Conditions())


def with_gate(found: Results, **fields: object) -> Results:
    """The same, but for the first gate."""
    return replace(found, gates=(replace(found.gates[0], **fields), *found.gates[1:]))  # pyright: ignore[reportArgumentType]


def test_results_do_not_differ_from_themselves():
    """Nested values, numbers that are none and endless ones included."""
    assert differences(made(), made()) == []
    assert differences([math.nan, math.inf], [math.nan, math.inf]) == []


@pytest.mark.parametrize("digits", [1e-15, -1e-12])
def test_the_last_digits_of_a_number_are_no_difference(digits: float):
    """One processor adds in another order than the next."""
    found = made()

    assert found.gates[0].log10_e
    assert differences(found, with_gate(found, log10_e=found.gates[0].log10_e * (1 + digits))) == []


def test_a_difference_is_named_by_its_place():
    """A number, a text, a value that is missing on one side, a list of another length, a whole value."""
    found = made()

    assert differences(found, with_gate(found, n=31)) == ["gates[0].n"]
    assert differences(found, with_gate(found, reason="because")) == ["gates[0].reason"]
    assert differences({"a": 1.0, "b": 2}, {"a": 1.001, "c": 2}) == ["a", "b", "c"]
    assert differences({"a": [1]}, {"a": [1, 2]}) == ["a"]
    assert differences(1.0, None) == ["all"]
