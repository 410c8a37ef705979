"""What apps may send, how long that may take, and that each request gets its own answer."""

import asyncio
import socket
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transport.limits import Limits
from gateway.transport.message import LENGTH_MARK, RequestHead
from gateway.transport.server import (
    HELD_BYTES,
    LINGER_BYTES,
    LINGER_S,
    PAUSED_LOOK_S,
    AppConnection,
)
from gateway.transport.write_batch import WriteBatch
from tests.rooms.wires import Heard, Notes, Wire

HOST = b"Host: gateway\r\n"
GET = b"GET /v1/models HTTP/1.1\r\n" + HOST + b"\r\n"


def post(body: bytes, target: bytes = b"/v1/x") -> bytes:
    return b"POST %b HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n%b" % (target, HOST, len(body), body)


def app_of(wire: Wire) -> AppConnection:
    assert isinstance(wire.protocol, AppConnection)
    return wire.protocol


def send(wire: Wire, *pieces: bytes) -> None:
    for piece in pieces:
        if not wire.aborted:
            app_of(wire).data_received(piece)


async def turn() -> None:
    """Let the loop run what was put off."""
    await asyncio.sleep(0)


CHUNKED = b"POST /v1/x?a=b HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nX-A:  b \r\n\r\n"
WHOLE = CHUNKED + b"5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: late\r\n\r\n"


def cuts(data: bytes, places: list[int]) -> Iterator[bytes]:
    ends = [*sorted({place % len(data) for place in places}), len(data)]
    for start, end in zip([0, *ends], ends, strict=False):
        yield data[start:end]


@given(st.lists(st.integers(0, len(WHOLE) - 1), max_size=12))
def test_a_request_is_read_however_its_bytes_are_cut(places: list[int]) -> None:
    """Method, target, headers and body are the same for any cuts; trailers are dropped."""
    service = Notes()
    wire = service.connect()
    send(wire, *filter(None, cuts(WHOLE, places)))
    (heard,) = service.heard
    request = heard.request
    assert (request.method, request.target) == (b"POST", b"/v1/x?a=b")
    assert request.preamble.raw == CHUNKED[:-4]
    assert request.get(b"x-a") == b"b"
    assert bytes(heard.body) == b"hello world"
    assert heard.events == ["end"]
    assert not wire.gone


def test_every_byte_alone() -> None:
    """A request that comes one byte at a time is the same request."""
    service = Notes()
    wire = service.connect()
    send(wire, *(WHOLE[at : at + 1] for at in range(len(WHOLE))))
    assert bytes(service.heard[0].body) == b"hello world"
    assert not wire.gone


async def test_an_answer_waits_for_the_end_of_the_turn_and_its_connections_end_does_not() -> None:
    """What is written goes out with the turn; a connection that is then closed sends it first."""
    service, ends = Notes(), list[Callable[[], None]]()
    service.turn = WriteBatch(ends.append)
    kept, closed = service.connect(), service.connect()
    send(kept, GET)
    send(closed, GET)
    service.heard[0].answer(b"kept")
    assert kept.out == b""
    service.heard[1].answer(b"closed", close=True)
    assert closed.out.endswith(b"closed")
    assert closed.closing
    assert kept.out.endswith(b"kept")  # a turn ends for all of its connections
    send(kept, GET)
    service.heard[2].answer(b"again")
    ends[-1]()
    assert kept.out.endswith(b"again")


def test_an_answer_that_is_broken_off_is_sent_as_far_as_it_came() -> None:
    """The bytes before a reset go out before it."""
    service = Notes()
    service.turn = WriteBatch(lambda end: None)
    wire = service.connect()
    send(wire, GET)
    app_of(wire).write(b"half of it")
    app_of(wire).break_off(abort=True)
    assert wire.out == b"half of it"
    assert wire.aborted


def test_nothing_is_sent_to_an_app_that_is_gone() -> None:
    """What waits for the end of the turn goes with its connection."""
    service, ends = Notes(), list[Callable[[], None]]()
    service.turn = WriteBatch(ends.append)
    wire = service.connect()
    send(wire, GET)
    app_of(wire).write(b"an answer")
    app_of(wire).connection_lost(None)
    ends[0]()
    assert wire.out == b""


