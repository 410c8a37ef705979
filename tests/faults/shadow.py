"""The shadow cannot be felt (G2): not when the candidate, the shadow itself or the control plane is ill.

A whole gateway under a steady load, with every exchange mirrored. Blocks in which something is broken take turns with
blocks in which nothing is, so that a busy machine is as busy for both.
"""

import asyncio
import contextlib
import json
import math
import os
import re
import signal
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from gateway import clock
from gateway.supervisor.slot import HEALTHY_S
from tests.fakes.raw_http import App, read_response, request
from tests.faults.candidate import HEALTHY, Candidate
from tests.faults.replay import NO_ANSWER
from tests.rooms.serving import REAL, Serving, free_port
from tests.rooms.waiting import PATIENCE_S, until

APPS = 8
PAUSE_S = 0.24
"""Between an app's requests: with eight of them 33 a second. Frontier, apps and candidate share the processors with the
gateway: a load that filled them would measure how these wait for each other."""
SETTLE_S = 1.5
BLOCK_S = 8.0
SLOWER_MS, SLOWER = 2.0, 0.03
"""What may be added to the 99th percentile: so much, or that share of it."""
TIMES = ("first_ms", "total_ms")
MEDIAN_ERROR = 1.2533
"""Of a median to a mean."""
Z95 = 1.96
UNDECIDED_PAIRS = 4
"""So many times the blocks are measured at most where the first of them cannot tell."""
GROWN_BYTES = 16 << 20
CONTROL = ("controller", "recorder", "shadow", "admin")
CANDIDATES = ("dead", "black-holed", "hung", "slow", "failing", "endless", "garbage", "huge")
KILL_EVERY_S = 0.5
POLL_S = 0.1

SETTINGS = """\
upstreams:
  openai: {{base_url: "{frontier}"}}
  vllm: {{kind: vllm, base_url: "http://127.0.0.1:{candidate}/v1"}}
"""
# Conversations that stay open: nothing is decided, and the shadow goes on. A candidate that answers otherwise, as this
# one does, would be thrown out within a minute.
POLICY = """\
route: support
match: {model: gpt-4o}
baseline: {upstream: openai, deterministic: true}
candidate: {upstream: vllm, model: tuned, revision: "1", total: 2s}
assign: {by: [conversation], close_after: 2h}
shadow: {sample: 100%, max_in_flight: 8}
compare: [exact]
stages: [shadow, 1%, 100%]
"""


@dataclass(slots=True)
class Felt:
    """What apps felt in blocks of one kind."""

    first_ms: list[list[float]] = field(default_factory=list[list[float]])
    """To the first byte, by block."""
    total_ms: list[list[float]] = field(default_factory=list[list[float]])
    errors: Counter[str] = field(default_factory=Counter[str])

    def begin(self) -> None:
        """The next block."""
        self.first_ms.append([])
        self.total_ms.append([])


