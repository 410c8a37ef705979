"""The recorder as the supervisor starts it, killed for real."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from gateway import clock
from gateway.control import recording
from gateway.control.recording import RecorderBoot
from tests.integration.recording import Place

KILLS = 4
START_S = 30.0


def start(boot: RecorderBoot) -> subprocess.Popen[bytes]:
    """A recorder that has reported ready."""
    boot_read, boot_write = os.pipe()
    ready_read, ready_write = os.pipe()
    os.write(boot_write, recording.encode(msgspec.structs.replace(boot, ready_fd=ready_write)))
    os.close(boot_write)
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.control.recorder", "--boot-fd", str(boot_read)],
        pass_fds=(boot_read, ready_write),
    )
    os.close(boot_read)
    os.close(ready_write)
    try:
        assert os.read(ready_read, 1) == b"+"
    finally:
        os.close(ready_read)
    return process


def wait_until_recorded(place: Place, number: int) -> None:
    """Poll the records; the recorder is another process."""
    deadline = clock.monotonic() + START_S
    while len(place.ids()) < number:
        assert clock.monotonic() < deadline, f"{len(place.ids())} of {number} are recorded"


@pytest.mark.slow
def test_killed_while_it_records(tmp_path: Path):
    """Killed again and again while workers write, and in the end nothing is missing and nothing there twice."""
    place = Place(tmp_path)
    worker = place.worker(segment_bytes=64 * 1024)
    for number in range(KILLS):
        process = start(place.boot())
        for _ in range(40):
            worker.streamed("a", "b")
            worker.feedback(worker.whole())
        if number % 3:
            wait_until_recorded(place, len(worker.ids) - 60)  # it is in the middle of something
        process.send_signal(signal.SIGKILL)
        process.wait()
    process = start(place.boot())
    wait_until_recorded(place, len(worker.ids))
    process.send_signal(signal.SIGTERM)

    assert process.wait(START_S) == 0
    assert place.ids() == sorted(worker.ids)
    assert len(place.rows("exchange_id", "feedback")) == len(worker.ids) // 2
    worker.die()


def test_sigterm_writes_what_is_there(tmp_path: Path):
    """Told to stop, a recorder writes what the journals hold before it ends."""
    place = Place(tmp_path)
    worker = place.worker()
    process = start(place.boot())
    for _ in range(20):
        worker.whole()
    process.send_signal(signal.SIGTERM)

    assert process.wait(START_S) == 0
    assert place.ids() == worker.ids
    assert 'records_total{table="exchanges"} 20' in (place.root / "recorder.prom").read_text()
    worker.die()
