"""Records on a server that others may write to: each is sealed for its place, so that none is made or moved by others.

A sealed record is `cf1 `, the HMAC of place and content as hex, a space, and the content. An older record in its own
place is a true one: whoever knows a newer notices by its version (`gateway.control.state.witness`).
"""

import hashlib
import hmac
import re
from dataclasses import dataclass, field

FORMAT = b"cf1 "
_DIGITS = 64
_ANY_FORMAT = re.compile(rb"cf([1-9][0-9]{0,3}) ")


class ForgedError(Exception):
    """A record that was not sealed with our key, or not for this place."""


class NewerError(Exception):
    """A record of a format that this version does not know."""


@dataclass(slots=True)
class RecordSeal:
    """Seals and opens records under one key, and counts what it refuses."""

    key: bytes = field(repr=False)
    refused: int = field(default=0, init=False)

    def close(self, place: str, content: bytes) -> bytes:
        """The record for `place`."""
        return b"%s%s %s" % (FORMAT, self._digest(place, content), content)

    def open(self, place: str, record: bytes) -> bytes:
        """The content of the record at `place`.

        Raises:
            ForgedError: it is not ours; counted.
            NewerError: a newer version made it.
        """
        head, content = record[: len(FORMAT) + _DIGITS + 1], record[len(FORMAT) + _DIGITS + 1 :]
        if _ANY_FORMAT.match(head) and not head.startswith(FORMAT):
            raise NewerError(f"{place} is of a format that this version does not know. hint: run the newer version")
        expected = b"%s%s " % (FORMAT, self._digest(place, content))
        if not hmac.compare_digest(head, expected):
            self.refused += 1
            raise ForgedError(
                f"{place} is not sealed with this node's key. hint: is state_key_file the same on every node? If it "
                "is, somebody else writes there"
            )
        return content

    def _digest(self, place: str, content: bytes) -> bytes:
        name = place.encode()
        sealed = b"crossfade state %d %s%s" % (len(name), name, content)
        return hmac.new(self.key, sealed, hashlib.sha256).hexdigest().encode()
