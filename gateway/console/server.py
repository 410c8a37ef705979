"""The admin process, API and console: `python -m gateway.console.server --boot-fd N`, behind the supervisor's front."""

import importlib.metadata
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from gateway import clock
from gateway.admin.api import Pages, create_app
from gateway.admin.auth import Door
from gateway.admin.boot import AdminBoot
from gateway.admin.queries import KeptAnswers, RecordQueries
from gateway.admin.rollouts import Operations
from gateway.console.app import add_console
from gateway.control.operations.orders import OrderClock
from gateway.log import Log
from gateway.node.datadir import DataDir
from gateway.process import read_boot, say_ready
from records.durable import DAMAGE_HINT
from records.store import Store

CONCURRENCY = 64


class ReadyServer(uvicorn.Server):
    """Says when it serves."""

    def __init__(self, config: uvicorn.Config, ready_fd: int) -> None:
        super().__init__(config)
        self._ready_fd = ready_fd

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and report it to the supervisor."""
        await super().startup(sockets)
        say_ready(self._ready_fd)


def listen(path: Path) -> socket.socket:
    """A Unix socket at `path`, for this user only; what an earlier process left there is taken away."""
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o077)
    try:
        sock.bind(str(path))
    finally:
        os.umask(before)
    return sock


def serve(boot: AdminBoot) -> None:
    """Serve until SIGTERM."""
    version = importlib.metadata.version("crossfade")
    data = DataDir(Path(boot.data))
    waits = OrderClock(clock.wall, clock.monotonic, time.sleep)  # in a thread of its own, for one request
    operations = Operations(data, boot.state, waits, version)
    log = Log("admin")

    def tell_of_damage(path: str) -> None:
        log.alarm("records.file_set_aside", file=path, hint=DAMAGE_HINT)

    queries = RecordQueries(Store(data.records, tell_of_damage), kept=KeptAnswers(clock.wall))
    pages = Pages(data, operations, queries, boot.readiness)
    door = Door(boot.token_sha256, boot.viewer_sha256)
    app = create_app(pages, door, version=version)
    add_console(app, pages, door, is_secure=boot.tls)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        limit_concurrency=CONCURRENCY,
        timeout_graceful_shutdown=5,
        server_header=False,
    )
    ReadyServer(config, boot.ready_fd).run(sockets=[listen(Path(boot.socket))])


def main(argv: Sequence[str] | None = None) -> int:
    """Run the admin process as the supervisor starts it."""
    serve(read_boot(argv, AdminBoot))
    return 0


if __name__ == "__main__":
    sys.exit(main())
