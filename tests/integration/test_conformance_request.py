"""wire.md B1, line by line: what an app sends is what the upstream gets."""

import asyncio
import gzip
import json
from collections.abc import Iterator

import pytest

from policies.routing import Upstream
from tests.fakes.raw_http import read_response
from tests.fakes.raw_upstream import LAST_CHUNK, answer, chunk
from tests.rooms.origin import KEY, Origin, an_app, ask, get, origin, post

CHAT = b'{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}'


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    """One worker for the module."""
    with origin(tmp_path_factory.mktemp("request")) as found:
        yield found


@pytest.fixture
def there(serving: Origin) -> Origin:
    """The worker, with nothing left of the test before."""
    serving.reset()
    return serving


BODIES = [
    CHAT,
    b'{"model" :"gpt-4o",  "messages":[],"temperature":1.0,"top_p":1,"x":1e-7,"seed":12345678901234567890}',
    '{"model":"gpt-4o","messages":[{"role":"user","content":"é\\u00e9 \\/ 😀 \\ud83d\\ude00"}]}'.encode(),
    b'{"model":"gpt-4o","model":"gpt-4","messages":[]}',
    b'{"client_metadata":{"a":1},"model":"gpt-4o","tools":[{"type":"namespace"},{"type":"web_search"}],"zz":null}',
    b' \n{"model":"gpt-4o"}\n ',
    b'\xef\xbb\xbf{"model":"gpt-4o"}',
]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/v1/responses", b"/v1/other"])
async def test_a_body_is_never_written_anew(there: Origin, body: bytes, path: bytes) -> None:
    """Key order, number forms, escapes, duplicate and unknown keys reach the upstream as the bytes they were."""
    await ask(there.port, post(body, target=path))
    assert there.call.request.body == body


@pytest.mark.parametrize(
    "target",
    [
        b"/v1/models/a%2Fb%3Ac",
        b"/v1/x?include[]=a&include[]=b&metadata[k]=v&empty=&novalue",
        b"/v1/x?",
        b"/v1//double//slash/../dots/%2e%2e/x?a=b?c",
        b"/v1/x?q=%E2%82%AC+%20&q=%zz",
    ],
)
async def test_path_and_query_are_raw(there: Origin, target: bytes) -> None:
    """Escapes, repeated and bracketed keys and empty queries are not normalised."""
    await ask(there.port, get(target))
    assert there.call.request.target == target


@pytest.mark.parametrize(
    ("asked", "base", "gets"),
    [
        (b"/v1/chat/completions", "/v1", b"/v1/chat/completions"),
        (b"/chat/completions", "/v1", b"/v1/chat/completions"),
        (b"/v1/chat/completions", "", b"/chat/completions"),
        (b"/v1/chat/completions", "/openai/deployments/d/", b"/openai/deployments/d/chat/completions"),
        (b"/v1/models/", "/v1", b"/v1/models/"),
        (b"/v1", "/v1", b"/v1"),
        (b"/", "", b"/"),
    ],
)
async def test_any_base_works_on_both_sides(there: Origin, asked: bytes, base: str, gets: bytes) -> None:
    """Apps may leave out /v1, upstreams may have another base; nothing is redirected."""
    before = there.gateway.table.upstreams
    url = f"http://127.0.0.1:{there.upstream.port}{base}"
    there.publish(upstreams=(Upstream("openai", url), *before[1:]))
    try:
        assert (await ask(there.port, post(CHAT, target=asked))).status == 200
        assert there.call.request.target == gets
    finally:
        there.publish(upstreams=before)


async def test_an_upstreams_query_is_added(there: Origin) -> None:
    """Azure's api-version goes behind the app's own query."""
    before = there.gateway.table.upstreams
    azure = Upstream("openai", there.upstream.base_url, query={"api-version": "2026-01-01"}, headers={"api-key": "s"})
    there.publish(upstreams=(azure, *before[1:]))
    try:
        await ask(there.port, get(b"/v1/x?a=b"))
        assert there.call.request.target == b"/v1/x?a=b&api-version=2026-01-01"
        assert there.call.request.all(b"api-key") == [b"s"]
        assert there.call.request.all(b"authorization") == []
    finally:
        there.publish(upstreams=before)


@pytest.mark.parametrize("method", [b"GET", b"POST", b"DELETE", b"PATCH", b"PUT", b"HEAD", b"OPTIONS"])
async def test_every_method_passes(there: Origin, method: bytes) -> None:
    """Methods reach the upstream, with and without the body that they seldom have."""
    there.says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert (await ask(there.port, get(b"/v1/x", b"Content-Type: application/json", method=method))).status == 200
    assert there.call.request.method == method
    assert there.call.request.body == b""


