"""A request's body while it comes: gathered until it is whole, or until it is no conversation."""

from typing import Final

LOOKED_AT_BYTES: Final = 1024 * 1024
MOST_COMMAS: Final = 200_000
"""A body longer than the one that has more than the other is no conversation: it is not gathered, nor looked into.
Reading it would cost the loop its turn; this costs as much as a search of the bytes that came."""


class GatheredBody:
    """The pieces of a body that somebody is to get."""

    __slots__ = ("_commas", "_pieces", "size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._commas = 0
        self.size = 0

    def add(self, data: bytes) -> None:
        """Keep a piece."""
        self._pieces.append(data)
        self.size += len(data)

    def take(self) -> bytes:
        """All of it; nothing is left."""
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.size = 0
        return body

    def is_too_much(self, last: bytes, *, most_bytes: int) -> bool:
        """Whether it is too long to be read, or has more parts than any has; `last` is its last piece so far."""
        if self.size > most_bytes:
            return True
        if self.size <= LOOKED_AT_BYTES:
            return False
        came = self._pieces if self.size - len(last) <= LOOKED_AT_BYTES else (last,)
        self._commas += sum(piece.count(b",") for piece in came)
        return self._commas > MOST_COMMAS
