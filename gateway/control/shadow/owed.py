"""What was drawn and is not yet written down: kept in the file that also holds the journals' segments.

After a restart what is owed is found again in the journal and asked again; what is not found is written as lost. What
was written after the file's last change is seen in the shadow's own journal, which is held as long: so that there is
one comparison of each, and never two.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from gateway.control.journals import cursors as readers
from gateway.control.journals.tail import Position, Progress
from gateway.control.shadow.comparers import Licence
from records.comparison import Asked, Came, Comparison
from records.exchange import Note
from records.journal.frames import FrameKind, segment_path
from records.journal.reader import Assembler, SegmentReader, segments
from records.trace_context import traceparent_of
from records.wire.assemble import surface_of
from shadow.lanes import Allowance, CallKey, Drawn
from shadow.mirror import path_of, probability

NAME = "shadow"
PREFIX = f"{NAME}-"
"""Begins the names of its journals."""
IGNORES = (PREFIX, "controller-")
"""Journals of the control plane: nobody's exchanges."""


class Owed(msgspec.Struct, frozen=True, array_like=True):
    """One background call, as far as its row must be known even if its exchange is gone."""

    worker: str
    """Whose journal the exchange stands in."""
    exchange_id: str
    asked: Asked
    route: str
    unit: str
    candidate_key: str
    p_mirror: float
    traceparent: str = ""
    endpoint: str = ""

    @property
    def key(self) -> CallKey:
        """There is one comparison of each."""
        return self.exchange_id, self.asked, self.route

    def row(self, came: Came, reason: str, *, at: float) -> Comparison:
        """The row that says what became of it. `at`: Unix seconds."""
        return Comparison(
            exchange_id=self.exchange_id,
            asked=self.asked,
            route=self.route,
            unit=self.unit,
            candidate_key=self.candidate_key,
            compared_us=int(at * 1_000_000),
            p_mirror=self.p_mirror,
            came=came,
            reason=reason,
            traceparent=self.traceparent,
            endpoint=self.endpoint,
        )


class ShadowProgress(readers.Reader, frozen=True):
    """`readers/shadow.json`: how far the journals are read, and what is owed of that."""

    workers: dict[str, Progress] = msgspec.field(default_factory=dict[str, Progress])
    owed: tuple[Owed, ...] = ()
    day: int = 0
    """Days since 1970 (UTC) of what is spent."""
    spent_usd: dict[str, float] = msgspec.field(default_factory=dict[str, float])
    """By route."""
    allowances: dict[str, Allowance] = msgspec.field(default_factory=dict[str, Allowance])
    """By route."""
    judges: dict[str, Licence] = msgspec.field(default_factory=dict[str, Licence])
    """By route."""


def load(folder: Path) -> ShadowProgress | None:
    """What an earlier shadow kept; None: nothing that can be read."""
    try:
        return msgspec.json.decode(readers.path_of(folder, NAME).read_bytes(), type=ShadowProgress)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


class Debts:
    """What is owed, and from where the journals would have to be read again to find it."""

    def __init__(self, earlier: Mapping[CallKey, Owed]) -> None:
        self.earlier = dict(earlier)
        """Of before a restart, and not yet found again."""
        self._owed: dict[CallKey, tuple[Owed, Position]] = {}

    def __len__(self) -> int:
        return len(self._owed)

    def add(self, drawn: Drawn, since: Position) -> None:
        """Owe it. `since`: reading its worker's journal from there on finds its exchange."""
        meta, route = drawn.exchange.meta, drawn.route
        self.earlier.pop(drawn.key, None)
        owed = Owed(
            meta.worker, meta.id, drawn.asked, route.route, meta.unit, route.candidate_key, probability(drawn),
            traceparent_of(meta.request_headers), surface_of(path_of(drawn)),
        )  # fmt: skip
        self._owed[drawn.key] = owed, since

    def settle(self, key: CallKey) -> None:
        """Remove a call whose row is written."""
        self._owed.pop(key, None)
        self.earlier.pop(key, None)

    def rows(self) -> tuple[Owed, ...]:
        """All owed calls."""
        return (*self.earlier.values(), *(owed for owed, _ in self._owed.values()))

    def workers(self, progress: Mapping[str, Progress]) -> dict[str, Progress]:
        """How far the journals are read, if what is owed shall be found again."""
        since: dict[str, Position] = {}
        for owed, position in self._owed.values():
            since[owed.worker] = min(position, since.get(owed.worker, position))
        return {
            name: Progress(found.done, min(found.safe, since[name])) if name in since else found
            for name, found in progress.items()
        }


def needed(workers: Mapping[str, Progress]) -> dict[str, int]:
    """By worker, the first segment that must stay."""
    return {name: found.done.segment + 1 if found.ended else found.safe.segment for name, found in workers.items()}


def written(journal: Path, key: bytes, first: Mapping[str, int]) -> set[CallKey]:
    """What stands in the shadow's own journals, from the segments `first` on."""
    return {
        (row.exchange_id, row.asked, row.route)
        for directory in sorted(journal.glob(f"{PREFIX}*"))
        for number in segments(directory)
        if number >= first.get(directory.name, 0)
        for row in _rows(SegmentReader(segment_path(directory, number), key))
    }


def _rows(reader: SegmentReader) -> Iterator[Comparison]:
    assembler = Assembler()
    try:
        for frame in reader.frames():
            for note in assembler.feed(frame) if frame.kind is FrameKind.NOTE else ():
                if isinstance(note, Note) and note.table == "comparisons":
                    yield msgspec.msgpack.decode(note.row, type=Comparison)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return  # it was removed: what stood in it is recorded
