"""The controller, a process of its own: settings, policies and keys in, the routing table out, its lease renewed.

It is the only writer of the table. When it is gone, workers serve from the last one until its lease is over.
"""

import sqlite3
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from gateway import clock, keys
from gateway.control.boot import ControllerBoot, decode
from gateway.control.policies import PolicyReader, first_stage_ppm
from gateway.control.policy_files import Compile, PolicyFolder, keep_good, load_good
from gateway.control.publish import Publisher
from gateway.control.status import ControllerStatus, PolicyStatus
from gateway.control.table import table_with
from gateway.datadir import replace
from gateway.log import Log
from gateway.starting import read_boot, say_ready, stop_asked
from gateway.state import StateError, opened
from gateway.telemetry.metrics import PREFIX, Sample, render
from policies.routing import PPM, Key, Route, Table

TICK_S = 0.25
"""How often policies and keys are looked at: a revocation is in the table within a second."""


@dataclass(slots=True)
class Controller:
    """One step at a time: `tick` looks, decides and publishes."""

    boot: ControllerBoot
    compile: Compile
    log: Log
    publisher: Publisher = field(init=False)
    folder: PolicyFolder = field(init=False)
    _keys: tuple[Key, ...] = field(default=(), init=False)
    _keys_seen: int | None = field(default=None, init=False)
    _trouble: str | None = field(default=None, init=False)
    _told: bytes = field(default=b"", init=False)

    def __post_init__(self) -> None:
        self.publisher = Publisher(Path(self.boot.routing))
        self.folder = PolicyFolder(Path(self.boot.policies), self.compile)

    def begin(self, state: sqlite3.Connection, now: float) -> None:
        """Take up where an earlier controller stopped."""
        self.publisher.load(now)
        if self.publisher.table is not None:
            self._keys = self.publisher.table.keys  # until the state says more: nothing is un-revoked by a bad disk
        self.folder.good = load_good(state)

    def tick(self, state: sqlite3.Connection, now: float) -> bool:
        """Look at policies and keys, and publish what they say. Returns whether a table is published."""
        trouble: str | None = None
        try:
            self._read_keys(state)
            if self.folder.read():
                self._tell_policies()
                keep_good(state, self.folder.good, now)
        except sqlite3.Error as error:
            trouble = f"state: {error}"
        try:
            wanted = table_with(self.boot.base, self.folder.routes(), self._keys)
            if self.publisher.publish(wanted, now):
                table = self.publisher.table
                self.log.info("table.published", version=table.version if table else 0, routes=_weights(wanted))
            self._tell()
        except OSError as error:
            trouble = f"{error.filename}: {error.strerror}"
        if trouble is not None and trouble != self._trouble:
            self.log.alarm("controller.trouble", reason=trouble, hint="the last table stays until its lease is over")
        self._trouble = trouble
        return self.publisher.table is not None

    def _read_keys(self, state: sqlite3.Connection) -> None:
        seen = int(state.execute("PRAGMA data_version").fetchone()[0])
        if seen != self._keys_seen:
            self._keys = keys.for_table(state)
            self._keys_seen = seen

    def _tell_policies(self) -> None:
        for error in self.folder.errors():
            self.log.alarm("policy.not_loaded", reason=error, hint="its last good version stays in force")
        for warning in self.folder.warnings():
            self.log.notice("policy.doubt", reason=warning)

    def _tell(self) -> None:
        """Write what `status` and `/metrics` show, when it changed.

        Raises:
            OSError: it could not be written.
        """
        table = self.publisher.table
        policies = tuple(
            PolicyStatus(file.name, file.compiled.route.name if file.compiled else None, file.error)
            for file in self.folder.files
        )
        status = msgspec.json.encode(ControllerStatus(table.version if table else 0, policies, self._trouble))
        if status != self._told:
            replace(Path(self.boot.status), status)
            replace(Path(self.boot.exposition), render(_samples(self.folder)).encode())
            self._told = status


def _weights(table: Table) -> list[str]:
    return [f"{route.name}={route.weight_ppm / (PPM / 100):g}%" for route in table.routes]


def _samples(folder: PolicyFolder) -> list[Sample]:
    routes = [route for route in folder.routes() if route.candidate is not None]
    weights = [Sample(f"{PREFIX}weight_ratio", route.weight_ppm / PPM, (route.name,)) for route in routes]
    info = [Sample(f"{PREFIX}policy_info", 1, (route.name, _revision(route))) for route in routes]
    return [*weights, *info, Sample(f"{PREFIX}policy_errors", len(folder.errors()))]


def _revision(route: Route) -> str:
    return (route.candidate.revision if route.candidate else None) or ""


def run(controller: Controller, stop: threading.Event) -> None:
    """Tick until told to stop.

    Raises:
        StateError: the state cannot be opened; the supervisor starts us again.
    """
    ready_fd = controller.boot.ready_fd
    with ExitStack() as stack:
        state = stack.enter_context(opened(Path(controller.boot.state)))
        controller.begin(state, clock.wall())
        while not stop.is_set():
            if controller.tick(state, clock.wall()) and ready_fd >= 0:
                say_ready(ready_fd)
                ready_fd = -1
            stop.wait(TICK_S)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the controller as the supervisor starts it."""
    boot, stop, log = decode(read_boot(argv)), stop_asked(), Log("controller")
    try:
        run(Controller(boot, PolicyReader(boot.surroundings, first_stage_ppm).compile, log), stop)
    except StateError as error:
        log.alarm("controller.failed", reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
