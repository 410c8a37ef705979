"""`crossfade kill`: everything to the baseline, now. It writes one file and needs nothing else to be alive.

With the file written and the workers heard, the other nodes are told through the shared state, if that can be used.
"""

import argparse
import errno
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from gateway import clock
from gateway.cli import context
from gateway.cli.failure import failed, say
from gateway.config.settings_file import SettingsError
from gateway.node.datadir import DataDir, DataDirError
from gateway.node.kill_file import clear_kill, set_kill
from gateway.supervisor.running import blind_workers, live_workers, supervisor

if TYPE_CHECKING:  # what it needs may be broken when it is run
    from gateway.cli.kill_nodes import NodeConfirmations

CONFIRM_S = 2.0
_ILL_DISK = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO))
POLL_S = 0.02
SILENT = "has not confirmed. hint: `crossfade status` there says whether its controller runs; or say it on that node"


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Which workers act on it."""

    workers: list[str]
    confirmed: list[str]


def run(arguments: argparse.Namespace) -> int:
    """Write or remove the file, and wait until the workers act on it; 1: not done, or not by all."""
    try:
        data = context.served(arguments)
    except DataDirError as error:
        return failed(error, arguments)
    except SettingsError as error:
        if arguments.data:
            return failed(error, arguments)
        hint = "name the data directory, then no settings are read: crossfade kill --data DIR"
        return failed(f"{error}\nhint: {hint}", arguments)
    by_signal = None
    try:
        is_new = clear_kill(data) if arguments.off else set_kill(data, reason=arguments.reason, now=clock.wall())
    except OSError as error:
        by_signal = None if arguments.off else _tell_by_signal(data, error)
        if by_signal is None:
            return failed(f"{data.kill}: {error.strerror}. hint: {_hint(error, off=arguments.off)}", arguments)
        is_new = True
    found = confirmation(data, wanted=0 if arguments.off else 1)
    # Loaded only now: what it needs may be broken, and the file is there already.
    tell: Callable[[argparse.Namespace], NodeConfirmations] = importlib.import_module("gateway.cli.kill_nodes").tell
    others = tell(arguments)
    if arguments.json:
        answer = {"killed": not arguments.off, "changed": is_new, **asdict(found), "shared": others.fields()}
        print(json.dumps(answer))
    else:
        print(by_signal or _said(data, off=arguments.off, is_new=is_new, nodes=len(others.nodes)))
        print(_confirmed(found, blind=len(blind_workers(data))), file=sys.stderr)
        _print_others(others, off=arguments.off)
    if len(found.confirmed) == len(found.workers) and others.told != "no":
        return 0
    if arguments.json:  # in words it is said above
        say(
            _not_told(others, off=arguments.off) if others.told == "no" else "not every worker has confirmed it",
            as_json=True,
        )
    return 1


def confirmation(data: DataDir, *, wanted: int) -> Confirmation:
    """Wait until every worker that runs here says it acts on it, at most CONFIRM_S."""
    until = clock.monotonic() + CONFIRM_S
    while True:
        workers = live_workers(data)
        confirmed = [worker.name for worker in workers if worker.gauges["killed"] == wanted]
        if len(confirmed) == len(workers) or clock.monotonic() > until:
            return Confirmation([worker.name for worker in workers], confirmed)
        time.sleep(POLL_S)  # a command at a terminal: nothing else runs here


def _tell_by_signal(data: DataDir, error: OSError) -> str | None:
    """Tell who serves here without a file, where the disk takes none; what was done, or None: it could not be."""
    serving = supervisor(data)
    if serving is None or error.errno not in _ILL_DISK:
        return None
    try:
        os.kill(serving.pid, signal.SIGUSR2)
    except OSError:
        return None
    return (
        f"{data.kill} cannot be written ({error.strerror}): the workers of now are told by a signal, baseline only. "
        "It is written when the disk takes it; until then, say it again after a restart of the gateway"
    )


def _hint(error: OSError, *, off: bool) -> str:
    """What to do where the file cannot be made, or taken away."""
    if isinstance(error, IsADirectoryError):
        return "it is a folder, and counts as the kill file: remove it"
    if error.errno in _ILL_DISK:
        done = "taken away: baseline only, until then" if off else "made, and no gateway is seen to serve from here"
        return f"let the disk be written again, and say it again; it cannot be {done}"
    return "is this the data directory? --data DIR names another"


def _confirmed(found: Confirmation, *, blind: int) -> str:
    if blind:
        seen = f"confirmed by {len(found.confirmed)} of {len(found.workers) + blind} workers"
        why = "the disk had no place for their counters; each looks at the file by itself"
        return f"{seen}; {blind} cannot say so, as {why}"
    if not found.workers:
        return "no worker is seen to run here: it holds for those that start"
    return f"confirmed by {len(found.confirmed)} of {len(found.workers)} workers"


def _print_others(others: "NodeConfirmations", *, off: bool) -> None:
    if others.told in ("no", "unknown"):
        print(_not_told(others, off=off), file=sys.stderr)
    for node in others.nodes:
        print(f"node {node}: {'confirmed' if node in others.confirmed else SILENT}", file=sys.stderr)


def _not_told(others: "NodeConfirmations", *, off: bool) -> str:
    told = f"other nodes are not told: {others.problem}"
    if not off:
        return f"{told}\nhint: run `crossfade kill` on each of them"
    hint = "run `crossfade kill --off` on each of them, and here again when the shared state can be used"
    return f"{told}\nhint: {hint}: a node that starts anew follows the kill that still stands there"


def _said(data: DataDir, *, off: bool, is_new: bool, nodes: int) -> str:
    """What this node did. `nodes`: how many were told the same."""
    if off:
        if is_new:
            return f"{data.kill} is gone: the weights count again"
        if nodes > 1:
            return f"{data.kill} was not there; on the other nodes it is taken back, too"
        return f"{data.kill} was not there: nothing to take back"
    return f"{data.kill} is written: baseline only" if is_new else f"{data.kill} was there already: baseline only"
