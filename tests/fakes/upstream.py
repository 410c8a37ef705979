"""evilup: an OpenAI upstream that answers truly, fails as it is told, and keeps an exact ledger.

async with FakeUpstream() as upstream:
    upstream.plan(Fault(cut="reset", after=3))      # the next request's answer; or a header x-evilup with JSON
    ...ask upstream.base_url...
    assert upstream.ledger[-1].cancelled_at is None

python -m tests.fakes.upstream --port 9001 --label frontier
"""

import argparse
import asyncio
import gzip
import json
import signal
import socket
import struct
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from gateway import clock
from tests.fakes import openai_answers
from tests.fakes.faults import HEADER, NONE, Fault, read_fault
from tests.fakes.openai_answers import Fields, Speaker
from tests.fakes.openai_api import Answer, Api
from tests.fakes.raw_http import Message
from tests.fakes.raw_upstream import LAST_CHUNK, Call, RawUpstream, chunk

REASONS = {200: b"OK", 204: b"No Content", 400: b"Bad Request", 404: b"Not Found", 429: b"Too Many Requests"}


@dataclass(slots=True)
class Entry:
    """One request, as it stood on the wire, and what became of its answer."""

    call: Call
    fault: Fault
    sent_bytes: int = 0
    sent_events: int = 0
    ended_at: float | None = None
    """When the answer was finished, or broken as its fault says."""

    @property
    def request(self) -> Message:
        """The request with its raw bytes."""
        return self.call.request

    @property
    def json(self) -> Fields:
        """The request's body."""
        return json.loads(self.request.body)

    @property
    def at(self) -> float:
        """When its head had come, on the monotonic clock."""
        return self.call.at

    @property
    def cancelled_at(self) -> float | None:
        """When the caller hung up before the answer was finished."""
        return self.call.gone_at if self.ended_at is None else None


@dataclass(slots=True)
class FakeUpstream:
    """Listens while entered, on 127.0.0.1. Answers as `speaker`; in echo mode with the request's own bytes."""

    speaker: Speaker = field(default_factory=Speaker)
    port: int = 0
    echo: bool = False
    require_key: bool = True
    fault: Fault = NONE
    """Of every answer that has none planned."""
    every: dict[int, Fault] = field(default_factory=dict[int, Fault])
    """Of each so manieth answer that has none planned: a tail."""
    ledger: list[Entry] = field(default_factory=list[Entry])
    _planned: deque[Fault] = field(default_factory=deque[Fault])
    _early: set[int] = field(default_factory=set[int])
    _api: Api = field(init=False)
    _raw: RawUpstream = field(init=False)

    def __post_init__(self) -> None:
        self._api = Api(self.speaker, require_key=self.require_key)
        self._raw = RawUpstream(self._answer, port=self.port, on_head=self._answer_early)

    async def __aenter__(self) -> Self:
        await self._raw.__aenter__()
        self.port = self._raw.port
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._raw.__aexit__(kind, error, trace)

    @property
    def base_url(self) -> str:
        """What an app sets as OPENAI_BASE_URL."""
        return self._raw.base_url

    @property
    def open(self) -> int:
        """Connections there are."""
        return self._raw.open

    @property
    def connections(self) -> int:
        """Connections there ever were."""
        return self._raw.connections

    def plan(self, *faults: Fault) -> None:
        """The next answers' faults, in the order in which their requests come."""
        self._planned.extend(faults)

    def drop_connections(self) -> None:
        """Abort every connection there is."""
        self._raw.drop_connections()

    def _fault_of(self, request: Message) -> Fault:
        if stated := request.get(HEADER.encode()):
            return read_fault(stated)
        if self._planned:
            return self._planned.popleft()
        count = len(self.ledger) + 1
        return next((fault for each, fault in self.every.items() if count % each == 0), self.fault)

    async def _answer_early(self, call: Call) -> None:
        stated = call.request.get(HEADER.encode())
        fault = read_fault(stated) if stated else (self._planned[0] if self._planned else self.fault)
        if fault.early:
            self._early.add(id(call))
            await self._answer(call)

    async def _answer(self, call: Call) -> None:
        if id(call) in self._early and call.request.body:
            self._early.discard(id(call))
            return
        entry = Entry(call, self._fault_of(call.request))
        self.ledger.append(entry)
        answer = self._echo(call.request) if self.echo else self._api.answer(call.request)
        await _Writer(entry).write(answer)
        entry.ended_at = clock.monotonic()

    @staticmethod
    def _echo(request: Message) -> Answer:
        return Answer(200, request.raw, "application/octet-stream")


