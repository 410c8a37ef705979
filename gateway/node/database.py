"""The state of one node: keys, the policies last read whole, and the audit log, in SQLite beside the data.

Never read or written while an app waits: what the data plane needs of it travels in the routing table.
"""

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from gateway.node.plain_error import plain

BUSY_S = 5.0
"""Longest wait for another process's write."""
BESIDE = ("-wal", "-shm")
"""What SQLite keeps beside a database that is open, by the ends of its names."""
FORMAT = 1
"""The database's `user_version`; a later version that older ones cannot use has a higher one."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, hmac TEXT NOT NULL UNIQUE, scopes TEXT NOT NULL,
    created_at REAL NOT NULL, revoked_at REAL
) STRICT;
CREATE TABLE IF NOT EXISTS policies (file TEXT PRIMARY KEY, text TEXT NOT NULL, loaded_at REAL NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS audit (
    seq INTEGER PRIMARY KEY, at REAL NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL,
    reason TEXT NOT NULL, hash TEXT NOT NULL
) STRICT;
"""


class StateError(Exception):
    """The state cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what, when, and why."""

    at: float
    actor: str
    action: str
    subject: str
    reason: str
    hash: str
    """Over this entry and the hash of the one before: an entry changed or taken out later shows."""


@contextlib.contextmanager
def opened(path: Path) -> Generator[sqlite3.Connection]:
    """A connection to the state, made if there is none yet; writes are transactions of their own.

    Raises:
        StateError: it cannot be opened, or is no state of ours.
    """
    connection = connect(path)
    try:
        yield connection
    except sqlite3.DatabaseError as error:
        raise StateError(f"{path}: {error}. hint: `crossfade doctor` says more") from error
    finally:
        connection.close()


def _cause(path: Path, error: Exception) -> str:
    return plain(error) if isinstance(error, OSError) else f"{path}: {error}"


def connect(path: Path, schema: str = "", *, busy_s: float = BUSY_S) -> sqlite3.Connection:
    """A connection for its owner to close; `schema` is what the owner keeps in the state besides what is here.

    Raises:
        StateError: it cannot be opened, or is no state of ours.
    """
    try:
        _make(path)
        connection = sqlite3.connect(path, timeout=busy_s, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise StateError(f"{_cause(path, error)}. hint: let this user write there") from error
    try:
        _prepare(connection, path, schema)
    except (sqlite3.Error, StateError) as error:
        connection.close()
        if isinstance(error, StateError):
            raise
        raise StateError(f"{path}: {error}. hint: `crossfade doctor` says more") from error
    return connection


def _make(path: Path) -> None:
    """Make the file before SQLite makes it: for this user only. Its -wal and -shm take after it.

    Never open one that is there: to close it again would take the locks from this process's other connections, and
    whoever came next would take the journal for nobody's and delete it. Source: sqlite.org/howtocorrupt.html §2.2.
    What SQLite kept beside a file that was removed is not this one's, and would be taken for it (§1.4).
    """
    left = [] if path.exists() else [each for end in BESIDE if (each := path.with_name(path.name + end)).exists()]
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        for each in left:
            each.unlink(missing_ok=True)


def _prepare(connection: sqlite3.Connection, path: Path, schema: str) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > FORMAT:
        raise StateError(f"{path} is of format {found}, this version knows {FORMAT}. hint: run the newer version")
    connection.executescript(_SCHEMA + schema)
    if found < FORMAT:
        connection.execute(f"PRAGMA user_version = {FORMAT}")


@contextlib.contextmanager
def writing(connection: sqlite3.Connection) -> Generator[None]:
    """A transaction: it is written as a whole or not at all, and nobody else writes meanwhile."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:  # whatever ends it, an interrupt too, undoes it; it is raised again
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def audit(connection: sqlite3.Connection, entry: AuditEntry) -> None:
    """Add to the audit log, inside a transaction; the entry's own hash is computed here."""
    row = connection.execute("SELECT hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    digest = _hash(row[0] if row else "", entry)
    connection.execute(
        "INSERT INTO audit (at, actor, action, subject, reason, hash) VALUES (?, ?, ?, ?, ?, ?)",
        (entry.at, entry.actor, entry.action, entry.subject, entry.reason, digest),
    )


def read_audit(connection: sqlite3.Connection) -> list[AuditEntry]:
    """The audit log, oldest first."""
    rows = connection.execute("SELECT at, actor, action, subject, reason, hash FROM audit ORDER BY seq").fetchall()
    return [AuditEntry(*row) for row in rows]


def read_policies(connection: sqlite3.Connection) -> dict[str, tuple[str, float]]:
    """The policies last read whole: by file, their text and when it was read."""
    rows = connection.execute("SELECT file, text, loaded_at FROM policies ORDER BY file").fetchall()
    return {file: (text, at) for file, text, at in rows}


def first_broken(entries: list[AuditEntry]) -> int | None:
    """Place of the first entry whose hash does not fit, or None if the log is whole."""
    before = ""
    for place, entry in enumerate(entries):
        if entry.hash != _hash(before, entry):
            return place
        before = entry.hash
    return None


def _hash(before: str, entry: AuditEntry) -> str:
    content = json.dumps([before, float(entry.at), entry.actor, entry.action, entry.subject, entry.reason])
    return hashlib.sha256(content.encode()).hexdigest()
