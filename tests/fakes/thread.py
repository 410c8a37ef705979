"""A fake upstream beside a test: in a thread with a loop of its own, so that the test may block."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

START_S = 60.0


_Upstream = TypeVar("_Upstream", bound=AbstractAsyncContextManager[Any])


@contextmanager
def in_thread(upstream: _Upstream) -> Iterator[_Upstream]:
    """`upstream` listens while entered. Its ledger and `plan` may be used from the test's thread."""
    listening = threading.Event()
    stopped: list[asyncio.Event] = []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        stopped.append(asyncio.Event())
        async with upstream:
            listening.set()
            await stopped[0].wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="evilup", daemon=True)
    thread.start()
    assert listening.wait(START_S), "the fake upstream did not come up"
    try:
        yield upstream
    finally:
        loop.call_soon_threadsafe(stopped[0].set)
        thread.join(START_S)
        loop.close()
