"""The side bar's state on every page: the kill switch, the table's age, how late the records are.

Read from this node's files alone, so that it is there when the shared state is not.
"""

import json
from dataclasses import dataclass
from typing import cast

from gateway.node import supervisor_status
from gateway.node.datadir import DataDir
from gateway.node.journal_lag import journal_lag_s
from policies.routing import RoutingError, decode

DATA_PORT = "127.0.0.1:8080"
_EVERY = ("", "0.0.0.0", "[::]")  # noqa: S104 -- what is listened on; nothing is opened here


@dataclass(frozen=True, slots=True)
class Foot:
    """The edge of a page."""

    is_killed: bool
    kill_reason: str
    table_version: int | None
    """None: there is no table to read."""
    lease: str
    """held, stale, expired, or empty without a table."""
    lag_s: float | None
    """None: no recorder has said yet."""
    address: str
    """What an app on this machine sets as OPENAI_BASE_URL."""


def foot_of(data: DataDir, *, now: float) -> Foot:
    """What the files say now."""
    version, lease = None, ""
    try:
        table = decode(data.routing.read_bytes())
    except (OSError, RoutingError):
        pass
    else:
        age_s, version = now - table.lease.renewed_at, table.version
        lease = "held" if age_s < table.lease.hold_s else "stale" if age_s < table.lease.grace_s else "expired"
    return Foot(data.kill.exists(), _kill_reason(data), version, lease, journal_lag_s(data, now=now), _address(data))


def _address(data: DataDir) -> str:
    """The data port that is served here; the default one, where nobody says."""
    status = supervisor_status.read(data.supervisor_status)
    host, _, port = (DATA_PORT if status is None else status.listen).rpartition(":")
    return f"http://{'127.0.0.1' if host in _EVERY else host}:{port}/v1"


def _kill_reason(data: DataDir) -> str:
    """Why the kill file is there; empty: it is not, or does not say."""
    try:
        found = json.loads(data.kill.read_text("utf-8", "replace"))
    except (OSError, ValueError):
        return ""
    return str(cast("dict[str, object]", found).get("reason", ""))[:400] if isinstance(found, dict) else ""
