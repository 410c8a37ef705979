"""An upstream's TLS that dies at any byte: no app takes a part for the whole, and the candidate's is the baseline's."""

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from policies.routing import PPM, Breaker, Match, Route, Upstream, Variant
from records.exchange import Meta
from tests.fakes.raw_upstream import DONE, LAST_CHUNK, SSE_HEAD, STOP, WHOLE, answer, chunk, event
from tests.fakes.thread import in_thread
from tests.fakes.tls_upstream import TlsPeer, TlsScript, TlsUpstream
from tests.fakes.upstream import FakeUpstream
from tests.rooms.certificates import Authority
from tests.rooms.gateway_process import Gateway, table_for
from tests.rooms.waiting import PATIENCE_S, await_true

LONG = WHOLE.replace(b'"hi"', b'"' + b"hi " * 9000 + b'"')
"""Several records."""
EVENTS = event("one") + event("two") + STOP + DONE
CHUNKS = b"".join(map(chunk, (event("one"), event("two"), STOP, DONE))) + LAST_CHUNK
CLOSING = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nConnection: close\r\n\r\n"
FORMS: dict[str, tuple[bytes, bytes]] = {
    # head and body, as the upstream frames it
    "a length": (answer(LONG)[: -len(LONG)], LONG),
    "no length": (CLOSING % b"application/json", LONG),
    "a stream in chunks": (SSE_HEAD, CHUNKS),
    "a stream without an end of its own": (CLOSING % b"text/event-stream", EVENTS),
}
ENDS = ("a cut record", "an end without a word", "garbage", "an alert", "a reset")


