"""`crossfade status`: where each route stands, and who serves it.

Weights, workers and lags are read from files, and true with the control plane dead; stages, what is missing and the
last moves are the shared state's, and left out where it cannot be used.
Longer than a file should be: one report, and the lines that show it.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from gateway import clock
from gateway.cli import context, layout
from gateway.cli.failure import failed
from gateway.config.settings_file import SettingsError
from gateway.control.controller.status import ControllerStatus, by_candidate, read_status
from gateway.control.operations.standings import spent_budgets, standings
from gateway.control.state.open import open_state
from gateway.control.state.port import StateDownError
from gateway.node.datadir import DataDir, DataDirError
from gateway.node.exposition import by_route
from gateway.node.journal_lag import journal_lag_s
from gateway.node.plain_error import plain
from gateway.node.unknown_route import unknown_route
from gateway.supervisor import running
from gateway.supervisor.worker_metrics import open_breakers
from policies.candidates import is_contender, route_of
from policies.routing import PPM, Route, RoutingError, Table, Variant, decode

MOSTLY_PCT = 99.5
"""A candidate that answers less of what is assigned to it is told of."""
HEAD = ("ROUTE", "STAGE", "WEIGHT", "PHASE", "TO GO", "LAST MOVE")
"""What stands over the cells of `row`."""


@dataclass(frozen=True, slots=True)
class RouteState:
    """Where a route stands."""

    route: str
    mode: str
    baseline: str
    candidate: str | None
    revision: str | None
    weight_pct: float
    served_pct: float | None = None
    """Of what was lately assigned to the candidate, what it answered; None: this node does not lead, or nothing was."""
    breakers_open: int = 0
    """Workers here that do not ask the candidate, or only probe it."""
    key_refused: int = 0
    """The shadow's calls in a row that the candidate's upstream refused for its key."""
    estimated_usd: float = 0.0
    """What the shadow's budget was charged for calls whose price nobody knows."""


@dataclass(frozen=True, slots=True)
class SharedView:
    """What the shared state says."""

    leader: str | None = None
    """Who evaluates; None: nobody does, so no weight rises."""
    nodes: list[str] = field(default_factory=list[str])
    killed_nodes: list[str] = field(default_factory=list[str])
    """Those of them on which the kill is on."""
    problem: str | None = None
    """Why it cannot be used."""
    rollouts: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """By route: `gateway.control.operations.standings.Standing`."""


@dataclass(frozen=True, slots=True)
class TableState:
    """The routing table."""

    version: int
    age_s: float
    lease: str
    """held, stale or expired."""


@dataclass(frozen=True, slots=True)
class WorkerState:
    """One worker that lives."""

    worker: str
    pid: int
    requests: int
    in_flight: int
    table_version: int
    killed: bool
    lease_expired: bool
    hangs: bool = False
    """Whether it answers nobody."""


@dataclass(frozen=True, slots=True)
class ControlState:
    """One process of the control plane that lives."""

    process: str
    pid: int


@dataclass(frozen=True, slots=True)
class StatusReport:
    """Everything that `status` prints."""

    data: str
    serving: bool
    """Whether a supervisor lives, and at least one worker that does not hang."""
    pid: int | None
    killed: bool
    table: TableState | None
    problem: str | None
    """Why there is no table to read."""
    routes: list[RouteState]
    workers: list[WorkerState]
    missing: list[str]
    """Processes that should run and do not; those that come up are `starting`."""
    policy_errors: list[str]
    journal_bytes: int
    journal_lag_s: float | None
    """None: no recorder has said yet."""
    control: list[ControlState] = field(default_factory=list[ControlState])
    """Who hangs can be ended by its pid."""
    reload_refused: str | None = None
    """Why the settings that serve are not those of the file."""
    reload_waits_for: list[int] = field(default_factory=list[int])
    """Pids of old workers whose answers a reload waits for."""
    starting: list[str] = field(default_factory=list[str])
    """Processes that come up, after a start or a reload."""
    blind_workers: list[str] = field(default_factory=list[str])
    """Workers that serve, and whose counters are in memory alone: the disk took no file for them as they began."""


