"""The migration, act by act, each decision explained as it is made."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway import clock
from gateway.demo.watch import DecisionWatch
from policies.rollout import Decision
from policies.rules import PPM
from policies.terms import Move, Phase
from tests.acceptance.migration.traffic import Traffic
from tests.acceptance.migration.world import World

LOOK_S = 0.25
TOLD_S = 20.0
HALF_PPM = PPM // 2
AT_HALF = 50
"""Answers of the candidate at 50 % before something is done to it."""
QUIET_S = 3.0
AFTER_KILL = 600
"""Requests that are watched after the kill."""


class StuckError(Exception):
    """An act did not come to its end in time."""


@dataclass(slots=True)
class Story:
    """What happens, and what it comes to."""

    world: World
    traffic: Traffic
    watch: DecisionWatch
    act_s: float
    began_s: float = field(default_factory=clock.monotonic)
    rows: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """The last table."""
    _last: Decision | None = None
    _told_s: float = 0.0
    _quiet: tuple[int, float] = (-1, 0.0)
    """The candidate's answers, and since when there were no more."""

    def say(self, text: str) -> None:
        """A line with its time."""
        sys.stdout.write(f"{clock.monotonic() - self.began_s:6.0f} s  {text}\n")
        sys.stdout.flush()

    async def play(self) -> None:
        """All acts.

        Raises:
            StuckError: one did not end.
        """
        await self.migrate()
        await self.reject()
        await self.break_it()
        await self.kill_it()

    async def migrate(self) -> None:
        """The good model, from the shadow to all of the traffic."""
        self.say("ACT 1: r1, ten epochs of fine-tuning, wants the traffic")
        started_s, before = clock.monotonic(), self.traffic.requests
        await self._until(lambda: self._phase is Phase.PROMOTED, "r1 at 100 %")
        took_s, sent = clock.monotonic() - started_s, self.traffic.requests - before
        self._row("shadow to 100 %", f"{sent:,} requests in {took_s:.0f} s, {self._errors} errors seen by the app")

    async def reject(self) -> None:
        """The one-epoch model as the next revision."""
        self.say("ACT 2: r2, one epoch of fine-tuning, is deployed as the next revision")
        self.world.deploy("r2")
        await self._until(lambda: self._phase is Phase.SHADOW, "r2 in the shadow")
        await self._until(self._is_quiet, "the last of r1's answers")
        before = self.traffic.by_variant["candidate"]
        self.world.front.turn_to(self.world.hasty)
        await self._until(lambda: self._phase is Phase.REJECTED, "r2's rejection")
        units = self._last.results.units if self._last else 0
        seen = self.traffic.by_variant["candidate"] - before
        self._row("r2 rejected", f"in the shadow, after {units} conversations; the app saw {seen} of its answers")

    async def break_it(self) -> None:
        """The good revision's server replaced by the bad model, at 50 %."""
        self.say("ACT 3: r1 is back at 50 % by an operator's word; then its server is replaced by the one-epoch model")
        self.world.front.turn_to(self.world.good)
        self.world.deploy("r1")
        await self._to_half()
        before, at_s = self.traffic.by_variant["candidate"], clock.monotonic()
        self.world.front.turn_to(self.world.hasty)
        self.say("the one-epoch model answers in r1's place, and nobody says so")
        await self._until(lambda: self._phase is Phase.ROLLED_BACK, "the rollback")
        delay, delay_s = self.traffic.by_variant["candidate"] - before, clock.monotonic() - at_s
        self._row("bad model at 50 %", f"rolled back after {delay} requests it answered, {delay_s:.1f} s")

    async def kill_it(self) -> None:
        """The good vLLM killed under traffic, at 50 %."""
        self.say("ACT 4: r1 is back at 50 %; then its vLLM is killed with SIGKILL, all processes at once")
        self.world.front.turn_to(self.world.good)
        self._operator("resume", "the good model serves again")
        await self._until(lambda: self._phase is Phase.SHADOW, "r1 in the shadow")
        await self._to_half()
        errors, sent = self._errors, self.traffic.requests
        self.world.good.kill()
        await self._until(lambda: self.traffic.requests >= sent + AFTER_KILL, "requests after the kill")
        seen, asked = self._errors - errors, self.traffic.requests - sent
        self._row("vLLM killed at 50 %", f"{seen} errors seen by the app in the next {asked} requests")

    async def _to_half(self) -> None:
        """Promote by hand until half of the traffic is the candidate's, and it answers."""
        await self._until(lambda: self._phase is Phase.SHADOW, "r1 in the shadow")
        while self._weight_ppm < HALF_PPM:
            weight = self._weight_ppm
            self._operator("promote", "certified before; back to where it was")
            await self._until(lambda weight=weight: self._weight_ppm > weight, "the operator's word")
        before = self.traffic.by_variant["candidate"]
        await self._until(lambda: self.traffic.by_variant["candidate"] >= before + AT_HALF, "answers at 50 %")

    def _operator(self, verb: str, reason: str) -> None:
        done = self.world.serving.crossfade(verb, "banking", "--reason", reason)
        self.say(f"crossfade {verb} banking: {(done.stdout or done.stderr).strip()}")
        if done.returncode:
            raise StuckError(f"crossfade {verb} was refused")

    async def _until(self, holds: Callable[[], bool], what: str) -> None:
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

    def _is_quiet(self) -> bool:
        """Whether the candidate has answered no app for a while: the new table is in force everywhere."""
        count, now = self.traffic.by_variant["candidate"], clock.monotonic()
        if count != self._quiet[0]:
            self._quiet = (count, now)
        return now - self._quiet[1] >= QUIET_S

    def _standing(self) -> str:
        look = self.watch.look
        told = "no look yet" if look is None else f"{look.rollout.at.label}, {look.results.units} units: {look.reason}"
        return f"{self.traffic.requests:,} requests {dict(self.traffic.by_variant)}, {self._errors} errors; {told}"

    def _row(self, what: str, came: str) -> None:
        self.rows.append((what, came))
        self.say(f"{what}: {came}")

    @property
    def _phase(self) -> Phase | None:
        return self._last.rollout.phase if self._last else None

    @property
    def _weight_ppm(self) -> int:
        return self._last.rollout.weight_ppm if self._last else 0

    @property
    def _errors(self) -> int:
        return self.traffic.errors.total()
