"""The controller, a process of its own: the one loop from the journals to the routing table.

    policies, keys ─┐
    journals ──► events ──► shared state ──► (on the node that leads) evidence ──► decisions ──► rollouts
                                                                                                  │
    routing table, its lease, the shadow's plan ◄─────────────────────────────────────────────────┘

It is the only writer of the table. Whatever of it fails, the rest goes on: without the shared state policies and keys
are still published, and weights only lowered; but the table's lease is renewed only while somebody leads.
"""

import secrets
import socket
import sqlite3
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from importlib.metadata import version as version_of
from pathlib import Path

import msgspec

from gateway import clock
from gateway.control.controller import rollout_metrics as gauges
from gateway.control.controller.boot import ControllerBoot, decode
from gateway.control.controller.outage import Outage
from gateway.control.controller.status import ControllerStatus, PolicyStatus
from gateway.control.events.outbox import SCHEMA, Outbox
from gateway.control.events.reader import OWN, EventReader
from gateway.control.leader.announce import Announcer
from gateway.control.leader.leader import Leader
from gateway.control.leader.persistence import read_rollout
from gateway.control.leader.webhooks import Notifier
from gateway.control.publish.policy_compiler import PolicyReader
from gateway.control.publish.policy_folder import Compile, PolicyFile, PolicyFolder, keep_good, load_good
from gateway.control.publish.publisher import Publisher
from gateway.control.publish.table import table_with
from gateway.control.publish.weights import Weighed, plan_of, served_of, weigh
from gateway.control.state.open import open_state
from gateway.control.state.port import LEASE_S, KillWord, Node, SharedState, StateDownError, Stored
from gateway.log import Log
from gateway.node import keys
from gateway.node.database import StateError, connect
from gateway.node.datadir import DataDir, replace
from gateway.node.kill_file import clear_kill, set_kill
from gateway.process import read_boot, say_ready, stop_asked
from gateway.telemetry.metrics import PREFIX, Sample, render
from policies.rollout import Rollout
from policies.routing import PPM, Key, Table
from records.journal.writer import JournalWriter
from shadow import plan as shadow_plan

TICK_S = 0.25
"""How often policies and keys are looked at: a revocation is in the table within a second."""
HEARD_S = 5.0
"""How often a node says that it lives."""
RETRY_S = 1.0
"""Pause after the shared state failed."""
EXPOSE_S = 1.0
OUTBOX = "outbox "
"""Begins the name of a trouble with one route's events; what follows is the route."""
STAYS = "the last table stays until its lease is over"


@dataclass(slots=True)
class Parts:
    """What a controller works with; `run` makes them."""

    state: sqlite3.Connection
    shared: SharedState
    teller: Announcer


