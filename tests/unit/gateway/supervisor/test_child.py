import asyncio
import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from gateway import clock
from gateway.log import Log
from gateway.proxy.boot import Boot
from gateway.supervisor.child import BOOT_BYTES, BootTooLargeError, Child, Program, spawn
from gateway.supervisor.slot import Slot
from policies.routing import encode
from tests.rooms.gateway_process import JOURNAL_KEY, PEPPER
from tests.rooms.house import table
from tests.rooms.waiting import PATIENCE_S, until

IDLE = "tests.fakes.idle"


def program(content: bytes | None = None, module: str = IDLE) -> Program:
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    return Program(
        module, lambda fd: content if content is not None else b'{"ready_fd": %d}' % fd, environment=environment
    )


def session_nice(pid: int) -> int | None:
    """Its session's place, where the kernel shares the processor between sessions; None: it has none of its own."""
    group = Path(f"/proc/{pid}/autogroup")
    told = group.read_text().split() if group.exists() else []
    return int(told[-1]) if told else None


async def test_ready_then_stopped(reaping: list[Child]) -> None:
    """A child reports ready once it is, ends on SIGTERM, and its status is known without waiting for it."""
    child = spawn("idle", program())
    reaping.append(child)
    assert await child.ready(20.0)
    assert await child.stop(10.0) == 0
    assert child.exited.result() == 0


async def test_a_word_that_comes_with_the_deadline_counts(reaping: list[Child]) -> None:
    """On a busy machine both are seen in one round of the loop: a child that is ready then is no failed one."""
    child = spawn("idle", program())
    reaping.append(child)
    async with asyncio.TaskGroup() as group:
        waits = group.create_task(child.ready(0.0))
        await asyncio.sleep(0)
        assert select.select([child._ready_fd], [], [], PATIENCE_S)[0]  # the loop stands still meanwhile
    assert waits.result()


async def test_one_that_dies_is_not_ready(reaping: list[Child]) -> None:
    """A child that ends before it is ready is known at once, not after the deadline."""
    child = spawn("broken", program(content=b"not json"))
    reaping.append(child)
    async with asyncio.timeout(PATIENCE_S):
        assert not await child.ready(3600.0)
        assert await child.exited == 1


async def test_a_word_that_comes_before_a_worker_listens_waits_for_it(reaping: list[Child], tmp_path: Path) -> None:
    """Whoever sends SIGUSR2 while a worker starts stops its candidates, and not the worker; SIGHUP is not for it."""
    (tmp_path / "routing.json").write_bytes(encode(table("http://127.0.0.1:9/v1")))
    told = Boot(
        worker="w", listen_fds=[], routing=str(tmp_path / "routing.json"), kill=str(tmp_path / "KILL"),
        journal=str(tmp_path / "journal"), journal_key=JOURNAL_KEY.hex(), pepper=PEPPER.hex(),
        live=str(tmp_path / "live"),
    )  # fmt: skip

    def boot_of(fd: int) -> bytes:
        return msgspec.json.encode(structs.replace(told, ready_fd=fd))

    child = spawn("w", replace(program(module="gateway.proxy.app"), boot=boot_of))
    reaping.append(child)
    child.send(signal.SIGUSR2)
    child.send(signal.SIGHUP)
    assert await child.ready(PATIENCE_S)
    await until((tmp_path / "KILL").exists)
    child.send(signal.SIGHUP)
    assert await child.stop(PATIENCE_S, signal.SIGINT) == 0


async def test_one_that_does_not_stop_is_killed(reaping: list[Child]) -> None:
    """Who does not end in time is killed."""
    child = spawn("idle", program())
    reaping.append(child)
    assert await child.ready(20.0)
    os.kill(child.pid, signal.SIGSTOP)
    assert await child.stop(0.1) == -signal.SIGKILL


async def test_a_boot_larger_than_a_pipe(reaping: list[Child]) -> None:
    """Up to a mebibyte is handed over without waiting for the child; more is refused, and nothing is started."""
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(BootTooLargeError):
        spawn("idle", program(content=b"x" * (BOOT_BYTES + 1)))
    assert len(os.listdir("/proc/self/fd")) == before
    child = spawn(
        "idle", Program(IDLE, lambda fd: b'{"ready_fd": %d}' % fd + b" " * 500_000, environment=program().environment)
    )
    reaping.append(child)
    assert await child.ready(20.0)


