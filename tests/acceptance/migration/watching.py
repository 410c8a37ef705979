"""A rollout watched from outside: what is decided is told as it is decided, and waited for with a bound."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway import clock
from gateway.demo.watch import DecisionWatch
from policies.rollout import Decision
from policies.terms import Move, Phase
from tests.acceptance.migration.traffic import Traffic

LOOK_S = 0.25
TOLD_S = 20.0


class StuckError(Exception):
    """An act did not come to its end in time."""


@dataclass(slots=True)
class Watching:
    """One route's decisions under an app's traffic, and what came of it."""

    traffic: Traffic
    watch: DecisionWatch
    act_s: float
    """The longest wait for one thing."""
    began_s: float = field(default_factory=clock.monotonic)
    rows: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """The last table."""
    _last: Decision | None = None
    _told_s: float = 0.0

    def say(self, text: str) -> None:
        """A line with its time."""
        sys.stdout.write(f"{clock.monotonic() - self.began_s:6.0f} s  {text}\n")
        sys.stdout.flush()

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        until_s = clock.monotonic() + self.act_s
        while not holds():
            if clock.monotonic() > until_s:
                raise StuckError(f"still not after {self.act_s:.0f} s: {what}; {self._standing()}")
            for kept, decision in self.watch.news():
                self._last = decision
                if decision.move is Move.HOLD:
                    continue
                self.say("\n".join(["", *(f"          {line}" for line in kept.text.splitlines())]))
            if clock.monotonic() - self._told_s > TOLD_S:
                self._told_s = clock.monotonic()
                self.say(self._standing())
            await asyncio.sleep(LOOK_S)

    def _standing(self) -> str:
        look = self.watch.look
        told = "no look yet" if look is None else f"{look.rollout.at.label}, {look.results.units} units: {look.reason}"
        return f"{self.traffic.requests:,} requests {dict(self.traffic.by_variant)}, {self.errors} errors; {told}"

    def row(self, what: str, came: str) -> None:
        self.rows.append((what, came))
        self.say(f"{what}: {came}")

    @property
    def phase(self) -> Phase | None:
        return self._last.rollout.phase if self._last else None

    @property
    def weight_ppm(self) -> int:
        return self._last.rollout.weight_ppm if self._last else 0

    @property
    def errors(self) -> int:
        return self.traffic.errors.total()
