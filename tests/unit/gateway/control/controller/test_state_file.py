import io
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.control.controller.state_file import RETRY_S, StateFile
from gateway.log import Log
from gateway.node.database import BESIDE, connect, opened

SCHEMA = "CREATE TABLE IF NOT EXISTS kept (name TEXT);"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "state.db"


@pytest.fixture
def state(path: Path) -> Iterator[sqlite3.Connection]:
    path.parent.mkdir()
    with closing(connect(path, SCHEMA)) as connection:
        connection.execute("INSERT INTO kept VALUES ('rollout')")
        yield connection


@pytest.fixture
def log() -> Log:
    return Log("test", stream=io.StringIO())


def said(log: Log) -> list[dict[str, str]]:
    assert isinstance(log.stream, io.StringIO)
    return [json.loads(line) for line in log.stream.getvalue().splitlines()]


def kept(path: Path) -> list[str]:
    with closing(connect(path, SCHEMA)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM kept")]


def removed(path: Path) -> None:
    path.unlink()


def removed_with_all_beside_it(path: Path) -> None:
    for end in ("", *BESIDE):
        path.with_name(path.name + end).unlink()


def made_anew_by_a_command(path: Path) -> None:
    path.unlink()
    with opened(path) as other:
        other.execute("CREATE TABLE others (name TEXT)")


def replaced_by_a_copy(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    copy.replace(path)


@pytest.mark.parametrize("harm", [removed, removed_with_all_beside_it, made_anew_by_a_command, replaced_by_a_copy])
def test_what_is_open_is_put_back(path: Path, state: sqlite3.Connection, log: Log, harm: object) -> None:
    """Whatever is done to the file, all that was written stands at its path again, what came between is set aside."""
    file = StateFile(path, state, log)
    assert not file.was_put_back(0.0)
    assert callable(harm)
    harm(path)
    was_replaced = path.exists()
    state.execute("INSERT INTO kept VALUES ('later')")
    assert file.was_put_back(0.0)
    assert kept(path) == ["rollout", "later"]
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    assert path.with_name("state.db.replaced").exists() is was_replaced
    assert [line["event"] for line in said(log)] == ["state.put_back"]
    assert not StateFile(path, state, log).was_put_back(0.0)


def test_what_could_only_be_read_is_opened_anew(
    path: Path, state: sqlite3.Connection, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite keeps a connection to a read-only file as one that only reads: once it can be written, another begins."""
    assert not StateFile(path, state, log).was_unsealed()
    refuses = [True]
    monkeypatch.setattr(os, "access", lambda *_: not refuses)  # of a file system that is read-only: root may all else
    file = StateFile(path, state, log)
    assert not file.was_unsealed()
    refuses.clear()
    assert file.was_unsealed()
    assert [line["event"] for line in said(log)] == ["state.unsealed"]


def test_what_cannot_be_put_back_is_told_and_tried_again(path: Path, state: sqlite3.Connection, log: Log) -> None:
    """Without a place for it the state stays open, `kill` is named, and it is back as soon as there is a place."""
    file = StateFile(path, state, log)
    shutil.rmtree(path.parent)
    assert [file.was_put_back(now) for now in (0.0, 1.0, RETRY_S)] == [False] * 3
    assert [line["event"] for line in said(log)] == ["state.gone"] * 2
    assert "only `crossfade kill` acts" in said(log)[0]["hint"]
    path.parent.mkdir()
    assert file.was_put_back(2 * RETRY_S)
    assert kept(path) == ["rollout"]