@dataclass(slots=True)
class Controller:
    """One step at a time: `tick` looks, reads, leads and publishes."""

    boot: ControllerBoot
    compile: Compile
    log: Log
    parts: Parts
    publisher: Publisher = field(init=False)
    folder: PolicyFolder = field(init=False)
    reading: EventReader = field(init=False)
    leader: Leader = field(init=False)
    weighed: dict[str, Weighed] = field(default_factory=dict[str, Weighed], init=False)
    _keys: tuple[Key, ...] = field(default=(), init=False)
    _keys_seen: int | None = field(default=None, init=False)
    _stored: dict[str, Stored] = field(default_factory=dict[str, Stored], init=False)
    _rollouts: dict[str, tuple[int, Rollout]] = field(default_factory=dict[str, tuple[int, Rollout]], init=False)
    _vouched_at: float | None = field(default=None, init=False)
    """When somebody last led, as far as we know."""
    _due: dict[str, float] = field(default_factory=dict[str, float], init=False)
    _nodes: int = field(default=1, init=False)
    _kill_word: KillWord | None = field(default=None, init=False)
    """The last one that was heard."""
    _listens: bool = field(default=False, init=False)
    """Whether the shared state was asked for it before."""
    _outage: Outage = field(init=False)
    _away: str = field(default="", init=False)
    """Why the shared state could not be used when it was last tried."""
    _forgot: int = field(default=0, init=False)
    """Times the shared state forgot, when it was last looked."""
    _trouble: dict[str, str] = field(default_factory=dict[str, str], init=False)
    _told: dict[str, bytes] = field(default_factory=dict[str, bytes], init=False)

    def __post_init__(self) -> None:
        self.publisher = Publisher(Path(self.boot.routing))
        self.folder = PolicyFolder(Path(self.boot.policies), self.compile)
        data = DataDir(Path(self.boot.data))
        outbox = Outbox(self.parts.state)
        self.reading = EventReader(outbox, data.journal, bytes.fromhex(self.boot.journal_key), data.readers)
        self._outage = Outage(self.log)
        self.leader = Leader("", self.parts.shared, self.parts.teller, self.log)

    def begin(self, now: float) -> None:
        """Take up where an earlier controller stopped."""
        self.publisher.load(now)
        if self.publisher.table is not None:
            self._keys = self.publisher.table.keys  # until the state says more: nothing is un-revoked by a bad disk
        self.folder.good = load_good(self.parts.state)

    @property
    def busy(self) -> bool:
        """Whether there is more to do at once."""
        return self.reading.busy or self.leader.busy

    def tick(self, now: float) -> bool:
        """Everything once. Returns whether a table is published."""
        before, self._trouble = self._trouble, {}
        for name, part in (
            ("state", self._look), ("journals", self._read), ("shared", self._share), ("table", self._publish),
            ("files", self._tell),
        ):  # fmt: skip
            try:
                part(now)
            except (sqlite3.Error, StateDownError) as error:
                self._trouble[name] = f"{name}: {error}"
            except OSError as error:
                self._trouble[name] = f"{name}: {error.filename}: {error.strerror}"
        for name in self._trouble.keys() - before.keys() - {"shared"}:
            hint = "give every node the same policies" if name.startswith(OUTBOX) else STAYS
            self.log.alarm("controller.trouble", reason=self._trouble[name], hint=hint)
        return self.publisher.table is not None

    # The parts of a tick ------------------------------------------------------------------------------------------

    def _look(self, now: float) -> None:
        """Keys and policies."""
        state = self.parts.state
        seen = int(state.execute("PRAGMA data_version").fetchone()[0])
        if seen != self._keys_seen:
            self._keys = keys.for_table(state)
            self._keys_seen = seen
        if self.folder.read():
            for error in self.folder.errors():
                self.log.alarm("policy.not_loaded", reason=error, hint="its last good version stays in force")
            for warning in self.folder.warnings():
                self.log.notice("policy.doubt", reason=warning)
            keep_good(state, self.folder.good, now)

    def _read(self, now: float) -> None:
        """Journals to events."""
        if not self.reading.is_open:
            self.reading.begin(socket.gethostname())
            self.leader.node = self.reading.outbox.node
            table = self.publisher.table
            served = self.reading.outbox.served.get(table.version) if table is not None else None
            self.publisher.stamp = None if served is None else msgspec.json.encode(served)
        self.reading.step([name for name, each in self.weighed.items() if each.served is not None], now)

    def _share(self, now: float) -> None:
        """Events to the leader, and, where that is us, to evidence and decisions."""
        if not self.leader.node:
            return
        if now < self._due.get("shared", 0.0) <= now + RETRY_S:
            self._trouble["shared"] = self._away
            return
        shared = self.parts.shared
        try:
            if self.reading.is_open:
                for route in self.reading.outbox.push(shared):
                    self._trouble[f"{OUTBOX}{route}"] = f"outbox: no leader takes what is seen of {route!r}"
            self._stored = shared.rollouts()
            self.leader.tick(self.folder.terms(), self._stored, now)
            if self.leader.leads or shared.leader(now) is not None:
                self._vouched_at = now
            self._stored = shared.rollouts()
            if shared.counts().forgot != self._forgot:  # and nobody saw it go
                self._forgot = shared.counts().forgot
                self.reading.outbox.offer_again()
            self._follow_kill(now)
            if self._is_due("heard", HEARD_S, now):
                table, killed = self.publisher.table, DataDir(Path(self.boot.data)).kill.exists()
                shared.heard(Node(self.leader.node, now, table.version if table else 0, killed))
                self._nodes = max(1, len(shared.nodes(now)))
        except StateDownError as error:
            self._due["shared"] = now + RETRY_S
            self.reading.outbox.offer_again()
            self._away = f"shared: {error}"
            self._outage.told(str(error), now)
            raise
        self._outage.over(now)

    def _follow_kill(self, now: float) -> None:
        """Do as all nodes are told. What was told before we began is done only if it kills: nothing is un-killed."""
        word, listened = self.parts.shared.killed(), self._listens
        self._listens = True
        if word is None or word == self._kill_word:
            return
        data = DataDir(Path(self.boot.data))
        if word.killed:
            set_kill(data, reason="all nodes are told to", now=now)
        elif listened:
            clear_kill(data)
        self._kill_word = word
        self.log.notice("kill.followed", killed=word.killed)

    def _publish(self, now: float) -> None:
        """Weights, policies and keys to the table; the plan to the shadow."""
        is_down = "shared" in self._trouble or ("shared" in self._due and now < self._due["shared"])
        terms = self.folder.terms()
        published = (
            {route.name: route.weight_ppm for route in self.publisher.table.routes} if self.publisher.table else {}
        )
        self.weighed = {}
        for route in self.folder.routes():
            most_ppm = published.get(route.name, 0) if is_down else PPM
            found = weigh(route, terms.get(route.name), self._rollout(route.name), most_ppm=most_ppm, nodes=self._nodes)
            self.weighed.setdefault(route.name, found)
        promoted = [name for name, each in self.weighed.items() if each.is_promoted]
        routes = tuple(each.route for each in self.weighed.values())
        # The plan first: what is served under a new table shall not meet a shadow that still draws by the old lots.
        self._replace(self.boot.shadow_plan, shadow_plan.encode(plan_of(self.weighed)))
        self._write_table(table_with(self.boot.base, routes, self._keys, promoted), now)

    def _write_table(self, wanted: Table, now: float) -> None:
        served = served_of(self.weighed)
        stamp = msgspec.json.encode(served) if self.reading.is_open else None

        def before(version: int) -> None:
            if self.reading.is_open:
                with suppress(sqlite3.Error):  # exchanges of this table are evidence of nothing, then
                    self.reading.outbox.will_serve(version, served)

        vouched = self._vouched_at is not None and 0 <= now - self._vouched_at <= LEASE_S
        if self.publisher.publish(wanted, now, renew=vouched, stamp=stamp, before=before):
            table = self.publisher.table
            weights = [f"{route.name}={route.weight_ppm / (PPM / 100):g}%" for route in wanted.routes]
            self.log.info("table.published", version=table.version if table else 0, routes=weights)

    def _tell(self, now: float) -> None:
        """What `status` and `/metrics` show, when it changed."""
        table = self.publisher.table
        policies = tuple(_policy_status(file) for file in self.folder.files)
        trouble = "; ".join(self._trouble.values()) or None
        status = ControllerStatus(table.version if table else 0, policies, trouble)
        self._replace(self.boot.status, msgspec.json.encode(status))
        if self._is_due("expose", EXPOSE_S, now):
            self._replace(self.boot.exposition, render(self._samples()).encode())

    # What they are made of ----------------------------------------------------------------------------------------

    def _rollout(self, route: str) -> Rollout | None:
        """A route's rollout, as it is stored.

        Raises:
            StateDownError: it is damaged.
        """
        stored = self._stored.get(route)
        if stored is None:
            return None
        known = self._rollouts.get(route)
        if known is None or known[0] != stored.version:
            known = self._rollouts[route] = (stored.version, read_rollout(stored).rollout)
        return known[1]

    def _samples(self) -> list[Sample]:
        teller = self.parts.teller
        found = gauges.samples(self.weighed, self.leader.shown, teller.counts, errors=len(self.folder.errors()))
        notifier = teller.notifier
        told = {"sent": notifier.sent, "failed": notifier.failed, "dropped": notifier.dropped}
        found += [Sample(f"{PREFIX}webhooks_total", count, (outcome,)) for outcome, count in told.items() if count]
        found.append(Sample(f"{PREFIX}evidence_lag_seconds", self.reading.lag_s))
        found.append(Sample(f"{PREFIX}outbox_events", self.reading.outbox.pending))
        found.append(Sample(f"{PREFIX}leader", int(self.leader.leads)))
        counts = self.parts.shared.counts()
        found.append(Sample(f"{PREFIX}state_refused_total", counts.refused))
        found.append(Sample(f"{PREFIX}state_restored_total", counts.restored))
        return found

    def _is_due(self, what: str, every_s: float, now: float) -> bool:
        if 0 <= now - self._due.get(what, float("-inf")) < every_s:
            return False
        self._due[what] = now
        return True

    def _replace(self, path: str, content: bytes) -> None:
        """Write a file whose content changed.

        Raises:
            OSError: it could not be written.
        """
        if self._told.get(path) != content:
            replace(Path(path), content)
            self._told[path] = content


