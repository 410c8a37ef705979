"""A worker's live counters: in a file that is all there, or in memory."""

from pathlib import Path

import pytest

from gateway.proxy.counters import INDEX, Live


def test_all_of_the_file_is_allocated(tmp_path: Path) -> None:
    """No counter lies in a hole of the file: on a full disk a write to one ends the process."""
    live = Live(tmp_path / "live", create=True)
    found = (tmp_path / "live").stat()
    assert found.st_blocks * 512 >= found.st_size > 0
    assert not live.in_memory


def test_where_no_file_can_be_had_counting_goes_on() -> None:
    """A disk that gives no room is not felt by who counts."""
    live = Live(Path("/dev/full"), create=True)
    assert live.in_memory
    live.values[INDEX["requests"]] += 3
    assert live.snapshot()["requests"] == 3
    live.close()


def test_a_file_that_is_not_there_is_not_made_by_a_reader(tmp_path: Path) -> None:
    """Whoever only reads is told that there is nothing."""
    with pytest.raises(OSError, match="live"):
        Live(tmp_path / "live", create=False)
