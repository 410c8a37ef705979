"""The gateways the benchmark compares: where each comes from, how it starts, and what it is called.

Peers are installed once into .cache/: nginx as an unpacked Debian package (no root), LiteLLM in a Python environment
of its own, Portkey from npm. What cannot be had is said and left out, never guessed.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway import clock
from gateway.doctor.checks import is_compiled
from policies.routing import PPM, Assign, Lease, Match, Route, Table, Upstream, Variant
from tests.rooms.gateway_process import Gateway
from tools.compiled import PACKAGES

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache"
BIN = ROOT / "bench" / "bin"
LITELLM = "litellm[proxy]==1.106.2"
PORTKEY = "@portkey-ai/gateway@1.15.2"
INSTALL_S = 600
START_S = 90
MODELS = ("mock-c64-d0-t0", "mock-c64-d20-t0", "mock-c64-d500-t0")
_TICK_S = os.sysconf("SC_CLK_TCK")


class UnavailableError(Exception):
    """A peer that cannot be had here, and why."""


@dataclass(slots=True)
class Running:
    """One gateway under test."""

    name: str
    version: str
    port: int
    pids: tuple[int, ...]
    stop: Callable[[], None]
    headers: tuple[str, ...] = ()

    def _tree(self) -> list[int]:
        found: list[int] = []
        waiting = list(self.pids)
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    waiting += map(int, (task / "children").read_text().split())
        return found

    def cpu_s(self) -> float:
        """User and system time of its processes."""
        total = 0
        for pid in self._tree():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / _TICK_S

    def rss_bytes(self) -> int:
        """Resident memory of its processes."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self._tree())
        return pages * os.sysconf("SC_PAGE_SIZE")

    def pause(self) -> None:
        """Keep it from running while another is measured."""
        for pid in self._tree():
            os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it run."""
        for pid in self._tree():
            os.kill(pid, signal.SIGCONT)


def build_tools() -> None:
    """Compile the load generator and the mock upstream.

    Raises:
        UnavailableError: there is no C compiler.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    BIN.mkdir(exist_ok=True)
    for name in ("load", "mock"):
        source, target = ROOT / "bench" / f"{name}.c", BIN / name
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        if compiler is None:
            raise UnavailableError("no C compiler for the load generator and the mock upstream: install gcc")
        subprocess.run([compiler, "-O2", "-o", str(target), str(source)], check=True)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def pinned(core: int, *command: str) -> list[str]:
    """The command, on one core."""
    return ["taskset", "-c", str(core), *command]


def start_mock(core: int) -> tuple[int, subprocess.Popen[bytes]]:
    """The mock upstream and its port."""
    port = free_port()
    process = subprocess.Popen(pinned(core, str(BIN / "mock"), str(port)))
    await_port(port, process)
    return port, process


def await_port(port: int, process: subprocess.Popen[bytes], log: Path | None = None) -> None:
    """Wait until something accepts.

    Raises:
        UnavailableError: it ended, or did not come up in time.
    """
    deadline = clock.monotonic() + START_S
    while clock.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.2):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    said = log.read_text(errors="replace")[-800:] if log else ""
    process.kill()
    raise UnavailableError(f"did not come up on port {port}: {said}")


def _spawn(directory: Path, name: str, command: list[str], port: int, **environment: str) -> subprocess.Popen[bytes]:
    log = directory / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=directory, env=os.environ | environment)
    await_port(port, process, log)
    return process


