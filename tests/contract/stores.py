"""The stores that hold the shared state, each with what a test has to do to it from outside."""

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gateway.control.state.port import LEASE_S, SharedState
from gateway.control.state.sqlite import SqliteState


class Store(Protocol):
    """One store under test."""

    def open(self) -> SharedState:
        """Another process's way in."""
        ...

    def lapse(self, now: float) -> float:
        """Let the leader's lease run out. Returns a moment after that."""
        ...

    def tear(self) -> None:
        """Make what is kept of `triage`'s rollout unreadable."""
        ...

    def from_the_future(self) -> None:
        """Let what is kept be of a newer format."""
        ...

    def close(self) -> None:
        """Close what was opened."""
        ...


@dataclass(slots=True)
class SqliteStore:
    """A `state.db`."""

    path: Path
    opened: list[SqliteState] = field(default_factory=list)

    def open(self) -> SharedState:
        self.opened.append(SqliteState(self.path))
        return self.opened[-1]

    def lapse(self, now: float) -> float:
        return now + LEASE_S + 0.1

    def tear(self) -> None:
        self._execute("DROP TABLE shared_rollouts")
        self._execute("CREATE TABLE shared_rollouts AS SELECT 'triage' AS route, 'one' AS version, 1 AS epoch")

    def from_the_future(self) -> None:
        self._execute("PRAGMA user_version = 99")

    def close(self) -> None:
        for each in self.opened:
            each.close()

    def _execute(self, statement: str) -> None:
        connection = sqlite3.connect(self.path)
        connection.execute(statement)
        connection.commit()
        connection.close()
