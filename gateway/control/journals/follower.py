"""The journals of all workers, followed together; what is recorded of them is removed."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

from gateway.control.journals.tail import Progress, Tail
from records.exchange import Exchange
from records.journal.frames import segment_path
from records.journal.reader import Found, segments, workers

Needed = Callable[[str], int | None]
"""By worker, the first segment that somebody else still reads: it and later ones stay. None: none does."""


def _nobody() -> Needed:
    return lambda _: None


def _everybody(_: str) -> bool:
    return True


@dataclass(slots=True)
class Journals:
    """Follows the workers' directories under `root`."""

    root: Path
    key: bytes
    start: Mapping[str, Progress]
    """Where to read on, by worker."""
    needed: Callable[[], Needed] = _nobody
    """Asked each time before segments are removed."""
    follows: Callable[[str], bool] = _everybody
    """Whether a worker is followed at all, by its name."""
    again: Set[str] = frozenset()
    """Ids of exchanges that are found again after a restart, although they were found before."""
    _tails: dict[str, Tail] = field(default_factory=dict[str, Tail], init=False)
    _counted: dict[str, int] = field(default_factory=dict[str, int], init=False)
    _last_end: float | None = field(default=None, init=False)

    def poll(self, now: float, budget_bytes: int) -> list[Found]:
        """What is new, about `budget_bytes` of it at most, each worker having its part."""
        if not self.root.is_dir():
            return []  # a disk that is away is no reason to forget how far it was read
        directories = [directory for directory in workers(self.root) if self.follows(directory.name)]
        names = {directory.name for directory in directories}
        for directory in directories:
            if directory.name not in self._tails:
                start = self.start.get(directory.name, Progress())
                self._tails[directory.name] = Tail(directory, self.key, start, self.again)
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

    def is_level(self, worker: str) -> bool:
        """Whether all that was found of a worker before a restart, and was to be found again, was found again."""
        tail = self._tails.get(worker)
        return tail is None or tail.ended or tail.is_level

    def oldest_open_at(self) -> dict[str, float]:
        """By route, when the oldest exchange arrived that has begun and not ended."""
        oldest: dict[str, float] = {}
        for tail in self._tails.values():
            for route, at in tail.oldest_open_at.items():
                oldest[route] = min(at, oldest.get(route, at))
        return oldest

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

        An exchange still open holds its segment (it stands in memory meanwhile), and so does another reader: both for
        `retention_s` at most.

        Raises:
            OSError: not now.
        """
        needed = self.needed()
        for name, tail in self._tails.items():
            progress, needed_from = tail.progress, needed(name)
            for number in segments(tail.directory):
                if not progress.ended and number >= progress.done.segment:
                    break
                path = segment_path(tail.directory, number)
                is_open = not progress.ended and number >= progress.safe.segment
                is_needed = needed_from is not None and number >= needed_from
                if not (is_open or is_needed) or now - path.stat().st_mtime > retention_s:
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
