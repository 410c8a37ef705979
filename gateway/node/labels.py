"""What people said of pairs: which answer is better. Kept beside keys and audit in this node's state, without any text.

Somebody's vote on a pair is one: voting again changes it. A pair is what one candidate's rollout was asked for an
exchange: of several candidates each has a pair of its own. Votes calibrate whoever scores pairs, and certify nothing
of a candidate: who labels chooses what to label. What the scorer said of a pair is kept with the vote, so that the two
can be held against each other without the records. Each vote, changed or taken back, stands in the audit log.
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
DRAWN = ("random", "judged")
"""Pools that are drawn by lot among all pairs with a verdict, and so speak of the judge."""
MOST = 200_000
"""Votes that are kept at most."""
_TABLE = """ (
    exchange_id TEXT NOT NULL, asked TEXT NOT NULL, by TEXT NOT NULL, route TEXT NOT NULL, pool TEXT NOT NULL,
    vote TEXT NOT NULL, tags TEXT NOT NULL, at REAL NOT NULL, candidate_key TEXT NOT NULL DEFAULT '', q REAL,
    PRIMARY KEY (exchange_id, asked, by, route)
) STRICT;
"""
_SCHEMA = f"CREATE TABLE IF NOT EXISTS labels{_TABLE}"
_COLUMNS = "exchange_id, asked, by, route, pool, vote, tags, at, candidate_key, q"
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
    candidate_key: str = ""
    """Digest of the candidate whose answer it is; empty: not known."""
    q: float | None = None
    """What whoever scores found of the pair; None: nobody gave a verdict."""


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
    connection = connect(path)
    try:
        prepare(connection)
        yield connection
    except sqlite3.DatabaseError as error:
        raise StateError(f"{path}: {error}. hint: `crossfade doctor` says more") from error
    finally:
        connection.close()


def prepare(connection: sqlite3.Connection) -> None:
    """Create the table, or convert an old one with all its votes; old votes are compared with no judge.

    Raises:
        sqlite3.Error: the state cannot be used.
    """
    connection.execute(_SCHEMA)
    if _is_current(connection):
        return
    with writing(connection):
        if not _is_current(connection):  # nobody else did it meanwhile
            connection.execute(f"CREATE TABLE labels_anew{_TABLE}")
            known = ", ".join(_columns(connection))
            connection.execute(f"INSERT INTO labels_anew ({known}) SELECT {known} FROM labels")  # noqa: S608 -- our own words
            connection.execute("DROP TABLE labels")
            connection.execute("ALTER TABLE labels_anew RENAME TO labels")


def _is_current(connection: sqlite3.Connection) -> bool:
    """Whether the route is part of a vote's key, and the verdict stands beside it."""
    columns = _columns(connection)
    return bool(columns.get("route")) and "q" in columns


def _columns(connection: sqlite3.Connection) -> dict[str, int]:
    """The table's columns, each with its place in the key; 0: it is no part of it."""
    return dict(connection.execute("SELECT name, pk FROM pragma_table_info('labels')").fetchall())


def keep(connection: sqlite3.Connection, label: PairLabel, *, most: int = MOST) -> None:
    """Keep a vote, in place of the same person's earlier one on the same pair.

    Raises:
        LabelsFullError: there are `most` already, and this would be one more.
    """
    row = (*_key(label), label.pool, label.vote, json.dumps(label.tags), label.at, label.candidate_key, label.q)
    with writing(connection):
        (known,) = connection.execute(f"SELECT count(*) FROM labels WHERE {_ONE}", _key(label)).fetchone()  # noqa: S608 -- our own words
        if not known and connection.execute("SELECT count(*) FROM labels").fetchone()[0] >= most:
            raise LabelsFullError
        connection.execute(f"INSERT OR REPLACE INTO labels ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608 -- our own words
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
        f"SELECT {_COLUMNS} FROM labels WHERE (?1 IS NULL OR route = ?1) AND (?2 IS NULL OR by = ?2) ORDER BY at DESC",  # noqa: S608 -- our own words
        (route, by),
    ).fetchall()
    return [
        PairLabel(exchange_id, asked, by, route, pool, vote, tuple(json.loads(tags)), at, candidate_key, q)
        for exchange_id, asked, by, route, pool, vote, tags, at, candidate_key, q in rows
    ]


def pair_of(label: PairLabel) -> Pair:
    """Which pair it is of."""
    return label.exchange_id, label.asked, label.route


def scores(labels: Iterable[PairLabel], *, pool: str | None = None) -> dict[Pair, float]:
    """The mean of people's votes by pair, without skipped ones."""
    found: dict[Pair, list[float]] = {}
    for label in labels:
        if label.vote in SCORES and pool in (None, label.pool):
            found.setdefault(pair_of(label), []).append(SCORES[label.vote])
    return {pair: sum(said) / len(said) for pair, said in found.items()}


def judged(labels: Iterable[PairLabel]) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """By rollout and candidate: the verdict and people's mean for each randomly drawn pair with a verdict."""
    drawn = [label for label in labels if label.pool in DRAWN and label.q is not None]
    verdicts = {pair_of(label): label for label in drawn}
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for pair, said in scores(drawn).items():
        label = verdicts[pair]
        found.setdefault((label.route, label.candidate_key), []).append((label.q or 0.0, said))
    return found


def _entry(label: PairLabel, action: str, reason: str) -> AuditEntry:
    return AuditEntry(label.at, label.by, action, f"{label.route}: {label.exchange_id} {label.asked}", reason, "")


def _key(label: PairLabel) -> tuple[str, str, str, str]:
    return label.exchange_id, label.asked, label.by, label.route
