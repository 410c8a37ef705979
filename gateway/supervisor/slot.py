"""A place always filled by a process: what dies is started anew, what is replaced goes once the new one serves."""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.log import Log
from gateway.node.supervisor_status import ProcessStatus
from gateway.supervisor.child import BootTooLargeError, Child

READY_CPU_S = 30.0
"""The processor time a process may take to report ready: on a full machine that is many times as long by the clock."""
STUCK_S = 30.0
"""How long it may have no processor time at all, as one that waits for what does not come."""
READY_MOST_S = 600.0
"""Longest it is waited for, whatever it does."""
READY_POLL_S = 1.0
LEAST_CPU_S = 0.02
"""Less processor time than this between two looks is none."""
NOT_READY_STOP_S = 5.0
ABORT_S = 2.0
"""How long a process that hangs may take to say where it stands."""
HEALTHY_S = 10.0
"""A process that lived so long did not fail at its start."""

Launch = Callable[[], Child]


def backoff_s(failures: int, longest_s: float) -> float:
    """The pause before the next start: none after the first failure, doubling from 0.1 s on after more."""
    return 0.0 if failures <= 1 else min(longest_s, 0.1 * 2.0 ** min(failures - 2, 16))


@dataclass(slots=True)
class Turns:
    """Has what died start again one after the other: all at once, they would take a small machine from the workers."""

    gap_s: float
    _free_at: float = field(default=float("-inf"), init=False)

    def pause_s(self, now: float) -> float:
        """How long the next start has to wait; the turn is its own from then on."""
        turn_at = max(now, self._free_at)
        self._free_at = turn_at + self.gap_s
        return turn_at - now


@dataclass(slots=True)
class StartClock:
    """Says when a process that comes up is waited for no longer: by the processor time it had, not by the clock."""

    began_at: float
    _moved_at: float = field(init=False)
    _cpu_s: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._moved_at = self.began_at

    def verdict(self, now: float, cpu_s: float | None) -> str | None:
        """Why it is waited for no longer; None: it is. `cpu_s`: the processor time it had; None: not known."""
        if cpu_s is not None and cpu_s - self._cpu_s >= LEAST_CPU_S:
            self._cpu_s, self._moved_at = cpu_s, now
        if self._cpu_s >= READY_CPU_S:
            return f"it used {self._cpu_s:.0f} s of processor time and was not ready"
        if now - self._moved_at >= STUCK_S:
            return f"it used no processor time for {now - self._moved_at:.0f} s: it waits for something"
        if now - self.began_at >= READY_MOST_S:
            return f"it was not ready after {now - self.began_at:.0f} s, with {self._cpu_s:.0f} s of processor time"
        return None


@dataclass(slots=True)
class _Order:
    launch: Launch
    done: asyncio.Future[bool]


