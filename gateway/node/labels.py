"""What people said of pairs: which answer is better. Kept beside keys and audit in this node's state, without any text.

Somebody's vote on a pair is one: voting again changes it. A pair is what one candidate's rollout was asked for an
exchange: of several candidates each has a pair of its own. Votes calibrate whoever scores pairs, and certify nothing:
who labels chooses what to label. Each vote, changed or taken back, stands in the audit log.
"""

import contextlib
import json
import sqlite3
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from gateway.node.database import AuditEntry, StateError, audit, connect, writing

LabelVote = Literal["baseline", "candidate", "equal", "both_bad", "skipped"]
VOTES: tuple[LabelVote, ...] = get_args(LabelVote)
SCORES: dict[LabelVote, float] = {"candidate": 1.0, "equal": 0.0, "both_bad": 0.0, "baseline": -1.0}
"""By how much the candidate's answer is the better one; a skipped pair says nothing."""
MOST = 200_000
"""Votes that are kept at most."""
_TABLE = """ (
    exchange_id TEXT NOT NULL, asked TEXT NOT NULL, by TEXT NOT NULL, route TEXT NOT NULL, pool TEXT NOT NULL,
    vote TEXT NOT NULL, tags TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (exchange_id, asked, by, route)
) STRICT;
"""
_SCHEMA = f"CREATE TABLE IF NOT EXISTS labels{_TABLE}"
_ONE = "exchange_id = ? AND asked = ? AND by = ? AND route = ?"
"""The condition for one vote, by its `_key`."""
Pair = tuple[str, str, str]
"""Exchange, who was asked, and whose rollout it is of (`pair_of`)."""


@dataclass(frozen=True, slots=True)
class PairLabel:
    """One vote."""

    exchange_id: str
    asked: str
    by: str
    route: str
    """Of one of several candidates its rollout, as `triage@small`."""
    pool: str
    """Which pairs it was drawn from: `random` ones speak of all."""
    vote: LabelVote
    tags: tuple[str, ...]
    at: float


class LabelsFullError(Exception):
    """There are as many votes as are kept."""

    def __init__(self) -> None:
        super().__init__(f"{MOST:,} votes are kept, and no more. hint: take some back, or begin with a new state")


@contextlib.contextmanager
def opened(path: Path) -> Generator[sqlite3.Connection]:
    """A connection to the labels.

    Raises:
        StateError: the state cannot be used.
    """
    connection = connect(path, _SCHEMA)
    try:
        _widen(connection)
        yield connection
    except sqlite3.DatabaseError as error:
        raise StateError(f"{path}: {error}. hint: `crossfade doctor` says more") from error
    finally:
        connection.close()


def _widen(connection: sqlite3.Connection) -> None:
    """Let each candidate have its own vote, where the table is one that kept the last of all candidates'.

    Versions before can read and write the wider table, too.
    """
    if _is_wide(connection):
        return
    with writing(connection):
        if not _is_wide(connection):  # nobody else did it meanwhile
            connection.execute(f"CREATE TABLE labels_wide{_TABLE}")
            connection.execute(
                "INSERT INTO labels_wide SELECT exchange_id, asked, by, route, pool, vote, tags, at FROM labels"
            )
            connection.execute("DROP TABLE labels")
            connection.execute("ALTER TABLE labels_wide RENAME TO labels")


def _is_wide(connection: sqlite3.Connection) -> bool:
    """Whether the route is part of a vote's key."""
    keys = connection.execute("SELECT name FROM pragma_table_info('labels') WHERE pk > 0").fetchall()
    return ("route",) in keys


def keep(connection: sqlite3.Connection, label: PairLabel, *, most: int = MOST) -> None:
    """Keep a vote, in place of the same person's earlier one on the same pair.

    Raises:
        LabelsFullError: there are `most` already, and this would be one more.
    """
    row = (*_key(label), label.pool, label.vote, json.dumps(label.tags), label.at)
    with writing(connection):
        (known,) = connection.execute(f"SELECT count(*) FROM labels WHERE {_ONE}", _key(label)).fetchone()  # noqa: S608 -- our own words
        if not known and connection.execute("SELECT count(*) FROM labels").fetchone()[0] >= most:
            raise LabelsFullError
        connection.execute("INSERT OR REPLACE INTO labels VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        audit(connection, _entry(label, "labels.vote", f"{label.vote}, of {label.pool} pairs"))


def forget(connection: sqlite3.Connection, label: PairLabel) -> bool:
    """Take a vote back. Returns whether there was one."""
    with writing(connection):
        gone = connection.execute(f"DELETE FROM labels WHERE {_ONE}", _key(label))  # noqa: S608 -- our own words
        if gone.rowcount:
            audit(connection, _entry(label, "labels.undo", "taken back"))
    return gone.rowcount > 0


def stored(connection: sqlite3.Connection, *, route: str | None = None, by: str | None = None) -> list[PairLabel]:
    """Votes, newest first."""
    rows = connection.execute(
        "SELECT exchange_id, asked, by, route, pool, vote, tags, at FROM labels "
        "WHERE (?1 IS NULL OR route = ?1) AND (?2 IS NULL OR by = ?2) ORDER BY at DESC",
        (route, by),
    ).fetchall()
    return [
        PairLabel(exchange_id, asked, by, route, pool, vote, tuple(json.loads(tags)), at)
        for exchange_id, asked, by, route, pool, vote, tags, at in rows
    ]


def pair_of(label: PairLabel) -> Pair:
    """Which pair it is of."""
    return label.exchange_id, label.asked, label.route


def scores(labels: Iterable[PairLabel], *, pool: str | None = None) -> dict[Pair, float]:
    """By pair the mean of what people said of it; skipped pairs are not in it."""
    found: dict[Pair, list[float]] = {}
    for label in labels:
        if label.vote in SCORES and pool in (None, label.pool):
            found.setdefault(pair_of(label), []).append(SCORES[label.vote])
    return {pair: sum(said) / len(said) for pair, said in found.items()}


def _entry(label: PairLabel, action: str, reason: str) -> AuditEntry:
    return AuditEntry(label.at, label.by, action, f"{label.route}: {label.exchange_id} {label.asked}", reason, "")


def _key(label: PairLabel) -> tuple[str, str, str, str]:
    return label.exchange_id, label.asked, label.by, label.route
