"""Candidates that fail oddly: before the first token no app sees it, and after a few failures none is asked."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
import pytest

from policies.routing import PPM, Breaker, CandidateLimits, Match, Route, Upstream, Variant
from tests.fakes.openai_answers import Speaker
from tests.fakes.raw_upstream import DONE, LAST_CHUNK, SSE_HEAD, WHOLE, Call, RawUpstream, answer, chunk, event
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream
from tests.rooms.gateway_process import Gateway, table_for

KEY = "sk-CANARY-caller"
LIMITS = CandidateLimits(connect_s=0.5, first_token_s=0.6, whole_s=0.6, between_tokens_s=0.6)
LONGEST_S = 3.0
"""An app's wait: a limit, the worker's tick, the baseline's answer, on a busy machine."""
FAILURES = 3
"""In a row that open the breaker."""
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
ROLE = event("").replace(b'"content":""', b'"role":"assistant","content":""')
COMMENT, PING = b": ping\n\n", b"data: ping\n\n"

ZSTD = bytes.fromhex("28b52ffd240261000068696f7dc0b2")
"""The two letters `hi`."""

Way = Callable[[Call], Awaitable[None]]


def says(*parts: bytes, then: str = "nothing") -> Way:
    """Sends parts, and then ends as it should, hangs up (FIN), resets, or says no more and keeps the connection."""

    async def script(call: Call) -> None:
        for part in parts:
            await call.send(part)
            await asyncio.sleep(0.01)
        if then == "reset":
            call.writer.transport.abort()
        elif then == "close":
            call.writer.close()
        elif then == "hang":
            await asyncio.Event().wait()

    return script


def for_ever(first: bytes, part: bytes, pause_s: float = 0.05) -> Way:
    """Sends the first, and then the part again and again."""

    async def script(call: Call) -> None:
        await call.send(first)
        while True:
            await call.send(part)
            await asyncio.sleep(pause_s)

    return script


