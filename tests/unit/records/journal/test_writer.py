"""What is kept, what is lost and counted, and that no disk is ever the app's business."""

import ctypes
import errno
import mmap
import os
import resource
import shutil
import tempfile
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from gateway.control.journals.follower import Journals
from records.exchange import Exchange, FeedbackFrame, Gap
from records.journal.frames import MAX_PAYLOAD_BYTES, segment_path
from records.journal.reader import SegmentReader, is_alive, segments
from records.journal.writer import COMMIT_BYTES, LATE, RETRY_S, JournalWriter
from tests.rooms.journal_files import (
    KEY,
    Hand,
    bodies,
    exchanges,
    fill,
    identity,
    keep_whole,
    meta_of,
    numbers,
    open_fds,
    read_all,
)
from tests.rooms.waiting import PATIENCE_S


class Disk:
    """The operating system's calls, with so much room left. Real files; only the room and the faults are made up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room: int | None = None
        self.error = errno.ENOSPC
        self.sync_error = 0
        self.syncs = True
        self.synced: Queue[int] = Queue()
        self._write, self._writev, self._open, self._fdatasync = os.write, os.writev, os.open, os.fdatasync
        monkeypatch.setattr(os, "write", self.write)
        monkeypatch.setattr(os, "writev", self.writev)
        monkeypatch.setattr(os, "open", self.open)
        monkeypatch.setattr(os, "fdatasync", self.fdatasync)

    def write(self, fd: int, data: bytes) -> int:
        return self._write(fd, self._fitting(data))

    def writev(self, fd: int, buffers: Sequence[bytes]) -> int:
        return self._write(fd, self._fitting(b"".join(buffers)))

    def open(self, path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        if flags & os.O_CREAT and self.room is not None and self.room <= 0:
            raise OSError(self.error, os.strerror(self.error))
        return self._open(path, flags, mode, **more)

    def fdatasync(self, fd: int) -> None:
        self.synced.put(fd)
        if self.sync_error:
            raise OSError(self.sync_error, os.strerror(self.sync_error))
        if self.syncs:
            self._fdatasync(fd)

    def _fitting(self, data: bytes) -> bytes:
        if self.room is None:
            return data
        if self.room <= 0:
            raise OSError(self.error, os.strerror(self.error))
        fits = data[: self.room]
        self.room -= len(fits)
        return fits


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def accounted(found: list[Any]) -> int:
    """Exchanges that are there, and those that a gap says are not."""
    return len(list(exchanges(found))) + sum(item.exchanges for item in found if isinstance(item, Gap))


def test_what_is_kept_is_read_back(tmp_path: Path) -> None:
    """Exchanges, open ones in parts, and feedback come out as they went in, in order."""
    writer = JournalWriter(tmp_path / "w", KEY, now=Hand())
    assert keep_whole(writer, 1)
    answer = b"one two three"
    assert writer.open(meta_of(2, outcome="lost_worker"), b"ask", b"one ")
    assert writer.part(identity(2)[0], b"two ")
    assert keep_whole(writer, 3)
    assert writer.close_exchange(meta_of(2, response_bytes=len(answer)), b"three")
    said = FeedbackFrame(identity(1)[1], 5.0, "k", b"{}")
    assert writer.feedback(said)
    writer.close()
    found, damaged = read_all(tmp_path / "w")
    assert numbers(found) == [1, 3, 2]
    assert found[0] == Exchange(meta_of(1), *bodies(1))
    assert found[2] == Exchange(meta_of(2, response_bytes=len(answer)), b"ask", answer)
    assert found[3] == said
    assert damaged == 0
    assert (writer.losses.exchanges, writer.losses.bodies, writer.losses.feedback) == (0, 0, 0)


def test_what_gathers_is_one_frame(tmp_path: Path) -> None:
    """Exchanges between two commits are written together, and read back one by one."""
    writer = JournalWriter(tmp_path / "w", KEY, now=Hand())
    for number in range(1, 9):
        writer.whole(meta_of(number), *bodies(number))
    assert segments(tmp_path / "w") == []
    assert writer.commit()
    writer.close()
    assert len(list(SegmentReader(segment_path(tmp_path / "w", 1), KEY).frames())) == 1
    found, damaged = read_all(tmp_path / "w")
    assert found == [Exchange(meta_of(number), *bodies(number)) for number in range(1, 9)]
    assert damaged == 0


def test_nothing_gathered_writes_nothing(tmp_path: Path) -> None:
    """A commit without exchanges makes no frame, and no segment."""
    writer = JournalWriter(tmp_path / "w", KEY, now=Hand())
    assert writer.commit()
    writer.close()
    assert segments(tmp_path / "w") == []


def test_what_gathered_is_written_at_the_end(tmp_path: Path) -> None:
    """A writer that closes commits first."""
    writer = JournalWriter(tmp_path / "w", KEY, now=Hand())
    writer.whole(meta_of(1), *bodies(1))
    writer.close()
    assert numbers(read_all(tmp_path / "w")[0]) == [1]


def test_no_more_gathers_than_a_frame_should_hold(tmp_path: Path) -> None:
    """Long bodies are not kept in memory until a commit, and do not make one frame that no reader takes."""
    writer = JournalWriter(tmp_path / "w", KEY, now=Hand())
    body = bytes(COMMIT_BYTES // 2 + 1)
    for number in range(1, 4):
        writer.whole(meta_of(number, response_bytes=len(body)), b"", body)
        assert numbers(read_all(tmp_path / "w", dead=False)[0]) == list(range(1, number))
    writer.close()
    frames = list(SegmentReader(segment_path(tmp_path / "w", 1), KEY).frames())
    assert len(frames) == 3


def test_all_that_gathered_is_lost_or_kept_together(tmp_path: Path, disk: Disk) -> None:
    """A full disk costs every exchange of the frame, and each is counted."""
    hand = Hand()
    writer = JournalWriter(tmp_path / "w", KEY, now=hand)
    assert keep_whole(writer, 1)
    disk.room = 100
    for number in range(2, 6):
        writer.whole(meta_of(number), *bodies(number))
    assert not writer.commit()
    assert writer.losses.exchanges == 4
    disk.room = None
    hand.s += 2 * RETRY_S
    assert keep_whole(writer, 6)
    writer.close()
    found, damaged = read_all(tmp_path / "w")
    assert numbers(found) == [1, 6]
    assert (accounted(found), damaged) == (6, 0)


def test_bodies_left_out_are_counted_one_by_one(tmp_path: Path) -> None:
    """Over the budget each gathered exchange that had a body counts, and one that had none does not."""
    writer = JournalWriter(tmp_path / "w", KEY, now=Hand())
    writer.bodies = False
    writer.whole(meta_of(1), *bodies(1))
    writer.whole(meta_of(2), b"", b"")
    writer.bodies = True
    writer.whole(meta_of(3), *bodies(3))
    assert writer.commit()
    writer.close()
    assert (writer.losses.exchanges, writer.losses.bodies) == (0, 1)
    found = list(exchanges(read_all(tmp_path / "w")[0]))
    assert [one.request_body for one in found] == [b"", b"", bodies(3)[0]]


def test_nothing_readable_is_on_disk(tmp_path: Path) -> None:
    """Segments are sealed and closed to others: no prompt, answer or id stands in them in the clear."""
    path = fill(tmp_path / "w", 7)
    data = path.read_bytes()
    assert not any(text in data for text in (b"ask", b"answer", identity(1)[1].encode(), b"openai"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_frame_is_in_the_page_cache_before_the_call_returns(tmp_path: Path) -> None:
    """Whoever reads the file right after the call finds the exchange: a SIGKILL now would lose nothing."""
    writer = JournalWriter(tmp_path / "w", KEY, now=Hand())
    for number in range(1, 20):
        keep_whole(writer, number)
        assert numbers(read_all(tmp_path / "w", dead=False)[0]) == list(range(1, number + 1))
    writer.close()


def test_segments_follow_each_other(tmp_path: Path) -> None:
    """A full segment is followed by the next; none is longer than told by more than one frame."""
    fill(tmp_path / "w", 60, segment_bytes=4096)
    found = segments(tmp_path / "w")
    assert found == list(range(1, len(found) + 1))
    assert len(found) > 5
    assert all(segment_path(tmp_path / "w", number).stat().st_size < 8192 for number in found)
    assert numbers(read_all(tmp_path / "w")[0]) == list(range(1, 61))


def is_in_page_cache(path: Path) -> bool:
    """Whether any of it is in memory. Asked of the kernel's map: a trial read would begin to read it ahead."""
    size = path.stat().st_size
    pages = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
    with path.open("r+b") as file, mmap.mmap(file.fileno(), size) as mapped:
        start = ctypes.c_char.from_buffer(mapped)
        failed = ctypes.CDLL(None).mincore(ctypes.byref(start), ctypes.c_size_t(size), pages)
        del start  # else the map could not be closed
    if failed:
        pytest.skip("this machine does not say what it has in memory")
    return any(page & 1 for page in pages)


