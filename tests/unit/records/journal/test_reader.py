"""What comes out of a journal, however it was damaged: never an error, never an invention, nothing lost before it."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from records.exchange import Exchange
from records.journal import frames
from records.journal.frames import SEGMENT_HEADER_BYTES, FrameKind, SegmentSeal, segment_header, segment_path
from records.journal.reader import (
    Assembler,
    Frame,
    SegmentReader,
    is_alive,
    segments,
    workers,
)
from records.journal.writer import JournalWriter
from tests.rooms.journal_files import KEY, Hand, bodies, fill, identity, keep_whole, meta_of, numbers, read_all
from tests.rooms.waiting import PATIENCE_S


def read_file(path: Path) -> tuple[list[int], int]:
    """The exchanges of one segment, and how much was passed over; all of it checked against what was written."""
    assembler, reader, found = Assembler(), SegmentReader(path, KEY), []
    for frame in reader.frames():
        (item,) = assembler.feed(frame)
        assert isinstance(item, Exchange)
        number = int(item.meta.id.replace("-", ""), 16)
        assert item == Exchange(meta_of(number), *bodies(number)), "invented"
        found.append(number)
    return found, reader.damaged


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A segment of six exchanges."""
    return fill(tmp_path_factory.mktemp("journal") / "w", 6).read_bytes()


@pytest.fixture(scope="module")
def ends(journal: bytes, tmp_path_factory: pytest.TempPathFactory) -> list[int]:
    """Where each frame of `journal` ends, the header's end first."""
    path = tmp_path_factory.mktemp("ends") / "x.seg"
    path.write_bytes(journal)
    return [SEGMENT_HEADER_BYTES, *(frame.end for frame in SegmentReader(path, KEY).frames())]


def test_a_torn_tail_costs_only_itself(journal: bytes, ends: list[int], tmp_path: Path) -> None:
    """Wherever it is cut, all frames before the cut are there, and the tail may still be growing."""
    path = tmp_path / "x.seg"
    near = {end + step for end in ends for step in (-1, 0, 1, 15, 16, 17)}
    for size in sorted({*range(0, len(journal) + 1, 5), *near} & {*range(len(journal) + 1)}):
        path.write_bytes(journal[:size])
        found, damaged = read_file(path)
        whole = sum(end <= size for end in ends) - 1
        assert found == list(range(1, whole + 1))
        assert damaged == 0


def test_a_flipped_bit_costs_at_most_its_frame(journal: bytes, ends: list[int], tmp_path: Path) -> None:
    """A damaged byte loses one frame, or, in the segment's header, all; it is counted and nothing is invented."""
    path = tmp_path / "x.seg"
    for at in range(0, len(journal), 7):
        data = bytearray(journal)
        data[at] ^= 1 << at % 8
        path.write_bytes(data)
        found, damaged = read_file(path)
        hit = sum(end <= at for end in ends)
        if at < SEGMENT_HEADER_BYTES:
            assert (found, damaged) in (([], 1), (list(range(1, 7)), 0))
        else:
            missing = [number for number in range(1, 7) if number not in found]
            assert missing == [hit]
            # The last one's header: what is behind it may still come.
            assert damaged == 1 or (hit == 6 and damaged == 0)


@pytest.mark.parametrize("size", [1, 100, 5000])
def test_zeros_are_passed_over(journal: bytes, ends: list[int], tmp_path: Path, size: int) -> None:
    """A hole in the middle is one damage, one at the end none; what follows a hole is read."""
    path = tmp_path / "x.seg"
    place = ends[3]
    path.write_bytes(journal[:place] + bytes(size) + journal[place:])
    assert read_file(path) == ([1, 2, 3, 4, 5, 6], 1)
    path.write_bytes(journal + bytes(size))
    assert read_file(path) == ([1, 2, 3, 4, 5, 6], 0)
    path.write_bytes(bytes(len(journal)))
    assert read_file(path) == ([], 1)


