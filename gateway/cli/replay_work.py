"""The asking of a replay: a job's exchanges, compared one by one, and what came of them."""

import asyncio
import contextlib
import math
import signal
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import msgspec

from gateway import clock
from gateway.cli.replay_rows import Rows, counted
from gateway.control.prices import usd_per_answer
from gateway.control.row_inputs import RowInputs
from gateway.control.row_maker import maker_for
from gateway.control.shadow.comparers import Comparers
from gateway.control.shadow.model import Background
from gateway.node.datadir import DataDir
from gateway.transport.client import Client
from policies.events import PairEvent
from policies.routing import Route, Table
from policies.rules import Rules
from records.comparison import Comparison
from shadow import replay
from shadow.asker import asked_by
from shadow.lanes import DailySpend, Drawn
from shadow.mirror import Mirror, charged_usd
from shadow.pairing import event_of, joined
from shadow.plan import ShadowRoute

HOUSEKEEPING_S = 1.0
CTRL_C = "interrupted"


@dataclass(frozen=True, slots=True)
class ReplayJob:
    """All that was asked for, read and checked."""

    data: DataDir
    table: Table
    route: Route
    rules: Rules
    shadow: ShadowRoute
    rows: Rows
    out: Path
    keys: dict[str, str] = field(repr=False)
    terms: RowInputs = field(repr=False)
    until_s: float
    """Monotonic: nothing new is asked after it."""


@dataclass(slots=True)
class ReplayOutcome:
    """What came of it."""

    sliced_by: tuple[str, ...] = ()
    """What the policy holds apart."""
    events: list[PairEvent] = field(default_factory=list[PairEvent])
    came: Counter[str] = field(default_factory=Counter[str])
    reasons: Counter[str] = field(default_factory=Counter[str])
    spent_usd: float = 0.0
    stopped: str = ""
    judge: str = ""
    problems: list[str] = field(default_factory=list[str])

    def take(self, one: Drawn, row: Comparison) -> None:
        """Count one comparison, and what it says to the core."""
        self.came[row.came] += 1
        self.reasons.update([row.reason] if row.reason else [])
        if row.judge_json:
            self.judge = msgspec.json.decode(row.judge_json, type=dict[str, Any]).get("trust", self.judge)
        alone = event_of(one.exchange.meta)
        if alone is not None:
            alone = replace(alone, slices=asked_by(one.exchange, self.sliced_by).slices)
            self.events += joined(alone, ("candidate",), {"candidate": row}, row.candidate_key)

    def add(self, other: Self) -> None:
        """Count what another part of the same replay found."""
        self.events += other.events
        self.came.update(other.came)
        self.reasons.update(other.reasons)
        self.spent_usd += other.spent_usd
        self.stopped = self.stopped or other.stopped
        self.judge = other.judge or self.judge
        for problem in other.problems:
            self.note(problem)

    def note(self, problem: str) -> None:
        """Remember what cannot be used, once."""
        if problem not in self.problems:
            self.problems.append(problem)

    def met(self, operation: str, error: BaseException) -> None:
        """Remember a mistake: that of a user's own scorer, or ours."""
        self.note(f"{operation}: {type(error).__name__}")

    def fields(self, job: ReplayJob) -> dict[str, Any]:
        """For machines."""
        return {
            "route": job.route.name,
            "out": str(job.out),
            "came": dict(self.came),
            "reasons": dict(self.reasons),
            "left_out": dict(job.rows.left_out),
            "spent_usd": round(self.spent_usd, 6),
            "stopped": self.stopped,
            "judge": self.judge,
            "problems": self.problems,
        }

    def text(self, job: ReplayJob) -> str:
        """For people."""
        lines = [
            f"{sum(self.came.values())} exchanges of {job.route.name}: {counted(self.came) or 'none'}",
            f"comparisons: {job.out}",
            "Records are redacted: the candidate was asked what they hold. What it was trained on proves nothing here: "
            "--since the last of that.",
        ]
        if not self.came:
            hint = "--since looks further back; what was imported, retried or answered by the candidate is not replayed"
            lines = [f"nothing of {job.route.name} was replayed. hint: {hint}"]
        lines += [f"why: {counted(self.reasons)}"] if self.reasons else []
        lines += [f"not asked: {counted(job.rows.left_out)}"] if job.rows.left_out else []
        lines += [f"spent: ${self.spent_usd:.4f}"] if self.spent_usd else []
        lines += [f"stopped early: {self.stopped}"] if self.stopped else []
        lines += [f"judge {self.judge}"] if self.judge else []
        return "\n".join((*lines, *(f"warning: {problem}" for problem in self.problems)))


async def work(job: ReplayJob, told: Callable[[Comparison], None], *, heeds_interrupt: bool) -> ReplayOutcome:
    """Ask, and compare; `told` gets each comparison as it comes. `heeds_interrupt`: Ctrl-C ends it, whole.

    Raises:
        OSError, duckdb.Error, msgspec.MsgspecError, ValueError: a comparator or a file is not ready.
    """
    found, stop = ReplayOutcome(job.rules.gates.slices), asyncio.Event()
    if heeds_interrupt:
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    async with asking() as client:
        await _replay(job, Background(client, clock.monotonic), found, stop, told)
    return found


@contextlib.asynccontextmanager
async def asking() -> AsyncGenerator[Client]:
    """A client for calls of our own, whose unused connections are closed."""
    async with asyncio.TaskGroup() as tasks:
        client = Client(now=clock.monotonic, tasks=tasks)
        keeping = tasks.create_task(_keep_house(client))
        try:
            yield client
        finally:
            keeping.cancel()
            client.close()


async def _keep_house(client: Client) -> None:
    while True:
        await asyncio.sleep(HOUSEKEEPING_S)
        client.expire(clock.monotonic())


async def _replay(
    job: ReplayJob,
    background: Background,
    found: ReplayOutcome,
    stop: asyncio.Event,
    told: Callable[[Comparison], None],
) -> None:
    for problem in background.adopt(job.table.upstreams, job.keys):
        found.note(problem)
    maker, budget = maker_for(job.terms, job.table, usd_per_answer(job.data.gpu)), DailySpend()
    secret_key = bytes.fromhex(job.terms.pepper)
    comparers = Comparers(background, budget, lambda: maker, clock.wall, secret_key, found.note)
    try:
        comparing = comparers.of(job.shadow)
        mirror = Mirror(background, lambda _: comparing, maker, clock.wall, found.met, math.inf)

        def compared(one: Drawn, row: Comparison) -> None:
            budget.spend(job.shadow.route, charged_usd(one, row, maker.prices), clock.wall())
            told(row)
            found.take(one, row)

        asked = replay.Replay(
            source=(replay.drawn(replay.exchange_of(row, job.route.name), job.shadow) for row in job.rows),
            compare=mirror.compare,
            hindrance=lambda: _hindrance(job, budget, stop),
            told=compared,
            shed=lambda _, reason: job.rows.left_out.update([reason]),
        )
        await asked.run(job.shadow.max_in_flight)
    finally:
        await comparers.aclose()
    found.stopped, found.spent_usd = asked.stopped, budget.spent_usd.get(job.route.name, 0.0)


def _hindrance(job: ReplayJob, budget: DailySpend, stop: asyncio.Event) -> str:
    if stop.is_set():
        return CTRL_C
    if clock.monotonic() >= job.until_s:
        return "out of time"
    return "out of budget" if budget.is_spent(job.shadow, clock.wall()) else ""
