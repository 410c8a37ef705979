"""SIGKILL of workers and of the recorder under load: what an app received in full is in the Parquet records, once."""

import asyncio
import os
import select
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import duckdb
import msgspec

from gateway import clock
from gateway.control.recorder.boot import RecorderBoot
from tests.fakes.raw_upstream import RawUpstream
from tests.faults.dice import dice
from tests.faults.kills import APPS, KillsFound, app_that_asks, serve
from tests.rooms.gateway_process import JOURNAL_KEY, PEPPER, Gateway, table_for

START_S = 120.0
"""It takes up where it was killed before it says that it is ready."""
SETTLE_S = 60.0
"""It may rest for so long without a new record before what is not there is missing."""


@dataclass(slots=True)
class RecorderProcess:
    """The recorder, started as the supervisor starts it."""

    gateway: Gateway
    records: Path
    process: subprocess.Popen[bytes] | None = None
    kills: int = 0

    def start(self) -> None:
        """Start it; returns when it has taken up where the last one stopped."""
        ready_r, ready_w = os.pipe()
        boot_r, boot_w = os.pipe()
        boot = RecorderBoot(
            journal=str(self.gateway.journal_path),
            journal_key=JOURNAL_KEY.hex(),
            pepper=PEPPER.hex(),
            records=str(self.records),
            exposition=str(self.gateway.directory / "recorder.prom"),
            routing=str(self.gateway.directory / "routing.json"),
            plan=str(self.gateway.directory / "shadow.json"),
            readers=str(self.gateway.directory / "readers"),
            journal_retention_s=0.0,
            ready_fd=ready_w,
        )
        os.write(boot_w, msgspec.json.encode(boot))
        os.close(boot_w)
        with (self.gateway.directory / "recorder.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway.control.recorder.process", "--boot-fd", str(boot_r)],
                pass_fds=(boot_r, ready_w),
                stdout=log,
                stderr=log,
            )
        os.close(boot_r)
        os.close(ready_w)
        readable, _, _ = select.select([ready_r], [], [], START_S)
        came = bool(readable) and os.read(ready_r, 1) != b""
        os.close(ready_r)
        if not came:
            raise RuntimeError((self.gateway.directory / "recorder.log").read_text(errors="replace"))

    def kill(self) -> None:
        """SIGKILL it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.kills += 1

    def stop(self) -> None:
        """Let it record the rest, and end it."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(START_S)


@dataclass(frozen=True, slots=True)
class Row:
    """What a record says of an exchange."""

    id: str
    outcome: str
    hashes: tuple[str, str]


def rows(records: Path) -> list[Row]:
    """All recorded exchanges, as anybody would read them."""
    files = str(records / "exchanges" / "**" / "*.parquet")
    with duckdb.connect() as database:
        if not list((records / "exchanges").rglob("*.parquet")):
            return []
        query = f"select id, outcome, request_sha256, response_sha256 from '{files}'"  # noqa: S608 -- our own path
        return [Row(str(one[0]), one[1], (one[2], one[3])) for one in database.execute(query).fetchall()]


async def kills_recorded(count: int, directory: Path, *, seed: int = 1) -> KillsFound:
    """As `kills`, with a recorder that runs along and is killed after every fourth worker."""
    found, stop, moments = KillsFound(count), asyncio.Event(), dice(seed)
    async with RawUpstream(serve, keep_calls=False) as upstream:
        with Gateway(directory, table_for(upstream.base_url)) as gateway:
            recorder = RecorderProcess(gateway, directory / "records")
            await asyncio.to_thread(recorder.start)
            async with asyncio.TaskGroup() as group:
                for number in range(APPS):
                    group.create_task(app_that_asks(gateway.port, found, stop, number))
                for turn in range(count):
                    old = gateway.worker
                    await asyncio.to_thread(gateway.start)
                    await asyncio.sleep(moments.uniform(0.02, 0.2))
                    old.kill()
                    if turn % 4 == 3:
                        recorder.kill()
                        await asyncio.to_thread(recorder.start)
                stop.set()
            await asyncio.to_thread(gateway.worker.stop)
            await _until_recorded(directory / "records", found)
            await asyncio.to_thread(recorder.stop)
    _check(found, rows(directory / "records"))
    found.recorder_kills = recorder.kills
    return found


async def _until_recorded(records: Path, found: KillsFound) -> None:
    """Wait until all is recorded, as long as the records grow; what is missing then is missing."""
    recorded, until_s = 0, clock.monotonic() + SETTLE_S
    while clock.monotonic() < until_s:
        try:
            known = {row.id for row in rows(records)}
        except duckdb.IOException:  # a file that was listed is merged into another by now
            continue
        if found.completed.keys() <= known:
            return
        if len(known) > recorded:
            recorded, until_s = len(known), clock.monotonic() + SETTLE_S
        await asyncio.sleep(0.5)


def _check(found: KillsFound, recorded: list[Row]) -> None:
    kept = {row.id: row.hashes for row in recorded if row.outcome == "complete"}
    found.missing = sum(1 for identity in found.completed if identity not in kept)
    found.duplicates = sum(1 for times in Counter(row.id for row in recorded).values() if times > 1)
    found.unlike = sum(1 for identity, hashes in found.completed.items() if kept.get(identity, hashes) != hashes)
    found.lost_worker = sum(1 for row in recorded if row.outcome == "lost_worker")
