"""A real worker, started as the supervisor starts one: a table and a journal on disk, inherited sockets, a boot pipe.

    with Gateway(tmp_path, table_for("http://127.0.0.1:9001/v1")) as gateway:
        httpx.post(f"{gateway.base_url}/chat/completions", ...)
        gateway.worker.stop()
        assert gateway.journal().exchanges[0].meta.status == 200

The listening socket belongs to the `Gateway`, so that workers can be killed and started again behind one port.
"""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import msgspec

from gateway import clock
from gateway.proxy.boot import Boot
from gateway.proxy.counters import Live
from gateway.transport.limits import Limits
from policies.routing import Lease, Route, Table, Upstream, encode
from records.exchange import Exchange, FeedbackFrame, Gap
from records.journal.frames import segment_path
from records.journal.reader import Assembler, Found, SegmentReader, is_alive, segments, workers
from tests.rooms.waiting import NO_TLS, PATIENCE_S

JOURNAL_KEY = bytes(range(32))
PEPPER = bytes(reversed(range(32)))
START_S = PATIENCE_S
STOP_S = PATIENCE_S
_TICK_S = os.sysconf("SC_CLK_TCK")


def table_for(base_url: str, *routes: Route, upstreams: tuple[Upstream, ...] = (), version: int = 1) -> Table:
    """A table whose default upstream `openai` is at `base_url`, with a lease that outlasts any test."""
    lease = Lease(renewed_at=clock.wall(), hold_s=86_400.0, grace_s=86_400.0)
    default = Upstream("openai", base_url, max_connections=4096)
    return Table(version, lease, (default, *upstreams), "openai", routes=routes)


@dataclass(frozen=True, slots=True)
class Journal:
    """All that stands in the journals of a gateway's workers, dead ones included."""

    exchanges: list[Exchange]
    feedback: list[FeedbackFrame]
    gaps: list[Gap]
    under_way: list[Exchange]
    """Begun and not ended, of workers that live."""
    damaged: int


def read_journal(directory: Path, key: bytes = JOURNAL_KEY) -> Journal:
    """Read every worker's segments from their beginning."""
    journal = Journal([], [], [], [], 0)
    damaged = 0
    for worker in workers(directory):
        alive, assembler = is_alive(worker), Assembler()
        for number in segments(worker):
            reader = SegmentReader(segment_path(worker, number), key)
            for frame in reader.frames():
                for found in assembler.feed(frame):
                    _keep(journal, found)
            damaged += reader.damaged
        (journal.under_way if alive else journal.exchanges).extend(assembler.lost_worker())
    return Journal(journal.exchanges, journal.feedback, journal.gaps, journal.under_way, damaged)


def _keep(journal: Journal, found: Found) -> None:
    match found:
        case Exchange():
            journal.exchanges.append(found)
        case FeedbackFrame():
            journal.feedback.append(found)
        case Gap():
            journal.gaps.append(found)
        case _:
            raise AssertionError("no worker of the data plane writes notes")


@dataclass(slots=True)
class Worker:
    """One worker process."""

    name: str
    process: subprocess.Popen[bytes]
    live_path: Path
    log_path: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def live(self) -> dict[str, int]:
        """Its live counters and gauges, by name."""
        live = Live(self.live_path, create=False)
        try:
            return live.snapshot()
        finally:
            live.close()

    def log(self) -> str:
        """What it wrote to stdout and stderr."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def rss_bytes(self) -> int:
        """Its resident memory."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu_s(self) -> float:
        """User and system time it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK_S

    def sockets(self) -> int:
        """How many sockets it holds."""
        return sum(1 for target in self._fd_targets() if target.startswith("socket:"))

    def open_fds(self) -> int:
        """How many file descriptors it holds."""
        return sum(1 for _ in self._fd_targets())

    def _fd_targets(self) -> Iterator[str]:
        for entry in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                yield str(entry.readlink())

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.process.kill()
        self.process.wait()

    def stop(self, deadline_s: float = STOP_S) -> int:
        """SIGTERM; its exit status, or that of the SIGKILL that followed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(deadline_s)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.wait()


