from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from gateway.control.operations.standings import standings
from gateway.control.state.port import Decided, Stored
from gateway.control.state.sqlite import SqliteState
from policies.rollout import Rollout, command
from policies.terms import Phase, Verb, Verdict
from policies.windows import RiseWindow
from tests.rooms.looks import CANARY, NOW, look, told
from tests.rooms.rollouts import GOOD, PASSES, UNSURE, WAITS


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SqliteState]:
    found = SqliteState(tmp_path / "state.db")
    yield found
    found.close()


def keep(state: SqliteState, rollout: Rollout) -> None:
    epoch = state.lead("n1", NOW)
    assert epoch is not None
    kept = state.rollouts().get("triage")
    new = Stored(0, 0, rollout.weight_ppm, msgspec.json.encode(rollout), NOW, "n1")
    assert state.store("triage", new, expected=kept.version if kept else 0, epoch=epoch)


def test_a_rollout_nobody_has_looked_at(state: SqliteState) -> None:
    """Stage, phase and weight are there before anything is known of evidence or moves."""
    keep(state, CANARY)
    stands = standings(state)["triage"]
    assert (stands.phase, stands.stage, stands.weight_ppm, stands.version) == ("canary", "5%", 50_000, 1)
    assert (stands.missing, stands.units, stands.units_to_go, stands.last_move) == ([], None, None, None)


def test_what_a_rollout_waits_for(state: SqliteState) -> None:
    """What the last look found missing is told, the gravest first, with the units it would take."""
    keep(state, CANARY)
    look(state, replace(UNSURE, gates=(PASSES, replace(WAITS, units_to_go=250)), units=40))
    stands = standings(state)["triage"]
    assert stands.missing == ["errors: not certified yet", "40 of at least 100 units", "60 s of this stage's hold left"]
    assert (stands.units, stands.units_to_go, stands.looked_at) == (40, 250, NOW)
    look(state, replace(GOOD, units=40))
    assert standings(state)["triage"].units_to_go == 60
    look(state, UNSURE)
    assert standings(state)["triage"].units_to_go is None


def test_a_look_of_another_stage_says_nothing_of_this_one(state: SqliteState) -> None:
    """Numbers of the stage before are not shown as if they were this one's."""
    keep(state, CANARY)
    look(state, UNSURE)
    keep(state, replace(CANARY, attempt=2))
    assert standings(state)["triage"].units is None
    look(state, replace(GOOD, units=500), replace(CANARY, stage=0, phase=Phase.SHADOW, lived_s=100.0))
    keep(state, CANARY)
    assert standings(state)["triage"].units is None


def test_the_last_move_is_told(state: SqliteState) -> None:
    """The latest decision of each route, with when and why; a stopped rollout waits for nothing."""
    after = command(CANARY, Verb.ROLLBACK, now=NOW, by="ada", reason="smells")
    keep(state, after.rollout)
    state.add_decision(told(command(CANARY, Verb.HOLD, now=NOW - 9, by="ada", reason="wait")))
    state.add_decision(told(after, "d2"))
    stands = standings(state)["triage"]
    assert (stands.last_move, stands.moved_at, stands.reason) == ("roll_back", NOW, "ada: smells")
    assert (stands.phase, stands.weight_ppm, stands.missing) == ("rolled_back", 0, [])


def test_records_of_another_version_still_have_their_words(state: SqliteState) -> None:
    """What cannot be decoded is told by its text; a rollout that cannot be is no guess."""
    keep(state, CANARY)
    state.add_decision(Decided("d", NOW, "triage", "advance", "PROMOTE", "HEAD\n  the reason\n  more", b"{}"))
    state.keep_look(Decided("d", NOW, "triage", "advance", "PROMOTE", "HEAD", b"{}"))
    stands = standings(state)["triage"]
    assert (stands.reason, stands.units, stands.looked_at) == ("the reason", None, NOW)
    epoch = state.lead("n1", NOW)
    assert epoch is not None
    assert state.store("triage", Stored(0, 0, 0, b'{"route":1}', NOW, "n1"), expected=1, epoch=epoch)
    unreadable = standings(state)["triage"]
    assert (unreadable.phase, unreadable.weight_ppm, unreadable.version) == ("unreadable", 0, 2)
    assert "hint" in unreadable.missing[0]


def test_a_window_that_is_shut_is_told(state: SqliteState) -> None:
    """After all else that is missing: when everything is certified it alone is."""
    closed = replace(CANARY, ladder=replace(CANARY.ladder, rises=RiseWindow((6,), 0, 1440, "UTC")), lived_s=1e6)
    keep(state, closed)
    look(state, GOOD, closed)

    assert standings(state)["triage"].missing == ["it rises only within sun 0:00-24:00 UTC; it may fall at any time"]


def test_slices_are_told_by_name(state: SqliteState) -> None:
    """What each says, beside what is missing."""
    keep(state, CANARY)
    sliced = replace(PASSES, gate="quality@language=german", verdict=Verdict.INCONCLUSIVE, reason="german: not yet")
    look(state, replace(GOOD, gates=(*GOOD.gates, sliced)))
    stands = standings(state)["triage"]

    assert stands.slices == {"quality@language=german": "INCONCLUSIVE"}
    assert "german: not yet" in stands.missing
