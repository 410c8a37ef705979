"""`crossfade promote|hold|resume|rollback ROUTE`: an operator's word to a rollout, and what became of it."""

import argparse
import getpass
import importlib.metadata
import json
import secrets
import sys
import time
from contextlib import closing
from dataclasses import asdict

from gateway import clock
from gateway.cli import context, layout
from gateway.cli.failure import failed
from gateway.config.settings_file import SettingsError
from gateway.control.operations.orders import OrderClock, address, operate, order_of
from gateway.control.operations.rollback_check import still_served
from gateway.control.state.open import open_state
from gateway.control.state.port import QueuedOrder, SharedState, StateDownError
from gateway.node.database import AuditEntry, StateError, audit, opened, writing
from gateway.node.datadir import DataDir, DataDirError
from policies.terms import Verb


def run(arguments: argparse.Namespace) -> int:
    """Give the order; 1: it was not taken, or this node does not go by it."""
    try:
        where, data = context.state(arguments)
    except (SettingsError, DataDirError) as error:
        return failed(error, arguments)
    now = clock.wall()
    by = f"cli:{getpass.getuser()}"
    order = order_of(
        secrets.token_hex(8), arguments.route, Verb(arguments.verb), by=by, reason=arguments.reason, now=now
    )
    with closing(open_state(where)) as state:
        order, problem = address(order, state, data)
        if problem:
            return failed(problem, arguments)
        return _give(arguments, order, state, data)


def _give(arguments: argparse.Namespace, order: QueuedOrder, state: SharedState, data: DataDir) -> int:
    try:
        _audit(data, order)
    except StateError as error:
        problem = f"the audit log cannot be written: {error}"
        if order.verb != Verb.ROLLBACK:
            return failed(problem, arguments)
        print(problem, file=sys.stderr)  # no log keeps a rollback waiting
    waits = OrderClock(clock.wall, clock.monotonic, time.sleep)  # a command at a terminal: nothing else runs here
    try:
        found = operate(state, order, waits, version=importlib.metadata.version("crossfade"))
    except StateDownError as error:
        hint = "`crossfade kill` needs nothing but this node's files"
        return failed(f"the shared state cannot be used: {error}\nhint: {hint}", arguments)
    if arguments.json:
        print(json.dumps({"route": order.route, "verb": order.verb, "order": order.id, **asdict(found)}))
    if not found.done:
        return failed(found.text, arguments)
    if not arguments.json:
        print(layout.folded(found.text))
        if found.alone and found.outcome == "taken":
            print("no leader answered: it was done from here", file=sys.stderr)
    problem = still_served(data, order.route, waits) if order.verb == Verb.ROLLBACK else ""
    return failed(problem, arguments) if problem else 0


def _audit(data: DataDir, order: QueuedOrder) -> None:
    """Put the order into the audit log.

    Raises:
        StateError: it cannot be written.
    """
    with opened(data.state) as state, writing(state):
        audit(state, AuditEntry(order.at, order.by, f"rollout.{order.verb}", order.route, order.reason, ""))