async def test_multipart_is_untouched(there: Origin) -> None:
    """Boundary, field order, repeated fields, odd file names and binary content pass."""
    body = (
        b'--B\r\nContent-Disposition: form-data; name="timestamp_granularities[]"\r\n\r\nword\r\n'
        b'--B\r\nContent-Disposition: form-data; name="timestamp_granularities[]"\r\n\r\nsegment\r\n'
        b"--B\r\nContent-Disposition: form-data; name=file; filename*=utf-8''%E2%82%AC\r\n\r\n\x00\xff\r\n\r\n--B--\r\n"
    )
    raw = post(body, target=b"/v1/audio/transcriptions").replace(
        b"application/json", b'multipart/form-data; boundary="B"'
    )
    await ask(there.port, raw)
    assert there.call.request.body == body
    assert there.call.request.get(b"content-type") == b'multipart/form-data; boundary="B"'


@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/v1/files"])
@pytest.mark.parametrize("pieces", [(), (b"",), (CHAT,), (CHAT[:7], CHAT[7:8], CHAT[8:])])
async def test_chunked_uploads_pass(there: Origin, path: bytes, pieces: tuple[bytes, ...]) -> None:
    """A body without a stated length arrives whole, an empty one too, whether it is read on the way or not."""
    body = b"".join(chunk(piece) for piece in pieces if piece) + LAST_CHUNK
    head = b"POST %b HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" % path
    assert (await ask(there.port, head + body)).status == 200
    assert there.call.request.body == b"".join(pieces)


