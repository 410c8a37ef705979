import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.node.database import (
    FORMAT,
    AuditEntry,
    StateError,
    audit,
    connect,
    first_broken,
    opened,
    read_audit,
    writing,
)
from tests.rooms.waiting import PATIENCE_S


def entry(at: float) -> AuditEntry:
    return AuditEntry(at, "cli:ada", "keys.create", f"key_{at:g}", "", "")


def test_the_audit_log_shows_what_was_changed(tmp_path: Path) -> None:
    """Each entry's hash covers the one before: a change, a removal or a swap shows at its place."""
    with opened(tmp_path / "state.db") as state:
        for at in range(4):
            with writing(state):
                audit(state, entry(at))
        log = read_audit(state)
    assert [each.at for each in log] == [0, 1, 2, 3]
    assert first_broken(log) is None
    assert first_broken([log[0], replace(log[1], actor="mallory"), *log[2:]]) == 1
    assert first_broken([log[0], *log[2:]]) == 1
    assert first_broken([log[0], log[2], log[1], log[3]]) == 1


def test_a_write_is_whole_or_nothing(tmp_path: Path) -> None:
    """What fails in the middle leaves nothing behind."""
    with opened(tmp_path / "state.db") as state:
        with pytest.raises(KeyboardInterrupt), writing(state):
            audit(state, entry(1))
            raise KeyboardInterrupt
        assert read_audit(state) == []


def test_the_file_is_for_this_user_only(tmp_path: Path) -> None:
    """The database and what SQLite puts beside it have mode 0600."""
    with opened(tmp_path / "state.db") as state:
        with writing(state):
            audit(state, entry(1))
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    """A file that is no database, or cannot be opened, is refused with its name."""
    (tmp_path / "state.db").write_bytes(b"no database at all, " * 100)
    with pytest.raises(StateError, match=r"state\.db"), opened(tmp_path / "state.db"):
        pass
    with pytest.raises(StateError, match="hint"), opened(tmp_path / "missing" / "state.db"):
        pass


def test_errors_of_its_user_are_not_swallowed(tmp_path: Path) -> None:
    """A wrong query is a StateError that names the file."""
    with pytest.raises(StateError, match="no such table") as error, opened(tmp_path / "state.db") as state:
        state.execute("SELECT * FROM nope")
    assert isinstance(error.value.__cause__, sqlite3.OperationalError)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    """A state that a newer version has changed is left alone, and the message says what to do."""
    with opened(tmp_path / "state.db") as state:
        assert state.execute("PRAGMA user_version").fetchone() == (FORMAT,)
        state.execute(f"PRAGMA user_version = {FORMAT + 1}")
    with pytest.raises(StateError, match="newer version"), opened(tmp_path / "state.db"):
        pass


def test_what_is_written_is_seen_whoever_else_came_and_went(tmp_path: Path) -> None:
    """Connections of one process do not take each other's locks: another process that leaves deletes no journal that
    is in use, and no write is lost with the process.
    """
    path = tmp_path / "state.db"
    first = connect(path, "CREATE TABLE IF NOT EXISTS t (x)")
    connect(path).close()  # a second one of the same process, as a controller's Redis has beside its reading
    come_and_go = (
        f"from pathlib import Path; from gateway.node.database import connect; connect(Path({str(path)!r})).close()"
    )
    subprocess.run([sys.executable, "-c", come_and_go], check=True, timeout=PATIENCE_S)
    with writing(first):
        first.execute("INSERT INTO t VALUES (1)")
    with opened(path) as other:
        assert other.execute("SELECT x FROM t").fetchall() == [(1,)]
    first.close()


def test_a_new_file_takes_nothing_for_its_own(tmp_path: Path) -> None:
    """Where only the database was removed, what SQLite kept beside it is not read into the one that is made."""
    path = tmp_path / "state.db"
    before = connect(path, "CREATE TABLE kept (name TEXT);")
    path.unlink()
    with opened(path) as state:
        assert not state.execute("SELECT name FROM sqlite_master WHERE name = 'kept'").fetchall()
        with writing(state):
            audit(state, entry(1.0))
        assert len(read_audit(state)) == 1
    before.execute("INSERT INTO kept VALUES ('still whole')")
    assert before.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    before.close()
