"""The door to litellm: what an app sends is data, never an argument's name, a place or a key."""

import asyncio
import importlib.metadata
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.adapters.litellm import (
    BODY_BYTES,
    AdapterApp,
    LitellmBoot,
    RefusedError,
    arguments_for,
    describe,
    load_litellm,
    read_request,
)

BOOT = LitellmBoot("anthropic/claude-x", "/run/x.sock", api_key="sk-secret", api_base="https://provider.test")
TURNS = [{"role": "user", "content": "hi"}]


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "gpt-4o", "messages": TURNS, **fields}).encode()


@dataclass(frozen=True)
class Answer:
    """What litellm answers: a value with a `model_dump`."""

    fields: dict[str, Any]

    def model_dump(self, **_: Any) -> dict[str, Any]:
        return json.loads(json.dumps(self.fields))


class ContextWindowExceededError(Exception):
    status_code = 400
    message = "sk-secret: the prompt is too long"


@dataclass
class FakeLitellm:
    """Answers like `litellm.acompletion`, and keeps what it was called with."""

    pieces: int = 3
    fails: Exception | None = None
    hangs: bool = False
    calls: list[dict[str, Any]] = field(default_factory=list)
    cancelled: bool = False
    called: asyncio.Event = field(default_factory=asyncio.Event)

    async def acompletion(self, **arguments: Any) -> Any:
        self.calls.append(arguments)
        self.called.set()
        if self.hangs:
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled = True
        if self.fails and not self.pieces:
            raise self.fails
        return self._chunks() if arguments.get("stream") else Answer(self._fields("message"))

    async def _chunks(self) -> AsyncIterator[Answer]:
        for _ in range(self.pieces):
            yield Answer(self._fields("delta"))
        if self.fails:
            raise self.fails

    @staticmethod
    def _fields(turn: str) -> dict[str, Any]:
        said = {"role": "assistant", "content": "x", "provider_specific_fields": {"a": 1}}
        return {"id": "1", "model": "claude-x", "choices": [{"index": 0, turn: said}], "citations": [1]}


@dataclass
class Exchange:
    """One request to the application, as a server makes it."""

    sent: list[dict[str, Any]] = field(default_factory=list)
    hang_up: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(
        self, app: AdapterApp, data: bytes, path: str = "/v1/chat/completions", method: str = "POST"
    ) -> tuple[int, bytes]:
        events = [{"type": "http.request", "body": data}]

        async def receive() -> dict[str, Any]:
            if events:
                return events.pop()
            await self.hang_up.wait()
            return {"type": "http.disconnect"}

        async def send(event: dict[str, Any]) -> None:
            self.sent.append(event)

        await app({"type": "http", "method": method, "path": path}, receive, send)
        return (self.sent[0]["status"] if self.sent else 0), b"".join(event.get("body", b"") for event in self.sent[1:])


HOSTILE = {
    "api_base": "http://evil.test",
    "base_url": "http://evil.test",
    "api_key": "x",
    "extra_headers": {"a": "b"},
    "custom_llm_provider": "openai",
    "fallbacks": ["x"],
    "mock_response": "x",
    "metadata": {"a": "b"},
    "aws_secret_access_key": "x",
    "model_list": [],
    "callbacks": ["x"],
    "timeout": 1e9,
    "store": True,
}


def test_what_an_app_sends_never_becomes_an_argument_of_ours():
    """CVE-2024-6587: a body that names a base URL, a key, headers or a provider changes none of them."""
    arguments = arguments_for(read_request(body(**HOSTILE, temperature=0.5)), BOOT)
    assert arguments == {
        "model": "anthropic/claude-x",
        "api_key": "sk-secret",
        "api_base": "https://provider.test",
        "timeout": 600.0,
        "num_retries": 0,
        "max_retries": 0,
        "messages": TURNS,
        "temperature": 0.5,
    }


def test_nothing_rides_along_inside_messages_and_tools():
    """Unknown fields of a message, a tool or a call are not passed on either."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}", "x": 1}, "x": 1}
    turns = [
        {"role": "assistant", "tool_calls": [call], "api_base": "x"},
        {"role": "tool", "tool_call_id": "c", "content": "y"},
    ]
    tools = [
        {
            "type": "function",
            "function": {"name": "f", "parameters": {"type": "object"}},
            "server_url": "http://evil.test",
        }
    ]
    arguments = arguments_for(read_request(body(messages=turns, tools=tools, tool_choice="auto")), BOOT)
    assert "evil" not in json.dumps(arguments)
    assert arguments["messages"][0] == {
        "role": "assistant",
        "tool_calls": [{"type": "function", "id": "c", "function": {"name": "f", "arguments": "{}"}}],
    }
    assert arguments["tools"] == [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"[]",
        body(messages="x"),
        body(tools=[{"type": "mcp", "server_url": "http://evil.test"}]),
        body(
            messages=[
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://169.254.169.254/"}}]}
            ]
        ),
        body(messages=[{"role": "user", "content": [{"type": "file", "file": {"file_id": "gs://x"}}]}]),
        b'{"model":"m","messages":' + b"[" * 5000,
    ],
)
def test_what_would_be_fetched_or_is_no_chat_is_refused(data: bytes):
    """URLs, files, remote tools and junk are 400, and the provider is not asked."""
    with pytest.raises(RefusedError):
        read_request(data)


def test_an_image_as_data_is_passed():
    """A data URL is the app's own bytes."""
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    asked = arguments_for(read_request(body(messages=[{"role": "user", "content": [part]}])), BOOT)
    assert asked["messages"][0]["content"] == [part]


