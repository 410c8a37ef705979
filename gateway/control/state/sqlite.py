"""The shared state of a single node, in its own `state.db`: everything is one transaction, and nobody is far away."""

import contextlib
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import msgspec

from gateway.control.state.port import (
    ANSWERS_S,
    LEASE_S,
    MAX_DECISIONS,
    MAX_OFFERED,
    MAX_ORDERS,
    MAX_SNAPSHOT_BYTES,
    NODES_S,
    Answered,
    Counts,
    Decided,
    KillWord,
    Node,
    QueuedEvent,
    QueuedOrder,
    RouteFullError,
    Snapshot,
    StateDamagedError,
    StateDownError,
    Stored,
)
from gateway.control.state.sqlite_rows import (
    SCHEMA,
    bounded,
    columns,
    positions,
    positions_or_none,
    rollout_of,
    value_of,
)
from gateway.node.database import StateError, connect, writing

DEADLINE_S = 1.0
"""Longest wait for another process's write."""


class SqliteState:
    """`SharedState` in a file. It opens when first used, and again after a failure: it may be down at the start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._epoch: int | None = None
        """The last one this process led under; two processes on one file are told apart by it."""

    def lead(self, node: str, now: float) -> int | None:
        """As `SharedState` says (`port.py`)."""
        with self._writing() as state:
            epoch, holder, until = _lease(state)
            if epoch != self._epoch:
                is_held = _is_held(until, now)
                if is_held and (holder != node or self._epoch is not None):
                    return None
                epoch += 1
            state.execute("INSERT OR REPLACE INTO shared_lease VALUES (1, ?, ?, ?)", (epoch, node, now + LEASE_S))
        self._epoch = epoch
        return epoch

    def resign(self, node: str) -> None:
        """As `SharedState` says (`port.py`)."""
        with self._writing() as state:
            state.execute("UPDATE shared_lease SET until = 0 WHERE node = ? AND epoch = ?", (node, self._epoch))

    def leader(self, now: float) -> str | None:
        """As `SharedState` says (`port.py`)."""
        with self._open() as state:
            _, holder, until = _lease(state)
            return holder if _is_held(until, now) else None

    def rollouts(self) -> dict[str, Stored]:
        """As `SharedState` says (`port.py`)."""
        with self._open() as state:
            rows = state.execute("SELECT * FROM shared_rollouts").fetchall()
        return {str(row["route"]): rollout_of(row) for row in rows}

    def store(self, route: str, new: Stored, *, expected: int, epoch: int) -> bool:
        """As `SharedState` says (`port.py`)."""
        with self._writing(lasting=True) as state:
            kept = _rollout(state, route)
            if epoch != _lease(state)[0] or expected != (kept.version if kept else 0):
                return False
            _put_rollout(state, route, msgspec.structs.replace(new, version=expected + 1, epoch=epoch))
        return True

    def lower(self, route: str, new: Stored, *, expected: int) -> bool:
        """As `SharedState` says (`port.py`)."""
        with self._writing(lasting=True) as state:
            kept = _rollout(state, route)
            if kept is None or expected != kept.version or new.weight_ppm >= kept.weight_ppm:
                return False
            _put_rollout(state, route, msgspec.structs.replace(new, version=expected + 1, epoch=kept.epoch))
        return True

    def snapshot(self, route: str) -> Snapshot | None:
        """As `SharedState` says (`port.py`)."""
        with self._open() as state:
            row = state.execute("SELECT * FROM shared_snapshots WHERE route = ?", (route,)).fetchone()
            if row is None:
                return None
            return Snapshot(row["evidence"], positions(row["positions"]), row["seq"])

    def keep_snapshot(self, route: str, snapshot: Snapshot, *, epoch: int) -> bool:
        """As `SharedState` says (`port.py`)."""
        bounded(snapshot.evidence, MAX_SNAPSHOT_BYTES)
        with self._writing(lasting=True) as state:
            if epoch != _lease(state)[0]:
                return False
            positions = msgspec.json.encode(snapshot.positions)
            state.execute(
                "INSERT OR REPLACE INTO shared_snapshots VALUES (?, ?, ?, ?)",
                (route, snapshot.evidence, positions, snapshot.seq),
            )
        return True

    def offer(self, events: Sequence[QueuedEvent]) -> None:
        """As `SharedState` says (`port.py`)."""
        with self._writing() as state:
            for route in {event.route for event in events}:
                done = _done(state, route)
                state.executemany(
                    "INSERT OR IGNORE INTO shared_events (route, node, number, body) VALUES (?, ?, ?, ?)",
                    [
                        (route, event.node, event.number, bounded(event.body))
                        for event in events
                        if event.route == route and event.number > done.get(event.node, 0)
                    ],
                )
                if _waiting(state, route) > MAX_OFFERED:
                    raise RouteFullError(route)

    def offered(self, route: str, after: Mapping[str, int], limit: int) -> list[QueuedEvent]:
        """As `SharedState` says (`port.py`)."""
        with self._open() as state:
            nodes = [
                str(row["node"])
                for row in state.execute("SELECT DISTINCT node FROM shared_events WHERE route = ?", (route,))
            ]
            share = max(1, limit // max(1, len(nodes)))
            return [
                value_of(row, QueuedEvent)
                for node in nodes
                for row in state.execute(
                    "SELECT * FROM shared_events WHERE route = ? AND node = ? AND number > ? ORDER BY number LIMIT ?",
                    (route, node, after.get(node, 0), share),
                )
            ]

    def taken(self, node: str) -> dict[str, int]:
        """As `SharedState` says (`port.py`)."""
        with self._open() as state:
            rows = state.execute("SELECT route, positions FROM shared_snapshots").fetchall()
            found = {str(row["route"]): positions_or_none(row["positions"]) for row in rows}
        return {route: positions[node] for route, positions in found.items() if node in positions}

    def forget_offered(self, route: str, up_to: Mapping[str, int]) -> None:
        """As `SharedState` says (`port.py`)."""
        with self._writing() as state:
            done = _done(state, route)
            state.executemany(
                "DELETE FROM shared_events WHERE route = ? AND node = ? AND number <= ?",
                [(route, node, min(number, done.get(node, 0))) for node, number in up_to.items()],
            )

    def order(self, order: QueuedOrder) -> None:
        """As `SharedState` says (`port.py`)."""
        with self._writing(lasting=True) as state:
            state.execute(
                "DELETE FROM shared_orders WHERE taken IS NOT NULL AND at < ?",
                (order.at - ANSWERS_S,),
            )
            (waiting,) = state.execute("SELECT count(*) FROM shared_orders WHERE taken IS NULL").fetchone()
            if waiting >= MAX_ORDERS:
                raise StateDownError(f"{waiting} orders wait for a controller: no room for more")
            state.execute(
                "INSERT OR IGNORE INTO shared_orders (id, route, verb, by, reason, at) VALUES (?, ?, ?, ?, ?, ?)",
                (order.id, order.route, order.verb, order.by, order.reason, order.at),
            )

    def orders(self) -> list[QueuedOrder]:
        """As `SharedState` says (`port.py`)."""
        with self._open() as state:
            rows = state.execute("SELECT * FROM shared_orders WHERE taken IS NULL ORDER BY at, rowid")
            return [value_of(row, QueuedOrder) for row in rows]

    def answer(self, answered: Answered) -> None:
        """As `SharedState` says (`port.py`)."""
        with self._writing(lasting=True) as state:
            state.execute(
                "UPDATE shared_orders SET taken = ?, text = ? WHERE id = ? AND taken IS NULL",
                (answered.taken, answered.text, answered.id),
            )

    def answered(self, order_id: str) -> Answered | None:
        """As `SharedState` says (`port.py`)."""
        with self._open() as state:
            row = state.execute(
                "SELECT * FROM shared_orders WHERE id = ? AND taken IS NOT NULL", (order_id,)
            ).fetchone()
            return None if row is None else value_of(row, Answered)

    def add_decision(self, decided: Decided) -> None:
        """As `SharedState` says (`port.py`)."""
        with self._writing() as state:
            state.execute(
                "INSERT OR IGNORE INTO shared_decisions (id, at, route, move, outcome, text, record)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*columns(decided), bounded(decided.record)),
            )
            state.execute(
                "DELETE FROM shared_decisions WHERE route = ?1 AND place <= ("
                "SELECT place FROM shared_decisions WHERE route = ?1 ORDER BY place DESC LIMIT 1 OFFSET ?2)",
                (decided.route, MAX_DECISIONS),
            )

    def decisions(self, route: str | None, limit: int) -> list[Decided]:
        """As `SharedState` says (`port.py`)."""
        with self._open() as state:
            rows = state.execute(
                "SELECT * FROM shared_decisions WHERE ?1 IS NULL OR route = ?1 ORDER BY place DESC LIMIT ?2",
                (route, limit),
            )
            return [value_of(row, Decided) for row in rows]

    def keep_look(self, look: Decided) -> None:
        """As `SharedState` says (`port.py`)."""
        with self._writing() as state:
            state.execute(
                "INSERT OR REPLACE INTO shared_looks (id, at, route, move, outcome, text, record)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*columns(look), bounded(look.record)),
            )

    def looks(self) -> dict[str, Decided]:
        """As `SharedState` says (`port.py`)."""
        with self._open() as state:
            return {row["route"]: value_of(row, Decided) for row in state.execute("SELECT * FROM shared_looks")}

    def set_killed(self, *, killed: bool, by: str, reason: str, now: float) -> None:
        """As `SharedState` says (`port.py`)."""
        with self._writing(lasting=True) as state:
            state.execute("INSERT OR REPLACE INTO shared_kill VALUES (1, ?, ?, ?, ?)", (killed, by, reason, now))

    def killed(self) -> KillWord | None:
        """As `SharedState` says (`port.py`)."""
        with self._open() as state:
            row = state.execute("SELECT killed, at FROM shared_kill").fetchone()
            return None if row is None else KillWord(bool(row["killed"]), row["at"])

    def heard(self, node: Node) -> None:
        """As `SharedState` says (`port.py`)."""
        with self._writing() as state:
            state.execute(
                "INSERT OR REPLACE INTO shared_nodes VALUES (?, ?, ?, ?)",
                (node.name, node.seen_at, node.table_version, node.killed),
            )

    def nodes(self, now: float) -> list[Node]:
        """As `SharedState` says (`port.py`)."""
        with self._open() as state:
            rows = state.execute("SELECT * FROM shared_nodes WHERE seen_at >= ? ORDER BY name", (now - NODES_S,))
            return [value_of(row, Node) for row in rows]

    def counts(self) -> Counts:
        """As `SharedState` says (`port.py`)."""
        return Counts()

    def close(self) -> None:
        """As `SharedState` says (`port.py`)."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextlib.contextmanager
    def _open(self) -> Generator[sqlite3.Connection]:
        """The connection; what goes wrong with it is `StateDownError`, and the next use opens it anew.

        Raises:
            StateDownError: it cannot be used, or holds what this version cannot read.
        """
        try:
            if self._connection is None:
                self._connection = connect(self._path, SCHEMA, busy_s=DEADLINE_S)
                self._connection.row_factory = sqlite3.Row
            yield self._connection
        except (sqlite3.Error, StateError) as error:
            self.close()
            raise StateDownError(str(error)) from error
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise StateDamagedError(f"{self._path}: {error}. hint: `crossfade doctor` says more") from error

    @contextlib.contextmanager
    def _writing(self, *, lasting: bool = False) -> Generator[sqlite3.Connection]:
        """A transaction. `lasting`: on the disk before it returns; the others may go with the power, latest first."""
        with self._open() as state:
            state.execute(f"PRAGMA synchronous = {'FULL' if lasting else 'NORMAL'}")
            with writing(state):
                yield state


