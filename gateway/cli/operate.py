"""`crossfade promote|hold|resume|rollback ROUTE`: an operator's word to a rollout, and what became of it."""

import argparse
import getpass
import importlib.metadata
import json
import secrets
import sys
import time
from dataclasses import asdict

from gateway import clock
from gateway.cli import context
from gateway.cli.failure import failed
from gateway.config.settings_file import SettingsError
from gateway.control.operations.orders import OrderClock, OrderOutcome, operate, order_of
from gateway.control.state.open import open_state
from gateway.control.state.port import QueuedOrder, StateDownError
from gateway.node.database import AuditEntry, StateError, audit, opened, writing
from gateway.node.datadir import DataDir, DataDirError
from policies.terms import Verb


def run(arguments: argparse.Namespace) -> int:
    """Give the order; 1: it was not taken."""
    try:
        where, data = context.state(arguments)
    except (SettingsError, DataDirError) as error:
        return failed(error, arguments)
    now = clock.wall()
    by = f"cli:{getpass.getuser()}"
    order = order_of(
        secrets.token_hex(8), arguments.route, Verb(arguments.verb), by=by, reason=arguments.reason, now=now
    )
    if not (_audited(data, order) or arguments.verb == Verb.ROLLBACK):
        return 1
    state = open_state(where)
    try:
        found = operate(
            state,
            order,
            OrderClock(clock.wall, clock.monotonic, time.sleep),  # a command at a terminal: nothing else runs here
            version=importlib.metadata.version("crossfade"),
        )
    except StateDownError as error:
        problem = (
            f"the shared state cannot be used: {error}\nhint: `crossfade kill` needs nothing but this node's files"
        )
        return failed(problem, arguments)
    finally:
        state.close()
    _print(order, found, as_json=arguments.json)
    return 0 if found.done else 1


def _audited(data: DataDir, order: QueuedOrder) -> bool:
    """Put the order into the audit log. A rollback is not kept waiting by a log that cannot be written."""
    try:
        with opened(data.state) as state, writing(state):
            audit(state, AuditEntry(order.at, order.by, f"rollout.{order.verb}", order.route, order.reason, ""))
    except StateError as error:
        print(f"the audit log cannot be written: {error}", file=sys.stderr)
        return False
    return True


def _print(order: QueuedOrder, found: OrderOutcome, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"route": order.route, "verb": order.verb, "order": order.id, **asdict(found)}))
        return
    print(found.text, file=sys.stdout if found.done else sys.stderr)
    if found.alone and found.done:
        print("no leader answered: it was done from here", file=sys.stderr)
