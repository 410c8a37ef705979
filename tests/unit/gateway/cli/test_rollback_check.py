"""A rollback that is decided, and whether this node's workers are told of it."""

import json

import msgspec
import pytest

from gateway.cli import rollback_check
from gateway.cli.main import main
from gateway.control.state.sqlite import SqliteState
from gateway.node.datadir import DataDir, held
from gateway.node.supervisor_status import SupervisorStatus
from policies.routing import PPM, Lease, Route, Table, Upstream, Variant, encode

ROLLBACK = ["rollback", "triage", "--reason", "smells"]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollback_check, "FOLLOWS_S", 0.0)


def table(weight_ppm: int) -> bytes:
    """What workers go by."""
    route = Route("triage", Variant("openai"), candidate=Variant("openai"), weight_ppm=weight_ppm)
    upstream = Upstream("openai", "http://127.0.0.1:9/v1")
    return encode(Table(1, Lease(0.0, 60.0, 60.0), (upstream,), "openai", routes=(route,)))


def serve(data: DataDir) -> None:
    """Say that a supervisor serves from here."""
    status = SupervisorStatus(1, "0", 0.0, "", "", stopping=False, processes=(), reload=None)
    data.supervisor_status.write_bytes(msgspec.json.encode(status))


@pytest.mark.parametrize(
    ("content", "said"), [(table(PPM // 20), "still gives triage's candidate 5 %"), (b"{", "cannot be read")]
)
def test_a_rollback_that_the_table_does_not_show_is_not_done(
    data: DataDir, state: SqliteState, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    """With the controller stopped or its disk full the candidate goes on answering: that is said, and what to do."""
    serve(data)
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
    serve(data)
    with held(data):
        assert main(ROLLBACK) == 0
        data.routing.write_bytes(table(0))
        assert main(ROLLBACK) == 0
    data.routing.write_bytes(table(PPM // 20))
    assert main(ROLLBACK) == 0
    assert state.rollouts()["triage"].weight_ppm == 0
    assert "not done" not in capsys.readouterr().err
