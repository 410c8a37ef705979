"""The node's `state.db`, watched by the one process that has it open all the time.

A file that could only be read when it was opened stays so for its connection: then, too, it begins anew.

Who removes or replaces the file leaves the controller with one that nobody else sees: it would decide and publish, and
every command would find another state, or none. What is open is the state: it has all that ever was, and moves no
weight. So it is put back where it belongs, what stands there is set aside, and the controller begins anew from it.
"""

import contextlib
import os
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.log import Log
from gateway.node.database import BESIDE
from records.durable import sync

RETRY_S: Final = 5.0
"""Until the next try, where it could not be put back."""
_FRESH: Final = ".back"
_ASIDE: Final = ".replaced"


@dataclass(slots=True)
class StateFile:
    """The file that a connection has open, and the path where others look for it."""

    path: Path
    connection: sqlite3.Connection
    log: Log
    _opened: tuple[int, int] | None = field(init=False)
    _retry_at: float = field(default=float("-inf"), init=False)
    _is_sealed: bool = field(init=False)
    """It could only be read when it was opened, and SQLite keeps to that as long as it is open."""

    def __post_init__(self) -> None:
        self._opened = _identity(self.path)
        self._is_sealed = self._opened is not None and not os.access(self.path, os.W_OK)

    def was_unsealed(self) -> bool:
        """Whether what could only be read when it was opened can be written now: it has to be opened anew."""
        if self._is_sealed and os.access(self.path, os.W_OK):
            self.log.notice("state.unsealed", hint="the state can be written again: the controller begins anew with it")
            return True
        return False

    def was_put_back(self, now: float) -> bool:
        """Whether it had gone and stands there again: from now on nothing may be written here. `now`: monotonic.

        To be asked before each use. What cannot be put back is told, and tried again.
        """
        found = _identity(self.path)
        if found == self._opened or now < self._retry_at:
            return False
        reason = f"{self.path} was {'removed' if found is None else 'replaced'} while the gateway had it open"
        try:
            aside = _put_back(self.connection, self.path)
        except (OSError, sqlite3.Error) as error:
            self._retry_at = now + RETRY_S
            hint = "commands see no rollouts, and only `crossfade kill` acts: make room and let this user write there"
            self.log.alarm("state.gone", reason=f"{reason}: {error}", hint=hint)
            return False
        hint = "the state is as it was: stop the gateway before you restore another"
        hint += f"; what stood there is in {aside}" if aside else ""
        self.log.alarm("state.put_back", reason=reason, hint=hint)
        return True


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file it is; None: there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _put_back(connection: sqlite3.Connection, path: Path) -> str:
    """Copy all that is open to `path`, whole or not at all. Returns where what stood there is now; empty: nothing did.

    Raises:
        OSError, sqlite3.Error: it could not be done; what stands there is as it was.
    """
    fresh, aside = path.with_name(path.name + _FRESH), path.with_name(path.name + _ASIDE)
    fresh.unlink(missing_ok=True)
    os.close(os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        with contextlib.closing(sqlite3.connect(fresh)) as copy:
            connection.backup(copy)
        sync(fresh)
        was_there = path.exists()
        if was_there:
            path.replace(aside)
        for end in BESIDE:  # of another database than the one that comes: they would be taken for its own
            beside = path.with_name(path.name + end)
            if was_there and beside.exists():
                beside.replace(aside.with_name(aside.name + end))
            beside.unlink(missing_ok=True)
        fresh.replace(path)
        sync(path.parent)
    finally:
        for each in (fresh, *(fresh.with_name(fresh.name + end) for end in BESIDE)):
            each.unlink(missing_ok=True)
    return str(aside) if was_there else ""
