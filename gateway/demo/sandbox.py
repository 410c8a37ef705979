"""A whole gateway of the demo's own, in a folder that goes with it: settings, policies, and `crossfade serve`."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import httpx

from gateway.node.datadir import DataDir
from gateway.supervisor.child import die_with_parent

ROUTE = "tickets"
START_S = 60.0
STOP_S = 15.0
LOG_LINES = 15

SETTINGS = """\
server: {{listen: 127.0.0.1:{port}, admin: 127.0.0.1:{admin}, drain: 2s}}
data: ./data
policies: ./policies
upstreams:
  frontier: {{base_url: "http://127.0.0.1:{frontier}/v1", background_key_file: ./background.key}}
  own: {{base_url: "http://127.0.0.1:{own}/v1"}}
default_upstream: frontier
prices:
  models:
    frontier: {{"*": {{prompt: 2.5, completion: 10}}}}
    own: {{"*": {{prompt: 0.1, completion: 0.4}}}}
"""

POLICY = """\
route: tickets
match: {{model: gpt-4o}}
baseline: {{upstream: frontier}}
candidate: {{upstream: own, model: tickets-1b, revision: {revision}}}
compare: [json_fields]
# Shortened, so that two minutes are enough. Margins, alpha and the least number of units are the defaults.
assign: {{close_after: 1s}}
gates: {{latency: {{ttft_p95: 300ms, warmup: 20}}}}
stages:
  - shadow
  - 10%: {{hold: 3s}}
  - 25%: {{hold: 3s, reverse_shadow: 50%}}
  - 50%: {{hold: 3s, reverse_shadow: 50%}}
  - 100%: {{hold: 3s, reverse_shadow: 50%}}
"""


class HouseError(Exception):
    """The gateway did not come up, or fell; says where its log is."""


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@dataclass(frozen=True, slots=True)
class House:
    """`crossfade serve` in a folder."""

    folder: Path
    port: int
    admin: int
    process: asyncio.subprocess.Process

    @property
    def data(self) -> DataDir:
        """Where it keeps everything."""
        return DataDir(self.folder / "data")

    def deploy(self, revision: str) -> None:
        """Write the policy that names this revision."""
        deploy(self.folder, revision)

    def check(self) -> None:
        """Say so if it is gone.

        Raises:
            HouseError: it is.
        """
        if self.process.returncode is not None:
            lines = (self.folder / "log.jsonl").read_text("utf-8", "replace").splitlines()[-LOG_LINES:]
            raise HouseError("\n".join(["crossfade serve ended; its last lines:", *lines]))

    async def ready(self) -> None:
        """Wait until it serves.

        Raises:
            HouseError: it ended, or took too long.
        """
        try:
            async with asyncio.timeout(START_S), httpx.AsyncClient(trust_env=False, timeout=2.0) as client:
                while True:
                    self.check()
                    with contextlib.suppress(httpx.TransportError):
                        if (await client.get(f"http://127.0.0.1:{self.admin}/readyz")).status_code == 200:
                            return
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise HouseError(f"crossfade serve was not ready after {START_S:.0f} s") from None

    async def end(self) -> None:
        """Stop it, in order if it can be."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(STOP_S):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


def deploy(folder: Path, revision: str) -> None:
    """Write the policy that names this revision, whole or not at all."""
    path = folder / "policies" / f"{ROUTE}.yaml"
    path.with_suffix(".new").write_text(POLICY.format(revision=revision), "utf-8")
    path.with_suffix(".new").rename(path)


@contextlib.asynccontextmanager
async def house(folder: Path, *, frontier: int, own: int) -> AsyncGenerator[House]:
    """A gateway in `folder` between the two model servers at these ports; it is gone when this ends.

    Raises:
        HouseError: it did not come up.
    """
    port, admin = free_port(), free_port()
    (folder / "policies").mkdir()
    (folder / "background.key").write_text("sk-demo-background\n", "utf-8")
    settings = SETTINGS.format(port=port, admin=admin, frontier=frontier, own=own)
    (folder / "crossfade.yaml").write_text(settings, "utf-8")
    deploy(folder, "r1")
    with (folder / "log.jsonl").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.cli.main", "serve", "--config", "crossfade.yaml"),
            cwd=folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a Ctrl-C in the terminal is for the demo, which ends it in order
            preexec_fn=die_with_parent(),
        )
    started = House(folder, port, admin, process)
    try:
        await started.ready()
        yield started
    finally:
        await started.end()
