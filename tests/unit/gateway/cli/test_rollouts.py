"""The commands about rollouts, over a shared state that no gateway looks after."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import clock
from gateway.cli.main import main
from gateway.control.operations import orders as operating
from gateway.control.state.port import Node
from gateway.control.state.sqlite import SqliteState
from gateway.node.database import opened, read_audit
from gateway.node.datadir import DataDir, prepare
from policies.rollout import command
from policies.routing import Lease, Route, Table, Upstream, Variant, encode
from policies.terms import Verb
from records.parquet import EXCHANGES
from records.pricing import PriceBook
from records.record_maker import RecordMaker, RoutePrices
from records.redact import Redactor
from records.store import Store
from tests.fakes.exchanges import chat_request, exchange
from tests.rooms.kept_rollouts import CANARY, keep
from tests.rooms.looks import look, told
from tests.rooms.rollouts import UNSURE
from tests.rooms.voting import ask_for_votes, cast

NOW = 1_800_000_000.0


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataDir:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CROSSFADE_CONFIG", raising=False)
    monkeypatch.setattr(operating, "ROLLBACK_S", 0.0)
    monkeypatch.setattr(operating, "ANSWER_S", 0.0)
    return prepare(Path("crossfade-data"))


@pytest.fixture
def state(data: DataDir) -> Iterator[SqliteState]:
    found = SqliteState(data.state)
    keep(found, CANARY)
    yield found
    found.close()


def audited(data: DataDir) -> list[tuple[str, str, str]]:
    with opened(data.state) as local:
        return [(each.action, each.subject, each.reason) for each in read_audit(local)]


def test_a_rollback_from_the_command_line(
    data: DataDir, state: SqliteState, capsys: pytest.CaptureFixture[str]
) -> None:
    """With nobody leading, the weight is lowered here, the decision is printed, and it is audited with who and why."""
    assert main(["rollback", "triage", "--reason", "smells"]) == 0
    captured = capsys.readouterr()
    assert "DECISION ROLLBACK" in captured.out
    assert "smells" in captured.out
    assert "done from here" in captured.err
    assert state.rollouts()["triage"].weight_ppm == 0
    assert audited(data) == [("rollout.rollback", "triage", "smells")]
    assert main(["rollback", "triage", "--reason", "again", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["verb"], found["outcome"], found["alone"]) == ("rollback", "refused", True)


def test_a_promotion_that_nobody_hears(data: DataDir, state: SqliteState, capsys: pytest.CaptureFixture[str]) -> None:
    """A promotion without a leader is withdrawn, 1, and audited all the same."""
    assert main(["promote", "triage", "--reason", "good enough"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "withdrawn" in captured.err
    assert state.rollouts()["triage"].weight_ppm == CANARY.weight_ppm
    assert audited(data) == [("rollout.promote", "triage", "good enough")]


def test_a_reason_is_wanted(data: DataDir, capsys: pytest.CaptureFixture[str]) -> None:
    """An order without a reason is bad usage."""
    with pytest.raises(SystemExit) as stopped:
        main(["hold", "triage"])
    assert stopped.value.code == 2
    assert "--reason" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["rollback", "r", "--reason", "x"], ["explain", "r"]])
def test_where_no_gateway_ever_ran(data: DataDir, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """A directory without a state is named, and none is made there."""
    assert main(words) == 1
    assert "no gateway has run from here" in capsys.readouterr().err
    assert not data.state.exists()


def test_a_state_that_is_down(data: DataDir, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the shared state cannot be used, each command says so with what still works."""
    data.state.touch()
    Path("crossfade.yaml").write_text("state: unix:///nowhere/redis.sock\n")
    assert main(["rollback", "triage", "--reason", "x"]) == 1
    assert "hint: `crossfade kill` needs nothing" in capsys.readouterr().err
    assert main(["explain", "triage"]) == 1
    assert "/nowhere/redis.sock" in capsys.readouterr().err
    assert main(["kill"]) == 1
    captured = capsys.readouterr()
    assert "baseline only" in captured.out
    assert "other nodes are not told" in captured.err
    assert data.kill.exists()
    assert main(["status"]) == 1
    assert "the shared state cannot be used" in capsys.readouterr().out


