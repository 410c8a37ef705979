"""Who is to be forgotten: what is recorded of them goes, and nothing more is recorded."""

from typing import Literal

import msgspec

from records.comparison import Comparison
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
    """Of exchanges that were removed, the last of them: feedback on them is not kept either."""

    def adding(self, subject: Subject, exchange_ids: list[str]) -> "Forgotten":
        """With one more."""
        subjects = tuple(one for one in self.subjects if (one.kind, one.value) != (subject.kind, subject.value))
        ids = (*self.exchange_ids, *exchange_ids)[-MOST_IDS:]
        return Forgotten((*subjects, subject), ids)

    def condition(self) -> tuple[str, list[object]]:
        """The SQL that holds for the exchanges covered, and its parameters."""
        parts = [f"{column} IN (SELECT unnest(?::VARCHAR[]))" for column in _COLUMN.values()]
        values: list[object] = [
            [subject.value for subject in self.subjects if subject.kind == kind] for kind in _COLUMN
        ]
        return f"({' OR '.join(parts)})", values


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


def encode(forgotten: Forgotten) -> bytes:
    """The file's bytes."""
    return msgspec.json.encode(forgotten)


def decode(data: bytes) -> Forgotten:
    """What the file says.

    Raises:
        msgspec.MsgspecError: it is damaged.
    """
    return msgspec.json.decode(data, type=Forgotten)
