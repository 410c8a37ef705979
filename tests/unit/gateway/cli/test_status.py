"""`crossfade status`: what it says of what runs, and of what does not."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import clock
from gateway.cli.main import main
from gateway.control.controller.status import ControllerStatus, PolicyStatus
from gateway.control.state.sqlite import SqliteState
from gateway.node.datadir import DataDir, prepare
from policies.rollout import command
from policies.routing import Lease, Route, Table, Upstream, Variant, encode
from policies.terms import Verb
from tests.rooms.kept_rollouts import CANARY
from tests.rooms.looks import look, told
from tests.rooms.rollouts import UNSURE

NOW = 1_800_000_000.0


def test_status_of_what_is_not_running(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a gateway, status is 1 and still shows the table, its lease, the kill file and what does not load."""
    data = prepare(Path("crossfade-data"))
    route = Route("triage", Variant("openai"), candidate=Variant("vllm", "m", "r1"), weight_ppm=50_000)
    upstreams = (Upstream("openai", "http://h"), Upstream("vllm", "http://h"))
    table = Table(7, Lease(clock.wall() - 100), upstreams, "openai", routes=(route,))
    data.routing.write_bytes(encode(table))
    data.kill.touch()
    status = ControllerStatus(7, (PolicyStatus("a.yaml", None, "a.yaml:1:1: wrong"),), None)
    data.controller_status.write_bytes(
        json.dumps(
            {
                "version": 7,
                "error": None,
                "policies": [{"file": each.file, "route": each.route, "error": each.error} for each in status.policies],
            }
        ).encode()
    )
    data.exposition("recorder").write_text("crossfade_journal_lag_seconds 3.5\n")
    assert main(["status"]) == 1
    shown = capsys.readouterr().out
    for words in (
        "nothing serves from",
        "routing table 7, lease stale",
        "KILLED",
        "a.yaml:1:1: wrong",
        "s behind",
    ):
        assert words in shown
    assert [line.split() for line in shown.splitlines() if line.startswith("triage")] == [
        ["triage", "-", "5%", "-", "vllm/m@r1", "-", "-"]
    ]
    assert main(["status", "triage", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["table"]["lease"], found["killed"], found["routes"][0]["weight_pct"]) == ("stale", True, 5.0)
    assert found["journal_lag_s"] >= 3.5  # what the recorder said, and the time since
    assert main(["status", "nope"]) == 1
    assert "hint: there are triage" in capsys.readouterr().err


def test_status_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Where there never was a gateway, status says so and makes nothing."""
    assert main(["status"]) == 1
    assert "nothing serves from crossfade-data; no routing table" in capsys.readouterr().out
    assert not Path("crossfade-data").exists()


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