def run(arguments: argparse.Namespace) -> int:
    """Print it; 1 if nothing serves here, or there is no such route."""
    try:
        data = context.data(arguments)
    except SettingsError as error:
        return failed(error, arguments)
    now = clock.wall()
    state = read(data, now=now)
    seen = shared(arguments, now) if data.state.exists() or state.serving else SharedView()
    routes = [route for route in state.routes if arguments.route in (None, route.route, route_of(route.route))]
    wanted: str | None = arguments.route
    is_known = wanted is None or bool(routes)
    if arguments.json:
        rows = [asdict(route) | {"rollout": seen.rollouts.get(route.route)} for route in routes]
        shares = {
            "leader": seen.leader, "nodes": seen.nodes, "killed_nodes": seen.killed_nodes, "problem": seen.problem,
        }  # fmt: skip
        print(json.dumps(asdict(state) | {"routes": rows, "shared": shares}))
    elif is_known:
        _print(state, routes, seen, now)
    if wanted is not None and not routes:
        return failed(unknown_route(wanted, [route.route for route in state.routes]), arguments)
    return 0 if state.serving else 1


def read(data: DataDir, *, now: float) -> StatusReport:
    """What the files say at `now`."""
    supervisor = running.supervisor(data)
    workers, blind = running.live_workers(data), running.blind_workers(data)
    table, problem = _table(data)
    processes = supervisor.processes if supervisor is not None else ()
    alive = [each for each in processes if each.pid is not None and running.is_alive(each.pid)]
    controller = read_status(data.controller_status) or ControllerStatus(0, (), None)
    reload = supervisor.reload if supervisor is not None else None
    return StatusReport(
        data=str(data.root),
        serving=supervisor is not None and any(not worker.hangs for worker in (*workers, *blind)),
        pid=supervisor.pid if supervisor is not None else None,
        killed=data.kill.exists(),
        table=None if table is None else _table_state(table, now),
        problem=problem,
        routes=[] if table is None else _routes(data, table, controller, [worker.gauges for worker in workers]),
        workers=[_worker(worker) for worker in workers],
        missing=[each.slot for each in processes if each not in alive and not each.starting],
        starting=[each.slot for each in processes if each not in alive and each.starting],
        policy_errors=[policy.error for policy in controller.policies if policy.error is not None],
        journal_bytes=_size_bytes(data),
        journal_lag_s=journal_lag_s(data, now=now),
        control=[ControlState(each.slot, each.pid) for each in alive if each.name is None and each.pid is not None],
        blind_workers=[each.slot for each in blind],
        reload_refused=None if reload is None else reload.error,
        reload_waits_for=[] if reload is None else [*reload.waits_for],
    )


def shared(arguments: argparse.Namespace, now: float) -> SharedView:
    """What the shared state says; why not, where it cannot be used."""
    try:
        where, data = context.state(arguments)
        state = open_state(where)
        try:
            rollouts = {
                route: asdict(standing)
                for route, standing in standings(state, now=now, spent=spent_budgets(data)).items()
            }
            nodes = state.nodes(now)
            killed = [node.name for node in nodes if node.killed]
            return SharedView(state.leader(now), [node.name for node in nodes], killed, None, rollouts)
        finally:
            state.close()
    except (SettingsError, DataDirError, StateDownError) as error:
        return SharedView(problem=str(error))


def _table(data: DataDir) -> tuple[Table | None, str | None]:
    try:
        return decode(data.routing.read_bytes()), None
    except (OSError, RoutingError) as error:
        return None, plain(error)


def _table_state(table: Table, now: float) -> TableState:
    age_s = now - table.lease.renewed_at
    lease = "held" if age_s < table.lease.hold_s else "stale" if age_s < table.lease.grace_s else "expired"
    return TableState(table.version, age_s, lease)


