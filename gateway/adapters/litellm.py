"""Speaks OpenAI's chat completions for a provider that does not, through litellm: a process of its own.

    python -m gateway.adapters.litellm --boot-fd N

It is handed one `LitellmBoot` on a pipe, holds the key of that one provider and no other secret, and serves on a
Unix socket that only the gateway's user can open.

Rules:
1. What an app sends never becomes an argument's name, a base URL, a key or a header (CVE-2024-6587): the structs below
   are the allow-list, and what they do not name is not read.
2. litellm fetches nothing for an app: images are data, never URLs.
3. litellm is imported here and nowhere else, after its version was checked: 1.82.7, 1.82.8 and 1.107.0 run malware on
   import.
"""

import asyncio
import importlib
import importlib.metadata
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
import uvicorn

from gateway.adapters.boot import LitellmBoot
from gateway.process import read_boot, say_ready
from gateway.transport.key_file import RotatedKeys

BANNED_VERSIONS = frozenset({"1.82.7", "1.82.8", "1.107.0"})
BODY_BYTES = 32 * 1024 * 1024
CONCURRENCY = 512
"""Requests under way; above it 503."""
_MESSAGE_CHARS = 500
_LITELLMS_OWN = ("provider_specific_fields", "thinking_blocks", "citations", "_hidden_params")
_KEEP_ALIVE_S = 300
"""Above the upstream client's `idle_s`: it closes first."""


class _ImageUrl(msgspec.Struct, omit_defaults=True):
    url: str
    detail: str | None = None


class _Text(msgspec.Struct, tag_field="type", tag="text"):
    text: str


class _Image(msgspec.Struct, tag_field="type", tag="image_url"):
    image_url: _ImageUrl


class _Function(msgspec.Struct, omit_defaults=True):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _Tool(msgspec.Struct, tag_field="type", tag="function"):
    function: _Function


class _Called(msgspec.Struct):
    name: str
    arguments: str


class _Call(msgspec.Struct, tag_field="type", tag="function"):
    id: str
    function: _Called


class _Message(msgspec.Struct, omit_defaults=True):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_Text | _Image] | None = None
    name: str | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None


class _Named(msgspec.Struct):
    name: str


class _Choice(msgspec.Struct, tag_field="type", tag="function"):
    function: _Named


class _StreamOptions(msgspec.Struct):
    include_usage: bool = False


class _Schema(msgspec.Struct, omit_defaults=True):
    name: str
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


class _Format(msgspec.Struct, omit_defaults=True):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _Schema | None = None