@dataclass(slots=True)
class Gateway:
    """A data plane without a control plane: this harness writes the table, holds the socket and reads the journal."""

    directory: Path
    table: Table
    limits: Limits = field(default_factory=Limits)
    options: dict[str, object] = field(default_factory=dict[str, object])
    """Other fields of `gateway.proxy.boot.Boot`."""
    command: tuple[str, ...] = (sys.executable, "-m", "gateway.proxy.app")
    journal_path: Path = field(default=Path())
    """Default: in `directory`."""
    workers: list[Worker] = field(init=False, default_factory=list[Worker])
    """In order of their start; the last is the newest."""
    _socket: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        if self.journal_path == Path():
            self.journal_path = self.directory / "journal"
        self.journal_path.mkdir(exist_ok=True)
        self.publish(self.table)
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=4096)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return int(self._socket.getsockname()[1])

    @property
    def base_url(self) -> str:
        """What an app sets as OPENAI_BASE_URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def worker(self) -> Worker:
        """The newest worker."""
        return self.workers[-1]

    @property
    def kill_path(self) -> Path:
        """The kill file: touch it, and only the baseline answers."""
        return self.directory / "KILL"

    def publish(self, table: Table) -> None:
        """Replace the routing table, atomically."""
        self.table = table
        fresh = self.directory / "routing.json.new"
        fresh.write_bytes(encode(table))
        fresh.chmod(0o600)
        fresh.replace(self.directory / "routing.json")

    def start(self) -> Worker:
        """Start one more worker on the same socket; returns when it serves.

        Raises:
            RuntimeError: it did not come up; its log is in the message.
        """
        name = f"w{len(self.workers)}"
        ready_r, ready_w = os.pipe()
        boot_r, boot_w = os.pipe()
        live, log = self.directory / f"{name}.live", self.directory / f"{name}.log"
        os.write(boot_w, msgspec.json.encode(self._boot(name, live, ready_w)))
        os.close(boot_w)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*self.command, "--boot-fd", str(boot_r)],
                pass_fds=(boot_r, ready_w, self._socket.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        os.close(boot_r)
        os.close(ready_w)
        worker = Worker(name, process, live, log)
        self.workers.append(worker)
        try:
            self._await_ready(worker, ready_r)
        finally:
            os.close(ready_r)
        return worker

    def _boot(self, name: str, live: Path, ready_fd: int) -> Boot:
        fields: dict[str, object] = {
            "worker": name,
            "listen_fds": [self._socket.fileno()],
            "routing": str(self.directory / "routing.json"),
            "kill": str(self.kill_path),
            "journal": str(self.journal_path),
            "journal_key": JOURNAL_KEY.hex(),
            "pepper": PEPPER.hex(),
            "live": str(live),
            "ready_fd": ready_fd,
            "limits": self.limits,
            "drain_s": STOP_S / 2,
        }
        return Boot(**(fields | self.options))  # pyright: ignore[reportArgumentType] -- checked by the worker

    @staticmethod
    def _await_ready(worker: Worker, ready_r: int) -> None:
        readable, _, _ = select.select([ready_r], [], [], START_S)
        if not readable or not os.read(ready_r, 1):
            worker.stop(1.0)
            raise RuntimeError(f"worker {worker.name} did not become ready:\n{worker.log()}")

    def client(self, timeout_s: float = PATIENCE_S) -> httpx.Client:
        """A plain HTTP client of this gateway; close it."""
        return httpx.Client(base_url=self.base_url, timeout=timeout_s, trust_env=False, verify=NO_TLS)

    def journal(self) -> Journal:
        """What is in the journal now."""
        return read_journal(self.journal_path)

    def stop(self) -> None:
        """Stop all workers and let go of the port."""
        for worker in self.workers:
            worker.stop()
        self._socket.close()
