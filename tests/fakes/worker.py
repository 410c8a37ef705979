"""A worker that answers every request by itself: the stand-in for `gateway.proxy.app`, with its contract.

    python -m tests.fakes.worker --boot-fd N

Answers `{"worker": ..., "pid": ...}`; `/held` once there is a file `let-go`; `/exit` ends the process. A file
`fake-worker` makes it die before it is ready (`broken`; `broken w1`: that one alone) or never get ready (`hang`). Both
are looked for in its working directory.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

from gateway import clock
from gateway.process import read_boot, unblock
from gateway.proxy.boot import Boot
from gateway.proxy.counters import INDEX, Live

LOOK_S = 0.01
BEAT_S = 0.2


class FakeWorker:
    """Answers requests over kept connections until it drains."""

    def __init__(self, boot: Boot) -> None:
        self.boot = boot
        self.live = Live(Path(boot.live), create=True).values
        self.draining = False
        self.writers: set[asyncio.StreamWriter] = set()
        self.empty = asyncio.Event()
        self.empty.set()
        self.live[INDEX["started_at"]] = int(clock.wall())
        self.live[INDEX["table_seen_at"]] = int(clock.wall())

    def kill(self) -> None:
        """Act as if the kill file had been seen."""
        self.live[INDEX["killed"]] = 1

    def beat(self) -> None:
        """Show the supervisor that the loop turns, from now on."""
        self.live[INDEX["beats"]] += 1
        asyncio.get_running_loop().call_later(BEAT_S, self.beat)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.writers.add(writer)
        self.empty.clear()
        try:
            while await self.answer(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            self.writers.discard(writer)
            if not self.writers:
                self.empty.set()
            writer.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection is kept."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.live[INDEX["requests"]] += 1
        self.live[INDEX["in_flight"]] += 1
        path = head.split(b" ", 2)[1]
        if path == b"/exit":
            os._exit(3)
        while path == b"/held" and not is_let_go():  # noqa: ASYNC110 -- it is in the test's hands, another process
            await asyncio.sleep(LOOK_S)
        body = json.dumps({"worker": self.boot.worker, "pid": os.getpid()}).encode()
        close = b"connection: close\r\n" if self.draining else b""
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%b\r\n%b" % (len(body), close, body))
        await writer.drain()
        self.live[INDEX["in_flight"]] -= 1
        self.live[INDEX["responses_2xx"]] += 1
        return not self.draining


def is_let_go() -> bool:
    """Whether what was held may be answered."""
    return Path("let-go").exists()


def mode() -> str:
    """How it is to misbehave."""
    path = Path("fake-worker")
    return path.read_text("utf-8").strip() if path.exists() else ""


async def run(boot: Boot) -> None:
    """Serve until SIGTERM, then finish what there is."""
    worker, stop, loop = FakeWorker(boot), asyncio.Event(), asyncio.get_running_loop()
    servers = [await asyncio.start_server(worker.serve, sock=socket.socket(fileno=fd)) for fd in boot.listen_fds]
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGUSR2, worker.kill)
    unblock(signal.SIGUSR2)
    worker.beat()
    if mode() != "hang":
        os.write(boot.ready_fd, b"1")
        os.close(boot.ready_fd)
    await stop.wait()
    worker.draining = True
    worker.live[INDEX["draining"]] = 1
    for server in servers:
        server.close()
    await asyncio.sleep(0.5)  # what was accepted and has not got its reader yet
    async with asyncio.timeout(boot.drain_s):
        await worker.empty.wait()


def main() -> int:
    """Run it as the supervisor starts it."""
    boot = read_boot(None, Boot)
    if mode() in ("broken", f"broken {boot.worker.partition('-')[0]}"):
        return 1
    asyncio.run(run(boot))
    return 0


if __name__ == "__main__":
    sys.exit(main())
