"""wire.md B2, B3 and B4, line by line: what the upstream answers is what the app gets."""

import asyncio
import gzip
import json
import socket
import struct
from collections.abc import Iterator

import pytest

from gateway.transport.limits import Limits
from tests.fakes.raw_http import Message, read_response
from tests.fakes.raw_upstream import DONE, LAST_CHUNK, SSE_HEAD, Call, answer, chunk, event
from tests.rooms.origin import Origin, an_app, ask, get, origin, post
from tests.rooms.waiting import until

CHAT = b'{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}],"stream":true}'
OURS = (b"x-crossfade-request-id", b"x-crossfade-route", b"x-crossfade-variant")


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    """One worker for the module, that sheds above four requests."""
    with origin(tmp_path_factory.mktemp("response"), limits=Limits(in_flight=4)) as found:
        yield found


@pytest.fixture
def there(serving: Origin) -> Origin:
    """The worker, with nothing left of the test before."""
    serving.reset()
    return serving


def theirs(message: Message) -> list[tuple[bytes, bytes]]:
    """The headers that are not ours."""
    return [header for header in message.headers if header[0] not in OURS]


def streamed(*pieces: bytes) -> tuple[bytes, ...]:
    """A stream whose pieces are written one by one."""
    return (SSE_HEAD, *map(chunk, pieces), LAST_CHUNK)


async def test_status_headers_and_body_are_the_upstreams(there: Origin) -> None:
    """Reason phrase, every end-to-end header with its case and order, and the bytes of the body pass; ours follow."""
    lines = [
        b"x-request-id: req_1", b"openai-processing-ms: 7", b"openai-version: 2020-10-01", b"openai-organization: o",
        b"x-ratelimit-remaining-requests: 9", b"retry-after: 7", b"retry-after-ms: 6500", b"x-should-retry: false",
        b"CF-RAY: 8f-AMS", b"Set-Cookie: a=1", b"set-cookie: b=2", b"Location: /x", b"Vary: Accept", b"X-Empty:",
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT", b"Server: odd/1.0",
    ]  # fmt: skip
    said = answer(b'{"a":1.0}', *lines, status=b"299 Rather Odd")
    there.says(said)
    message = await ask(there.port, get(b"/v1/x"))
    assert message.start == b"HTTP/1.1 299 Rather Odd"
    assert message.body == b'{"a":1.0}'
    wanted = said.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    head = message.raw.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    assert [line for line in head if not line.startswith(b"x-crossfade-")] == wanted
    assert head[: len(wanted)] == wanted


@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/v1/files/f/content"])
async def test_compressed_answers_stay_compressed(there: Origin, path: bytes) -> None:
    """Compressed bytes pass as they are, with their content-encoding and vary."""
    body = gzip.compress(b'{"hello":1}', mtime=0)
    there.says(answer(body, b"Content-Encoding: gzip", b"Vary: Accept-Encoding"))
    message = await ask(there.port, post(CHAT, b"Accept-Encoding: gzip", target=path))
    assert message.body == body
    assert message.get(b"content-encoding") == b"gzip"
    assert there.row(message).response_body == body


async def test_only_our_own_headers_are_added(there: Origin) -> None:
    """Nothing but x-crossfade-* is added, and the variant's can be switched off."""
    message = await ask(there.port, post(CHAT))
    added = {name for name, _ in message.headers} - {b"Content-Type", b"Content-Length"}
    assert added == set(OURS)
    there.publish(expose_variant=False)
    try:
        message = await ask(there.port, get(b"/v1/x"))
        assert {name for name, _ in message.headers} - {b"Content-Type", b"Content-Length"} == {OURS[0]}
    finally:
        there.publish(expose_variant=True)


