"""A worker's live counters, in a file both it and the supervisor map: they outlive it, and need no control plane.

Counters only rise within one file; gauges go up and down. One writer; a reader may see a value one step old.
"""

import mmap
import os
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
)
FIELDS = COUNTERS + GAUGES
INDEX = {name: index for index, name in enumerate(FIELDS)}
_BYTES = 8 * 64
assert len(FIELDS) <= 64  # noqa: S101 -- the layout, checked at import


class Live:
    """Counters by index: `live.values[IN_FLIGHT] += 1`. See `FIELDS` for what there is."""

    def __init__(self, path: Path, *, create: bool) -> None:
        flags = os.O_RDWR | (os.O_CREAT if create else 0) | os.O_CLOEXEC
        fd = os.open(path, flags, 0o600)
        try:
            if create:
                os.ftruncate(fd, _BYTES)
            self._map = mmap.mmap(fd, _BYTES)
        finally:
            os.close(fd)
        self.values = memoryview(self._map).cast("q")

    def snapshot(self) -> dict[str, int]:
        """All fields, by name."""
        return {name: self.values[index] for index, name in enumerate(FIELDS)}

    def close(self) -> None:
        """Let go of the mapping; the file stays."""
        self.values.release()
        self._map.close()
