"""`crossfade kill`: the file, and the nodes that are told."""

import errno
import json
import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway import clock
from gateway.cli.main import main
from gateway.control.state.port import Node
from gateway.control.state.sqlite import SqliteState
from gateway.node.database import opened, read_audit
from gateway.node.datadir import DataDir, held, prepare
from gateway.node.supervisor_status import SupervisorStatus


def audited(data: DataDir) -> list[tuple[str, str, str]]:
    with opened(data.state) as local:
        return [(each.action, each.subject, each.reason) for each in read_audit(local)]


def test_kill_and_back_with_nothing_running(capsys: pytest.CaptureFixture[str]) -> None:
    """The kill file is written and removed with no gateway there, and each says what it did."""
    prepare(Path("crossfade-data"))
    kill = Path("crossfade-data/KILL")
    assert main(["kill", "--reason", "it burns"]) == 0
    assert "is written: baseline only" in capsys.readouterr().out
    assert json.loads(kill.read_bytes())["reason"] == "it burns"
    assert main(["kill"]) == 0
    assert "was there already" in capsys.readouterr().out
    assert json.loads(kill.read_bytes())["reason"] == "it burns"
    assert main(["kill", "--off", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["killed"], found["changed"], found["workers"], found["confirmed"]) == (False, True, [], [])
    assert found["shared"]["told"] == "nobody"
    assert not kill.exists()
    assert main(["kill", "--off"]) == 0
    assert "nothing to take back" in capsys.readouterr().out


def test_kill_works_with_broken_settings(capsys: pytest.CaptureFixture[str]) -> None:
    """With settings that do not load, the directory can be named, and no settings are read."""
    prepare(Path("data"))
    Path("crossfade.yaml").write_text("server: [")
    assert main(["kill"]) == 1
    assert "crossfade kill --data DIR" in capsys.readouterr().err
    assert main(["kill", "--data", "data"]) == 0
    assert Path("data/KILL").exists()
    assert main(["kill", "--data", "missing"]) == 1


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


def test_where_no_file_can_be_made_whoever_serves_is_told_by_a_signal(
    data: DataDir, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk that is read-only the workers of now are stopped all the same; the way back says what it waits for."""
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda number, _: heard.append(number))
    serves = SupervisorStatus(os.getpid(), "0", 0.0, "h:1", "h:2", stopping=False, processes=(), reload=None)
    data.supervisor_status.write_bytes(msgspec.json.encode(serves))
    plain_open = os.open

    def refused(path: object, *how: Any, **more: Any) -> int:
        if path == data.kill:
            raise OSError(errno.EROFS, "Read-only file system")
        return plain_open(path, *how, **more)  # pyright: ignore[reportArgumentType] -- as it came

    monkeypatch.setattr(os, "open", refused)
    monkeypatch.setattr(os, "unlink", refused)
    try:
        with held(data):
            assert main(["kill"]) == 0
            assert heard == [signal.SIGUSR2]
            assert "cannot be written (Read-only file system): the workers of now are told" in capsys.readouterr().out
            assert main(["kill", "--off"]) == 1
            assert "hint: let the disk be written again" in capsys.readouterr().err
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert main(["kill"]) == 1
    assert "no gateway is seen to serve from here" in capsys.readouterr().err


def test_what_is_taken_back_elsewhere_is_said(
    data: DataDir, state: SqliteState, capsys: pytest.CaptureFixture[str]
) -> None:
    """A node that was not killed itself takes the kill back on those that were, and says so."""
    for name in ("n1", "n2"):
        state.heard(Node(name, clock.wall(), killed=False))
    assert main(["kill", "--off"]) == 0
    assert "was not there; on the other nodes it is taken back, too" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "hint"), [(["kill"], "`crossfade kill`"), (["kill", "--off"], "`crossfade kill --off`")]
)
def test_a_node_that_can_tell_nobody_says_what_to_run_there(
    state: SqliteState, capsys: pytest.CaptureFixture[str], words: list[str], hint: str
) -> None:
    """With the shared state away the word holds here alone; the hint is the same word, and no other."""
    Path("state.key").write_text("ab" * 32)
    Path("crossfade.yaml").write_text("state: unix:///nowhere/redis.sock\nstate_key_file: state.key\n")
    assert main(words) == 1
    assert "other nodes are not told: /nowhere/redis.sock" in (err := capsys.readouterr().err)
    assert f"hint: run {hint} on each of them" in err


def test_kill_tells_every_node_where_its_own_disk_takes_nothing(
    data: DataDir, state: SqliteState, capsys: pytest.CaptureFixture[str]
) -> None:
    """An audit log that cannot be written is told, and keeps nothing from being stopped, here or elsewhere."""
    with opened(data.state) as local:
        refuses = "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        local.execute(f"CREATE TRIGGER full BEFORE INSERT ON audit {refuses}")
    state.heard(Node("n1", clock.wall(), killed=True))
    assert main(["kill"]) == 0
    told = capsys.readouterr().err
    assert "the audit log cannot be written: " in told
    assert "node n1: confirmed" in told
    assert data.kill.exists()
    assert (word := state.killed()) is not None and word.killed


def test_a_folder_in_its_place_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """A folder called KILL kills as the file does; what takes it back is said."""
    prepare(Path("crossfade-data")).kill.mkdir()
    assert main(["kill", "--off"]) == 1
    assert "counts as the kill file: remove it" in capsys.readouterr().err