def test_errors_name_no_secret():
    """Status and reason of a provider's error come through; the key in its text does not."""
    status, problem = describe(ContextWindowExceededError(), BOOT)
    error = json.loads(problem)["error"]
    assert (status, error["code"], error["type"]) == (400, "context_length_exceeded", "invalid_request_error")
    assert error["message"] == "***: the prompt is too long"
    assert describe(ValueError("x"), BOOT)[0] == 502


async def test_a_whole_answer_is_openais():
    """The app's model name, OpenAI's fields, none of litellm's."""
    status, answer = await Exchange().run(AdapterApp(BOOT, FakeLitellm()), body())
    found = json.loads(answer)
    assert (status, found["model"]) == (200, "gpt-4o")
    assert found["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": None, "logprobs": None}
    ]
    assert "citations" not in found


async def test_a_rotated_key_goes_with_the_next_request(tmp_path: Path):
    """A provider's key that was replaced in its file is in use at once; this process is not started anew for it."""
    file, fake = tmp_path / "key", FakeLitellm()
    file.write_text("sk-old")
    app = AdapterApp(msgspec.structs.replace(BOOT, api_key="sk-old", api_key_file=str(file)), fake)
    await Exchange().run(app, body())
    (tmp_path / "new").write_text("sk-new")
    (tmp_path / "new").replace(file)
    await Exchange().run(app, body())
    assert [call["api_key"] for call in fake.calls] == ["sk-old", "sk-new"]


async def test_a_stream_is_chunks_and_done():
    """Each chunk is an event on one line; [DONE] ends the stream."""
    status, answer = await Exchange().run(AdapterApp(BOOT, FakeLitellm()), body(stream=True))
    *events, done, rest = answer.decode().split("\n\n")
    assert (status, len(events), done, rest) == (200, 3, "data: [DONE]", "")
    assert all(json.loads(event.removeprefix("data: "))["model"] == "gpt-4o" for event in events)


async def test_a_failure_before_the_first_byte_has_its_status():
    """A provider's refusal is a status and an error object, streaming or not."""
    for stream in (False, True):
        status, answer = await Exchange().run(
            AdapterApp(BOOT, FakeLitellm(0, ContextWindowExceededError())), body(stream=stream)
        )
        assert (status, json.loads(answer)["error"]["code"]) == (400, "context_length_exceeded")


async def test_a_failure_in_a_stream_is_an_error_event():
    """After the first chunk a failure is an error event, and there is no [DONE]."""
    _, answer = await Exchange().run(AdapterApp(BOOT, FakeLitellm(1, ContextWindowExceededError())), body(stream=True))
    assert b'data: {"error"' in answer
    assert b"[DONE]" not in answer


async def test_a_hang_up_cancels_the_providers_call():
    """When the gateway leaves, the provider's call is cancelled."""
    fake, exchange = FakeLitellm(hangs=True), Exchange()
    async with asyncio.TaskGroup() as group:
        group.create_task(exchange.run(AdapterApp(BOOT, fake), body()))
        await fake.called.wait()
        exchange.hang_up.set()
    assert fake.cancelled


async def test_other_paths_are_answered_here():
    """Health and models need no provider; other surfaces are 404; a body over the limit is 413."""
    app = AdapterApp(BOOT, FakeLitellm())
    assert (await Exchange().run(app, b"", "/health", "GET"))[0] == 200
    assert b"anthropic/claude-x" in (await Exchange().run(app, b"", "/v1/models", "GET"))[1]
    assert (await Exchange().run(app, body(), "/v1/embeddings"))[0] == 404
    assert (await Exchange().run(app, b"x" * (BODY_BYTES + 1)))[0] == 413
    assert (await Exchange().run(app, b"{"))[0] == 400


@pytest.mark.parametrize(
    ("version", "said"),
    [("1.82.7", "malware"), ("1.82.8", "malware"), ("1.107.0", "malware"), (None, "hint: install the extra `litellm`")],
)
def test_a_banned_or_missing_litellm_is_not_imported(version: str | None, said: str, monkeypatch: pytest.MonkeyPatch):
    """The version is checked before the import: two versions run malware on import."""

    def fake_version(name: str) -> str:
        if version is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(importlib.metadata, "version", fake_version)
    with pytest.raises(SystemExit, match=said):
        load_litellm()