@pytest.fixture
def on_disk() -> Generator[Path]:
    """A folder where files outlive the machine; what other tests write may lie in memory."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield Path(folder)


def test_what_readers_are_past_leaves_the_page_cache(on_disk: Path) -> None:
    """When a segment ends, the one before it leaves memory: a busy journal drives nothing else out of it."""
    with (on_disk / "probe").open("wb", buffering=0) as probe:
        probe.write(b"x")
        os.fdatasync(probe.fileno())
        os.posix_fadvise(probe.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if is_in_page_cache(on_disk / "probe"):
        pytest.skip("this file system is in memory")
    fill(on_disk / "w", 60, segment_bytes=4096)
    *old, last = segments(on_disk / "w")
    assert is_in_page_cache(segment_path(on_disk / "w", last))
    assert not [number for number in old if is_in_page_cache(segment_path(on_disk / "w", number))]


def test_an_old_segment_is_ended_only_if_it_holds_something(tmp_path: Path) -> None:
    """What is old can be deleted whole; an empty segment is left as it is."""
    hand = Hand()
    writer = JournalWriter(tmp_path / "w", KEY, now=hand)
    writer.rotate_older_than(hand.s + 1)
    assert not (tmp_path / "w").exists()
    keep_whole(writer, 1)
    writer.rotate_older_than(hand.s - 1)
    assert segments(tmp_path / "w") == [1]
    writer.rotate_older_than(hand.s + 1)
    assert segments(tmp_path / "w") == [1, 2]
    writer.rotate_older_than(hand.s + 1)
    assert segments(tmp_path / "w") == [1, 2]
    writer.close()


@pytest.mark.parametrize("whole", [True, False], ids=["its directory", "its segment"])
def test_what_somebody_removes_is_begun_anew_and_counted(tmp_path: Path, *, whole: bool) -> None:
    """A journal that is deleted under its writer is there again at the next look; whoever follows it reads on."""
    hand, root = Hand(), tmp_path / "journal"
    writer, journals = JournalWriter(root / "w", KEY, now=hand), Journals(root, KEY, {})
    for number in (1, 2):
        keep_whole(writer, number)
        assert numbers(journals.poll(hand.s, 1 << 20)) == [number]
        assert not writer.rotate_older_than(hand.s - 1)
    keep_whole(writer, 3)  # nobody has read it
    if whole:
        shutil.rmtree(root)
        assert journals.poll(hand.s, 1 << 20) == []
    else:
        segment_path(root / "w", 1).unlink()
    keep_whole(writer, 4)
    assert writer.rotate_older_than(hand.s - 1)
    assert not writer.rotate_older_than(hand.s - 1)
    assert writer.losses.exchanges == 2
    keep_whole(writer, 5)
    found = journals.poll(hand.s, 1 << 20)
    assert [(one.reason, one.exchanges) for one in found if isinstance(one, Gap)] == [("removed", 2)]
    assert numbers(found) == [5]
    assert is_alive(root / "w")
    writer.close()


def test_a_second_writer_goes_on_behind_the_first(tmp_path: Path) -> None:
    """A directory that was used before keeps what it has; one that is in use is not shared."""
    fill(tmp_path / "w", 3)
    writer = JournalWriter(tmp_path / "w", KEY, now=Hand())
    assert keep_whole(writer, 4)
    intruder = JournalWriter(tmp_path / "w", KEY, now=Hand())
    assert not keep_whole(intruder, 5)
    assert intruder.losses.exchanges == 1
    intruder.close()
    writer.close()
    assert numbers(read_all(tmp_path / "w")[0]) == [1, 2, 3, 4]


def test_a_reader_sees_whether_the_writer_lives(tmp_path: Path) -> None:
    """The directory's lock tells: none yet, held, let go."""
    writer = JournalWriter(tmp_path / "w", KEY, now=Hand())
    assert not is_alive(tmp_path / "w")
    keep_whole(writer, 1)
    assert is_alive(tmp_path / "w")
    writer.close()
    assert not is_alive(tmp_path / "w")


