"""The demo's model servers: they speak enough of OpenAI's API for a chat, and answer as they are told to."""

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from statistics import NormalDist
from typing import Any

import msgspec

from gateway.demo.tickets import Skill, answer, lot, read

HEAD_BYTES = 64 * 1024
IDLE_S = 120.0
FIRST = 0.6
"""What part of a stream's time is over at its first token."""
PIECES = 4
"""In which a streamed answer comes."""
_NORMAL = NormalDist()
Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ScriptedAnswer:
    """What a model says to a message, and how long it takes over it."""

    text: str
    seconds: float


Model = Callable[[str], ScriptedAnswer | None]
"""The last message of a chat -> what is said; None: it has nothing to say to that."""


class _Message(msgspec.Struct):
    content: str = ""


class _Chat(msgspec.Struct):
    model: str
    messages: list[_Message]
    stream: bool = False


@dataclass(slots=True)
class ModelServer:
    """One model behind one port; another may take its place while it serves."""

    model: Model
    answered: int = 0
    port: int = field(default=0, init=False)
    _server: asyncio.Server | None = field(default=None, init=False)
    _open: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter], init=False)

    async def start(self) -> None:
        """Listen on a free port of this machine."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=HEAD_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Listen no more, and hang up."""
        if self._server is not None:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request."""
        self._open.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            async for body in _bodies(reader):
                await self._answer(body, writer)
                await writer.drain()
        self._open.discard(writer)
        writer.close()

    async def _answer(self, body: bytes, writer: asyncio.StreamWriter) -> None:
        try:
            chat = msgspec.json.decode(body, type=_Chat)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return _write(writer, "400 Bad Request", _problem("not a chat request"))
        said = self.model(chat.messages[-1].content) if chat.messages else None
        if said is None:
            return _write(writer, "404 Not Found", _problem("this model knows nothing of that"))
        await asyncio.sleep(said.seconds * (FIRST if chat.stream else 1))
        self.answered += 1
        if not chat.stream:
            return _write(writer, "200 OK", _completion(chat, said.text, self.answered))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        parts = list(_chunks(chat, said.text, self.answered))
        for at, part in enumerate(parts):
            if writer.is_closing():
                return None
            data = b"data: %b\n\n" % (json.dumps(part).encode() if part else b"[DONE]")
            writer.write(b"%x\r\n%b\r\n" % (len(data), data))
            if 0 < at < PIECES:
                await asyncio.sleep(said.seconds * (1 - FIRST) / (PIECES - 1))
        writer.write(b"0\r\n\r\n")
        return None


def model_of(skill: Skill) -> Model:
    """The model that sorts tickets with this skill."""
    return partial(_sort, skill)


def log_normal_s(draw: float, *, median_s: float, spread: float) -> float:
    """How long an answer takes: times of real servers are log-normal; `draw` is a number in [0, 1)."""
    return median_s * math.exp(spread * _NORMAL.inv_cdf(min(0.999, max(0.001, draw))))


def _sort(skill: Skill, text: str) -> ScriptedAnswer | None:
    asked = read(text)
    if asked is None:
        return None
    taken_s = log_normal_s(lot(skill.name, text, "time"), median_s=skill.median_s, spread=skill.spread)
    return ScriptedAnswer(answer(skill, asked), taken_s)


def _write(writer: asyncio.StreamWriter, status: str, told: Fields) -> None:
    text = json.dumps(told).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n"
    writer.write(head.encode() + text)


def _head(chat: _Chat, number: int, kind: str) -> Fields:
    return {"id": f"chatcmpl-{number}", "object": kind, "created": 1_760_000_000, "model": chat.model}


def _usage(chat: _Chat, text: str) -> Fields:
    prompt, said = sum(len(message.content) for message in chat.messages) // 4, len(text) // 4
    return {"prompt_tokens": prompt, "completion_tokens": said, "total_tokens": prompt + said}


def _completion(chat: _Chat, text: str, number: int) -> Fields:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return _head(chat, number, "chat.completion") | {"choices": [choice], "usage": _usage(chat, text)}


def _chunks(chat: _Chat, text: str, number: int) -> Iterator[Fields | None]:
    """Role, the text in pieces, the finish, usage, and None for the end."""
    head, size = _head(chat, number, "chat.completion.chunk"), -(-len(text) // PIECES)
    deltas: list[Fields] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": text[at : at + size]} for at in range(0, len(text), size)]
    for delta in deltas:
        yield head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    yield head | {"choices": [], "usage": _usage(chat, text)}
    yield None


def _problem(message: str) -> Fields:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}


async def _bodies(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The bodies of the requests on one connection, until it is closed or idle for too long."""
    while True:
        async with asyncio.timeout(IDLE_S):
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            _, _, length = head.partition(b"\r\ncontent-length:")
            body = await reader.readexactly(int(length.split(b"\r\n")[0] or 0))
        yield body
