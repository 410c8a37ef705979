"""Waiting for what other tasks, threads and processes bring about, with one bound that a busy machine keeps, too.

A test that waits passes as soon as it may; only one that fails waits for the whole of it.
"""

import asyncio
import time
from collections.abc import Callable

from gateway import clock

PATIENCE_S = 60.0
LOOK_S = 0.005


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
    while not holds():
        assert clock.monotonic() < last_s, f"still not: {what}"
        time.sleep(LOOK_S)
