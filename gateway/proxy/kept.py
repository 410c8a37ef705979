"""What an exchange keeps of a body: its bytes up to a limit, beyond it only its size and hash."""

import hashlib


class Kept:
    """A body as it passes. `limit`: most bytes to keep; 0 keeps none (binary bodies)."""

    __slots__ = ("_hash", "_limit", "_pieces", "pending", "size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._hash = hashlib.sha256() if limit == 0 else None
        self.size = 0
        self.pending = 0
        """Bytes kept and not yet taken."""

    def add(self, data: bytes) -> None:
        """More of the body."""
        self.size += len(data)
        if self._hash is not None:
            self._hash.update(data)
        if self.size <= self._limit:
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

    @property
    def sha256(self) -> str:
        """Hex; empty while all of the body is still at hand: whoever has the bytes can tell."""
        return self._hash.hexdigest() if self._hash is not None else ""