class ProviderRequest(msgspec.Struct, omit_defaults=True):
    """The part of a chat request that is sent to a provider."""

    model: str
    messages: list[_Message]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    n: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    tools: list[_Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | _Choice | None = None
    parallel_tool_calls: bool | None = None
    response_format: _Format | None = None
    user: str | None = None


class RefusedError(Exception):
    """The request cannot be asked of a provider; the text says what to change."""


def read_request(body: bytes) -> ProviderRequest:
    """The request in `body`, all that is not allowed left out.

    Raises:
        RefusedError: not a chat request, or one that would have litellm fetch something.
    """
    try:
        request = msgspec.json.decode(body, type=ProviderRequest)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise RefusedError(f"Not a chat request that this upstream takes: {error}") from error
    for message in request.messages:
        parts = message.content if isinstance(message.content, list) else []
        if any(isinstance(part, _Image) and not part.image_url.url.startswith("data:") for part in parts):
            raise RefusedError("Images are not fetched for this upstream: send them as data: URLs.")
    return request


def arguments_for(request: ProviderRequest, boot: LitellmBoot) -> dict[str, Any]:
    """The keyword arguments of litellm's call: where and with which key is ours, what is asked is the app's."""
    asked = {name: value for name, value in msgspec.to_builtins(request).items() if value is not None}
    ours = {"model": boot.model, "api_key": boot.api_key, "api_base": boot.api_base, "timeout": boot.timeout_s}
    return asked | ours | {"num_retries": 0, "max_retries": 0}


class _Failed(Protocol):
    status_code: int
    message: str


def describe(failure: Exception | _Failed, boot: LitellmBoot) -> tuple[int, bytes]:
    """Status and error object for what litellm raised; no secret in it."""
    status = getattr(failure, "status_code", None)
    status = status if isinstance(status, int) and 400 <= status < 600 else 502
    text = str(getattr(failure, "message", "") or type(failure).__name__)[:_MESSAGE_CHARS]
    if boot.api_key:
        text = text.replace(boot.api_key, "***")
    too_long = type(failure).__name__ == "ContextWindowExceededError"
    code = "context_length_exceeded" if too_long else None
    kind = "invalid_request_error" if status < 500 else "server_error"
    return status, msgspec.json.encode({"error": {"message": text, "type": kind, "param": None, "code": code}})


Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(slots=True)
class AdapterApp:
    """The ASGI application. `litellm` is the module, or what stands in for it."""

    boot: LitellmBoot
    litellm: Any
    _keys: RotatedKeys = field(init=False)

    def __post_init__(self) -> None:
        model, key, path = self.boot.model, self.boot.api_key, self.boot.api_key_file
        self._keys = RotatedKeys({} if key is None else {model: key}, {model: path} if path else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and leave it as soon as the gateway does."""
        if scope["type"] != "http":
            return
        path = str(scope["path"]).removeprefix("/v1")
        if (scope["method"], path) == ("GET", "/health"):
            await _answer(send, 200, b"{}")
        elif (scope["method"], path) == ("GET", "/models"):
            card = {"id": self.boot.model, "object": "model", "created": 0, "owned_by": "litellm"}
            await _answer(send, 200, msgspec.json.encode({"object": "list", "data": [card]}))
        elif (scope["method"], path) != ("POST", "/chat/completions"):
            await _answer(send, 404, _problem("This upstream speaks chat completions only.", "unknown_url"))
        else:
            await self._chat(receive, send)

    async def _chat(self, receive: Receive, send: Send) -> None:
        body = await _read(receive)
        if body is None:
            await _answer(send, 413, _problem("The request body is over 32 MiB.", "body_too_large"))
            return
        try:
            request = read_request(body)
        except RefusedError as refused:
            await _answer(send, 400, _problem(str(refused), None))
            return
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(self._ask(request, send))
            gone = group.create_task(_wait_for_hang_up(receive))
            await asyncio.wait((asked, gone), return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()
            gone.cancel()

    async def _ask(self, request: ProviderRequest, send: Send) -> None:
        """Ask the provider. Before its first byte every failure is an error object; after it, an error event."""
        begun = False
        boot = msgspec.structs.replace(self.boot, api_key=self._keys.now().get(self.boot.model))
        try:
            async with asyncio.timeout(boot.timeout_s):
                answer = await self.litellm.acompletion(**arguments_for(request, boot))
                if not request.stream:
                    await _answer(send, 200, _encode(answer, request))
                    return
                async for chunk in answer:
                    if not begun:
                        await _start(send, 200, b"text/event-stream")
                        begun = True
                    await _send(send, b"data: %b\n\n" % _encode(chunk, request))
                await _send(send, b"data: [DONE]\n\n", more=False)
        except Exception as failure:  # noqa: BLE001 -- the fence around litellm: it raises whatever a provider's library does
            status, problem = describe(failure, boot)
            if begun:
                await _send(send, b"data: %b\n\n" % problem, more=False)
            else:
                await _answer(send, status, problem)


def _encode(answer: Any, request: ProviderRequest) -> bytes:
    """An answer or a chunk as OpenAI writes it: none of litellm's own fields, no nulls but OpenAI's."""
    fields: dict[str, Any] = answer.model_dump(mode="json", exclude_none=True)
    choices: list[dict[str, Any]] = fields.get("choices", [])
    for choice in choices:
        turn: dict[str, Any] = choice.get("message") or choice.get("delta") or {}
        for own in (choice, turn):
            for name in _LITELLMS_OWN:
                own.pop(name, None)
        choice["finish_reason"] = choice.get("finish_reason")
        choice["logprobs"] = choice.get("logprobs")
        if "message" in choice:
            turn["content"] = turn.get("content")
    for name in _LITELLMS_OWN:
        fields.pop(name, None)
    return msgspec.json.encode(fields | {"model": request.model})


def _problem(message: str, code: str | None) -> bytes:
    return msgspec.json.encode(
        {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}
    )


async def _read(receive: Receive) -> bytes | None:
    """The request's body; None: it is too large."""
    pieces: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        piece: bytes = event.get("body", b"")
        size += len(piece)
        if size > BODY_BYTES:
            return None
        pieces.append(piece)
        if not event.get("more_body", False):
            return b"".join(pieces)


async def _wait_for_hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(send: Send, status: int, body: bytes) -> None:
    await _start(send, status, b"application/json", (b"content-length", b"%d" % len(body)))
    await _send(send, body, more=False)


async def _start(send: Send, status: int, kind: bytes, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind), *headers]})


async def _send(send: Send, body: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


def load_litellm() -> Any:
    """The module, checked before it is imported and told to be quiet.

    Raises:
        SystemExit: it is not installed, or a version that must never run.
    """
    try:
        version = importlib.metadata.version("litellm")
    except importlib.metadata.PackageNotFoundError:
        sys.exit('litellm is not installed. hint: install the extra `litellm` (README, "Install")')
    if version in BANNED_VERSIONS:
        sys.exit(
            f"litellm {version} contains malware (MAL-2026-2144) and was not imported. hint: install another version"
        )
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # no call home for prices
    os.environ["LITELLM_MODE"] = "PRODUCTION"  # no .env file is read
    litellm: Any = importlib.import_module("litellm")
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.drop_params = False  # what a provider cannot do is refused, not left out unseen
    return litellm


def listen(path: str) -> socket.socket:
    """A socket at `path` that only our user can open."""
    Path(path).unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    previous = os.umask(0o177)
    try:
        listening.bind(path)
    finally:
        os.umask(previous)
    listening.listen(CONCURRENCY)
    return listening


def main() -> None:
    """Serve until SIGTERM."""
    boot = read_boot(None, LitellmBoot)
    app = AdapterApp(boot, load_litellm())
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        limit_concurrency=CONCURRENCY,
        timeout_keep_alive=_KEEP_ALIVE_S,
        lifespan="off",
        server_header=False,
    )
    with listen(boot.uds) as listening:
        say_ready(boot.ready_fd)
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
