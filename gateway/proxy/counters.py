"""A worker's live counters, in what both it and the supervisor map: they outlive it, and need no control plane.

Counters only rise within one file; gauges go up and down. One writer; a reader may see a value one step old.
"""

import mmap
import os
import sys
from pathlib import Path

COUNTERS = (
    "requests",  # admitted requests
    "shed",  # refused for overload
    "refused",  # refused for any other reason of ours
    "app_gone",  # hang-ups
    "upstream_errors",  # baseline attempts that failed
    "candidate_errors",  # candidate attempts that failed before their first byte
    "fallbacks",  # answered by the baseline instead
    "broken",  # ended in the middle
    "breaker_opened",
    "lost_exchanges",  # not in the journal
    "lost_bodies",
    "sync_errors",
    "parse_errors",  # connections closed for malformed HTTP
    "hook_errors",  # our own bugs, caught at a fence
    "responses_2xx",
    "responses_4xx",
    "responses_5xx",
    "overhead_us",  # summed: time in the gateway before the upstream was asked
)
GAUGES = (
    "in_flight",
    "connections",
    "upstream_connections",
    "table_version",
    "table_seen_at",  # Unix seconds of the newest lease seen
    "killed",  # 1: the kill file is there
    "lease_expired",  # 1: past the grace, baseline only
    "draining",
    "loop_lag_us",  # worst in the last second
    "started_at",
    "breakers_open",  # candidates that are not asked freely
    "breaker_routes",  # bit i: the candidate of the table's route i is not asked freely; the first 62 routes
    "beats",  # looks of the event loop at its clock: where it stands still, the worker hangs; 0: it has none yet
)
FIELDS = COUNTERS + GAUGES
INDEX = {name: index for index, name in enumerate(FIELDS)}
MOST_BITS = 62
"""Routes that a bit mask tells of."""
_BYTES = 8 * 64
assert len(FIELDS) <= 64  # noqa: S101 -- the layout, checked at import


class Live:
    """Counters by index: `live.values[IN_FLIGHT] += 1`. See `FIELDS` for what there is."""

    def __init__(self, path: Path, *, create: bool) -> None:
        """`create`: where no file can be had, on a full disk say, count in memory: what is counted is not worth a life.

        Raises:
            OSError, ValueError: not to be created, and not there, or no such file.
        """
        self.in_memory = False
        """Nobody else sees what is counted here."""
        try:
            self._map = _mapped(path, create=create)
        except OSError:
            if not create:
                raise
            self._map = mmap.mmap(-1, _BYTES)
            self.in_memory = True
        self.values = memoryview(self._map).cast("q")

    def snapshot(self) -> dict[str, int]:
        """All fields, by name."""
        return {name: self.values[index] for index, name in enumerate(FIELDS)}

    def close(self) -> None:
        """Let go of the mapping; the file stays."""
        self.values.release()
        self._map.close()


def _mapped(path: Path, *, create: bool) -> mmap.mmap:
    """The file, mapped. All of it is allocated: a write to a hole that the disk has no room for is a SIGBUS.

    Raises:
        OSError: it is not there, or there is no room for it.
    """
    flags = os.O_RDWR | (os.O_CREAT if create else 0) | os.O_CLOEXEC
    fd = os.open(path, flags, 0o600)
    try:
        if create:
            _allocate(fd)
        return mmap.mmap(fd, _BYTES)
    finally:
        os.close(fd)


def _allocate(fd: int) -> None:
    if sys.platform == "linux":
        os.posix_fallocate(fd, 0, _BYTES)
    elif os.fstat(fd).st_size < _BYTES:
        os.write(fd, bytes(_BYTES))
