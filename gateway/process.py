"""How a process begins that the supervisor starts: its boot comes through a pipe, and it says when it is ready."""

import argparse
import os
import signal
import threading
from collections.abc import Sequence

READY = b"+"
"""What a process that serves writes to the supervisor's pipe."""


def read_boot(argv: Sequence[str] | None) -> bytes:
    """What the supervisor wrote for us: the pipe's number is our one argument."""
    parser = argparse.ArgumentParser(description="Started by `crossfade serve`.")
    parser.add_argument("--boot-fd", type=int, required=True)
    with os.fdopen(parser.parse_args(argv).boot_fd, "rb") as pipe:
        return pipe.read()


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
