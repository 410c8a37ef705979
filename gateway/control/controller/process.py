"""The controller, a process of its own: the one loop from the journals to the routing table.

    policies, keys ─┐
    journals ──► events ──► shared state ──► (on the node that leads) evidence ──► decisions ──► rollouts
                                                                                                  │
    routing table, its lease, the shadow's plan ◄─────────────────────────────────────────────────┘

It is the only writer of the table. Keys and the kill switch come before all else, and whatever fails, the rest goes on,
each part and each route behind a fence of its own: without the shared state policies and keys are still published, and
weights only lowered; but the table's lease is renewed only while somebody leads.
"""

import secrets
import socket
import sqlite3
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from importlib.metadata import version as version_of
from pathlib import Path

import msgspec

from gateway import clock
from gateway.control.controller import rollout_metrics as gauges
from gateway.control.controller.boot import ControllerBoot
from gateway.control.controller.kill_follower import KillFollower
from gateway.control.controller.known_rollouts import KnownRollouts
from gateway.control.controller.outage import OUTBOX, Outage, hint_of
from gateway.control.controller.state_file import StateFile
from gateway.control.controller.status import status_of
from gateway.control.events.outbox import SCHEMA, Outbox
from gateway.control.events.reader import OWN, EventReader
from gateway.control.leader.announce import Announcer
from gateway.control.leader.leader import Leader, mistake
from gateway.control.leader.webhooks import Notifier
from gateway.control.leader.wishes import hear, wishes
from gateway.control.publish.policy_compiler import PolicyReader
from gateway.control.publish.policy_folder import Compile, PolicyFolder, keep_good, load_good
from gateway.control.publish.policy_terms import PolicyTerms
from gateway.control.publish.publisher import Publisher
from gateway.control.publish.table import table_with
from gateway.control.publish.weights import Weighed, one_serving, plan_of, served_of, weigh
from gateway.control.state.open import open_state
from gateway.control.state.port import LEASE_S, Node, SharedState, StateDamagedError, StateDownError, Stored
from gateway.log import Log
from gateway.node import keys
from gateway.node.database import StateError, connect
from gateway.node.datadir import DataDir
from gateway.process import read_boot, say_ready, stop_asked
from gateway.telemetry.metrics import render
from policies.published import ceiling_ppm, served_of_several
from policies.routing import PPM, Key, Route, Table
from records.durable import replace
from records.journal.writer import JournalWriter
from shadow import plan as shadow_plan

