"""The demo: an app, a frontier, a candidate, and the whole gateway between them, from the first shadow to a rollback.

Nothing is staged: the supervisor, the shadow, the controller and the policies are those that serve real traffic.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from gateway.control.state.sqlite import SqliteState
from gateway.demo.app import DemoApp
from gateway.demo.models import ModelServer, model_of
from gateway.demo.sandbox import ROUTE, House, HouseError, house
from gateway.demo.screen import PLAIN_S, Paint, ScreenView, Terminal, WaitLine, clock_face, frame, move_line
from gateway.demo.tickets import BROKEN, FRONTIER, GOOD, HASTY
from gateway.demo.watch import DecisionWatch
from gateway.transport.client import Client
from gateway.transport.outgoing import Target
from policies.rollout import Decision
from policies.terms import Move, Phase

DRAW_S = 0.25
ACT_S = 300.0
"""The longest that an act may go on with nothing new, neither a move nor a conversation that counts."""
MOVE_S = 4 * ACT_S
"""The longest that it may go on without a move: a slow machine counts slowly."""
ENDS = (Phase.ROLLED_BACK, Phase.QUARANTINED, Phase.REJECTED)
"""Phases that a rollout leaves by an operator or a new revision alone: an act that wants another one waits in vain."""


class StuckError(Exception):
    """An act did not come to its end in time."""


@dataclass(slots=True)
class Story:
    """What is on stage."""

    house: House
    app: DemoApp
    own: ModelServer
    terminal: Terminal
    paint: Paint
    now: Callable[[], float]
    watch: DecisionWatch
    began_s: float
    pace: float
    """Tickets a second, as it was asked for."""
    act: str = ""
    waits_for: str = ""
    moved_s: float = 0.0
    """When the last move was made, or the act began."""
    moves: list[Decision] = field(default_factory=list[Decision])
    _paced: tuple[float, int] = (0.0, 0)
    _pace: float = 0.0

    async def play(self) -> None:
        """All acts, in order.

        Raises:
            StuckError: one did not end. HouseError: the gateway fell.
        """
        say = self.terminal.say
        self.act = "r1, trained well, wants the traffic"
        await self._until(lambda: self._phase is Phase.PROMOTED, "r1 at 100 %")
        say(f"       {self.app.failed} of {self._answered:,} requests failed on the way")
        self.act = "r1 holds all traffic; its server is replaced by a broken upload, and nobody says so"
        say(f" {self._clock}  a broken upload takes the place of r1's weights, under the same name")
        self.own.model, before = model_of(BROKEN), self.app.by_variant["candidate"]
        await self._until(lambda: self._phase in (Phase.SUSPENDED, Phase.ROLLED_BACK), "the alarm")
        served = self.app.by_variant["candidate"] - before
        say(f"       taken back {served} of the candidate's answers later; the baseline answers everything again")
        await self._until(lambda: self._phase is Phase.ROLLED_BACK, "the rollback, once it was tried again")
        self.act = "r2, one epoch of training, is deployed"
        say(f" {self._clock}  r2 is deployed: one epoch of training")
        self.own.model = model_of(HASTY)
        self.house.deploy("r2")
        await self._until(lambda: self._phase is Phase.REJECTED, "r2's rejection")
        say("       no app ever saw an answer of r2")

    async def draw(self) -> None:
        """Show where things stand, until cancelled."""
        plain_s = self.now()
        while True:
            for _, decision in self.watch.news():
                self._tell(decision)
            view = self._view()
            self.terminal.show(frame(view, self.paint))
            if not self.terminal.live and self.now() - plain_s >= PLAIN_S:
                plain_s = self.now()
                for line in frame(view, self.paint):
                    self.terminal.say(line)
            await asyncio.sleep(DRAW_S)

    async def mind(self) -> None:
        """Let the app know how far the shadow is behind, until cancelled."""
        while True:
            self.app.heed(self.house.shadow_lag_s())
            await asyncio.sleep(1.0)

    def _tell(self, decision: Decision) -> None:
        if decision.move is Move.HOLD:
            return
        self.moves.append(decision)
        self.moved_s = self.now()
        self.terminal.say(move_line(decision, self.now() - self.began_s, self.paint))

    async def _until(self, holds: Callable[[], bool], what: str) -> None:
        self.waits_for, self.moved_s, before = what, self.now(), len(self.moves)
        units, counted_s = 0, self.moved_s
        while not holds():
            self.house.check()
            if len(self.moves) > before and self._phase in ENDS:
                raise StuckError(self._stuck("the rollout came to another end"))
            if self.watch.look is not None and self.watch.look.results.units != units:
                units, counted_s = self.watch.look.results.units, self.now()
            still_s = self.now() - self.moved_s
            if still_s > MOVE_S or min(still_s, self.now() - counted_s) > ACT_S:
                raise StuckError(self._stuck(f"nothing moved for {still_s:.0f} s"))
            await asyncio.sleep(DRAW_S / 5)

    def _stuck(self, why: str) -> str:
        """Why the act is given up, what it waited for, who has to do it, and what was last decided."""
        view = self._view()
        ended = self.moves[-1] if self._phase in ENDS else None
        look = ended or view.look
        decided = f"{look.rollout.at.label}, {look.outcome}: {look.reason}" if look else "it has looked at nothing yet"
        pace = f"{view.pace:.0f} a second of {self.pace:g}"
        return (
            f" gave up: {why}. Waited for {self.waits_for}.\n"
            f" the app: {self._answered:,} answered, {self.app.failed} failed, {pace}\n"
            f" the machine: load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n"
            f" the controller of {self.house.name} decided last:\n   {decided}\n"
            " hint: is the machine busy with something else? Try again when it is not, or crossfade demo --pace 20"
        )

    @property
    def _phase(self) -> Phase | None:
        return self.moves[-1].rollout.phase if self.moves else None

    @property
    def _answered(self) -> int:
        return sum(self.app.by_variant.values())

    @property
    def _clock(self) -> str:
        return clock_face(self.now() - self.began_s)

    def _view(self) -> ScreenView:
        now, sent = self.now(), self._answered
        at, had = self._paced
        if now - at >= 2:
            self._pace = (sent - had) / (now - at)
            self._paced = (now, sent)
        return ScreenView(
            elapsed_s=now - self.began_s,
            act=self.act,
            look=self.watch.look,
            answered=self.app.by_variant,
            failed=self.app.failed,
            pace=self._pace,
            waits_for=self.waits_for,
            still_s=now - self.moved_s,
        )


async def run(folder: Path, *, pace: float, terminal: Terminal, paint: Paint, now: Callable[[], float]) -> None:
    """Play it in `folder`; all that it starts is gone afterwards.

    Raises:
        StuckError: an act did not end in time. HouseError: the gateway did not come up, or fell.
    """
    try:
        await _run(folder, pace=pace, terminal=terminal, paint=paint, now=now)
    except BaseExceptionGroup as group:  # whose text is "unhandled errors in a TaskGroup"
        raise cause(group) from None


def cause(error: BaseException) -> BaseException:
    """What went wrong, out of the groups that tasks put it in: an error of the demo's own before any other."""
    while isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        error = (group.subgroup((StuckError, HouseError)) or group).exceptions[0]
    return error