def _policy_status(file: PolicyFile) -> PolicyStatus:
    known = file.compiled
    if known is None:
        return PolicyStatus(file.name, None, file.error)
    return PolicyStatus(file.name, known.route.name, file.error, known.votes_window_s)


def run(controller: Controller, stop: threading.Event) -> None:
    """Tick until told to stop; then let another lead."""
    ready_fd = controller.boot.ready_fd
    controller.begin(clock.wall())
    while not stop.is_set():
        if controller.tick(clock.wall()) and ready_fd >= 0:
            say_ready(ready_fd)
            ready_fd = -1
        stop.wait(0.0 if controller.busy else TICK_S)
    with suppress(StateDownError):
        controller.leader.resign()


def opened(boot: ControllerBoot, log: Log, stack: ExitStack) -> Controller:
    """A controller and all it works with, closed when `stack` is.

    Raises:
        StateError: the node's own state cannot be opened; the supervisor starts us again.
    """
    data = DataDir(Path(boot.data))
    state = connect(Path(boot.state.database), SCHEMA)
    stack.callback(state.close)
    shared = open_state(boot.state)
    stack.callback(shared.close)
    notifier = Notifier(log)
    stack.callback(notifier.close)
    journal = JournalWriter(
        data.journal / f"{OWN}{secrets.token_hex(4)}", bytes.fromhex(boot.journal_key), now=clock.wall
    )
    stack.callback(journal.close)
    teller = Announcer(version_of("crossfade"), journal, data.root / "evidence", notifier, log)
    compiler = PolicyReader(boot.surroundings, boot.policies).compile
    return Controller(boot, compiler, log, Parts(state, shared, teller))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the controller as the supervisor starts it."""
    boot, stop, log = decode(read_boot(argv)), stop_asked(), Log("controller")
    try:
        with ExitStack() as stack:
            run(opened(boot, log, stack), stop)
    except (StateError, sqlite3.Error) as error:
        log.alarm("controller.failed", reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