def _install(what: str, commands: list[list[str]], cwd: Path) -> None:
    try:
        for command in commands:
            subprocess.run(command, cwd=cwd, check=True, capture_output=True, timeout=INSTALL_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise UnavailableError(f"{what} could not be installed: {error}") from error


def ours(directory: Path, mock_port: int, core: int, *, workers: int = 1) -> Running:
    """Crossfade as it is here, compiled or not."""
    cores = str(core) if workers == 1 else "0-1"
    return _crossfade("ours", directory / f"ours-{workers}", mock_port, ("taskset", "-c", cores), workers=workers)


def interpreted(directory: Path, mock_port: int, core: int) -> Running:
    """Crossfade without `make compile`: a copy of its sources."""
    if not is_compiled():
        raise UnavailableError("`ours` is not compiled, and the same")
    sources = directory / "sources"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, sources / package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    command = ("taskset", "-c", str(core), "env", "-C", str(sources))  # Python looks where it is started first
    return _crossfade("interpreted", directory / "interpreted", mock_port, command, compiled=False)


def migrated(directory: Path, mock_port: int, core: int) -> Running:
    """Crossfade once a route's migration is over: the candidate at 100 %."""
    return _crossfade("migrated", directory, mock_port, ("taskset", "-c", str(core)), weight_ppm=PPM)


def _crossfade(  # noqa: PLR0913 -- what makes one gateway differ from another
    name: str, directory: Path, mock_port: int, command: tuple[str, ...], *, workers: int = 1,
    weight_ppm: int = PPM // 10, compiled: bool = True,
) -> Running:  # fmt: skip
    """A gateway with a route that matches, a unit per request, a candidate at `weight_ppm`, capture on.

    `compiled`: as far as what it runs is; False: it runs on sources alone.
    """
    base_url = f"http://127.0.0.1:{mock_port}/v1"
    upstreams = (Upstream("frontier", base_url), Upstream("vllm", base_url, kind="vllm"))
    route = Route(
        "bench",
        Variant("frontier"),
        match=Match(model=MODELS, path=("/v1/chat/completions",)),
        candidate=Variant("vllm", first_byte_s=10.0),
        weight_ppm=weight_ppm,
        assign=Assign(by=("user", "conversation"), salt="bench"),
    )
    lease = Lease(renewed_at=clock.wall(), hold_s=86_400, grace_s=86_400)
    command = (*command, sys.executable, "-m", "gateway.proxy.app")
    gateway = Gateway(directory, Table(1, lease, upstreams, "frontier", routes=(route,)), command=command)
    for _ in range(workers):
        gateway.start()
    kind = "compiled" if compiled and is_compiled() else "interpreted"
    python = f"Python {sys.version.split()[0]} of {sys.base_prefix}, {kind}, candidate at {100 * weight_ppm / PPM:g} %"
    return Running(name, python, gateway.port, tuple(worker.pid for worker in gateway.workers), gateway.stop)


def nginx(directory: Path, mock_port: int, core: int) -> Running:
    """The reference: nginx as a reverse proxy that passes each piece on as it comes."""
    binary = _nginx_binary()
    port = free_port()
    config = directory / "nginx.conf"
    temporary = "\n".join(
        f"{name}_temp_path {directory}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config.write_text(
        f"""daemon off; master_process off; worker_processes 1;
pid {directory}/nginx.pid; error_log {directory}/nginx.err;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_buffer_size 128k; client_max_body_size 64m; tcp_nodelay on;
  {temporary}
  upstream mock {{ server 127.0.0.1:{mock_port}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""
    )
    process = _spawn(directory, "nginx", pinned(core, str(binary), "-p", str(directory), "-c", str(config)), port)
    said = subprocess.run([str(binary), "-v"], capture_output=True, check=True, text=True).stderr
    return Running("nginx", said.rpartition("/")[2].strip(), port, (process.pid,), _stopper(process))


def _nginx_binary() -> Path:
    found = shutil.which("nginx")
    if found:
        return Path(found)
    unpacked = CACHE / "nginx" / "usr" / "sbin" / "nginx"
    if not unpacked.exists():
        debs = CACHE / "debs"
        debs.mkdir(parents=True, exist_ok=True)
        _install("nginx", [["apt-get", "download", "nginx"]], debs)
        package = max(debs.glob("nginx_*.deb"))
        _install("nginx", [["dpkg", "-x", str(package), str(CACHE / "nginx")]], debs)
    return unpacked


def litellm(directory: Path, mock_port: int, core: int) -> Running:
    """LiteLLM's proxy: one worker, no database."""
    home = CACHE / "litellm"
    if not (home / "bin" / "litellm").exists():
        uv = str(ROOT / ".venv" / "bin" / "uv")
        python = str(home / "bin" / "python")
        CACHE.mkdir(exist_ok=True)
        _install(
            "LiteLLM", [[uv, "venv", "-q", str(home)], [uv, "pip", "install", "-q", "--python", python, LITELLM]], CACHE
        )
    config, port = directory / "litellm.yaml", free_port()
    models = "".join(
        f"  - model_name: {model}\n    litellm_params: {{model: openai/{model}, api_key: sk-bench, "
        f'api_base: "http://127.0.0.1:{mock_port}/v1"}}\n'
        for model in MODELS
    )
    config.write_text(f"model_list:\n{models}litellm_settings: {{telemetry: false, num_retries: 0}}\n")
    command = [str(home / "bin" / "litellm"), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    process = _spawn(
        directory, "litellm", pinned(core, *command, "--num_workers", "1"), port,
        LITELLM_LOCAL_MODEL_COST_MAP="True", LITELLM_TELEMETRY="False", NO_PROXY="127.0.0.1", LITELLM_MODE="PRODUCTION",
        LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY="true",
    )  # fmt: skip
    return Running("litellm", LITELLM.rpartition("=")[2], port, (process.pid,), _stopper(process))


def portkey(directory: Path, mock_port: int, core: int) -> Running:
    """Portkey's gateway, on Node."""
    home, port = CACHE / "portkey", free_port()
    server = home / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    if not server.exists():
        home.mkdir(parents=True, exist_ok=True)
        npm = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(home), PORTKEY]
        _install("Portkey", [npm], home)
    node = shutil.which("node")
    if node is None:
        raise UnavailableError("Portkey needs Node, which is not installed")
    command = pinned(core, node, str(server), f"--port={port}", "--headless")
    process = _spawn(
        directory, "portkey", command, port, NODE_ENV="production", TRUSTED_CUSTOM_HOSTS="127.0.0.1,localhost"
    )
    headers = ("x-portkey-provider: openai", f"x-portkey-custom-host: http://127.0.0.1:{mock_port}/v1")
    return Running("portkey", PORTKEY.rpartition("@")[2], port, (process.pid,), _stopper(process), headers)


def _stopper(process: subprocess.Popen[bytes]) -> Callable[[], None]:
    def stop() -> None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    return stop


PEERS: dict[str, Callable[[Path, int, int], Running]] = {
    "ours": ours,
    "interpreted": interpreted,
    "migrated": migrated,
    "nginx": nginx,
    "litellm": litellm,
    "portkey": portkey,
}


def machine() -> str:
    """What this was measured on."""
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.+)", text)
    return f"{model.group(1).strip() if model else 'unknown CPU'}, {os.cpu_count()} cores, Linux {os.uname().release}"