@settings(max_examples=150)
@given(data=st.data())
def test_no_damage_is_too_much(journal: bytes, ends: list[int], tmp_path_factory, data: st.DataObject) -> None:
    """Cut, copied, swapped and scribbled over: the reader never raises, never invents, and keeps what is before."""
    damaged, first = bytearray(journal), len(journal)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(damaged) - 1)))
        other = data.draw(st.integers(0, max(0, len(damaged) - 1)))
        size = data.draw(st.integers(0, 400))
        match data.draw(st.sampled_from(["cut", "drop", "zero", "noise", "copy"])):
            case "cut":
                del damaged[at:]
            case "drop":
                del damaged[at : at + size]
            case "zero":
                damaged[at : at + size] = bytes(size)
            case "noise":
                damaged[at : at + size] = data.draw(st.binary(min_size=size, max_size=size))
            case _:
                damaged[at:at] = damaged[other : other + size]
        first = min(first, at)
    path = tmp_path_factory.getbasetemp() / "damaged.seg"
    path.write_bytes(damaged)
    found, _ = read_file(path)
    before = sum(end <= first for end in ends) - 1
    assert found[: max(0, before)] == list(range(1, before + 1))


@settings(max_examples=50)
@given(noise=st.binary(max_size=2000))
def test_noise_is_no_journal(noise: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A file of anything at all yields nothing and raises nothing."""
    path = tmp_path_factory.getbasetemp() / "noise.seg"
    path.write_bytes(noise)
    assert read_file(path)[0] == []
    path.write_bytes(segment_header(1.0, bytes(16)) + noise)
    assert read_file(path)[0] == []


def test_a_segment_that_is_being_begun_is_waited_for(journal: bytes, tmp_path: Path) -> None:
    """A file shorter than a header may become a segment; the same reader then reads it."""
    path = tmp_path / "x.seg"
    path.write_bytes(journal[:10])
    reader = SegmentReader(path, KEY)
    assert list(reader.frames()) == []
    assert reader.damaged == 0
    path.write_bytes(journal)
    assert len(list(reader.frames())) == 6


def test_a_file_that_is_no_segment_is_counted_once(tmp_path: Path) -> None:
    """A foreign file is passed over, and not again at every look."""
    path = tmp_path / "x.seg"
    path.write_bytes(b"x" * 1000)
    reader = SegmentReader(path, KEY)
    for _ in range(3):
        assert list(reader.frames()) == []
    assert reader.damaged == 1


def test_another_key_reads_nothing(journal: bytes, tmp_path: Path) -> None:
    """Without the data directory's key every frame is damage."""
    path = tmp_path / "x.seg"
    path.write_bytes(journal)
    reader = SegmentReader(path, bytes(32))
    assert list(reader.frames()) == []
    assert reader.damaged == 6


def test_a_frame_of_a_kind_we_do_not_know_is_passed_over(tmp_path: Path) -> None:
    """A later version's frame costs itself alone."""
    salt = bytes(16)
    seal = SegmentSeal(KEY, salt)
    frames = [b"".join(seal.seal(kind, index, b"{}")) for index, kind in enumerate([FrameKind.GAP, 9, FrameKind.GAP])]
    path = tmp_path / "x.seg"
    path.write_bytes(segment_header(1.0, salt) + b"".join(frames))
    reader = SegmentReader(path, KEY)
    assert [frame.kind for frame in reader.frames()] == [FrameKind.GAP, FrameKind.GAP]
    assert reader.damaged == 1


def test_reading_goes_on_where_it_stopped(journal: bytes, ends: list[int], tmp_path: Path) -> None:
    """A reader that begins at a frame's end reads what is behind it, in any version of itself."""
    path = tmp_path / "x.seg"
    path.write_bytes(journal)
    for place, end in enumerate(ends):
        assert [frame.start for frame in SegmentReader(path, KEY, offset=end).frames()] == ends[place:-1]


@pytest.mark.parametrize("gap", [10, 5_000_000])
def test_a_search_for_the_next_frame_is_bounded_in_memory(
    journal: bytes, ends: list[int], tmp_path: Path, gap: int
) -> None:
    """Damage longer than a read, and a frame's header across two reads, are passed over like any other."""
    path = tmp_path / "x.seg"
    path.write_bytes(journal[: ends[2]] + b"\xcf" * gap + journal[ends[2] :])
    assert read_file(path) == ([1, 2, 3, 4, 5, 6], 1)


def test_a_reader_follows_a_writer(tmp_path: Path) -> None:
    """Read while it is written, over many segments: every exchange once, in order, none damaged."""
    count, directory = 3000, tmp_path / "w"
    begun = threading.Event()

    def write() -> None:
        writer = JournalWriter(directory, KEY, now=Hand(), segment_bytes=64 * 1024)
        for number in range(1, count + 1):
            keep_whole(writer, number)
            begun.set()
        writer.close()

    thread = threading.Thread(target=write)
    thread.start()
    assert begun.wait(PATIENCE_S)
    found: list[int] = []
    assembler, number = Assembler(), 1
    reader = SegmentReader(segment_path(directory, 1), KEY)
    while True:
        alive, newest = is_alive(directory), segments(directory)[-1]
        for frame in reader.frames():
            (item,) = assembler.feed(frame)
            assert isinstance(item, Exchange)
            found.append(int(item.meta.id.replace("-", ""), 16))
        assert reader.damaged == 0
        if number < newest:
            number += 1
            reader = SegmentReader(segment_path(directory, number), KEY)
        elif not alive:
            break
    thread.join()
    assert found == list(range(1, count + 1))


def test_a_worker_that_was_killed_leaves_what_it_wrote(tmp_path: Path) -> None:
    """After SIGKILL the directory counts as let go, and all that was kept is there."""
    script = (
        "import os, sys; from pathlib import Path; from tests.rooms import journal_files as made\n"
        "writer = made.JournalWriter(Path(sys.argv[1]), made.KEY, now=made.Hand())\n"
        "all(made.keep_whole(writer, number) for number in range(1, 51))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "w")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not is_alive(tmp_path / "w")
    assert numbers(read_all(tmp_path / "w")[0]) == list(range(1, 51))


def test_workers_are_found_by_their_directories(tmp_path: Path) -> None:
    """Only directories count, in the order of their names; a journal that is not there has none."""
    assert workers(tmp_path / "none") == []
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    assert [path.name for path in workers(tmp_path)] == ["a", "b"]


# Exchanges out of frames ----------------------------------------------------------------------------------------------


def left_open(tmp_path: Path, *parts: bytes, **fields: object) -> Exchange:
    """What the reader makes of an exchange whose worker died after these parts of its answer."""
    writer = JournalWriter(tmp_path / "w", KEY, now=Hand())
    first, *more = parts or (b"",)
    writer.open(meta_of(1, outcome="lost_worker", **fields), b"ask", first)
    for part in more:
        writer.part(identity(1)[0], part)
    writer.close()
    (found,), damaged = read_all(tmp_path / "w")
    assert damaged == 0
    assert isinstance(found, Exchange)
    return found


def test_an_exchange_left_open_is_kept_as_far_as_it_came(tmp_path: Path) -> None:
    """A worker's death in the middle of an answer leaves a row that says so, with the bytes that went out."""
    found = left_open(tmp_path, b"data: one\n\n", b"data: two\n\n")
    assert found.meta.outcome == "lost_worker"
    assert found.response_body == b"data: one\n\ndata: two\n\n"
    assert found.meta.response_bytes == len(found.response_body)
    assert found.request_body == b"ask"


LONG = b'{"type":"response.completed","response":"' + b"x" * 100_000 + b'"}'


@pytest.mark.parametrize(
    "parts",
    [
        (b"data: {}\n\n", b"data: [DONE]\n\n"),
        (b"data: {}\n\ndata: [DO", b"NE]\n\n"),
        (b"data: {}\r\n\r\ndata: [DONE]\r\n\r\n",),
        (b"data:[DONE]\n\n",),
        (b"event: response.completed\ndata: " + LONG + b"\n\n",),
        (b"data: {}\n\nevent: response.failed\ndata: {}\n\n",),
        (b"data: {}\r\rdata: [DONE]\r\r",),
        (b"event:response.incomplete\r\ndata: {}\r\n\r\n",),
    ],
)
def test_a_stream_that_contains_its_end_was_received_in_full(tmp_path: Path, parts: tuple[bytes, ...]) -> None:
    """If the last event of a dead worker's answer is the one that ends it, the exchange is complete."""
    assert left_open(tmp_path, *parts).meta.outcome == "complete"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"data: [DONE]",
        b"data: [DONE]\n",
        b"data: {}\n\n",
        b'data: {"content":"data: [DONE]"}\n\n',
        b'data: {"content":"\\ndata: [DONE]\\n"}\n\n',
        b"data: [DONE]\n\ndata: {}\n\n",
        b"event: response.completed\ndata: {",
        b'event: response.output_text.delta\ndata: {"delta":"event: response.completed"}\n\n',
        b'{"text":"data: [DONE]"}',
        b": data: [DONE]\n\n",
    ],
)
def test_a_stream_that_only_speaks_of_an_end_is_not_complete(tmp_path: Path, answer: bytes) -> None:
    """An end that is quoted, torn, or not the last event, is none."""
    assert left_open(tmp_path, answer).meta.outcome == "lost_worker"


