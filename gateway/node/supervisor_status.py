"""What the supervisor says of itself, in `run/supervisor.json`: read by `crossfade status` when all else is dead."""

from pathlib import Path

import msgspec


class ProcessStatus(msgspec.Struct, frozen=True):
    """One slot."""

    slot: str
    pid: int | None
    """None: nothing serves there now."""
    restarts: int
    name: str | None
    """For a worker: what its journal and its counters are called."""
    starting: bool = False
    """Whether one comes up here, or is about to in a reload: nothing is wrong."""
    hangs: bool = False
    """Whether it lives and answers nobody: it is ended, and another takes its place."""


class ReloadStatus(msgspec.Struct, frozen=True):
    """The last reload."""

    at: float
    error: str | None
    waits_for: tuple[int, ...] = ()
    """Pids of old workers: it is not done yet, and follows when one of them has ended."""


class SupervisorStatus(msgspec.Struct, frozen=True):
    """Who runs here."""

    pid: int
    version: str
    started_at: float
    listen: str
    admin: str
    stopping: bool
    processes: tuple[ProcessStatus, ...]
    reload: ReloadStatus | None


def read(path: Path) -> SupervisorStatus | None:
    """What a supervisor last wrote of itself; None if nothing can be made of it."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=SupervisorStatus)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