@pytest.mark.parametrize(
    ("method", "head"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n"),
        (b"GET", b"HTTP/1.1 204 No Content\r\n"),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n"),
        (b"GET", b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://evil.invalid/\r\nContent-Length: 0\r\n"),
    ],
)
async def test_answers_without_a_body_have_none(there: Origin, method: bytes, head: bytes) -> None:
    """HEAD, 204 and 304 have no body and no new framing, redirects are not followed; the connection goes on."""
    there.says(head + b"\r\n")
    async with an_app(there.port) as app:
        for _ in range(2):
            message = await app.ask(get(b"/v1/x", method=method))
            assert message.body == b""
            assert b"\r\n".join(name + b": " + value for name, value in theirs(message)) + b"\r\n" == head.partition(
                b"\r\n"
            )[2] or not theirs(message)
            assert message.all(b"transfer-encoding") == []
    assert len(there.upstream.calls) == 2


async def test_an_answer_has_one_framing(there: Origin) -> None:
    """A length stays a length, chunks stay chunks, and a body that ended with its connection becomes chunks."""
    there.says(answer(b"hello"))
    message = await ask(there.port, get(b"/v1/x"))
    assert (message.all(b"content-length"), message.all(b"transfer-encoding")) == ([b"5"], [])
    there.says(b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo", close=True)
    message = await ask(there.port, get(b"/v1/x"))
    assert (message.all(b"content-length"), message.all(b"transfer-encoding")) == ([], [b"chunked"])
    assert message.body == b"hello"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"audio/mpeg", bytes(range(256)) * 40),
        (b"application/zip", b"PK\x03\x04\x00\xff"),
        (b"application/sdp", b"v=0\r\n\r\n"),
        (b"text/plain", "é\n".encode()),
        (b"video/mp4", b"\x00" * 300_000),
        (b"application/json", b""),
    ],
)
async def test_any_body_passes(there: Origin, kind: bytes, body: bytes) -> None:
    """Binary, text and empty bodies are bytes."""
    there.says(answer(body).replace(b"application/json", kind))
    message = await ask(there.port, post(b"{}", target=b"/v1/audio/speech"))
    assert message.body == body
    assert message.get(b"content-type") == kind


ERRORS = [
    (b"400 Bad Request", b'{"error":{"message":"m","type":"invalid_request_error","param":null,"code":null}}'),
    (b"404 Not Found", b'{"error":{"message":"m","type":"x","param":"model","code":"model_not_found"}}'),
    (b"429 Too Many Requests", b'{"error":{"message":"slow down","code":"rate_limit_exceeded"}}'),
    (b"500 Internal Server Error", b"<html>oops</html>"),
    (b"502 Bad Gateway", b""),
    (b"200 OK", b"null"),
]


@pytest.mark.parametrize(("status", "body"), ERRORS)
async def test_errors_are_the_upstreams_own(there: Origin, status: bytes, body: bytes) -> None:
    """Status and bytes of any error pass, HTML and empty ones too, also where a stream was asked for."""
    there.says(answer(body, status=status))
    message = await ask(there.port, post(CHAT))
    assert (message.start, message.body) == (b"HTTP/1.1 " + status, body)


async def test_our_own_errors_are_error_objects(there: Origin) -> None:
    """What the gateway says itself is JSON, in OpenAI's shape, with both request ids and when to try again."""
    there.answers(lambda call: asyncio.sleep(0, call.writer.transport.abort()))
    message = await ask(there.port, post(CHAT))
    assert message.status == 502
    assert message.get(b"content-type") == b"application/json"
    assert message.get(b"x-request-id") == message.get(b"x-crossfade-request-id") != b""
    assert message.get(b"x-should-retry") == b"true"
    error = json.loads(message.body)["error"]
    assert (error["type"], error["code"], error["param"]) == ("crossfade_error", "upstream_no_answer", None)
    meta = there.row(message).meta
    assert (meta.outcome, meta.variant, meta.attempts[0].error) == ("upstream_error", "gateway", "no_answer")


