"""Votes on a rollout's answers, from where a node keeps them."""

from pathlib import Path

import msgspec
import pytest

from gateway import clock
from gateway.control.operations.votes import VoteSummary, find
from gateway.node.datadir import DataDir, prepare
from policies.rollout import step
from records.store import Store
from tests.rooms.looks import CANARY, NOW, told
from tests.rooms.rollouts import UNSURE
from tests.rooms.voting import ask_for_votes, cast

LOOK = told(step(CANARY, UNSURE, now=NOW))


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    return prepare(tmp_path)


def test_both_variants_votes_are_held_against_each_other(data: DataDir) -> None:
    """Voters and bad votes of the candidate's present revision and of the baseline, and what they amount to."""
    ask_for_votes(data)
    cast(data, bad=20, of=60, baseline_bad=2, baseline_of=60)
    found = find(data, LOOK, now=clock.wall()).votes

    assert found is not None
    assert (found.candidate.n, found.candidate.bad, found.baseline.n, found.baseline.bad) == (60, 20.0, 60, 2.0)
    assert found.raised


def test_before_anybody_has_voted(data: DataDir) -> None:
    """There is nothing to compare, and that is said."""
    ask_for_votes(data)
    found = find(data, LOOK, now=clock.wall()).votes

    assert found is not None
    assert found.reason.startswith("votes: nothing to compare yet")


@pytest.mark.parametrize("asked", [None, False])
def test_a_policy_without_feedback_shows_no_votes(data: DataDir, asked: bool | None) -> None:  # noqa: FBT001
    """Nor does one that no controller on this node has told of."""
    if asked is False:
        ask_for_votes(data, None)
    cast(data, bad=20, of=60, baseline_bad=2, baseline_of=60)

    assert find(data, LOOK, now=clock.wall()) == VoteSummary()


def test_older_answers_are_left_out(data: DataDir) -> None:
    """The policy says how far back it looks."""
    ask_for_votes(data, 3600.0)
    cast(data, bad=20, of=60, baseline_bad=2, baseline_of=60, age_s=3700.0)
    found = find(data, LOOK, now=clock.wall()).votes

    assert found is not None
    assert (found.candidate.n, found.baseline.n) == (0, 0)


def test_what_cannot_be_read_is_said(data: DataDir) -> None:
    """Records that the disk does not read, or a look of a newer version, leave the rest of the explanation as it is."""
    ask_for_votes(data)
    cast(data, bad=1, of=1, baseline_bad=0, baseline_of=1)
    assert find(data, msgspec.structs.replace(LOOK, record=b"{}"), now=clock.wall()).problem is not None
    for path in Store(data.records).files("exchanges"):
        path.unlink()
        path.mkdir()

    assert (find(data, LOOK, now=clock.wall()).problem or "").startswith("votes cannot be read now: ")