WAYS: dict[str, Way] = {
    "a TLS alert": says(b"\x15\x03\x01\x00\x02\x02\x28", then="close"),
    "a reset after the head": says(OK + b"Content-Length: 50\r\n\r\n", then="reset"),
    "a reset within the head": says(OK, then="reset"),
    "a head that never ends": says(OK + b"X-A: ", then="hang"),
    "a head without end": for_ever(OK, b"X-A: " + b"a" * 2000 + b"\r\n"),
    "a head of one line without end": for_ever(OK + b"X-A: ", b"a" * 4000),
    "a byte at a time": for_ever(OK + b"Content-Length: 5000\r\n\r\n", b"{"),
    "an empty body": says(OK + b"Content-Length: 0\r\n\r\n"),
    "no body and no length": says(OK + b"\r\n", then="close"),
    "204": says(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "a longer length than it has": says(OK + b"Content-Length: 9000\r\n\r\n" + WHOLE, then="hang"),
    "a longer length, then its end": says(OK + b"Content-Length: 9000\r\n\r\n" + WHOLE, then="close"),
    "a shorter length than it has": says(OK + b"Content-Length: 20\r\n\r\n" + WHOLE, then="close"),
    "a negative length": says(OK + b"Content-Length: -1\r\n\r\n" + WHOLE, then="close"),
    "two lengths": says(OK + b"Content-Length: 9\r\nContent-Length: 8\r\n\r\n" + WHOLE, then="close"),
    "429 with Retry-After": says(answer(b'{"error":{"message":"busy"}}', b"Retry-After: 3600", status=b"429 Too Many")),
    "301": says(answer(b"", b"Location: http://127.0.0.1:9/v1/chat/completions", status=b"301 Moved")),
    "307": says(answer(b"", b"Location: /elsewhere", status=b"307 Temporary Redirect")),
    "gzip that nobody asked for": says(answer(gzip.compress(WHOLE[:60]), b"Content-Encoding: gzip")),
    "zstd": says(answer(ZSTD, b"Content-Encoding: zstd")),
    "chunks without end": says(OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(WHOLE), then="hang"),
    "chunks cut off": says(OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(WHOLE[:60]), then="close"),
    "a chunk's size without end": for_ever(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "comments for ever": for_ever(SSE_HEAD, chunk(COMMENT)),
    "heartbeats for ever": for_ever(SSE_HEAD, chunk(PING)),
    "empty deltas for ever": for_ever(SSE_HEAD + chunk(ROLE), chunk(event(""))),
    "[DONE] alone": says(SSE_HEAD + chunk(DONE) + LAST_CHUNK),
    "a role, then [DONE]": says(SSE_HEAD + chunk(ROLE + DONE) + LAST_CHUNK),
    "an event without its end": says(SSE_HEAD + chunk(event("hi")[:40]), then="hang"),
    "100 for ever": for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "101": says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", then="hang"),
    "an answer before the question": says(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", then="close"),
    "HTTP/2": says(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", then="hang"),
    "HTTP/0.9": says(WHOLE, then="close"),
    "NUL bytes": says(OK + b"Content-Length: 64\r\n\r\n" + bytes(64)),
    "JSON null": says(answer(b"null")),
    "a list": says(answer(b"[" + WHOLE + b"]")),
    "no choices": says(answer(b'{"id":"c","object":"chat.completion","choices":[]}')),
    "choices null": says(answer(b'{"id":"c","object":"chat.completion","choices":null}')),
    "an error with 200": says(answer(b'{"error":{"message":"CUDA out of memory","type":"server_error"}}')),
    "a detail with 200": says(answer(b'{"detail":"Internal error"}')),
    "no message": says(answer(WHOLE.replace(b'"message"', b'"massage"'))),
    "a deep nest": says(answer(b'{"choices":' + b"[" * 5000 + b"]" * 5000 + b"}")),
}
BEGUN: dict[str, Way] = {
    "nothing": says(SSE_HEAD + chunk(ROLE + event("hi")), then="hang"),
    "comments": for_ever(SSE_HEAD + chunk(ROLE + event("hi")), chunk(COMMENT)),
    "heartbeats": for_ever(SSE_HEAD + chunk(ROLE + event("hi")), chunk(PING)),
    "empty deltas": for_ever(SSE_HEAD + chunk(ROLE + event("hi")), chunk(event(""))),
    "half an event": for_ever(SSE_HEAD + chunk(ROLE + event("hi") + b"data: "), chunk(b"a")),
    "a chunk's extension": for_ever(SSE_HEAD + chunk(ROLE + event("hi")) + b"5;", b"a"),
    "trailers": for_ever(SSE_HEAD + chunk(ROLE + event("hi")) + b"0\r\n", b"x-a: b\r\n"),
}


@dataclass
class Odd:
    """A worker in front of a frontier, and of a candidate that does what it is told."""

    gateway: Gateway
    client: httpx.Client
    ways: dict[str, Way] = field(default_factory=dict[str, Way])

    def ask(self, name: str, *, stream: bool) -> tuple[int, str, str, float]:
        """Status, who answered, what it said, and how long it took."""
        body = {"model": f"m-{name}", "messages": [{"role": "user", "content": "hi"}], "stream": stream}
        told = self.client.post("/chat/completions", json=body, headers={"authorization": f"Bearer {KEY}"})
        return told.status_code, told.headers["x-crossfade-variant"], told.text, told.elapsed.total_seconds()

    def failures(self) -> int:
        """Of candidates, so far."""
        return self.gateway.worker.live()["candidate_errors"]


def names() -> list[tuple[str, Way]]:
    return [*WAYS.items(), *((f"begun: {name}", way) for name, way in BEGUN.items())]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odd]:
    """Each way has a route and a candidate of its own."""
    frontier = FakeUpstream(Speaker("frontier"))
    ways = {str(place): way for place, (_, way) in enumerate(names())}

    async def script(call: Call) -> None:
        await ways[call.request.target.decode().split("/")[1]](call)

    with in_thread(frontier), in_thread(raw := RawUpstream(script)):
        base = raw.base_url.removesuffix("/v1")
        upstreams = tuple(Upstream(f"u{place}", f"{base}/{place}/v1", "vllm") for place in ways)
        routes = tuple(
            Route(
                f"r{place}", Variant("openai"), match=Match(model=(f"m-{place}",)), candidate=Variant(f"u{place}"),
                weight_ppm=PPM - 1, limits=LIMITS, breaker=Breaker(consecutive=FAILURES, open_s=600.0),
            )
            for place in ways
        )  # fmt: skip
        table = table_for(frontier.base_url, *routes, upstreams=upstreams)
        with Gateway(tmp_path_factory.mktemp("odd"), table) as gateway, gateway.client() as client:
            found = Odd(gateway, client)
            assert found.ask("unrouted", stream=False)[0] == 200
            yield found


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("place", range(len(WAYS)), ids=WAYS)
def test_no_app_sees_it_and_the_candidate_loses_its_traffic(odd: Odd, place: int, *, stream: bool) -> None:
    """The baseline answers each request, soon; after a few failures the candidate is asked no more."""
    before = odd.failures()
    with ThreadPoolExecutor(FAILURES) as apps:
        told = list(apps.map(lambda _: odd.ask(str(place), stream=stream), range(FAILURES)))
    told.append(odd.ask(str(place), stream=stream))

    assert [(status, who) for status, who, _, _ in told] == [(200, "baseline")] * (FAILURES + 1)
    assert all("frontier" in text for _, _, text, _ in told)
    assert max(took for *_, took in told) < LONGEST_S
    assert odd.failures() - before in ({FAILURES} if not stream else {FAILURES, 0})


@pytest.mark.parametrize("place", range(len(BEGUN)), ids=BEGUN)
def test_a_stream_that_has_begun_ends_when_no_word_comes(odd: Odd, place: int) -> None:
    """What comes instead of words is silence: the app is told, and the candidate has failed."""
    name = str(len(WAYS) + place)
    body = {"model": f"m-{name}", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    for _ in range(FAILURES):
        with (
            pytest.raises(httpx.RemoteProtocolError),
            odd.client.stream(
                "POST", "/chat/completions", json=body, headers={"authorization": f"Bearer {KEY}"},
                timeout=httpx.Timeout(LONGEST_S),
            ) as told,
        ):  # fmt: skip
            for _ in told.iter_bytes():
                pass

    assert odd.ask(name, stream=True)[1] == "baseline"