def test_no_descriptor_is_left(tmp_path: Path) -> None:
    """Rotated segments and the lock are closed."""
    before = open_fds()
    fill(tmp_path / "w", 100, segment_bytes=2048)
    assert open_fds() == before


# Losses ---------------------------------------------------------------------------------------------------------------


def whole_and_open(writer: JournalWriter, count: int, then: Callable[[int], None]) -> None:
    """Keep `count` exchanges, every third of them in parts."""
    for number in range(1, count + 1):
        if number % 3:
            keep_whole(writer, number)
        else:
            request, answer = bodies(number)
            writer.open(meta_of(number), request, answer[:5])
            then(number)
            writer.part(identity(number)[0], answer[5:9])
            then(number)
            writer.close_exchange(meta_of(number), answer[9:])
        then(number)


def test_a_disk_that_is_full_at_any_byte_costs_exactly_what_is_counted(tmp_path: Path, disk: Disk) -> None:
    """Wherever the disk ends: what is there is whole, what is not is counted, and afterwards all goes on."""
    disk.syncs = False  # it is about room, and about hundreds of journals
    size = fill(tmp_path / "size", 9).stat().st_size
    for room in range(0, size + 500, 127):
        directory, hand = tmp_path / f"w{room}", Hand()
        disk.room = room
        writer = JournalWriter(directory, KEY, now=hand, segment_bytes=2000)

        def free_later(number: int, hand: Hand = hand) -> None:
            hand.s += RETRY_S / 2
            if number == 8:
                disk.room = None

        whole_and_open(writer, 12, free_later)
        disk.room = None
        hand.s += 2 * RETRY_S
        assert keep_whole(writer, 100)
        writer.close()
        found, damaged = read_all(directory)
        assert damaged == 0
        assert accounted(found) == 13, f"room {room}"
        assert writer.losses.exchanges == 13 - len(list(exchanges(found)))
        missing = 0
        for exchange in exchanges(found):
            number = int(exchange.meta.id.replace("-", ""), 16)
            assert exchange.meta.outcome == "complete"
            assert exchange.request_body == bodies(number)[0]
            assert exchange.response_body in (b"", bodies(number)[1])
            missing += not exchange.response_body
        assert missing <= writer.losses.bodies
        assert {item.reason for item in found if isinstance(item, Gap)} <= {"disk_full"}


