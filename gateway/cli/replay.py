"""`crossfade replay`: the shadow's comparison over recorded traffic, before any live one."""

import argparse
import asyncio
import math
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import duckdb
import msgspec

from gateway import clock
from gateway.cli import context
from gateway.cli.failure import INTERRUPTED, failed
from gateway.cli.policy_simulate import tell
from gateway.cli.progress import progress
from gateway.cli.replay_rows import Out, Rows, counted, line
from gateway.config.policy_file import SUFFIXES, surroundings
from gateway.config.settings import Settings
from gateway.config.settings_file import SettingsError
from gateway.control.prices import usd_per_answer
from gateway.control.publish.policy_compiler import PolicyReader
from gateway.control.publish.policy_folder import PolicyTextError
from gateway.control.publish.table import base_table
from gateway.control.row_inputs import RowInputs
from gateway.control.row_maker import maker_for
from gateway.control.shadow.comparers import Comparers
from gateway.control.shadow.model import Background
from gateway.node.datadir import DataDir, DataDirError
from gateway.node.pepper import pepper_of
from gateway.node.plain_error import plain
from gateway.supervisor.programs import hourly_prices, price_overrides
from gateway.supervisor.upstream_keys import background_keys
from gateway.transport.client import Client
from policies import explain
from policies.events import PairEvent
from policies.routing import Route, Table
from policies.rules import Rules
from policies.simulate import simulate
from records.comparison import Comparison
from shadow import replay
from shadow.asker import asked_by
from shadow.lanes import DailySpend, Drawn
from shadow.mirror import Mirror, charged_usd
from shadow.pairing import event_of, joined
from shadow.plan import ShadowRoute

DAY_S = 86400.0
HOUSEKEEPING_S = 1.0
CTRL_C = "interrupted"
FAILURES = (OSError, duckdb.Error, msgspec.MsgspecError, ValueError)
"""Of files: the records, what comparators need, and what is written."""


class ReplayError(Exception):
    """The replay is not possible; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Job:
    """A replay as the command line asks for it, read and checked."""

    settings: Settings
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

    def note(self, problem: str) -> None:
        """Remember what cannot be used, once."""
        if problem not in self.problems:
            self.problems.append(problem)

    def met(self, operation: str, error: BaseException) -> None:
        """Remember a mistake: that of a user's own scorer, or ours."""
        self.note(f"{operation}: {type(error).__name__}")

    def fields(self, job: Job) -> dict[str, Any]:
        """The result as fields of a JSON object."""
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

    def text(self, job: Job) -> str:
        """The result as text."""
        lines = [
            f"{sum(self.came.values())} exchanges of {job.route.name}: {counted(self.came) or 'none'}",
            f"comparisons: {job.out}",
            "Records are redacted: the candidate was asked what they hold. What it was trained on proves nothing here: "
            "--since the last of that.",
        ]
        lines += [f"why: {counted(self.reasons)}"] if self.reasons else []
        lines += [f"not asked: {counted(job.rows.left_out)}"] if job.rows.left_out else []
        lines += [f"spent: ${self.spent_usd:.4f}"] if self.spent_usd else []
        lines += [f"stopped early: {self.stopped}"] if self.stopped else []
        lines += [f"judge {self.judge}"] if self.judge else []
        return "\n".join((*lines, *(f"warning: {problem}" for problem in self.problems)))


def run(arguments: argparse.Namespace) -> int:
    """Do it. 0: something was compared; 1: refused or failing; 130: ended by Ctrl-C, with what was done by then."""
    try:
        job = _job(arguments)
        found = asyncio.run(_work(job))
    except (ReplayError, SettingsError, DataDirError, PolicyTextError) as error:
        return failed(error, arguments)
    except FAILURES as error:
        return _refused(error, arguments)
    except ExceptionGroup as several:  # of the tasks that asked
        ours, others = several.split(FAILURES)
        if ours is None or others is not None:
            raise
        return _refused(ours, arguments)
    print(found.text(job), file=sys.stderr)
    events = sorted(found.events, key=lambda event: event.at)
    if arguments.json:
        summary = msgspec.json.decode(explain.summary(simulate(job.rules, events, timed=True)), type=dict[str, Any])
        print(line(summary | {"replay": found.fields(job)}))
    elif events:
        tell(job.rules, events, timed=True, every=0, as_json=False)
    if found.stopped == CTRL_C:
        return INTERRUPTED
    return 0 if found.came["answered"] else 1


def _refused(error: Exception, arguments: argparse.Namespace) -> int:
    if isinstance(error, ExceptionGroup):
        return _refused(cast("ExceptionGroup[Exception]", error).exceptions[0], arguments)
    return failed(f"{plain(error)}. hint: see that it can be read, and is whole", arguments)