async def test_the_first_bytes_are_forwarded_as_they_come(there: Origin) -> None:
    """Each event reaches the app while the upstream holds back the next: nothing is read ahead or gathered."""
    released = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def stepwise(call: Call) -> None:
        await call.send(SSE_HEAD)
        for number in range(3):
            await call.send(chunk(event(str(number))))
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(released.wait(), loop))
            released.clear()
        await call.send(LAST_CHUNK)

    there.answers(stepwise)
    async with an_app(there.port) as app:
        app.writer.write(post(CHAT, b"Accept-Encoding: gzip"))
        head = await app.reader.readuntil(b"\r\n\r\n")
        assert b"content-encoding" not in head.lower()
        for number in range(3):
            assert await app.reader.readexactly(len(chunk(event("0")))) == chunk(event(str(number)))
            released.set()
        assert await app.reader.readexactly(len(LAST_CHUNK)) == LAST_CHUNK


STREAMS = {
    "chat": (event("Hel"), event("lo"), DONE),
    "comments": (b": OPENROUTER PROCESSING\n\n", event("x"), b":\n\n", DONE),
    "no space": (b'data:{"choices":[]}\n\n', b"data:[DONE]\n\n"),
    "CRLF": (b'data: {"choices":[]}\r\n\r\n', b"data: [DONE]\r\n\r\n"),
    "usage chunk": (event("x"), b'data: {"choices":[],"usage":{"total_tokens":1}}\n\n', DONE),
    "no usage": (b'data: {"choices":[{"index":0,"delta":{"role":"assistant"}}],"usage":null}\n\n', DONE),
    "tool calls": (
        b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_b"}]}}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}}]}\n\n',
        DONE,
    ),
    "n=2": (
        b'data: {"choices":[{"index":1,"delta":{"content":"b"}}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n',
        DONE,
    ),
    "extras": (b'data: {"obfuscation":"aB","service_tier":"x","system_fingerprint":"fp","moderation":{}}\n\n', DONE),
    "responses": (
        b'event: response.created\ndata: {"type":"response.created","sequence_number":0}\n\n',
        b'event: response.completed\ndata: {"type":"response.completed","sequence_number":1}\n\n',
    ),
    "images": (b'event: image_generation.partial_image\ndata: {"b64_json":"AA=="}\n\n',),
    "assistants": (b'event: thread.run.completed\ndata: {"id":"run_1"}\n\n', b"event: done\ndata: [DONE]\n\n"),
    "split UTF-8": ('data: {"x":"é😀'.encode()[:12], 'data: {"x":"é😀'.encode()[12:] + b'"}\n\n', DONE),
    "no last blank line": (event("x"), b"data: [DONE]"),
    "an empty event": (b"event: ping\n\n", b"data:\n\n", DONE),
    "an error event": (b'data: {"error":{"code":500,"message":"m"}}\n\n', DONE),
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("size", [0, 1, 7])
async def test_streams_are_bytes(there: Origin, name: str, size: int) -> None:
    """No event is added, dropped, reordered or renumbered, however the bytes are cut; the journal has the same."""
    whole = b"".join(STREAMS[name])
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)] if size else STREAMS[name]
    there.says(*streamed(*pieces))
    message = await ask(there.port, post(CHAT, target=b"/v1/responses" if name == "responses" else b"/v1/x"))
    assert message.body == whole
    row = there.row(message)
    assert (row.response_body, row.meta.outcome) == (whole, "complete")
    assert row.meta.chunk_ends[-1] == len(whole)


async def test_streaming_is_chosen_by_the_answer(there: Origin) -> None:
    """JSON for `stream: true` stays JSON, and events that nobody asked for stay events."""
    there.says(answer(b'{"object":"chat.completion"}'))
    assert (await ask(there.port, post(CHAT))).get(b"content-type") == b"application/json"
    there.says(*streamed(event("x"), DONE))
    message = await ask(there.port, post(b'{"model":"gpt-4o"}'))
    assert message.get(b"content-type").startswith(b"text/event-stream")
    assert message.body == event("x") + DONE


async def test_the_app_is_not_asked_for_more_than_it_asked(there: Origin) -> None:
    """The frontier's stream is never changed for metering: no stream_options are added."""
    await ask(there.port, post(CHAT))
    assert there.call.request.body == CHAT


HALVES = {
    "chunked": SSE_HEAD + chunk(event("x")),
    "sized": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf",
    "unframed": b"HTTP/1.1 200 OK\r\n\r\nhalf",
}


