"""Whether a stream says that it is over: an app may take its bytes for the whole answer from then on."""

from typing import Final

_DONE: Final = b"[DONE]"
_RESPONSE: Final = b'"response.'
"""What all of the ends below begin with: an event without it needs no further look."""
_RESPONSE_ENDS: Final = (b'"response.completed"', b'"response.failed"', b'"response.incomplete"')
_LONGEST_END: Final = max(map(len, _RESPONSE_ENDS))


class StreamEnd:
    """Looks for the event that ends a stream, however it is cut. It says yes rather too often than too late."""

    __slots__ = ("_over", "_tail")

    def __init__(self) -> None:
        self._tail = b""
        """What came last of an event that is not whole."""
        self._over = False

    def has_begun(self, data: bytes) -> bool:
        """Whether that event has begun to come, `data` being the last of the stream so far."""
        seen = self._tail + data if self._tail else data
        self._tail = b"" if data.endswith(b"\n") else seen[-_LONGEST_END:]
        if not self._over:
            find = seen.find
            self._over = find(_DONE) >= 0 or (find(_RESPONSE) >= 0 and any(find(end) >= 0 for end in _RESPONSE_ENDS))
        return self._over
