"""Workers that a reload has left behind: each finishes the answers it has, and holds its memory for as long.

Rule: `MOST_OLD` generations of them live at most. One more reload waits until one of them has ended, which takes no
longer than `server.drain`: no answer is cut for it, and no reload is lost.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from gateway.log import Log

MOST_OLD: Final = 3
"""Beside the workers that serve. Those of a reload that was refused count, too: apps may have come to them."""


@dataclass(slots=True)
class Generations:
    """Which reload each worker was started by."""

    log: Log
    newest: int = field(default=0, init=False)
    """The number of the generation that was begun last."""
    _serving: int = field(default=0, init=False)
    _living: dict[asyncio.Future[int], tuple[int, int]] = field(
        default_factory=dict[asyncio.Future[int], tuple[int, int]], init=False
    )
    """By its end: its generation and its pid."""

    def begin(self) -> None:
        """Another generation is prepared beside the one that serves."""
        self.newest += 1

    def switch(self) -> None:
        """The newest generation serves: all others are old."""
        self._serving = self.newest

    def note(self, generation: int, pid: int, exited: asyncio.Future[int]) -> None:
        """A worker of `generation` was started; `exited` is done when it has ended."""
        self._living[exited] = generation, pid
        exited.add_done_callback(self._living.pop)

    async def await_room(self, longest_s: float, waits_for: Callable[[tuple[int, ...]], None]) -> None:
        """Wait until one more generation may begin. To be called while none is prepared.

        `longest_s`: how long an old one may go on, for the log. `waits_for` is called with the pids, if there are any.
        """
        told = False
        while old := self._too_many():
            if not told:
                told, pids = True, tuple(sorted(old.values()))
                hint = "the reload follows once the old workers of one reload have ended; SIGKILL cuts their answers"
                self.log.alarm("reload.waits", pids=[str(pid) for pid in pids], longest_s=longest_s, hint=hint)
                waits_for(pids)
            await asyncio.wait(old, return_when=asyncio.FIRST_COMPLETED)

    def _too_many(self) -> dict[asyncio.Future[int], int]:
        """The old workers with their pids; empty: one more generation may begin."""
        old = {
            exited: (generation, pid)
            for exited, (generation, pid) in self._living.items()
            if generation != self._serving and not exited.done()
        }
        if len({generation for generation, _ in old.values()}) < MOST_OLD:
            return {}
        return {exited: pid for exited, (_, pid) in old.items()}
