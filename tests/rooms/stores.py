"""The stores that hold the shared state, each with what a test has to do to it from outside."""

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gateway import clock
from gateway.config.state_url import server
from gateway.control.state.port import LEASE_S, SharedState
from gateway.control.state.redis import RedisState
from gateway.control.state.redis_base import key
from gateway.control.state.redis_link import Link
from gateway.control.state.seal import RecordSeal
from gateway.control.state.sqlite import SqliteState
from gateway.control.state.witness import Newest
from tests.fakes.redis_server import RedisServer

KEY = bytes(range(32))


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


@dataclass(slots=True)
class RedisStore:
    """A Redis or Valkey server; each process that opens it is a node of its own, with what it has seen."""

    server: RedisServer
    folder: Path
    opened: list[RedisState] = field(default_factory=list)

    def open(self) -> RedisState:
        number = len(self.opened)
        return self.open_as(f"node{number}", f"process{number}")

    def open_as(self, node: str, holder: str, seal_key: bytes = KEY) -> RedisState:
        """A process of `node`'s: it remembers what the node saw before."""
        link = Link(server(self.server.url), None, None, clock.monotonic)
        self.opened.append(RedisState(link, RecordSeal(seal_key), Newest(self.folder / f"{node}.db"), holder=holder))
        return self.opened[-1]

    def lapse(self, now: float) -> float:
        with self.server.client() as client:
            client.delete(key("lease"))
        return now

    def tear(self) -> None:
        with self.server.client() as client:
            client.hset(key("rollouts"), "triage", b"torn")

    def from_the_future(self) -> None:
        with self.server.client() as client:
            client.hset(key("rollouts"), "triage", b"cf2 whatever comes")

    def close(self) -> None:
        for each in self.opened:
            each.close()
