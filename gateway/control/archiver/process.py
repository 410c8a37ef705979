"""The archiver, a process of its own: what is recorded is copied to object storage, and what went goes there, too.

Rules:
1. It only reads the records, and asks them nothing: neither the recorder nor any app waits for a slow storage.
2. An archive that refuses is logged once, and once more when it takes again; the pause between tries grows
   (`PAUSES_S`). Nothing is lost by it but the copy's age, which `crossfade_archive_lag_seconds` tells.
3. It may die at any moment: `records.archive.writer` goes on from the list that is there.
"""

import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway import clock
from gateway.control.archiver.boot import ArchiverBoot
from gateway.log import Log
from gateway.node.plain_error import plain
from gateway.process import read_boot, say_ready, stop_asked
from gateway.telemetry.metrics import PREFIX, Sample, render
from records.archive.bucket import ArchiveError, open_bucket
from records.archive.writer import SETTLE_S, NodeArchive, identity, lag_s
from records.durable import replace
from records.store import Store

LOOK_S = 10.0
"""How often it looks."""
EXPOSE_S = 10.0
"""How often it says at least how far it is, also while it copies or waits."""
PAUSES_S = (10.0, 20.0, 60.0)
"""Between tries while the archive refuses; the last of them goes on."""
HINT = "are bucket and key right, and may this node write there? the records themselves are whole"


@dataclass(slots=True)
class Archiver:
    """One look at a time: `step` copies what came and says how far it is."""

    boot: ArchiverBoot
    log: Log
    now: Callable[[], float] = clock.wall
    """Unix seconds."""
    _store: Store = field(init=False)
    _archive: NodeArchive | None = field(default=None, init=False)
    """None: there was no opening it yet."""
    _totals: Counter[str] = field(default_factory=Counter[str], init=False)
    _failures: int = field(default=0, init=False)
    """In a row."""
    _exposed_at: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._store = Store(Path(self.boot.records))

    def step(self, settle_s: float = SETTLE_S) -> float:
        """Look, and copy. Returns how long to wait for the next look. `settle_s`: as `NodeArchive.push`."""
        try:
            archive = self._archive if self._archive is not None else self._open()
            archive.push(self.now(), settle_s)
        except (ArchiveError, OSError) as error:
            return self._wait(error)
        finally:
            self.expose()
        if self._failures:
            self.log.info("archiver.taken_again", failures=self._failures)
        self._failures = 0
        return LOOK_S

    def expose(self) -> None:
        """Say how far it is."""
        now = self._exposed_at = self.now()
        behind_s = lag_s(self._store, now) if self._archive is None else self._archive.lag_s(now)
        samples = [
            *(Sample(f"{PREFIX}archive_{name}_total", self._totals[name]) for name in ("files", "bytes", "failures")),
            Sample(f"{PREFIX}archive_lag_seconds", behind_s),
        ]
        try:
            replace(Path(self.boot.exposition), render(samples).encode())
        except OSError as error:
            if self.log.is_news("archiver.not_exposed", plain(error)):
                self.log.notice("archiver.not_exposed", reason=plain(error))

    def _open(self) -> NodeArchive:
        me = identity(self._store.root, socket.gethostname())
        self._archive = NodeArchive(self._store, open_bucket(self.boot.archive), me, self._count)
        self.log.info("archiver.begun", archive=self.boot.archive, node=me.node)
        return self._archive

    def _count(self, size_bytes: int) -> None:
        """A file was copied. There may be thousands more: it is told meanwhile how far it is."""
        self._totals["files"] += 1
        self._totals["bytes"] += size_bytes
        if not 0 <= self.now() - self._exposed_at < EXPOSE_S:
            self.expose()

    def _wait(self, error: ArchiveError | OSError) -> float:
        """Count a refusal, and tell the first. Returns the pause until the next try."""
        self._totals["failures"] += 1
        if not self._failures:
            reason = str(error) if isinstance(error, ArchiveError) else type(error).__name__
            self.log.alarm("archiver.refused", reason=reason, hint=HINT)
        self._failures += 1
        return PAUSES_S[min(self._failures, len(PAUSES_S)) - 1]


def run(archiver: Archiver, stop: threading.Event) -> None:
    """Archive until told to stop, and then once more, whatever is there; the rest is copied at the next start."""
    say_ready(archiver.boot.ready_fd)
    while not stop.is_set():
        ends_at = clock.monotonic() + archiver.step()
        while (left_s := ends_at - clock.monotonic()) > 0 and not stop.wait(min(left_s, EXPOSE_S)):
            archiver.expose()
    archiver.step(settle_s=0.0)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the archiver as the supervisor starts it."""
    boot, stop = read_boot(argv, ArchiverBoot), stop_asked()
    run(Archiver(boot, Log("archiver")), stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
