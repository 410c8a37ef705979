"""One child process: started with what it may know on a pipe, awaited without threads, and dead when we are."""

import asyncio
import contextlib
import ctypes
import fcntl
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.process import ORDER_SIGNALS

BOOT_BYTES = 1024 * 1024
"""What may be handed to a child; the pipe holds it whole, so that handing it over never waits for the child."""
DEFAULT_PIPE_BYTES = 64 * 1024
_PR_SET_PDEATHSIG = 1
_AUTOGROUP_TRIES, _AUTOGROUP_S = 4, 0.11
"""Who is not root may write one autogroup of the machine in a tenth of a second."""


class BootTooLargeError(Exception):
    """The settings do not fit through the pipe."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to start: a module with the contract of `gateway.proxy.boot`."""

    module: str
    boot: Callable[[int], bytes]
    """The bytes for the boot pipe, given the number of the descriptor the child reports ready on."""
    fds: tuple[int, ...] = ()
    """Descriptors it inherits besides its pipes."""
    environment: Mapping[str, str] | None = None
    nice: int = 0
    """How far it stands back for others on the processor, once it is ready: one that comes up holds others up."""


@dataclass(slots=True, eq=False)
class Child:
    """A process of ours, from its start to its end."""

    name: str
    process: subprocess.Popen[bytes]
    nice: int
    """How far it stands back on the processor once it is ready."""
    exited: asyncio.Future[int]
    """Its exit status: what `subprocess` calls the return code, negative for a signal."""
    _ready: asyncio.Future[bool]
    _ready_fd: int = field(repr=False)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    async def ready(self, within_s: float) -> bool:
        """Whether it reports ready in time; False as soon as it cannot any more."""
        try:
            async with asyncio.timeout(within_s):
                return await asyncio.shield(self._ready)
        except TimeoutError:
            return self._ready.done() and self._ready.result()  # a late loop sees the word and the deadline at once

    @property
    def may_get_ready(self) -> bool:
        """Whether it may still report ready: it lives, and has not closed its pipe without a word."""
        return not self._ready.done()

    def cpu_s(self) -> float | None:
        """The processor time it has had; None where the kernel does not say, or there is no such process any more."""
        fields = _stat(Path(f"/proc/{self.pid}/stat"))
        return None if fields is None else _cpu_s(fields)

    def main_thread(self) -> tuple[str, float] | None:
        """What its first thread does, in the kernel's letter, and the processor time that it has had.

        `R` runs, or waits for a core. None where the kernel does not say.
        """
        fields = _stat(Path(f"/proc/{self.pid}/task/{self.pid}/stat"))
        return None if fields is None else (fields[0].decode("ascii"), _cpu_s(fields))

    async def stand_back(self) -> None:
        """Leave the processor to others, every thread of it, as far as its program says beyond where we stand.

        Each child is a session of its own, and where the kernel shares the processor between sessions a process's nice
        counts within its own alone: so its session has our session's place, too, and who starts a gateway ahead of
        others, or behind them, has all of it there. Source: sched(7), "The autogroup feature".
        """
        if self.exited.done():
            return
        if self.nice:
            own = os.getpriority(os.PRIO_PROCESS, 0)
            for thread in _threads(self.pid):
                with contextlib.suppress(OSError):  # it has ended since
                    os.setpriority(os.PRIO_PROCESS, thread, min(19, own + self.nice))
        its = _session_nice(self.pid)
        wanted = min(19, (_session_nice(os.getpid()) or 0) + self.nice)
        if its is None or its == wanted:
            return
        for _ in range(_AUTOGROUP_TRIES):
            try:
                _write(f"/proc/{self.pid}/autogroup", b"%d" % wanted)
            except BlockingIOError:
                await asyncio.sleep(_AUTOGROUP_S)
            except OSError:
                return  # nothing that we may write to
            else:
                return

    def reap(self) -> None:
        """Note its end, if it has come. Called on SIGCHLD."""
        status = self.process.poll()
        if status is not None and not self.exited.done():
            self.exited.set_result(status)
            self._settle(is_ready=False)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it if it still lives; `Popen` knows, so that no other process is ever hit."""
        self.process.send_signal(number)

    async def stop(self, within_s: float, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, and SIGKILL if that takes longer than `within_s`."""
        self.send(how)
        try:
            async with asyncio.timeout(within_s):
                return await asyncio.shield(self.exited)
        except TimeoutError:
            self.send(signal.SIGKILL)
            return await asyncio.shield(self.exited)

    def hear(self) -> None:
        """Read what it reports. Called when its ready pipe has something."""
        with contextlib.suppress(BlockingIOError):
            self._settle(is_ready=bool(os.read(self._ready_fd, 1)))

    def _settle(self, *, is_ready: bool) -> None:
        if self._ready_fd >= 0:
            asyncio.get_running_loop().remove_reader(self._ready_fd)
            os.close(self._ready_fd)
            self._ready_fd = -1
        if not self._ready.done():
            self._ready.set_result(is_ready)


