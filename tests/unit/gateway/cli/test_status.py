"""`crossfade status`: what it says of what runs, and of what does not."""

import json
import os
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from gateway import clock
from gateway.cli.main import main
from gateway.cli.status import RouteState, service
from gateway.control.controller.status import CandidateStatus, ControllerStatus, PolicyStatus
from gateway.control.state.port import Node
from gateway.control.state.sqlite import SqliteState
from gateway.node.datadir import DataDir, held, prepare
from gateway.node.supervisor_status import ProcessStatus, SupervisorStatus
from policies.rollout import command
from policies.routing import Lease, Route, Table, Upstream, Variant, encode
from policies.terms import Verb
from tests.rooms.kept_rollouts import CANARY
from tests.rooms.looks import look, told
from tests.rooms.rollouts import UNSURE

NOW = 1_800_000_000.0


def test_status_says_what_keeps_a_candidate_from_answering() -> None:
    """An open breaker, a share that is not really served, and a key that is refused are sentences with what to do."""
    asked = RouteState("triage", "apply", "openai", "vllm", "r1", 25.0)
    assert service(asked) == []
    assert service(replace(asked, served_pct=100.0)) == []
    found = service(replace(asked, served_pct=1.4, breakers_open=2, key_refused=7))
    for words, sentence in zip(
        ("2 workers do not ask", "answered 1% of", "refused our key 7 times"), found, strict=True
    ):
        assert words in sentence
    rolled_back = replace(asked, weight_pct=0.0, breakers_open=2)
    assert service(rolled_back) == [], "nobody would ask it in any case"


def test_status_reads_what_other_processes_said(capsys: pytest.CaptureFixture[str]) -> None:
    """The share really served and refused keys are those of the controller's and the shadow's own metrics."""
    data = prepare(Path("crossfade-data"))
    route = Route("triage", Variant("openai"), candidate=Variant("vllm", "m", "r1"), weight_ppm=50_000)
    upstreams = (Upstream("openai", "http://h"), Upstream("vllm", "http://h"))
    data.routing.write_bytes(encode(Table(7, Lease(clock.wall()), upstreams, "openai", routes=(route,))))
    data.exposition("controller").write_text('crossfade_served_ratio{route="triage"} 0.25\n')
    data.exposition("shadow").write_text('crossfade_shadow_key_refused{route="triage"} 3\n')
    assert main(["status", "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)["routes"]
    assert (found["served_pct"], found["key_refused"], found["breakers_open"]) == (25.0, 3, 0)
    assert main(["status"]) == 1
    assert "\n  the candidate answered 25% of what was lately assigned to it\n" in capsys.readouterr().out


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
        ["triage", "-", "5%", "-", "-", "-", "vllm/m@r1"]
    ]
    assert main(["status", "triage", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["table"]["lease"], found["killed"], found["routes"][0]["weight_pct"]) == ("stale", True, 5.0)
    assert found["journal_lag_s"] >= 3.5  # what the recorder said, and the time since
    assert main(["status", "nope"]) == 1
    said = capsys.readouterr()
    assert (said.out, "hint: there are triage" in said.err) == ("", True)


def test_status_names_who_could_hang(capsys: pytest.CaptureFixture[str]) -> None:
    """Each process of the control plane stands there with its pid, so that an operator can end one that hangs."""
    data = prepare(Path("crossfade-data"))
    own = os.getpid()
    processes = (
        ProcessStatus("worker-0", own, 0, "w0-1"),
        ProcessStatus("controller", own, 0, None),
        ProcessStatus("recorder", None, 3, None),
        ProcessStatus("admin", None, 0, None, starting=True),
        ProcessStatus("shadow", own, 0, None),
    )
    status = SupervisorStatus(own, "1", NOW, "", "", stopping=False, processes=processes, reload=None)
    data.supervisor_status.write_bytes(msgspec.json.encode(status))
    with held(data):
        assert main(["status", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["control"] == [
            {"process": "controller", "pid": own}, {"process": "shadow", "pid": own},
        ]  # fmt: skip
        main(["status"])
    shown = capsys.readouterr().out.splitlines()
    assert f"controller (pid {own}), shadow (pid {own})" in shown
    assert "not running: recorder (its log lines say why)" in shown
    assert "starting: admin" in shown
    assert not any("not running: admin" in line for line in shown)


def test_status_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Where there never was a gateway, status says so and makes nothing."""
    assert main(["status"]) == 1
    captured = capsys.readouterr()
    assert "nothing serves from crossfade-data; no routing table" in captured.out
    assert "`crossfade serve` starts a gateway" in captured.err
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
        ["triage", "5%", "5%", "canary", "-", "pause", "2h", "ago", "vllm/m@r1"]
    ]
    assert "\n  At 5 % of the traffic; no controller is deciding, so it cannot move up." in shown
    assert main(["status", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["routes"][0]["rollout"]["units"] == 40
    assert found["shared"]["problem"] is None


def test_a_kill_that_holds_on_some_nodes_alone_is_shown_on_all(
    data: DataDir, state: SqliteState, capsys: pytest.CaptureFixture[str]
) -> None:
    """A node that is not killed says which are, and what makes all of them alike."""
    for name, killed in (("n1", True), ("n2", False)):
        state.heard(Node(name, clock.wall(), killed=killed))
    main(["status"])
    shown = capsys.readouterr().out
    assert "the kill is on at n1 alone. `crossfade kill` turns it on at every node, `crossfade kill --off`" in shown
    main(["status", "--json"])
    assert json.loads(capsys.readouterr().out)["shared"]["killed_nodes"] == ["n1"]
    state.heard(Node("n2", clock.wall(), killed=True))
    main(["status"])
    assert "alone" not in capsys.readouterr().out


def test_each_of_several_candidates_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    """By its rollout's name, with its own model; the weight is that of the one that serves, and a route names all."""
    data = prepare(Path("crossfade-data"))
    route = Route("triage", Variant("openai"), candidate=Variant("vllm", "large", "r1"), weight_ppm=50_000)
    upstreams = (Upstream("openai", "http://h"), Upstream("vllm", "http://h"))
    data.routing.write_bytes(encode(Table(7, Lease(clock.wall()), upstreams, "openai", routes=(route,))))
    several = tuple(
        CandidateStatus(f"triage@{name}", "vllm", name, "r1", serves=name == "large") for name in ("small", "large")
    )
    status = ControllerStatus(7, (PolicyStatus("a.yaml", "triage", None, candidates=several),), None)
    data.controller_status.write_bytes(msgspec.json.encode(status))
    for asked, there in (
        (("triage",), ["triage@small", "triage@large"]), (("triage@small",), ["triage@small"]), ((), None),
    ):  # fmt: skip
        main(["status", "--json", *asked])
        found = json.loads(capsys.readouterr().out)["routes"]
        assert [each["route"] for each in found] == (there or ["triage@small", "triage@large"])
    assert [(each["candidate"], each["weight_pct"]) for each in found] == [("vllm/small", 0.0), ("vllm/large", 5.0)]