def test_a_full_disk_is_not_asked_again_at_once(tmp_path: Path, disk: Disk) -> None:
    """After a refusal the writer waits a while, and a clock that is set back does not make it wait for hours."""
    hand = Hand()
    writer = JournalWriter(tmp_path / "w", KEY, now=hand)
    keep_whole(writer, 1)
    disk.room = 0
    assert not keep_whole(writer, 2)
    disk.room = None
    assert not keep_whole(writer, 3)
    hand.s -= 3600
    assert keep_whole(writer, 4)
    writer.close()
    found, _ = read_all(tmp_path / "w")
    assert numbers(found) == [1, 4]
    assert accounted(found) == 4


def test_a_failing_disk_ends_the_segment(tmp_path: Path, disk: Disk) -> None:
    """After an error that is not a full disk nothing more is put behind it; the reason is told."""
    hand = Hand()
    writer = JournalWriter(tmp_path / "w", KEY, now=hand)
    keep_whole(writer, 1)
    disk.room, disk.error = 0, errno.EIO
    assert not keep_whole(writer, 2)
    disk.room = None
    hand.s += 2 * RETRY_S
    assert keep_whole(writer, 3)
    writer.close()
    found, _ = read_all(tmp_path / "w")
    assert segments(tmp_path / "w") == [1, 2]
    assert [item.reason for item in found if isinstance(item, Gap)] == ["io_error"]
    assert numbers(found) == [1, 3]
    assert writer.losses.last_reason == "io_error"