@dataclass(slots=True)
class Slot:
    """Keeps one process running. `keep` is the only one that fills it; the others say what they want."""

    name: str
    launch: Launch
    group: asyncio.TaskGroup
    log: Log
    now: Callable[[], float]
    """Monotonic."""
    drain_s: float = 10.0
    """Longest a replaced process goes on."""
    longest_pause_s: float = 5.0
    reports_ready: bool = True
    turns: Turns | None = None
    """Shared with the slots whose processes shall not start again at the same time."""
    changed: Callable[[], None] = lambda: None
    """Called whenever `status` changes."""
    current: Child | None = None
    """The process that serves, as far as we know."""
    restarts: int = 0
    """Times it was started anew because it had ended."""
    hangs: bool = False
    """Whether the process that serves answers nobody: `hangs.py` says so."""
    _retired: set[Child] = field(default_factory=set[Child], init=False)
    _starting: set[Child] = field(default_factory=set[Child], init=False)
    _successor: tuple[Launch, Child] | None = field(default=None, init=False)
    """Serves beside `current`, until it is known whether it takes its place."""
    _started_at: float = field(default=0.0, init=False)
    _failures: int = field(default=0, init=False)
    _order: _Order | None = field(default=None, init=False)
    _stopping: bool = field(default=False, init=False)
    _wake: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    @property
    def status(self) -> ProcessStatus:
        """What `status` shows of it."""
        child = self.current
        is_starting = bool(self._starting) or self._order is not None
        name = child.name if child and child.name != self.name else None  # the control plane's have their slot's
        return ProcessStatus(self.name, child and child.pid, self.restarts, name, is_starting, self.hangs)

    async def keep(self) -> None:
        """Fill the slot until `stop`."""
        while not self._stopping:
            self._wake.clear()
            if self.current is not None and self.current.exited.done():
                self._note_end(self.current)
            if self._order is not None:
                await self._follow(self._order)
            elif self.current is None:
                await self._await_turn()
                if not self._stopping and self._order is None and self._is_empty():
                    await self._fill(self.launch)
            else:
                await self._wake.wait()

    def _is_empty(self) -> bool:
        return self.current is None

    async def replace(self, launch: Launch) -> bool:
        """End the process and start another, where there must never be two. False: it did not come up at once."""
        self._order = _Order(launch, asyncio.get_running_loop().create_future())
        done = self._order.done
        self._wake.set()
        return await done

    async def prepare(self, launch: Launch) -> bool:
        """Start a successor beside the process that serves. False: it does not come up, and all is as before."""
        child = await self._start(launch)
        if child is not None:
            self._successor = launch, child
        return child is not None

    def switch(self, drain_s: float) -> None:
        """The successor takes the place of the process that serves, which drains. `drain_s`: the successor's own."""
        if self._successor is None:
            return
        before = self.current
        (self.launch, self.current), self._successor, self._started_at = self._successor, None, self.now()
        self._failures, self.hangs = 0, False
        if before is not None:
            self._drain(before)
        self.drain_s = drain_s
        self._wake.set()
        self.changed()

    def give_up(self) -> None:
        """The successor is not wanted after all: it drains."""
        if self._successor is not None:
            (_, child), self._successor = self._successor, None
            self._drain(child)

    def _drain(self, child: Child) -> None:
        self._retired.add(child)
        self.group.create_task(self._retire(child, self.drain_s))

    async def stop(self, within_s: float, how: signal.Signals = signal.SIGTERM) -> None:
        """End the process, and let no other come."""
        self._stopping = True
        self._wake.set()
        if self._order is not None and not self._order.done.done():
            self._order.done.set_result(False)
        async with asyncio.TaskGroup() as group:
            for child in self.processes():
                group.create_task(child.stop(within_s, how))

    def processes(self) -> list[Child]:
        """All that may still live here."""
        beside = None if self._successor is None else self._successor[1]
        return [child for child in (self.current, beside, *self._starting, *self._retired) if child is not None]

    async def end_hanging(self, child: Child) -> None:
        """End a process that hangs; another takes its place at once, for this one may not even be to kill.

        SIGABRT comes first: it makes a process that can still act on anything write where it stands.
        """
        if child is not self.current:
            return
        self._retired.add(child)
        self._vacate()
        self._wake.set()
        status = await child.stop(ABORT_S, signal.SIGABRT)
        self._retired.discard(child)
        self.log.notice("process.ended", process=self.name, pid=child.pid, status=status)

    @property
    def serving(self) -> Child | None:
        """The process that is to serve: it is not on its way out, and none is about to take its place."""
        is_left = self._stopping or self._order is not None or self.current is None or self.current.exited.done()
        return None if is_left else self.current

    def _note_end(self, child: Child) -> None:
        self.log.notice("process.ended", process=self.name, pid=child.pid, status=child.exited.result())
        self._vacate()

    def _vacate(self) -> None:
        """Have no process any more, without having wanted that."""
        self._failures = 1 if self.now() - self._started_at > HEALTHY_S else self._failures + 1
        self.current = None
        self.hangs = False
        self.restarts += 1
        self.changed()

    async def _await_turn(self) -> None:
        """Wait before the next start; the very first waits for nothing, and a turn is taken only once it is needed."""
        await self._pause(backoff_s(self._failures, self.longest_pause_s))
        if self.turns is not None and self._failures and not self._wake.is_set():
            await self._pause(self.turns.pause_s(self.now()))

    async def _pause(self, seconds: float) -> None:
        """Wait, unless something is wanted."""
        if seconds:
            try:
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
            except TimeoutError:
                return

    async def _follow(self, order: _Order) -> None:
        if self.current is not None:
            await self._retire(self.current, self.drain_s)
            self.current = None
        self.changed()
        self.launch = order.launch
        filled = not self._stopping and await self._fill(order.launch)
        self._order = None
        self.changed()
        if not order.done.done():
            order.done.set_result(filled)

    async def _retire(self, child: Child, within_s: float) -> None:
        status = await child.stop(within_s)
        self._retired.discard(child)
        self.log.info("process.drained", process=self.name, pid=child.pid, status=status)
        self.changed()

    async def _fill(self, launch: Launch) -> bool:
        """Start a process and have it serve."""
        child = await self._start(launch)
        if child is None:
            self._failures += 1
            return False
        if self.current is not None:  # another took the place meanwhile
            self._drain(child)
            return True
        self.current, self._started_at = child, self.now()
        self.changed()
        return True

    async def _start(self, launch: Launch) -> Child | None:
        """Start a process and wait until it is ready; what does not become so is ended again."""
        try:
            child = launch()
        except (OSError, BootTooLargeError) as error:
            self.log.alarm("process.not_started", process=self.name, reason=str(error))
            return None
        except Exception as error:  # noqa: BLE001 -- the fence "start": one process's trouble ends no other
            self.log.alarm("process.not_started", process=self.name, reason=type(error).__name__)
            return None
        self._starting.add(child)
        self.changed()
        child.exited.add_done_callback(lambda _: self._wake.set())
        # Whoever waits here may be cancelled, as a reload is by SIGTERM: the child is for `stop` to end then.
        reason = await self._come_up(child) if self.reports_ready else None
        if reason is None:
            await child.stand_back()
        self._starting.discard(child)
        if reason is None and not self._stopping:
            self.log.info("process.started", process=self.name, pid=child.pid)
            return child
        self._retired.add(child)
        self.changed()
        status = await child.stop(NOT_READY_STOP_S)
        self._retired.discard(child)
        if not self._stopping:
            hint = "its own lines above say why; if there are none, give the machine more processor, memory or disk"
            self.log.alarm(
                "process.not_ready", process=self.name, pid=child.pid, reason=reason, status=status, hint=hint
            )
        return None

    async def _come_up(self, child: Child) -> str | None:
        """Wait until it reports ready. Returns None once it has, or why it is waited for no longer."""
        waited, slow_at = StartClock(self.now()), self.now() + STUCK_S
        while not await child.ready(READY_POLL_S):
            if not child.may_get_ready:
                return "it ended before it was ready"
            cpu_s = child.cpu_s()
            if (reason := waited.verdict(self.now(), cpu_s)) is not None:
                return reason
            if self.now() >= slow_at:
                slow_at = float("inf")
                self.log.notice(
                    "process.slow", process=self.name, pid=child.pid, waited_s=round(self.now() - waited.began_at, 1),
                    cpu_s=cpu_s, hint="the machine is full: it is waited for as long as it gets anywhere",
                )  # fmt: skip
        return None
