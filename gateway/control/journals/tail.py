"""One worker's journal, followed: what its frames complete, and from where to read again after a crash.

A segment that has a later one beside it is final; so is the last one of a worker that is gone. What is then left of a
torn frame is damage. Exchanges that a dead worker left open end as `lost_worker`.
"""

from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from records.exchange import Exchange
from records.journal.frames import FrameKind, segment_path
from records.journal.reader import Assembler, Found, Frame, SegmentReader, is_alive, segments

YOUNG_S = 5.0
"""A directory that changed so recently may be of a worker that is just starting: looking whether it lives would take
its lock for a moment."""


class Position(msgspec.Struct, frozen=True, order=True, array_like=True):
    """A place in a worker's journal."""

    segment: int = 0
    offset: int = 0


class Progress(msgspec.Struct, frozen=True):
    """How far a worker's journal is recorded."""

    done: Position = Position()
    """What frames up to here completed is recorded."""
    safe: Position = Position()
    """The beginning of the oldest exchange still open, or `done`: where to read again after a crash."""
    ended: bool = False
    """Its worker is gone and everything is recorded: the directory may go."""


@dataclass(slots=True)
class Tail:
    """Follows one worker's directory."""

    directory: Path
    key: bytes
    start: Progress = field(default_factory=Progress)
    again: Set[str] = frozenset()
    """Ids of exchanges that are found again, although they were found before `start.done`."""
    damaged: int = 0
    """Frames or stretches that could not be read, since this was made."""
    caught_up: bool = False
    """Everything that was there was read."""
    ended: bool = False
    done: Position = field(init=False)
    """What frames up to here completed was found, now or before a crash."""
    _read_to: Position = field(init=False)
    """Behind `done` while it is read again what was open at a crash."""
    _assembler: Assembler = field(default_factory=Assembler, init=False)
    _opened_at: dict[str, Position] = field(default_factory=dict[str, Position], init=False)
    _reader: SegmentReader | None = field(default=None, init=False)
    _number: int = field(default=0, init=False)
    _counted: int = field(default=0, init=False)
    """Of the current reader's damage: already in `damaged`."""

    def __post_init__(self) -> None:
        self.done = self.start.done
        self._read_to = self.start.safe
        self.ended = self.start.ended

    @property
    def progress(self) -> Progress:
        """What may be written down once all that was found so far is recorded."""
        oldest = next(iter(self._opened_at.values()), self._read_to)
        return Progress(self.done, min(oldest, self._read_to), self.ended)

    @property
    def is_level(self) -> bool:
        """Whether everything before `start.done` that was to be read again was read."""
        return self._read_to >= self.start.done

    @property
    def oldest_open_at(self) -> dict[str, float]:
        """By route, when the oldest exchange arrived that has begun and not ended."""
        oldest: dict[str, float] = {}
        for one in self._assembler.opened.values():
            meta = one.exchange.meta
            oldest[meta.route] = min(meta.arrived_at, oldest.get(meta.route, meta.arrived_at))
        return oldest

    def poll(self, now: float, budget_bytes: int) -> list[Found]:
        """What is new, at most about `budget_bytes` of it. `now`: Unix seconds."""
        if self.ended:
            return []
        found = self._read(budget_bytes)
        if self.caught_up and not found and self._is_dead(now):
            found = self._read(budget_bytes)  # what it wrote between our last look and its death
            if self.caught_up:
                self._count_torn()
                found += self._assembler.lost_worker()
                self._opened_at.clear()
                self.ended = True
        return found

    def _is_dead(self, now: float) -> bool:
        try:
            changed_at = self.directory.stat().st_mtime
        except FileNotFoundError:
            return False  # not there yet, or no more: nothing to finish
        return now - changed_at > YOUNG_S and not is_alive(self.directory)

    def _read(self, budget_bytes: int) -> list[Found]:
        found: list[Found] = []
        self.caught_up = False
        while budget_bytes > 0 and not self.caught_up:
            later = [number for number in segments(self.directory) if number > self._number]
            if self._reader is not None:
                budget_bytes = self._drain(self._reader, budget_bytes, found)
            if budget_bytes <= 0:
                break
            # `later` was looked up before the segment was read to its end: all of it was written before the next began.
            self.caught_up = not later
            if later:
                self._open(later)
        return found

    def _open(self, later: list[int]) -> None:
        """Go on to the next segment: at first the one to read again from, or the oldest there is."""
        self._count_torn()
        first = self._reader is None
        self._number = min(
            (number for number in later if not first or number >= self.start.safe.segment), default=later[-1]
        )
        at = self.start.safe.offset if first and self._number == self.start.safe.segment else 0
        self._reader = SegmentReader(segment_path(self.directory, self._number), self.key, at)
        self._counted = 0

    def _drain(self, reader: SegmentReader, budget_bytes: int, found: list[Found]) -> int:
        """Read on in the current segment. Returns what is left of the budget."""
        try:
            for frame in reader.frames():
                budget_bytes -= len(frame.payload)
                self._take(frame, found)
                if budget_bytes <= 0:
                    break
        except (FileNotFoundError, PermissionError):
            self.damaged += 1  # somebody removed it, or put there what is not ours to read
        self.damaged += reader.damaged - self._counted
        self._counted = reader.damaged
        self._read_to = Position(self._number, reader.offset)
        self.done = max(self.done, self._read_to)
        return budget_bytes

    def _take(self, frame: Frame, found: list[Found]) -> None:
        open_before = len(self._assembler.opened)
        try:
            completed = self._assembler.feed(frame)
        except (msgspec.MsgspecError, ValueError):
            self.damaged += 1
            return
        if len(self._assembler.opened) > open_before:
            self._opened_at[next(reversed(self._assembler.opened))] = Position(self._number, frame.start)
        # Read again after a crash: what these frames completed is recorded, but for what is wanted again.
        is_new = Position(self._number, frame.end) > self.start.done
        for one in completed:
            if isinstance(one, Exchange) and frame.kind is FrameKind.CLOSE:
                self._opened_at.pop(one.meta.id, None)
            if is_new or (isinstance(one, Exchange) and one.meta.id in self.again):
                found.append(one)

    def _count_torn(self) -> None:
        """Note what is left behind the last whole frame of a segment that is final."""
        if self._reader is None:
            return
        try:
            self.damaged += self._reader.path.stat().st_size > self._reader.offset
        except FileNotFoundError:
            return
