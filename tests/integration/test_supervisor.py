"""The supervisor with real processes: what dies, what is replaced, and what nobody notices of it.

What its processes do is played; with the real ones it is tried in `test_serve.py`. What a test leaves as it found it is
asked of one gateway, `shared`.
"""

import contextlib
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from gateway.node.datadir import DataDir
from gateway.node.supervisor_status import SupervisorStatus
from gateway.supervisor.generations import MOST_OLD
from gateway.supervisor.process import CONTROL_GAP_S
from tests.fakes.serve import HELD
from tests.rooms.serving import FAKE_WORKER, One, Serving, asking, free_port, load
from tests.rooms.waiting import PATIENCE_S, await_true

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def started(directory: Path) -> Iterator[Serving]:
    with Serving(directory) as running:
        running.await_ready()
        running.await_control()
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with started(tmp_path_factory.mktemp("shared")) as running:
        yield running


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    with started(tmp_path) as running:
        yield running


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def started_s(pid: int | None) -> float:
    """When a process began, since the machine did."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return ticks / os.sysconf("SC_CLK_TCK")


def test_a_killed_worker_is_replaced_and_no_connection_is_refused(serving: Serving) -> None:
    """SIGKILL of the only worker costs the requests under way on it and nothing else: none is refused."""
    with load(serving.port, keep_alive=False) as running:
        for _ in range(3):
            before, answered = serving.pid_of("worker-0"), running.answered
            assert before is not None
            os.kill(before, signal.SIGKILL)
            await_true(lambda gone=before: serving.pid_of("worker-0") not in (gone, None), "a new worker")
            await_true(lambda answered=answered: running.answered > answered + 20, "answers again")
    assert not [each for each in running.failures if "refused" in each.lower()]
    assert len(running.failures) <= 3 * running.threads  # what was under way on the killed ones
    assert sum(event["status"] == -signal.SIGKILL for event in serving.events("process.ended")) == 3


def test_a_reload_changes_the_number_of_workers_and_the_port(serving: Serving) -> None:
    """Settings that are read again take effect whole: more workers, then fewer, on another port."""
    serving.workers = 3
    serving.write_settings()
    serving.process.send_signal(signal.SIGHUP)
    serving.await_ready(3)
    old_port, serving.port, serving.workers = serving.port, free_port(), 1
    serving.write_settings()
    serving.process.send_signal(signal.SIGHUP)
    serving.await_ready(1)
    await_true(lambda: len(serving.events("reload.done")) == 2, "both reloads")
    assert serving.ask() == serving.pid_of("worker-0")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{old_port}/")


def test_settings_that_do_not_load_change_nothing(serving: Serving) -> None:
    """A reload of a broken file is refused with its place, and everything runs on as before."""
    before = serving.pid_of("worker-0")
    serving.settings = "capture: {retentoin: 5d}"
    serving.write_settings()
    serving.process.send_signal(signal.SIGHUP)
    await_true(lambda: serving.events("reload.refused") != [], "the refusal")
    assert (
        "crossfade.yaml:2:11: `retentoin` is no key here. hint: did you mean `retention`?"
        in (serving.events("reload.refused")[0]["reason"])
    )
    assert serving.ask() == before
    assert serving.status()["reload"]["error"]


def test_workers_that_do_not_come_up_leave_the_old_ones(serving: Serving, tmp_path: Path) -> None:
    """When a new worker fails its start, a reload is refused and the old worker goes on serving."""
    before = serving.pid_of("worker-0")
    (tmp_path / "fake-worker").write_text("broken")
    serving.process.send_signal(signal.SIGHUP)
    await_true(lambda: serving.events("reload.refused") != [], "the refusal")
    assert serving.ask() == before


def test_a_reload_is_done_or_it_is_not(serving: Serving, tmp_path: Path) -> None:
    """When the second of three new workers fails, nothing is new: no worker, no port, and nothing breaks later."""
    serving.workers = 2
    serving.write_settings()
    serving.process.send_signal(signal.SIGHUP)
    serving.await_ready(2)
    await_true(lambda: serving.events("reload.done") != [], "the first reload")
    before = [serving.pid_of("worker-0"), serving.pid_of("worker-1")]
    old = serving.port, serving.admin_port
    serving.port, serving.admin_port, serving.workers = free_port(), free_port(), 3
    serving.write_settings()
    (tmp_path / "fake-worker").write_text("broken w1")
    serving.process.send_signal(signal.SIGHUP)
    await_true(lambda: serving.events("reload.refused") != [], "the refusal")
    for port in (serving.port, serving.admin_port):
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/healthz")
    serving.port, serving.admin_port = old
    await_true(lambda: {serving.ask() for _ in range(20)} <= set(before), "the old workers alone")
    assert [serving.pid_of("worker-0"), serving.pid_of("worker-1")] == before
    (tmp_path / "fake-worker").unlink()
    assert before[0] is not None
    os.kill(before[0], signal.SIGKILL)  # its successor is started with what was served before
    await_true(lambda: serving.pid_of("worker-0") not in (before[0], None), "a new worker")
    serving.await_ready(2)
    assert serving.process.poll() is None


def test_reloads_in_a_row_wait_for_the_answers_of_old_workers(serving: Serving, tmp_path: Path) -> None:
    """Each reload under an answer that lasts leaves a worker; at the bound one waits, says so, and loses no answer."""
    with contextlib.ExitStack() as stack:
        answers: list[One] = []
        for done in range(MOST_OLD):
            answers.append(stack.enter_context(asking(serving.port, "/held")))
            serving.await_metric("worker_in_flight 1")
            serving.process.send_signal(signal.SIGHUP)
            await_true(lambda done=done: len(serving.events("reload.done")) == done + 1, "a reload")
        before = serving.pid_of("worker-0")
        for _ in range(3):
            serving.process.send_signal(signal.SIGHUP)
        await_true(lambda: serving.status()["reload"]["waits_for"] != [], "the reload waits")
        waits_for = serving.status()["reload"]["waits_for"]
        (said,) = serving.events("reload.waits")
        assert [int(pid) for pid in said["pids"]] == waits_for
        assert len(waits_for) == MOST_OLD
        assert all(map(alive, waits_for))
        assert f"pids {', '.join(map(str, waits_for))}" in serving.crossfade("status").stdout
        assert serving.ask() == before == serving.pid_of("worker-0")
        (tmp_path / "let-go").touch()
        await_true(lambda: len(serving.events("reload.done")) == MOST_OLD + 1, "the reload that waited")
    assert [answer.status for answer in answers] == [200] * MOST_OLD
    assert serving.pid_of("worker-0") != before
    assert serving.status()["reload"]["waits_for"] == []


def test_sigterm_finishes_what_is_under_way(serving: Serving, tmp_path: Path) -> None:
    """On SIGTERM a slow answer is still given whole, new connections are refused, and the end is orderly."""
    with httpx.Client(timeout=PATIENCE_S) as client:
        with asking(serving.port, "/held") as answer:
            serving.await_metric("worker_in_flight 1")
            serving.process.send_signal(signal.SIGTERM)
            await_true(lambda: refuses(client, serving.port), "new connections are refused")
            assert serving.admin("/readyz").json()["reasons"][0] == "shutting down"
            (tmp_path / "let-go").touch()
        assert answer.status == 200
    assert serving.process.wait(PATIENCE_S) == 0
    assert serving.events("stopped") != []


def test_ctrl_c_ends_it_in_order_with_130(serving: Serving) -> None:
    """A person at a terminal ends it as SIGTERM does, and a shell hears that it was interrupted."""
    serving.process.send_signal(signal.SIGINT)
    assert serving.process.wait(PATIENCE_S) == 130
    assert serving.events("stopped") != []
    assert "Traceback" not in serving.log_path.read_text("utf-8")


def test_a_second_sigterm_ends_at_once(serving: Serving) -> None:
    """Who asks twice does not wait for a request that takes long."""
    with asking(serving.port, "/held") as answer:
        serving.await_metric("worker_in_flight 1")
        serving.process.send_signal(signal.SIGTERM)
        await_true(lambda: serving.events("stopping") != [], "it stops")
        serving.process.send_signal(signal.SIGTERM)
        assert serving.process.wait(PATIENCE_S) == 0
    assert answer.error


def test_the_control_plane_may_die(serving: Serving) -> None:
    """With controller, recorder, shadow and admin killed, probes and live metrics answer; and all four come back."""
    pids = {slot: serving.pid_of(slot) for slot in ("controller", "recorder", "shadow", "admin")}
    for pid in pids.values():
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    assert serving.admin("/healthz").status_code == 200
    assert serving.admin("/readyz").status_code == 200
    before = counted(serving, "crossfade_worker_requests_total")
    serving.ask()
    assert counted(serving, "crossfade_worker_requests_total") == before + 1
    for slot, pid in pids.items():
        await_true(lambda slot=slot, pid=pid: serving.pid_of(slot) not in (pid, None), f"a new {slot}")


def test_counters_outlive_their_worker(serving: Serving) -> None:
    """What a worker counted stays in `/metrics` after it was killed."""
    for _ in range(5):
        serving.ask()
    before = serving.pid_of("worker-0")
    assert before is not None
    os.kill(before, signal.SIGKILL)
    await_true(lambda: serving.pid_of("worker-0") not in (before, None), "a new worker")
    serving.ask()
    assert counted(serving, "crossfade_worker_requests_total") == 6
    assert counted(serving, 'crossfade_process_restarts_total{process="worker-0"}') == 1


def test_a_control_plane_killed_as_a_whole_comes_back_one_by_one(serving: Serving) -> None:
    """Of four processes killed at once, each has a turn of its own, two seconds after the one before."""
    killed = {slot: serving.pid_of(slot) for slot in ("controller", "recorder", "shadow", "admin")}
    for pid in killed.values():
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    for slot, pid in killed.items():
        await_true(lambda slot=slot, pid=pid: serving.pid_of(slot) not in (pid, None), f"a new {slot}")
    started = sorted(started_s(serving.pid_of(slot)) for slot in killed)
    turns = len(started) - 1
    assert started[-1] - started[0] > CONTROL_GAP_S * turns / 2, "a busy machine starts one late, and not all at once"
    assert sum(event["status"] == -signal.SIGKILL for event in serving.events("process.ended")) == 4


def test_nothing_outlives_the_supervisor(serving: Serving) -> None:
    """When the supervisor is killed, so are all its children."""
    pids = [each["pid"] for each in serving.status()["processes"]]
    assert all(alive(pid) for pid in pids)
    serving.process.kill()
    serving.process.wait()
    await_true(lambda: not any(alive(pid) for pid in pids), "all gone")


def test_a_data_directory_has_one_supervisor(shared: Serving) -> None:
    """A second supervisor over the same directory does not start, and names the first."""
    second = subprocess.run(  # noqa: PLW1510 -- its exit status is what we look at
        shared.command, cwd=shared.directory, env=shared.environment, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert second.returncode == 1
    assert f"another Crossfade (pid {shared.process.pid}) serves from" in second.stderr


def test_what_status_shows_is_written_anew(shared: Serving) -> None:
    """A status file that is overwritten, removed or old is back in a moment: `status` says who serves."""
    path = DataDir(shared.data).supervisor_status
    known = path.read_bytes()
    old = msgspec.json.encode(msgspec.structs.replace(msgspec.json.decode(known, type=SupervisorStatus), processes=()))
    for harm in (lambda: path.write_bytes(b"{"), path.unlink, lambda: path.write_bytes(old)):
        harm()
        await_true(lambda: path.exists() and path.read_bytes() == known, "the status is as it was")
    assert shared.crossfade("status").stdout.startswith("serving")


def is_blocked(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a signal wait."""
    status = Path(f"/proc/{pid}/status").read_text()
    return bool(int(status.split("SigBlk:")[1].split()[0], 16) >> (number - 1) & 1)