def test_a_file_size_limit_is_survived(tmp_path: Path) -> None:
    """The kernel's own refusal, in the middle of a frame, costs the frame and nothing before it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    hand = Hand()
    writer = JournalWriter(tmp_path / "w", KEY, now=hand)
    keep_whole(writer, 1)
    size = segment_path(tmp_path / "w", 1).stat().st_size
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))
        assert not keep_whole(writer, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert segment_path(tmp_path / "w", 1).stat().st_size == size
    hand.s += 2 * RETRY_S
    assert keep_whole(writer, 3)
    writer.close()
    found, damaged = read_all(tmp_path / "w")
    assert numbers(found) == [1, 3]
    assert accounted(found) == 3
    assert damaged == 0


def test_losses_at_the_end_are_told_when_the_journal_is_closed(tmp_path: Path, disk: Disk) -> None:
    """A gap that nothing was written behind is written at the close, in a segment of its own if need be."""
    writer = JournalWriter(tmp_path / "w", KEY, now=Hand())
    disk.room, disk.error = 0, errno.EIO
    assert not keep_whole(writer, 1)
    disk.room = None
    writer.close()
    assert accounted(read_all(tmp_path / "w")[0]) == 1


def test_a_disk_that_never_comes_back_is_let_go(tmp_path: Path, disk: Disk) -> None:
    """Closing over a dead disk raises nothing."""
    writer = JournalWriter(tmp_path / "w", KEY, now=Hand())
    keep_whole(writer, 1)
    disk.room = 0
    assert not keep_whole(writer, 2)
    assert not writer.feedback(FeedbackFrame("x", 1.0, "", b""))
    writer.rotate_older_than(2e9)
    writer.close()
    assert (writer.losses.exchanges, writer.losses.feedback) == (1, 1)
    assert numbers(read_all(tmp_path / "w")[0]) == [1]


def test_a_directory_that_cannot_be_made_is_a_loss(tmp_path: Path) -> None:
    """Where there is no place for a journal, exchanges are counted and nothing is raised."""
    (tmp_path / "file").write_bytes(b"")
    writer = JournalWriter(tmp_path / "file" / "w", KEY, now=Hand())
    assert not keep_whole(writer, 1)
    writer.close()
    assert writer.losses.exchanges == 1


def test_a_late_end_follows_when_the_disk_takes_it(tmp_path: Path, disk: Disk) -> None:
    """An open exchange whose end did not fit is closed as soon as there is room; its answer counts as left out."""
    hand = Hand()
    writer = JournalWriter(tmp_path / "w", KEY, now=hand)
    writer.open(meta_of(1), *bodies(1))
    disk.room = 0
    assert not writer.close_exchange(meta_of(1, response_bytes=999), b"the rest")
    disk.room = None
    hand.s += 2 * RETRY_S
    keep_whole(writer, 2)
    writer.close()
    found, _ = read_all(tmp_path / "w")
    assert numbers(found) == [1, 2]
    (first, _) = exchanges(found)
    assert (first.meta.outcome, first.meta.response_bytes, first.response_body) == ("complete", 999, b"")
    assert (writer.losses.exchanges, writer.losses.bodies) == (0, 1)


def test_late_ends_are_bounded(tmp_path: Path, disk: Disk) -> None:
    """More ends than the bound wait for no disk: the oldest count as lost."""
    hand = Hand()
    writer = JournalWriter(tmp_path / "w", KEY, now=hand)
    for number in range(1, LATE + 4):
        writer.open(meta_of(number), b"", b"")
    disk.room = 0
    for number in range(1, LATE + 4):
        writer.close_exchange(meta_of(number), b"")
    assert writer.losses.exchanges == 3
    disk.room = None
    writer.close()
    assert len(list(exchanges(read_all(tmp_path / "w", dead=False)[0]))) == LATE


def test_over_the_budget_bodies_go_first_then_exchanges(tmp_path: Path) -> None:
    """`bodies` off keeps rows without bodies, `frames` off keeps nothing; both are counted with their reason."""
    writer = JournalWriter(tmp_path / "w", KEY, now=Hand())
    writer.bodies = False
    assert keep_whole(writer, 1)
    writer.whole(meta_of(2, response_bytes=0), b"", b"")  # had none: nothing is left out
    assert writer.commit()
    writer.frames = False
    assert not keep_whole(writer, 3)
    writer.bodies = writer.frames = True
    assert keep_whole(writer, 4)
    writer.close()
    found, _ = read_all(tmp_path / "w")
    assert numbers(found) == [1, 2, 4]
    assert [exchange.response_body for exchange in exchanges(found)] == [b"", b"", bodies(4)[1]]
    (gap, *more) = [item for item in found if isinstance(item, Gap)]
    assert (gap.reason, gap.bodies, gap.exchanges) == ("over_budget", 1, 0)
    assert [(item.exchanges, item.bodies) for item in more] == [(1, 0)]


def test_an_answer_with_a_hole_is_left_out_and_counted(tmp_path: Path) -> None:
    """If bodies are left out in the middle of an answer, the rest of it is no body."""
    writer = JournalWriter(tmp_path / "w", KEY, now=Hand())
    writer.open(meta_of(1), b"ask", b"one ")
    writer.bodies = False
    assert not writer.part(identity(1)[0], b"two ")
    writer.bodies = True
    writer.part(identity(1)[0], b"three ")
    assert writer.close_exchange(meta_of(1, response_bytes=18), b"four")
    writer.close()
    found, _ = read_all(tmp_path / "w")
    (exchange,) = exchanges(found)
    assert (exchange.request_body, exchange.response_body) == (b"ask", b"")
    assert writer.losses.bodies == 1


def test_an_exchange_whose_beginning_is_lost_counts_once(tmp_path: Path) -> None:
    """Parts and end of an exchange that was not opened are not written and not counted again."""
    writer = JournalWriter(tmp_path / "w", KEY, now=Hand())
    writer.frames = False
    assert not writer.open(meta_of(1), b"ask", b"")
    writer.frames = True
    assert not writer.part(identity(1)[0], b"x")
    assert not writer.close_exchange(meta_of(1), b"")
    writer.close()
    found, _ = read_all(tmp_path / "w")
    assert numbers(found) == []
    assert accounted(found) == 1


@pytest.mark.parametrize("kind", ["whole", "open"])
def test_an_exchange_whose_bodies_are_too_long_is_kept_without_them(tmp_path: Path, kind: str) -> None:
    """What no frame can hold costs the bodies, and they are counted as that; the exchange is there."""
    writer = JournalWriter(tmp_path / "w", KEY, now=Hand())
    body = bytes(40 * 1024 * 1024)
    if kind == "whole":
        writer.whole(meta_of(1), body, body)
    else:
        assert writer.open(meta_of(1), body, body)
        assert writer.close_exchange(meta_of(1), b"")
    keep_whole(writer, 2)
    writer.close()
    assert (writer.losses.exchanges, writer.losses.bodies) == (0, 1)
    found, _ = read_all(tmp_path / "w")
    assert numbers(found) == [1, 2]
    assert next(one.request_body for one in exchanges(found)) == b""
    assert [(gap.reason, gap.bodies) for gap in found if isinstance(gap, Gap)] == [("too_large", 1)]


def test_a_frame_that_is_too_long_is_counted(tmp_path: Path) -> None:
    """No frame is longer than a reader takes; such an exchange is lost with its reason."""
    writer = JournalWriter(tmp_path / "w", KEY, now=Hand())
    writer.whole(meta_of(1, request_head=bytes(MAX_PAYLOAD_BYTES)), b"", b"")
    assert not writer.commit()
    assert keep_whole(writer, 2)
    writer.close()
    gaps = [item for item in read_all(tmp_path / "w")[0] if isinstance(item, Gap)]
    assert [(gap.reason, gap.exchanges) for gap in gaps] == [("too_large", 1)]


def test_a_disk_that_does_not_sync_is_counted_and_nothing_else(tmp_path: Path, disk: Disk) -> None:
    """A failing fdatasync costs no exchange that is still in the page cache."""
    disk.sync_error = errno.EIO
    writer = JournalWriter(tmp_path / "w", KEY, now=Hand())
    for number in range(1, 4):
        assert keep_whole(writer, number)
    writer.close()
    assert writer.sync_errors >= 1
    assert numbers(read_all(tmp_path / "w")[0]) == [1, 2, 3]


def test_what_was_written_is_synced(tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every segment that was written to is made durable, by the close at the latest."""
    synced: list[int] = []
    real = os.fdatasync

    def fdatasync(fd: int) -> None:
        synced.append(os.fstat(fd).st_ino)
        real(fd)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    fill(tmp_path / "w", 30, segment_bytes=2048)
    inodes = {segment_path(tmp_path / "w", number).stat().st_ino for number in segments(tmp_path / "w")}
    assert inodes <= set(synced)


def test_it_is_synced_when_its_caller_has_time(tmp_path: Path, disk: Disk) -> None:
    """What `write` wrote is synced once that is asked for, not before; what is written alone, by itself."""
    writer = JournalWriter(tmp_path / "w", KEY, now=Hand())
    try:
        writer.whole(meta_of(1), b"", b"")
        assert writer.write()
        assert not writer._dirty.is_set()
        writer.sync_soon()
        disk.synced.get(timeout=PATIENCE_S)
        assert writer.feedback(FeedbackFrame(identity(1)[1], 5.0, "k", b"{}"))
        disk.synced.get(timeout=PATIENCE_S)
    finally:
        writer.close()
