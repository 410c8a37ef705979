"""`crossfade promote|hold|resume|rollback` over a shared state that no gateway looks after."""

import json

import pytest

from gateway.cli.main import main
from gateway.control.operations import rollback_check
from gateway.control.state.sqlite import SqliteState
from gateway.node.database import opened, read_audit
from gateway.node.datadir import DataDir, held
from policies.routing import PPM
from tests.rooms.kept_rollouts import CANARY, served

ROLLBACK = ["rollback", "triage", "--reason", "smells"]


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
    assert main(["rollback", "triage", "--reason", "again", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["verb"], found["outcome"], found["alone"]) == ("rollback", "taken", False)
    assert "at the baseline already" in found["text"]


def test_a_promotion_that_nobody_hears(data: DataDir, state: SqliteState, capsys: pytest.CaptureFixture[str]) -> None:
    """A promotion without a leader is withdrawn, 1, and audited all the same."""
    assert main(["promote", "triage", "--reason", "good enough"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "withdrawn" in captured.err
    assert state.rollouts()["triage"].weight_ppm == CANARY.weight_ppm
    assert audited(data) == [("rollout.promote", "triage", "good enough")]


@pytest.mark.parametrize("words", ["promote", "hold", "resume", "rollback", "explain", "rebuild"])
def test_a_route_that_nobody_has_is_named_at_once(
    data: DataDir, state: SqliteState, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    """Every command about a rollout says that so; nothing speaks of a leader or is audited."""
    assert main([words, "triaje", *(["--reason", "x"] if words not in ("explain", "rebuild") else [])]) == 1
    said = capsys.readouterr().err
    assert "'triaje'" in said
    assert "leader" not in said
    assert "hint: did you mean triage?" in said
    assert audited(data) == []


def test_a_reason_is_wanted(data: DataDir, capsys: pytest.CaptureFixture[str]) -> None:
    """An order without a reason, or with an empty one, is bad usage."""
    for words in ([], ["--reason", " "]):
        with pytest.raises(SystemExit) as stopped:
            main(["hold", "triage", *words])
        assert stopped.value.code == 2
        assert "--reason" in capsys.readouterr().err


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollback_check, "FOLLOWS_S", 0.0)


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize(
    ("content", "said"), [(served(PPM // 20), "still gives triage's candidate 5 %"), (b"{", "cannot be read")]
)
def test_a_rollback_that_the_table_does_not_show_is_not_done(
    data: DataDir, state: SqliteState, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    """With the controller stopped or its disk full the candidate goes on answering: that is said, and what to do."""
    data.routing.write_bytes(content)
    with held(data):
        assert main(ROLLBACK) == 1
    captured = capsys.readouterr()
    assert "DECISION ROLLBACK" in captured.out
    assert said in captured.err
    assert "hint: `crossfade kill`" in captured.err
    assert state.rollouts()["triage"].weight_ppm == 0

    with held(data):
        assert main([*ROLLBACK, "--json"]) == 1
    assert said in json.loads(capsys.readouterr().err)["error"]["message"]


def test_a_rollback_that_the_table_shows_is_done(
    data: DataDir, state: SqliteState, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table without the candidate, one that is not there yet, and one of a gateway that is stopped: 0."""
    with held(data):
        assert main(ROLLBACK) == 0
        data.routing.write_bytes(served(0))
        assert main(ROLLBACK) == 0
    data.routing.write_bytes(served(PPM // 20))
    assert main(ROLLBACK) == 0
    assert state.rollouts()["triage"].weight_ppm == 0
    assert "not done" not in capsys.readouterr().err
