"""Writes the routing table: the only way to move traffic.

Rules:
1. The file is replaced whole. Readers see the old table or the new one.
2. The version rises with every change of meaning and never falls, whatever was in the file before.
3. A table that did not change is written again to renew its lease, under the version it has.
4. The lease is renewed only where the caller vouches that somebody watches; a change alone renews nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from policies.routing import Lease, RoutingError, Table, decode, encode
from records.durable import replace

RENEW_S = 5.0
"""How often the lease is renewed."""


def _nothing(_: int) -> None:
    pass


@dataclass(slots=True)
class Publisher:
    """Keeps one routing table published."""

    path: Path
    table: Table | None = None
    """What stands in the file, as far as we wrote or read it."""
    stamp: bytes | None = None
    """What else the version stands for, beside the table's meaning; None: not known."""
    floor: int = field(default=0, init=False)
    """No version up to this one may be given out again."""

    def load(self, now: float) -> None:
        """Take up what an earlier controller published."""
        try:
            self.table = decode(self.path.read_bytes())
            self.floor = self.table.version
        except FileNotFoundError:
            self.floor = 0
        except (OSError, RoutingError):
            # Torn, or of a newer format: its version is unknown, and seconds since 1970 are above any count of moves.
            self.floor = int(now)

    def publish(
        self,
        wanted: Table,
        now: float,
        *,
        renew: bool = True,
        stamp: bytes | None = None,
        before: Callable[[int], None] = _nothing,
    ) -> bool:
        """Write `wanted`, whose version and lease time are given here, if it is new or the lease is due.

        A `stamp` that is not the last one makes it new too. `before` is called with a new version before it is written.
        Returns whether it is new.

        Raises:
            OSError: it could not be written; the file is as it was, and its lease runs on.
        """
        current = self.table
        is_new = current is None or _meaning(current) != _meaning(wanted) or stamp not in (None, self.stamp)
        renewed_at = current.lease.renewed_at if current is not None else 0.0
        due = renew and not 0 <= now - renewed_at < RENEW_S
        if not is_new and not due:
            return False
        version = self.floor + 1 if current is None or is_new else current.version
        if is_new:
            before(version)
        lease = msgspec.structs.replace(wanted.lease, renewed_at=now if renew else min(now, renewed_at))
        table = msgspec.structs.replace(wanted, version=version, lease=lease)
        replace(self.path, encode(table))
        self.table, self.floor = table, version
        if is_new:
            self.stamp = stamp
        return is_new


def _meaning(table: Table) -> bytes:
    """What two tables share that differ only in their version and the time of their lease."""
    lease: Lease = msgspec.structs.replace(table.lease, renewed_at=0.0)
    return msgspec.json.encode(msgspec.structs.replace(table, version=0, lease=lease))
