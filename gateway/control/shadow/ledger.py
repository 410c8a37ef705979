"""The shadow's own journal, and its word on how far it is: what is owed, what is spent, what must not be removed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from gateway.control.journals import cursors as readers
from gateway.control.journals.tail import Progress
from gateway.control.shadow.boot import ShadowBoot
from gateway.control.shadow.comparers import Licence
from gateway.control.shadow.owed import IGNORES, NAME, PREFIX, Debts, ShadowProgress, load, needed, written
from records.comparison import Comparison
from records.exchange import Note
from records.journal.writer import JournalWriter
from shadow.lanes import CallKey, DailySpend

SEGMENT_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class Ledger:
    """Writes rows, each once. A row that the disk does not take waits, and blocks all else."""

    boot: ShadowBoot
    wall: Callable[[], float]
    before: ShadowProgress = field(init=False)
    """What an earlier shadow kept."""
    written: set[CallKey] = field(init=False)
    """What it wrote after that."""
    debts: Debts = field(init=False)
    budget: DailySpend = field(init=False)
    _journal: JournalWriter = field(init=False)
    _name: str = field(init=False)
    _waiting: list[Comparison] = field(default_factory=list[Comparison], init=False)
    _earlier: dict[str, int] = field(init=False)
    """Own journals of before that must stay until we have said something ourselves."""

    def __post_init__(self) -> None:
        root, key = Path(self.boot.journal), bytes.fromhex(self.boot.journal_key)
        self.before = load(Path(self.boot.readers)) or ShadowProgress()
        self.written = written(root, key, self.before.first)
        self.debts = Debts({owed.key: owed for owed in self.before.owed if owed.key not in self.written})
        self.budget = DailySpend.of(self.before.day, self.before.spent_usd, self.before.allowances)
        self._earlier = {name: at for name, at in self.before.first.items() if name.startswith(PREFIX)}
        self._name = f"{PREFIX}{round(self.wall() * 1000)}"
        self._journal = JournalWriter(root / self._name, key, now=self.wall, segment_bytes=SEGMENT_BYTES)

    @property
    def is_blocked(self) -> bool:
        """Whether the disk does not take what there is to write."""
        return bool(self._waiting)

    def write(self, row: Comparison) -> None:
        """Put a row into the journal; from then on it is no longer owed."""
        if not self._journal.note(Note("comparisons", msgspec.msgpack.encode(row))):
            self._waiting.append(row)
            return
        self.debts.settle((row.exchange_id, row.asked, row.route))

    def write_waiting(self) -> None:
        """Try again what the disk did not take."""
        waiting, self._waiting = self._waiting, []
        for row in waiting:
            self.write(row)

    def rotate(self, created_before: float) -> None:
        """End a segment that is old, so that it can be recorded and removed."""
        self._journal.rotate_older_than(created_before)

    def kept(self, progress: Mapping[str, Progress], judges: dict[str, Licence], *, is_idle: bool) -> ShadowProgress:
        """Our word now. `progress`: how far the journals are read; `is_idle`: nobody wants anything of them."""
        workers = self.debts.workers(progress)
        first = {} if is_idle and not len(self.debts) else needed(workers)
        return ShadowProgress(
            first=first | self._earlier | {self._name: self._journal.segment},
            ignores=(readers.EVERYTHING,) if is_idle else IGNORES,
            workers=workers,
            owed=self.debts.rows(),
            day=self.budget.day,
            spent_usd=dict(self.budget.spent_usd),
            allowances=dict(self.budget.allowances),
            judges=judges,
        )

    def keep(self, kept: ShadowProgress) -> None:
        """Write our word down.

        Raises:
            OSError: the last one holds on.
        """
        readers.write(Path(self.boot.readers), NAME, kept)

    def own_word_is_out(self) -> None:
        """What an earlier shadow wrote need not be held any more."""
        self._earlier = {}

    def close(self) -> None:
        """Sync, and let go of the journal."""
        self._journal.close()
