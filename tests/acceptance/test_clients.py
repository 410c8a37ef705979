"""Real clients in environments of their own, unchanged but for the base URL: `make clients` installs them."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.arena import Arena
from tests.fakes.upstream import FakeUpstream
from tests.rooms.gateway_process import Gateway
from tools import clients

SCRIPTS = Path(__file__).parent / "clients"
DEADLINE_S = 240


@pytest.fixture(scope="module")
def through_gateway(upstream: FakeUpstream, gateway: Gateway) -> Arena:
    return Arena(gateway.base_url, upstream, gateway)


def environment(arena: Arena) -> dict[str, str]:
    """A client's environment: the base URL and a key, no proxy, nothing that calls home."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
    told = {"OPENAI_BASE_URL": arena.base_url, "OPENAI_API_KEY": "sk-app", "OPENAI_API_BASE": arena.base_url}
    return kept | told | {"PYTHONWARNINGS": "ignore", "LANGSMITH_TRACING": "false", "DO_NOT_TRACK": "1"}


def installed(name: str) -> Path:
    """Where the client `name` is; skips the test where it is not."""
    if not clients.is_made(name):
        pytest.skip(f"{name} is not installed: make clients")
    return clients.place(name)


def run(command: list[str | Path], told: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a client to its end."""
    return subprocess.run(
        command,
        env=told,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["langchain", "pydantic_ai", "openai_agents", "instructor", "litellm", "llama_index", "inspect_ai"],
)
def test_a_python_client_works_unchanged(through_gateway: Arena, name: str, tmp_path: Path):
    """The client's script passes through the gateway."""
    installed(name)
    done = run([clients.python_of(name), SCRIPTS / f"{name}.py"], environment(through_gateway), tmp_path)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.endswith("ok\n")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["openai_node", "vercel_ai"])
def test_a_node_client_works_unchanged(through_gateway: Arena, name: str, tmp_path: Path):
    """The client's script passes through the gateway. Node looks for packages beside the script."""
    script = installed(name) / f"{name}.mjs"
    script.write_bytes((SCRIPTS / script.name).read_bytes())
    done = run([clients.node(), script], environment(through_gateway), tmp_path)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.endswith("ok\n")


@pytest.mark.slow
def test_langchains_own_suite_passes_as_it_does_directly(arena: Arena, tmp_path: Path):
    """Of LangChain's standard tests, those that a model without a mind can pass do."""
    installed("langchain")
    script = tmp_path / "langchain_standard.py"
    script.write_bytes((SCRIPTS / script.name).read_bytes())
    done = run([clients.python_of("langchain"), script], environment(arena), tmp_path)
    assert done.returncode == 0, done.stdout[-4000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 20


@pytest.mark.slow
def test_codex_works_unchanged(through_gateway: Arena, tmp_path: Path):
    """Codex runs a turn over Responses; its own fields reach the upstream."""
    script = installed("codex") / "node_modules" / "@openai" / "codex" / "bin" / "codex.js"
    provider = f'{{name="x",base_url="{through_gateway.base_url}",env_key="OPENAI_API_KEY",wire_api="responses"}}'
    options = ["-c", "model_provider=x", "-c", f"model_providers.x={provider}", "-m", "gpt-4o"]
    told = environment(through_gateway) | {"CODEX_HOME": str(tmp_path), "HOME": str(tmp_path)}
    before = len(through_gateway.upstream.ledger)
    done = run([clients.node(), script, "exec", "--skip-git-repo-check", *options, "hi"], told, tmp_path)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "frontier-0-0 frontier-0-1" in done.stdout
    asked = [entry for entry in through_gateway.upstream.ledger[before:] if b"/responses" in entry.request.target]
    assert asked
    assert all("client_metadata" in entry.json for entry in asked if entry.request.method == b"POST")
