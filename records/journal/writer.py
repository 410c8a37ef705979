"""The worker's end of the journal: append, group commit, and losses that are counted instead of raised.

Longer than a file should be: what is buffered, synced, rotated and lost is one account, under one lock.
"""

import errno
import fcntl
import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from records.exchange import FeedbackFrame, Gap, Meta, Note
from records.journal.disk import cool, write_all
from records.journal.frames import (
    LENGTHS,
    MAX_PAYLOAD_BYTES,
    SALT_BYTES,
    SEGMENT_HEADER_BYTES,
    FrameKind,
    SegmentSeal,
    encode_meta,
    segment_header,
    segment_number,
    segment_path,
)

SYNC_INTERVAL_S: Final = 0.02
RETRY_S: Final = 1.0
"""How long a writer that met a full or failing disk waits before it tries again."""
COMMIT_BYTES: Final = 1024 * 1024
"""Bodies that may gather for one frame, unless they are one exchange's."""
MOST_BODY_BYTES: Final = MAX_PAYLOAD_BYTES - 4 * 1024 * 1024
"""Bodies that are longer together are left out of their exchange's frame: what is left is for its row."""
LATE: Final = 1024
"""Most ends of open exchanges that wait for a disk that takes them."""


@dataclass(slots=True)
class Losses:
    """What did not get into the journal since the writer was made; it only grows."""

    exchanges: int = 0
    bodies: int = 0
    feedback: int = 0
    notes: int = 0
    last_reason: str = ""


