import os
from pathlib import Path

import pytest

from records.journal.disk import cool, write_all


def test_a_write_that_finds_room_for_a_part_only_is_an_error() -> None:
    """What is written is whole; else it is as if the disk had been full."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        write_all(writer, b"whole")
        assert os.read(reader, 100) == b"whole"
        with pytest.raises(OSError, match="short write"):
            write_all(writer, bytes(4 * 1024 * 1024))
    finally:
        os.close(reader)
        os.close(writer)


def test_a_segment_that_is_gone_is_cool(tmp_path: Path) -> None:
    """It is but advice: one that a reader has read and deleted is no error, and one that is there keeps its bytes."""
    cool(tmp_path / "gone.seg")
    (tmp_path / "0.seg").write_bytes(b"frames")
    cool(tmp_path / "0.seg")
    assert (tmp_path / "0.seg").read_bytes() == b"frames"
