"""The journals of all workers, followed together; what is recorded of them is removed."""

import contextlib
import fcntl
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.control.tail import Found, Progress, Tail
from records.exchange import Exchange
from records.journal.reader import segment_path, segments, workers


def _nobody(_: str) -> int:
    return sys.maxsize


@dataclass(slots=True)
class Journals:
    """Follows every worker's directory under `root`."""

    root: Path
    key: bytes
    start: Mapping[str, Progress]
    """Where to read on, by worker."""
    held_from: Callable[[str], int] = _nobody
    """The first segment of a worker that somebody else still reads; it and later ones stay."""
    _tails: dict[str, Tail] = field(default_factory=dict[str, Tail], init=False)
    _counted: dict[str, int] = field(default_factory=dict[str, int], init=False)
    _last_end: float | None = field(default=None, init=False)

    def poll(self, now: float, budget_bytes: int) -> list[Found]:
        """What is new, about `budget_bytes` of it at most, each worker having its part."""
        if not self.root.is_dir():
            return []  # a disk that is away is no reason to forget how far it was read
        directories = workers(self.root)
        names = {directory.name for directory in directories}
        for directory in directories:
            if directory.name not in self._tails:
                start = self.start.get(directory.name, Progress())
                self._tails[directory.name] = Tail(directory, self.key, start)
        for name in self._tails.keys() - names:
            del self._tails[name]
            self._counted.pop(name, None)
        share = max(1, budget_bytes // max(1, len(self._tails)))
        found = [one for tail in self._tails.values() for one in tail.poll(now, share)] if budget_bytes > 0 else []
        ends = [one.meta.arrived_at + one.meta.total_s for one in found if isinstance(one, Exchange)]
        self._last_end = min(ends, default=self._last_end)
        return found

    def is_caught_up(self) -> bool:
        """Whether everything that was there was read."""
        return all(tail.caught_up or tail.ended for tail in self._tails.values())

    def progress(self) -> dict[str, Progress]:
        """How far everything is recorded once what was found is."""
        return {name: tail.progress for name, tail in self._tails.items()}

    def lag_s(self, now: float) -> float:
        """About how old the oldest frame is that was not yet read."""
        return 0.0 if self.is_caught_up() or self._last_end is None else max(0.0, now - self._last_end)

    def take_damage(self) -> int:
        """Frames and stretches that could not be read, since the last call."""
        fresh = 0
        for name, tail in self._tails.items():
            fresh += tail.damaged - self._counted.get(name, 0)
            self._counted[name] = tail.damaged
        return fresh

    def remove_recorded(self, now: float, retention_s: float) -> None:
        """Remove the segments that are recorded, and the directories of workers that are gone.

        An exchange still open holds its segment, for `retention_s` at most; it stands in memory meanwhile.

        Raises:
            OSError: not now.
        """
        for name, tail in self._tails.items():
            progress = tail.progress
            for number in segments(tail.directory):
                path = segment_path(tail.directory, number)
                recorded = progress.ended or number < progress.safe.segment
                if not recorded and number < progress.done.segment:
                    recorded = now - path.stat().st_mtime > retention_s
                if recorded and number < self.held_from(name):
                    path.unlink()
            if progress.ended and not segments(tail.directory):
                _remove_directory(tail.directory)


def _remove_directory(directory: Path) -> None:
    """Remove an empty journal, unless a worker has come back to it."""
    with contextlib.suppress(OSError):  # not empty, or taken: another time
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not segments(directory):
                (directory / "lock").unlink()
                directory.rmdir()
        finally:
            os.close(lock)
