"""The recorder as the supervisor starts it, killed for real."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path

import httpx
import msgspec
import pytest

from gateway.control.recorder.boot import RecorderBoot
from gateway.process import READY
from tests.fakes.openai_answers import Speaker
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream
from tests.rooms.gateway_process import JOURNAL_KEY, PEPPER, Gateway, table_for
from tests.rooms.recording import Place
from tests.rooms.waiting import PATIENCE_S, await_true

KILLS = 4
WORKER_KILLS = 3


def start(boot: RecorderBoot) -> subprocess.Popen[bytes]:
    """A recorder that has reported ready."""
    boot_read, boot_write = os.pipe()
    ready_read, ready_write = os.pipe()
    os.write(boot_write, msgspec.json.encode(msgspec.structs.replace(boot, ready_fd=ready_write)))
    os.close(boot_write)
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.control.recorder.process", "--boot-fd", str(boot_read)],
        pass_fds=(boot_read, ready_write),
    )
    os.close(boot_read)
    os.close(ready_write)
    try:
        assert os.read(ready_read, 1) == READY
    finally:
        os.close(ready_read)
    return process


def wait_until_recorded(place: Place, number: int) -> None:
    """Until there are so many rows."""
    await_true(lambda: len(place.ids()) >= number, f"{number} rows are recorded")


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

    assert process.wait(PATIENCE_S) == 0
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

    assert process.wait(PATIENCE_S) == 0
    assert place.ids() == worker.ids
    assert 'records_total{table="exchanges"} 20' in (place.root / "recorder.prom").read_text()
    worker.die()


def ask(client: httpx.Client, number: int, answered: list[str]) -> None:
    """Ask once, streamed every other time; note the id of an answer that came in full."""
    body = {
        "model": "gpt-4o",
        "stream": number % 2 == 0,
        "messages": [{"role": "user", "content": f"question {number}"}],
    }
    with suppress(httpx.TransportError):  # its worker was killed: nobody promised anything
        answer = client.post("/chat/completions", json=body)
        assert answer.status_code == 200
        answered.append(answer.headers["x-crossfade-request-id"])


@pytest.mark.slow
def test_workers_killed_under_load(tmp_path: Path):
    """Every answer that an app got in full is in the records, once, however often its worker is killed."""
    answered: list[str] = []
    with (
        in_thread(FakeUpstream(Speaker(), require_key=False)) as upstream,
        Gateway(tmp_path / "gateway", table_for(upstream.base_url)) as gateway,
        ThreadPoolExecutor(4) as pool,
    ):
        place = Place(tmp_path)
        boot = RecorderBoot(
            journal=str(gateway.journal_path),
            journal_key=JOURNAL_KEY.hex(),
            pepper=PEPPER.hex(),
            records=str(tmp_path / "records"),
            exposition=str(tmp_path / "recorder.prom"),
            routing=str(gateway.directory / "routing.json"),
            plan=str(gateway.directory / "shadow.json"),
            readers=str(tmp_path / "readers"),
        )
        process = start(boot)
        for _ in range(WORKER_KILLS):
            with gateway.client() as client:
                asked = [pool.submit(ask, client, number, answered) for number in range(50)]
                asked[30].result()
                gateway.worker.kill()
                gateway.start()
                wait(asked)
        await_true(lambda: set(answered) <= set(place.ids()), "what was answered is recorded")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0

    assert len(answered) > 30 * WORKER_KILLS
    assert len(place.ids()) == len(set(place.ids()))
    assert set(answered) <= set(place.ids())
