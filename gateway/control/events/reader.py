"""The controller's reading: journals in, events out, one commit per step; what a crash undoes is read again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from gateway.control.events.join import Join, NodeEvent, Ready, watermark
from gateway.control.events.labelled_pairs import LabelledPairs
from gateway.control.events.outbox import Outbox
from gateway.control.journals import cursors as readers
from gateway.control.journals.follower import Journals
from policies.candidates import route_of
from records.comparison import Comparison
from records.exchange import Exchange, Note
from records.journal.reader import Found
from shadow.asker import NOBODY, asked_by

BYTES = 2 * 1024 * 1024
"""Of frames, read in one step: keys and policies wait for it, so it takes no longer than a part of a second."""
MARK_S = 1.0
"""How often each route's leader is told how far the node has read."""
POSITION_S = 5.0
"""How often progress is kept where nothing came of it."""
OWN = "controller-"
"""Begins the names of the controllers' own journals: nothing in them is for us."""


@dataclass(slots=True)
class EventReader:
    """One step at a time."""

    outbox: Outbox
    journal: Path
    key: bytes
    readers: Path
    """The directory where the recorder learns what we still need."""
    journals: Journals = field(init=False)
    intake: Join = field(init=False)
    is_open: bool = field(default=False, init=False)
    has_begun: bool = field(default=False, init=False)
    busy: bool = field(default=False, init=False)
    """Whether there may be more to read at once."""
    lag_s: float = field(default=0.0, init=False)
    _marked_at: float = field(default=0.0, init=False)
    _kept_at: float = field(default=0.0, init=False)
    _said: dict[str, int] = field(default_factory=dict[str, int], init=False)
    _labelled: LabelledPairs = field(init=False)

    def begin(self, host: str) -> None:
        """Take up where the last commit stopped.

        Raises:
            sqlite3.Error: the state cannot be used.
        """
        self.outbox.load(host)
        self.journals = Journals(self.journal, self.key, self.outbox.progress, follows=_is_followed)
        self.intake = Join(self.outbox.served, dict(self.outbox.waiting))
        self._labelled = LabelledPairs(self.outbox.state)
        self.is_open = self.has_begun = True

    @property
    def discarded(self) -> Mapping[tuple[str, str], int]:
        """What says nothing of any candidate, by what it is; nothing yet where the state could not be used so far."""
        return self.intake.discarded if self.has_begun else {}

    def step(self, routes: Iterable[str], now: float) -> None:
        """Read what is new, and keep what came of it. `routes`: those in force, whose leader is told of.

        Raises:
            sqlite3.Error: nothing of it is kept: `begin` again.
            OSError: the journals cannot be read now.
        """
        self.busy = False
        if self.outbox.is_full:
            return
        self._labelled.look()  # first: what was polled and not kept would be lost
        found = self.journals.poll(now, BYTES)
        self.lag_s = self.journals.lag_s(now)
        ready = list(self._ready(found, now))
        told = [
            (key.route, NodeEvent(None, self.lag_s, key, service=part)) for key, part in self.intake.take_service()
        ]  # first: whoever looks at what follows knows whether the candidate serves
        told += [(key.route, NodeEvent(None, self.lag_s, key, event)) for key, event in ready]
        if not 0 <= now - self._marked_at < MARK_S:
            self._marked_at = now
            told += self._marks(routes, now)
        changes, progress = self.intake.take_changes(), self.journals.progress()
        is_late = progress != self.outbox.progress and not 0 <= now - self._kept_at < POSITION_S
        if not (told or changes[0] or changes[1] or is_late):
            return
        self.is_open = False
        self.outbox.commit(progress, changes, told)
        self.is_open, self._kept_at, self.busy = True, now, bool(found)
        self._say()

    def _marks(self, routes: Iterable[str], now: float) -> Iterable[tuple[str, NodeEvent]]:
        """How far each route is told of, and what people say of its pairs."""
        oldest, open_at = self.intake.oldest_at(), self.journals.oldest_open_at()
        for route in routes:
            key = self.intake.speaks_to(route)
            beside = (at for each, at in oldest.items() if key is not None and each.is_beside(key))
            at = watermark(now, self.lag_s, (min(beside, default=None), open_at.get(route_of(route))))
            yield route, NodeEvent(at, self.lag_s, labels=None if key is None else self._labelled.of(key))

    def _ready(self, found: Iterable[Found], now: float) -> Iterable[Ready]:
        for one in found:
            match one:
                case Exchange():
                    asker = asked_by(one, self.intake.sliced_by(one.meta)) if one.meta.route else NOBODY
                    yield from self.intake.exchange(one.meta, now, asker)
                case Note(table="comparisons"):
                    row = _comparison(one.row)
                    if row is not None:
                        yield from self.intake.comparison(row, now)
                case _:
                    pass
        yield from self.intake.overdue(now)

    def _say(self) -> None:
        """Tell the recorder what we need no longer.

        Raises:
            OSError: it keeps everything until we can.
        """
        first = {name: progress.safe.segment for name, progress in self.outbox.progress.items()}
        if first != self._said:
            readers.write(self.readers, "controller", readers.Reader(first, (OWN,)))
            self._said = first


def _is_followed(worker: str) -> bool:
    return not worker.startswith(OWN)


def _comparison(row: bytes) -> Comparison | None:
    try:
        return msgspec.msgpack.decode(row, type=Comparison)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None  # the recorder counts it