def spawn(name: str, program: Program) -> Child:
    """Start a process. Must be called in the main thread: the kernel ties the child's life to the calling thread.

    Raises:
        BootTooLargeError: what it should be told does not fit the pipe.
        OSError: no process can be had now.
    """
    boot_read, boot_write = os.pipe()
    ready_read, ready_write = os.pipe()
    # An order that comes before a child has its handler, or is not for it, does not end it: see `gateway.process`.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ORDER_SIGNALS)
    try:
        _hand_over(boot_write, program.boot(ready_write))
        process = subprocess.Popen(  # noqa: S603 -- our own interpreter and module
            # -P: whatever lies in the working directory (a user's own `policies`) is never taken for ours.
            [sys.executable, "-P", "-m", "gateway.process", program.module, "--boot-fd", str(boot_read)],
            pass_fds=(boot_read, ready_write, *program.fds),
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),  # stdout is data, and a child has none
            env=None if program.environment is None else dict(program.environment),
            start_new_session=True,  # a Ctrl-C in the terminal is for the supervisor, which drains
            preexec_fn=die_with_parent(),  # noqa: PLW1509 -- the supervisor has no threads
        )
    except BaseException:  # nobody else knows of the pipe yet; it is raised again
        os.close(ready_read)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for fd in (boot_read, boot_write, ready_write):
            os.close(fd)
    loop = asyncio.get_running_loop()
    os.set_blocking(ready_read, False)
    child = Child(name, process, program.nice, loop.create_future(), loop.create_future(), ready_read)
    loop.add_reader(ready_read, child.hear)
    return child


def _hand_over(fd: int, boot: bytes) -> None:
    """Put all of `boot` into the pipe at once.

    Raises:
        BootTooLargeError: it does not fit.
    """
    if sys.platform == "linux" and len(boot) > DEFAULT_PIPE_BYTES:
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, BOOT_BYTES)
    os.set_blocking(fd, False)
    try:
        written = os.write(fd, boot)
    except BlockingIOError:
        written = 0
    if written != len(boot):
        raise BootTooLargeError(f"the settings take {len(boot)} bytes; a process can be handed {BOOT_BYTES}")


def _write(path: str, content: bytes) -> None:
    """Write to one of the kernel's own files, which takes it at once or refuses it."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, content)
    finally:
        os.close(fd)


def _session_nice(pid: int) -> int | None:
    """The place of a process's session; None where the kernel does not share the processor between sessions.

    Also None for one that no session was made for, like the first process of some machines: it stands at 0.
    """
    try:
        return int(Path(f"/proc/{pid}/autogroup").read_bytes().rpartition(b" ")[2])
    except (OSError, ValueError):
        return None


def _threads(pid: int) -> list[int]:
    """A process's threads: the kernel counts niceness by thread. Itself alone, where none are listed."""
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return [pid]


def _stat(path: Path) -> list[bytes] | None:
    """What the kernel says of a process or thread, from its state on; None where it does not.

    Source: proc_pid_stat(5), field 3 and on, behind a name that may hold anything but ends with the last `)`.
    """
    try:
        return path.read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None


def _cpu_s(fields: list[bytes]) -> float:
    """The processor time among them: fields 14 and 15."""
    return (int(fields[11]) + int(fields[12])) * _tick_s()


def _tick_s() -> float:
    """The kernel's unit of processor time in `/proc`."""
    return 1.0 / os.sysconf("SC_CLK_TCK")


def die_with_parent() -> Callable[[], None] | None:
    """Ask the kernel to be killed when our parent dies.

    Source: prctl(2), PR_SET_PDEATHSIG. Linux only: elsewhere an orderly end alone takes the children along.
    """
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)  # it died in between

    return ask


def forbid_core_dumps() -> None:
    """No core dump of this process or of a child: their memory holds keys and prompts."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