async def test_expect_100_continue_is_answered_here(there: Origin) -> None:
    """The app gets its leave before it sends, and the upstream gets no expectation."""
    raw = post(CHAT, b"Expect: 100-continue")
    async with an_app(there.port) as app:
        app.writer.write(raw[: -len(CHAT)])
        assert await app.reader.readexactly(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        app.writer.write(CHAT)
        assert (await read_response(app.reader, b"POST")).status == 200
    assert there.call.request.body == CHAT
    assert there.call.request.all(b"expect") == []


async def test_a_large_upload_does_not_grow_memory(there: Origin) -> None:
    """100 MB pass with flat memory: the worker reads no faster than the upstream."""
    size, piece = 100_000_000, b"x" * 1_000_000
    worker = there.gateway.worker
    await ask(there.port, post(b"x" * 1_000_000, target=b"/v1/files"))
    before = worker.rss_bytes()
    most = 0
    head = b"POST /v1/files HTTP/1.1\r\nHost: g\r\nContent-Type: audio/wav\r\nContent-Length: %d\r\n\r\n" % size
    async with an_app(there.port) as app:
        app.writer.write(head)
        for _ in range(size // len(piece)):
            app.writer.write(piece)
            await app.writer.drain()
            most = max(most, worker.rss_bytes())
        assert (await read_response(app.reader, b"POST")).status == 200
    assert len(there.call.request.body) == size
    assert most - before < 32 * 1024 * 1024


@pytest.mark.parametrize("encoding", [b"gzip", b"zstd", b"br", b"nonsense"])
async def test_encoded_bodies_pass_as_they_are(there: Origin, encoding: bytes) -> None:
    """A compressed body is not opened, on a routed path neither, and never an error."""
    body = gzip.compress(CHAT, mtime=0)
    message = await ask(there.port, post(body, b"Content-Encoding: " + encoding))
    assert message.status == 200
    assert there.call.request.body == body
    assert there.call.request.get(b"content-encoding") == encoding


HEADERS = (
    b"OpenAI-Organization: org",
    b"OpenAI-Project: proj",
    b"OpenAI-Beta: assistants=v2",
    b"x-stainless-lang: python",
    b"X-Stainless-Retry-Count: 0",
    b"User-Agent: OpenAI/Python 3",
    b"Idempotency-Key: k",
    b"X-Client-Request-Id: c",
    b"session_id: s",
    b"traceparent: 00-1-2-01",
    b"x-CaSe: Kept",
    b"X-Empty:",
    b"X-Twice: 1",
    b"x-twice: 2",
    b"Forwarded: for=1.2.3.4",
    b"X-Utf8: caf\xc3\xa9",
)


async def test_end_to_end_headers_pass_in_order(there: Origin) -> None:
    """Every header that is not of one hop reaches the upstream with its case, order and repetition."""
    await ask(there.port, post(CHAT, *HEADERS))
    kept = there.call.request.raw.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    wanted = [b"Content-Type: application/json", KEY, *HEADERS, b"Content-Length: %d" % len(CHAT)]
    assert kept == [b"Host: 127.0.0.1:%d" % there.upstream.port, *wanted]


async def test_headers_of_one_hop_and_our_own_stay_here(there: Origin) -> None:
    """What Connection names, TE, Proxy-* and our control headers do not go on; the body's length always does."""
    await ask(
        there.port,
        post(
            CHAT,
            b"Connection: X-Hop, keep-alive, Content-Length",
            b"X-Hop: 1",
            b"TE: trailers",
            b"Proxy-Authorization: Basic x",
            b"Keep-Alive: timeout=5",
            b"x-crossfade-no-train: 1",
        ),
    )
    names = {name.lower() for name, _ in there.call.request.headers}
    assert names == {b"host", b"content-type", b"authorization", b"content-length"}
    assert there.call.request.body == CHAT


@pytest.mark.parametrize("line", [b"Accept-Encoding: gzip, deflate, br, zstd", b"Accept-Encoding: identity", b""])
async def test_accept_encoding_and_user_agent_are_the_apps(there: Origin, line: bytes) -> None:
    """The gateway adds no Accept, Accept-Encoding or User-Agent of its own."""
    await ask(there.port, post(CHAT, *filter(None, [line])))
    found = there.call.request
    assert found.all(b"accept-encoding") == ([line.partition(b": ")[2]] if line else [])
    assert found.all(b"accept") == found.all(b"user-agent") == []


async def test_there_is_no_cookie_jar(there: Origin) -> None:
    """A cookie set for one app is sent by nobody else; an app's own passes."""
    there.says(answer(b"{}", b"Set-Cookie: a=1", b"Set-Cookie: b=2"))
    first = await ask(there.port, get(b"/v1/x", b"Cookie: mine=1"))
    assert first.all(b"set-cookie") == [b"a=1", b"b=2"]
    assert there.call.request.all(b"cookie") == [b"mine=1"]
    await ask(there.port, get(b"/v1/x"))
    assert there.call.request.all(b"cookie") == []


async def test_the_callers_key_passes_and_is_kept_nowhere(there: Origin) -> None:
    """The frontier gets the key; rows and files have an HMAC of it and no credential."""
    message = await ask(there.port, post(CHAT, b"Cookie: CANARY-cookie=1", b"X-Api-Key: sk-CANARY-other"))
    assert there.call.request.get(b"authorization") == b"Bearer sk-CANARY-caller"
    meta = there.row(message).meta
    assert len(meta.key_id) == 16
    assert b"CANARY" not in meta.request_head
    for path in there.gateway.directory.rglob("*"):
        assert path.is_dir() or b"CANARY" not in path.read_bytes(), path


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[1]", b'"x"', b"null", b"\xff\xfe", b"{}", b'{"model":7}', b'{"model":"unknown"}', b"[" * 9999],
)
@pytest.mark.parametrize("kind", [b"application/json", b"text/plain"])
async def test_what_is_no_request_gets_the_upstreams_own_error(there: Origin, body: bytes, kind: bytes) -> None:
    """Broken, empty, foreign and unknown bodies go to the frontier on a routed path: the error is its own."""
    problem = b'{"error":{"message":"theirs","type":"invalid_request_error","param":null,"code":null}}'
    there.says(answer(problem, status=b"400 Bad Request"))
    message = await ask(there.port, post(body).replace(b"application/json", kind))
    assert (message.status, message.body) == (400, problem)
    assert there.call.request.body == body


async def test_a_body_over_the_limit_is_413(there: Origin) -> None:
    """A stated length over the limit is refused before the body is sent, as OpenAI's error object."""
    async with an_app(there.port) as app:
        app.writer.write(b"POST /v1/files HTTP/1.1\r\nHost: g\r\nContent-Length: 99999999999\r\n\r\n")
        message = await read_response(app.reader, b"POST")
    assert message.status == 413
    assert json.loads(message.body)["error"]["code"] == "body_too_large"
    assert there.upstream.heads == []


@pytest.mark.parametrize("status", [b"500 Internal Server Error", b"429 Too Many Requests", b"408 Request Timeout"])
async def test_the_gateway_retries_nothing(there: Origin, status: bytes) -> None:
    """One request of the app is one request to the frontier, whatever comes back."""
    there.says(answer(b"{}", status=status))
    await ask(there.port, post(CHAT))
    assert len(there.upstream.calls) == 1
    there.answers(lambda call: asyncio.sleep(0, call.writer.transport.abort()))
    assert (await ask(there.port, post(CHAT))).status == 502
    assert len(there.upstream.calls) == 2


async def test_retries_are_seen_and_their_bodies_are_the_same(there: Origin) -> None:
    """The SDK's retry count is in the row, so that a repeated request can be linked to the first."""
    rows = [there.row(await ask(there.port, post(CHAT, b"x-stainless-retry-count: %d" % n))) for n in (0, 1)]
    assert [row.meta.retry_count for row in rows] == [0, 1]
    assert rows[0].request_body == rows[1].request_body == CHAT
