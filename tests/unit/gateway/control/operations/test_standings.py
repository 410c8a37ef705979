from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from gateway.control.operations.standings import entry, spent_budgets, standings, stops
from gateway.control.state.port import Decided, Stored
from gateway.control.state.sqlite import SqliteState
from gateway.node.datadir import prepare
from policies.results import Alarm
from policies.rollout import Rollout, command, step
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
    stands = standings(state, now=NOW)["triage"]
    assert (stands.phase, stands.stage, stands.weight_ppm, stands.version) == ("canary", "5%", 50_000, 1)
    assert (stands.missing, stands.units, stands.units_to_go, stands.last_move) == ([], None, None, None)


def test_what_a_rollout_waits_for(state: SqliteState) -> None:
    """What the last look found missing is told, the gravest first, with the units it would take."""
    keep(state, CANARY)
    look(state, replace(UNSURE, gates=(PASSES, replace(WAITS, units_to_go=250)), units=40))
    stands = standings(state, now=NOW)["triage"]
    assert stands.missing == ["errors: not certified yet", "40 of at least 100 units", "55 s of this stage's hold left"]
    assert (stands.units, stands.units_to_go, stands.looked_at) == (40, 250, NOW)
    look(state, replace(GOOD, units=40))
    assert standings(state, now=NOW)["triage"].units_to_go == 60
    look(state, UNSURE)
    assert standings(state, now=NOW)["triage"].units_to_go is None


def test_a_look_of_another_stage_says_nothing_of_this_one(state: SqliteState) -> None:
    """Numbers of the stage before are not shown as if they were this one's."""
    keep(state, CANARY)
    look(state, UNSURE)
    keep(state, replace(CANARY, attempt=2))
    assert standings(state, now=NOW)["triage"].units is None
    look(state, replace(GOOD, units=500), replace(CANARY, stage=0, phase=Phase.SHADOW, lived_s=100.0))
    keep(state, CANARY)
    assert standings(state, now=NOW)["triage"].units is None


def test_how_long_a_stage_lasts_is_as_of_the_last_look(state: SqliteState) -> None:
    """The state keeps a rollout more seldom than it is looked at: the sentence and the pace go by the look."""
    keep(state, replace(CANARY, lived_s=10.0))
    look(state, replace(GOOD, units=40), replace(CANARY, lived_s=40.0))
    stands = standings(state, now=NOW)["triage"]
    assert stands.sentence.startswith("At 5 % of the traffic for 45 s"), stands.sentence


def test_the_last_move_is_told(state: SqliteState) -> None:
    """The latest decision of each route, with when and why; a stopped rollout waits for nothing."""
    after = command(CANARY, Verb.ROLLBACK, now=NOW, by="ada", reason="smells")
    keep(state, after.rollout)
    state.add_decision(told(command(CANARY, Verb.HOLD, now=NOW - 9, by="ada", reason="wait")))
    state.add_decision(told(after, "d2"))
    stands = standings(state, now=NOW)["triage"]
    assert (stands.last_move, stands.moved_at, stands.reason) == ("roll_back", NOW, "ada: smells")
    assert (stands.phase, stands.weight_ppm, stands.missing) == ("rolled_back", 0, [])


def test_what_stayed_where_it_was_is_no_move(state: SqliteState) -> None:
    """A reason that changed is a decision, too: when it moved is told all the same, until it has never moved."""
    keep(state, CANARY)
    held = step(CANARY, UNSURE, now=NOW)
    state.add_decision(told(held, "d2"))
    assert standings(state, now=NOW)["triage"].last_move == "hold"
    state.add_decision(told(command(CANARY, Verb.ROLLBACK, now=NOW - 40, by="ada", reason="smells")))
    stands = standings(state, now=NOW)["triage"]
    assert (stands.last_move, stands.moved_at) == ("roll_back", NOW - 40)


def test_what_stopped_each_rollout_is_found(state: SqliteState) -> None:
    """Behind whatever was decided since; a rollout on its way has nothing of it, and one that is damaged hides none."""
    after = command(CANARY, Verb.ROLLBACK, now=NOW, by="ada", reason="smells")
    keep(state, CANARY)
    assert stops(state) == {}
    keep(state, after.rollout)
    state.add_decision(told(after))
    state.add_decision(told(step(after.rollout, UNSURE, now=NOW + 5), "d2"))
    assert stops(state)["triage"].reason == "ada: smells"


def test_records_of_another_version_still_have_their_words(state: SqliteState) -> None:
    """What cannot be decoded is told by its text; a rollout that cannot be is no guess."""
    keep(state, CANARY)
    state.add_decision(Decided("d", NOW, "triage", "advance", "PROMOTE", "ROUTE triage\n  the reason\n  more", b"{}"))
    state.keep_look(Decided("d", NOW, "triage", "advance", "PROMOTE", "HEAD", b"{}"))
    stands = standings(state, now=NOW)["triage"]
    assert (stands.reason, stands.units, stands.looked_at) == ("the reason", None, NOW)
    epoch = state.lead("n1", NOW)
    assert epoch is not None
    assert state.store("triage", Stored(0, 0, 0, b'{"route":1}', NOW, "n1"), expected=1, epoch=epoch)
    unreadable = standings(state, now=NOW)["triage"]
    assert (unreadable.phase, unreadable.weight_ppm, unreadable.version) == ("unreadable", 0, 2)
    assert "hint" in unreadable.missing[0]


