"""Real clients in environments of their own, unchanged but for the base URL: `make clients` installs them."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.conftest import Arena
from tools import clients

SCRIPTS = Path(__file__).parent / "clients"
DEADLINE_S = 240


def environment(arena: Arena) -> dict[str, str]:
    """A client's environment: the base URL and a key, no proxy, nothing that calls home."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
    told = {"OPENAI_BASE_URL": arena.base_url, "OPENAI_API_KEY": "sk-app", "OPENAI_API_BASE": arena.base_url}
    return kept | told | {"PYTHONWARNINGS": "ignore", "LANGSMITH_TRACING": "false", "DO_NOT_TRACK": "1"}


def run(arena: Arena, name: str, script: str) -> subprocess.CompletedProcess[str]:
    """Run one script with the client `name`, where it is installed."""
    if not clients.is_made(name):
        pytest.skip(f"{name} is not installed: make clients")
    path = SCRIPTS / script
    if script.endswith(".mjs"):
        # Node looks for packages beside the script.
        copy = clients.place(name) / script
        copy.write_bytes(path.read_bytes())
        command = [clients.node(), copy]
    else:
        command = [clients.python_of(name), path]
    return subprocess.run(
        command, env=environment(arena), capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "script",
    [
        "openai_node.mjs",
        "vercel_ai.mjs",
        "langchain.py",
        "pydantic_ai.py",
        "openai_agents.py",
        "instructor.py",
        "litellm.py",
        "llama_index.py",
        "inspect_ai.py",
    ],
)
def test_a_client_works_unchanged(arena: Arena, script: str):
    """The client's script passes, whatever it is pointed at."""
    done = run(arena, script.partition(".")[0], script)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.endswith("ok\n")
