import asyncio
import signal
from collections.abc import AsyncIterator

import pytest

from gateway.supervisor.child import Child


@pytest.fixture
async def reaping() -> AsyncIterator[list[Child]]:
    """Children that are put here are reaped as they end, and ended behind the test."""
    children: list[Child] = []
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGCHLD, lambda: [child.reap() for child in children])
    yield children
    for child in children:
        await child.stop(1.0)
    loop.remove_signal_handler(signal.SIGCHLD)
