"""The demo's app: it sends tickets at a steady pace through the gateway, and counts what comes back."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.demo.tickets import SYSTEM, Ticket, ticket
from gateway.transport.client import Client
from gateway.transport.failure import Failure
from gateway.transport.message import Head
from gateway.transport.outgoing import Reply, Target

KEY = "sk-demo"
MODEL = "gpt-4o"
PATIENCE_S = 30.0
"""Longest an app waits for an answer."""
MOST = 64
"""Requests under way: beyond it the app waits, and the pace falls."""
LAG_S = 2.0
"""How far the shadow may be behind: beyond it the app sends less, for what comes in must be compared before a stage
can show anything."""
LEAST = 0.05
"""The smallest part of its pace that an app falls back to."""


class _Asked:
    """One request: listens for its answer."""

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.status = 0
        self.variant = ""

    def on_head(self, reply: Reply) -> None:
        """The answer's head."""
        self.status = reply.status
        self.variant = (Head(reply.raw).get(b"x-crossfade-variant") or b"").decode()

    def on_data(self, data: bytes, *, ended: bool) -> None:  # noqa: ARG002 -- the demo looks at heads only
        """Some of the body."""
        if ended:
            self._end()

    def on_failure(self, failure: Failure) -> None:  # noqa: ARG002 -- one that fails has no status
        """Note that there was no complete answer."""
        self.status = 0
        self._end()

    def on_interim(self, reply: Reply) -> None:
        """Ignore interim answers (1xx)."""

    def on_send_blocked(self) -> None:
        """Nothing: requests are small."""

    def on_send_ready(self) -> None:
        """Nothing."""

    def _end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


@dataclass(slots=True)
class DemoApp:
    """Sends while it runs. What it has seen may be read at any time."""

    target: Target
    client: Client
    now: Callable[[], float]
    pace: float
    """Tickets a second, where the machine can do it."""
    part: float = 1.0
    """How much of the pace is kept now."""
    sent: int = 0
    by_variant: Counter[str] = field(default_factory=Counter[str])
    failed: int = 0
    """Answers that were not 200, or none."""

    async def run(self) -> None:
        """Send until cancelled."""
        due = self.now()
        free = asyncio.Semaphore(MOST)
        async with asyncio.TaskGroup() as tasks:
            while True:
                await free.acquire()
                tasks.create_task(self._ask(free))
                # Where it was too much for this machine, it goes on without catching up.
                due = max(due, self.now() - 1.0) + 1 / (self.pace * self.part)
                await asyncio.sleep(max(0.0, due - self.now()))

    def heed(self, lag_s: float) -> None:
        """Send less while the shadow is so far behind, and the whole pace again once it has caught up. Each second."""
        self.part = max(LEAST, self.part * 0.8) if lag_s > LAG_S else min(1.0, self.part * 1.1)

    async def _ask(self, free: asyncio.Semaphore) -> None:
        asked = ticket(self.sent)
        self.sent += 1
        listener = _Asked()
        sending = self.client.send(self.target, KEY.encode(), b"POST", _request(asked), listener, last=True)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await listener.done
        except TimeoutError:
            listener.status = 0
            sending.cancel()
        finally:
            free.release()
        if listener.status == 200:
            self.by_variant[listener.variant] += 1
        else:
            self.failed += 1


def _request(asked: Ticket) -> bytes:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": asked.text}]
    options = {"stream": True, "stream_options": {"include_usage": True}, "temperature": 0}
    body = json.dumps({"model": MODEL, "messages": messages, **options}).encode()
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: crossfade\r\ncontent-type: application/json\r\n"
        b"authorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b" % (KEY.encode(), len(body), body)
    )