def test_a_suspension_is_told_by_its_trial_and_not_by_the_look_that_began_it(state: SqliteState) -> None:
    """What alarmed is why it stands there; what it waits for is its trial."""
    alarm = Alarm("errors", 5.0, 4.0, raised=True, reason="detector errors: alarm")
    before = replace(CANARY, settings=replace(CANARY.settings, trial=200))
    away = step(before, replace(GOOD, alarms=(alarm,)), now=NOW)
    keep(state, away.rollout)
    state.add_decision(told(away, "d1"))
    look(state, away.results, before)
    stands = standings(state, now=NOW)["triage"]
    assert (stands.phase, stands.stage, stands.weight_ppm, stands.missing) == ("suspended", "5%", 0, [])
    assert stands.sentence.startswith("Suspended at 5 %: the candidate failed too many of its latest requests. ")
    trying = replace(away.rollout, suspended_ago_s=(70.0,))
    keep(state, trying)
    look(state, replace(GOOD, tried=57), trying)
    stands = standings(state, now=NOW)["triage"]
    assert stands.missing == ["suspended, and being tried: 57 of 200 requests beside the baseline without an alarm"]


def test_a_window_that_is_shut_is_told(state: SqliteState) -> None:
    """After all else that is missing: when everything is certified it alone is."""
    closed = replace(CANARY, ladder=replace(CANARY.ladder, rises=RiseWindow((6,), 0, 1440, "UTC")), lived_s=1e6)
    keep(state, closed)
    look(state, GOOD, closed)

    assert standings(state, now=NOW)["triage"].missing == [
        "it rises only within sun 0:00-24:00 UTC; it may fall at any time"
    ]


def test_servers_that_are_cold_are_told(state: SqliteState) -> None:
    """After all else that is missing, in the list and in the sentence."""
    cold = "2 of 4 replicas answer; it gives up in 8 min"
    stands = replace(CANARY, lived_s=1e6)
    keep(state, stands)
    look(state, replace(GOOD, cold=cold), stands)
    told = standings(state, now=NOW)["triage"]
    waits = f"it waits for its servers to be warm: {cold}"
    assert told.missing == [waits]
    assert told.sentence.endswith(f"every check passed; {waits}.")

    look(state, replace(UNSURE, cold=cold), stands)
    assert standings(state, now=NOW)["triage"].missing == ["errors: not certified yet"]


def test_slices_are_told_by_name(state: SqliteState) -> None:
    """What each says, beside what is missing."""
    keep(state, CANARY)
    sliced = replace(PASSES, gate="quality@language=german", verdict=Verdict.INCONCLUSIVE, reason="german: not yet")
    look(state, replace(GOOD, gates=(*GOOD.gates, sliced)))
    stands = standings(state, now=NOW)["triage"]

    assert stands.slices == {"quality@language=german": "INCONCLUSIVE"}
    assert "german: not yet" in stands.missing
    assert stands.moving == []


def test_slices_that_move_alone_are_told_by_name(state: SqliteState) -> None:
    """In the order in which they were certified."""
    held = replace(CANARY.held, moving=("tool=b", "tool=a"))
    keep(state, replace(CANARY, ladder=replace(CANARY.ladder, moves_by="tool"), held=held))

    assert standings(state, now=NOW)["triage"].moving == ["tool=b", "tool=a"]


def test_a_stop_is_told_with_what_caused_it(state: SqliteState) -> None:
    """Whatever was decided since, the sentence is of the decision that stopped it; `entry` gives that decision."""
    keep(state, CANARY)
    assert entry(state, "triage") is None
    after = command(CANARY, Verb.ROLLBACK, now=NOW, by="ada", reason="smells")
    state.add_decision(told(after, "d1"))
    state.add_decision(told(step(after.rollout, GOOD, now=NOW + 60), "d2"))
    keep(state, after.rollout)
    assert standings(state, now=NOW + 120)["triage"].sentence.startswith("Rolled back 2 min ago by ada: smells. ")
    assert entry(state, "triage") == after
    assert stops(state) == {"triage": after}
    assert entry(state, "other") is None


def test_what_waits_for_a_word_is_told_since_when(state: SqliteState) -> None:
    """The sentence says since when; the numbers behind it stay those of now, since it goes on being looked at."""
    asked = step(replace(CANARY, lived_s=60.0), GOOD, now=NOW)
    assert asked.rollout.phase is Phase.APPROVING
    state.add_decision(told(asked, "d1"))
    keep(state, asked.rollout)
    found = standings(state, now=NOW + 7200)["triage"]
    assert " 2 h ago; " in found.sentence
    assert "waits for your approval: `crossfade promote triage --reason …`." in found.sentence
    assert entry(state, "triage") is None
    assert stops(state) == {}


def test_what_a_node_knows_beside_the_state_reaches_the_sentence(state: SqliteState, tmp_path: Path) -> None:
    """Nobody leads, or this node's shadow says that the day's money is gone: the sentence says so first."""
    keep(state, replace(CANARY, stage=0, phase=Phase.SHADOW))
    look(state, UNSURE, replace(CANARY, stage=0, phase=Phase.SHADOW))
    data = prepare(tmp_path / "data")
    assert spent_budgets(data) == frozenset()
    data.exposition("shadow").write_text(
        'crossfade_shadow_budget_spent{route="triage"} 1.0\ncrossfade_shadow_budget_spent{route="other"} 0.0\n'
    )
    spent = spent_budgets(data)
    assert spent == {"triage"}
    assert "budget for comparing is spent" in standings(state, now=NOW, spent=spent)["triage"].sentence
    assert "no controller is deciding" in standings(state, now=NOW + 3600)["triage"].sentence