@dataclass(slots=True)
class _Writer:
    """Puts one answer on the wire, as well or as badly as its fault says."""

    entry: Entry

    async def write(self, answer: Answer) -> None:
        fault = self.entry.fault
        await asyncio.sleep(fault.delay_s)
        for status in fault.interim:
            await self._send(b"HTTP/1.1 %d Interim\r\n\r\n" % status)
        if fault.before:
            await self._break(fault.before)
            return
        if fault.status != 200 or fault.body is not None:
            answer = _replace(answer, fault)
        if answer.events is None:
            await self._write_whole(answer)
        else:
            await self._write_stream(answer, answer.events)

    async def _write_whole(self, answer: Answer) -> None:
        fault, body = self.entry.fault, answer.body
        headers = list(answer.headers.items())
        if fault.gzip:
            body = gzip.compress(body, mtime=0)
            headers += [("content-encoding", "gzip"), ("vary", "accept-encoding")]
        cut = fault.cut in {"reset", "close", "half_close", "hang"}
        chunked = bool(fault.piece_bytes) or fault.framing == "bad_chunk"
        if answer.status == 204:
            body = b""
        elif fault.framing == "close":
            headers.append(("connection", "close"))
        else:
            headers.append(("transfer-encoding", "chunked") if chunked else ("content-length", str(len(body))))
        await self._send(_head(answer, headers))
        body = body[: fault.after] if cut or fault.framing == "short" else body
        await self._send_pieces(body, chunked=chunked)
        if cut:
            await self._break(fault.cut)
        elif fault.framing in {"close", "short"}:
            self.entry.call.writer.close()
        elif fault.framing == "bad_chunk":
            await self._send(b"zz\r\n")
        elif chunked:
            await self._send(LAST_CHUNK)

    async def _write_stream(self, answer: Answer, events: Iterator[bytes]) -> None:
        fault = self.entry.fault
        chunked = fault.framing != "close"
        framing = ("transfer-encoding", "chunked") if chunked else ("connection", "close")
        await self._send(_head(answer, [*answer.headers.items(), framing]))
        for number, event in enumerate(_endless(events) if fault.endless else events):
            if number == fault.after and (fault.cut not in {"", "no_done"} or fault.framing == "bad_chunk"):
                await self._break(fault.cut or "bad_chunk", chunked=chunked)
                return
            if fault.cut == "no_done" and (number >= fault.after or event == openai_answers.DONE):
                break
            await self._send_pieces(event, chunked=chunked)
            self.entry.sent_events += 1
            await asyncio.sleep(fault.gap_s)
        if chunked:
            await self._send(LAST_CHUNK)
        else:
            self.entry.call.writer.close()

    async def _break(self, how: str, *, chunked: bool = False) -> None:
        call = self.entry.call
        match how:
            case "reset":
                raw: socket.socket = call.writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                call.writer.transport.abort()
            case "close":
                call.writer.close()
            case "half_close":
                call.writer.write_eof()
                await asyncio.Event().wait()
            case "hang":
                await asyncio.Event().wait()
            case "bad_chunk":
                await self._send(b"zz\r\nnot a chunk")
                call.writer.close()
            case "error_event":
                failed = openai_answers.problem(
                    "EngineCore encountered an issue.", kind="InternalServerError", code=500
                )
                data = b"data: %b\n\n%b" % (json.dumps(failed).encode(), openai_answers.DONE)
                await self._send_pieces(data, chunked=chunked)
                await self._send(LAST_CHUNK if chunked else b"")
            case _:
                await self._send(b"\x16\x03\x01\x02\x00\x01\x00not http at all\r\n\r\n")
                call.writer.close()

    async def _send_pieces(self, data: bytes, *, chunked: bool) -> None:
        size = self.entry.fault.piece_bytes or len(data) or 1
        for at in range(0, len(data), size):
            piece = data[at : at + size]
            await self._send(chunk(piece) if chunked else piece)
            if self.entry.fault.piece_bytes:
                await asyncio.sleep(self.entry.fault.gap_s)

    async def _send(self, data: bytes) -> None:
        self.entry.sent_bytes += len(data)
        await self.entry.call.send(data)


def _replace(answer: Answer, fault: Fault) -> Answer:
    """The answer that the fault states instead of the true one."""
    if fault.body is not None:
        kind = fault.content_type or ("application/json" if fault.body.startswith("{") else "text/html")
        return Answer(fault.status, fault.body.encode(), kind, answer.headers | fault.headers)
    said = openai_answers.problem(f"Status {fault.status}, as scripted.", kind="server_error", code="scripted")
    return Answer(fault.status, json.dumps(said).encode(), "application/json", answer.headers | fault.headers)


def _head(answer: Answer, headers: list[tuple[str, str]]) -> bytes:
    lines = [b"HTTP/1.1 %d %b" % (answer.status, REASONS.get(answer.status, b"Status"))]
    if answer.status != 204:
        lines.append(b"content-type: " + answer.content_type.encode())
    lines += [f"{name}: {value}".encode() for name, value in headers]
    lines += [b"set-cookie: " + cookie.encode() for cookie in answer.cookies]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _endless(events: Iterator[bytes]) -> Iterator[bytes]:
    """The stream's first events, then its last content for ever."""
    head = [next(events), next(events)]
    yield from head
    while True:
        yield head[-1]


async def serve(upstream: FakeUpstream) -> None:
    """Run until SIGTERM or SIGINT; the port is printed once it listens."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with upstream:
        sys.stdout.write(f"{upstream.base_url}\n")
        sys.stdout.flush()
        await stopped.wait()


def main() -> None:
    """Serve from the command line."""
    parser = argparse.ArgumentParser(description="A scriptable fake OpenAI upstream.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--label", default="frontier", help="the word that begins every word of its answers")
    parser.add_argument("--words", type=int, default=openai_answers.WORDS, help="words of an answer")
    parser.add_argument("--vllm", action="store_true", help="answer as vLLM writes it")
    parser.add_argument("--echo", action="store_true", help="answer with the request's own bytes")
    parser.add_argument("--no-key", action="store_true", help="take requests without a key")
    parser.add_argument("--fault", default="{}", help="of every answer, as JSON")
    told = parser.parse_args()
    speaker = Speaker(told.label, vllm=told.vllm, words=told.words)
    fault = read_fault(told.fault.encode())
    asyncio.run(serve(FakeUpstream(speaker, told.port, echo=told.echo, require_key=not told.no_key, fault=fault)))


if __name__ == "__main__":
    main()