def _job(arguments: argparse.Namespace) -> Job:
    """What the options and the files say.

    Raises:
        ReplayError, SettingsError, DataDirError, PolicyTextError, OSError: it cannot be done.
    """
    settings, data = context.settings(arguments), context.data(arguments)
    if not data.records.is_dir():
        raise ReplayError(f"{data.records}: nothing is recorded. hint: `crossfade serve` records what apps ask")
    route, rules, shadow = route_policy(settings, arguments.route, arguments.policy)
    in_flight = shadow.max_in_flight if arguments.in_flight is None else arguments.in_flight
    budget = shadow.budget_usd_per_day if arguments.budget is None else arguments.budget
    shadow = msgspec.structs.replace(shadow, max_in_flight=in_flight, budget_usd_per_day=budget)
    base = base_table(settings, data.run)
    check_upstreams(shadow, base)
    now = clock.wall()
    stamp = f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%S}"
    return Job(
        settings, data, msgspec.structs.replace(base, routes=(route,)), route, rules, shadow,
        rows=Rows(data.records, route, now - arguments.since * DAY_S, arguments.limit),
        out=arguments.out or data.root / "replays" / f"{route.name}-{stamp}.jsonl",
        keys=background_keys(settings, os.environ)[0],
        terms=row_inputs(settings, data),
        until_s=clock.monotonic() + arguments.within,
    )  # fmt: skip


def row_inputs(settings: Settings, data: DataDir) -> RowInputs:
    """What rows are made by, outside a gateway that runs."""
    pepper = pepper_of(settings, data).hex()
    return RowInputs(
        pepper=pepper,
        prices=price_overrides(settings.prices),
        hourly=hourly_prices(settings.prices),
        redact=settings.capture.redact,
    )


def route_policy(settings: Settings, name: str, named: Path | None) -> tuple[Route, Rules, ShadowRoute]:
    """The policy of the route of that name, as the controller reads it; `named`: in this file.

    Raises:
        ReplayError, PolicyTextError, OSError: there is none that can be used.
    """
    folder = settings.policies if named is None else named.parent
    paths = [named] if named else sorted(path for path in folder.glob("*") if path.suffix in SUFFIXES)
    reader = PolicyReader(surroundings(settings), str(folder))
    several: list[str] = []
    for path in paths:
        compiled = reader.compile(path.read_text(encoding="utf-8"), path.name)
        for route, terms in compiled.parts:
            if terms is not None and terms.name == name:
                return route, terms.rules, terms.shadow
            several += [terms.name] if terms is not None and route.name == name else []
    if several:
        raise ReplayError(f"{name} has several candidates. hint: name one of {', '.join(several)}")
    where = named or f"any policy in {folder}"
    raise ReplayError(f"{where} has no route {name}. hint: `crossfade init` writes a policy to start from")


def check_upstreams(shadow: ShadowRoute, base: Table) -> None:
    """Refuse what only a running gateway could ask.

    Raises:
        ReplayError: which one.
    """
    asked = {shadow.candidate.upstream, *(str(options.get("upstream", "")) for _, options in _options(shadow))}
    for upstream in base.upstreams:
        if upstream.name in asked and upstream.kind == "litellm":
            raise ReplayError(
                f"upstream {upstream.name} is asked through `crossfade serve` alone. hint: leave it out here"
            )


def _options(shadow: ShadowRoute) -> Iterator[tuple[str, dict[str, object]]]:
    for each in shadow.compare:
        yield from each.items()


async def _work(job: Job) -> ReplayOutcome:
    """Ask, compare, write. Ctrl-C ends it as if nothing were left.

    Raises:
        OSError, duckdb.Error, msgspec.MsgspecError, ValueError: a comparator or a file is not ready.
    """
    found, stop = ReplayOutcome(job.rules.gates.slices), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    async with asyncio.TaskGroup() as tasks:
        client = Client(now=clock.monotonic, tasks=tasks)
        keeping = tasks.create_task(keep_house(client))
        try:
            await _replay(job, Background(client, clock.monotonic), found, stop)
        finally:
            keeping.cancel()
            client.close()
    return found


async def keep_house(client: Client) -> None:
    """Close connections that nobody uses, until it is cancelled."""
    while True:
        await asyncio.sleep(HOUSEKEEPING_S)
        client.expire(clock.monotonic())


async def _replay(job: Job, background: Background, found: ReplayOutcome, stop: asyncio.Event) -> None:
    for problem in background.adopt(job.table.upstreams, job.keys):
        found.note(problem)
    maker, budget = maker_for(job.terms, job.table, usd_per_answer(job.data.gpu)), DailySpend()
    secret_key = bytes.fromhex(job.terms.pepper)
    comparers = Comparers(background, budget, lambda: maker, clock.wall, secret_key, found.note)
    try:
        comparing = comparers.of(job.shadow)
        mirror = Mirror(background, lambda _: comparing, maker, clock.wall, found.met, math.inf)
        with Out(job.out) as out, progress("exchanges", job.rows.limit) as done:

            def told(one: Drawn, row: Comparison) -> None:
                budget.spend(job.shadow.route, charged_usd(one, row, maker.prices), clock.wall())
                out.add(row)
                found.take(one, row)
                done(1)

            work = replay.Replay(
                source=(replay.drawn(replay.exchange_of(row, job.route.name), job.shadow) for row in job.rows),
                compare=mirror.compare,
                hindrance=lambda: _hindrance(job, budget, stop),
                told=told,
                shed=lambda _, reason: job.rows.left_out.update([reason]),
            )
            await work.run(job.shadow.max_in_flight)
    finally:
        await comparers.aclose()
    found.stopped, found.spent_usd = work.stopped, budget.spent_usd.get(job.route.name, 0.0)


def _hindrance(job: Job, budget: DailySpend, stop: asyncio.Event) -> str:
    if stop.is_set():
        return CTRL_C
    if clock.monotonic() >= job.until_s:
        return "out of time"
    return "out of budget" if budget.is_spent(job.shadow, clock.wall()) else ""
