"""Rows on their way into the records, without those of who is forgotten. All of it holds the records' lock."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from gateway.log import Log
from records import forgetting
from records.comparison import Comparison, Observation
from records.erasure import FILE, Forgotten, Sieve
from records.record import Record, Vote
from records.store import Store


@dataclass(slots=True)
class Sifter:
    """Leaves out what belongs to forgotten users, and finishes an interrupted `forget`."""

    store: Store
    log: Log
    _sieve: Sieve = field(default_factory=lambda: Sieve(Forgotten()), init=False)
    _changed_at: int = field(default=0, init=False)
    """Of the file, when it was last read."""

    def look(self) -> None:
        """Learn who is to be forgotten, and finish what was begun: who began it is gone, as we hold the lock.

        Raises:
            OSError, duckdb.Error: not all of it is gone; it is tried again.
        """
        changed_at = self._moment()
        if changed_at == self._changed_at:
            return
        try:
            done = forgetting.carry_out(self.store, self.store.root.parent / "replays")
            self._sieve = Sieve(forgetting.forgotten_in(self.store))
            self._changed_at = self._moment()
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._changed_at = changed_at
            self.log.alarm("recorder.forgotten_damaged", hint=f"restore {FILE}, or remove it and forget again")
            return
        for path in done.set_aside:
            self.log.alarm("recorder.file_set_aside", file=path, hint="it may hold rows of who is forgotten: delete it")

        for folder in done.stale:
            self.log.alarm("recorder.dataset_stale", folder=folder, hint="it holds what is erased: build it again")

    def _moment(self) -> int:
        try:
            return (self.store.root / FILE).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def rows(self, rows: Sequence[Record]) -> list[Record]:
        """Those that may be kept. The others' ids are written down: what is said of them later is not kept either.

        Raises:
            OSError: they are not written down.
        """
        kept = [row for row in rows if not self._sieve.covers(row)]
        if len(kept) < len(rows):
            known = {row.id for row in kept}
            with contextlib.suppress(msgspec.MsgspecError):  # a damaged list, of which `look` has told
                forgetting.add_ids(self.store, [row.id for row in rows if row.id not in known])
                self._sieve = Sieve(forgetting.forgotten_in(self.store))
        return kept

    def votes(self, votes: Sequence[Vote]) -> list[Vote]:
        """Those that may be kept."""
        return [vote for vote in votes if not self._sieve.covers(vote)]

    def noted(self, noted: Sequence[msgspec.Struct]) -> list[msgspec.Struct]:
        """Rows of the control plane: without comparisons of theirs, and with what was counted of them blank."""
        kept = [row for row in noted if not (isinstance(row, Comparison) and self._sieve.covers(row))]
        return [self._sieve.blanked(row) if isinstance(row, Observation) else row for row in kept]
