"""A real vLLM on the CPU, killed and started again as often as a test likes. `make vllm` sets it up."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import httpx

from gateway import clock

HOME = Path(__file__).parents[2] / ".cache" / "vllm"
FORK = Path(__file__).parents[2] / "tools" / "vllm_fork.py"
MODEL = "tiny"
TOOLS = "--enable-auto-tool-choice --tool-call-parser hermes"
UP_S = 300.0
"""A server that is forked from its imports takes four seconds; a minute on a machine that others use, too."""


def is_installed() -> bool:
    """Whether `make vllm` has been run here."""
    return (HOME / "env" / ".made").exists() and (HOME / "model" / ".made").exists()


@dataclass(slots=True)
class VllmServer:
    """While entered, a process that can start servers; `start` and `kill` one at `base_url`."""

    log_path: Path
    model: Path = HOME / "model"
    """What the next start serves."""
    name: str = MODEL
    """What it is called there."""
    options: str = TOOLS
    port: int = 0
    starts: int = 0
    _forker: subprocess.Popen[str] | None = None
    _log: IO[bytes] | None = None
    _pid: int | None = field(default=None)

    def __enter__(self) -> Self:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._log = self.log_path.open("wb")
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        told = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
        told |= {"OMP_NUM_THREADS": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}  # for a model as small, more only wait
        self._forker = subprocess.Popen(
            [HOME / "env" / "bin" / "python", FORK],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=kept | told,
            text=True,
        )
        assert self._say(None) == "ready"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._forker is not None
        assert self._log is not None
        self.kill()
        self._forker.kill()
        self._forker.communicate()
        self._log.close()

    @property
    def base_url(self) -> str:
        """Where it serves, or would."""
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        """Start a server and wait until it is healthy.

        Raises:
            RuntimeError: it did not come up; its log is named.
        """
        options = f"--dtype bfloat16 --enforce-eager --max-model-len 1024 {self.options}"
        serve = f"serve {self.model} --served-model-name {self.name} --host 127.0.0.1 --port {self.port} {options}"
        self._pid = int(self._say(serve))
        self.starts += 1
        deadline = clock.monotonic() + UP_S
        while clock.monotonic() < deadline and self._lives():
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"http://127.0.0.1:{self.port}/health", timeout=2, trust_env=False).status_code == 200:
                    return
            time.sleep(0.1)  # a poll with a deadline: another process starts
        raise RuntimeError(f"vLLM did not come up: see {self.log_path}")

    def kill(self) -> None:
        """SIGKILL every process of the server, at once."""
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)
            self._pid = None

    def _lives(self) -> bool:
        """Whether the server's first process runs: dead, it stays a zombie of the process that forked it."""
        return (
            self._pid is not None and Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )

    def _say(self, line: str | None) -> str:
        assert self._forker is not None
        assert self._forker.stdin is not None
        assert self._forker.stdout is not None
        if line is not None:
            self._forker.stdin.write(line + "\n")
            self._forker.stdin.flush()
        return self._forker.stdout.readline().strip()
