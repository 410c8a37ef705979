"""A listener that notes what it is told."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.transport.failure import Failure
from gateway.transport.outgoing import Reply
from tests.rooms.waiting import PATIENCE_S


@dataclass
class Ear:
    """Whoever asked."""

    reply: Reply | None = None
    data: bytearray = field(default_factory=bytearray)
    ended: bool = False
    failure: Failure | None = None
    told: list[str] = field(default_factory=list[str])
    over: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    then: Callable[[], None] = lambda: None
    """Called when the head comes."""

    def on_head(self, reply: Reply) -> None:
        self.told.append("head")
        self.reply = reply
        self.begun.set()
        self.then()

    def on_data(self, data: bytes, *, ended: bool) -> None:
        assert not self.over.is_set(), "told something after the end"
        self.told.append("data")
        self.data += data
        self.ended = ended
        if ended:
            self.over.set()

    def on_failure(self, failure: Failure) -> None:
        assert not self.over.is_set(), "told something after the end"
        self.told.append("failure")
        self.failure = failure
        self.over.set()

    def on_interim(self, reply: Reply) -> None:
        self.told.append(f"interim {reply.status}")

    def on_send_blocked(self) -> None:
        self.told.append("blocked")

    def on_send_ready(self) -> None:
        self.told.append("ready")

    @property
    def status(self) -> int:
        """Of the answer; 0: none came."""
        return self.reply.status if self.reply is not None else 0

    async def end(self) -> "Ear":
        """Wait for the end, or the failure."""
        async with asyncio.timeout(PATIENCE_S):
            await self.over.wait()
        return self
