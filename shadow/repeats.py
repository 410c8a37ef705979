"""The baseline's second answer to a request, asked for once, for all of several candidates.

How like itself the baseline is does not depend on whom it is compared with: so whoever comes first asks, and the
others have what it heard. Bounded: what was forgotten is asked again, which costs a call and is as right.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from shadow.ports import ModelReply

MOST = 512
"""Answers that are kept for those who come later."""
MOST_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class Repeats:
    """The baseline's second answers, by exchange."""

    _heard: dict[str, "asyncio.Future[ModelReply | None]"] = field(
        default_factory=dict[str, "asyncio.Future[ModelReply | None]"], init=False
    )
    _bytes: int = field(default=0, init=False)

    async def once(self, exchange_id: str, ask: Callable[[], Awaitable[ModelReply]]) -> tuple[ModelReply, bool]:
        """What the baseline said, and whether it was asked just now."""
        before = self._heard.get(exchange_id)
        if before is not None and (kept := await asyncio.shield(before)) is not None:
            return kept, False
        told: asyncio.Future[ModelReply | None] = asyncio.get_running_loop().create_future()
        self._heard[exchange_id] = told
        try:
            heard = await ask()
        except BaseException:  # a cancel, too, must leave nobody waiting for what does not come; it is raised again
            self._heard.pop(exchange_id, None)
            told.set_result(None)  # whoever waits for it asks by itself
            raise
        told.set_result(heard)
        self._bytes += len(heard.body)
        self._forget()
        return heard, True

    def _forget(self) -> None:
        """Let go of the oldest, but of none that somebody is still asking for."""
        for name in [name for name, told in self._heard.items() if told.done()]:
            if len(self._heard) <= MOST and self._bytes <= MOST_BYTES:
                return
            heard = self._heard.pop(name).result()
            self._bytes -= 0 if heard is None else len(heard.body)