def _routes(
    data: DataDir, table: Table, controller: ControllerStatus, alive: Sequence[Mapping[str, int]]
) -> list[RouteState]:
    """Where each route stands, and whether its candidate really serves."""
    served = by_route(data.exposition("controller"), "served_ratio")
    refused = by_route(data.exposition("shadow"), "shadow_key_refused")
    estimated = by_route(data.exposition("shadow"), "shadow_estimated_usd")
    is_open = open_breakers(table, alive)
    return [
        replace(
            _route(route),
            served_pct=None if route.name not in served else 100 * served[route.name],
            breakers_open=is_open.get(route_of(route.name), 0)
            if route.weight_ppm or not is_contender(route.name)
            else 0,
            key_refused=int(refused.get(route.name, 0)),
            estimated_usd=estimated.get(route.name, 0.0),
        )
        for route in by_candidate(table.routes, controller)
    ]


def _route(route: Route) -> RouteState:
    candidate = route.candidate
    return RouteState(
        route=route.name,
        mode=route.mode,
        baseline=_variant(route.baseline),
        candidate=None if candidate is None else _variant(candidate),
        revision=None if candidate is None else candidate.revision,
        weight_pct=route.weight_ppm / (PPM / 100),
    )


def _variant(variant: Variant) -> str:
    return f"{variant.upstream}/{variant.model or '(as asked)'}"


def _worker(worker: running.LiveWorker) -> WorkerState:
    gauges = worker.gauges
    return WorkerState(
        worker=worker.slot,
        pid=worker.pid,
        requests=gauges["requests"],
        in_flight=gauges["in_flight"],
        table_version=gauges["table_version"],
        killed=bool(gauges["killed"]),
        lease_expired=bool(gauges["lease_expired"]),
        hangs=worker.hangs,
    )


def _size_bytes(data: DataDir) -> int:
    total = 0
    for folder, _, names in os.walk(data.journal):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                continue  # recorded and deleted while we looked
    return total


KILLED = "KILLED: the baseline alone answers. `crossfade kill --off` takes it back."
KILLED_APART = "`crossfade kill` turns it on at every node, `crossfade kill --off` takes it back at every node."


NOT_SERVING = "hint: `crossfade serve` starts a gateway; one that runs elsewhere is named with --data or --config"


def _print(state: StatusReport, routes: list[RouteState], seen: SharedView, now: float) -> None:
    print(headline(state))
    if not state.serving and not state.starting:
        print(NOT_SERVING, file=sys.stderr)
    if state.killed:
        print(KILLED)
    _print_routes(routes, seen, now)
    for line in about(state, seen):
        print(line)


def about(state: StatusReport, seen: SharedView) -> list[str]:
    """What concerns no single route: workers, records, the shared state, what does not run or load."""
    found: list[str] = []
    for worker in state.workers:
        words = [f"{worker.worker} (pid {worker.pid}): {worker.requests} requests, {worker.in_flight} in flight"]
        words += ["lease expired: baseline only"] if worker.lease_expired else []
        words += ["hangs: it is ended, and another takes its place"] if worker.hangs else []
        found.append(", ".join(words))
    found += [f"{name} serves; its counters are in memory alone, as the disk took none" for name in state.blind_workers]
    if state.control:
        found.append(", ".join(f"{each.process} (pid {each.pid})" for each in state.control))
    lag = "no recorder has said yet" if state.journal_lag_s is None else f"records {state.journal_lag_s:.1f} s behind"
    found.append(f"journal: {state.journal_bytes / 2**20:.1f} MiB, {lag}")
    if seen.problem is not None:
        found.append(f"the shared state cannot be used, so no weight rises and no lease is renewed: {seen.problem}")
    elif len(seen.nodes) > 1:
        found.append(f"nodes: {', '.join(seen.nodes)}; {seen.leader or 'nobody'} leads")
        if seen.killed_nodes and len(seen.killed_nodes) < len(seen.nodes):
            found.append(f"the kill is on at {', '.join(seen.killed_nodes)} alone. {KILLED_APART}")
    found += [f"starting: {', '.join(state.starting)}"] if state.starting else []
    found += [f"not running: {name} (its log lines say why)" for name in state.missing]
    if state.reload_refused is not None:
        found.append(f"the last reload was refused, what ran before goes on: {state.reload_refused}")
    if state.reload_waits_for:
        pids = ", ".join(map(str, state.reload_waits_for))
        found.append(f"a reload waits until old workers have finished their answers (pids {pids})")
    return found + [f"policy not loaded, the last good version stays: {error}" for error in state.policy_errors]


