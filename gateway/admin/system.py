"""This node as its own files say: who runs, what was lost, what does not load. True with the shared state gone."""

import os
from dataclasses import dataclass

from gateway.admin.views import ProcessView, SystemView
from gateway.control.controller.status import ControllerStatus, read_status
from gateway.node.datadir import DataDir
from gateway.node.supervisor_status import SupervisorStatus
from gateway.node.supervisor_status import read as read_supervisor
from gateway.telemetry.metrics import EXPOSED, PREFIX

SHOWN = (
    "journal_lag_seconds", "journal_lost_total", "evidence_lag_seconds", "outbox_events", "webhooks_total",
    "shadow_queue", "shadow_total", "records_total", "state_refused_total", "state_restored_total", "policy_errors",
    "judge_suspended", "otel_lag_seconds", "otel_exported_total", "otel_dropped_total",
)  # fmt: skip
"""Metrics that a page of the system shows, where there are such."""
MOST = 100


@dataclass(frozen=True, slots=True)
class SharedAbout:
    """What the shared state says of the nodes."""

    leader: str | None
    nodes: list[str]
    killed_nodes: list[str]
    problem: str | None


def system(data: DataDir, *, table_version: int, shared: SharedAbout) -> SystemView:
    """The node as it is now."""
    supervisor = read_supervisor(data.supervisor_status)
    controller = read_status(data.controller_status) or ControllerStatus(0, (), "no controller has said anything yet")
    return SystemView(
        version=None if supervisor is None else supervisor.version,
        started_at=None if supervisor is None else supervisor.started_at,
        listen=None if supervisor is None else supervisor.listen,
        admin=None if supervisor is None else supervisor.admin,
        stopping=supervisor is not None and supervisor.stopping,
        processes=_processes(supervisor),
        reload_error=None if supervisor is None or supervisor.reload is None else supervisor.reload.error,
        reload_waits_for=[] if supervisor is None or supervisor.reload is None else [*supervisor.reload.waits_for],
        table_version=table_version,
        controller_problem=controller.error,
        policies_problem=[policy.error for policy in controller.policies if policy.error is not None],
        leader=shared.leader,
        nodes=shared.nodes,
        killed_nodes=shared.killed_nodes,
        state_problem=shared.problem,
        metrics=_metrics(data),
    )


def _processes(status: SupervisorStatus | None) -> list[ProcessView]:
    return [
        ProcessView(slot=each.slot, pid=each.pid, restarts=each.restarts, is_alive=_is_alive(each.pid))
        for each in (status.processes if status is not None else ())
    ]


def _is_alive(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _metrics(data: DataDir) -> dict[str, float]:
    """Samples of the control plane's own texts; a text that cannot be read says nothing."""
    found: dict[str, float] = {}
    for owner in EXPOSED:
        try:
            lines = data.exposition(owner).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            continue
        for line in lines:
            name, _, value = line.rpartition(" ")
            if name.removeprefix(PREFIX).partition("{")[0] in SHOWN and len(found) < MOST:
                found[name] = float(value)
    return found