def p99(values: Sequence[float]) -> float:
    """The 99th percentile; NaN of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] if ordered else float("nan")


@dataclass(slots=True)
class Compared:
    """One fault beside no fault."""

    name: str
    healthy: Felt = field(default_factory=Felt)
    broken: Felt = field(default_factory=Felt)
    grown_bytes: int = 0
    """Of the worker's memory, from the first block to the last."""
    became: Counter[str] = field(default_factory=Counter[str])
    """What the shadow says of the calls it made in broken blocks."""
    mirrored: int = 0
    """Calls that it made in healthy blocks."""

    def _differences_ms(self, kind: str) -> list[float]:
        pairs = zip(getattr(self.healthy, kind), getattr(self.broken, kind), strict=True)
        return [p99(broken) - p99(healthy) for healthy, broken in pairs]

    def added_ms(self, kind: str) -> float:
        """To the 99th percentile: the median over neighbouring blocks."""
        return statistics.median(self._differences_ms(kind))

    def error_ms(self, kind: str) -> float:
        """The standard error of `added_ms`; one block tells none.

        Of eight blocks or more from the order statistics that enclose the median with 95 %: a moment in which the
        machine was elsewhere then makes no error. Of fewer from the standard deviation, where it makes for more blocks.
        """
        differences = sorted(self._differences_ms(kind))
        blocks = len(differences)
        if blocks < 2:
            return 0.0
        outside = int((blocks - Z95 * math.sqrt(blocks)) / 2)
        if outside < 1:
            return MEDIAN_ERROR * statistics.stdev(differences) / math.sqrt(blocks)
        return (differences[-1 - outside] - differences[outside]) / (2 * Z95)

    def bar_ms(self, kind: str) -> float:
        """The most that may be added."""
        return max(SLOWER_MS, SLOWER * self.all_p99_ms(kind)[0])

    def undecided(self) -> bool:
        """Whether what is added is nearer to the bar than the blocks so far can tell, with 95 %."""
        return any(abs(self.added_ms(kind) - self.bar_ms(kind)) <= Z95 * self.error_ms(kind) for kind in TIMES)

    def word(self) -> str:
        """What a row that has not held is: felt, or the machine was too busy to tell."""
        sure = self.healthy.errors or self.broken.errors or self.grown_bytes > GROWN_BYTES or not self.mirrored
        late = any(self.added_ms(kind) - self.bar_ms(kind) > Z95 * self.error_ms(kind) for kind in TIMES)
        return "BROKEN" if sure or late else "undecided"

    def all_p99_ms(self, kind: str) -> tuple[float, float]:
        """Of all healthy blocks together, and of all broken ones."""
        healthy, broken = (list(chain(*getattr(felt, kind))) for felt in (self.healthy, self.broken))
        return p99(healthy), p99(broken)

    def held(self) -> bool:
        """Whether no app felt it."""
        if self.healthy.errors or self.broken.errors or self.grown_bytes > GROWN_BYTES or not self.mirrored:
            return False  # a shadow that does nothing is not felt, and shows nothing
        return all(self.added_ms(kind) <= self.bar_ms(kind) for kind in TIMES)

    def line(self) -> str:
        """One row of the table."""
        asked = sum(map(len, self.broken.total_ms))
        errors = sum(self.broken.errors.values()) + sum(self.healthy.errors.values())
        times = "".join(
            "{:6.1f} {:6.1f} {:+6.2f} ±{:4.2f}  ".format(
                *self.all_p99_ms(kind), self.added_ms(kind), self.error_ms(kind)
            )
            for kind in TIMES
        )
        became = ", ".join(f"{name} {number}" for name, number in self.became.most_common(2)) or "nothing"
        grown = self.grown_bytes / (1 << 20)
        blocks = len(self.broken.total_ms)
        return f"{self.name:24} {blocks:6} {asked:5} {errors:4} {times}{grown:+6.1f}  {self.mirrored:6}  {became}"


HEAD = (
    f"{'':41} {'first byte, p99 ms':>26}  {'whole, p99 ms':>26}\n{'':24} {'blocks':>6} {'asked':>5} {'err':>4} "
    + f"{'well':>6} {'ill':>6} {'added':>6}        " * 2
    + f"{'MiB':>5}  the shadow's calls: well, and what became of them ill"
)
"""Of apps' answers; `added` is the median over neighbouring blocks, with its standard error."""


@dataclass(slots=True)
class ShadowFound:
    """All faults."""

    compared: list[Compared]

    def held(self) -> bool:
        """Whether none was felt."""
        return all(each.held() for each in self.compared)

    def report(self) -> str:
        """The table."""
        lines = [each.line() + ("" if each.held() else f"   {each.word()}") for each in self.compared]
        return "\n".join((HEAD, *lines))


