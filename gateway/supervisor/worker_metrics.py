"""The workers' live counters, joined: they outlive each worker, and need no control plane."""

import contextlib
import fcntl
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.proxy.counters import COUNTERS, INDEX, MOST_BITS, Live
from gateway.telemetry.metrics import PREFIX, Sample
from policies.routing import Table

_PLAIN = (
    *("requests", "shed", "refused", "app_gone", "upstream_errors", "candidate_errors", "fallbacks", "broken"),
    *("breaker_opened", "lost_exchanges", "lost_bodies", "sync_errors", "parse_errors"),
    "hook_errors",
)
_CLASSES = {"2xx": "responses_2xx", "4xx": "responses_4xx", "5xx": "responses_5xx"}
_SUMMED_GAUGES = ("in_flight", "connections", "upstream_connections", "draining", "breakers_open")


@dataclass(slots=True)
class Gauges:
    """The counters of all workers since the supervisor's start."""

    _open: dict[str, tuple[Live, Path]] = field(default_factory=dict[str, tuple[Live, Path]])
    _memory: dict[str, int] = field(default_factory=dict[str, int])
    """Descriptors of the memory that they are in; -1: they are in a file."""
    _ended: Counter[str] = field(default_factory=Counter[str])

    def begin(self, worker: str, path: Path) -> Path:
        """Map a worker's counters before it starts: what it counts is there however it ends.

        They are in memory that nobody can cut (a file that is truncated ends whoever maps it), and `path` leads there.
        Returns where the worker finds them: at `path`, or, where nothing can be put there, in that memory itself.
        """
        fd, memory = -1, path
        if sys.platform == "linux":
            fd = os.memfd_create(worker, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            os.fchmod(fd, 0o600)
            memory = Path(f"/proc/{os.getpid()}/fd/{fd}")
        live = Live(memory, create=True)
        if fd >= 0:
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
            try:
                path.symlink_to(memory)
            except OSError:
                path = memory
        self._open[worker] = (live, path)
        self._memory[worker] = fd
        return path

    def end(self, worker: str) -> None:
        """Keep what a worker has counted, and remove its file."""
        live, path = self._open.pop(worker)
        snapshot = live.snapshot()
        self._ended.update({name: snapshot[name] for name in COUNTERS})
        live.close()
        fd = self._memory.pop(worker)
        if fd >= 0:
            os.close(fd)
        with contextlib.suppress(OSError):  # gone with its directory, or on a disk that takes no change
            path.unlink()

    def totals(self) -> dict[str, int]:
        """All counters, of the living and the ended."""
        totals = Counter(self._ended)
        for live, _ in self._open.values():
            totals.update({name: value for name, value in live.snapshot().items() if name in COUNTERS})
        return {name: totals[name] for name in COUNTERS}

    def beats(self, worker: str) -> int:
        """How often its event loop has come by; 0: it has not yet, or it counts where we cannot see it."""
        return self._open[worker][0].values[INDEX["beats"]] if worker in self._open else 0

    def snapshots(self, workers: Iterable[str]) -> list[dict[str, int]]:
        """The counters and gauges of those workers that live."""
        return [self._open[worker][0].snapshot() for worker in workers if worker in self._open]


def open_breakers(table: Table, alive: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """By route with a candidate: how many of the workers that serve from this table do not ask it freely."""
    masks = [worker["breaker_routes"] for worker in alive if worker["table_version"] == table.version]
    return {
        route.name: sum(mask >> place & 1 for mask in masks)
        for place, route in enumerate(table.routes[:MOST_BITS])
        if route.candidate is not None
    }


def samples(
    totals: Mapping[str, int], alive: Sequence[Mapping[str, int]], *, now: float, table: Table | None = None
) -> list[Sample]:
    """The live part of `/metrics`. A gauge nobody can know, because no worker lives, is left out."""
    found = [_sample(f"worker_{name}_total", totals[name]) for name in _PLAIN]
    found += [_sample("worker_responses_total", totals[name], label) for label, name in _CLASSES.items()]
    found.append(_sample("worker_overhead_seconds_total", totals["overhead_us"] / 1e6))
    found.append(_sample("workers", sum(1 for worker in alive if not worker["draining"])))
    found += [_sample(f"worker_{name}", sum(worker[name] for worker in alive)) for name in _SUMMED_GAUGES]
    if alive and table is not None:
        found += [_sample("breaker_open", count, route) for route, count in open_breakers(table, alive).items()]
    if alive:
        found.append(_sample("worker_loop_lag_seconds", max(worker["loop_lag_us"] for worker in alive) / 1e6))
        found += [_sample(name, max(worker[name] for worker in alive)) for name in ("killed", "lease_expired")]
        found.append(_sample("routing_table_version", min(worker["table_version"] for worker in alive)))
        found.append(_sample("routing_table_age_seconds", now - min(worker["table_seen_at"] for worker in alive)))
    return found


def _sample(name: str, value: float, *labels: str) -> Sample:
    return Sample(PREFIX + name, value, labels)
