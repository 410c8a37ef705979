"""The control plane's end of the journal: frames out of segments, and exchanges out of frames.

A position is (worker directory, segment number, byte offset). Reading changes nothing on disk; what was read may be
read again from any earlier position.
"""

import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag

from records.exchange import Exchange, FeedbackFrame, Gap, Meta, Note, Outcome
from records.journal.frames import (
    FRAME_HEADER_BYTES,
    FRAME_MAGIC,
    LENGTHS,
    SEGMENT_HEADER_BYTES,
    FrameKind,
    NotASegmentError,
    SegmentSeal,
    read_frame_header,
    read_segment_header,
    segment_number,
)

READ_BYTES = 4 * 1024 * 1024
LAST_BYTES = 4096
"""Of a stream's last event: where it says which it is."""
_LAST = re.compile(rb"(?:^|[\r\n])(?:data: ?\[DONE\][\r\n]|event: ?response\.(?:completed|failed|incomplete)[\r\n])")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, opened."""

    kind: FrameKind
    payload: bytes
    start: int
    """Its first byte in the segment."""
    end: int
    """The first byte after it: where reading goes on."""


@dataclass(slots=True)
class SegmentReader:
    """Reads the frames of one segment from an offset on, in bounded memory."""

    path: Path
    key: bytes
    offset: int = 0
    """Where the next frame begins; 0: at the segment's first frame."""
    damaged: int = 0
    """Frames or stretches that could not be read and were passed over."""
    _seal: SegmentSeal | None = field(default=None, repr=False)

    def frames(self) -> Iterator[Frame]:
        """The whole frames there are now; a later call goes on behind them.

        What is torn at the end is not an error and not passed over: it may still be growing.
        """
        with self.path.open("rb") as file:
            if self._seal is None:
                header = file.read(SEGMENT_HEADER_BYTES)
                if len(header) < SEGMENT_HEADER_BYTES:
                    return  # just being begun: what it has grown to meanwhile is for the next look
                try:
                    _, salt = read_segment_header(header)
                except NotASegmentError:
                    self._skip_all(file.seek(0, os.SEEK_END))
                    return
                self._seal = SegmentSeal(self.key, salt)
            self.offset = max(self.offset, SEGMENT_HEADER_BYTES)
            yield from self._from(file.fileno(), self._seal)

    def _skip_all(self, size: int) -> None:
        """Pass over a file that is no segment."""
        self.damaged += self.offset == 0
        self.offset = size

    def _from(self, fd: int, seal: SegmentSeal) -> Iterator[Frame]:
        while True:
            header = os.pread(fd, FRAME_HEADER_BYTES, self.offset)
            if len(header) < FRAME_HEADER_BYTES:
                return
            found = read_frame_header(header)
            if found is None:
                if not self._resync(fd):
                    return
                continue
            kind, length, index = found
            start, end = self.offset, self.offset + FRAME_HEADER_BYTES + length
            sealed = os.pread(fd, length, start + FRAME_HEADER_BYTES)
            if len(sealed) < length:
                return
            self.offset = end
            try:
                yield Frame(FrameKind(kind), seal.open(header, index, sealed), start, end)
            except (InvalidTag, ValueError):
                self.damaged += 1

    def _resync(self, fd: int) -> bool:
        """Move to the next thing that looks like a frame's header; False if there is none yet."""
        at = self.offset + 1
        while True:
            block = os.pread(fd, READ_BYTES, at)
            if len(block) < FRAME_HEADER_BYTES:
                return False
            place = block.find(FRAME_MAGIC)
            while 0 <= place <= len(block) - FRAME_HEADER_BYTES:
                if read_frame_header(block[place : place + FRAME_HEADER_BYTES]) is not None:
                    self.damaged += 1
                    self.offset = at + place
                    return True
                place = block.find(FRAME_MAGIC, place + 1)
            at += len(block) - FRAME_HEADER_BYTES + 1


Found = Exchange | FeedbackFrame | Gap | Note

_ALONE: dict[FrameKind, type[FeedbackFrame | Gap | Note]] = {
    FrameKind.FEEDBACK: FeedbackFrame,
    FrameKind.GAP: Gap,
    FrameKind.NOTE: Note,
}
"""Frames that say all there is to say."""


