"""`crossfade explain`: what was last found, in the decision's words and numbers."""

import json
from dataclasses import replace

import pytest

from gateway import clock
from gateway.cli.main import main
from gateway.control.state.sqlite import SqliteState
from gateway.node.datadir import DataDir
from policies.results import Results
from policies.rollout import command, step
from policies.terms import Verb
from records.store import Store
from tests.rooms.kept_rollouts import CANARY, keep
from tests.rooms.looks import look, told
from tests.rooms.rollouts import UNSURE
from tests.rooms.voting import ask_for_votes, cast

NOW = 1_800_000_000.0


def test_explaining(state: SqliteState, capsys: pytest.CaptureFixture[str]) -> None:
    """The last look in the decision's own words, as JSON with every number, or the decisions before it."""
    assert main(["explain", "triage"]) == 1
    assert "nothing was found of 'triage' yet. hint: the leader looks" in capsys.readouterr().err
    look(state, UNSURE)
    assert main(["explain", "triage"]) == 0
    sentence, _, numbers = capsys.readouterr().out.partition("\n")
    assert sentence.startswith("At 5 % of the traffic")
    assert "INCONCLUSIVE  errors: not certified yet" in numbers
    assert main(["explain", "triage", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sentence"].startswith("At 5 % of the traffic")
    assert [gate["gate"] for gate in found["results"]["gates"]] == ["quality", "errors"]
    assert main(["explain", "triage", "--history", "5"]) == 1
    assert "without --history" in capsys.readouterr().err
    for number, verb in enumerate((Verb.HOLD, Verb.ROLLBACK)):
        state.add_decision(told(command(CANARY, verb, now=NOW + number, by="ada", reason=verb), f"d{number}"))
    assert main(["explain", "triage", "--history", "5", "--json"]) == 0
    assert [each["move"] for each in json.loads(capsys.readouterr().out)] == ["roll_back", "pause"]
    assert main(["explain", "other"]) == 1
    assert "there are triage" in capsys.readouterr().err


def test_a_rollback_is_explained_by_what_caused_it(state: SqliteState, capsys: pytest.CaptureFixture[str]) -> None:
    """While it cools down: the sentence says what happened, and the numbers are those of the rollback."""
    sick = replace(UNSURE, unhealthy="the candidate failed its last 5 requests (HTTP 5xx)")
    decision = step(CANARY, sick, now=clock.wall() - 130)
    keep(state, decision.rollout)
    state.add_decision(told(decision))
    look(state, Results(), decision.rollout)
    assert main(["explain", "triage"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.startswith("Rolled back 2 min ago: the candidate failed its last 5 requests (HTTP 5xx)")
    assert "DECISION ROLLBACK" in shown
    assert "starts again in the shadow in" not in shown.partition("DECISION")[2]


def test_explaining_with_votes(
    data: DataDir, state: SqliteState, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the policy has `feedback`, what users' votes say stands below the decision; never in its history."""
    monkeypatch.setenv("COLUMNS", "400")
    look(state, UNSURE)
    cast(data, bad=20, of=60, baseline_bad=2, baseline_of=60)
    assert main(["explain", "triage"]) == 0
    assert "votes" not in capsys.readouterr().out
    ask_for_votes(data)
    assert main(["explain", "triage"]) == 0
    *_, alarm, remark = capsys.readouterr().out.splitlines()
    assert alarm.startswith("  ALARM         votes: users dislike the candidate's answers more often")
    assert "20.0 bad of 60 voters" in alarm
    assert remark.endswith("this alarms a person, and moves nothing")
    assert main(["explain", "triage", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["votes"]["raised"], found["votes"]["baseline"]["bad"], found["votes_problem"]) == (True, 2.0, None)
    state.add_decision(told(command(CANARY, Verb.HOLD, now=NOW, by="ada", reason="wait")))
    assert main(["explain", "triage", "--history", "1"]) == 0
    assert "votes" not in capsys.readouterr().out
    for path in Store(data.records).files("exchanges"):
        path.unlink()
        path.mkdir()
    assert main(["explain", "triage"]) == 0
    captured = capsys.readouterr()
    assert "INCONCLUSIVE  errors: not certified yet" in captured.out
    assert "votes cannot be read now" in captured.err