def _print_routes(routes: list[RouteState], seen: SharedView, now: float) -> None:
    """Print one table, and below each route the sentence that says why it is there."""
    if not routes:
        print("no routes: every request goes to the default upstream")
        return
    rows = [row(each, seen.rollouts.get(each.route), now) for each in routes]
    whole = [(*HEAD, "CANDIDATE"), *((*cells, _candidate(each)) for cells, each in zip(rows, routes, strict=True))]
    is_wide = layout.fits(whole)
    lines = layout.table(whole if is_wide else [HEAD, *rows], cut=(0,))
    print(lines[0])
    for line, each in zip(lines[1:], routes, strict=True):
        print(line)
        if not is_wide and each.candidate is not None:
            print(layout.paragraph(f"candidate {_candidate(each)}", "  "))
        for sentence in sentences(each, seen.rollouts.get(each.route)):
            print(layout.paragraph(sentence, "  "))


def sentences(route: RouteState, rollout: dict[str, Any] | None) -> list[str]:
    """Where a route stands and why, what it waits for, and what is wrong with it."""
    standing = rollout or {}
    told = [standing["sentence"]] if standing.get("sentence") else []
    told += [f"forecast: {standing['forecast']}"] if standing.get("missing") and standing.get("forecast") else []
    return [*told, *service(route), *standing.get("left_out", ())]


def service(route: RouteState) -> list[str]:
    """What keeps a candidate from answering what its weight says."""
    found: list[str] = []
    if route.breakers_open and route.weight_pct:
        workers = "1 worker does" if route.breakers_open == 1 else f"{route.breakers_open} workers do"
        found.append(f"{workers} not ask the candidate (breaker open): the baseline answers for it")
    if route.served_pct is not None and route.weight_pct and route.served_pct < MOSTLY_PCT:
        found.append(f"the candidate answered {route.served_pct:.0f}% of what was lately assigned to it")
    if route.key_refused:
        found.append(
            f"the candidate's upstream refused our key {route.key_refused} times in a row: nothing is compared, so "
            "nothing advances. hint: give it an api_key_file or a background_key_file in crossfade.yaml"
        )
    if route.estimated_usd:
        found.append(
            f"${route.estimated_usd:.2f} were charged to the shadow's budget by an estimate: no price is known of what "
            "was asked. hint: state it under `prices` in crossfade.yaml"
        )
    return found


def _candidate(route: RouteState) -> str:
    revision = "" if route.revision is None else f"@{route.revision}"
    return "-" if route.candidate is None else f"{route.candidate}{revision}"


def row(route: RouteState, rollout: dict[str, Any] | None, now: float) -> tuple[str, ...]:
    """A route's cells, under HEAD."""
    mode = {"apply": "", "split": " (split, uncertified)"}.get(route.mode, f" ({route.mode})")
    weight = f"{route.weight_pct:g}%{mode}"
    if rollout is None:
        return route.route, "-", weight, "-", "-", "-"
    to_go = "-" if rollout["units_to_go"] is None else f"{rollout['units_to_go']} units"
    moved = "-" if rollout["last_move"] is None else f"{rollout['last_move']} {_ago(now - rollout['moved_at'])} ago"
    return route.route, rollout["stage"], weight, rollout["phase"], to_go, moved


def _ago(seconds: float) -> str:
    for unit_s, name in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= unit_s:
            return f"{seconds / unit_s:.0f}{name}"
    return f"{max(0.0, seconds):.0f}s"


def headline(state: StatusReport) -> str:
    """The first line: who serves, from which directory, with which routing table."""
    who = f"serving (pid {state.pid}) from {state.data}" if state.serving else f"nothing serves from {state.data}"
    if state.table is None:
        return f"{who}; no routing table: {state.problem}"
    return f"{who}; routing table {state.table.version}, lease {state.table.lease} ({state.table.age_s:.0f} s old)"
