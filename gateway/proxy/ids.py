"""Request ids: UUIDv7 whose last 40 bits are a keyed hash of the rest, so that an id can be told from a guess
without any state (feedback, architecture §6, 7).

Layout: 48 bits Unix milliseconds, version 7, 12 bits counter, variant, 22 bits of this process, 40 bits hash.
"""

import hashlib
import re
import secrets
from typing import Final

_TEXT: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII)
_TAG_BYTES: Final = 5


class Ids:
    """Makes and checks request ids."""

    def __init__(self, pepper: bytes) -> None:
        key = hashlib.blake2s(b"crossfade request id", key=pepper[:32]).digest()
        self._keyed = hashlib.blake2s(key=key, digest_size=_TAG_BYTES)
        self._process = (0b10 << 22) | secrets.randbits(22)
        self._last_ms = 0
        self._counter = 0

    def new(self, now: float) -> tuple[bytes, str]:
        """A new id, as 16 bytes and as text. `now`: Unix seconds. Rises within a process."""
        ms = max(int(now * 1000), self._last_ms)
        if ms != self._last_ms:
            self._counter = 0
        elif self._counter == 0xFFF:
            ms, self._counter = ms + 1, 0
        else:
            self._counter += 1
        self._last_ms = ms
        head = (((ms << 16) | 0x7000 | self._counter) << 24 | self._process).to_bytes(11, "big")
        keyed = self._keyed.copy()  # cheaper than to begin with the key each time
        keyed.update(head)
        whole = head + keyed.digest()
        text = whole.hex()
        return whole, f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def is_ours(self, text: str) -> bool:
        """Whether `text` is an id made under this pepper."""
        if not _TEXT.fullmatch(text):
            return False
        whole = bytes.fromhex(text.replace("-", ""))
        keyed = self._keyed.copy()
        keyed.update(whole[:11])
        return secrets.compare_digest(keyed.digest(), whole[11:])
