"""The wall clock steps under a whole gateway: what `make chaos` draws among all else, once and looked at closely."""

import subprocess
import sys
from pathlib import Path

import duckdb
import httpx
import pytest

from gateway import clock
from policies.routing import decode
from tests.fakes.openai_answers import Speaker
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream
from tests.rooms import stepped_clock
from tests.rooms.serving import REAL, Serving
from tests.rooms.stepped_clock import SteppedClock
from tests.rooms.waiting import NO_TLS, PATIENCE_S, await_true

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(stepped_clock.compiler() is None, reason="a clock of one's own needs Linux and a C compiler"),
]
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
TOLD = "import time; print(time.time(), time.monotonic())"


def test_a_process_goes_by_the_clock_it_was_started_with(tmp_path: Path) -> None:
    """The step is that of the wall clock alone, both ways, and this process is not touched by it."""
    wall = stepped_clock.made(tmp_path)
    for off_s in (0.0, -3600.0, 1800.5):
        wall.set(off_s)
        said = subprocess.run([sys.executable, "-c", TOLD], env=wall.environment, capture_output=True, check=True)
        told, told_monotonic = map(float, said.stdout.split())
        assert 0 <= clock.wall() + off_s - told < PATIENCE_S
        assert 0 <= clock.monotonic() - told_monotonic < PATIENCE_S


def test_a_gateway_outlives_steps_of_its_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ahead and back by most of an hour: each process goes by the new time, none ends, all asked is recorded."""
    (tmp_path / "clock").mkdir()
    wall = stepped_clock.made(tmp_path / "clock")
    for name, value in wall.environment.items():
        monkeypatch.setenv(name, value)
    with in_thread(FakeUpstream(Speaker("frontier"), require_key=False)) as frontier:
        serving = Serving(tmp_path, f'upstreams: {{openai: {{base_url: "{frontier.base_url}"}}}}', worker=REAL)
        with serving:
            serving.await_ready()
            serving.await_control()
            before = {each["slot"]: each["pid"] for each in serving.status()["processes"]}
            assert all("stepped_clock.so" in Path(f"/proc/{pid}/maps").read_text() for pid in before.values())
            asked = {_ask(serving, wall, off_s): off_s for off_s in (0.0, -3000.0, 3000.0, 0.5)}
            assert {each["slot"]: each["pid"] for each in serving.status()["processes"]} == before
            rows = _rows(serving)
            assert rows.keys() == asked.keys()
            for name, off_s in asked.items():
                assert abs(rows[name] - clock.wall() - off_s) < PATIENCE_S


def _ask(serving: Serving, wall: SteppedClock, off_s: float) -> str:
    """One request after a step, until it is recorded and the controller has renewed the lease; its id."""
    known = len(_rows(serving))
    wall.set(off_s)
    answer = httpx.post(
        f"http://127.0.0.1:{serving.port}/v1/chat/completions", json=BODY, timeout=PATIENCE_S, verify=NO_TLS,
        headers={"authorization": "Bearer sk-app"},
    )  # fmt: skip
    assert answer.status_code == 200
    await_true(lambda: len(_rows(serving)) > known, "the answer is recorded")
    await_true(lambda: abs(_renewed_at(serving) - clock.wall() - off_s) < PATIENCE_S, "the lease goes by the new time")
    return answer.headers["x-crossfade-request-id"]


def _renewed_at(serving: Serving) -> float:
    return decode((serving.data / "routing.json").read_bytes()).lease.renewed_at


def _rows(serving: Serving) -> dict[str, float]:
    """The recorded exchanges, and the Unix seconds at which each arrived."""
    found = list((serving.data / "records" / "exchanges").rglob("*.parquet"))
    if not found:
        return {}
    with duckdb.connect() as database:
        query = "select id, epoch(arrived_at) from read_parquet(?)"
        try:
            return dict(database.execute(query, [[str(path) for path in found]]).fetchall())
        except duckdb.IOException:  # merged away since it was listed
            return {}