@dataclass(slots=True)
class Site:
    """A gateway, its frontier and its candidate, under load."""

    serving: Serving
    candidate: Candidate
    felt: Felt = field(default_factory=Felt)
    is_measured: bool = False

    async def load(self) -> None:
        """All apps, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(APPS):
                group.create_task(self._app(number))

    async def _app(self, number: int) -> None:
        await asyncio.sleep(PAUSE_S * number / APPS)
        app = await App.connect(self.serving.port)
        turn = number
        try:
            while True:
                turn += 1
                started_s, felt = clock.monotonic(), self.felt
                try:
                    async with asyncio.timeout(PATIENCE_S):
                        await self._ask(app, f"{number}/{turn}", felt, stream=bool(turn % 2))
                except NO_ANSWER as error:
                    felt.errors[type(error).__name__] += 1
                    app.reset()
                    app = await App.connect(self.serving.port)
                await asyncio.sleep(max(0.0, PAUSE_S - (clock.monotonic() - started_s)))
        finally:
            app.close()

    async def _ask(self, app: App, words: str, felt: Felt, *, stream: bool) -> None:
        turns = [{"role": "user", "content": words}]
        body = json.dumps({"model": "gpt-4o", "stream": stream, "messages": turns}).encode()
        times = [clock.monotonic()]
        app.writer.write(request(body, b"Authorization: Bearer sk-app"))
        message = await read_response(app.reader, b"POST", lambda: times.append(clock.monotonic()))
        times.append(clock.monotonic())
        if not message.start.startswith(b"HTTP/1.1 200") or b"frontier" not in message.body:
            felt.errors[message.start.decode()] += 1
        if self.is_measured and felt is self.felt:
            felt.first_ms[-1].append((times[1] - times[0]) * 1000)
            felt.total_ms[-1].append((times[2] - times[0]) * 1000)

    async def block(self, felt: Felt, seconds: float) -> None:
        """Measure for so long, once things have settled."""
        await asyncio.sleep(SETTLE_S)
        felt.begin()
        self.felt, self.is_measured = felt, True
        await asyncio.sleep(seconds)
        self.is_measured = False

    def worker_bytes(self) -> int:
        """Memory of the worker."""
        status = Path(f"/proc/{self.serving.pid_of('worker-0')}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024

    def became(self) -> Counter[str]:
        """What the shadow's calls came to so far."""
        found: Counter[str] = Counter()
        page = self.serving.admin("/metrics").text
        for labels, value in re.findall(r"^crossfade_shadow_total\{(.*)\} (\S+)$", page, re.MULTILINE):
            told = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            found[" ".join(filter(None, (told["outcome"], told["reason"])))] += int(float(value))
        return found

    async def mirrored_since(self, before: Counter[str]) -> int:
        """How many calls the shadow has made since; that there is one is waited for."""
        last_s = clock.monotonic() + PATIENCE_S
        while not (made := self.became() - before) and clock.monotonic() < last_s:  # noqa: ASYNC110 -- another process
            await asyncio.sleep(POLL_S)
        return sum(made.values())

    def cpu_us(self) -> float:
        """Processor time of the worker so far, all threads."""
        tasks = Path(f"/proc/{self.serving.pid_of('worker-0')}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1000

    # What is broken -----------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def broken(self, name: str) -> AsyncIterator[None]:
        """Something is broken while this lasts."""
        kind, _, what = name.partition(" ")
        if kind == "candidate":
            await self._become(what)
            yield
            await self._become(HEALTHY)
            return
        slots = CONTROL if kind == "control" else (kind,)
        if what == "killed":
            async with asyncio.TaskGroup() as group:
                killing = group.create_task(self._kill_again(slots))
                yield
                killing.cancel()
            # What starts again is felt here, not in the healthy block that follows, and its next death is a first one.
            await asyncio.to_thread(self.serving.await_control)
            await asyncio.sleep(HEALTHY_S)
        else:
            pids = [self.serving.pid_of(slot) for slot in slots]
            for pid in pids:
                _send(pid, signal.SIGSTOP)
            yield
            for pid in pids:
                _send(pid, signal.SIGCONT)

    async def _become(self, state: str) -> None:
        await asyncio.to_thread(self.candidate.become, state)

    async def _kill_again(self, slots: Sequence[str]) -> None:
        while True:
            for slot in slots:
                _send(self.serving.pid_of(slot), signal.SIGKILL)
            await asyncio.sleep(KILL_EVERY_S)


def _send(pid: int | None, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        if pid is not None:
            os.kill(pid, number)


FAULTS = (
    *(f"candidate {state}" for state in ("stopped", *CANDIDATES)),
    "shadow stopped",
    "shadow killed",
    "control stopped",
    "control killed",
)


async def _compare(site: Site, name: str, *, pairs: int, seconds: float) -> Compared:
    found = Compared(name)
    await site.block(Felt(), seconds / 4)  # warm
    before = site.worker_bytes()
    while len(found.healthy.total_ms) < pairs or (
        found.undecided() and len(found.healthy.total_ms) < pairs * UNDECIDED_PAIRS
    ):
        became = site.became()
        await site.block(found.healthy, seconds)
        found.mirrored += await site.mirrored_since(became)
        async with site.broken(name):
            became = site.became()
            await site.block(found.broken, seconds)
            await asyncio.sleep(SETTLE_S)
            found.became += site.became() - became
    found.grown_bytes = site.worker_bytes() - before
    return found


@dataclass(slots=True)
class CpuFound:
    """What a request costs the worker while the shadow works, and while it does not."""

    on_us: list[float] = field(default_factory=list[float])
    off_us: list[float] = field(default_factory=list[float])
    mirrored: int = 0
    errors: int = 0

    def ratio(self) -> float:
        """With the shadow at work, to without: the median over neighbouring blocks."""
        return statistics.median(on / off for on, off in zip(self.on_us, self.off_us, strict=True))

    def held(self) -> bool:
        """Whether it costs at most a tenth more."""
        return not self.errors and self.mirrored > 0 and self.ratio() <= 1.10

    def report(self) -> str:
        """The figures."""
        on, off = statistics.median(self.on_us), statistics.median(self.off_us)
        return (
            f"worker, µs of processor a request, {len(self.on_us)} pairs of blocks: {on:.0f} with the shadow at 10 %, "
            f"{off:.0f} without; ratio {self.ratio():.3f}; mirrored {self.mirrored}; app errors {self.errors}"
        )


async def shadow_cpu(directory: Path, *, pairs: int = 6, seconds: float = BLOCK_S) -> CpuFound:
    """A tenth mirrored, beside nothing mirrored."""
    found = CpuFound()
    with _site(directory, POLICY.replace("100%, max", "10%, max")) as site:
        async with asyncio.TaskGroup() as group:
            loading = group.create_task(site.load())
            await _until_mirrored(site)
            for _ in range(pairs):
                found.on_us.append(await _cost_us(site, seconds, found))
                async with site.broken("shadow stopped"):
                    found.off_us.append(await _cost_us(site, seconds, found))
            loading.cancel()
        found.mirrored = sum(site.became().values())
    return found


async def _cost_us(site: Site, seconds: float, found: CpuFound) -> float:
    felt = Felt()
    await asyncio.sleep(SETTLE_S)
    felt.begin()
    before, site.felt, site.is_measured = site.cpu_us(), felt, True
    await asyncio.sleep(seconds)
    await until(lambda: felt.total_ms[0])
    site.is_measured = False
    found.errors += sum(felt.errors.values())
    return (site.cpu_us() - before) / len(felt.total_ms[0])


@contextmanager
def _site(directory: Path, policy: str = POLICY) -> Iterator[Site]:
    directory.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.fakes.upstream", "--fault", '{"delay_s": 0.01, "gap_s": 0.001}']
    frontier = subprocess.Popen(command, stdout=subprocess.PIPE)
    candidate = Candidate(free_port())
    try:
        assert frontier.stdout is not None
        url = frontier.stdout.readline().decode().strip()
        candidate.become(HEALTHY)
        settings = SETTINGS.format(frontier=url, candidate=candidate.port)
        (directory / "crossfade-policies").mkdir()
        (directory / "crossfade-policies" / "support.yaml").write_text(policy)
        with Serving(directory, settings, worker=REAL) as serving:
            serving.await_ready()
            serving.await_control()
            yield Site(serving, candidate)
    finally:
        candidate.end()
        frontier.kill()
        frontier.communicate()


async def shadow_faults(
    directory: Path, *, pairs: int = 4, seconds: float = BLOCK_S, faults: Sequence[str] = FAULTS
) -> ShadowFound:
    """Every fault, beside none."""
    found: list[Compared] = []
    with _site(directory) as site:
        async with asyncio.TaskGroup() as group:
            loading = group.create_task(site.load())
            await _until_mirrored(site)
            for name in faults:
                compared = await _compare(site, name, pairs=pairs, seconds=seconds)
                sys.stderr.write(compared.line() + "\n")
                found.append(compared)
            loading.cancel()
    return ShadowFound(found)


async def _until_mirrored(site: Site) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not site.became():  # noqa: ASYNC110 -- the shadow is another process
            await asyncio.sleep(0.2)