def test_the_search_for_an_end_is_bounded(tmp_path: Path) -> None:
    """A last event without end is looked at where it begins, not all through."""
    answer = b"data: {}\n\ndata: " + b"x" * 3_000_000 + b"\ndata: [DONE]\n\n"
    assert left_open(tmp_path, answer).meta.outcome == "lost_worker"


def test_a_later_opening_tells_how_far_the_exchange_has_come(tmp_path: Path) -> None:
    """An exchange that was opened before its head came may be opened again with it: nothing gathered is lost."""
    writer = JournalWriter(tmp_path / "w", KEY, now=Hand())
    writer.open(meta_of(1, status=0, outcome="lost_worker"), b"ask", b"")
    writer.open(meta_of(1, status=200, outcome="lost_worker"), b"", b"one ")
    writer.part(identity(1)[0], b"two")
    writer.close()
    (found,), _ = read_all(tmp_path / "w")
    assert isinstance(found, Exchange)
    assert (found.meta.status, found.request_body, found.response_body) == (200, b"ask", b"one two")


def test_an_end_without_a_beginning_is_nothing() -> None:
    """Parts and ends of an exchange whose opening was damaged are passed over without a guess."""
    assembler = Assembler()
    assert assembler.feed(Frame(FrameKind.PART, identity(1)[0] + b"x", 0, 1)) == ()
    assert assembler.opened == {}
    assert list(assembler.lost_worker()) == []


