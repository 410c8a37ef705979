"""`deploy/serving/custom_server.py`: a model of one's own behind the gateway, asked by the official SDK."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import OpenAI

from gateway.control.shadow.engines import waiting
from tests.rooms.serving import REAL, Serving, free_port
from tests.rooms.waiting import PATIENCE_S, await_true

SERVER = Path(__file__).parents[2] / "deploy" / "serving" / "custom_server.py"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the server listens."""
    port = free_port()
    with subprocess.Popen([sys.executable, SERVER, str(port)], stderr=subprocess.DEVNULL) as process:
        base = f"http://127.0.0.1:{port}"

        def is_up() -> bool:
            try:
                return httpx.get(f"{base}/health", timeout=PATIENCE_S, trust_env=False).status_code == 200
            except httpx.TransportError:
                return False

        await_true(is_up, "the server answers")
        yield base
        process.kill()


def test_it_is_served_through_a_gateway(address: str, tmp_path: Path):
    """Whole and streamed answers are what the SDK takes for such; the model is listed under its name."""
    settings = f"default_upstream: own\nupstreams: {{own: {{kind: vllm, base_url: '{address}/v1'}}}}"
    asked: list[Any] = [{"role": "user", "content": "hello"}]
    with Serving(tmp_path, settings, worker=REAL) as serving:
        serving.await_ready()
        base = f"http://127.0.0.1:{serving.port}/v1"
        with OpenAI(base_url=base, api_key="sk-any", timeout=PATIENCE_S) as client:
            whole = client.chat.completions.create(model="my-model", messages=asked)
            with client.chat.completions.create(model="my-model", messages=asked, stream=True) as stream:
                pieces = list(stream)
            names = [model.id for model in client.models.list()]

    assert whole.choices[0].message.content == "You said: hello"
    assert whole.choices[0].finish_reason == "stop"
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == "You said: hello"
    assert pieces[-1].choices[0].finish_reason == "stop"
    assert names == ["my-model"]


def test_its_queue_is_seen(address: str):
    """Its metrics page says how many requests wait, as an engine's does."""
    page = httpx.get(f"{address}/metrics", timeout=PATIENCE_S, trust_env=False).content

    assert waiting("vllm", page) == 0.0
