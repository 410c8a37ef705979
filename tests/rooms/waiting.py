"""Waiting for what other tasks, threads and processes bring about, with one bound that a busy machine keeps, too.

A test that waits passes as soon as it may; only one that fails waits for the whole of it.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable
from pathlib import Path

from gateway import clock

PATIENCE_S = 120.0
LOOK_S = 0.005
PROCESS_LOOK_S = 0.02
"""At least this long between looks at another process, and as long as a look takes: the other one needs the core."""
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""`verify=` of a client that speaks plain HTTP: each new client would else read all CA certificates, for 40 ms."""


async def until(holds: Callable[[], object]) -> None:
    """Let other tasks go on until it holds.

    Raises:
        TimeoutError: it never did.
    """
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 -- it is in other hands: another task's, a thread's or a process'
            await asyncio.sleep(LOOK_S)


def await_true(holds: Callable[[], object], what: str, *, patience_s: float = PATIENCE_S) -> None:
    """Wait until it holds, or fail saying `what` did not come true."""
    last_s = clock.monotonic() + patience_s
    look_s = clock.monotonic()
    while not holds():
        now_s = clock.monotonic()
        assert now_s < last_s, f"still not: {what}"
        time.sleep(max(PROCESS_LOOK_S, now_s - look_s))
        look_s = clock.monotonic()


def starved_s() -> float:
    """How long the threads of this process have waited for a core so far, where the kernel says so; else 0.

    What a call took, less how much this grew meanwhile, is what it would have taken on a machine with nothing to do.
    """
    waited_ns = 0
    for task in Path("/proc/self/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):  # a thread that has ended
            waited_ns += int(task.read_text("ascii").split()[1])
    return waited_ns / 1e9