TICK_S = 0.25
"""How often policies and keys are looked at: a revocation is in the table within a second."""
HEARD_S = 5.0
"""How often a node says that it lives."""
RETRY_S = 1.0
"""Pause after the shared state failed."""
EXPOSE_S = 1.0


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
    monotonic: Callable[[], float] = clock.monotonic
    """For pauses and outages: nobody sets it back."""
    publisher: Publisher = field(init=False)
    folder: PolicyFolder = field(init=False)
    reading: EventReader = field(init=False)
    leader: Leader = field(init=False)
    weighed: dict[str, Weighed] = field(default_factory=dict[str, Weighed], init=False)
    _keys: tuple[Key, ...] = field(default=(), init=False)
    _keys_seen: int | None = field(default=None, init=False)
    _stored: dict[str, Stored] = field(default_factory=dict[str, Stored], init=False)
    _rollouts: KnownRollouts = field(default_factory=KnownRollouts, init=False)
    _retry_at: float = field(default=float("-inf"), init=False)
    """When the shared state, which was away, is tried again; monotonic."""
    _vouched_at: float | None = field(default=None, init=False)
    """When somebody last led, as far as we know."""
    _due: dict[str, float] = field(default_factory=dict[str, float], init=False)
    _nodes: int = field(default=1, init=False)
    _kill: KillFollower = field(init=False)
    _good_is_kept: bool = field(default=True, init=False)
    """Whether the disk has the policies' last good texts."""
    _outage: Outage = field(init=False)
    _away: str = field(default="", init=False)
    """Why the shared state could not be used when it was last tried."""
    _forgot: int = field(default=0, init=False)
    """Times the shared state forgot, when it was last looked."""
    _trouble: dict[str, str] = field(default_factory=dict[str, str], init=False)
    _untold: set[str] = field(default_factory=set[str], init=False)
    """What came back so soon that it was not told: where it stays, it is told when it is news again."""
    _told: dict[str, bytes] = field(default_factory=dict[str, bytes], init=False)

    def __post_init__(self) -> None:
        self.publisher = Publisher(Path(self.boot.routing))
        self.folder = PolicyFolder(Path(self.boot.policies), self.compile)
        data = DataDir(Path(self.boot.data))
        outbox = Outbox(self.parts.state)
        self.reading = EventReader(outbox, data.journal, bytes.fromhex(self.boot.journal_key), data.readers)
        self._outage = Outage(self.log)
        self._kill = KillFollower(self.parts.shared, data, self.log, self.monotonic)
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
        for name, part in self._parts():
            self._fenced(name, part, now)
        is_away = bool(self._away)
        untold = (self._trouble.keys() - before.keys()) | (self._trouble.keys() & self._untold)
        self._untold.clear()
        for name in sorted(untold):
            if is_away and name in ("shared", "kill"):
                continue  # `state.away` says it
            if self.log.is_news("controller.trouble", self._trouble[name]):  # a part may be tried every other tick only
                self.log.alarm("controller.trouble", reason=self._trouble[name], hint=hint_of(name))
            else:
                self._untold.add(name)
        return self.publisher.table is not None

    def _parts(self) -> tuple[tuple[str, Callable[[float], None]], ...]:
        """What a tick does, in this order: keys and the kill switch first."""
        return (
            ("keys", self._look_at_keys), ("kill", self._kill.follow), ("policies", self._look),
            ("journals", self._read), ("shared", self._share), ("table", self._publish),
            ("served", self._keep_served), ("files", self._tell),
        )  # fmt: skip

    def _fenced(self, name: str, part: Callable[[float], None], now: float) -> None:
        """Run one part of a tick; if it fails, the other parts still run."""
        try:
            part(now)
        except (sqlite3.Error, StateDownError) as error:
            self._trouble[name] = f"{name}: {error}"
        except OSError as error:
            self._trouble[name] = f"{name}: {error.filename}: {error.strerror}"
        except Exception as error:  # noqa: BLE001 -- a mistake of ours in one part must not blind the others
            self._trouble[name] = f"{name}: {mistake(error)}"

    # The parts of a tick ------------------------------------------------------------------------------------------

    def _look_at_keys(self, _: float) -> None:
        state = self.parts.state
        seen = int(state.execute("PRAGMA data_version").fetchone()[0])
        if seen != self._keys_seen:
            self._keys = keys.for_table(state)
            self._keys_seen = seen

    def _look(self, now: float) -> None:
        """Policies."""
        if self.folder.read():
            for error in self.folder.errors():
                self.log.alarm("policy.not_loaded", reason=error, hint="its last good version stays in force")
            for warning in self.folder.warnings():
                self.log.notice("policy.doubt", reason=warning)
            self._good_is_kept = False
        if not self._good_is_kept:
            keep_good(self.parts.state, self.folder.good, now)
            self._good_is_kept = True

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
        if self.monotonic() < self._retry_at:
            self._trouble["shared"] = self._away
            return
        shared = self.parts.shared
        try:
            self._spared("outbox", self._push)
            self._stored = shared.rollouts()
            hear(self.leader.evaluations, Path(self.boot.warm), now)
            self.leader.tick(self.folder.terms(), self._stored, now)
            self._trouble |= {name: f"{name}: {reason}" for name, reason in self.leader.trouble.items()}
            if self.leader.leads or shared.leader(now) is not None:
                self._vouched_at = now
            self._stored = shared.rollouts()
            self._rollouts.take(self._stored, self.monotonic())
            self._trouble |= {f"route {name}": f"route {name}: {why}" for name, why in self._rollouts.reasons.items()}
            if shared.counts().forgot != self._forgot:  # and nobody saw it go
                self._forgot = shared.counts().forgot
                self.reading.outbox.offer_again()
            self._spared("nodes", lambda: self._say_alive(now))
        except StateDownError as error:
            self._retry_at = self.monotonic() + RETRY_S
            self.reading.outbox.offer_again()
            self._away = f"shared: {error}"
            self._outage.told(str(error), self.monotonic())
            raise
        self._away = ""
        self._outage.over(self.monotonic())

    def _spared(self, name: str, part: Callable[[], None]) -> None:
        """A part that may meet a damaged record of its own: the others go on without it.

        Raises:
            StateDownError: the shared state is away altogether.
        """
        try:
            part()
        except StateDamagedError as error:
            self._trouble[name] = f"{name}: {error}"

    def _push(self) -> None:
        if self.reading.is_open:
            for route in self.reading.outbox.push(self.parts.shared):
                self._trouble[f"{OUTBOX}{route}"] = (
                    f"outbox: no leader takes what is seen of {route!r}; its oldest go first"
                )

    def _say_alive(self, now: float) -> None:
        """Every HEARD_S, and at once when the kill switch was turned: `crossfade kill` waits for it."""
        table, killed = self.publisher.table, DataDir(Path(self.boot.data)).kill.exists()
        if killed == self._kill.said and not self._is_due("heard", HEARD_S, now):
            return
        self.parts.shared.heard(Node(self.leader.node, now, table.version if table else 0, killed))
        self._kill.said = killed
        self._nodes = max(1, len(self.parts.shared.nodes(now)))

    def _publish(self, now: float) -> None:
        """Weights, policies and keys to the table; the plan to the shadow."""
        published = (
            {route.name: route.weight_ppm for route in self.publisher.table.routes} if self.publisher.table else {}
        )
        routes: list[Route] = []
        self.weighed = {}
        for parts in self.folder.parts():
            found: dict[str, Weighed] = {}
            for route, terms in parts:
                name = route.name if terms is None else terms.name
                found[name] = self._weighed(name, route, terms, published.get(route.name, 0))
            served, found = one_serving(found, served_of_several(self._rollouts.raised(found)))
            self.weighed |= found
            routes.append(served)
        promoted = [each.route.name for each in self.weighed.values() if each.is_promoted]
        # The plan first: what is served under a new table shall not meet a shadow that still draws by the old lots.
        served, version = self.reading.outbox.served, self.publisher.floor + 1
        plan = plan_of(self.weighed, served, version, wishes(self.leader.evaluations, now))
        self._replace(self.boot.shadow_plan, shadow_plan.encode(plan))
        self._write_table(table_with(self.boot.base, tuple(routes), self._keys, promoted), now)

    def _weighed(self, name: str, route: Route, terms: PolicyTerms | None, published_ppm: int) -> Weighed:
        """What follows for one rollout. `published_ppm`: its route's weight in the table that stands."""
        most_ppm = ceiling_ppm(
            published_ppm,
            is_readable="shared" not in self._trouble and name not in self._rollouts.reasons,
            unwatched_s=self._rollouts.unread_s(name, self.monotonic()),
            grace_s=self.boot.base.lease.grace_s,
        )
        try:
            return weigh(route, terms, self._rollouts.get(name), most_ppm=most_ppm, nodes=self._nodes)
        except Exception as error:  # noqa: BLE001 -- the fence of a route: the others' tables go out
            self._trouble[f"route {name}"] = f"route {name}: {mistake(error)}"
            return Weighed(msgspec.structs.replace(route, weight_ppm=0), None, None)

    def _keep_served(self, _: float) -> None:
        if self.reading.is_open:
            self.reading.outbox.keep_served()

    def _write_table(self, wanted: Table, now: float) -> None:
        served = served_of(self.weighed)
        stamp = msgspec.json.encode(served) if self.reading.is_open else None

        def before(version: int) -> None:
            try:
                self.reading.outbox.will_serve(version, served)
            except sqlite3.Error as error:  # the table goes out all the same: it may revoke a key, lower a weight
                self._trouble["served"] = f"served: {error}"

        vouched = self._vouched_at is not None and 0 <= now - self._vouched_at <= LEASE_S
        if self.publisher.publish(wanted, now, renew=vouched, stamp=stamp, before=before):
            table = self.publisher.table
            weights = [f"{route.name}={route.weight_ppm / (PPM / 100):g}%" for route in wanted.routes]
            self.log.info("table.published", version=table.version if table else 0, routes=weights)

    def _tell(self, now: float) -> None:
        """What `status` and `/metrics` show, when it changed."""
        version = self.publisher.table.version if self.publisher.table else 0
        trouble = "; ".join(self._trouble.values()) or None
        serves = [name for name, each in self.weighed.items() if each.route.weight_ppm]
        self._replace(self.boot.status, msgspec.json.encode(status_of(version, self.folder.files, trouble, serves)))
        if self._is_due("expose", EXPOSE_S, now):
            teller, counts = self.parts.teller, self.parts.shared.counts()
            found = gauges.samples(self.weighed, self.leader.shown, teller.counts, errors=len(self.folder.errors()))
            leads = self.leader.leads and not self._away
            found += gauges.loop_samples(self.reading, teller.notifier, counts, leads=leads)
            found += gauges.finishes(self.leader.shown, self.boot.finish_s, now)
            self._replace(self.boot.exposition, render(found).encode())

    # What they are made of ----------------------------------------------------------------------------------------

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


def run(controller: Controller, stop: threading.Event, state_file: StateFile) -> None:
    """Tick until told to stop, or until the state has to be opened anew; then let another lead."""
    ready_fd = controller.boot.ready_fd
    controller.begin(clock.wall())
    while not (stop.is_set() or state_file.was_put_back(clock.monotonic()) or state_file.was_unsealed()):
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
    boot, stop, log = read_boot(argv, ControllerBoot), stop_asked(), Log("controller")
    try:
        with ExitStack() as stack:
            controller = opened(boot, log, stack)
            run(controller, stop, StateFile(Path(boot.state.database), controller.parts.state, log))
    except (StateError, sqlite3.Error) as error:
        log.alarm("controller.failed", reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
