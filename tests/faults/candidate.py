"""A candidate in every state but the good one, as a process behind a port that is always the same.

python -m tests.faults.candidate PORT STATE
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from gateway import clock
from tests.fakes.faults import Fault
from tests.fakes.openai_answers import Speaker
from tests.fakes.raw_upstream import Call, RawUpstream
from tests.fakes.upstream import FakeUpstream

HEALTHY = "healthy"
UP_S = 120.0
GIGABYTE = 1 << 30
PIECE = b"x" * 65_536


async def _be(port: int, fault: Fault) -> None:
    async with FakeUpstream(Speaker("tuned", vllm=True), port, require_key=False, fault=fault):
        await asyncio.Event().wait()


async def _answer_at_length(port: int) -> None:
    """One answer of a gigabyte."""

    async def script(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % GIGABYTE)
        for _ in range(GIGABYTE // len(PIECE)):
            await call.send(PIECE)

    async with RawUpstream(script, port=port, keep_calls=False):
        await asyncio.Event().wait()


async def _accept_nobody(port: int) -> None:
    """A queue that is full: the handshake of whoever comes next is never finished."""
    with socket.create_server(("127.0.0.1", port), backlog=0):
        waiting = [socket.create_connection(("127.0.0.1", port))]  # it takes the only place
        await asyncio.Event().wait()
        waiting.clear()


STATES: Mapping[str, Callable[[int], Awaitable[None]]] = {
    HEALTHY: lambda port: _be(port, Fault(gap_s=0.001)),
    "hung": lambda port: _be(port, Fault(before="hang")),
    "slow": lambda port: _be(port, Fault(delay_s=1.0, gap_s=0.2)),
    "failing": lambda port: _be(port, Fault(status=500)),
    "endless": lambda port: _be(port, Fault(endless=True)),
    "garbage": lambda port: _be(port, Fault(before="garbage")),
    "huge": _answer_at_length,
    "black-holed": _accept_nobody,
}


@dataclass(slots=True)
class Candidate:
    """The process that is the candidate now."""

    port: int
    state: str = "dead"
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def become(self, state: str) -> None:
        """Be in that state from now on; `dead`: nobody listens, `stopped`: as it is, by SIGSTOP."""
        if state == self.state:
            return
        if state == "stopped" and self.process is not None:
            self.process.send_signal(signal.SIGSTOP)
            self.state = state
            return
        self.end()
        self.state = state
        if state == "dead":
            return
        self.process = subprocess.Popen([sys.executable, "-m", "tests.faults.candidate", str(self.port), state])
        if state == "black-holed":
            return
        self._await_port()
        # A candidate is another machine: what it burns here shall be nobody else's loss. Not from its start, though: on
        # a full machine it would not come up in minutes.
        os.setpriority(os.PRIO_PROCESS, self.process.pid, 19)

    def end(self) -> None:
        """Die."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        self.state = "dead"

    def _await_port(self) -> None:
        until = clock.monotonic() + UP_S
        while clock.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
            except OSError:
                continue
            return
        raise TimeoutError(f"no candidate on port {self.port}")


if __name__ == "__main__":
    asyncio.run(STATES[sys.argv[2]](int(sys.argv[1])))  # type: ignore[arg-type]
