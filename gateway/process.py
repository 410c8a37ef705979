"""How a process begins that the supervisor starts: its boot comes through a pipe, and it says when it is ready.

`python -m gateway.process MODULE --boot-fd N` runs a module that reads its boot here, without what the interpreter
would do for nothing.
"""

import argparse
import atexit
import faulthandler
import gc
import os
import runpy
import signal
import sys
import threading
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from gateway.ending import Ending

BootT = TypeVar("BootT", bound=msgspec.Struct)

ORDER_SIGNALS = frozenset({signal.SIGHUP, signal.SIGUSR2})
"""Orders to a running gateway (reload, look at the kill file). They would end a process that has no handler yet, and
are blocked until it has one."""
READY = b"+"
"""What a process that serves writes to the supervisor's pipe."""


def run(argv: Sequence[str]) -> None:
    """Run the module of the first word as `python -m` does, with the others as its arguments.

    What it imports stays: the garbage collector, which would look through it again and again, waits for `read_boot`.
    """
    gc.disable()
    faulthandler.enable()  # a crash, and the SIGABRT to one that hangs, says where: files and lines, no values
    ending = Ending()
    atexit.register(ending.leave)  # the first of all, which is asked last
    sys.argv = list(argv)
    try:
        runpy.run_module(argv[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        ending.status = end.code if isinstance(end.code, int) else None
        raise


def read_boot(argv: Sequence[str] | None, kind: type[BootT]) -> BootT:
    """What the supervisor wrote for us: the pipe's number is our one argument. Everything is imported by now.

    Raises:
        MsgspecError: not a `kind`: supervisor and process are of two versions.
    """
    gc.freeze()
    gc.enable()
    parser = argparse.ArgumentParser(description="Started by `crossfade serve`.")
    parser.add_argument("--boot-fd", type=int, required=True)
    with os.fdopen(parser.parse_args(argv).boot_fd, "rb") as pipe:
        return msgspec.json.decode(pipe.read(), type=kind)


def unblock(*numbers: signal.Signals) -> None:
    """Let these of `ORDER_SIGNALS` through, those that have waited, too: to be called once each has a handler."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


def say_ready(fd: int) -> None:
    """Tell the supervisor that we serve; a negative `fd`: nobody asked."""
    if fd >= 0:
        os.write(fd, READY)
        os.close(fd)


def stop_asked() -> threading.Event:
    """Set once we are told to end (SIGTERM, SIGINT)."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    return stop


if __name__ == "__main__":
    run(sys.argv[1:])
