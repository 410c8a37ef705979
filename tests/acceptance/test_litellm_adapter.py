"""A `kind: litellm` upstream with the real litellm, its provider played by the fake frontier. `make clients`."""

import json
import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import msgspec
import openai
import pytest
from openai import OpenAI

from gateway.adapters.litellm import LitellmBoot
from gateway.process import READY
from policies.routing import Upstream
from tests.acceptance.turns import SAID, TURNS, tool
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream
from tests.rooms.gateway_process import Gateway, table_for
from tests.rooms.waiting import PATIENCE_S
from tools import clients

ROOT = Path(__file__).parents[2]
START_S = PATIENCE_S
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not clients.is_made("litellm_adapter"), reason="litellm is not installed: make clients"),
]


@pytest.fixture(scope="module")
def adapter(upstream: FakeUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The adapter's process, started as the supervisor would: boot on a pipe, an environment without secrets."""
    uds = tmp_path_factory.mktemp("litellm") / "litellm.sock"
    boot_r, boot_w = os.pipe()
    ready_r, ready_w = os.pipe()
    boot = LitellmBoot("openai/gpt-4o", str(uds), api_key="sk-provider", api_base=upstream.base_url, ready_fd=ready_w)
    os.write(boot_w, msgspec.json.encode(boot))
    os.close(boot_w)
    process = subprocess.Popen(
        [clients.python_of("litellm_adapter"), "-m", "gateway.adapters.litellm", "--boot-fd", str(boot_r)],
        pass_fds=(boot_r, ready_w),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
    )
    os.close(boot_r)
    os.close(ready_w)
    try:
        assert select.select([ready_r], [], [], START_S)[0]
        assert os.read(ready_r, 1) == READY
        yield uds
    finally:
        os.close(ready_r)
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def client(adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    """The SDK, at a gateway whose default upstream is the adapter."""
    with ExitStack() as stack:
        table = table_for("http://litellm/v1")
        table = msgspec.structs.replace(
            table, upstreams=(Upstream("openai", "http://litellm/v1", kind="litellm", uds=str(adapter)),)
        )
        gateway = stack.enter_context(Gateway(tmp_path_factory.mktemp("gateway"), table))
        yield stack.enter_context(OpenAI(base_url=gateway.base_url, api_key="sk-app", max_retries=0))


def test_only_our_user_may_open_the_socket(adapter: Path):
    """The socket's mode is 0600: whoever can open it can spend the provider's key."""
    assert adapter.stat().st_mode & 0o777 == 0o600


def test_chat_whole_and_streamed(client: OpenAI, upstream: FakeUpstream):
    """The provider's words come through; its key is the adapter's own, never the app's."""
    assert client.chat.completions.create(model="claude", messages=TURNS).choices[0].message.content == SAID
    parts = list(
        client.chat.completions.create(
            model="claude", messages=TURNS, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(part.choices[0].delta.content or "" for part in parts if part.choices) == SAID
    assert {part.model for part in parts} == {"claude"}
    assert parts[-1].usage is not None
    for entry in upstream.ledger[-2:]:
        assert entry.request.get(b"authorization") == b"Bearer sk-provider"
        assert b"sk-app" not in entry.request.raw
        assert entry.json["model"] == "gpt-4o"


def test_tools(client: OpenAI):
    """A call of a tool, whole and streamed, and the turn after it."""
    (choice,) = client.chat.completions.create(model="claude", messages=TURNS, tools=[tool("weather")]).choices
    (made,) = choice.message.tool_calls or ()
    assert made.type == "function"
    assert json.loads(made.function.arguments) == {"city": "value"}
    turns: Any = [
        *TURNS,
        choice.message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": made.id, "content": "sunny"},
    ]
    last = client.chat.completions.create(model="claude", messages=turns, tools=[tool("weather")])
    assert last.choices[0].message.content == SAID
    with client.chat.completions.stream(
        model="claude", messages=TURNS, tools=[tool("weather"), tool("time")]
    ) as stream:
        for _ in stream:
            pass
        calls = stream.get_final_completion().choices[0].message.tool_calls or []
    assert [call.function.name for call in calls] == ["weather", "time"]


def test_a_hostile_body_reaches_nobody_else(client: OpenAI, upstream: FakeUpstream, adapter: Path):
    """CVE-2024-6587: a base URL and a key in the body are not followed, and do not reach the provider."""
    hostile = {
        "api_base": "http://127.0.0.1:9/v1",
        "base_url": "http://127.0.0.1:9/v1",
        "api_key": "sk-evil",
        "extra_headers": {"x-evil": "1"},
    }
    answer = client.chat.completions.create(model="claude", messages=TURNS, extra_body=hostile)
    assert answer.choices[0].message.content == SAID
    raw = upstream.ledger[-1].request.raw
    assert b"evil" not in raw
    assert b"127.0.0.1:9" not in raw


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(status=429), openai.RateLimitError),
        (Fault(status=401), openai.AuthenticationError),
        (Fault(status=400), openai.BadRequestError),
        (Fault(status=500), openai.InternalServerError),
        (Fault(before="reset"), openai.InternalServerError),
    ],
)
def test_a_providers_errors_keep_their_status(
    client: OpenAI, upstream: FakeUpstream, fault: Fault, error: type[Exception]
):
    """Each comes once, with its status and without the provider's key; litellm does not retry."""
    before = len(upstream.ledger)
    upstream.plan(fault)
    with pytest.raises(error) as caught:
        client.chat.completions.create(model="claude", messages=TURNS)
    assert len(upstream.ledger) == before + 1
    assert "sk-provider" not in str(caught.value)


def test_a_broken_stream_is_an_error(client: OpenAI, upstream: FakeUpstream):
    """A provider's stream that breaks is an error at the app, not a short answer."""
    upstream.plan(Fault(cut="reset", after=4))
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(model="claude", messages=TURNS, stream=True))


def test_the_adapter_answers_without_a_gateway(adapter: Path):
    """Health and models, straight over the socket."""
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(adapter)), base_url="http://litellm") as http:
        assert http.get("/health").status_code == 200
        assert http.get("/v1/models").json()["data"][0]["id"] == "openai/gpt-4o"
