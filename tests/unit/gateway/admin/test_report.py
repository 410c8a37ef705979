"""One route's report, as a value."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.admin.filters import FilterError
from gateway.admin.report import PAIRS, report, rule
from gateway.control.state.sqlite import SqliteState
from gateway.node import labels
from gateway.node.labels import PairLabel
from policies.results import Alarm, Results
from policies.rollout import command, step
from policies.terms import Verb, Verdict
from tests.fakes.exchanges import chat_answer
from tests.rooms.admin_pages import pages
from tests.rooms.console_house import GATES, RESULTS, ConsoleHouse, house, stand
from tests.rooms.kept_rollouts import CANARY
from tests.rooms.looks import NOW, told


@pytest.fixture
def home(tmp_path: Path) -> Iterator[ConsoleHouse]:
    """Ten pairs of every score, a label, a rollback and an operator's word."""
    with house(tmp_path) as found:
        for number in range(10):
            name = found.ask(f"question {number}", told=f"BASELINE says {number}")
            found.compare(name, chat_answer(f"CANDIDATE says {number}"), q=(number - 5) / 5)
        found.record()
        stand(found.data)
        state = SqliteState(found.data.state)
        for verb, by in ((Verb.HOLD, "ada"), (Verb.ROLLBACK, "bob")):
            state.add_decision(told(command(CANARY, verb, now=1_800_000_000.0, by=by, reason="because I say so"), by))
        state.close()
        with labels.opened(found.data.state) as kept:
            labels.keep(kept, PairLabel(found.ids[0], "candidate", "ada", "triage", "random", "candidate", (), 1.0))
        yield found


def test_a_report_is_all_that_is_known_of_a_route(home: ConsoleHouse) -> None:
    """It has the gates, the best and the worst pairs, the money, who said what, and hashes that can be checked."""
    found = report(pages(home.data), "triage", "all")
    assert found is not None
    assert [gate.gate for gate in found.gates] == [gate.gate for gate in GATES[:2]]
    assert [pair.q for pair in found.best] == pytest.approx([0.8, 0.6, 0.4])
    assert [pair.q for pair in found.worst] == pytest.approx([-1.0, -0.8, -0.6])
    assert len(found.best) == len(found.worst) == PAIRS
    assert all(pair.baseline.startswith("BASELINE") for pair in [*found.best, *found.worst])
    assert all(pair.candidate.startswith("CANDIDATE") for pair in [*found.best, *found.worst])
    assert found.worst[0].prompt == "question 0"
    assert [move.by for move in found.approvals] == ["bob", "ada"]
    assert [move.outcome for move in found.incidents] == ["ROLLBACK"]
    assert all(len(move.record_sha256) == 64 for move in found.moves)
    assert (found.human.n, found.human.mean) == (1, 1.0)
    ledger = sum(float(str(row[0])) for row in home.place.rows("cost_usd"))
    assert sum(arm.cost_usd or 0.0 for arm in found.arms) == pytest.approx(ledger)


def test_a_report_of_a_stopped_route_has_the_gates_that_stopped_it(tmp_path: Path) -> None:
    """Whoever reads it wants to know why; what is looked at since is empty."""
    harm = replace(RESULTS.gates[0], verdict=Verdict.FAIL, reason="quality: harm is certified")
    stop = step(CANARY, replace(RESULTS, gates=(harm,)), now=NOW - 130)
    with house(tmp_path) as found:
        state = SqliteState(found.data.state)
        state.add_decision(told(stop))
        state.close()
        stand(found.data, Results(), stop.rollout)
        shown = report(pages(found.data), "triage", "all")
    assert shown is not None
    assert [(gate.gate, gate.verdict) for gate in shown.gates] == [("quality", "FAIL")]
    assert shown.gates_of == "as they stood when it was rolled back"


def test_a_report_right_after_a_move_has_the_gates_that_let_it_through(tmp_path: Path) -> None:
    """At its new stage nothing has counted yet: empty gates would say that it was promoted on nothing."""
    passed = replace(RESULTS, gates=tuple(replace(gate, verdict=Verdict.PASS) for gate in GATES))
    up = replace(command(CANARY, Verb.PROMOTE, now=NOW - 1, by="ada", reason="enough"), results=passed)
    nothing = replace(RESULTS, gates=tuple(replace(gate, verdict=Verdict.INCONCLUSIVE, n=0) for gate in GATES))
    with house(tmp_path) as found:
        state = SqliteState(found.data.state)
        state.add_decision(told(up))
        state.close()
        stand(found.data, nothing, up.rollout)
        shown = report(pages(found.data), "triage", "all")
    assert shown is not None
    assert {gate.verdict for gate in shown.gates} == {"PASS"}
    assert shown.gates_of == f"as they stood when it moved up to {up.rollout.at.label}; nothing has counted there yet"


def test_a_suspension_is_an_incident(home: ConsoleHouse) -> None:
    """Traffic was taken away, if only for minutes."""
    alarm = Alarm("errors", 5.0, 4.0, raised=True, reason="detector errors: alarm")
    before = replace(CANARY, settings=replace(CANARY.settings, trial=200))
    away = step(before, Results(alarms=(alarm,)), now=1_800_000_000.0)
    state = SqliteState(home.data.state)
    state.add_decision(told(away, "away"))
    state.close()
    found = report(pages(home.data), "triage", "all")
    assert found is not None
    assert sorted(move.outcome for move in found.incidents) == ["ROLLBACK", "SUSPEND"]


def test_a_window_leaves_out_what_is_older(home: ConsoleHouse) -> None:
    """Decisions before the window are none of its incidents; a route that is not there has no report."""
    found = report(pages(home.data), "triage", "2027-01-16T00:00")
    assert found is not None
    assert found.incidents == found.approvals == []
    assert report(pages(home.data), "other", "7d") is None
    with pytest.raises(FilterError):
        report(pages(home.data), "triage", "soon")


def test_the_rule_names_what_has_to_be_certified() -> None:
    """Short sentences: the required gates by name, their height as odds, and what takes everything back."""
    said = rule(GATES)
    assert max(len(line) for line in said) <= 150
    assert "quality, errors and latency are each certified" in said[0]
    assert "one time in 20" in said[1]
    assert any("baseline at once" in line for line in said)
    assert "quality is certified" in rule([replace(GATES[0], needed=None)])[0]
    assert "every required gate is certified" in rule([])[0]
    assert "uncertified" in rule([], is_split=True)[0]
    assert "is certified" not in " ".join(rule([], is_split=True))