def _lease(state: sqlite3.Connection) -> tuple[int, str, float]:
    """Epoch, holder, and until when."""
    row = state.execute("SELECT epoch, node, until FROM shared_lease").fetchone()
    return (0, "", 0.0) if row is None else (row["epoch"], row["node"], row["until"])


def _is_held(until: float, now: float) -> bool:
    """Whether a lease holds. One that lasts longer than any is of a clock that has been set back since."""
    return now < until <= now + LEASE_S


def _rollout(state: sqlite3.Connection, route: str) -> Stored | None:
    row = state.execute("SELECT * FROM shared_rollouts WHERE route = ?", (route,)).fetchone()
    return None if row is None else value_of(row, Stored)


def _put_rollout(state: sqlite3.Connection, route: str, new: Stored) -> None:
    state.execute(
        "INSERT OR REPLACE INTO shared_rollouts VALUES (?, ?, ?, ?, ?, ?, ?)",
        (route, new.version, new.epoch, new.weight_ppm, bounded(new.rollout), new.written_at, new.by),
    )


def _done(state: sqlite3.Connection, route: str) -> dict[str, int]:
    """Node -> the last event's number that the kept snapshot holds."""
    row = state.execute("SELECT positions FROM shared_snapshots WHERE route = ?", (route,)).fetchone()
    return {} if row is None else positions(row["positions"])


def _waiting(state: sqlite3.Connection, route: str) -> int:
    (count,) = state.execute("SELECT count(*) FROM shared_events WHERE route = ?", (route,)).fetchone()
    return int(count)