async def test_the_next_pipelined_request_waits_for_an_app_that_reads() -> None:
    """An answer that blocks only when its turn ends holds back the request behind it until the app has caught up."""
    service, ends = Notes(), list[Callable[[], None]]()
    service.turn = WriteBatch(ends.append)
    wire = service.connect()
    send(wire, GET + GET)
    wire.reads = False
    service.heard[0].answer(bytes(100_000))
    ends[0]()
    await turn()
    assert len(service.heard) == 1
    wire.catch_up()
    await turn()
    assert len(service.heard) == 2


async def test_pipelined_requests_are_answered_in_turn() -> None:
    """Requests that come in one packet each begin when the one before is answered, with their own bodies."""
    service = Notes()
    wire = service.connect()
    send(wire, post(b"one") + GET + post(b"three"))
    for number, body in enumerate((b"one", b"", b"three"), 1):
        assert len(service.heard) == number
        assert bytes(service.heard[-1].body) == body
        assert service.heard[-1].events == ["end"]
        service.heard[-1].answer(b"%d" % number)
        await turn()
    assert wire.out.count(b"HTTP/1.1 200 OK") == 3
    assert wire.out.endswith(b"3")


async def test_a_pipelined_body_that_comes_in_pieces_is_whole() -> None:
    """A request whose head came ahead of its turn gets the body that came later, in order, and then the next one."""
    service = Notes()
    wire = service.connect()
    second = post(b"abcdef" * 4)
    send(wire, post(b"one") + second[:-20], second[-20:-10], second[-10:] + GET)
    service.heard[0].answer()
    await turn()
    assert bytes(service.heard[1].body) == b"abcdef" * 4
    assert service.heard[1].events == ["end"]
    service.heard[1].answer()
    await turn()
    assert service.heard[2].request.method == b"GET"


async def test_a_body_that_goes_on_after_its_turn_began_is_whole() -> None:
    """A pipelined request whose body is still being sent when its turn comes is read to its end."""
    service = Notes()
    wire = service.connect()
    second = post(b"0123456789")
    send(wire, GET + second[:-10], second[-10:-5])
    service.heard[0].answer()
    await turn()
    send(wire, second[-5:])
    assert bytes(service.heard[1].body) == b"0123456789"
    assert service.heard[1].events == ["end"]


async def test_bytes_that_come_between_two_turns_keep_their_order() -> None:
    """What arrives after an answer and before the next request's turn is read behind what was held."""
    service = Notes()
    wire = service.connect()
    second = post(b"0123456789")
    send(wire, GET, second[:-10])
    service.heard[0].answer()
    send(wire, second[-10:])  # in the same turn of the loop as the answer
    await turn()
    assert bytes(service.heard[1].body) == b"0123456789"
    assert not wire.gone


async def test_a_request_right_behind_a_chunked_one_is_refused() -> None:
    """What stands in one packet behind a chunked body is the parser's already: the first has its answer, then it is
    told, and the connection ends.
    """
    service = Notes()
    wire = service.connect()
    send(wire, WHOLE + GET)
    assert not wire.out
    service.heard[0].answer()
    assert wire.out.startswith(b"HTTP/1.1 200 OK")
    assert wire.out.endswith(b"HTTP/1.1 400 too_many_pipelined\r\n\r\n")
    assert wire.gone
    assert len(service.heard) == 1


@pytest.mark.parametrize("begun", [False, True])
def test_a_malformed_chunk_gets_an_answer(*, begun: bool) -> None:
    """The upstream is asked no more, and the app is told why, unless an answer has begun: no error stands in one."""
    service = Notes()
    wire = service.connect()
    send(wire, CHUNKED, b"5\r\nhello\r\n")
    service.heard[0].begun = begun
    send(wire, b"what?\r\n")
    assert service.heard[0].events == ["gone"]
    assert wire.aborted is begun
    assert bytes(wire.out) == (b"" if begun else b"HTTP/1.1 400 malformed_http\r\n\r\n")
    assert wire.gone


@pytest.mark.parametrize(
    ("line", "target"),
    [
        (b"GET http://any.example/v1/x?y=1 HTTP/1.1", b"/v1/x?y=1"),
        (b"GET HTTPS://any.example:8443 HTTP/1.1", b"/"),
        (b"GET http://[::1]:80?y=1 HTTP/1.1", b"/?y=1"),
        (b"OPTIONS http://any.example HTTP/1.1", b"*"),
        (b"OPTIONS * HTTP/1.1", b"*"),
    ],
)
def test_every_form_of_a_target_is_understood(line: bytes, target: bytes) -> None:
    """An absolute-form target is the path it names (RFC 9112 §3.2)."""
    service = Notes()
    send(service.connect(), line + b"\r\nHost: g\r\n\r\n")
    assert [heard.request.target for heard in service.heard] == [target]


