"""The side bar's state on every page: the kill switch, the table's age, how late the records are.

Read from this node's files alone, so that it is there when the shared state is not.
"""

import json
from dataclasses import dataclass
from typing import cast

from gateway.node.datadir import DataDir
from gateway.node.journal_lag import journal_lag_s
from policies.routing import RoutingError, decode


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
    return Foot(data.kill.exists(), _kill_reason(data), version, lease, journal_lag_s(data, now=now))


def _kill_reason(data: DataDir) -> str:
    """Why the kill file is there; empty: it is not, or does not say."""
    try:
        found = json.loads(data.kill.read_text("utf-8", "replace"))
    except (OSError, ValueError):
        return ""
    return str(cast("dict[str, object]", found).get("reason", ""))[:400] if isinstance(found, dict) else ""
