"""A whole gateway of the demo's own, in a folder that goes with it: settings, policies, and `crossfade serve`."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec

from gateway.node import supervisor_status
from gateway.node.datadir import DataDir
from gateway.supervisor.child import die_with_parent
from gateway.telemetry.metrics import PREFIX

ROUTE = "tickets"
START_S = 180.0
"""The longest that a start may take on a machine that is busy with other things; a second or two on an idle one."""
STOP_S = 15.0
LOG_LINES, LOG_CHARS = 5, 150
"""How much of the gateway's log an error shows: with it the message fits a terminal of 80 by 24."""

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
# Labels have a right answer, so the team's own function scores them: unlike likeness to the frontier, it may convict.
compare: [json_fields, {{python: {{ref: evals.py:score}}}}]
# Shortened, so that two minutes are enough. Margins, alpha and the least number of units are the defaults. The limit of
# the first token leaves room for a machine that is busy: models, app and gateway share it here.
assign: {{close_after: 1s, population: fixed}}
gates: {{quality: {{metric: python}}, latency: {{ttft_p95: 3s, warmup: 20}}}}
stages:
  - shadow: {{days: 0}}
  - 10%: {{hold: 3s}}
  - 25%: {{hold: 3s, reverse_shadow: 50%}}
  - 50%: {{hold: 3s, reverse_shadow: 50%}}
  - 100%: {{hold: 3s, reverse_shadow: 50%}}
"""

EVALS = '''\
"""Whether tickets are sorted as a person would sort them."""

import json

from gateway.demo.tickets import read


def score(request, baseline, candidate):
    """Of intent, urgency and product: the share that the candidate has right, less the baseline's."""
    ticket = read(request["messages"][-1]["content"])
    return right(candidate, ticket) - right(baseline, ticket)


def right(answer, ticket):
    said = json.loads(answer["text"])
    return sum(said.get(name) == getattr(ticket, name) for name in ("intent", "urgency", "product")) / 3
'''


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

    def shadow_lag_s(self) -> float:
        """How far the shadow is behind, as it says itself; 0 while it has said nothing."""
        try:
            told = self.data.exposition("shadow").read_text("utf-8")
        except FileNotFoundError:
            return 0.0
        found = re.search(rf"^{PREFIX}shadow_lag_seconds ([\d.]+)$", told, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def check(self) -> None:
        """Say so if it is gone.

        Raises:
            HouseError: it is.
        """
        if self.process.returncode is not None:
            raise HouseError(f" gave up: {self.name} ended with {self.process.returncode}.\n{self._log_end()}")

    async def ready(self, tell: Callable[[str], None], *, within_s: float = START_S) -> None:
        """Wait until it serves. `tell` hears what is waited for, over and over.

        Raises:
            HouseError: it ended, or took too long.
        """
        url = f"http://127.0.0.1:{self.admin}/readyz"
        last = "no answer yet"
        try:
            async with asyncio.timeout(within_s), httpx.AsyncClient(trust_env=False, timeout=2.0) as client:
                while True:
                    self.check()
                    with contextlib.suppress(httpx.TransportError):
                        answer = await client.get(url)
                        if answer.status_code == 200:
                            return
                        last = f"{answer.status_code}, {_reasons(answer)}"
                    tell(f"{self.name} is starting; /readyz on its admin port: {last}")
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise HouseError(
                f" gave up after {within_s:.0f} s: {self.name} is not ready.\n"
                f" waited for: 200 from {url}\n"
                f" last answer: {last}\n"
                f" not running: {self._missing()}\n{self._log_end()}\n"
                f" hint: is the machine busy with something else? Try again when it is not"
            ) from None

    @property
    def name(self) -> str:
        """What this process is called where somebody reads of it."""
        return f"crossfade serve (process {self.process.pid})"

    def _missing(self) -> str:
        """The gateway's own processes that do not run now."""
        status = supervisor_status.read(self.data.supervisor_status)
        if status is None:
            return "its supervisor has not said yet"
        return ", ".join(each.slot for each in status.processes if each.pid is None) or "none of its processes"

    def _log_end(self) -> str:
        lines = (self.folder / "log.jsonl").read_text("utf-8", "replace").splitlines()[-LOG_LINES:]
        return "\n".join([" its last log lines:", *(f"  {line[:LOG_CHARS]}" for line in lines)])

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


def _reasons(answer: httpx.Response) -> str:
    """Why a gateway says it is not ready."""
    try:
        found = msgspec.json.decode(answer.content, type=_Readiness)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return "without a reason"
    return " and ".join(found.reasons) or "without a reason"


class _Readiness(msgspec.Struct):
    """What we read of `/readyz`."""

    reasons: list[str] = []


def deploy(folder: Path, revision: str) -> None:
    """Write the policy that names this revision, whole or not at all."""
    path = folder / "policies" / f"{ROUTE}.yaml"
    path.with_suffix(".new").write_text(POLICY.format(revision=revision), "utf-8")
    path.with_suffix(".new").rename(path)


@contextlib.asynccontextmanager
async def house(folder: Path, *, frontier: int, own: int, tell: Callable[[str], None]) -> AsyncGenerator[House]:
    """A gateway in `folder` between the two model servers at these ports; it is gone when this ends.

    `tell` hears what its start waits for.

    Raises:
        HouseError: it did not come up.
    """
    port, admin = free_port(), free_port()
    (folder / "policies").mkdir()
    (folder / "background.key").write_text("sk-demo-background\n", "utf-8")
    settings = SETTINGS.format(port=port, admin=admin, frontier=frontier, own=own)
    (folder / "crossfade.yaml").write_text(settings, "utf-8")
    (folder / "policies" / "evals.py").write_text(EVALS, "utf-8")
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
        await started.ready(tell)
        yield started
    finally:
        await started.end()