@pytest.mark.parametrize("protocol", [b"h2c", b"TLS/1.2", b"websocket, h2c", b"irc/6.9"])
def test_an_upgrade_to_what_is_not_spoken_is_left_out(protocol: bytes) -> None:
    """The request is served as if it had not asked for it (RFC 9110 §7.8), with its body and on a kept connection."""
    service = Notes()
    wire = service.connect()
    lines = b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEA\r\nUpgrade: %b\r\n" % protocol
    for number in range(3):
        send(wire, post(b"hello").replace(b"Content-", lines + b"Content-", 1))
        heard = service.heard[number]
        assert (bytes(heard.body), heard.events, heard.request.upgrade) == (b"hello", ["end"], False)
        assert heard.request.get(b"upgrade") is None
        heard.answer()
    assert not wire.gone


@pytest.mark.parametrize(
    "line", [b"Content-Length:5", b"content-LENGTH:   5", b"Content-Length: 5 ", b"Content-Length: 0005"]
)
def test_an_odd_length_goes_on_in_the_usual_form(line: bytes) -> None:
    """However a request's length is written, who comes behind us reads the same one."""
    service = Notes()
    send(service.connect(), b"POST /v1/x HTTP/1.1\r\nHost: g\r\n" + line + b"\r\nX: 1\r\n\r\nhello")
    (heard,) = service.heard
    assert (heard.request.content_length, bytes(heard.body), heard.events) == (5, b"hello", ["end"])
    preamble = heard.request.preamble
    assert preamble.sized
    assert preamble.get(b"content-length") == LENGTH_MARK
    assert preamble.get(b"x") == b"1"


async def test_what_is_sent_ahead_is_bounded() -> None:
    """An app that sends on while its request is being answered is not read any more, and read again afterwards."""
    service = Notes()
    wire = service.connect()
    send(wire, GET)
    ahead = post(b"x" * (HELD_BYTES + 1))
    send(wire, ahead)
    assert not wire.reading
    service.heard[0].answer()
    await turn()
    assert wire.reading
    assert len(service.heard[1].body) == HELD_BYTES + 1


async def test_no_exchange_begins_while_the_app_does_not_read() -> None:
    """An app that leaves an answer unread gets no further ones: what waits for it in memory stays bounded."""
    service = Notes()
    wire = service.connect()
    wire.reads = False
    send(wire, GET)
    service.heard[0].answer(b"x" * 100_000)
    send(wire, GET)
    await turn()
    assert len(service.heard) == 1
    wire.catch_up()
    await turn()
    assert len(service.heard) == 2


