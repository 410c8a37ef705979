"""Random histories at the suite's size; `make histories` runs a million."""

from collections.abc import Callable

import pytest

from policies import picking, rollout
from policies.rollout import MOVES
from policies.terms import Move, Phase
from tests.acceptance.decisions.histories import STEPS, run, run_several


def test_no_random_history_does_what_none_may():
    """Every move is made somewhere among them, and each of their decisions holds; the same numbers give the same."""
    seen = run(0, 1500)
    assert set(seen) == {*Move, "ended at the top"}
    assert seen.total() - seen["ended at the top"] == 1500 * STEPS
    assert run(40, 60) == run(40, 60)


def test_of_several_candidates_never_two_have_traffic():
    """Whatever is found, said, or not known of the others: one at most, and each by a certificate or a word."""
    seen = run_several(0, 300)

    assert {Move.ADVANCE, Move.ROLL_BACK, Move.REJECT, Move.RESTART, "rests"} <= set(seen)


def test_two_with_traffic_are_found(monkeypatch: pytest.MonkeyPatch):
    """Were a candidate not held back beside one that serves, a history would say so."""
    monkeypatch.setattr(picking, "serving", lambda _: "")
    with pytest.raises(AssertionError, match=r"history \d+ of several: .* have traffic"):
        run_several(0, 300)


@pytest.mark.parametrize(
    ("phase", "row"),
    [
        (Phase.CANARY, (Move.HOLD, Move.SUSPEND, Move.JOIN, Move.ADVANCE, Move.PAUSE, Move.HOLD)),
        (Phase.CANARY, (Move.ROLL_BACK, Move.HOLD, Move.JOIN, Move.ADVANCE, Move.PAUSE, Move.HOLD)),
        (Phase.PAUSED, (Move.ROLL_BACK, Move.SUSPEND, Move.HOLD, Move.ADVANCE, Move.HOLD, Move.HOLD)),
        (Phase.PAUSED, (Move.ROLL_BACK, Move.SUSPEND, Move.JOIN, Move.HOLD, Move.HOLD, Move.HOLD)),
        (Phase.SHADOW, (Move.REJECT, Move.HOLD, Move.JOIN, Move.ADVANCE, Move.ADVANCE, Move.HOLD)),
        (Phase.SUSPENDED, (Move.ROLL_BACK, Move.RETURN, Move.HOLD, Move.RETURN, Move.ROLL_BACK, Move.HOLD)),
        (Phase.SUSPENDED, (Move.ROLL_BACK, Move.ROLL_BACK, Move.HOLD, Move.RETURN, Move.ROLL_BACK, Move.RETURN)),
    ],
)
def test_a_broken_table_is_found(monkeypatch: pytest.MonkeyPatch, phase: Phase, row: tuple[Move, ...]):
    """One cell that moves traffic where it may not is found, and the history is named."""
    monkeypatch.setitem(MOVES, phase, row)
    with pytest.raises(AssertionError, match=r"history \d+: "):
        run(0, 1500)


@pytest.mark.parametrize(
    ("name", "broken"),
    [("_joining", lambda _, results: results.joins), ("_nothing_moves", lambda _: "")],
    ids=["joins", "nothing moves"],
)
def test_a_slice_without_its_certificate_is_found(
    monkeypatch: pytest.MonkeyPatch, name: str, broken: Callable[..., object]
):
    """Were one that is not tested, or that moves already, to join, or none needed to rise: a history says so."""
    monkeypatch.setattr(rollout, name, broken)
    with pytest.raises(AssertionError, match=r"history \d+: "):
        run(0, 1500)