async def _run(folder: Path, *, pace: float, terminal: Terminal, paint: Paint, now: Callable[[], float]) -> None:
    began_s = now()
    start = WaitLine(terminal, now, began_s)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as connections, asyncio.TaskGroup() as tasks:
        frontier, own = ModelServer(model_of(FRONTIER)), ModelServer(model_of(GOOD))
        for server in (frontier, own):
            await server.start()
            stack.callback(server.stop)
        started = await stack.enter_async_context(house(folder, frontier=frontier.port, own=own.port, tell=start.tell))
        terminal.say(f" {clock_face(now() - began_s)}  serving; its metrics: http://127.0.0.1:{started.admin}/metrics")
        client = Client(now=now, tasks=connections)
        stack.callback(client.close)
        app = DemoApp(Target("127.0.0.1", started.port), client, now, pace)
        watch = DecisionWatch(SqliteState(started.data.state), ROUTE)
        story = Story(started, app, own, terminal, paint, now, watch, began_s, pace)
        await _beside(tasks, story.play, app.run, story.draw, story.mind)


async def _beside(
    tasks: asyncio.TaskGroup, main: Callable[[], Awaitable[None]], *others: Callable[[], Awaitable[None]]
) -> None:
    """Run `main` to its end, the others as long as it runs."""
    running = [tasks.create_task(_await(other)) for other in others]
    try:
        await main()
    finally:
        for task in running:
            task.cancel()


async def _await(work: Callable[[], Awaitable[None]]) -> None:
    await work()
