"""The weight that is published: the least of what each voice allows."""

from dataclasses import replace

import pytest

from policies.published import ceiling_ppm, published_ppm, served_of_several
from policies.routing import PPM
from policies.rules import CandidateKey
from policies.terms import Phase
from tests.rooms.compiled_policies import compiled, rollout


def test_the_least_of_what_is_allowed() -> None:
    """A rollout has its own weight, no more than the ceiling, and none for another candidate or once it is stopped."""
    terms = compiled().terms
    assert terms is not None
    rules = terms.rules
    assert published_ppm(rollout(), rules, most_ppm=PPM) == 250_000
    assert published_ppm(rollout(), rules, most_ppm=7) == 7
    assert published_ppm(None, rules, most_ppm=PPM) == 0
    assert published_ppm(replace(rollout(), key=CandidateKey("x", "y")), rules, most_ppm=PPM) == 0
    assert published_ppm(rollout(0, Phase.ROLLED_BACK), rules, most_ppm=PPM) == 0


@pytest.mark.parametrize(
    ("is_readable", "unwatched_s", "expected"), [(True, 0.0, PPM), (False, 300.0, 5), (False, 300.1, 0)]
)
def test_what_cannot_be_read_is_only_lowered(unwatched_s: float, expected: int, *, is_readable: bool) -> None:
    """A readable rollout may rise; another keeps what it has for the lease's grace, and has nothing after it."""
    assert ceiling_ppm(5, is_readable=is_readable, unwatched_s=unwatched_s, grace_s=300.0) == expected


def test_of_several_candidates_the_one_with_the_least_place_serves() -> None:
    """One alone has a place, unless edits left two: then nobody gets more than he had."""
    assert served_of_several({}) is None
    assert served_of_several({"r@a": 500_000, "r@b": 250_000}) == "r@b"
