"""`crossfade replay`: the shadow's comparison over recorded traffic, before any live one."""

import argparse
import asyncio
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import duckdb
import msgspec

from gateway import clock
from gateway.adapters.ray_data import RayError, processors, run_on_ray
from gateway.cli import context
from gateway.cli.failure import INTERRUPTED, failed
from gateway.cli.part_share import PartShare
from gateway.cli.policy_simulate import tell
from gateway.cli.progress import progress
from gateway.cli.replay_rows import Out, Rows, line
from gateway.cli.replay_work import CTRL_C, ReplayJob, ReplayOutcome, work
from gateway.config.policy_file import SUFFIXES
from gateway.config.settings import Settings
from gateway.config.settings_file import SettingsError
from gateway.config.surroundings import surroundings
from gateway.control.publish.policy_compiler import PolicyReader
from gateway.control.publish.policy_folder import PolicyTextError
from gateway.control.publish.table import base_table
from gateway.control.row_inputs import RowInputs
from gateway.node.datadir import DataDir, DataDirError
from gateway.node.moments import since
from gateway.node.pepper import pepper_of
from gateway.node.plain_error import plain
from gateway.supervisor.programs import hourly_prices, price_overrides
from gateway.supervisor.upstream_keys import background_keys
from policies import explain
from policies.routing import Route, Table
from policies.rules import Rules
from policies.simulate import simulate
from records.comparison import Comparison
from records.named_file import read_named
from shadow.plan import ShadowRoute

PART_EXCHANGES = 500
"""Exchanges of one part on Ray: a judge's controls are counted in each part anew, and need some to be believed."""
FAILURES = (OSError, duckdb.Error, msgspec.MsgspecError, ValueError)
"""Of files: the records, what comparators need, and what is written."""


class ReplayError(Exception):
    """The replay is not possible; the message says why and what to do."""


def run(arguments: argparse.Namespace) -> int:
    """Do it. 0: something was compared; 1: refused or failing; 130: ended by Ctrl-C, with what was done by then."""
    try:
        job = _job(arguments)
        with Out(job.out) as out, progress("exchanges", job.rows.limit) as done:

            def told(row: Comparison) -> None:
                out.add(row)
                done(1)

            found = _on_ray(arguments, job, told) if arguments.engine == "ray" else _here(job, told)
    except (ReplayError, RayError, SettingsError, DataDirError, PolicyTextError) as error:
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
    hint = "see that it can be read, and is whole"
    if isinstance(error, FileExistsError):
        error, hint = FileExistsError(f"{error.filename}: is there already"), "name another file with --out"
    return failed(f"{plain(error)}. hint: {hint}", arguments)


def _here(job: ReplayJob, told: Callable[[Comparison], None]) -> ReplayOutcome:
    return asyncio.run(work(job, told, heeds_interrupt=True))


def _on_ray(arguments: argparse.Namespace, job: ReplayJob, told: Callable[[Comparison], None]) -> ReplayOutcome:
    """The same in parts: each has its share of the money, and all that run at once share the calls in flight."""
    found, ids = ReplayOutcome(job.rules.gates.slices), [row.id for row in job.rows]
    parts = [tuple(ids[at : at + PART_EXCHANGES]) for at in range(0, len(ids), PART_EXCHANGES)]
    shadow = job.shadow
    share = PartShare.of(
        job.until_s, shadow.budget_usd_per_day, shadow.max_in_flight, parts=len(parts), at_once=processors()
    )
    try:
        for rows, left_out, part in run_on_ray(partial(_part, arguments, share), parts):
            for row in rows:
                told(row)
            job.rows.left_out.update(left_out)
            found.add(part)
    except KeyboardInterrupt:
        found.stopped = CTRL_C
    return found


def _part(
    arguments: argparse.Namespace, share: PartShare, ids: tuple[str, ...]
) -> Iterator[tuple[list[Comparison], Counter[str], ReplayOutcome]]:
    """One part's comparisons, what it passed over, and what came of it, on a machine that has the same folders."""
    whole = _job(arguments)
    job = replace(
        whole,
        rows=replace(whole.rows, chosen=ids, since=0.0, left_out=Counter[str]()),  # who chose them had looked at that
        until_s=share.until_s(),
        shadow=msgspec.structs.replace(
            whole.shadow, budget_usd_per_day=share.budget_usd, max_in_flight=share.in_flight
        ),
    )
    rows: list[Comparison] = []
    yield rows, job.rows.left_out, asyncio.run(work(job, rows.append, heeds_interrupt=False))


def _job(arguments: argparse.Namespace) -> ReplayJob:
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
    return ReplayJob(
        data, msgspec.structs.replace(base, routes=(route,)), route, rules, shadow,
        rows=Rows(data.records, route, since(arguments.since, now=now) or 0.0, arguments.limit),
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
        compiled = reader.compile(read_named(path).decode(), path.name)
        for route, terms in compiled.parts:
            if terms is not None and terms.name == name:
                return route, terms.rules, terms.shadow
            several += [terms.name] if terms is not None and route.name == name else []
    if several:
        raise ReplayError(f"{name} has several candidates. hint: name one of {', '.join(several)}")
    who = f"{named} has not" if named else f"no policy in {folder} has"
    raise ReplayError(
        f"{who} the route {name!r}. hint: `crossfade policy lint` reads them; `crossfade init` writes one"
    )


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