@dataclass(slots=True)
class Assembler:
    """Exchanges out of the frames of one worker, in order.

    `opened` holds exchanges that have begun and not ended; `lost_worker()` ends them when their worker is gone.
    """

    opened: dict[str, "Opened"] = field(default_factory=dict[str, "Opened"])

    def feed(self, frame: Frame) -> Sequence[Found]:
        """What this frame completes.

        Raises:
            msgspec.MsgspecError: sealed by us and yet not what we write: another version's frame.
        """
        if frame.kind in _ALONE:
            return (msgspec.msgpack.decode(frame.payload, type=_ALONE[frame.kind]),)
        if frame.kind is FrameKind.WHOLE:
            return list(_exchanges(frame.payload))
        if frame.kind is FrameKind.PART:
            begun = self.opened.get(_uuid_text(frame.payload[:16]))
            if begun is not None:
                begun.parts.append(frame.payload[16:])
            return ()
        exchange = next(_exchanges(frame.payload))
        if frame.kind is FrameKind.OPEN:
            self._open(exchange, frame.start)
            return ()
        return (self._close(exchange),)

    def _open(self, exchange: Exchange, start: int) -> None:
        begun = self.opened.get(exchange.meta.id)
        if begun is None:
            self.opened[exchange.meta.id] = Opened(exchange, [exchange.response_body], start)
        else:  # it has come further
            begun.exchange = Exchange(exchange.meta, begun.exchange.request_body, b"")
            begun.parts.append(exchange.response_body)

    def _close(self, exchange: Exchange) -> Exchange:
        begun = self.opened.pop(exchange.meta.id, None)
        if begun is None:
            # Its beginning was damaged or removed; that it happened, and how, is still known.
            return Exchange(exchange.meta, b"", b"")
        answer = b"".join((*begun.parts, exchange.response_body))
        if len(answer) != exchange.meta.response_bytes:
            answer = b""  # a part was left out or lost: a body with a hole is no body
        return Exchange(exchange.meta, begun.exchange.request_body, answer)

    def lost_worker(self) -> Iterator[Exchange]:
        """The open exchanges of a worker that is gone, as far as they came.

        A streamed answer whose end had gone to the app is complete: what was lost is the frame that says so.
        """
        for begun in self.opened.values():
            answer, meta = b"".join(begun.parts), begun.exchange.meta
            outcome: Outcome = "complete" if _has_ended(answer) else "lost_worker"
            meta = msgspec.structs.replace(meta, outcome=outcome, response_bytes=len(answer))
            yield Exchange(meta, begun.exchange.request_body, answer)
        self.opened.clear()


@dataclass(slots=True)
class Opened:
    """An exchange whose end is still to come."""

    exchange: Exchange
    parts: list[bytes]
    start: int
    """Offset of its OPEN frame: a reader that restarts must not begin behind it."""


def _has_ended(answer: bytes) -> bool:
    """Whether `answer` is an event stream whose last event is one that ends it."""
    blank = next((end for end in (b"\r\n\r\n", b"\n\n", b"\r\r") if answer.endswith(end)), None)
    if blank is None:
        return False
    start = answer.rfind(blank, 0, len(answer) - len(blank)) + 1
    return _LAST.search(answer, max(start, 1) - 1, start + LAST_BYTES) is not None


def _exchanges(payload: bytes) -> Iterator[Exchange]:
    at = 0
    while at < len(payload):
        meta_len, request_len, response_len = LENGTHS.unpack_from(payload, at)
        asked = at + LENGTHS.size + meta_len
        answered = asked + request_len
        meta = msgspec.msgpack.decode(payload[at + LENGTHS.size : asked], type=Meta)
        at = answered + response_len
        yield Exchange(meta, payload[asked:answered], payload[answered:at])


def _uuid_text(data: bytes) -> str:
    text = data.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def workers(journal: Path) -> list[Path]:
    """The worker directories there are."""
    return sorted(path for path in journal.iterdir() if path.is_dir()) if journal.is_dir() else []


def segments(worker: Path) -> list[int]:
    """The numbers of a worker's segments, in order. What else lies in its directory is nobody's business here."""
    try:
        with os.scandir(worker) as entries:
            names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    return sorted(number for number in map(segment_number, names) if number is not None)


def is_alive(worker: Path) -> bool:
    """Whether a writer still holds the directory; if not, its last segment is final."""
    try:
        fd = os.open(worker / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except PermissionError:
        return True  # not of our making: it is left alone
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False