def test_a_reader_knows_how_far_back_it_must_begin(tmp_path: Path) -> None:
    """An open exchange remembers where it was opened, until it is closed."""
    writer = JournalWriter(tmp_path / "w", KEY, now=Hand())
    keep_whole(writer, 1)
    writer.open(meta_of(2), b"", b"")
    reader, assembler = SegmentReader(segment_path(tmp_path / "w", 1), KEY), Assembler()
    frames = list(reader.frames())
    for frame in frames:
        assembler.feed(frame)
    (opened,) = assembler.opened.values()
    assert opened.start == frames[1].start
    writer.close_exchange(meta_of(2, response_bytes=0), b"")
    for frame in reader.frames():
        assembler.feed(frame)
    assert assembler.opened == {}
    writer.close()


def test_a_segment_that_grows_while_its_header_is_read_is_not_passed_over(
    journal: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that came before the header was whole takes nothing for damage, however much is there a moment later."""
    path = tmp_path / "x.seg"
    path.write_bytes(journal[:10])
    plain = frames.read_segment_header

    def growing(data: bytes) -> tuple[float, bytes]:
        path.write_bytes(journal)  # between the look at the header and the next
        return plain(data)

    monkeypatch.setattr("records.journal.reader.read_segment_header", growing)
    reader = SegmentReader(path, KEY)
    assert list(reader.frames()) == []
    path.write_bytes(journal)
    assert len(list(reader.frames())) == 6
    assert reader.damaged == 0


def test_what_is_no_segment_is_nobodys_business(tmp_path: Path) -> None:
    """Whatever else lies in a worker's directory stops neither its writer nor its reader."""
    directory = tmp_path / "w"
    directory.mkdir()
    for name in ("notes.seg", "00000001 (copy).seg", "7.seg", "\u0661" * 8 + ".seg", ".seg", "x.seg.bak"):
        (directory / name).write_bytes(b"not ours")
    (directory / "00000009.seg").mkdir()
    (tmp_path / "a file").write_bytes(b"")
    assert segments(directory) == []
    assert segments(tmp_path / "a file") == []
    fill(directory, 3)
    assert segments(directory) == [10]  # behind whatever bears a segment's name
    assert numbers(read_all(directory)[0]) == [1, 2, 3]
    assert [path.name for path in workers(tmp_path)] == ["w"]
