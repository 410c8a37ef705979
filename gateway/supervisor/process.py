"""The supervisor itself: sockets, slots, signals.

SIGHUP: read the settings again and replace every process, refusing no connection. SIGTERM: finish what is under way,
then end. SIGINT: the same, without waiting for idle connections. A second SIGTERM or SIGINT: end at once.
SIGUSR2: everything to the baseline, as `crossfade kill` does.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import msgspec

from gateway import clock
from gateway.config.settings_file import SettingsError
from gateway.control.journals import cursors
from gateway.log import Log
from gateway.node import supervisor_status
from gateway.node.datadir import DataDirError
from gateway.node.kill_file import set_kill
from gateway.node.supervisor_status import ReloadStatus, SupervisorStatus
from gateway.process import ORDER_SIGNALS, unblock
from gateway.supervisor.admin_port import AdminChange, AdminPort, exposed_ages, health, metrics, readiness
from gateway.supervisor.child import BootTooLargeError, Child, Program, spawn
from gateway.supervisor.first_table import await_table
from gateway.supervisor.front import FrontAnswer, Page
from gateway.supervisor.generations import Generations
from gateway.supervisor.hangs import HangWatch
from gateway.supervisor.programs import Programs
from gateway.supervisor.running import routing_table
from gateway.supervisor.slot import Launch, Slot, Turns
from gateway.supervisor.sockets import BindError, bound, listen
from gateway.supervisor.starter import READY, STOPPING, has_terminal, notify, reloading
from gateway.supervisor.worker_metrics import Gauges, samples
from gateway.telemetry.metrics import EXPOSED, PREFIX, Sample
from records.durable import replace

CONTROL_STOP_S = 10.0
"""Longest a process of the control plane may take to end."""
CONTROL_PAUSE_S = 30.0
CONTROL_GAP_S = 2.0
"""Between two processes of the control plane that start again: about twice the processor time that one takes to come
up, so that their starts leave most of a small machine to the workers."""
KILL_AFTER_DRAIN_S = 5.0
TOLD_POLL_S = 5.0
_STOPS = (signal.SIGTERM, signal.SIGINT)
_SIGNALS = (*_STOPS, signal.SIGHUP, signal.SIGUSR2, signal.SIGCHLD)


@dataclass(slots=True)
class Supervisor:
    """Runs one Crossfade. `run` is its whole life."""

    plan: Programs
    read_again: Callable[[], Programs]
    """Reads the settings anew. Raises what a start with them would."""
    log: Log
    version: str
    gauges: Gauges = field(default_factory=Gauges, init=False)
    stopping: bool = field(default=False, init=False)
    workers: list[Slot] = field(default_factory=list[Slot], init=False)
    control: dict[str, Slot] = field(default_factory=dict[str, Slot], init=False)
    _socket: socket.socket = field(init=False)
    _admin: AdminPort = field(init=False)
    _group: asyncio.TaskGroup = field(init=False)
    _turns: Turns = field(default_factory=lambda: Turns(CONTROL_GAP_S), init=False)
    _children: set[Child] = field(default_factory=set[Child], init=False)
    _signals: asyncio.Queue[signal.Signals] = field(init=False)
    _reload_wanted: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _generations: Generations = field(init=False)
    _new_from: int = field(default=0, init=False)
    """Slots from here on were added by the reload that is being prepared."""
    _reload: ReloadStatus | None = field(default=None, init=False)
    _kill_is_unwritten: bool = field(default=False, init=False)
    """The kill switch was turned on by a signal, and the disk did not take its file yet."""
    _started_at: float = field(default=0.0, init=False)
    _had_terminal: bool = field(default=False, init=False)

    async def run(self) -> signal.Signals:
        """Serve until told to stop; the signal that told it.

        Raises:
            BindError: an address cannot be listened on; nothing was started.
        """
        loop = asyncio.get_running_loop()
        self._signals = asyncio.Queue()  # a few signals, by hand: there is nothing to bound
        self._started_at, self._had_terminal = clock.wall(), has_terminal()
        self._socket = listen(self.plan.settings.server.listen)
        self._admin = AdminPort(self._pages(), self.log)
        self._generations = Generations(self.log)
        try:
            await self._admin.serve(self.plan)
            async with asyncio.TaskGroup() as self._group:
                for number in _SIGNALS:
                    loop.add_signal_handler(number, self._on_signal, number)
                unblock(*ORDER_SIGNALS)
                watch = HangWatch(lambda: self.workers, self.gauges.beats, self._group, self.log)
                lives = (self._begin(), self._keep_told(), watch.keep())
                endless = [self._group.create_task(each) for each in lives]
                how = await self._until_stopped()
                for task in endless:
                    task.cancel()
                await self._end(how)
        finally:
            self._socket.close()
            self._admin.close()
        return how

    # Its life -----------------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        """Fill all slots, then reload as often as it is wanted."""
        self._fill_control()
        controller, table = self.control["controller"], self.plan.data.routing
        await await_table(lambda: controller.current is not None, table.exists, self.log, clock.monotonic)
        for _ in range(self.plan.settings.server.workers):
            self._group.create_task(self._add_worker(self.plan, self._socket).keep())
        where = bound(self._socket)
        self.log.info("listening", data=str(where), admin=str(self._admin.where), workers=len(self.workers))
        notify(self.plan.environment, READY)
        while True:
            await self._reload_wanted.wait()
            await self._generations.await_room(self.plan.settings.server.drain, self._note_reload)
            self._reload_wanted.clear()
            notify(self.plan.environment, reloading())
            error = await self._replace_all()
            self._note_reload(error=error)
            if error is None:
                self.log.info("reload.done")
            else:
                self.log.alarm("reload.refused", reason=error, hint="what ran before goes on")
            notify(self.plan.environment, READY)

    async def _keep_told(self) -> None:
        """Write anew what `status` shows, where it is gone or not so (a disk was full); show a renewed certificate."""
        while True:
            await asyncio.sleep(TOLD_POLL_S)
            self._admin.renew_certificate()
            if self._kill_is_unwritten:
                self._stop_candidates()
            if supervisor_status.read(path := self.plan.data.supervisor_status) != self._status() and not path.is_dir():
                self.tell()

    async def _until_stopped(self) -> signal.Signals:
        while True:
            number = await self._signals.get()
            match number:
                case signal.SIGHUP if self._had_terminal and not has_terminal():
                    return signal.SIGTERM  # the terminal was closed: nobody asks for a reload
                case signal.SIGHUP:
                    self._reload_wanted.set()
                case signal.SIGUSR2:
                    self._stop_candidates()
                    self.log.notice("kill.on")
                case _:
                    return number

    async def _end(self, how: signal.Signals) -> None:
        """Let the workers finish, then the control plane: it records what they wrote last."""
        self.stopping = True
        notify(self.plan.environment, STOPPING)
        self.log.info("stopping", drain_s=self.plan.settings.server.drain)
        self.tell()
        async with asyncio.TaskGroup() as group:
            for slot in self.workers:
                group.create_task(slot.stop(self.plan.settings.server.drain + KILL_AFTER_DRAIN_S, how))
            # Whoever connects from now on is told so at once, and not kept in a queue that nobody serves.
            self._socket.close()
        async with asyncio.TaskGroup() as group:
            for slot in self.control.values():
                group.create_task(slot.stop(CONTROL_STOP_S))
        self.log.info("stopped")

    # Signals ------------------------------------------------------------------------------------------------------

    def _on_signal(self, number: signal.Signals) -> None:
        if number is signal.SIGCHLD:
            for child in tuple(self._children):
                child.reap()
        elif self.stopping and number in _STOPS:
            self.log.notice("killed", hint="asked a second time: requests under way are cut")
            for child in self._children:
                child.send(signal.SIGKILL)
        else:
            self._signals.put_nowait(number)

    def _stop_candidates(self) -> None:
        """Write the kill file and tell the workers; where the disk takes none it is tried on, for those that start."""
        try:
            set_kill(self.plan.data, reason="SIGUSR2", now=clock.wall())
            self._kill_is_unwritten = False
        except OSError as error:
            self._kill_is_unwritten = True
            if self.log.is_news("kill.not_written", str(error)):
                self.log.alarm("kill.not_written", reason=str(error))
        for slot in self.workers:
            for child in slot.processes():
                child.send(signal.SIGUSR2)  # they act on it even if the file could not be written

    # Processes ----------------------------------------------------------------------------------------------------

    def _tell_problems(self) -> None:
        for problem in self.plan.problems():
            self.log.alarm("upstream.no_background_key", reason=problem, hint="mend the file and reload")

    def _fill_control(self) -> None:
        self._tell_problems()
        for name, program in self.plan.control().items():
            self._add_control(name, program)
        self._forget_readers()

    def _forget_readers(self) -> None:
        try:
            cursors.keep_only(self.plan.data.readers, self.control)
        except OSError as error:
            self.log.notice("readers.not_forgotten", reason=str(error))

    def _add_control(self, name: str, program: Program) -> None:
        slot = Slot(
            name, partial(self._spawn, name, program), self._group, self.log, clock.monotonic, drain_s=CONTROL_STOP_S,
            longest_pause_s=CONTROL_PAUSE_S, turns=self._turns, changed=self.tell,
        )  # fmt: skip
        self.control[name] = slot
        self._group.create_task(slot.keep())

    def _add_worker(self, plan: Programs, sock: socket.socket) -> Slot:
        index = len(self.workers)
        slot = Slot(
            f"worker-{index}", self._worker_launch(index, plan, sock), self._group, self.log, clock.monotonic,
            drain_s=plan.settings.server.drain + KILL_AFTER_DRAIN_S, changed=self.tell,
        )  # fmt: skip
        self.workers.append(slot)
        return slot

    def _worker_launch(self, index: int, plan: Programs, sock: socket.socket) -> Launch:
        generation = self._generations.newest

        def launch() -> Child:
            name = f"w{index}-{round(clock.wall() * 1000)}"
            live = self.gauges.begin(name, plan.data.live(name))
            if live != plan.data.live(name):
                hint = "make room on the disk of the data directory, or let it be written again"
                self.log.alarm("counters.in_memory", process=name, hint=hint)
            try:
                child = self._spawn(name, plan.worker(name, [sock.fileno()], live))
            except BaseException:  # a worker that never was has no gauges; it is raised again
                self.gauges.end(name)
                raise
            self._generations.note(generation, child.pid, child.exited)
            child.exited.add_done_callback(lambda _: self.gauges.end(name))
            return child

        return launch

    def _spawn(self, name: str, program: Program) -> Child:
        child = spawn(name, program)
        self._children.add(child)
        child.exited.add_done_callback(lambda _: self._children.discard(child))
        return child

    # Reload -------------------------------------------------------------------------------------------------------

    async def _replace_all(self) -> str | None:
        """Every process anew, with the settings as they are now. Returns why not, or None.

        All that can be refused is prepared beside what runs, and only when all of it is there does it take over: a
        reload that is refused has changed nothing.
        """
        try:
            plan = self.read_again()
            plan.check()
            where = plan.settings.server.listen
            sock = self._socket if where == self.plan.settings.server.listen else listen(where)
        except SettingsError as found:
            return found.brief
        except (DataDirError, BindError, BootTooLargeError) as found:
            return str(found)
        except Exception as found:  # noqa: BLE001 -- the fence "reload": what runs does not end for what is to come
            return f"{type(found).__name__}, which no settings should cause: please report it"
        change, error = None, None
        try:
            change = await self._admin.prepare(plan)
            error = await self._prepare_workers(plan, sock)
        except (BindError, OSError) as found:  # an OSError: no descriptor is free
            error = str(found)
        if error is None and change is not None:
            await self._switch(plan, sock, change)
            return None
        if change is not None:
            self._admin.give_up(change)
        if sock is not self._socket:
            sock.close()
        return error

    async def _prepare_workers(self, plan: Programs, sock: socket.socket) -> str | None:
        """A successor for each worker, and workers for new slots. Returns why not, with all as before, or None."""
        before = len(self.workers)
        self._generations.begin()
        for index in range(plan.settings.server.workers):
            slot = self.workers[index] if index < before else self._add_worker(plan, sock)
            if not await slot.prepare(self._worker_launch(index, plan, sock)):
                for prepared in self.workers:
                    prepared.give_up()
                del self.workers[before:]
                return f"{slot.name} did not come up with the new settings; its own lines above say why"
        self._new_from = before
        return None

    async def _switch(self, plan: Programs, sock: socket.socket, change: AdminChange) -> None:
        """From here on there is no way back, and nothing that could fail."""
        await self._admin.switch(change)
        self._generations.switch()
        wanted = plan.settings.server.workers
        for index, slot in enumerate(self.workers[:wanted]):
            slot.switch(plan.settings.server.drain + KILL_AFTER_DRAIN_S)
            if index >= self._new_from:
                self._group.create_task(slot.keep())
        for slot in self.workers[wanted:]:
            self._group.create_task(slot.stop(self.plan.settings.server.drain + KILL_AFTER_DRAIN_S))
        del self.workers[wanted:]
        if sock is not self._socket:
            self._socket.close()
        self.plan, self._socket = plan, sock
        self._tell_problems()
        await self._replace_control(plan)

    async def _replace_control(self, plan: Programs) -> None:
        programs = plan.control()
        for name in self.control.keys() - programs.keys():
            self._group.create_task(self._retire(self.control.pop(name)))
        async with asyncio.TaskGroup() as group:
            for name, program in programs.items():
                slot = self.control.get(name)
                if slot is None:
                    self._add_control(name, program)
                else:
                    group.create_task(slot.replace(partial(self._spawn, name, program)))

    async def _retire(self, slot: Slot) -> None:
        """End a process of the control plane that is not wanted any more, and what holds for it."""
        await slot.stop(CONTROL_STOP_S)
        with contextlib.suppress(OSError):  # on a disk that takes no change it stands there, and grows old
            self.plan.data.exposition(slot.name).unlink(missing_ok=True)
        self._forget_readers()

    # What it says -------------------------------------------------------------------------------------------------

    def _pages(self) -> dict[str, Page]:
        return {"/healthz": lambda: health(self.version), "/readyz": self._readiness, "/metrics": self._metrics}

    def _alive(self) -> list[str]:
        """Names of the workers that serve."""
        serving = [slot.current for slot in self.workers if slot.current and not slot.hangs]
        return [child.name for child in serving if not child.exited.done()]

    def _readiness(self) -> FrontAnswer:
        has_table = self.plan.data.routing.exists()
        return readiness(workers=len(self._alive()), stopping=self.stopping, has_table=has_table)

    def _metrics(self) -> FrontAnswer:
        alive = self.gauges.snapshots(self._alive())
        table = routing_table(self.plan.data.routing)
        found = samples(self.gauges.totals(), alive, now=clock.wall(), table=table)
        found.append(Sample(f"{PREFIX}build_info", 1, (self.version,)))
        found += [
            Sample(f"{PREFIX}process_restarts_total", slot.restarts, (slot.name,))
            for slot in (*self.workers, *self.control.values())
        ]
        parts = {str(owner): self.plan.data.exposition(owner) for owner in EXPOSED if owner in self.control}
        return metrics([*found, *exposed_ages(parts, clock.wall())], parts.values())

    def _note_reload(self, waits_for: tuple[int, ...] = (), error: str | None = None) -> None:
        self._reload = ReloadStatus(clock.wall(), error, waits_for)
        self.tell()

    def _status(self) -> SupervisorStatus:
        """Who runs here."""
        return SupervisorStatus(
            pid=os.getpid(),
            version=self.version,
            started_at=self._started_at,
            listen=str(self.plan.settings.server.listen),
            admin=str(self.plan.settings.server.admin),
            stopping=self.stopping,
            processes=tuple(slot.status for slot in (*self.workers, *self.control.values())),
            reload=self._reload,
        )

    def tell(self) -> None:
        """Write what `status` shows: who runs here."""
        try:
            replace(self.plan.data.supervisor_status, msgspec.json.encode(self._status()))
        except OSError as error:
            if self.log.is_news("status.not_written", str(error)):
                self.log.notice("status.not_written", reason=str(error))