def test_explaining(state: SqliteState, capsys: pytest.CaptureFixture[str]) -> None:
    """The last look in the decision's own words, as JSON with every number, or the decisions before it."""
    assert main(["explain", "triage"]) == 1
    assert "nothing is known of 'triage'" in capsys.readouterr().err
    look(state, UNSURE)
    assert main(["explain", "triage"]) == 0
    assert "INCONCLUSIVE  errors: not certified yet" in capsys.readouterr().out
    assert main(["explain", "triage", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [gate["gate"] for gate in found["results"]["gates"]] == ["quality", "errors"]
    assert main(["explain", "triage", "--history", "5"]) == 1
    assert "without --history" in capsys.readouterr().err
    for number, verb in enumerate((Verb.HOLD, Verb.ROLLBACK)):
        state.add_decision(told(command(CANARY, verb, now=NOW + number, by="ada", reason=verb), f"d{number}"))
    assert main(["explain", "triage", "--history", "5", "--json"]) == 0
    assert [each["move"] for each in json.loads(capsys.readouterr().out)] == ["roll_back", "pause"]
    assert main(["explain", "other"]) == 1
    assert "there are triage" in capsys.readouterr().err


def test_explaining_with_votes(data: DataDir, state: SqliteState, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the policy has `feedback`, what users' votes say stands below the decision; never in its history."""
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
        path.write_bytes(b"no Parquet")
    assert main(["explain", "triage"]) == 0
    captured = capsys.readouterr()
    assert "INCONCLUSIVE  errors: not certified yet" in captured.out
    assert "votes cannot be read now" in captured.err


def test_status_shows_where_rollouts_stand(
    data: DataDir, state: SqliteState, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stage, phase, units to go, the last move and what is missing stand beside the weight that is served."""
    route = Route("triage", Variant("openai"), candidate=Variant("vllm", "m", "r1"), weight_ppm=50_000)
    upstreams = (Upstream("openai", "http://h"), Upstream("vllm", "http://h"))
    data.routing.write_bytes(encode(Table(7, Lease(NOW), upstreams, "openai", routes=(route,))))
    look(state, replace(UNSURE, units=40))
    decision = command(CANARY, Verb.HOLD, now=clock.wall() - 7200, by="ada", reason="wait")
    state.add_decision(told(decision))
    assert main(["status"]) == 1
    shown = capsys.readouterr().out
    assert [line.split() for line in shown.splitlines() if line.startswith("triage")] == [
        ["triage", "5%", "5%", "canary", "vllm/m@r1", "-", "pause", "2h", "ago"]
    ]
    assert "  triage: errors: not certified yet" in shown
    assert main(["status", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["routes"][0]["rollout"]["units"] == 40
    assert found["shared"]["problem"] is None


def test_top_looks_again(data: DataDir, state: SqliteState, capsys: pytest.CaptureFixture[str]) -> None:
    """`top` shows what `status` shows, as often as it is told."""
    assert main(["top", "--times", "1"]) == 1
    once = capsys.readouterr().out
    assert "nothing serves from" in once
    assert "\x1b" not in once  # no terminal


def test_kill_tells_every_node(data: DataDir, state: SqliteState, capsys: pytest.CaptureFixture[str]) -> None:
    """The flag is set for all nodes and taken back, those that confirm are named, and both are audited."""
    state.heard(Node("n1", clock.wall(), killed=True))
    assert main(["kill", "--reason", "it burns"]) == 0
    assert "node n1: confirmed" in capsys.readouterr().err
    assert (word := state.killed()) is not None and word.killed
    state.heard(Node("n1", clock.wall(), killed=False))
    assert main(["kill", "--off", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["shared"] == {
        "told": "yes", "nodes": ["n1"], "confirmed": ["n1"], "problem": "",
    }  # fmt: skip
    assert (word := state.killed()) is not None and not word.killed
    assert [action for action, _, _ in audited(data)] == ["kill", "kill.off"]


def test_traffic_without_a_policy(data: DataDir, capsys: pytest.CaptureFixture[str]) -> None:
    """Requests that no route has are grouped by what they ask, the dearest first, and shown in words."""
    assert main(["routes"]) == 0
    assert "Nothing is recorded" in capsys.readouterr().out
    maker = RecordMaker(
        b"p" * 32, Redactor(), PriceBook({"openai": "https://api.openai.com/v1"}), {"": RoutePrices("openai")}
    )
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]
    rows = [maker.record(exchange(number, chat_request(f"question {number}"), route="")) for number in range(3)]
    rows += [maker.record(exchange(number, chat_request("x", tools=tools), route="")) for number in (3, 4)]
    rows += [maker.record(exchange(number, chat_request("x"), route="triage")) for number in range(5, 9)]
    store = Store(data.records)
    store.publish(store.stage(EXCHANGES, rows, "a"))
    assert main(["routes", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["requests"], each["system"], each["tools"]) for each in found] == [
        (3, "You triage.", []),
        (2, "You triage.", ["look_up"]),
    ]
    assert main(["routes"]) == 0
    assert "You triage.; tools: look_up" in capsys.readouterr().out
    assert main(["routes", "--all", "-n", "1", "--json"]) == 0
    assert [each["route"] for each in json.loads(capsys.readouterr().out)] == ["triage"]
