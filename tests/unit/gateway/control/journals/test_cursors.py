"""What other readers of the journals say they still need."""

from pathlib import Path

from gateway.control.journals.cursors import EVERYTHING, Reader, keep_only, needed_from, path_of, write


def test_nobody_reads(tmp_path: Path):
    """Without other readers nothing is needed."""
    assert needed_from(tmp_path / "readers")("w1") is None


def test_the_slowest_reader_counts(tmp_path: Path):
    """A worker's segments are needed from where the reader that is furthest behind stands."""
    write(tmp_path / "readers", "shadow", Reader({"w1": 7, "w2": 3}))
    write(tmp_path / "readers", "controller", Reader({"w1": 5, "w2": 4}))
    needed = needed_from(tmp_path / "readers")

    assert (needed("w1"), needed("w2")) == (5, 3)


def test_a_new_worker_is_needed_whole(tmp_path: Path):
    """Who follows everybody needs all of a worker it has not met, but nothing of those it ignores."""
    write(tmp_path, "shadow", Reader({"w1": 7, "shadow-9": 2}, ignores=("shadow-", "controller-")))
    needed = needed_from(tmp_path)

    assert needed("w2") == 0
    assert needed("controller-4") is None
    assert needed("shadow-9") == 2


def test_a_reader_that_follows_nobody_needs_nothing(tmp_path: Path):
    """Whoever has nothing to do holds nothing."""
    write(tmp_path, "shadow", Reader(ignores=(EVERYTHING,)))

    assert needed_from(tmp_path)("w1") is None


def test_what_cannot_be_read_needs_everything(tmp_path: Path):
    """A damaged file loses nothing; half-written and foreign files say nothing."""
    path_of(tmp_path, "shadow").write_bytes(b"{")
    (tmp_path / ".controller.json.77.new").write_bytes(b"{")
    (tmp_path / "notes.txt").write_bytes(b"hello")

    assert needed_from(tmp_path)("w1") == 0


def test_a_file_may_hold_more(tmp_path: Path):
    """A reader keeps what else it knows in the same file, so that both change together."""
    path_of(tmp_path, "shadow").write_bytes(b'{"first": {"w1": 2}, "pending": [1, 2]}')

    assert needed_from(tmp_path)("w1") == 2


def test_a_reader_that_runs_no_more_holds_nothing(tmp_path: Path):
    """Its word goes with it; the others' stands, and so does a file that is just being written."""
    for name in ("shadow", "exporter"):
        write(tmp_path, name, Reader({"w1": 7}))
    (tmp_path / ".exporter.json.1").write_text("half")
    keep_only(tmp_path, {"shadow", "controller"})
    assert sorted(path.name for path in tmp_path.iterdir()) == [".exporter.json.1", "shadow.json"]
    keep_only(tmp_path / "none", ())
