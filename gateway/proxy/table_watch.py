"""What a worker serves from: a routing table made ready, the kill file and the lease, watched by polling.

Polling two paths costs microseconds and needs no file-system event that a crash or an overlay could swallow.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from gateway.log import Log
from gateway.transport.upstreams import Destination, UpstreamSet
from policies import routing
from policies.matching import ROUTABLE

POLL_S = 0.2
FILES_S = 1.0
"""How often the upstreams' key and CA files are looked at."""
_BINARY = (b"audio/", b"image/", b"video/", b"application/octet-stream", b"application/zip", b"multipart/")


@dataclass(frozen=True, slots=True)
class Serving:
    """One routing table, made ready."""

    table: routing.Table
    destinations: Mapping[str, Destination]
    default: Destination

    def reads(self, method: bytes, path: str) -> bool:
        """Whether a request's body has to be read before it is known where it goes."""
        return bool(self.table.routes) and method == b"POST" and path in ROUTABLE

    def kept_bytes(self, kind: bytes | None) -> int:
        """How much of a body of this content type is kept; 0: its hash alone."""
        capture = self.table.capture
        binary = kind is not None and capture.binary == "hash_only" and kind.lower().startswith(_BINARY)
        return 0 if binary else capture.max_body_bytes


def ready(table: routing.Table, upstreams: UpstreamSet) -> Serving:
    """`table`, made ready; an upstream that cannot be is out, and no other is."""
    destinations = upstreams.ready(table.upstreams, pass_credentials=table.keys_mode == "passthrough")
    return Serving(table, destinations, destinations[table.default_upstream])


class TableWatch:
    """Follows the routing table and the kill file."""

    def __init__(self, routing_path: Path, kill_path: Path, environment: Mapping[str, str]) -> None:
        self._routing_path = routing_path
        self._kill_path = kill_path
        self._upstreams = UpstreamSet(environment)
        self._files_seen_s = 0.0
        self._told: dict[str, str] = {}
        self._stamp: tuple[int, int, int] | None = None
        self._renewed_at = 0.0
        self._seen_s = 0.0
        self._age_then_s = 0.0
        self.serving: Serving | None = None
        self.killed = False
        self._unwritten = False
        """We were told to write the kill file and the disk did not take it: we stay killed, and try again."""
        self.problem = ""
        """Why the newest file is not in use; empty: it is."""

    def kill(self) -> None:
        """Write the kill file ourselves."""
        self.killed = True
        try:
            self._kill_path.touch()
        except OSError:
            self._unwritten = True
        else:
            self._unwritten = False

    def poll(self, *, wall: Callable[[], float], now: float) -> bool:
        """Look again; True if the table's meaning changed. `now`: monotonic seconds."""
        if self._unwritten:
            self.kill()  # from when the disk takes the file on, `crossfade kill --off` ends this as any other
        self.killed = self._unwritten or os.path.exists(self._kill_path)
        try:
            found = os.stat(self._routing_path)
        except OSError:
            return self._reread_files(now)  # the last good table stays; its lease runs
        stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
        if stamp == self._stamp:
            return self._reread_files(now)
        self._stamp = stamp
        try:
            table = routing.decode(self._routing_path.read_bytes())
            changed = self._take(table)
        except (OSError, routing.RoutingError) as error:
            self.problem = str(error)
            return False
        self.problem = ""
        if table.lease.renewed_at != self._renewed_at:
            self._renew(table.lease.renewed_at, wall=wall(), now=now)
        return changed

    def _renew(self, renewed_at: float, *, wall: float, now: float) -> None:
        """Take another time of renewal: a later one, or an earlier one that is younger by the wall clock of now.

        Whoever sets a clock back sets it for the controller, too: its next renewals are from before the last one. A
        table out of a backup is older than what we have by any clock.
        """
        age_s = max(0.0, wall - renewed_at)
        if renewed_at > self._renewed_at or age_s < self.lease_age_s(now):
            # Its age when we first saw it, by the wall clock; from then on by ours, which nobody can set.
            self._renewed_at, self._seen_s, self._age_then_s = renewed_at, now, age_s

    def _take(self, table: routing.Table) -> bool:
        """Serve from `table`; True if it says anything new but a renewed lease."""
        old = self.serving
        if old is not None and msgspec.structs.replace(table, lease=old.table.lease) == old.table:
            self.serving = Serving(table, old.destinations, old.default)
            return False
        self.serving = ready(table, self._upstreams)
        return True

    def _reread_files(self, now: float) -> bool:
        """Make the upstreams ready anew if a key or CA file has changed; True if so."""
        if self.serving is None or 0 <= now - self._files_seen_s < FILES_S:
            return False
        self._files_seen_s = now
        if not self._upstreams.changed():
            return False
        self.serving = ready(self.serving.table, self._upstreams)
        return True

    def tell(self, log: Log) -> None:
        """Log what has gone wrong, or is well again, since it was told last."""
        wrong = self._upstreams.problems | ({"": self.problem} if self.problem else {})
        told, self._told = self._told, wrong
        for name, problem in wrong.items():
            if told.get(name) == problem:
                continue
            if name:
                hint = "it is asked with what was read last, or not at all; mend the file and it is taken up at once"
                log.alarm("upstream.not_ready", upstream=name, reason=problem, hint=hint)
            else:
                log.alarm("table.refused", reason=problem, hint="the last good table stays in use")
        for name in told.keys() - wrong.keys():
            log.notice("upstream.ready" if name else "table.taken", **({"upstream": name} if name else {}))

    def lease_age_s(self, now: float) -> float:
        """Seconds since the control plane last vouched for the table."""
        return self._age_then_s + now - self._seen_s

    def candidate_allowed(self, now: float) -> bool:
        """Whether the lease lets a candidate answer (the dead man's switch)."""
        if self.serving is None:
            return False
        lease = self.serving.table.lease
        return lease.on_expiry == "keep" or self.lease_age_s(now) <= lease.grace_s
