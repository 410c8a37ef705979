"""Telling the other nodes of `crossfade kill`, once this node's own file is written."""

import argparse
import getpass
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Literal

from gateway import clock
from gateway.cli import context
from gateway.config.settings_file import SettingsError
from gateway.control.state.open import open_state
from gateway.control.state.port import SharedState, StateDownError
from gateway.node.database import AuditEntry, StateError, audit, opened, writing
from gateway.node.datadir import DataDirError

NODES_S = 3.0
"""Longest wait for the nodes' controllers: the workers of each look at their own file."""
POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class NodeConfirmations:
    """Which nodes were told."""

    told: Literal["yes", "no", "nobody", "unknown"]
    """`nobody`: no gateway ever ran from this directory, or it shares its state with no other node. `unknown`: the
    settings cannot be read that say where."""
    nodes: list[str] = field(default_factory=list[str])
    confirmed: list[str] = field(default_factory=list[str])
    problem: str = ""

    def fields(self) -> dict[str, object]:
        """The result as fields of a JSON object."""
        return asdict(self)


def tell(arguments: argparse.Namespace) -> NodeConfirmations:
    """Put it into the shared state and the audit log, and wait until every node that lives has heard, if one can."""
    by = f"cli:{getpass.getuser()}"
    try:
        where, data = context.state(arguments)
    except SettingsError as error:
        return NodeConfirmations("unknown", problem=str(error))
    except DataDirError as error:
        return NodeConfirmations("nobody", problem=str(error))
    now = clock.wall()
    try:
        with opened(data.state) as local, writing(local):
            action = "kill.off" if arguments.off else "kill"
            audit(local, AuditEntry(now, by, action, "everything", arguments.reason, ""))
    except StateError as error:
        print(f"the audit log cannot be written: {error}", file=sys.stderr)
    state = open_state(where)
    try:
        state.set_killed(killed=not arguments.off, by=by, reason=arguments.reason, now=now)
        return _heard(state, killed=not arguments.off)
    except StateDownError as error:
        # A state in this node's own directory has no other nodes: its workers obey the file, and have said so.
        return NodeConfirmations("no" if where.url is not None else "nobody", problem=str(error))
    finally:
        state.close()


def _heard(state: SharedState, *, killed: bool) -> NodeConfirmations:
    """Wait until every node that lives says so.

    Raises:
        StateDownError: the shared state went away.
    """
    until = clock.monotonic() + NODES_S
    while True:
        nodes = state.nodes(clock.wall())
        confirmed = [node.name for node in nodes if node.killed == killed]
        if len(confirmed) == len(nodes) or clock.monotonic() > until:
            return NodeConfirmations("yes", [node.name for node in nodes], confirmed)
        time.sleep(POLL_S)  # a command at a terminal: nothing else runs here
