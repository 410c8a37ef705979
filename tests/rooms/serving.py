"""A whole `crossfade serve`, started as a person starts it, for tests that kill parts of it.

with Serving(tmp_path) as serving:
    serving.await_ready()
    serving.process.send_signal(signal.SIGHUP)
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

from gateway.supervisor.child import die_with_parent
from tests.rooms.waiting import NO_TLS, PATIENCE_S, await_true

ROOT = Path(__file__).parents[2]
FAKE_WORKER = "tests.fakes.worker"
REAL = ""


_CLAIMS: list[socket.socket] = []


def free_port() -> int:
    """A port that this process alone gives out, for whoever is told of it to listen on.

    It stays bound here, without listening, until the tests end: nobody who asks for any port gets this one, whatever
    runs beside. Linux lets one more socket be bound to it if both say SO_REUSEADDR, which all our servers do.
    """
    claim = socket.socket()
    claim.bind(("127.0.0.1", 0))  # alone, and only then shared
    claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _CLAIMS.append(claim)
    return int(claim.getsockname()[1])


@dataclass(slots=True)
class Serving:
    """One supervisor over one data directory."""

    directory: Path
    settings: str = ""
    """Lines of crossfade.yaml besides the ports."""
    worker: str = FAKE_WORKER
    """REAL: the command `crossfade serve` itself, with nothing in its place."""
    workers: int = 1
    port: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def command(self) -> list[str]:
        """What starts it, in its directory."""
        program = ["tests.fakes.serve", self.worker] if self.worker else ["gateway.cli.main", "serve"]
        return [sys.executable, "-m", *program, "--config", "crossfade.yaml"]

    @property
    def environment(self) -> dict[str, str]:
        """What it is started with."""
        return os.environ | {"PYTHONPATH": str(ROOT)}

    def __enter__(self) -> Self:
        self.write_settings()
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 -- a test run that is killed leaves nothing behind
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stop it. That it does not stop is a failure of the test, unless that has failed already."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            assert kind is not None, f"told to stop, it went on for {PATIENCE_S:g} s"

    def write_settings(self) -> None:
        """Write crossfade.yaml as it is to be now."""
        server = f"{{listen: 127.0.0.1:{self.port}, admin: 127.0.0.1:{self.admin_port}, workers: {self.workers}}}"
        (self.directory / "crossfade.yaml").write_text(f"server: {server}\n{self.settings}\n", "utf-8")

    @property
    def log_path(self) -> Path:
        """What the processes wrote."""
        return self.directory / "log.jsonl"

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.directory / "crossfade-data"

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log lines of one event."""
        lines = [json.loads(line) for line in self.log_path.read_text("utf-8").splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def admin(self, path: str) -> httpx.Response:
        """Ask the admin port."""
        return httpx.get(f"http://127.0.0.1:{self.admin_port}{path}", timeout=PATIENCE_S, verify=NO_TLS)

    def await_metric(self, line: str) -> None:
        """Wait until `/metrics` has these words: each process writes its own once a second, after it has acted."""
        await_true(lambda: line in self.admin("/metrics").text, f"/metrics has {line}")

    def is_ready(self) -> bool:
        """Whether `/readyz` says so."""
        with contextlib.suppress(httpx.TransportError):
            return self.admin("/readyz").status_code == 200
        return False

    def await_ready(self, workers: int | None = None) -> None:
        """Wait until as many workers serve as there should be."""
        wanted = self.workers if workers is None else workers
        await_true(lambda: self.is_ready() and self.admin("/readyz").json()["workers"] == wanted, "ready")

    def await_control(self) -> None:
        """Wait until the control plane is there as well."""
        await_true(lambda: all(each["pid"] for each in self.status()["processes"]), "the control plane")

    def status(self) -> dict[str, Any]:
        """What the supervisor says of itself."""
        return json.loads((self.data / "run" / "supervisor.json").read_bytes())

    def pid_of(self, slot: str) -> int | None:
        """The process that fills a slot."""
        return next(each["pid"] for each in self.status()["processes"] if each["slot"] == slot)

    def crossfade(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run another command of the command line over the same directory."""
        command = [sys.executable, "-m", "gateway.cli.main", *words]
        return subprocess.run(  # noqa: PLW1510 -- its exit status is what tests look at
            command, cwd=self.directory, env=self.environment, capture_output=True, text=True, timeout=PATIENCE_S
        )

    def ask(self, path: str = "/v1/models") -> int:
        """One request over a connection of its own; the pid of the fake worker that answered."""
        return int(httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE_S, verify=NO_TLS).json()["pid"])


@dataclass(slots=True)
class Load:
    """Requests over and over, each on a new connection or all on kept ones, and what became of them."""

    port: int
    keep_alive: bool
    threads: int = 4
    answered: int = 0
    failures: list[str] = field(default_factory=list[str])
    _stop: threading.Event = field(default_factory=threading.Event)

    def _run(self) -> None:
        connection: http.client.HTTPConnection | None = None
        response: http.client.HTTPResponse | None = None
        while not self._stop.is_set():
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
                    connection.connect()
                connection.request("GET", "/v1/models")
                response = connection.getresponse()
                response.read()
                assert response.status == 200
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.failures.append(repr(error))
                for broken in (response, connection):
                    if broken is not None:
                        broken.close()
                response = connection = None
                continue
            self.answered += 1
            if not self.keep_alive or response.will_close:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()


@contextlib.contextmanager
def load(port: int, *, keep_alive: bool, threads: int = 4) -> Iterator[Load]:
    """Load while this lasts; its counts are final afterwards."""
    running = Load(port, keep_alive, threads)
    started = [threading.Thread(target=running._run, daemon=True) for _ in range(threads)]
    for thread in started:
        thread.start()
    try:
        yield running
    finally:
        running._stop.set()
        for thread in started:
            thread.join(PATIENCE_S)


@dataclass(slots=True)
class One:
    """What became of one request."""

    status: int = 0
    error: str = ""


@contextlib.contextmanager
def asking(port: int, path: str) -> Iterator[One]:
    """One request under way while this lasts; its end is waited for."""
    one = One()

    def ask() -> None:
        try:
            one.status = httpx.get(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S, verify=NO_TLS).status_code
        except httpx.TransportError as error:
            one.error = repr(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield one
    finally:
        thread.join(PATIENCE_S)
