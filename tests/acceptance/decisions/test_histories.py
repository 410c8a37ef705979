"""Random histories at the suite's size; `make histories` runs a million."""

import pytest

from policies import picking
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
        (Phase.CANARY, (Move.HOLD, Move.SUSPEND, Move.ADVANCE, Move.PAUSE, Move.HOLD)),
        (Phase.CANARY, (Move.ROLL_BACK, Move.HOLD, Move.ADVANCE, Move.PAUSE, Move.HOLD)),
        (Phase.PAUSED, (Move.ROLL_BACK, Move.SUSPEND, Move.ADVANCE, Move.HOLD, Move.HOLD)),
        (Phase.SHADOW, (Move.REJECT, Move.HOLD, Move.ADVANCE, Move.ADVANCE, Move.HOLD)),
        (Phase.SUSPENDED, (Move.ROLL_BACK, Move.RETURN, Move.RETURN, Move.ROLL_BACK, Move.HOLD)),
        (Phase.SUSPENDED, (Move.ROLL_BACK, Move.ROLL_BACK, Move.RETURN, Move.ROLL_BACK, Move.RETURN)),
    ],
)
def test_a_broken_table_is_found(monkeypatch: pytest.MonkeyPatch, phase: Phase, row: tuple[Move, ...]):
    """One cell that moves traffic where it may not is found, and the history is named."""
    monkeypatch.setitem(MOVES, phase, row)
    with pytest.raises(AssertionError, match=r"history \d+: "):
        run(0, 1500)
