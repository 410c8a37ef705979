"""The shadow, a process of its own: asks the candidate what apps have asked, long after they were answered.

It is started like the recorder, but behind everything else on the processor, and with a bound on its memory.
Whatever becomes of it, no app can feel it: it starts from the journal.
"""

import asyncio
import resource
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from gateway import clock
from gateway.control.shadow.boot import ShadowBoot
from gateway.control.shadow.inputs import ShadowInputs
from gateway.control.shadow.model import Background
from gateway.control.shadow.owed import ShadowProgress
from gateway.control.shadow.runner import Runner, RunnerClock
from gateway.log import Log
from gateway.node.plain_error import disk_hint, plain
from gateway.process import read_boot, say_ready
from gateway.telemetry.metrics import PREFIX, Sample, render
from gateway.transport.client import Client
from records.durable import replace

POLL_S = 0.1
KEEP_S = 0.5
"""How often it says how far it is."""
EXPOSE_S = 1.0
SEGMENT_AGE_S = 60.0
STOP_S = 5.0
"""Longest that a shadow told to stop waits for calls under way."""
MEMORY_BYTES = 2 * 1024 * 1024 * 1024
"""Of data: beyond it an allocation fails, and the supervisor starts it anew."""


@dataclass(slots=True)
class ShadowProcess:
    """Drives a runner: reloads files, saves what it owes, exposes its queues as metrics."""

    runner: Runner
    watched: ShadowInputs
    client: Client
    _due: dict[str, float] = field(default_factory=dict[str, float], init=False)
    _told: ShadowProgress | None = field(default=None, init=False)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop; then let what is under way end, within STOP_S."""
        self._tell(self.runner.kept())
        say_ready(self.runner.boot.ready_fd)
        while not stop.is_set():
            found = self._step()
            await self._keep_word()
            await _pause(stop, 0.0 if found else POLL_S)
        if self.runner.calls:
            await asyncio.wait(self.runner.calls, timeout=STOP_S)
        self._tell(self.runner.kept())

    def _step(self) -> bool:
        """Look at the files, and read on. Returns whether there was anything to read."""
        runner, wall = self.runner, self.runner.clock.wall()
        if (table := self.watched.table()) is not None:
            runner.adopt_table(table)
        if (plan := self.watched.plan()) is not None:
            runner.adopt_plan(plan)
        if (found := self.watched.usd_per_answer()) is not None:
            runner.adopt_hours(found)
        if runner.ledger.is_blocked:
            runner.ledger.write_waiting()
            for lane in runner.lanes.values():
                runner.go_on(lane)
        if self._every("expose", EXPOSE_S):
            self.client.expire(runner.clock.monotonic())
            runner.ledger.rotate(wall - SEGMENT_AGE_S)
            self._expose()
        return runner.read()

    def _every(self, what: str, seconds: float) -> bool:
        now = self.runner.clock.monotonic()
        if now < self._due.get(what, 0.0):
            return False
        self._due[what] = now + seconds
        return True

    async def _keep_word(self) -> None:
        """Say how far we are, if that is new; in a thread, since it waits for the disk."""
        if not self._every("keep", KEEP_S):
            return
        kept = self.runner.kept()
        if kept != self._told:
            await asyncio.to_thread(self._tell, kept)

    def _tell(self, kept: ShadowProgress) -> None:
        try:
            self.runner.ledger.keep(kept)
            self.runner.ledger.own_word_is_out()
            self._told = kept
        except OSError as error:
            if self.runner.log.is_news("shadow.disk_refused", plain(error)):
                self.runner.log.alarm("shadow.disk_refused", reason=plain(error), hint=disk_hint(error))

    def _expose(self) -> None:
        runner = self.runner
        samples = [Sample(f"{PREFIX}shadow_lag_seconds", 0.0 if runner.is_idle else runner.lag_s())]
        samples += [
            Sample(f"{PREFIX}engine_silent", float(upstream in runner.engines.unseen), (upstream,))
            for upstream in runner.engines.asked
        ]
        judges = runner.comparers.licences()
        for name, lane in runner.lanes.items():
            if name in judges:
                samples.append(Sample(f"{PREFIX}judge_suspended", float(judges[name].trust.suspended), (name,)))
            samples.append(Sample(f"{PREFIX}shadow_queue", len(lane.waiting), (name,)))
            samples.append(Sample(f"{PREFIX}shadow_in_flight", lane.in_flight, (name,)))
            samples.append(Sample(f"{PREFIX}shadow_key_refused", runner.key_refused.get(name, 0), (name,)))
            samples.append(Sample(f"{PREFIX}shadow_estimated_usd", runner.estimated_usd.get(name, 0.0), (name,)))
            is_spent = runner.ledger.budget.is_spent(lane.route, runner.clock.wall())
            samples.append(Sample(f"{PREFIX}shadow_budget_spent", float(is_spent), (name,)))
        try:
            replace(Path(runner.boot.exposition), render(samples).encode())
        except OSError as error:
            if runner.log.is_news("shadow.not_exposed", plain(error)):
                runner.log.notice("shadow.not_exposed", reason=plain(error))


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    """Let others run, for so long unless told to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


async def work(boot: ShadowBoot, log: Log, stop: asyncio.Event, times: RunnerClock | None = None) -> None:
    """Be the shadow until told to stop."""
    times = times or RunnerClock(clock.monotonic, clock.wall)
    watched = ShadowInputs(Path(boot.plan), Path(boot.routing), Path(boot.kill), Path(boot.gpu))
    async with asyncio.TaskGroup() as tasks:
        client = Client(now=times.monotonic, tasks=tasks)
        background = Background(client, times.monotonic)
        runner = Runner(boot, times, log, background, tasks, watched.killed)
        looking = tasks.create_task(runner.engines.watch()), tasks.create_task(runner.warmer.watch())
        await ShadowProcess(runner, watched, client).run(stop)
        for task in (*looking, *runner.calls):
            task.cancel()
        client.close()
    await runner.comparers.aclose()
    runner.ledger.close()


def limit_memory() -> None:
    """Take not more memory than is ours; what we start may still be given more."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


async def _main(boot: ShadowBoot, log: Log) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await work(boot, log, stop)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the shadow as the supervisor starts it."""
    boot, log = read_boot(argv, ShadowBoot), Log("shadow")
    limit_memory()
    uvloop.run(_main(boot, log))
    return 0


if __name__ == "__main__":
    sys.exit(main())
