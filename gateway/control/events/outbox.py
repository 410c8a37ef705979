"""What the controller keeps of its reading, in the node's own `state.db`: all of it changes in one transaction.

How far the journals are read, which exchanges wait, and the events that the shared state does not have yet, numbered
without holes. A crash before the transaction reads again from the last one; after it, nothing is read twice. An event
leaves once a snapshot in the shared state holds it: a server that forgets is offered it again. Offered twice, it is
there once (`state.port`).
"""

import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from gateway.control.events.join import NodeEvent, Served, Waiting
from gateway.control.journals.tail import Progress
from gateway.control.state.port import QueuedEvent, RouteFullError, SharedState
from gateway.node.database import writing

MAX_WAITING = 200_000
"""Events that may wait for the shared state; beyond it nothing more is read: the journals keep it."""
BATCH = 500
"""Events offered at once."""
OFFERED_KEPT = 20_000
"""Events that the shared state has and that are kept all the same, until a snapshot of its holds them."""
STUCK_KEPT = 20_000
"""Of a route whose leader takes nothing, so many are kept, the newest, once much waits: all others are read on."""
_ALL = (1 << 63) - 1
TABLES_KEPT = 2000
"""Routing tables of which it is known what they served: exchanges of older ones have long been read."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS intake (
    one INTEGER PRIMARY KEY CHECK (one = 1), node TEXT NOT NULL, progress BLOB NOT NULL, next INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS intake_waiting (exchange TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS intake_served (version INTEGER PRIMARY KEY, routes BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS outbox (number INTEGER PRIMARY KEY, route TEXT NOT NULL, body BLOB NOT NULL) STRICT;
"""
_OPEN = """
SELECT number, route, body FROM outbox LEFT JOIN json_each(?) AS offered ON offered.key = route
WHERE number > coalesce(offered.value, 0) ORDER BY number LIMIT ?
"""
_GONE = """
DELETE FROM outbox WHERE number IN (
    SELECT number FROM outbox JOIN json_each(?) AS taken ON taken.key = route AND number <= taken.value
)
"""
_OLD = """
DELETE FROM outbox WHERE number IN (
    SELECT number FROM outbox JOIN json_each(?) AS offered ON offered.key = route AND number <= offered.value
    ORDER BY number DESC LIMIT -1 OFFSET ?
)
"""


_STUCK = """
DELETE FROM outbox WHERE number IN (
    SELECT number FROM outbox WHERE route = ? AND number > ? ORDER BY number DESC LIMIT -1 OFFSET ?
)
"""


