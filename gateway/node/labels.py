"""What people said of pairs: which answer is better. Kept beside keys and audit in this node's state, without any text.

Somebody's vote on a pair is one: voting again changes it. Votes calibrate whoever scores pairs, and move no gate: who
labels chooses what to label.
"""

import contextlib
import json
import sqlite3
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from gateway.node.database import StateError, connect, writing

LabelVote = Literal["baseline", "candidate", "equal", "both_bad", "skipped"]
VOTES: tuple[LabelVote, ...] = get_args(LabelVote)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS labels (
    exchange_id TEXT NOT NULL, asked TEXT NOT NULL, by TEXT NOT NULL, route TEXT NOT NULL, pool TEXT NOT NULL,
    vote TEXT NOT NULL, tags TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (exchange_id, asked, by)
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class PairLabel:
    """One vote."""

    exchange_id: str
    asked: str
    by: str
    route: str
    pool: str
    """Which pairs it was drawn from: `random` ones speak of all."""
    vote: LabelVote
    tags: tuple[str, ...]
    at: float


@contextlib.contextmanager
def opened(path: Path) -> Generator[sqlite3.Connection]:
    """A connection to the labels.

    Raises:
        StateError: the state cannot be used.
    """
    connection = connect(path, _SCHEMA)
    try:
        yield connection
    except sqlite3.DatabaseError as error:
        raise StateError(f"{path}: {error}. hint: `crossfade doctor` says more") from error
    finally:
        connection.close()


def keep(connection: sqlite3.Connection, label: PairLabel) -> None:
    """Keep a vote, in place of the same person's earlier one on the same pair."""
    row = (*_key(label), label.route, label.pool, label.vote, json.dumps(label.tags), label.at)
    with writing(connection):
        connection.execute("INSERT OR REPLACE INTO labels VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


def forget(connection: sqlite3.Connection, label: PairLabel) -> None:
    """Take a vote back."""
    with writing(connection):
        connection.execute("DELETE FROM labels WHERE exchange_id = ? AND asked = ? AND by = ?", _key(label))


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


def _key(label: PairLabel) -> tuple[str, str, str]:
    return label.exchange_id, label.asked, label.by