async def test_one_that_stands_back(reaping: list[Child]) -> None:
    """A child that nobody waits for comes up like the others, and has its place on the processor once it is ready."""
    child = spawn("idle", replace(program(), nice=5))
    reaping.append(child)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, child.pid) == own
    assert await child.ready(60.0)
    await child.stand_back()
    places = {os.getpriority(os.PRIO_PROCESS, int(name)) for name in os.listdir(f"/proc/{child.pid}/task")}
    assert places == {min(19, own + 5)}
    assert (child.cpu_s() or 0.0) > 0.0
    assert session_nice(child.pid) in (None, min(19, (session_nice(os.getpid()) or 0) + 5))


SESSION = """
import asyncio, os, signal, sys
from pathlib import Path
from gateway.supervisor.child import Program, spawn

async def main():
    try:
        Path("/proc/self/autogroup").write_text("3")
    except OSError:
        return
    environment = dict(os.environ)
    for nice in (0, 5):
        program = Program("tests.fakes.idle", lambda fd: b'{"ready_fd": %d}' % fd, environment=environment, nice=nice)
        child = spawn("idle", program)
        assert await child.ready(60.0)
        await child.stand_back()
        print(Path(f"/proc/{child.pid}/autogroup").read_text().split()[-1], flush=True)
        child.send(signal.SIGKILL)
        child.process.wait()

asyncio.run(main())
"""
"""A supervisor whose session stands back by 3; its children's places, one a line. No word where no session may."""


def test_children_stand_where_their_supervisors_session_does_or_behind_it() -> None:
    """Who starts a gateway ahead of others, or behind them, has all of it there, not its supervisor alone."""
    told = subprocess.run(
        [sys.executable, "-c", SESSION],
        env=os.environ | {"PYTHONPATH": os.getcwd()},
        start_new_session=True,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    if not told.stdout:
        pytest.skip("this kernel does not share the processor between sessions")
    assert told.stdout.split() == ["3", "8"]


async def test_who_ends_before_it_is_ready_is_told_of_with_its_status(
    reaping: list[Child], capfd: pytest.CaptureFixture[str]
) -> None:
    """A process that is killed writes no line of its own: the alarm says by which signal, or with which status."""

    def launch() -> Child:
        reaping.append(spawn("broken", program(content=b"not json")))
        return reaping[-1]

    async with asyncio.TaskGroup() as group:
        slot = Slot("worker-0", launch, group, Log("test"), clock.monotonic)
        assert not await slot.prepare(launch)
    told = [json.loads(line) for line in capfd.readouterr().err.splitlines() if "process.not_ready" in line]
    assert [line["status"] for line in told] == [1]


async def test_a_stop_ends_a_successor_whose_reload_was_given_up(reaping: list[Child]) -> None:
    """SIGTERM in the middle of a reload: the worker that was coming up does not serve on beside those that drain."""

    def launch() -> Child:
        reaping.append(spawn("idle", program()))
        return reaping[-1]

    async with asyncio.TaskGroup() as group, asyncio.timeout(PATIENCE_S):
        slot = Slot("worker-0", launch, group, Log("test"), clock.monotonic)
        reloading = group.create_task(slot.prepare(launch))
        await asyncio.sleep(0)
        reloading.cancel()
        await asyncio.wait((reloading,))
        await slot.stop(10.0)
        assert [child.exited.done() for child in reaping] == [True]


async def test_each_process_drains_for_as_long_as_its_own_settings_say(reaping: list[Child]) -> None:
    """A reload changes how long a worker may drain for those it starts: the one before keeps the time that it knows."""

    def launch() -> Child:
        reaping.append(spawn("idle", program()))
        return reaping[-1]

    async with asyncio.TaskGroup() as group, asyncio.timeout(PATIENCE_S):
        slot = Slot("worker-0", launch, group, Log("test"), clock.monotonic, drain_s=3600.0)
        for drain_s in (3600.0, 0.0, 3600.0):
            assert await slot.prepare(launch)
            if slot.current is not None:
                os.kill(slot.current.pid, signal.SIGSTOP)  # an answer that lasts
            slot.switch(drain_s)
        assert await reaping[1].exited == -signal.SIGKILL
        assert not reaping[0].exited.done()
        os.kill(reaping[0].pid, signal.SIGCONT)
        assert await reaping[0].exited == 0
