"""Real SDK requests, sent to an echoing upstream directly and through the gateway, compared on the raw sockets."""

import asyncio
import base64
import contextlib
import gzip
import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.raw_http import App, Message
from tests.fakes.raw_upstream import LAST_CHUNK, Call, RawUpstream, chunk
from tests.faults.answers import CLOSE, shape_of
from tests.rooms.gateway_process import Gateway, Journal, table_for
from tests.rooms.waiting import PATIENCE_S

CORPUS = Path(__file__).parents[3] / "shared" / "data" / "openai_requests.jsonl.gz"
ANSWER_S = PATIENCE_S
NO_ANSWER = (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError)
LANES = 8
"""Connections at a time through the gateway: what crossed over would differ."""


def corpus(every: int = 1) -> list[bytes]:
    """The corpus as raw requests under /v1; `every` thins it out."""
    with gzip.open(CORPUS, "rt", encoding="utf-8") as lines:
        return [_raw(json.loads(line)) for line in itertools.islice(lines, 0, None, every)]


def _raw(row: dict[str, object]) -> bytes:
    target = f"/v1{row['p']}" + (f"?{row['q']}" if row["q"] else "")
    headers = [f"{name}: {value}" for name, value in row["h"]]  # pyright: ignore[reportGeneralTypeIssues]
    return "\r\n".join([f"{row['m']} {target} HTTP/1.1", *headers, "", ""]).encode() + base64.b64decode(str(row["b"]))


def own_cases() -> list[bytes]:
    """What the corpus lacks: other methods, chunked and encoded uploads, odd targets and headers."""
    zipped = gzip.compress(b'{"model":"gpt-4o","messages":[]}', mtime=0)
    pieces = chunk(b'{"model') + chunk(b'":"gpt-4o","messages":') + chunk(b"[]}") + LAST_CHUNK

    def case(line: bytes, *headers: bytes, body: bytes | None = None) -> bytes:
        length = () if body is None else (b"Content-Length: %d" % len(body),)
        return b"\r\n".join([line + b" HTTP/1.1", b"Host: h", *headers, *length]) + b"\r\n\r\n" + (body or b"")

    post = b"POST /v1/chat/completions"
    multipart = (
        b"--B\r\nContent-Disposition: form-data; name=\"a[]\"; filename*=utf-8''%E2%82%AC\r\n\r\n\x00\xff\r\n--B--\r\n"
    )
    return [
        case(b"HEAD /v1/models"),
        case(b"HEAD /v1/files/f/content", b"Accept: */*"),
        case(b"OPTIONS /v1/chat/completions", b"Origin: https://x", b"Access-Control-Request-Method: POST"),
        case(b"PUT /v1/x", b"Content-Type: application/json", body=b'{"a":1}'),
        case(b"PATCH /v1/x", b"Content-Type: application/merge-patch+json", body=b'{"a":1e-7,"a":1.0}'),
        case(b"DELETE /v1/x", b"Content-Type: application/json"),
        case(b"GET /v1/models/a%2Fb%3Ac?include[]=a&include[]=b&metadata[k]=v&empty=&novalue"),
        case(b"GET /v1/models?"),
        case(b"GET /v1//double//slash/../dots/./%2e%2e/x?a=b?c"),
        case(b"GET /v1/x", b"Cookie: a=1; b=2", b"X-Empty:", b"X-Twice: 1", b"x-twice: 2", b"X-Utf8: caf\xc3\xa9"),
        case(post, b"Content-Type: application/json", b"Content-Encoding: gzip", body=zipped),
        case(post, b"Content-Type: application/json", b"Transfer-Encoding: chunked") + pieces,
        case(post, b"Content-Type: application/json", body=b'{"x":1.0,  "x":1, "big":12345678901234567890}'),
        case(post, b"Content-Type: application/json", body="{\"model\":\"é\\u00e9\"}".encode()),
        case(post, b"Content-Type: application/json", body=b"not json at all"),
        case(post, b"Content-Type: application/json", body=b"[1,2]"),
        case(post, b"Content-Type: application/json", body=b""),
        case(post, b"Content-Type: text/plain", body=b"\xff\xfe\x00"),
        case(post, b"Content-Type: application/json", body=b'{"model":"' + b"x" * 200_000 + b'"}'),
        case(b"POST /v1/files", b"Content-Type: multipart/form-data; boundary=B", body=multipart),
        case(b"POST /v1/files", b"Content-Type: application/octet-stream", body=bytes(300_000)),
        case(b"POST /v1/x", b"traceparent: 00-1-2-01", b"OpenAI-Beta: assistants=v2", b"TE: trailers", body=b"{}"),
        case(b"POST /v1/x", b"Connection: x-hop", b"Accept-Encoding: identity", body=b"{}"),
    ]  # fmt: skip


def numbered(raws: Sequence[bytes]) -> list[bytes]:
    """Each request with its number in a header of its own, so that the two wires can be laid side by side."""
    return [raw.replace(b"\r\n", b"\r\nx-replay: %d\r\n" % number, 1) for number, raw in enumerate(raws)]


