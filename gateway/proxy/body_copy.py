"""What an exchange keeps of a body: its bytes up to a limit, beyond it only its size and hash."""

import hashlib
from typing import Protocol


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class BodyCopy:
    """A body as it passes. `limit`: most bytes to keep; 0 keeps none (binary bodies)."""

    __slots__ = ("_hash", "_pieces", "limit", "pending", "size")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self.pending = 0
        """Bytes kept and not yet taken."""
        self._pieces: list[bytes] = []
        self._hash: _Hash | None = None

    def add(self, data: bytes) -> None:
        """More of the body."""
        self.size += len(data)
        if self._hash is not None:
            self._hash.update(data)
        if self.size <= self.limit:
            self._pieces.append(data)
            self.pending += len(data)
            return
        if self._hash is None:
            self._hash = hashlib.sha256(b"".join(self._pieces))
            self._hash.update(data)
        self._pieces.clear()
        self.pending = 0

    def take(self) -> bytes:
        """The bytes kept since the last call, as the last of the body."""
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.pending = 0
        return data

    def take_part(self) -> bytes:
        """The bytes kept since the last call, with more of the body to come."""
        if self._hash is None:
            self._hash = hashlib.sha256(b"".join(self._pieces))
        return self.take()

    def sha256(self) -> str:
        """Hex; empty while all of the body is still at hand: whoever has the bytes can tell."""
        if self._hash is not None:
            return self._hash.hexdigest()
        return "" if self.limit else hashlib.sha256().hexdigest()
