"""All processes of the migration: the frontier's stand-in, two real vLLMs behind one address, and the gateway."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.migration.models import HERE, ROOT, Models, messages
from tests.acceptance.vllm_server import VllmServer
from tests.rooms.serving import REAL, Serving

SETTINGS = """\
upstreams:
  openai: {{base_url: "http://127.0.0.1:{frontier}/v1"}}
  vllm: {{kind: vllm, base_url: "http://127.0.0.1:{front}/v1"}}
prices:
  models:
    openai: {{"*": {{prompt: 2.5, completion: 10}}}}
    vllm: {{"*": {{prompt: 0.05, completion: 0.2}}}}
policies: ./policies"""


@dataclass(slots=True)
class Front:
    """The address of the candidate; which server answers there can be changed."""

    process: subprocess.Popen[str]
    port: int

    def turn_to(self, server: VllmServer) -> None:
        """From the next request on, this server answers."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{server.port}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "now\n"


@dataclass(frozen=True, slots=True)
class World:
    """What there is."""

    directory: Path
    good: VllmServer
    hasty: VllmServer
    front: Front
    serving: Serving

    def deploy(self, revision: str) -> None:
        """Write the policy that names this revision."""
        _deploy(self.directory, revision)


@contextlib.contextmanager
def world(directory: Path, models: Models) -> Generator[World]:
    """All of it runs while entered."""
    policies = directory / "policies"
    (policies / "evals").mkdir(parents=True)
    scorer = HERE / "policies" / "evals" / "intents.py"
    (policies / "evals" / scorer.name).write_bytes(scorer.read_bytes())
    (policies / "evals" / "labels.json").write_text(json.dumps(dict(messages())), encoding="utf-8")
    _deploy(directory, "r1")
    with contextlib.ExitStack() as stack:
        good, hasty = (
            stack.enter_context(VllmServer(directory / f"vllm-{path.name}.log", model=path, name="intents", options=""))
            for path in (models.good, models.one_epoch)
        )
        with ThreadPoolExecutor(2) as starting:
            list(starting.map(VllmServer.start, (good, hasty)))
        frontier = started(stack, "frontier")
        process, front_port = started(stack, "front", str(good.port))
        settings = SETTINGS.format(frontier=frontier[1], front=front_port)
        serving = stack.enter_context(Serving(directory, settings, worker=REAL))
        serving.await_ready()
        serving.await_control()
        yield World(directory, good, hasty, Front(process, front_port), serving)


def _deploy(directory: Path, revision: str) -> None:
    text = (HERE / "policies" / "banking.yaml").read_text(encoding="utf-8").replace("REVISION", revision)
    path = directory / "policies" / "banking.yaml"
    path.with_suffix(".new").write_text(text, encoding="utf-8")
    path.with_suffix(".new").rename(path)


def started(stack: contextlib.ExitStack, name: str, *arguments: str) -> tuple[subprocess.Popen[str], int]:
    """One of our helpers: it prints its port, and ends with its stdin."""
    command = [sys.executable, "-m", f"tests.acceptance.migration.{name}", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    stack.enter_context(process)
    stack.callback(process.terminate)
    assert process.stdout is not None
    return process, int(process.stdout.readline())
