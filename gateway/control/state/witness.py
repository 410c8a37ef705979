"""The newest records this node has seen on a server: what is put back when the server forgot them or went back in time.

A flushed server, or one restored from an old copy, must move no weight. Versions and fencing epochs only rise; a record
that is behind what is known here is not the state, and the sealed copy is.
"""

import contextlib
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gateway.node.database import StateError, connect

BUSY_S = 0.25
_SCHEMA = """
CREATE TABLE IF NOT EXISTS shared_newest (
    kind TEXT NOT NULL, route TEXT NOT NULL, epoch INTEGER NOT NULL, version INTEGER NOT NULL,
    weight_ppm INTEGER NOT NULL, record BLOB NOT NULL, PRIMARY KEY (kind, route)
) STRICT;
"""

Kind = Literal["rollout", "snapshot"]


@dataclass(frozen=True, slots=True)
class Copy:
    """A sealed record and what orders it."""

    epoch: int
    version: int
    weight_ppm: int
    record: bytes = field(repr=False)


def is_behind(found: Copy | None, known: Copy) -> bool:
    """Whether what a server has is older than what is known, so that what is known is to be put back.

    If both went on without each other (a leader that knew nothing began anew), the lower weight is the safe one.
    """
    if found is None:
        return True
    if found.epoch >= known.epoch and found.version >= known.version:
        return False
    if found.epoch <= known.epoch and found.version <= known.version:
        return True
    return known.weight_ppm < found.weight_ppm


class Newest:
    """The newest copies, in memory and in the node's `state.db`, so that they outlive this process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._copies: dict[tuple[str, str], Copy] = {}
        self.epoch = 0
        """The latest fencing epoch seen."""

    def load(self) -> None:
        """Read what earlier processes saw, once; a disk that cannot be read leaves what this process has seen."""
        if self._connection is not None:
            return
        with contextlib.suppress(sqlite3.Error, StateError):
            self._connection = connect(self._path, _SCHEMA, busy_s=BUSY_S)
            self._connection.execute("PRAGMA synchronous = NORMAL")
            for kind, route, *rest in self._connection.execute("SELECT * FROM shared_newest"):
                self._take(kind, route, Copy(*rest))

    def get(self, kind: Kind, route: str) -> Copy | None:
        """The newest copy seen."""
        return self._copies.get((kind, route))

    def routes(self, kind: Kind) -> list[str]:
        """The routes of which a copy is known."""
        return [route for each, route in self._copies if each == kind]

    def put(self, kind: Kind, route: str, copy: Copy) -> None:
        """Remember a record that was read or written, and is not behind what is known."""
        if self._copies.get((kind, route)) == copy:
            return
        self._take(kind, route, copy)
        if self._connection is not None:
            # What the disk does not take, this process still knows.
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute(
                    "INSERT OR REPLACE INTO shared_newest VALUES (?, ?, ?, ?, ?, ?)",
                    (kind, route, copy.epoch, copy.version, copy.weight_ppm, copy.record),
                )

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _take(self, kind: str, route: str, copy: Copy) -> None:
        self._copies[kind, route] = copy
        self.epoch = max(self.epoch, copy.epoch)
