"""Several controllers on one shared state, with pauses, restarts and clock jumps: one legal history, no stale epoch.

Each schedule is a seeded list of steps of a few processes. A process acts on what it last read, as one does that slept
in between. What was written is kept beside it, and held against the rules of `gateway.control.state.port`.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.control.state.port import LEASE_S, SharedState, StateDownError, Stored
from gateway.control.state.sqlite import SqliteState
from tests.faults.dice import Dice, dice
from tests.rooms.stores import RedisStore

NODES = 3
STEPS = 40
LADDER = (0, 10_000, 50_000, 250_000, 500_000, 1_000_000)
NOW = 1_800_000_000.0
YEAR_S = 365 * 86_400.0


@dataclass(slots=True)
class Process:
    """A controller of one node: what it believes, which may be old."""

    node: str
    state: SharedState
    skew_s: float = 0.0
    epoch: int | None = None
    seen: Stored | None = None


@dataclass(slots=True)
class History:
    """What was written, and what broke."""

    writes: list[Stored] = field(default_factory=list[Stored])
    latest_epoch: int = 0
    holder: Process | None = None
    leads: int = 0
    stale: int = 0
    """Writes that were refused because another epoch or version had come."""
    flushes: int = 0
    violations: list[str] = field(default_factory=list[str])

    def led(self, process: Process, epoch: int) -> None:
        """A process was told that it leads."""
        self.leads += 1
        # A server that forgot may give an epoch again under which nothing was written; the holder tells them apart.
        is_old = epoch < self.latest_epoch or (epoch == self.latest_epoch and process is not self.holder)
        if is_old and not self.flushes:
            self.violations.append(f"{process.node} leads under {epoch} after {self.latest_epoch}")
        self.latest_epoch, self.holder = epoch, process

    def wrote(self, process: Process, new: Stored, *, leading: bool) -> None:
        """A write was taken."""
        before = self.writes[-1] if self.writes else None
        if new.version != (before.version if before else 0) + 1:
            self.violations.append(f"version {new.version} after {before.version if before else 0}")
        if new.epoch < (before.epoch if before else 0):
            self.violations.append(f"epoch {new.epoch} after {before.epoch if before else 0}")
        if leading and (process is not self.holder or new.epoch != self.latest_epoch):
            self.violations.append(f"{process.node} wrote under {new.epoch}, {self.latest_epoch} leads")
        if not leading and (before is None or new.weight_ppm >= before.weight_ppm):
            self.violations.append(f"{process.node} raised to {new.weight_ppm} without leading")
        if before is not None and LADDER.index(new.weight_ppm) > LADDER.index(before.weight_ppm) + 1:
            self.violations.append(f"{before.weight_ppm} to {new.weight_ppm}: more than a stage")
        self.writes.append(new)


@dataclass(slots=True)
class SchedulesFound:
    """All schedules of one store."""

    store: str
    schedules: int = 0
    leads: int = 0
    writes: int = 0
    stale: int = 0
    flushes: int = 0
    broken_off: int = 0
    violations: list[str] = field(default_factory=list[str])

    def held(self) -> bool:
        """Whether there was one legal history in each, and anything happened at all."""
        happened = self.writes > self.schedules and self.stale > self.schedules // 2
        return not self.violations and happened and self.broken_off <= max(3, self.schedules // 100)

    def report(self) -> str:
        """The figures."""
        first = f"; first: {self.violations[0]}" if self.violations else ""
        return (
            f"{self.store}: {self.schedules} schedules of {STEPS} steps, {NODES} nodes: {self.leads} times leading, "
            f"{self.writes} writes taken, {self.stale} stale ones refused, {self.flushes} flushes, "
            f"{self.broken_off} broken off for a call that came late: "
            f"{len(self.violations)} violations{first}"
        )


Opener = Callable[[str, int], SharedState]


@dataclass(slots=True)
class Schedule:
    """One schedule."""

    rolls: Dice
    open: Opener
    lapse: Callable[[], None]
    flush: Callable[[], None] | None = None
    now: float = NOW
    history: History = field(default_factory=History)
    _begun: int = 0

    def run(self) -> History:
        """Take all steps."""
        processes = [self._begin(f"n{number}") for number in range(NODES)]
        for _ in range(STEPS):
            at = self.rolls.randrange(NODES)
            self.now += self.rolls.choice((0.01, 0.25, 1.0, LEASE_S * 2))
            step = self.rolls.random()
            if step < 0.06:
                processes[at] = self._begin(processes[at].node)
            elif step < 0.12:
                processes[at].skew_s = self.rolls.choice((0.0, 3600.0, -3600.0, YEAR_S, -YEAR_S))
            elif step < 0.18:
                self.lapse()
            elif step < 0.22 and self.flush is not None:
                self._flush(processes)
            else:
                self._act(processes[at], self.rolls.random())
        return self.history

    def _begin(self, node: str) -> Process:
        self._begun += 1
        return Process(node, self.open(node, self._begun))

    def _act(self, process: Process, step: float) -> None:
        now = self.now + process.skew_s
        if step < 0.35:
            process.epoch = process.state.lead(process.node, now)
            if process.epoch is not None:
                self.history.led(process, process.epoch)
        elif step < 0.55:
            process.seen = process.state.rollouts().get("triage")
        elif step < 0.85:
            self._store(process, now)
        elif step < 0.95:
            self._lower(process, now)
        else:
            process.state.resign(process.node)

    def _store(self, process: Process, now: float) -> None:
        """Write a neighbouring stage under the epoch that the process believes it has."""
        epoch = process.epoch
        if epoch is None:
            return
        seen = process.seen
        stage = (
            0 if seen is None else min(LADDER.index(seen.weight_ppm) + self.rolls.choice((-1, 0, 1)), len(LADDER) - 1)
        )
        new = Stored((seen.version if seen else 0) + 1, epoch, LADDER[max(0, stage)], b"{}", now, process.node)
        if process.state.store("triage", new, expected=new.version - 1, epoch=epoch):
            self.history.wrote(process, new, leading=True)
            process.seen = new
        else:
            self.history.stale += 1

    def _lower(self, process: Process, now: float) -> None:
        seen = process.seen
        if seen is None:
            return
        new = Stored(seen.version + 1, seen.epoch, self.rolls.choice(LADDER), b"{}", now, process.node)
        if process.state.lower("triage", new, expected=seen.version):
            self.history.wrote(process, new, leading=False)
            process.seen = new
        else:
            self.history.stale += 1

    def _flush(self, processes: list[Process]) -> None:
        """The server forgets everything, between two looks of everybody."""
        assert self.flush is not None
        for process in processes:
            process.seen = process.state.rollouts().get("triage")
        self.flush()
        self.history.flushes += 1
        process = self.rolls.choice(processes)
        again = process.state.rollouts().get("triage")
        if self.history.writes and again != process.seen:
            self.history.violations.append(f"a flush changed the rollout: {process.seen} to {again}")


def on_sqlite(count: int, folder: Path, *, seed: int = 1) -> SchedulesFound:
    """Schedules on one `state.db`, emptied in between."""
    path = folder / "state.db"
    found = SchedulesFound("SQLite")
    for number in range(count):
        opened: list[SqliteState] = []

        def begin(_node: str, _number: int, opened: list[SqliteState] = opened) -> SharedState:
            opened.append(SqliteState(path))
            return opened[-1]

        _add(
            found,
            Schedule(
                dice(seed * 1_000_003 + number), begin, lambda: _execute(path, "UPDATE shared_lease SET until = 0")
            ),
        )
        for each in opened:
            each.close()
        _execute(path, "DELETE FROM shared_lease; DELETE FROM shared_rollouts")
    return found


def on_redis(kind: str, count: int, store: RedisStore, *, seed: int = 2) -> SchedulesFound:
    """Schedules on a real server; it is flushed in the middle of some, and between all."""
    found = SchedulesFound(kind)
    with store.server.client() as client:
        for number in range(count):
            client.flushall()
            prefix = f"s{number}"

            def begin(node: str, begun: int, prefix: str = prefix) -> SharedState:
                return store.open_as(f"{prefix}-{node}", f"{prefix}-{begun}")

            _add(found, Schedule(dice(seed * 1_000_003 + number), begin, lambda: _lapse(store), client.flushall))
            store.close()
            store.opened.clear()
    return found


def _lapse(store: RedisStore) -> None:
    store.lapse(0.0)


def _add(found: SchedulesFound, schedule: Schedule) -> None:
    found.schedules += 1
    try:
        history = schedule.run()
    except StateDownError:
        # A call that did not come back in time on a busy machine: whether it was done is not known, so neither is more.
        found.broken_off += 1
        return
    found.leads += history.leads
    found.writes += len(history.writes)
    found.stale += history.stale
    found.flushes += history.flushes
    found.violations += history.violations


def _execute(path: Path, statements: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    connection.executescript(statements)
    connection.close()
