"""A shadow beside journals written as workers write them, in the test's own loop or as a process of its own."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec

from gateway import clock
from gateway.control.shadow.boot import ShadowBoot
from gateway.control.shadow.process import POLL_S, work
from gateway.control.shadow.runner import RunnerClock
from gateway.log import Log
from gateway.process import READY
from policies import routing
from policies.routing import Lease, Table, Upstream, Variant
from records.comparison import Comparison
from records.exchange import Note
from records.journal.frames import segment_path
from records.journal.reader import Assembler, SegmentReader, segments
from shadow import plan as shadow_plan
from shadow.plan import ShadowPlan, ShadowRoute
from tests.rooms.recording import KEY, PEPPER, Worker
from tests.rooms.waiting import until

NOWHERE = "http://127.0.0.1:9/v1"
EXACT = ({"exact": {"normalize": True}},)


def route(**fields: Any) -> ShadowRoute:
    """The route `support`, all of it mirrored."""
    usual = ShadowRoute(
        route="support",
        candidate_key="key-1",
        path=("/v1/chat/completions", "/v1/completions", "/v1/responses"),
        baseline=Variant("openai"),
        candidate=Variant("vllm", "tuned"),
        sample_ppm=1_000_000,
        reverse_ppm=0,
        noise_ppm=0,
        max_in_flight=8,
        queue=256,
        budget_usd_per_day=20.0,
        engine_waiting=4,
        compare=EXACT,
        metric="exact",
        folder=".",
        salt="s",
    )
    return msgspec.structs.replace(usual, **fields)


def note(row: Comparison, **fields: Any) -> Note:
    """The row on its way into the records; `fields` say what is different."""
    return Note("comparisons", msgspec.msgpack.encode(msgspec.structs.replace(row, **fields)))


@dataclass(slots=True)
class Stage:
    """A data directory with workers' journals, a plan and a table, and the shadows of it, one after another."""

    root: Path
    candidate: str = NOWHERE
    """Base URL."""
    baseline: str = NOWHERE
    kind: Any = "vllm"
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    log: StringIO = field(default_factory=StringIO)

    def __post_init__(self) -> None:
        upstreams = (Upstream("openai", self.baseline), Upstream("vllm", self.candidate, kind=self.kind))
        table = Table(1, Lease(clock.wall()), upstreams, "openai")
        (self.root / "routing.json").write_bytes(routing.encode(table))
        (self.root / "journal").mkdir(exist_ok=True)

    def plan(self, *routes: ShadowRoute) -> None:
        """What the controller says from now on."""
        fresh = self.root / "shadow.json.new"
        fresh.write_bytes(shadow_plan.encode(ShadowPlan(routes)))
        fresh.replace(self.root / "shadow.json")

    def worker(self, name: str = "w1", segment_bytes: int = 4096) -> Worker:
        return Worker(self.root / "journal", name, self.numbers, segment_bytes)

    def boot(self, **fields: Any) -> ShadowBoot:
        usual = {
            "journal": str(self.root / "journal"),
            "journal_key": KEY.hex(),
            "pepper": PEPPER.hex(),
            "plan": str(self.root / "shadow.json"),
            "routing": str(self.root / "routing.json"),
            "kill": str(self.root / "KILL"),
            "readers": str(self.root / "readers"),
            "exposition": str(self.root / "shadow.prom"),
            "keys": {"openai": "sk-background", "vllm": "sk-vllm"},
            "background": ("openai", "vllm"),
        }
        return ShadowBoot(**(usual | fields))

    @asynccontextmanager
    async def shadow(self, times: RunnerClock | None = None, **fields: Any) -> AsyncIterator[asyncio.Event]:
        """A shadow in this loop; what it gives stops it."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(work(self.boot(**fields), Log("shadow", stream=self.log), stop, times))
            try:
                yield stop
            finally:
                stop.set()

    def start(self, **fields: Any) -> subprocess.Popen[bytes]:
        """A shadow as the supervisor starts it, that has said that it is ready."""
        boot_read, boot_write = os.pipe()
        ready_read, ready_write = os.pipe()
        os.write(boot_write, msgspec.json.encode(self.boot(ready_fd=ready_write, **fields)))
        os.close(boot_write)
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway.control.shadow.process", "--boot-fd", str(boot_read)],
            pass_fds=(boot_read, ready_write),
        )
        os.close(boot_read)
        os.close(ready_write)
        try:
            assert os.read(ready_read, 1) == READY
        finally:
            os.close(ready_read)
        return process

    def rows(self) -> list[Comparison]:
        """Everything that shadows have written, in order."""
        found: list[Comparison] = []
        for directory in sorted((self.root / "journal").glob("shadow-*")):
            for number in segments(directory):
                assembler = Assembler()
                for frame in SegmentReader(segment_path(directory, number), KEY).frames():
                    (note,) = assembler.feed(frame)
                    assert isinstance(note, Note)
                    found.append(msgspec.msgpack.decode(note.row, type=Comparison))
        return found

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for what the shadow does."""
        await until(holds)

    async def until_written(self, number: int) -> list[Comparison]:
        """Wait for so many rows; a moment longer, in case there are more."""
        await self.until(lambda: len(self.rows()) >= number)
        await asyncio.sleep(0.25)
        return self.rows()

    async def look(self) -> None:
        """Give the shadow the time to look at its files."""
        await asyncio.sleep(3 * POLL_S)

    def kept(self) -> dict[str, Any]:
        """What the shadow said last of how far it is; empty: nothing yet."""
        path = self.root / "readers" / "shadow.json"
        return json.loads(path.read_bytes()) if path.exists() else {"owed": []}
