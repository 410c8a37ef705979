"""Server-sent events out of bytes, however these are cut.

    decoder = Decoder()
    for chunk in chunks:
        for event in decoder.feed(chunk): ...
    for event in decoder.finish(): ...

Source: WHATWG HTML, 9.2.6 "Interpreting an event stream"; `id` and `retry` mean nothing to the APIs we read.
"""

from typing import Final

from records.wire.event import StreamEvent

MAX_EVENT_BYTES: Final = 16 * 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"


class Decoder:
    """Decodes one stream. Time is linear in the bytes, memory bounded by `max_event_bytes`."""

    __slots__ = ("_data", "_held", "_limit", "_name", "_pieces", "_skip_line_feed", "_started", "overflowed")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.overflowed = False
        """An event was longer than allowed: neither it nor anything after it is given."""
        self._limit = max_event_bytes
        self._pieces: list[bytes] = []
        """The line that has not ended yet, as it came."""
        self._held = 0
        """Bytes in `_pieces` and `_data`."""
        self._data: list[bytes] = []
        self._name = ""
        self._skip_line_feed = False
        self._started = False

    def feed(self, data: bytes) -> list[StreamEvent]:
        """The events that `data` completes."""
        if self._skip_line_feed and data:
            # The CR before this was taken as a line's end; the LF of a CRLF cut in two belongs to it.
            self._skip_line_feed = False
            data = data.removeprefix(b"\n")
        if b"\r" in data:
            self._skip_line_feed = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if self.overflowed:
            return []
        *lines, rest = data.split(b"\n")
        events: list[StreamEvent] = []
        if lines:
            if self._pieces:
                lines[0] = self._ended_line(lines[0])
            for line in lines:
                self._take(line, events)
        if rest:
            self._pieces.append(rest)
            self._held += len(rest)
        if self._held > self._limit:
            self._overflow()
        return events

    def finish(self) -> list[StreamEvent]:
        """The last event, if the stream ended without the blank line that ends it."""
        events: list[StreamEvent] = []
        if self._pieces:
            self._take(self._ended_line(b""), events)
        self._take(b"", events)
        return events

    def _ended_line(self, end: bytes) -> bytes:
        """The line whose beginning is held and whose end is `end`."""
        self._pieces.append(end)
        line = b"".join(self._pieces)
        self._held -= len(line) - len(end)
        self._pieces.clear()
        return line

    def _take(self, line: bytes, events: list[StreamEvent]) -> None:
        if not self._started:
            self._started = True
            line = line.removeprefix(_BOM)
        if line.startswith(b"data:"):
            self._add(line[6:] if line[5:6] == b" " else line[5:])
        elif not line:
            if self._data and not self.overflowed:
                events.append(
                    StreamEvent(self._name, self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                )
            self._data.clear()
            self._name = ""
            self._held = 0
        elif line.startswith(b"event:"):
            self._name = line[6:].removeprefix(b" ").decode("utf-8", "replace")
        elif line == b"data":
            self._add(b"")

    def _add(self, value: bytes) -> None:
        self._held += len(value) + 1
        if self._held > self._limit:
            self._overflow()
        else:
            self._data.append(value)

    def _overflow(self) -> None:
        self.overflowed = True
        self._pieces.clear()
        self._data.clear()
        self._held = 0
