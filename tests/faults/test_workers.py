"""Killed workers, hang-ups, full disks: small sizes of what `make kills`, `make hangups` and `make diskfull` print."""

from pathlib import Path

import pytest

from tests.faults.disk_full import can_mount, disk_full
from tests.faults.hangups import hangups
from tests.faults.kills import kills
from tests.faults.read_only import read_only
from tests.faults.recorded import kills_recorded

pytestmark = pytest.mark.slow


async def test_a_killed_worker_loses_no_completed_exchange(tmp_path: Path) -> None:
    """What apps received in full before a SIGKILL is in the journal, once, with the same bytes."""
    found = await kills(4, tmp_path)
    assert found.held(), found.report()


async def test_killed_workers_and_recorders_lose_no_record(tmp_path: Path) -> None:
    """What apps received in full is in the Parquet records, once, though workers and the recorder were killed."""
    found = await kills_recorded(4, tmp_path)
    assert found.held(), found.report()


async def test_hang_ups_free_everything(tmp_path: Path) -> None:
    """Wherever apps hang up, the upstream request ends too, and no connection, descriptor or row is left over."""
    found = await hangups(300, tmp_path)
    assert not found.not_cancelled, found.report()
    assert not found.leaked(), found.report()
    assert found.app_errors == found.hook_errors == 0, found.report()
    assert found.with_row == found.exchanges > 0, found.report()


def test_a_data_directory_that_cannot_be_written_for_a_while_is_not_felt(tmp_path: Path) -> None:
    """Apps see no error, nor do those of a worker that begins then; kill acts; later all is back by itself."""
    if not can_mount():
        pytest.skip("a file system that is read-only needs root and a mount namespace")
    found = read_only(tmp_path)
    assert found.held(), found.report()


def test_a_full_disk_is_not_felt_and_is_counted(tmp_path: Path) -> None:
    """On a full disk apps see no error, what is lost is counted exactly, and capture resumes when there is room."""
    if not can_mount():
        pytest.skip("a small disk needs root and a mount namespace")
    found = disk_full(1_500, tmp_path)
    assert found.held(), found.report()