@pytest.mark.parametrize(
    ("framing", "reset"),
    [("chunked", True), ("chunked", False), ("sized", True), ("sized", False), ("unframed", True)],
)
async def test_an_answer_that_breaks_is_not_ended_cleanly(there: Origin, framing: str, *, reset: bool) -> None:
    """If the upstream breaks in the middle the app's connection breaks too: no SDK may take it for whole."""
    arrived = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def cut(call: Call) -> None:
        await call.send(HALVES[framing])
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(arrived.wait(), loop))
        if reset:
            linger = struct.pack("ii", 1, 0)
            call.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            call.writer.transport.abort()
        else:
            call.writer.close()

    there.answers(cut)
    async with an_app(there.port) as app:
        app.writer.write(post(CHAT))
        head = await app.reader.readuntil(b"\r\n\r\n")
        arrived.set()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await (app.reader.readuntil(LAST_CHUNK) if b"chunked" in head else app.reader.readexactly(500))
    identity = head.partition(b"x-crossfade-request-id: ")[2][:36].decode()
    (row,) = [row for row in there.gateway.journal().exchanges if row.meta.id == identity]
    assert (row.meta.outcome, row.meta.attempts[-1].error) == ("upstream_broken", "broken")
    assert row.response_body in (event("x"), b"half")


async def test_overload_sheds_at_once(there: Origin) -> None:
    """Above the limit a request gets 503 with both retry-after headers, and the running ones go on."""

    async def hold(call: Call) -> None:
        await asyncio.Event().wait()

    there.answers(hold)
    raw = post(CHAT)
    async with an_app(there.port) as a, an_app(there.port) as b, an_app(there.port) as c, an_app(there.port) as d:
        for app in (a, b, c, d):
            app.writer.write(raw)
        await until(lambda: there.gateway.worker.live()["in_flight"] == 4)
        async with an_app(there.port) as shed:
            for _ in range(2):
                message = await shed.ask(raw)
                assert message.status == 503
                assert json.loads(message.body)["error"]["code"] == "overloaded"
                assert message.get(b"x-should-retry") == b"true"
                assert 0 < int(message.get(b"retry-after-ms")) <= 60_000
        assert there.gateway.worker.live()["shed"] == 2
    await until(lambda: there.gateway.worker.live()["in_flight"] == 0)


async def test_an_unreachable_upstream_is_502(there: Origin) -> None:
    """An upstream where nobody listens is an error of ours that an SDK tries again."""
    before = there.gateway.table.upstreams
    there.publish(upstreams=before, default_upstream="none")
    try:
        message = await ask(there.port, get(b"/v1/x"))
        assert (message.status, message.get(b"x-should-retry")) == (502, b"true")
        assert json.loads(message.body)["error"]["code"] == "upstream_unreachable"
    finally:
        there.publish(upstreams=before, default_upstream="openai")


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"\x16\x03\x01nonsense\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: evil\r\n\r\n",
    ],
)
async def test_a_malformed_answer_is_502(there: Origin, said: bytes) -> None:
    """Framing that could split an answer in two never reaches the app."""
    there.says(said)
    message = await ask(there.port, post(CHAT))
    assert message.status == 502
    assert json.loads(message.body)["error"]["code"] == "upstream_malformed"


async def test_a_second_answer_is_nobodys(there: Origin) -> None:
    """What an upstream sends behind its answer is not given to the next request."""
    there.says(answer(b"first") + answer(b"stray"))
    async with an_app(there.port) as app:
        assert (await app.ask(get(b"/v1/a"))).body == b"first"
        there.says(answer(b"second"))
        assert (await app.ask(get(b"/v1/b"))).body == b"second"


async def test_errors_before_the_first_byte_keep_their_status(there: Origin) -> None:
    """An error to a streaming request is no stream: its status is its own."""
    there.says(answer(b'{"error":{}}', status=b"503 Service Unavailable"))
    async with an_app(there.port) as app:
        app.writer.write(post(CHAT))
        message = await read_response(app.reader, b"POST")
    assert message.status == 503
    assert message.get(b"content-type") == b"application/json"