class JournalWriter:
    """Appends the exchanges of one worker. Not thread-safe: it belongs to the worker's loop.

    No method raises for what a disk may do; each returns whether the frame is kept.
    """

    def __init__(
        self, directory: Path, key: bytes, *, now: Callable[[], float], segment_bytes: int = 64 * 1024 * 1024
    ) -> None:
        self.losses = Losses()
        self.bodies = True
        """False: over the disk budget; exchanges are kept without their bodies."""
        self.frames = True
        """False: far over the disk budget; nothing is kept."""
        self.sync_errors = 0
        """Times the disk refused to make durable what it had taken; what a power failure then takes is not known."""
        self._directory = directory
        self._key = key
        self._now = now
        self._segment_bytes = segment_bytes
        self._lock = -1
        self._fd = -1
        self._number = self._size = self._index = 0
        self._seal: SegmentSeal
        self._retry_at = 0.0
        self._wholes: list[bytes] = []
        """Finished exchanges that gather for one frame, four pieces each."""
        self._wholes_bytes = 0
        self._bodiless = 0
        """How many of them were to have bodies."""
        self._gap_exchanges = self._gap_bodies = 0
        self._gap_reason = self._bodiless_reason = ""
        self._unopened: set[bytes] = set()
        """Ids of exchanges under way whose beginning is lost, and counted."""
        self._holed: set[bytes] = set()
        """Ids of open exchanges whose answer lacks a part."""
        self._late: deque[bytes] = deque()
        """Ends of open exchanges, without bodies, that the disk has not taken yet."""
        self._created_at = 0.0
        self._retired: deque[tuple[int, int]] = deque()
        """Segments that are ended, by number and descriptor."""
        self._fresh = 0
        """Exchanges written since it was last looked whether the segment is there."""
        self._unsynced = False
        """Something is written that the syncer has not been told of."""
        self._dirty = threading.Event()
        self._closing = threading.Event()
        self._syncer = threading.Thread(target=self._sync_forever, name="journal-sync", daemon=True)
        self._syncer.start()

    @property
    def segment(self) -> int:
        """The segment that was written to last; what is written from now on stands there or later. 0: none yet."""
        return self._number

    # The frames ---------------------------------------------------------------------------------------------------

    def whole(self, meta: Meta, request_body: bytes, response_body: bytes) -> None:
        """Keep a finished exchange, from the next `write` or `commit` on: several cost little more than one."""
        size = len(request_body) + len(response_body)
        if size and (not self.bodies or size > MOST_BODY_BYTES):
            self._bodiless += 1
            self._bodiless_reason = "too_large" if self.bodies else "over_budget"
            request_body = response_body = b""
            size = 0
        if self._wholes_bytes + size > COMMIT_BYTES:
            self.commit()
        self._wholes += _pieces(encode_meta(meta), request_body, response_body)
        self._wholes_bytes += size

    def commit(self) -> bool:
        """Write the finished exchanges that have gathered, and sync them soon; False: they are lost."""
        kept = self.write()
        self.sync_soon()
        return kept

    def write(self) -> bool:
        """Write the finished exchanges that have gathered; False: they are lost. `sync_soon` is for the caller."""
        if not self._wholes:
            return True
        wholes, self._wholes, self._wholes_bytes = self._wholes, [], 0
        bodiless, self._bodiless = self._bodiless, 0
        kept = self._append(FrameKind.WHOLE, b"".join(wholes))
        if not kept:
            self._lose(exchanges=len(wholes) // 4)
        else:
            self._fresh += len(wholes) // 4
        if kept and bodiless:
            self._gap_reason = self._bodiless_reason
            self._lose(bodies=bodiless)
        return kept

    def open(self, meta: Meta, request_body: bytes, response_body: bytes) -> bool:
        """Keep an exchange under way, with what its answer is so far."""
        kept = self._exchange(FrameKind.OPEN, meta, request_body, response_body)
        if not kept:
            self._unopened.add(_id_bytes(meta))
        return kept

    def part(self, id_bytes: bytes, response_body: bytes) -> bool:
        """Keep more of the answer of an open exchange."""
        if id_bytes in self._unopened:
            return False
        kept = self.bodies and self._append(FrameKind.PART, id_bytes + response_body)
        if not kept:
            self._holed.add(id_bytes)
        return kept

    def close_exchange(self, meta: Meta, response_body: bytes) -> bool:
        """Keep the end of an open exchange; one that the disk does not take now follows when it does."""
        id_bytes = _id_bytes(meta)
        if id_bytes in self._unopened:
            self._unopened.remove(id_bytes)
            return False
        holed = id_bytes in self._holed
        self._holed.discard(id_bytes)
        return self._exchange(FrameKind.CLOSE, meta, b"", response_body, holed=holed)

    def feedback(self, feedback: FeedbackFrame) -> bool:
        """Keep what was said of an earlier answer."""
        kept = self._append(FrameKind.FEEDBACK, encode_meta(feedback))
        self.losses.feedback += not kept
        return kept

    def note(self, note: Note) -> bool:
        """Keep a row of the control plane's."""
        kept = self._append(FrameKind.NOTE, encode_meta(note))
        self.losses.notes += not kept
        return kept

    def _exchange(
        self, kind: FrameKind, meta: Meta, request_body: bytes, response_body: bytes, *, holed: bool = False
    ) -> bool:
        size = len(request_body) + len(response_body)
        left_out = size > (MOST_BODY_BYTES if self.bodies else 0)
        if left_out:
            request_body = response_body = b""
        head = encode_meta(meta)
        kept = self._append(kind, b"".join(_pieces(head, request_body, response_body)))
        self._fresh += kept and kind is FrameKind.CLOSE
        if not kept and kind is FrameKind.CLOSE:
            self._delay(b"".join(_pieces(head, b"", b"")))
        elif not kept:
            self._lose(exchanges=1)
        elif left_out or holed:
            why = "too_large" if left_out and self.bodies else "over_budget"
            self._gap_reason = self._gap_reason if holed and self._gap_reason else why
            self._lose(bodies=1)
        return kept

    def _delay(self, end: bytes) -> None:
        """Keep the end of an open exchange for later: without it a reader would wait for it for ever."""
        self._late.append(end)
        self._lose(bodies=1)
        if len(self._late) > LATE:
            self._late.popleft()
            self._lose(exchanges=1)

    def _lose(self, *, exchanges: int = 0, bodies: int = 0) -> None:
        self.losses.exchanges += exchanges
        self.losses.bodies += bodies
        self.losses.last_reason = self._gap_reason
        self._gap_exchanges += exchanges
        self._gap_bodies += bodies

    def _append(self, kind: FrameKind, payload: bytes) -> bool:
        if not self.frames:
            self._gap_reason = "over_budget"
            return False
        if self._retry_at - RETRY_S <= self._now() < self._retry_at:  # a clock that was set back does not wait
            return False
        if len(payload) > MAX_PAYLOAD_BYTES:
            self._gap_reason = "too_large"
            return False
        try:
            if self._size + len(payload) > self._segment_bytes or self._fd < 0:
                self._rotate()
            self._catch_up()
            self._write(kind, payload)
        except OSError as error:
            self._fail(error)
            return False
        self._retry_at = 0.0
        if kind is not FrameKind.WHOLE:
            self.sync_soon()
        return True

    def _catch_up(self) -> None:
        """Write what a full or failing disk kept from being written: what was lost, and what was late.

        Raises:
            OSError: it still does not take it.
        """
        if self._gap_exchanges or self._gap_bodies:
            reason = self._gap_reason or "io_error"
            gap = {"at": self._now(), "reason": reason, "exchanges": self._gap_exchanges, "bodies": self._gap_bodies}
            self._write(FrameKind.GAP, encode_meta(msgspec.convert(gap, Gap)))
            self._gap_exchanges = self._gap_bodies = 0
        while self._late:
            self._write(FrameKind.CLOSE, self._late[0])
            self._late.popleft()

    def _write(self, kind: FrameKind, payload: bytes) -> None:
        """Write one frame, or nothing.

        Raises:
            OSError: the disk is full or failing; the segment ends where it ended before.
        """
        header, sealed = self._seal.seal(kind, self._index, payload)
        # A nonce that was tried is spent, even if its frame is cut off again.
        self._index += 1
        size = len(header) + len(sealed)
        written = os.writev(self._fd, (header, sealed))
        if written != size:
            os.ftruncate(self._fd, self._size)
            os.lseek(self._fd, self._size, os.SEEK_SET)
            raise OSError(errno.ENOSPC, "short write")
        self._size += size
        self._unsynced = True

    def _fail(self, error: OSError) -> None:
        self._gap_reason = "disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "io_error"
        self._retry_at = self._now() + RETRY_S
        if self._gap_reason == "io_error":
            self._drop_segment()  # what is in it stays readable; nothing more is put behind a failure

    # The segments -------------------------------------------------------------------------------------------------

    def _rotate(self) -> None:
        """Begin the next segment.

        Raises:
            OSError: there is no room for one.
        """
        self._drop_segment()
        if self._lock < 0:
            self._take_directory()
        self._number += 1
        path = segment_path(self._directory, self._number)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            salt, created_at = os.urandom(SALT_BYTES), self._now()
            write_all(fd, segment_header(created_at, salt))
        except OSError:
            os.close(fd)
            os.unlink(path)
            raise
        self._fd, self._size, self._index = fd, SEGMENT_HEADER_BYTES, 0
        self._seal, self._created_at = SegmentSeal(self._key, salt), created_at

    def _take_directory(self) -> None:
        """Make the directory ours: a reader sees by the lock that we live."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise
        self._lock = lock
        taken = [segment_number(name) for name in os.listdir(self._directory)]
        self._number = max([self._number, *(number for number in taken if number is not None)])

    def rotate_older_than(self, created_before: float) -> bool:
        """End the current segment if it was begun before `created_before`, so that what is old can be deleted.

        True: somebody removed it meanwhile, and another is begun: what nobody may have read of it is counted as lost.
        """
        is_removed = self._notice_removal()
        if self._size > SEGMENT_HEADER_BYTES and self._created_at < created_before:
            try:
                self._rotate()
            except OSError as error:
                self._fail(error)
        return is_removed

    def _notice_removal(self) -> bool:
        """A segment without a name is read by nobody; numbers go on, so that readers see where it goes on, too."""
        fresh, self._fresh = self._fresh, 0
        if self._fd < 0 or os.fstat(self._fd).st_nlink:
            return False
        self._gap_reason = "removed"
        self._lose(exchanges=fresh)
        if self._lock >= 0 and not os.fstat(self._lock).st_nlink:
            os.close(self._lock)
            self._lock = -1
        try:
            self._rotate()
            self._catch_up()
        except OSError as error:
            self._fail(error)
        return True

    def _drop_segment(self) -> None:
        if self._fd >= 0:
            self._retired.append((self._number, self._fd))
            self._dirty.set()
        self._fd, self._size = -1, 0

    # Durability ---------------------------------------------------------------------------------------------------

    def sync_soon(self) -> None:
        """Have what is written synced. It wakes a thread, for which nothing that hurries has to wait."""
        if self._unsynced:
            self._unsynced = False
            if not self._dirty.is_set():
                self._dirty.set()

    def _sync_forever(self) -> None:
        while not self._closing.is_set():
            self._dirty.wait()
            self._closing.wait(SYNC_INTERVAL_S)  # one sync for all that is written meanwhile
            self._dirty.clear()
            self._sync()

    def _sync(self) -> None:
        """Sync what is written. Runs in the syncer's thread, the only one that closes a segment."""
        fd = self._fd
        while self._retired:
            number, retired = self._retired.popleft()
            self._fdatasync(retired)
            os.close(retired)
            cool(segment_path(self._directory, number - 1))
        if fd >= 0 and fd == self._fd:
            self._fdatasync(fd)

    def _fdatasync(self, fd: int) -> None:
        try:
            os.fdatasync(fd)
        except OSError:
            self.sync_errors += 1

    def close(self) -> None:
        """Write and sync what is left, and let go of the directory."""
        self.commit()
        self._closing.set()
        self._dirty.set()
        self._syncer.join(timeout=5.0)
        if self._gap_exchanges or self._gap_bodies or self._late:
            try:
                if self._fd < 0:
                    self._rotate()
                self._catch_up()
            except OSError as error:
                self._fail(error)
        self._drop_segment()
        self._sync()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _pieces(head: bytes, request_body: bytes, response_body: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """An exchange as it stands in a frame."""
    return LENGTHS.pack(len(head), len(request_body), len(response_body)), head, request_body, response_body


def _id_bytes(meta: Meta) -> bytes:
    return bytes.fromhex(meta.id.replace("-", ""))
