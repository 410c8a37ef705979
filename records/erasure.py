"""Who is to be forgotten: what is recorded of them goes, and nothing more is recorded."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from records.comparison import Comparison, Observation
from records.record import Record, Vote

Kind = Literal["user", "key", "conversation", "exchange"]

_COLUMN: dict[Kind, str] = {"user": "user_id", "key": "key_id", "conversation": "conversation_id", "exchange": "id"}
FILE = "forgotten.json"
"""In the records' folder."""
MOST_IDS = 100_000


class Subject(msgspec.Struct, frozen=True):
    """One who is forgotten, named as the records name them."""

    kind: Kind
    value: str
    at: float
    """Unix seconds of the wish."""


class Forgotten(msgspec.Struct, frozen=True):
    """All who are; `records/forgotten.json`."""

    subjects: tuple[Subject, ...] = ()
    exchange_ids: tuple[str, ...] = ()
    """Of exchanges that were removed or not kept, the last of them: what is said of them is not kept either."""
    unfinished: tuple[Subject, ...] = ()
    """Those of whom something may still be recorded."""

    def wishing(self, subject: Subject) -> "Forgotten":
        """With one more, of whom something may still be recorded."""
        return msgspec.structs.replace(
            self, subjects=_with(self.subjects, subject), unfinished=_with(self.unfinished, subject)
        )

    def adding(self, exchange_ids: Iterable[str]) -> "Forgotten":
        """With more exchanges that are theirs."""
        known = dict.fromkeys((*self.exchange_ids, *exchange_ids))
        return msgspec.structs.replace(self, exchange_ids=tuple(known)[-MOST_IDS:])

    def finished(self) -> "Forgotten":
        """Once nothing is recorded of them any more."""
        return msgspec.structs.replace(self, unfinished=())

    def condition(self) -> tuple[str, list[object]]:
        """The SQL that holds for the exchanges covered, and its parameters."""
        parts = [f"{column} IN (SELECT unnest(?::VARCHAR[]))" for column in _COLUMN.values()]
        values: list[object] = [
            [subject.value for subject in self.subjects if subject.kind == kind] for kind in _COLUMN
        ]
        return f"({' OR '.join(parts)})", values


def _with(subjects: tuple[Subject, ...], subject: Subject) -> tuple[Subject, ...]:
    others = tuple(one for one in subjects if (one.kind, one.value) != (subject.kind, subject.value))
    return (*others, subject)


class Sieve:
    """Tells rows that must not be kept. Made once of what is forgotten, for many rows."""

    __slots__ = ("_ids", "_pairs")

    def __init__(self, forgotten: Forgotten) -> None:
        self._pairs = frozenset((subject.kind, subject.value) for subject in forgotten.subjects)
        self._ids = frozenset(forgotten.exchange_ids)

    def covers(self, row: Record | Vote | Comparison) -> bool:
        """Whether `row` must not be kept."""
        if not self._pairs:
            return False
        if isinstance(row, Comparison):
            return row.exchange_id in self._ids or ("exchange", row.exchange_id) in self._pairs
        if isinstance(row, Vote):
            named = {("key", row.key_id), ("exchange", row.exchange_id)}
            return row.exchange_id in self._ids or not named.isdisjoint(self._pairs)
        named = {
            ("user", row.user_id),
            ("key", row.key_id),
            ("conversation", row.conversation_id),
            ("exchange", row.id),
        }
        return not named.isdisjoint(self._pairs)

    def blanked(self, row: Observation) -> Observation:
        """The row, without what was counted of an exchange that must not be kept."""
        if not self._pairs or not row.event_json:
            return row
        whose = msgspec.json.decode(row.event_json, type=_Event).id.partition(":")[0]
        if whose not in self._ids and ("exchange", whose) not in self._pairs:
            return row
        return msgspec.structs.replace(row, event_json="")


class _Event(msgspec.Struct):
    id: str = ""


def encode(forgotten: Forgotten) -> bytes:
    """The file's bytes."""
    return msgspec.json.encode(forgotten)


def decode(data: bytes) -> Forgotten:
    """What the file says.

    Raises:
        msgspec.MsgspecError: it is damaged.
    """
    return msgspec.json.decode(data, type=Forgotten)
