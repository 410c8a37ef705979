"""The migration, act by act, each decision explained as it is made."""

from dataclasses import dataclass, field

from gateway import clock
from policies.rules import PPM
from policies.terms import Phase
from tests.acceptance.migration.watching import StuckError, Watching
from tests.acceptance.migration.world import World

HALF_PPM = PPM // 2
AT_HALF = 50
"""Answers of the candidate at 50 % before something is done to it."""
QUIET_S = 3.0
AFTER_KILL = 600
"""Requests that are watched after the kill."""


@dataclass(slots=True)
class Story(Watching):
    """What happens, and what it comes to."""

    world: World = field(kw_only=True)
    _quiet: tuple[int, float] = (-1, 0.0)
    """The candidate's answers, and since when there were no more."""

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
        await self.until(lambda: self.phase is Phase.PROMOTED, "r1 at 100 %")
        took_s, sent = clock.monotonic() - started_s, self.traffic.requests - before
        self.row("shadow to 100 %", f"{sent:,} requests in {took_s:.0f} s, {self.errors} errors seen by the app")

    async def reject(self) -> None:
        """The one-epoch model as the next revision."""
        self.say("ACT 2: r2, one epoch of fine-tuning, is deployed as the next revision")
        self.world.deploy("r2")
        await self.until(lambda: self.phase is Phase.SHADOW, "r2 in the shadow")
        await self.until(self._is_quiet, "the last of r1's answers")
        before = self.traffic.by_variant["candidate"]
        self.world.front.turn_to(self.world.hasty)
        await self.until(lambda: self.phase is Phase.REJECTED, "r2's rejection")
        units = self._last.results.units if self._last else 0
        seen = self.traffic.by_variant["candidate"] - before
        self.row("r2 rejected", f"in the shadow, after {units} conversations; the app saw {seen} of its answers")

    async def break_it(self) -> None:
        """The good revision's server replaced by the bad model, at 50 %."""
        self.say("ACT 3: r1 is back at 50 % by an operator's word; then its server is replaced by the one-epoch model")
        self.world.front.turn_to(self.world.good)
        self.world.deploy("r1")
        await self._to_half()
        before, at_s = self.traffic.by_variant["candidate"], clock.monotonic()
        self.world.front.turn_to(self.world.hasty)
        self.say("the one-epoch model answers in r1's place, and nobody says so")
        away = (Phase.SUSPENDED, Phase.ROLLED_BACK)
        await self.until(lambda: self.phase in away, "the alarm")
        delay, delay_s = self.traffic.by_variant["candidate"] - before, clock.monotonic() - at_s
        self.row("bad model at 50 %", f"taken back after {delay} requests it answered, {delay_s:.1f} s")
        await self.until(lambda: self.phase is Phase.ROLLED_BACK, "the rollback, once it was tried")

    async def kill_it(self) -> None:
        """The good vLLM killed under traffic, at 50 %."""
        self.say("ACT 4: r1 is back at 50 %; then its vLLM is killed with SIGKILL, all processes at once")
        self.world.front.turn_to(self.world.good)
        self._operator("resume", "the good model serves again")
        await self.until(lambda: self.phase is Phase.SHADOW, "r1 in the shadow")
        await self._to_half()
        errors, sent = self.errors, self.traffic.requests
        self.world.good.kill()
        await self.until(lambda: self.traffic.requests >= sent + AFTER_KILL, "requests after the kill")
        seen, asked = self.errors - errors, self.traffic.requests - sent
        self.row("vLLM killed at 50 %", f"{seen} errors seen by the app in the next {asked} requests")

    async def _to_half(self) -> None:
        """Promote by hand until half of the traffic is the candidate's, and it answers."""
        await self.until(lambda: self.phase is Phase.SHADOW, "r1 in the shadow")
        while self.weight_ppm < HALF_PPM:
            weight = self.weight_ppm
            self._operator("promote", "certified before; back to where it was")
            await self.until(lambda weight=weight: self.weight_ppm > weight, "the operator's word")
        before = self.traffic.by_variant["candidate"]
        await self.until(lambda: self.traffic.by_variant["candidate"] >= before + AT_HALF, "answers at 50 %")

    def _operator(self, verb: str, reason: str) -> None:
        done = self.world.serving.crossfade(verb, "banking", "--reason", reason)
        self.say(f"crossfade {verb} banking: {(done.stdout or done.stderr).strip()}")
        if done.returncode:
            raise StuckError(f"crossfade {verb} was refused")

    def _is_quiet(self) -> bool:
        """Whether the candidate has answered no app for a while: the new table is in force everywhere."""
        count, now = self.traffic.by_variant["candidate"], clock.monotonic()
        if count != self._quiet[0]:
            self._quiet = (count, now)
        return now - self._quiet[1] >= QUIET_S