async def echo(call: Call) -> None:
    """Answer with what was received, in one of many shapes; HEAD gets the head alone."""
    pieces = list(shape_of(call.request)(call.request.canonical()))
    if call.request.method == b"HEAD":
        head = b"".join(pieces).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        pieces = [head, *([CLOSE] if CLOSE in pieces else [])]
    for piece in pieces:
        if piece == CLOSE:
            call.writer.close()
        else:
            await call.send(piece)
            await asyncio.sleep(0)


@dataclass(slots=True)
class Wires:
    """What stood on the sockets of one run, by request number."""

    upstream: dict[int, Message] = field(default_factory=dict[int, Message])
    app: dict[int, Message] = field(default_factory=dict[int, Message])


@dataclass(slots=True)
class Differences:
    """What was not the same, and what was."""

    requests: int = 0
    same: int = 0
    same_framing: int = 0
    """Of `same`: those whose bodies also kept their chunk sizes."""
    captured: int = 0
    """Those whose bodies in the journal have the SHA-256 of what was sent and received."""
    unlike: list[str] = field(default_factory=list[str])

    def held(self) -> bool:
        """Whether every request and answer passed unchanged, and is kept as it was."""
        return self.same == self.captured == self.requests > 0

    def report(self) -> str:
        """The figures, and the first differences."""
        lines = [
            f"byte-identical, request and answer: {self.same} of {self.requests}",
            f"  of these also with the same chunk sizes: {self.same_framing}",
            f"journal's SHA-256 equal to the wires': {self.captured} of {self.requests}",
            *self.unlike[:20],
        ]
        return "\n".join(lines)


async def send_all(raws: Sequence[bytes], port: int, lanes: int) -> dict[int, Message]:
    """The answers, by request number; connections are kept as long as their answers allow."""
    answers: dict[int, Message] = {}
    waiting = iter(enumerate(raws))

    async def lane() -> None:
        app: App | None = None
        for number, raw in waiting:
            app = app or await App.connect(port)
            with contextlib.suppress(*NO_ANSWER):  # the comparison will say that there is none
                answers[number] = await asyncio.wait_for(app.ask(raw), ANSWER_S)
            if number not in answers or answers[number].closes():
                app.close()
                app = None
        if app is not None:
            app.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(lanes):
            group.create_task(lane())
    return answers


async def run_once(raws: Sequence[bytes], upstream: RawUpstream, port: int, lanes: int) -> Wires:
    """Send the corpus to `port` and keep both ends."""
    upstream.calls.clear()
    answers = await send_all(raws, port, lanes)
    return Wires({int(call.request.get(b"x-replay")): call.request for call in upstream.calls}, answers)


async def replay(raws: Sequence[bytes], directory: Path) -> Differences:
    """Replay `raws` both ways and compare wires and journal."""
    raws = numbered(raws)
    async with RawUpstream(echo) as upstream:
        direct = await run_once(raws, upstream, upstream.port, 1)
        with Gateway(directory, table_for(upstream.base_url)) as gateway:
            through = await run_once(raws, upstream, gateway.port, LANES)
            assert await asyncio.to_thread(gateway.worker.stop) == 0, gateway.worker.log()
            return compare(direct, through, gateway.journal())


def compare(direct: Wires, through: Wires, journal: Journal) -> Differences:
    """Lay the wires side by side."""
    found = Differences(len(direct.app))
    for number, wanted in direct.app.items():
        answer, received = through.app.get(number), through.upstream.get(number)
        if answer is None or received is None:
            found.unlike.append(f"#{number}: request arrived: {received is not None}, answer: {answer is not None}")
            continue
        unlike = [*_differing("request", direct.upstream[number], received), *_differing("answer", wanted, answer)]
        found.same += not unlike
        found.same_framing += not unlike and answer.framed() == wanted.framed()
        missing = [*_missing(answer, direct.upstream[number].body, wanted.body, journal)]
        found.captured += not missing
        found.unlike += [f"#{number} {line}" for line in (*unlike, *missing)]
    return found


def _missing(answer: Message, sent: bytes, got: bytes, journal: Journal) -> Iterator[str]:
    """What the journal lacks of an exchange whose app sent and got these bodies."""
    identity = answer.get(b"x-crossfade-request-id").decode()
    kept = [exchange for exchange in journal.exchanges if exchange.meta.id == identity]
    if len(kept) != 1:
        yield f"journal: {len(kept)} exchanges with id {identity!r}"
        return
    meta = kept[0].meta
    for what, wanted, body, digest in (
        ("request", sent, kept[0].request_body, meta.request_sha256),
        ("answer", got, kept[0].response_body, meta.response_sha256),
    ):
        in_journal = hashed(body) if body or not digest else digest
        if in_journal != hashed(wanted) or (digest and digest != hashed(wanted)):
            yield f"journal: another {what}: {len(wanted)} bytes on the wire, {len(body)} kept, digest {digest!r}"


def hashed(data: bytes) -> str:
    """SHA-256, hex."""
    return hashlib.sha256(data).hexdigest()


def _differing(what: str, wanted: Message, got: Message) -> Iterator[str]:
    left, right = wanted.canonical(), got.canonical()
    if left == right:
        return
    at = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    around = slice(max(0, at - 60), at + 80)
    yield f"{what} differs at byte {at}:\n    wanted {left[around]!r}\n    got    {right[around]!r}"
