"""The worker process: `python -m gateway.proxy.app --boot-fd N`, started by the supervisor.

SIGTERM: accept nothing new, tell apps to come back elsewhere with each answer, wait until they have, at most `drain_s`.
SIGINT: the same, but idle connections are closed at once. SIGUSR2: as if the kill file had just been written.
"""

import asyncio
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Any, cast

import uvloop
from msgspec.structs import replace

from gateway import clock
from gateway.log import Log
from gateway.process import read_boot, say_ready, unblock
from gateway.proxy.boot import Boot
from gateway.proxy.file_budget import file_budget, raised_file_limit
from gateway.proxy.table_watch import POLL_S
from gateway.proxy.worker import NoTableError, Worker, WorkerClock
from gateway.transport.client import MAX_IDLE
from gateway.transport.server import AppConnection
from gateway.transport.server_certificate import LOOK_S, NOT_RENEWED, ServerCertificate
from gateway.transport.tls_door import TlsDoor

BACKLOG = 2048


async def serve(boot: Boot, environment: Mapping[str, str], files: int) -> None:
    """Serve until told to stop. `files`: how many may be open.

    Raises:
        NoTableError: there is nothing to serve from.
    """
    loop = asyncio.get_running_loop()
    stop, hurry = asyncio.Event(), asyncio.Event()
    budget = file_budget(files, boot.limits, idle=MAX_IDLE)
    if budget.apps < boot.limits.connections:
        hint = "let it open more files (ulimit -n, LimitNOFILE=), or lower `limits.connections`"
        Log(boot.worker).notice("files.few", files=files, connections=budget.apps, hint=hint)
    boot = replace(boot, limits=replace(boot.limits, connections=budget.apps))
    async with asyncio.TaskGroup() as tasks:
        worker = Worker(
            boot, WorkerClock(clock.monotonic, clock.wall, loop.call_soon), tasks=tasks, environment=environment,
            upstream_connections=budget.upstreams,
        )  # fmt: skip
        loop.set_exception_handler(lambda _, told: worker.met_own_error("loop", told.get("exception")))
        listening = [socket.socket(fileno=fd) for fd in boot.listen_fds]
        certificate = None
        if boot.tls_cert is not None:
            certificate = ServerCertificate(boot.tls_cert, boot.tls_key or boot.tls_cert, alpn=("http/1.1",))
        door = TlsDoor(worker, certificate) if certificate is not None else None
        servers, accepting = list[asyncio.Server](), list[asyncio.Task[None]]()
        for sock in listening:
            if door is None:
                servers.append(
                    await loop.create_server(lambda: cast(Any, AppConnection(worker)), sock=sock, backlog=BACKLOG)
                )
            else:
                accepting.append(tasks.create_task(door.accept(sock, BACKLOG)))
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        loop.add_signal_handler(signal.SIGINT, lambda: (stop.set(), hurry.set()))
        loop.add_signal_handler(signal.SIGUSR2, worker.kill)
        unblock(signal.SIGUSR2)
        endless = [tasks.create_task(_tick(worker))]
        if certificate is not None:
            endless.append(tasks.create_task(_follow(certificate, Log(boot.worker))))
        say_ready(boot.ready_fd)
        await stop.wait()
        for server in servers:
            server.close()
        for task in accepting:
            task.cancel()
        await _drain(worker, hurry, drain_s=boot.drain_s)
        if door is not None:
            await door.close()
        for task in endless:
            task.cancel()
        worker.close()


async def _tick(worker: Worker) -> None:
    while True:
        worker.tick()
        await asyncio.sleep(POLL_S)


async def _follow(certificate: ServerCertificate, log: Log) -> None:
    """Show the port's certificate as it stands in its files, and tell when that changes."""
    while True:
        await asyncio.sleep(LOOK_S)
        if certificate.renew():
            log.notice("tls.renewed")
        elif problem := certificate.news():
            log.alarm("tls.not_renewed", reason=problem, hint=NOT_RENEWED)


async def _drain(worker: Worker, hurry: asyncio.Event, *, drain_s: float) -> None:
    """Wait until nobody is connected, at most `drain_s`; once hurried, idle connections are closed."""
    worker.drain()
    until_s = clock.monotonic() + drain_s
    await asyncio.sleep(POLL_S / 4)  # who was just accepted is not among the connections yet
    while not worker.idle() and clock.monotonic() < until_s:
        if hurry.is_set():
            worker.close_idle()
        await asyncio.sleep(POLL_S / 4)


def main() -> int:
    """Run the worker; 1 if there was nothing to serve from."""
    boot = read_boot(None, Boot)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold prompts and keys
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # a request leaves no cycles: look for them rarely
    code = 0
    try:
        uvloop.run(serve(boot, dict(os.environ), raised_file_limit()))
    except* NoTableError as errors:
        sys.stderr.write(f"worker {boot.worker}: {errors.exceptions[0]}\n")
        code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