@dataclass(slots=True)
class Outbox:
    """One node's reading and its events."""

    state: sqlite3.Connection
    node: str = field(default="", init=False)
    """This data directory's name among nodes; made once."""
    progress: dict[str, Progress] = field(default_factory=dict[str, Progress], init=False)
    waiting: dict[str, Waiting] = field(default_factory=dict[str, Waiting], init=False)
    served: dict[int, dict[str, Served]] = field(default_factory=dict[int, dict[str, Served]], init=False)
    _unkept: dict[int, dict[str, Served]] = field(default_factory=dict[int, dict[str, Served]], init=False)
    """Of `served`, what the disk has not taken yet."""
    pending: int = field(default=0, init=False)
    """Events that the shared state does not have yet."""
    _kept: int = field(default=0, init=False)
    """They, and those that it has and could still lose."""
    _offered: dict[str, int] = field(default_factory=dict[str, int], init=False)
    """Route -> the last event that it has."""
    _taken: dict[str, int] = field(default_factory=dict[str, int], init=False)
    """Route -> the last event that a snapshot held when it was last looked."""
    _full: dict[str, int] = field(default_factory=dict[str, int], init=False)
    """Route that its leader had no room for -> the last event that a snapshot held when that began."""
    _next: int = field(default=1, init=False)

    def load(self, host: str) -> None:
        """Take up where an earlier controller stopped; `host` begins a new node's name.

        Raises:
            sqlite3.Error: the state cannot be used.
        """
        with writing(self.state):
            fresh = (f"{host}-{secrets.token_hex(3)}", b"{}", 1)
            self.state.execute("INSERT OR IGNORE INTO intake VALUES (1, ?, ?, ?)", fresh)
            node, progress, self._next = self.state.execute("SELECT node, progress, next FROM intake").fetchone()
            self.node, self.progress = node, msgspec.json.decode(progress, type=dict[str, Progress])
            held = self.state.execute("SELECT exchange, body FROM intake_waiting ORDER BY rowid").fetchall()
            self.waiting = {name: msgspec.json.decode(body, type=Waiting) for name, body in held}
            tables = self.state.execute("SELECT version, routes FROM intake_served").fetchall()
            self.served = {number: msgspec.json.decode(routes, type=dict[str, Served]) for number, routes in tables}
            self.served |= self._unkept
            (self._kept,) = self.state.execute("SELECT count(*) FROM outbox").fetchone()
        self.offer_again()

    @property
    def is_full(self) -> bool:
        """Whether nothing more may be read."""
        return self.pending >= MAX_WAITING

    def commit(
        self,
        progress: dict[str, Progress],
        changes: tuple[dict[str, Waiting], Sequence[str]],
        told: Sequence[tuple[str, NodeEvent]],
    ) -> None:
        """Keep how far the journals are read, what waits since, and what is to be told, by route.

        Raises:
            sqlite3.Error: nothing of it is kept; a restart reads again from before.
        """
        changed, gone = changes
        first = self._next
        with writing(self.state):
            self.state.execute(
                "UPDATE intake SET progress = ?, next = ?", (msgspec.json.encode(progress), first + len(told))
            )
            self.state.executemany("DELETE FROM intake_waiting WHERE exchange = ?", [(name,) for name in gone])
            self.state.executemany(
                "INSERT OR REPLACE INTO intake_waiting VALUES (?, ?)",
                [(name, msgspec.json.encode(held)) for name, held in changed.items()],
            )
            self.state.executemany(
                "INSERT INTO outbox VALUES (?, ?, ?)",
                [(first + place, route, msgspec.json.encode(each)) for place, (route, each) in enumerate(told)],
            )
        self.progress, self._next = progress, first + len(told)
        self.pending += len(told)
        self._kept += len(told)

    def push(self, shared: SharedState) -> set[str]:
        """Hand the oldest events over to whoever leads. Returns the routes of which no leader takes any more.

        Raises:
            StateDownError: they stay here.
            sqlite3.Error: they are offered again.
        """
        full: dict[str, int] = {}
        while self.pending:
            rows = self.state.execute(_OPEN, (_json(self._offered | full), BATCH)).fetchall()
            if not rows:
                break
            try:
                shared.offer([QueuedEvent(self.node, number, route, body) for number, route, body in rows])
            except RouteFullError as error:
                full[error.route] = _ALL
                continue
            self._offered |= {route: number for number, route, _ in rows}
            self.pending -= len(rows)
        taken = shared.taken(self.node)
        if taken != self._taken or self._kept - self.pending > OFFERED_KEPT:
            self._let_go(taken)
        self._drop_stuck(full, taken)
        return set(full)

    def _drop_stuck(self, full: Iterable[str], taken: dict[str, int]) -> None:
        """Drop the oldest of routes whose leader takes nothing, before they keep all others from being read."""
        since = self._full
        self._full = {route: since.get(route, taken.get(route, 0)) for route in full}
        if self.pending < MAX_WAITING // 2:
            return
        for route, before in self._full.items():
            if route in since and taken.get(route, 0) == before:
                with writing(self.state):
                    bounds = (route, self._offered.get(route, 0), STUCK_KEPT)
                    gone = self.state.execute(_STUCK, bounds).rowcount
                self.pending -= gone
                self._kept -= gone

    def offer_again(self) -> None:
        """The shared state may have lost what it was offered: it is offered all that no snapshot is known to hold."""
        self._offered.clear()
        self._taken = {}
        self.pending = self._kept

    def _let_go(self, taken: dict[str, int]) -> None:
        """Drop what cannot be lost any more; and the oldest of what nobody takes, as of a policy that is gone."""
        offered = {route: min(number, self._offered.get(route, 0)) for route, number in taken.items()}
        with writing(self.state):
            gone = self.state.execute(_GONE, (_json(offered),)).rowcount
            gone += self.state.execute(_OLD, (_json(self._offered), OFFERED_KEPT)).rowcount
        self._kept -= gone
        self._taken = taken

    def will_serve(self, version: int, routes: dict[str, Served]) -> None:
        """Note what a routing table serves, before it is published.

        Raises:
            sqlite3.Error: this process knows it, and the disk does not yet: `keep_served` is to be called again.
        """
        self.served[version] = self._unkept[version] = routes
        self.served.pop(version - TABLES_KEPT, None)
        self.keep_served()

    def keep_served(self) -> None:
        """Keep what tables serve, where it is not kept yet.

        Raises:
            sqlite3.Error: it is known to this process alone, and to be tried again.
        """
        if not self._unkept:
            return
        with writing(self.state):
            rows = [(version, msgspec.json.encode(routes)) for version, routes in self._unkept.items()]
            self.state.executemany("INSERT OR REPLACE INTO intake_served VALUES (?, ?)", rows)
            self.state.execute("DELETE FROM intake_served WHERE version <= ?", (max(self._unkept) - TABLES_KEPT,))
        self._unkept.clear()


def _json(numbers: dict[str, int]) -> str:
    return msgspec.json.encode(numbers).decode()