def end(peer: TlsPeer, how: str) -> None:
    """End the connection as an accident does."""
    match how:
        case "a cut record":
            record = peer.sealed(b"more of it" * 100)
            peer.sock.sendall(record[: len(record) // 2])
            peer.sock.shutdown(socket.SHUT_WR)
        case "an end without a word":
            peer.sock.shutdown(socket.SHUT_WR)
        case "garbage":
            peer.sock.sendall(b"no TLS any more\r\n" * 9)
        case "an alert":
            peer.alert()
        case _:
            peer.reset()


def broken(head: bytes, body: bytes, how: str) -> TlsScript:
    """So much of an answer, and then this."""

    def script(peer: TlsPeer) -> None:
        if head:
            peer.send(head + body)
        end(peer, how)

    return script


@dataclass
class Stage:
    """A worker with two routes: of one the upstream is the baseline, of the other the candidate."""

    upstream: TlsUpstream
    gateway: Gateway
    client: httpx.Client

    def ask(self, model: str, *, stream: bool = False) -> httpx.Response:
        """What an app gets.

        Raises:
            httpx.RemoteProtocolError: no whole answer.
        """
        told = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream}
        return self.client.post("/chat/completions", json=told, headers={"authorization": "Bearer sk-app"})

    def last(self) -> Meta:
        """What the journal has of the last request."""
        return self.gateway.journal().exchanges[-1].meta


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    directory: Path = tmp_path_factory.mktemp("tls")
    authority = Authority(directory)
    with (
        TlsUpstream(authority.server("127.0.0.1"), lambda peer: peer.send(answer(LONG))) as upstream,
        in_thread(FakeUpstream()) as frontier,
    ):
        unbroken = Breaker(consecutive=9999, min_requests=9999)
        nobody, student = Variant("nobody"), Variant("tls", model="student-7b")
        routes = (
            Route("baseline", Variant("tls"), match=Match(model=("baseline",)), candidate=nobody, weight_ppm=0),
            Route(
                "candidate", Variant("openai"), match=Match(model=("candidate",)), candidate=student,
                weight_ppm=PPM - 1, breaker=unbroken,
            ),
        )  # fmt: skip
        upstreams = (
            Upstream("tls", upstream.base_url, ca_file=str(authority.ca_file)),
            Upstream("nobody", "http://127.0.0.1:9/v1"),
        )
        table = table_for(frontier.base_url, *routes, upstreams=upstreams)
        with Gateway(directory / "gateway", table) as gateway, gateway.client() as client:
            found = Stage(upstream, gateway, client)
            found.ask("candidate")  # by its first answer the frontier vouches for the key
            yield found


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("form", FORMS)
def test_no_part_of_a_baselines_answer_is_taken_for_the_whole(stage: Stage, form: str, how: str) -> None:
    """Before anything has come the app gets an error that names the upstream; later its own connection breaks."""
    head, body = FORMS[form]
    stage.upstream.script = broken(head, body[:150], how)
    try:
        got = stage.ask("baseline", stream="stream" in form)
    except httpx.RemoteProtocolError:
        assert stage.last().outcome == "upstream_broken"
        assert stage.last().attempts[-1].error == "broken"
    else:  # what ends it was read together with the head, which was then not told
        assert (got.status_code, got.json()["error"]["code"]) == (502, "upstream_no_answer")
        assert "tls" in got.json()["error"]["message"]
        assert stage.last().outcome == "upstream_error"


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("form", FORMS)
def test_what_a_candidate_breaks_is_the_baselines_or_seen_to_be_broken(stage: Stage, form: str, how: str) -> None:
    """Before its first token the baseline answers; from then on the app's connection breaks, too."""
    head, body = FORMS[form]
    stage.upstream.script = broken(head, body[:400], how)
    is_stream = "stream" in form
    try:
        got = stage.ask("candidate", stream=is_stream)
    except httpx.RemoteProtocolError:
        assert is_stream
        assert (stage.last().variant, stage.last().outcome) == ("candidate", "upstream_broken")
    else:
        assert (got.status_code, got.headers["x-crossfade-variant"]) == (200, "baseline")
        assert (stage.last().why, stage.last().reason) in {("fallback", "broken"), ("fallback", "no_answer")}


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("model", ["baseline", "candidate"])
def test_tls_that_dies_before_the_answer_is_an_error_or_a_fallback(stage: Stage, model: str, how: str) -> None:
    """Nothing of an answer came: an error that may be retried, or the baseline's answer."""
    stage.upstream.script = broken(b"", b"", how)
    got = stage.ask(model)
    if model == "candidate":
        assert (got.status_code, stage.last().reason) == (200, "no_answer")
    else:
        assert (got.status_code, got.json()["error"]["code"]) == (502, "upstream_no_answer")
        assert got.headers["x-should-retry"] == "true"


@pytest.mark.parametrize("form", FORMS)
def test_what_was_ended_in_order_is_whole(stage: Stage, form: str) -> None:
    """A body without a length is whole when the closure alert has come; any other without it."""
    head, body = FORMS[form]

    def script(peer: TlsPeer) -> None:
        peer.send(head + body)
        if "no length" in form or "without" in form:
            peer.notify()
        peer.sock.shutdown(socket.SHUT_WR)

    stage.upstream.script = script
    got = stage.ask("baseline", stream="stream" in form)
    assert got.content == (EVENTS if "stream" in form else LONG)
    assert stage.last().outcome == "complete"


@pytest.mark.parametrize("how", [*ENDS, "a closure alert"])
def test_a_kept_connection_that_died_costs_no_request(stage: Stage, how: str) -> None:
    """However TLS ends while nothing is asked: the next request has a new connection, and is asked once."""
    ends, answered = iter((how,)), threading.Event()

    def script(peer: TlsPeer) -> None:
        peer.send(answer(json.dumps({"of": peer.number}).encode()))
        answered.wait(PATIENCE_S)  # what ends it in the same read would take the answer with it
        for what in ends:
            if what == "a closure alert":
                peer.notify()
            else:
                end(peer, what)

    stage.upstream.script = script
    before = stage.upstream.requests
    first = stage.ask("baseline").json()["of"]
    answered.set()
    await_true(lambda: stage.upstream.gone == stage.upstream.connections, "both have let go of it")
    assert stage.ask("baseline").json()["of"] > first
    assert stage.upstream.requests == before + 2
