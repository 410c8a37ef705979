"""What runs over a data directory, read from its files: true when every process that could be asked is dead."""

import os
from dataclasses import dataclass
from pathlib import Path

from gateway.node import supervisor_status
from gateway.node.datadir import DataDir, is_held
from gateway.node.supervisor_status import ProcessStatus, SupervisorStatus
from gateway.proxy.counters import Live
from policies.routing import RoutingError, Table, decode


@dataclass(frozen=True, slots=True)
class LiveWorker:
    """A worker that lives, and its counters."""

    slot: str
    name: str
    pid: int
    gauges: dict[str, int]
    hangs: bool = False
    """Whether it answers nobody."""


def supervisor(data: DataDir) -> SupervisorStatus | None:
    """Who serves from here; None if nobody does."""
    if not is_held(data):
        return None
    return supervisor_status.read(data.supervisor_status)


def routing_table(path: Path) -> Table | None:
    """The table that stands there; None: none that can be read."""
    try:
        return decode(path.read_bytes())
    except (OSError, RoutingError):
        return None


def live_workers(data: DataDir) -> list[LiveWorker]:
    """The workers that serve from here and live."""
    status = supervisor_status.read(data.supervisor_status)
    found: list[LiveWorker] = []
    for process in status.processes if status is not None else ():
        if process.pid is None or process.name is None or not is_alive(process.pid):
            continue
        gauges = _gauges(data.live(process.name))
        if gauges is not None:
            found.append(LiveWorker(process.slot, process.name, process.pid, gauges, process.hangs))
    return found


def blind_workers(data: DataDir) -> list[ProcessStatus]:
    """The workers that serve from here and whose counters are in memory alone: the disk took no file for them."""
    status, seen = supervisor(data), {worker.pid for worker in live_workers(data)}
    return [
        each
        for each in (status.processes if status is not None else ())
        if each.name is not None
        and each.pid is not None
        and each.pid not in seen
        and is_alive(each.pid)
        and not data.live(each.name).exists()
    ]


def _gauges(path: Path) -> dict[str, int] | None:
    """A worker's counters; None if it has none, because it is no worker or has just ended."""
    try:
        live = Live(path, create=False)
    except (OSError, ValueError):
        return None
    try:
        return live.snapshot()
    finally:
        live.close()


def is_alive(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
