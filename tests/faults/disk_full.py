"""A journal on a disk that fills up: traffic goes on, and what is lost is counted exactly.

The small disk is a tmpfs in a mount namespace of its own (`unshare -m`, which needs root): the process runs itself
again inside, and prints what it found as JSON.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

from gateway import clock
from records.journal.frames import segment_path
from records.journal.reader import segments, workers
from tests.fakes.raw_http import App, request
from tests.fakes.raw_upstream import Call, RawUpstream, answer
from tests.faults.replay import NO_ANSWER
from tests.rooms.gateway_process import Gateway, table_for

DISK_MB = 8
APPS = 8
PAYLOAD = 8_000
INSIDE_S = 300
RETRY_S = 2.5
"""A writer that met a full disk tries again after a second; the live counters follow within another."""
SEGMENT_BYTES = 1024 * 1024


class DiskFullFound(msgspec.Struct):
    """The apps' ledger against what is kept and what is said to be lost."""

    answered: int = 0
    app_errors: int = 0
    kept: int = 0
    lost_said: int = 0
    """By the live counters."""
    lost_in_gaps: int = 0
    """By the journal itself, once there was room again."""
    kept_without_bodies: int = 0
    bodies_said: int = 0
    kept_after_room: int = 0
    """Exchanges kept after the disk had been full and there was room again."""
    slowest_ms: float = 0.0

    def held(self) -> bool:
        """Whether no app noticed, the loss is exact, and capture resumed."""
        exact = self.answered == self.kept + self.lost_said == self.kept + self.lost_in_gaps
        return exact and self.lost_said > 0 and self.app_errors == 0 and self.kept_after_room > 0

    def report(self) -> str:
        """The figures."""
        return (
            f"answered {self.answered}, app errors {self.app_errors}, slowest {self.slowest_ms:.0f} ms\n"
            f"in the journal {self.kept} + counted as lost {self.lost_said} = {self.kept + self.lost_said}; "
            f"Gap frames say {self.lost_in_gaps}; kept after there was room again: {self.kept_after_room}"
        )


def can_mount() -> bool:
    """Whether a mount namespace can be had: root, and a kernel that lets it."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


def disk_full(count: int, directory: Path) -> DiskFullFound:
    """Fill a small disk with `count` exchanges, make room, and go on.

    Raises:
        RuntimeError: the run inside the namespace failed; its output is in the message.
    """
    disk = directory / "disk"
    disk.mkdir(parents=True)
    inside = f"mount -t tmpfs -o size={DISK_MB}m none {disk} && exec {sys.executable} -m tests.faults.disk_full"
    command = ["unshare", "-m", "sh", "-c", f"{inside} {directory} {count}"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=INSIDE_S)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode(errors="replace"))
    return msgspec.json.decode(done.stdout, type=DiskFullFound)


async def serve(call: Call) -> None:
    """An answer as long as the question."""
    await call.send(answer(b'{"echo":"' + b"y" * PAYLOAD + b'"}'))


async def _ask(port: int, count: int, found: DiskFullFound) -> None:
    turns = iter(range(count))

    async def lane() -> None:
        app: App | None = None
        for _ in turns:
            started_s = clock.monotonic()
            try:
                app = app or await App.connect(port)
                message = await asyncio.wait_for(
                    app.ask(request(b'{"model":"gpt-4o","x":"' + b"x" * PAYLOAD + b'"}')), 10
                )
            except NO_ANSWER:
                found.app_errors += 1
                app = None
                continue
            found.answered += message.status == 200
            found.app_errors += message.status != 200
            found.slowest_ms = max(found.slowest_ms, (clock.monotonic() - started_s) * 1e3)
        if app is not None:
            app.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(APPS):
            group.create_task(lane())


def _make_room(journal: Path, saved: Path) -> None:
    """Take the older segments away, as the control plane does once they are recorded."""
    for worker in workers(journal):
        (saved / worker.name).mkdir(parents=True, exist_ok=True)
        for number in segments(worker)[:-1]:
            shutil.move(segment_path(worker, number), saved / worker.name)


async def run_inside(directory: Path, count: int) -> DiskFullFound:
    """The run itself, on a disk that is already small."""
    found, saved = DiskFullFound(), directory / "saved"
    async with RawUpstream(serve, keep_calls=False) as upstream:
        gateway = Gateway(
            directory / "gateway",
            table_for(upstream.base_url),
            options={"segment_bytes": SEGMENT_BYTES},
            journal_path=directory / "disk" / "journal",
        )
        with gateway:
            await _ask(gateway.port, count, found)
            _make_room(gateway.journal_path, saved)
            await asyncio.sleep(RETRY_S)
            full_at = gateway.worker.live()["lost_exchanges"]
            await _ask(gateway.port, count // 10, found)
            await asyncio.to_thread(gateway.worker.stop)
            found.lost_said = gateway.worker.live()["lost_exchanges"]
            found.bodies_said = gateway.worker.live()["lost_bodies"]
            found.kept_after_room = count // 10 - (found.lost_said - full_at)
            _count(found, gateway, saved)
    return found


def _count(found: DiskFullFound, gateway: Gateway, saved: Path) -> None:
    """Read what was taken away and what remained as one journal."""
    for worker in workers(gateway.journal_path):
        for number in segments(worker):
            shutil.copy(segment_path(worker, number), saved / worker.name)
    gateway.journal_path = saved
    journal = gateway.journal()
    ids = {exchange.meta.id for exchange in journal.exchanges}
    assert len(ids) == len(journal.exchanges)
    found.kept = len(ids)
    found.kept_without_bodies = sum(1 for exchange in journal.exchanges if not exchange.response_body)
    found.lost_in_gaps = sum(gap.exchanges for gap in journal.gaps)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        result = asyncio.run(run_inside(Path(sys.argv[1]), int(sys.argv[2])))
        sys.stdout.buffer.write(msgspec.json.encode(result))
