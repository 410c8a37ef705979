"""Live updates: one event stream per open page, fed by one look a second for all of them."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.console.ask import AskError

STREAMS = 30
"""Open at most; a page that gets none asks every few seconds instead."""
EVERY_S = 1.0
QUIET_S = 4.0
"""Longest silence: a page that hears nothing for ten seconds says that it is not live."""
LASTS_S = 300.0
"""Then the browser asks again, and who may look is looked at again."""
ROUTES = 64

Told = dict[str, Any]


@dataclass(slots=True)
class LiveFeed:
    """Tells pages what is new. Belongs to the event loop; looks are taken in threads."""

    look: Callable[[str | None], Told]
    """What a page of one route, or of none, says now. Raises nothing: a trouble is told."""
    monotonic: Callable[[], float]
    every_s: float = EVERY_S
    lasts_s: float = LASTS_S
    open: int = field(default=0, init=False)
    _kept: dict[str | None, tuple[float, Told]] = field(
        default_factory=dict[str | None, tuple[float, Told]], init=False
    )
    """By route the last look and its moment; the oldest first."""
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    """One look at a time: pages wait for each other, and the rest of the process for none of them."""

    def enter(self) -> None:
        """Count one more stream.

        Raises:
            AskError: there are as many as may be.
        """
        if self.open >= STREAMS:
            raise AskError(503, f"{STREAMS} pages are live already. hint: this one asks every few seconds")
        self.open += 1

    async def events(self, route: str | None) -> AsyncGenerator[str]:
        """The stream of one page that has entered, as server-sent events; it leaves when it ends.

        Source: WHATWG HTML, 9.2 Server-sent events.
        """
        try:
            said, at, until = "", 0.0, self.monotonic() + self.lasts_s
            yield "retry: 2000\n\n"
            while (now := self.monotonic()) < until:
                told = json.dumps(await self.told(route))
                if told != said or now - at >= QUIET_S:
                    said, at = told, now
                    yield f"data: {told}\n\n"
                await asyncio.sleep(self.every_s)
        finally:
            self.open -= 1

    async def told(self, route: str | None) -> Told:
        """The look that all pages of one route share for `every_s`."""
        async with self._turn:
            at, told = self._kept.get(route, (-self.every_s, {}))
            if self.monotonic() - at < self.every_s:
                return told
            told = await asyncio.to_thread(self.look, route)
            self._kept.pop(route, None)
            self._kept[route] = self.monotonic(), told
            while len(self._kept) > ROUTES:
                del self._kept[next(iter(self._kept))]
            return told