def opened(pipe: Path) -> bool:
    """Open and close a pipe, if somebody reads it."""
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        assert error.errno == errno.ENXIO
        return False
    return True


def test_a_word_that_comes_before_it_listens_waits_for_it(tmp_path: Path) -> None:
    """SIGHUP and SIGUSR2 while it reads its settings end nothing: it comes up, reloads, and its kill switch is on."""
    serving = Serving(tmp_path)
    serving.write_settings()
    os.mkfifo(tmp_path / "held")
    command = [sys.executable, "-m", "tests.fakes.serve", FAKE_WORKER]
    environment = serving.environment | {HELD: str(tmp_path / "held")}
    with serving.log_path.open("ab") as log:
        process = serving.process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=log)
    with contextlib.ExitStack() as stack:
        stack.push(serving.__exit__)
        await_true(lambda: is_blocked(process.pid, signal.SIGHUP), "it reads its settings")
        for number in (signal.SIGHUP, signal.SIGUSR2):
            process.send_signal(number)
        await_true(lambda: opened(tmp_path / "held"), "the settings come")
        serving.await_ready()
        await_true((serving.data / "KILL").exists, "the kill file")
        await_true(lambda: serving.events("reload.done"), "the reload")
        assert process.poll() is None
        assert not serving.events("process.not_ready")


def test_sigusr2_is_the_kill_switch(serving: Serving) -> None:
    """SIGUSR2 writes the kill file and reaches the workers, and nothing dies of it."""
    before = serving.pid_of("worker-0")
    serving.process.send_signal(signal.SIGUSR2)
    await_true((serving.data / "KILL").exists, "the kill file")
    await_true(lambda: counted(serving, "crossfade_killed") == 1, "the worker acts on it")
    assert serving.ask() == before


def counted(serving: Serving, series: str) -> float:
    lines = serving.admin("/metrics").text.splitlines()
    return float(next(line.rpartition(" ")[2] for line in lines if line.startswith(series)))


def refuses(client: httpx.Client, port: int) -> bool:
    try:
        client.get(f"http://127.0.0.1:{port}/")
    except httpx.ConnectError:
        return True
    except httpx.TransportError:
        return False  # it stood in the backlog when the listener closed: reset by the kernel, the next one is refused
    return False
