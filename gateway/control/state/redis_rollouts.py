"""Leadership, rollouts and evidence on a server: the records that must keep one history."""

import contextlib
import secrets

import msgspec

from gateway.control.state.port import LEASE_S, MAX_SNAPSHOT_BYTES, UNREADABLE, Snapshot, Stored
from gateway.control.state.redis_base import Base, Led, key, pairs
from gateway.control.state.redis_link import Command, Reply
from gateway.control.state.seal import ForgedError, NewerError
from gateway.control.state.witness import Copy, Kind, is_behind

GATHER_S = 3.0
"""How long: every node that is there asks several times a second."""


class StoredEvidence(msgspec.Struct, frozen=True):
    """A snapshot and the epoch it was kept under."""

    epoch: int
    snapshot: Snapshot


class Rollouts(Base):
    """The part of `SharedState` for the lease, rollouts and evidence snapshots."""

    def lead(self, node: str, now: float) -> int | None:
        """As `SharedState` says (`port.py`). On a server that forgot, a new leader waits for the other nodes' copies.

        One of them may have seen more.
        """
        lease, term = key("lease"), key("epoch")
        led: list[int] = []
        forgot: list[bool] = []

        def decide(found: list[Reply]) -> list[Command] | None:
            record = self._led(found[0])
            if record is not None and record.holder == self._holder and record.epoch >= self._newest.epoch:
                led[:] = [record.epoch]
                return [("SET", lease, record.epoch, "PX", int(LEASE_S * 1000))]
            if found[1] is not None and not self._may_take(record, node):
                return None
            epoch = max(record.epoch if record else 0, self._newest.epoch) + 1
            led[:] = [epoch]
            forgot[:] = [record is None and found[1] is None and self._newest.epoch > 0]
            sealed = self._sealed("epoch", Led(epoch, node, self._holder))
            return [("SET", term, sealed), ("SET", lease, epoch, "PX", int(LEASE_S * 1000))]

        with self._call():
            if not self._link.change([lease, term], [("GET", term), ("GET", lease)], decide):
                return None
        self._has_led = True
        self._newest.epoch = max(self._newest.epoch, led[0])
        if any(forgot):
            self._gathers_since = now
        if self._gathers_since is not None and 0 <= now - self._gathers_since < GATHER_S:
            return None
        self._gathers_since = None
        return led[0]

    def resign(self, node: str) -> None:  # noqa: ARG002 -- the lease is this process's, or not
        """As `SharedState` says (`port.py`)."""
        lease, term = key("lease"), key("epoch")

        def decide(found: list[Reply]) -> list[Command] | None:
            record = self._led(found[0])
            return [("DEL", lease)] if record is not None and record.holder == self._holder else None

        with self._call():
            self._link.change([lease, term], [("GET", term)], decide)

    def leader(self, now: float) -> str | None:  # noqa: ARG002 -- the server's own clock ends the lease
        """As `SharedState` says (`port.py`)."""
        with self._call():
            lease, term = self._link.ask(("GET", key("lease")), ("GET", key("epoch")))
            record = self._led(term)
            return record.node if record is not None and lease is not None else None

    def rollouts(self) -> dict[str, Stored]:
        """As `SharedState` says (`port.py`)."""
        with self._call():
            (flat,) = self._link.ask(("HGETALL", key("rollouts")))
            found = pairs(flat)
            routes = {*found, *self._newest.routes("rollout")}
            return {route: self._rollout(route, found.get(route)) for route in sorted(routes)}

    def store(self, route: str, new: Stored, *, expected: int, epoch: int) -> bool:
        """As `SharedState` says (`port.py`)."""
        rollouts, term = key("rollouts"), key("epoch")
        fresh = msgspec.structs.replace(new, version=expected + 1, epoch=epoch)
        record = self._sealed(f"rollout/{route}", fresh)

        def decide(found: list[Reply]) -> list[Command] | None:
            led, kept = self._led(found[0]), self._stored(route, found[1])
            if not self._leads(led, epoch) or expected != (kept.version if kept else 0):
                return None
            return None if kept is not None and kept.epoch > epoch else [("HSET", rollouts, route, record)]

        with self._call():
            done = self._link.change([rollouts, term], [("GET", term), ("HGET", rollouts, route)], decide)
        if done:
            self._newest.put("rollout", route, _copy_of(fresh, record))
        return done

    def lower(self, route: str, new: Stored, *, expected: int) -> bool:
        """As `SharedState` says (`port.py`)."""
        rollouts = key("rollouts")
        written: list[tuple[Stored, bytes]] = []

        def decide(found: list[Reply]) -> list[Command] | None:
            kept = self._stored(route, found[0])
            if kept is None or kept.version != expected or new.weight_ppm >= kept.weight_ppm:
                return None
            fresh = msgspec.structs.replace(new, version=expected + 1, epoch=kept.epoch)
            written[:] = [(fresh, self._sealed(f"rollout/{route}", fresh))]
            return [("HSET", rollouts, route, written[0][1])]

        with self._call():
            done = self._link.change([rollouts], [("HGET", rollouts, route)], decide)
        if done:
            self._newest.put("rollout", route, _copy_of(*written[0]))
        return done

    def snapshot(self, route: str) -> Snapshot | None:
        """As `SharedState` says (`port.py`)."""
        with self._call():
            (raw,) = self._link.ask(("HGET", key("snapshots"), route))
            record = self._newer("snapshot", route, raw)
            return None if record is None else self._opened(f"snapshot/{route}", record, StoredEvidence).snapshot

    def keep_snapshot(self, route: str, snapshot: Snapshot, *, epoch: int) -> bool:
        """As `SharedState` says (`port.py`)."""
        term, kept = key("epoch"), StoredEvidence(epoch, snapshot)
        record = self._sealed(f"snapshot/{route}", kept, MAX_SNAPSHOT_BYTES)
        positions = self._sealed(f"positions/{route}", snapshot.positions)

        def decide(found: list[Reply]) -> list[Command] | None:
            if not self._leads(self._led(found[0]), epoch):
                return None
            return [("HSET", key("snapshots"), route, record), ("HSET", key("positions"), route, positions)]

        with self._call():
            done = self._link.change([term], [("GET", term)], decide)
        if done:
            self._newest.put("snapshot", route, Copy(epoch, snapshot.seq, 0, record))
        return done

    def taken(self, node: str) -> dict[str, int]:
        """As `SharedState` says (`port.py`)."""
        with self._call():
            self._recognise()
            (flat,) = self._link.ask(("HGETALL", key("positions")))
            there = {route: self._positions(route, record) for route, record in pairs(flat).items()}
            for route in sorted({*there, *self._newest.routes("snapshot")}):
                if there.get(route, {}) != self._copied(route):
                    (raw,) = self._link.ask(("HGET", key("snapshots"), route))
                    # One that cannot be read holds nothing; whoever leads its route says so.
                    with contextlib.suppress(ForgedError, NewerError, msgspec.MsgspecError):
                        self._newer("snapshot", route, raw)
            copied = {route: self._copied(route) for route in self._newest.routes("snapshot")}
        return {route: positions[node] for route, positions in copied.items() if node in positions}

    def _recognise(self) -> None:
        """See whether the server still has the memory it had."""
        (name,) = self._link.ask(("GET", key("memory")))
        if name is None:
            self._link.ask(("SET", key("memory"), secrets.token_hex(8), "NX"))
            (name,) = self._link.ask(("GET", key("memory")))
        self._forgot += self._memory not in (b"", name)
        self._memory = name

    def _copied(self, route: str) -> dict[str, int]:
        """How far the snapshot is of which this node has a copy."""
        copy = self._newest.get("snapshot", route)
        if copy is None:
            return {}
        known = self._read.get(route)
        if known is None or known[0] is not copy:  # a snapshot is long, and this is asked several times a second
            known = copy, self._opened(f"snapshot/{route}", copy.record, StoredEvidence).snapshot.positions
            self._read[route] = known
        return known[1]

    def _leads(self, led: Led | None, epoch: int) -> bool:
        """Whether this process was the last to be given an epoch, and it is this one.

        A server that forgot may give an epoch twice; never to two processes that both may write.
        """
        return led is not None and led.epoch == epoch and led.holder == self._holder

    def _may_take(self, record: Led | None, node: str) -> bool:
        """Whether a lease that holds may be taken: from nobody we know, from ourselves, from our predecessor."""
        if record is None or record.holder == self._holder:
            return True
        return record.node == node and not self._has_led

    def _rollout(self, route: str, raw: bytes | None) -> Stored:
        try:
            record = self._newer("rollout", route, raw)
            return self._opened(f"rollout/{route}", record or b"", Stored)
        except (ForgedError, NewerError, msgspec.MsgspecError, UnicodeDecodeError):
            return UNREADABLE

    def _stored(self, route: str, raw: Reply) -> Stored | None:
        return None if raw is None else self._opened(f"rollout/{route}", raw, Stored)

    def _newer(self, kind: Kind, route: str, raw: bytes | None) -> bytes | None:
        """The record that counts: what the server has, or what is known here if that is newer; then it is put back."""
        known, found = self._newest.get(kind, route), self._copy(kind, route, raw)
        if known is not None and is_behind(found, known):
            self._restore(kind, route, known)
            return known.record
        if found is not None:
            self._newest.put(kind, route, found)
        return raw

    def _copy(self, kind: Kind, route: str, raw: bytes | None) -> Copy | None:
        """What the server has, with what orders it. What somebody else wrote counts as lost, if a true copy is known.

        Raises:
            ForgedError: somebody else wrote it, and no copy is known.
        """
        if raw is None:
            return None
        try:
            if kind == "snapshot":
                kept = self._opened(f"snapshot/{route}", raw, StoredEvidence)
                return Copy(kept.epoch, kept.snapshot.seq, 0, raw)
            return _copy_of(self._opened(f"rollout/{route}", raw, Stored), raw)
        except ForgedError:
            if self._newest.get(kind, route) is None:
                raise
            return None

    def _restore(self, kind: Kind, route: str, known: Copy) -> None:
        kept = key(f"{kind}s")

        def decide(found: list[Reply]) -> list[Command] | None:
            if not is_behind(self._copy(kind, route, found[0]), known):
                return None
            writes: list[Command] = [("HSET", kept, route, known.record)]
            if kind == "snapshot":
                positions = self._opened(f"snapshot/{route}", known.record, StoredEvidence).snapshot.positions
                writes.append(("HSET", key("positions"), route, self._sealed(f"positions/{route}", positions)))
            return writes

        if self._link.change([kept], [("HGET", kept, route)], decide):
            self._restored += 1


def _copy_of(stored: Stored, record: bytes) -> Copy:
    return Copy(stored.epoch, stored.version, stored.weight_ppm, record)
