"""The fake upstream's faults, byte by byte on the wire: a test that asks for a fault gets that one."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.fakes.faults import Fault
from tests.fakes.raw_http import App, read_response, request
from tests.fakes.raw_upstream import Call, RawUpstream
from tests.fakes.upstream import FakeUpstream
from tests.rooms.waiting import PATIENCE_S, starved_s

ASKED = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}).encode()
STREAMED = json.dumps({"model": "gpt-4o", "messages": [], "stream": True}).encode()
KEY = b"Authorization: Bearer sk-app"
DEADLINE_S = PATIENCE_S
QUIET_S = 0.3


@asynccontextmanager
async def asked_of(fault: Fault, *, echo: bool = False) -> AsyncIterator[tuple[App, FakeUpstream]]:
    """A connection to an upstream whose next answer has this fault; closed in the end."""
    async with FakeUpstream(echo=echo) as upstream:
        upstream.plan(fault)
        app = await App.connect(upstream.port)
        try:
            yield app, upstream
        finally:
            app.close()


async def everything(fault: Fault, body: bytes = ASKED) -> tuple[bytes, FakeUpstream]:
    """All bytes until the upstream ends the connection, or stays silent for a moment."""
    async with asked_of(fault) as (app, upstream):
        app.writer.write(request(body, KEY))
        got, starved = b"", starved_s()
        with suppress(ConnectionError):
            while True:
                try:
                    piece = await asyncio.wait_for(app.reader.read(65536), QUIET_S)
                except TimeoutError:
                    if starved_s() - starved < QUIET_S / 2:
                        break
                    starved = starved_s()  # nobody here could speak
                    continue
                if not piece:
                    break
                got += piece
        return got, upstream


@pytest.mark.parametrize(("before", "said"), [("reset", b""), ("close", b""), ("hang", b"")])
async def test_no_head_at_all(before: str, said: bytes):
    """`before` comes instead of a head: nothing that is HTTP is said."""
    got, _ = await everything(Fault(before=before))  # type: ignore[arg-type] -- a pytest parameter
    assert got == said


async def test_garbage_is_not_http():
    """`garbage` is bytes that no HTTP parser takes."""
    got, _ = await everything(Fault(before="garbage"))
    assert not got.startswith(b"HTTP")
    assert got


@pytest.mark.parametrize("after", [0, 1, 5])
async def test_a_cut_comes_after_exactly_so_many_events(after: int):
    """`after` events are whole on the wire, and no last chunk follows."""
    got, upstream = await everything(Fault(cut="close", after=after), STREAMED)
    assert got.count(b"data: ") == after
    assert not got.endswith(b"0\r\n\r\n")
    assert upstream.ledger[0].sent_events == after


async def test_an_answer_shorter_than_its_length():
    """`short` promises a content-length and closes before it."""
    got, _ = await everything(Fault(framing="short", after=10))
    head, _, body = got.partition(b"\r\n\r\n")
    assert len(body) == 10
    assert int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]) > 10


async def test_a_chunk_size_that_is_no_number():
    """`bad_chunk` breaks the framing after the events that came."""
    got, _ = await everything(Fault(framing="bad_chunk", after=2), STREAMED)
    assert got.count(b"data: ") == 2
    assert b"\r\nzz\r\n" in got


async def test_an_end_without_done():
    """`no_done` ends the body cleanly, its last events missing."""
    got, _ = await everything(Fault(cut="no_done", after=3), STREAMED)
    assert got.count(b"data: ") == 3
    assert b"[DONE]" not in got
    assert got.endswith(b"0\r\n\r\n")


async def test_interim_answers_and_pieces():
    """1xx heads come first; `piece_bytes` puts each byte in a chunk of its own."""
    got, _ = await everything(Fault(interim=(100, 103), piece_bytes=1))
    assert got.startswith(b"HTTP/1.1 100 Interim\r\n\r\nHTTP/1.1 103 Interim\r\n\r\nHTTP/1.1 200 OK")
    assert got.count(b"1\r\n") > 500


async def test_a_compressed_body():
    """`gzip` compresses the true answer and says so."""
    async with asked_of(Fault(gzip=True)) as (app, _):
        answer = await app.ask(request(ASKED, KEY))
    assert answer.get(b"content-encoding") == b"gzip"
    assert json.loads(gzip.decompress(answer.body))["object"] == "chat.completion"


async def test_a_status_without_a_body():
    """204 has no body and no length."""
    async with asked_of(Fault(status=204, body="")) as (app, _):
        answer = await app.ask(request(ASKED, KEY))
    assert (answer.status, answer.body, answer.get(b"content-length")) == (204, b"", b"")


async def test_an_answer_before_the_body_is_read():
    """`early` answers at the head; the body is still taken, and the connection goes on."""
    async with asked_of(Fault(early=True, status=413)) as (app, _):
        head, _, body = request(ASKED, KEY).partition(b"\r\n\r\n")
        app.writer.write(head + b"\r\n\r\n")
        assert (await asyncio.wait_for(read_response(app.reader, b"POST"), DEADLINE_S)).status == 413
        app.writer.write(body)
        assert (await asyncio.wait_for(app.ask(request(ASKED, KEY)), DEADLINE_S)).status == 200


async def test_an_endless_stream_and_who_left_it():
    """`endless` goes on until the caller leaves, and the ledger says when that was."""
    async with asked_of(Fault(endless=True, gap_s=0.001)) as (app, upstream):
        app.writer.write(request(STREAMED, KEY))
        await app.reader.readexactly(20_000)
        app.reset()
        for _ in range(1000):
            if upstream.ledger[0].cancelled_at is not None:
                break
            await asyncio.sleep(0.005)
        assert upstream.ledger[0].cancelled_at is not None
        assert upstream.ledger[0].ended_at is None


async def test_a_fault_in_a_header_and_the_ledgers_bytes():
    """A request may carry its fault; the ledger has every byte of it."""
    raw = request(ASKED, KEY, b'X-Evilup: {"status":418}')
    async with asked_of(Fault()) as (app, upstream):
        assert (await app.ask(raw)).status == 418
        assert upstream.ledger[0].request.raw == raw
        assert upstream.ledger[0].ended_at is not None


async def test_echo_gives_the_requests_bytes_back():
    """In echo mode the answer's body is the request as it stood on the wire."""
    raw = request(ASKED, b"X-Any: \xc3\xa9")
    async with asked_of(Fault(), echo=True) as (app, _):
        assert (await app.ask(raw)).body == raw


async def test_connections_dropped_while_a_request_is_read_end_quietly():
    """A request whose connection was aborted under it is seen as hung up on, and breaks nothing in the fake itself."""

    async def drop(call: Call) -> None:
        upstream.drop_connections()
        await call.gone.wait()

    async def hold(call: Call) -> None:
        await asyncio.Event().wait()

    async with RawUpstream(hold, on_head=drop) as upstream:
        app = await App.connect(upstream.port)
        app.writer.write(request(ASKED, KEY))
        with suppress(ConnectionError):
            assert await asyncio.wait_for(app.reader.read(), DEADLINE_S) == b""
        app.close()

    assert [call.gone_at is not None for call in upstream.heads] == [True]