def test_expect_100_continue_is_answered_before_the_body() -> None:
    """A request that waits for leave to send its body gets it; one without a body does not, nor one of HTTP/1.0."""
    service = Notes()
    wire = service.connect()
    send(wire, b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert bytes(wire.out) == b"HTTP/1.1 100 Continue\r\n\r\n"
    send(wire, b"ok")
    assert service.heard[0].events == ["end"]
    for head in (b"GET /v1/x HTTP/1.1\r\n", b"POST /v1/x HTTP/1.0\r\nContent-Length: 2\r\n"):
        untold = service.connect()
        send(untold, head + HOST + b"Expect: 100-continue\r\n\r\n")
        assert not untold.out


REFUSED = {
    "no host": (b"GET / HTTP/1.1\r\n\r\n", b"400 bad_host"),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", b"400 bad_host"),
    "host with a path": (b"GET / HTTP/1.1\r\nHost: a/v1/x?\r\n\r\n", b"400 bad_host"),
    "host with a space": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", b"400 bad_host"),
    "absolute form of a user": (b"GET http://u@evil/admin HTTP/1.1\r\nHost: a\r\n\r\n", b"400 bad_target"),
    "absolute form of nobody": (b"GET http:///admin HTTP/1.1\r\nHost: a\r\n\r\n", b"400 bad_target"),
    "all of the server": (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", b"400 bad_target"),
    "CONNECT": (b"CONNECT evil:443 HTTP/1.1\r\nHost: a\r\n\r\n", b"400 bad_target"),
    "CONNECT to a path": (b"CONNECT /v1/x HTTP/1.1\r\nHost: a\r\n\r\n", b"400 upgrade_unsupported"),
    "CL and TE": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"400 malformed_http",
    ),
    "two lengths": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        b"400 malformed_http",
    ),
    "two codings": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"400 malformed_http",
    ),
    "chunked in HTTP/1.0": (
        b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"400 malformed_http",
    ),
    "a coding we do not know": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"400 malformed_http",
    ),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", b"400 malformed_http"),
    "obs-fold": (b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", b"400 malformed_http"),
    "NUL": (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", b"400 malformed_http"),
    "garbage": (b"\x16\x03\x01\x02\x00\x01", b"400 malformed_http"),
    "bad chunk": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", b"400 malformed_http"),
    "too long": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000000\r\n\r\n", b"413 body_too_large"),
    "two authorizations": (
        b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
        b"400 conflicting_credentials",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_two_parsers_could_read_differently_is_refused(name: str) -> None:
    """Ambiguous framing and targets get an error of ours, never begin, and nothing more is read."""
    data, answer = REFUSED[name]
    service = Notes()
    wire = service.connect()
    send(wire, data, GET)
    assert bytes(wire.out).startswith(b"HTTP/1.1 " + answer)
    assert wire.out.count(b"HTTP/1.1") == 1
    assert wire.gone
    assert service.heard == []


@pytest.mark.parametrize(
    "host", [b"gateway", b"127.0.0.1:8080", b"[::1]:8080", b"a-b.example", b"xn--bcher-kva.example", b""]
)
def test_honest_hosts_pass(host: bytes) -> None:
    """Names, addresses and ports, and the empty Host that RFC 9112 allows, are no reason to refuse."""
    service = Notes()
    send(service.connect(), b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % host)
    assert len(service.heard) == 1


def test_http_1_0_needs_no_host_and_closes() -> None:
    """An app of HTTP/1.0 is served, and its connection ends with the answer."""
    service = Notes()
    wire = service.connect()
    send(wire, b"GET /v1/models HTTP/1.0\r\n\r\n")
    assert service.heard[0].request.http10
    service.heard[0].answer()
    assert wire.closing


LIMITS = Limits(header_bytes=1000, header_count=10)


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_headers_up_to_the_limit_pass_however_they_come(size: int) -> None:
    """A head within the limits is taken in one packet or in many."""
    service = Notes(LIMITS)
    wire = service.connect()
    head = b"GET / HTTP/1.1\r\n" + HOST + b"X-Long: " + b"v" * 900 + b"\r\n\r\n"
    send(wire, *(head[at : at + size] for at in range(0, len(head), size)))
    assert len(service.heard) == 1
    assert not wire.gone


@pytest.mark.parametrize(
    "head",
    [
        HOST + b"X: " + b"v" * 1000 + b"\r\n\r\n",
        HOST + b"".join(b"X-%d: 1\r\n" % number for number in range(10)) + b"\r\n",
    ],
    ids=["bytes", "count"],
)
def test_headers_over_a_limit_are_refused(head: bytes) -> None:
    """More bytes or more fields than allowed get a 431."""
    service = Notes(LIMITS)
    wire = service.connect()
    send(wire, b"GET / HTTP/1.1\r\n" + head)
    assert wire.out.startswith(b"HTTP/1.1 431 headers_too_large")
    assert service.heard == []


@pytest.mark.parametrize("start", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x00\x00\x12\x04", b" GET / "])
def test_what_begins_no_request_is_told_so_at_once(start: bytes) -> None:
    """An app that speaks TLS to the plain port hears of it, and does not wait for the end of its own handshake."""
    wire = Notes(LIMITS).connect()
    send(wire, start + b"a" * 50)
    assert wire.out.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\nX"])
def test_a_head_without_end_is_refused(start: bytes) -> None:
    """An endless target, header name or value is cut off within a bound."""
    wire = Notes(LIMITS).connect()
    send(wire, start)
    sent = 0
    while not wire.gone and sent < 1_000_000:
        send(wire, b"a" * 1000)
        sent += 1000
    assert sent < 2 * HELD_BYTES
    assert wire.out.startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize("start", [b"0\r\nX: ", b"1;ext="])
def test_a_trailer_or_extension_without_end_is_cut_off(start: bytes) -> None:
    """What stands between the chunks of a body is bounded as headers are."""
    service = Notes(LIMITS)
    wire = service.connect()
    send(wire, CHUNKED + b"1\r\na\r\n", start)
    sent = 0
    while not wire.gone and sent < 1_000_000:
        send(wire, b"a" * 1000)
        sent += 1000
    assert sent < 2 * HELD_BYTES
    assert b" 431 " in wire.out
    assert wire.gone


async def test_many_requests_on_one_connection_do_not_add_up_to_a_limit() -> None:
    """Limits are of one request: a connection may carry any number of them."""
    service = Notes(LIMITS)
    wire = service.connect()
    for _ in range(300):
        send(wire, post(b"x" * 500)[:-400], b"x" * 400)
        service.heard[-1].answer()
    assert not wire.gone
    assert len(service.heard) == 300


def test_a_chunked_body_over_the_limit_is_cut_off() -> None:
    """A body without a stated length is bounded too."""
    service = Notes(Limits(body_bytes=1000))
    wire = service.connect()
    send(wire, CHUNKED, b"1f4\r\n" + b"x" * 500 + b"\r\n", b"1f4\r\n" + b"x" * 500 + b"\r\n")
    assert not wire.gone
    send(wire, b"1\r\nx\r\n")
    assert b" 413 " in wire.out
    assert wire.gone


UPGRADE = b"GET /v1/realtime HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"


def test_a_tunnel_passes_bytes() -> None:
    """After an upgrade request everything is the exchange's, whatever it looks like."""
    service = Notes()
    wire = service.connect()
    send(wire, UPGRADE + b"early", GET)
    (heard,) = service.heard
    assert heard.request.upgrade
    assert bytes(heard.body) == b"early" + GET


async def test_an_upgrade_behind_a_running_exchange_waits_for_its_turn() -> None:
    """What follows a pipelined upgrade request never gets into the exchange that runs before it."""
    service = Notes()
    wire = service.connect()
    send(wire, GET + UPGRADE + b"GET /v1/smuggled HTTP/1.1\r\n\r\n")
    assert len(service.heard) == 1
    assert bytes(service.heard[0].body) == b""
    service.heard[0].answer()
    await turn()
    assert service.heard[1].request.upgrade
    assert bytes(service.heard[1].body) == b"GET /v1/smuggled HTTP/1.1\r\n\r\n"


async def test_a_refused_upgrade_ends_the_connection() -> None:
    """An upgrade that was answered with anything but 101 leaves no HTTP behind: the connection is closed."""
    service = Notes()
    wire = service.connect()
    send(wire, UPGRADE)
    service.heard[0].answer()
    assert wire.gone


# Time -----------------------------------------------------------------------------------------------------------------


def test_a_slow_head_is_answered_408() -> None:
    """A request whose headers take too long gets an error and its connection ends."""
    service = Notes()
    wire = service.connect()
    send(wire, GET[:-1])
    service.clock += Limits().header_s + 1
    service.overdue()
    assert wire.out.startswith(b"HTTP/1.1 408 header_timeout")
    assert wire.gone


def test_a_silent_connection_is_closed() -> None:
    """A connection on which nothing comes is closed without a word."""
    service = Notes()
    wire = service.connect()
    service.clock += Limits().header_s + 1
    service.overdue()
    assert not wire.out
    assert wire.closing


def test_a_body_that_stops_coming_ends_the_connection() -> None:
    """A pause in a body that is too long is a hang-up; each piece starts the clock anew."""
    service = Notes()
    wire = service.connect()
    body = post(b"x" * 30)
    send(wire, body[:-20])
    service.clock += Limits().body_s - 1
    send(wire, body[-20:-10])
    service.clock += Limits().body_s - 1
    service.overdue()
    assert not wire.gone
    service.clock += 2
    service.overdue()
    assert wire.aborted


async def test_an_idle_connection_is_closed_after_its_keep_alive_time() -> None:
    """A kept connection is closed when it has been idle for long enough, not before."""
    service = Notes()
    wire = service.connect()
    send(wire, GET)
    service.clock += 1000  # the upstream may take its time
    service.overdue()
    assert not wire.gone
    service.heard[0].answer()
    service.clock += Limits().keep_alive_s - 1
    service.overdue()
    assert not wire.gone
    service.clock += 2
    service.overdue()
    assert wire.closing
    assert not wire.aborted


def test_an_app_that_does_not_read_is_cut_off() -> None:
    """Bytes that stay unread for too long end the connection; reading in time does not."""
    service = Notes()
    wire = service.connect()
    send(wire, GET)
    wire.reads = False
    app_of(wire).write(b"x" * 100_000)
    assert service.heard[0].events == ["end", "blocked"]
    wire.catch_up()
    assert service.heard[0].events == ["end", "blocked", "ready"]
    service.clock += 1000
    service.overdue()
    assert not wire.gone
    wire.reads = False
    app_of(wire).write(b"x" * 100_000)
    service.clock += Limits().idle_write_s + 1
    service.overdue()
    assert wire.aborted


@pytest.mark.parametrize("close", [True, False], ids=["closing", "kept"])
async def test_a_short_answer_that_stays_unread_does_not_hold_the_connection(*, close: bool) -> None:
    """An app that never reads the last bytes is cut off, however few they are."""
    service = Notes()
    wire = service.connect()
    wire.reads = False
    send(wire, GET)
    service.heard[0].answer(close=close)
    for _ in range(3):
        service.clock += Limits().idle_write_s + 1
        service.overdue()
    assert wire.aborted


def test_a_slow_reader_with_an_unfinished_body_still_has_a_deadline() -> None:
    """Catching up with an early answer does not stop the clock on the body."""
    service = Notes()
    wire = service.connect()
    send(wire, post(b"x" * 30)[:-10])
    wire.reads = False
    app_of(wire).write(b"x" * 100_000)
    wire.catch_up()
    service.clock += Limits().body_s + 1
    service.overdue()
    assert wire.aborted


def test_a_tunnel_has_no_deadline_while_it_flows() -> None:
    """A tunnel may be silent for as long as it likes."""
    service = Notes()
    wire = service.connect()
    send(wire, UPGRADE)
    service.clock += 10_000
    service.overdue()
    assert not wire.gone


# Ends -----------------------------------------------------------------------------------------------------------------


def test_a_hang_up_is_told_at_once_and_once() -> None:
    """The exchange hears that its app is gone; waiting requests are never begun."""
    service = Notes()
    wire = service.connect()
    send(wire, GET + GET)
    assert app_of(wire).eof_received() is False
    wire.lose()
    assert service.heard[0].events == ["end", "gone"]
    assert service.connections == set()
    assert len(service.heard) == 1


async def test_a_hang_up_between_two_turns_begins_nothing() -> None:
    """A request that waits when its app leaves is forgotten."""
    service = Notes()
    wire = service.connect()
    send(wire, GET + GET)
    service.heard[0].answer()
    wire.lose()
    await turn()
    assert len(service.heard) == 1


LONG = post(b"x" * 3 * HELD_BYTES)


async def test_an_early_answer_lets_the_app_finish_reading() -> None:
    """An answer that comes long before the body's end is half-closed behind; the rest is read and dropped."""
    service = Notes()
    wire = service.connect()
    send(wire, LONG[: -HELD_BYTES - 50])
    assert app_of(wire).ends_early
    service.heard[0].answer(b"no")
    assert wire.ended
    assert not wire.aborted
    send(wire, b"x" * (HELD_BYTES + 50), GET)
    assert len(service.heard) == 1
    service.clock += LINGER_S + 1
    service.overdue()
    assert wire.aborted


@pytest.mark.parametrize("repeated", [True, False])
async def test_behind_a_short_rest_the_connection_goes_on(*, repeated: bool) -> None:
    """After an early answer a short rest of the body is dropped, and the next request is served."""
    service = Notes()
    wire = service.connect()
    if repeated:
        send(wire, post(b"y" * 100))
        service.heard[0].answer()
    send(wire, post(b"x" * 100)[:-50])
    assert not app_of(wire).ends_early
    service.heard[-1].answer(b"no")
    told = list(service.heard[-1].events)
    send(wire, b"x" * 20, b"x" * 30 + GET)
    assert service.heard[-1].request.method == b"GET"
    assert service.heard[-2].events == told
    assert not wire.gone


async def test_an_early_answer_does_not_read_on_for_ever() -> None:
    """What is still sent after an early answer is dropped up to a bound."""
    service = Notes()
    wire = service.connect()
    send(wire, CHUNKED)
    service.heard[0].answer()
    send(wire, *[b"x" * 65536] * (LINGER_BYTES // 65536))
    assert not wire.aborted
    send(wire, b"x")
    assert wire.aborted


async def test_where_half_a_close_is_not_to_be_had_the_connection_is_closed() -> None:
    """Over TLS an early answer closes the connection at once."""
    service = Notes()
    wire = service.connect(can_eof=False)
    send(wire, LONG[: -HELD_BYTES - 50])
    service.heard[0].answer()
    assert wire.closing


async def test_an_answer_at_the_head_of_a_bodiless_request_keeps_the_connection() -> None:
    """A service may answer as soon as it sees the head: without a body there is nothing left to read."""

    def answer(heard: Heard) -> bool:
        heard.answer()
        return True

    service = Notes()
    service.on_begin = answer
    wire = service.connect()
    send(wire, GET)
    send(wire, GET)
    assert wire.out.count(b"200 OK") == 2
    assert not wire.gone


@pytest.mark.parametrize("abort", [True, False])
def test_an_answer_that_breaks_breaks_the_connection(*, abort: bool) -> None:
    """An answer cut in the middle ends the connection, by a reset where its end would be the answer's."""
    service = Notes()
    wire = service.connect()
    send(wire, GET)
    app_of(wire).write(b"HTTP/1.1 200 OK\r\n\r\nhalf")
    app_of(wire).break_off(abort=abort)
    assert wire.closing
    assert wire.aborted is abort
    wire.lose()
    assert service.heard[0].events == ["end"]


def test_a_broken_answer_that_is_not_read_is_cut_off() -> None:
    """A connection that is being closed is aborted if its last bytes stay unread."""
    service = Notes()
    wire = service.connect()
    wire.reads = False
    send(wire, GET)
    app_of(wire).write(b"x" * 100_000)
    app_of(wire).break_off(abort=False)
    service.clock += Limits().idle_write_s + 1
    service.overdue()
    assert wire.aborted


async def test_idle_connections_close_when_asked_and_busy_ones_after_their_answer() -> None:
    """`close_if_idle` closes what carries nothing, and what carries something when that is over."""
    service = Notes()
    idle, busy, fresh = service.connect(), service.connect(), service.connect()
    send(idle, GET)
    service.heard[0].answer()
    send(busy, GET)
    for wire in (idle, busy, fresh):
        app_of(wire).close_if_idle()
    assert idle.closing
    assert fresh.closing
    assert not busy.gone
    service.heard[1].answer()
    assert busy.closing


def test_a_connection_too_many_is_told_so() -> None:
    """When there is no room an app gets an answer it can act on, and is not kept."""
    service = Notes()
    service.crowded = True
    wire = service.connect()
    assert wire.out.startswith(b"HTTP/1.1 503 overloaded")
    assert wire.closing
    assert service.connections == set()


def test_reading_stops_and_goes_on_as_the_exchange_says() -> None:
    """Back-pressure on a body pauses the app, and no deadline runs meanwhile."""
    service = Notes()
    wire = service.connect()
    send(wire, post(b"x" * 100)[:-50])
    app_of(wire).pause_reading()
    assert not wire.reading
    service.clock += 10_000
    service.overdue()
    assert not wire.gone
    app_of(wire).resume_reading()
    assert wire.reading
    service.clock += Limits().body_s + 1
    service.overdue()
    assert wire.aborted


def test_a_fault_of_our_own_is_not_taken_for_the_apps() -> None:
    """An exception in the service is not answered as malformed HTTP: it surfaces."""

    class Broken(Notes):
        def begin(self, request: RequestHead, connection: AppConnection) -> Heard | None:
            raise ZeroDivisionError

    wire = Broken().connect()
    with pytest.raises(ZeroDivisionError):
        send(wire, GET)
    assert not wire.out


async def test_garbage_behind_a_running_exchange_is_answered_in_its_turn() -> None:
    """Malformed bytes ahead of their turn do not touch the answer that is under way."""
    service = Notes()
    wire = service.connect()
    send(wire, post(b"x") + b"\x00\x00\r\n\r\n")
    assert not wire.gone
    service.heard[0].answer()
    await turn()
    assert wire.out.count(b"HTTP/1.1") == 2
    assert b"400 malformed_http" in wire.out
    assert wire.gone


# Heads that come again and again --------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 300), min_size=2, max_size=6), st.data())
def test_a_head_that_was_seen_before_is_read_the_same(sizes: list[int], data: st.DataObject) -> None:
    """Requests that differ in their length and body alone are framed right, however they are cut."""
    service = Notes()
    wire = service.connect()
    bodies = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    for body in bodies:
        whole = post(body)
        places = data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4))
        send(wire, *filter(None, cuts(whole, places)))
        assert service.heard[-1].events == ["end"]
        service.heard[-1].answer()
    assert [bytes(heard.body) for heard in service.heard] == bodies
    assert [heard.request.content_length for heard in service.heard] == sizes
    assert len(service.preambles) == 1
    assert not wire.gone


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Length: \0\r\n",
        b"Content-Length: 5\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\ncontent-length: 5\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 5, 5\r\n",
    ],
)
def test_a_known_head_opens_no_door(line: bytes) -> None:
    """What is refused the first time is refused when an honest twin of it was seen before."""
    service = Notes()
    wire = service.connect()
    send(wire, post(b"hello"))
    service.heard[0].answer()
    send(wire, b"POST /v1/x HTTP/1.1\r\n" + HOST + line + b"\r\nhello")
    assert len(service.heard) == 1
    assert b"400 malformed_http" in wire.out


@pytest.mark.parametrize("line", [b"Content-Length:5", b"CONTENT-LENGTH: 5", b"Content-Length:  5 "])
def test_a_length_written_in_an_unusual_way_is_a_length(line: bytes) -> None:
    """Case and white space around a length do not matter, the first time or later."""
    service = Notes()
    wire = service.connect()
    for number, body in enumerate((b"hello", b"world")):
        send(wire, b"POST /v1/x HTTP/1.1\r\n" + HOST + line + b"\r\n\r\n" + body)
        assert bytes(service.heard[number].body) == body
        assert service.heard[number].request.content_length == 5
        service.heard[number].answer()


def test_a_known_head_still_meets_the_limits() -> None:
    """A body over the limit is refused also where its head was seen before."""
    service = Notes(Limits(body_bytes=10))
    wire = service.connect()
    send(wire, post(b"hello"))
    service.heard[0].answer()
    send(wire, post(b"x" * 11))
    assert b"413 body_too_large" in wire.out
    assert len(service.heard) == 1


def test_an_app_that_reads_slowly_is_not_one_that_does_not_read() -> None:
    """Each time something was read, however little, the app has its time anew; once nothing was, its time is up."""
    service = Notes()
    wire = service.connect()
    send(wire, GET)
    wire.reads = False
    app_of(wire).write(b"x" * 500_000)
    for _ in range(5):
        wire.read_some(10)
        service.clock += Limits().idle_write_s + 1
        service.overdue()
        assert not wire.gone
    service.clock += Limits().idle_write_s + 1
    service.overdue()
    assert wire.aborted


@pytest.mark.parametrize("how", ["closed", "reset"])
def test_an_app_that_hangs_up_while_its_upload_is_paused_is_noticed(how: str) -> None:
    """Nothing is read of what it sends, so no event tells: it is looked for, and one that is there goes on waiting."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        service = Notes()
        wire = service.connect()
        wire.sock = ours
        send(wire, post(b"x" * 100)[:-50])
        app_of(wire).pause_reading()
        theirs.send(b"x" * 50)  # sent, and never read
        service.clock += PAUSED_LOOK_S + 0.1
        service.overdue()
        assert not wire.gone
        if how == "closed":
            theirs.shutdown(socket.SHUT_WR)
        else:
            theirs.close()
        service.clock += PAUSED_LOOK_S + 0.1
        service.overdue()
        assert wire.aborted


async def test_a_connection_lives_on_after_an_early_answer_to_a_paused_upload() -> None:
    """The rest of a body that was paused is read and dropped, and the next request behind it is heard."""
    service = Notes()
    wire = service.connect()
    whole = post(b"x" * 100)
    send(wire, whole[:-50])
    app_of(wire).pause_reading()
    assert not wire.reading
    service.heard[0].answer()
    assert wire.reading
    assert not wire.gone
    send(wire, whole[-50:])
    send(wire, GET)
    assert len(service.heard) == 2
