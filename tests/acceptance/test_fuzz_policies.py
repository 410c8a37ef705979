"""Mutated policy files are taken whole or not at all."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.acceptance.fuzz_policies import EXAMPLES, Shredder, mutate, refusals


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(draw=st.data())
def test_a_mutated_file_is_in_force_whole_or_not_at_all(draw: st.DataObject, tmp_path: Path):
    """Whatever happens to a policy file: no crash, a refusal with its place, and the last good one stays in force."""
    shredder = Shredder(tmp_path)
    for _ in range(2):
        shredder.shred(lambda n: draw.draw(st.integers(0, n - 1)))

    assert shredder.counts.total() == 2


@given(source=st.text() | st.from_regex(r"[\w\s:{}\[\],&*!|>'\"%@`#-]{0,200}", fullmatch=True))
def test_no_text_whatever_crashes_the_reader(source: str):
    """A text that is no policy is refused with a reason, never with an exception of some library."""
    assert all(refusals(source))


def test_the_accidents_are_accidents():
    """The fuzz tests something: most mutated files are refused, some are fine, and the examples themselves are."""
    picks = iter(range(10_000))
    sources = [path.read_text(encoding="utf-8") for path in EXAMPLES.glob("*.yaml")]
    found = [refusals(mutate(source, lambda n: next(picks) * 7919 % n)) for source in sources * 20]

    assert not any(refusals(source) for source in sources)
    assert 0 < sum(map(bool, found)) < len(found)


@pytest.mark.parametrize("source", ["[" * 100_000, "{a: " * 50_000, "- " * 100_000, "&a [*a]", "a: " + "9" * 500_000])
def test_hostile_texts_are_refused_at_once(source: str):
    """Depth, size and self-reference end in a refusal."""
    assert refusals(source)
