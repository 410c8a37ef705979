"""How the shared state stands in tables: the schema, a row as a value, and what a column may hold.

A row of another version, or a damaged one, is no error of the table's: who reads it says what that costs.
"""

import sqlite3
from typing import Any, TypeVar

import msgspec

from gateway.control.state.port import MAX_BYTES, UNREADABLE, Decided, StateDownError, Stored

SCHEMA = """
CREATE TABLE IF NOT EXISTS shared_lease (
    one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, node TEXT NOT NULL, until REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS shared_rollouts (
    route TEXT PRIMARY KEY, version INTEGER NOT NULL, epoch INTEGER NOT NULL, weight_ppm INTEGER NOT NULL,
    rollout BLOB NOT NULL, written_at REAL NOT NULL, by TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS shared_snapshots (
    route TEXT PRIMARY KEY, evidence BLOB NOT NULL, positions BLOB NOT NULL, seq INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS shared_events (
    route TEXT NOT NULL, node TEXT NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (route, node, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shared_orders (
    id TEXT PRIMARY KEY, route TEXT NOT NULL, verb TEXT NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL,
    at REAL NOT NULL, taken INTEGER, text TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS shared_decisions (
    place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, at REAL NOT NULL, route TEXT NOT NULL,
    move TEXT NOT NULL, outcome TEXT NOT NULL, text TEXT NOT NULL, record BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS shared_decisions_by_route ON shared_decisions (route, place);
CREATE TABLE IF NOT EXISTS shared_looks (
    route TEXT PRIMARY KEY, id TEXT NOT NULL, at REAL NOT NULL, move TEXT NOT NULL, outcome TEXT NOT NULL,
    text TEXT NOT NULL, record BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS shared_kill (
    one INTEGER PRIMARY KEY CHECK (one = 1), killed INTEGER NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL,
    at REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS shared_nodes (
    name TEXT PRIMARY KEY, seen_at REAL NOT NULL, table_version INTEGER NOT NULL, killed INTEGER NOT NULL
) STRICT;
"""
_Kept = TypeVar("_Kept")


def rollout_of(row: sqlite3.Row) -> Stored:
    """A route's rollout; `UNREADABLE` where the row holds something else: it costs its own route alone."""
    try:
        return value_of(row, Stored)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return UNREADABLE


def positions(data: bytes) -> dict[str, int]:
    """Node -> the number of its last event in a snapshot.

    Raises:
        msgspec.MsgspecError: it says something else.
    """
    return msgspec.json.decode(data, type=dict[str, int])


def positions_or_none(data: bytes) -> dict[str, int]:
    """How far a snapshot is; one that cannot be read holds nothing: what it held is kept where it is."""
    try:
        return positions(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}


def columns(decided: Decided) -> tuple[str, float, str, str, str, str]:
    """A decision's columns but for its record."""
    return decided.id, decided.at, decided.route, decided.move, decided.outcome, decided.text


def value_of(row: sqlite3.Row, kind: type[_Kept]) -> _Kept:
    """A row as a value.

    Raises:
        msgspec.ValidationError: it holds something else.
    """
    fields: dict[str, Any] = dict(row)
    for flag in ("killed", "taken"):
        if flag in fields:
            fields[flag] = bool(fields[flag])
    return msgspec.convert(fields, kind)


def bounded(value: bytes, most: int = MAX_BYTES) -> bytes:
    """The value itself.

    Raises:
        StateDownError: it is longer than any may be.
    """
    if len(value) > most:
        raise StateDownError(f"{len(value)} bytes: longer than a value may be")
    return value
