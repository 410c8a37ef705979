"""The answer's head as the app gets it, and how it is told where the answer ends."""

import pytest

from gateway.proxy.answer_head import Framing, answer_head, frame, own_lines
from gateway.transport.message import Preamble, RequestHead
from gateway.transport.outgoing import Reply
from policies.routing import Route, Variant


def request_of(method: bytes = b"POST", *, http10: bool = False, keep_alive: bool = True) -> RequestHead:
    preamble = Preamble(method + b" / HTTP/1.1\r\nHost: g", method, b"/")
    preamble.http10, preamble.keep_alive = http10, keep_alive
    return RequestHead(preamble, None, 0.0)


def reply_of(*lines: bytes, status: int = 200) -> Reply:
    return Reply(status, b"\r\n".join((b"HTTP/1.1 %d Fine" % status, *lines)))


def told(*what: str) -> Framing:
    """A framing of which this is true."""
    return Framing(**{name: name in what for name in Framing._fields})


@pytest.mark.parametrize(
    ("request_", "reply", "last", "framing"),
    [
        (request_of(), reply_of(b"Content-Length: 5"), "", told()),
        (request_of(), reply_of(b"Transfer-Encoding: chunked"), "", told("chunked")),
        (request_of(), reply_of(), "", told("chunked")),
        (request_of(), reply_of(), "last", told("chunked", "close")),
        (request_of(keep_alive=False), reply_of(b"Content-Length: 5"), "", told("close")),
        (request_of(http10=True, keep_alive=False), reply_of(), "", told("close", "ends_by_closing")),
        (request_of(http10=True), reply_of(b"Content-Length: 5"), "", told("keeps")),
        (request_of(b"HEAD"), reply_of(), "", told()),
        (request_of(), reply_of(status=204), "", told()),
        (request_of(), reply_of(status=304), "", told()),
        (request_of(b"GET"), reply_of(status=101), "", told()),
    ],
)  # fmt: skip
def test_how_an_answer_is_framed(request_: RequestHead, reply: Reply, last: str, framing: Framing) -> None:
    """A length stays, what has none is chunked, an app of HTTP/1.0 gets the connection's end."""
    assert frame(request_, reply, last=bool(last)) == framing


OWN = b"x-ours: 1"


@pytest.mark.parametrize(
    ("lines", "framing", "kept"),
    [
        ((b"A: 1", b"Content-Length: 5", b"a:2"), told(), (b"A: 1", b"Content-Length: 5", b"a:2")),
        ((b"Transfer-Encoding: Chunked", b"A: 1"), told("chunked"), (b"Transfer-Encoding: chunked", b"A: 1")),
        ((b"A: 1",), told("chunked"), (b"A: 1", b"transfer-encoding: chunked")),
        ((b"A: 1",), told("close", "ends_by_closing"), (b"A: 1", b"connection: close")),
        ((b"Transfer-Encoding: chunked",), told("close", "ends_by_closing"), (b"connection: close",)),
        ((b"Connection: keep-alive", b"Content-Length: 0"), told(),
         (b"Connection: keep-alive", b"Content-Length: 0")),
        ((b"Connection: keep-alive", b"Content-Length: 0"), told("close"),
         (b"Content-Length: 0", b"connection: close")),
        ((b"Connection: close, X-Hop", b"X-Hop: 1", b"Keep-Alive: x", b"Upgrade: h2", b"Content-Length: 0"),
         told(), (b"Content-Length: 0",)),
        ((b"Connection: Content-Length", b"Content-Length: 5"), told(), (b"Content-Length: 5",)),
    ],
)  # fmt: skip
def test_what_passes_of_an_answers_head(lines: tuple[bytes, ...], framing: Framing, kept: tuple[bytes, ...]) -> None:
    """All but what is of one hop, in order, with ours behind; the framing that is told is the one that is used."""
    wanted = (b"HTTP/1.1 200 Fine", *kept)
    sent = answer_head(reply_of(*lines), framing, b"\r\n" + OWN).split(b"\r\n")
    assert sent[-2:] == [b"", b""]
    assert [line for line in sent[:-2] if line != OWN] == list(wanted)
    assert OWN in sent


def test_the_head_of_an_upgrade_keeps_what_it_agrees_to() -> None:
    """Connection and Upgrade of a 101 are the app's to see."""
    lines = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Accept: x")
    head = answer_head(reply_of(*lines, status=101), told(), b"\r\n" + OWN)
    assert head == b"\r\n".join((b"HTTP/1.1 101 Fine", *lines, OWN, b"", b""))


def test_an_answer_of_http_1_0_is_told_as_1_1() -> None:
    """The version is of one hop; the reason phrase is not."""
    reply = Reply(299, b"HTTP/1.0 299 Rather Odd\r\nContent-Length: 0")
    assert answer_head(reply, told(), b"").startswith(b"HTTP/1.1 299 Rather Odd\r\n")


@pytest.mark.parametrize("framing", [told(), told("chunked"), told("close"), told("close", "ends_by_closing")])
@pytest.mark.parametrize("line", [b"HTTP/1.1 200", b"HTTP/1.1 204 No Content", b"HTTP/1.0 404 Not Found"])
def test_a_status_line_is_whole_without_a_header_behind_it(line: bytes, framing: Framing) -> None:
    """What an upstream says in its first line reaches the app to the last digit, whatever follows."""
    head = answer_head(Reply(200, line), framing, b"")
    assert head.partition(b"\r\n")[0] == b"HTTP/1.1" + line[8:]


def test_an_app_of_http_1_0_is_told_that_its_connection_is_kept() -> None:
    """It takes it for ended otherwise (RFC 9112 §9.3); once is enough."""
    request = request_of(http10=True)
    for lines in ((b"Content-Length: 5",), (b"Connection: keep-alive", b"Content-Length: 5")):
        reply = reply_of(*lines)
        head = answer_head(reply, frame(request, reply, last=False), b"").lower()
        assert head.count(b"connection: keep-alive") == 1


R, HIDDEN = Route("r", Variant("openai")), Route("r", Variant("openai"), expose_variant=False)


@pytest.mark.parametrize(
    ("route", "variant", "exposed", "lines"),
    [
        (None, "baseline", False, b"request-id: 7"),
        (None, "gateway", True, b"request-id: 7|x-crossfade-variant: gateway|x-request-id: 7"),
        (R, "baseline", False, b"request-id: 7|x-crossfade-route: r|x-crossfade-variant: baseline"),
        (HIDDEN, "candidate", True, b"request-id: 7|x-crossfade-route: r|x-request-id: 7"),
    ],
)
def test_our_own_lines(route: Route | None, variant: str, *, exposed: bool, lines: bytes) -> None:
    """The id always; the route if one matched; the variant as route or table say; the id again where it is ours."""
    told = own_lines("7", route, variant, expose_variant=exposed, wall_s=0.0)
    dated = lines.replace(b"|x-request-id: 7", b"|x-request-id: 7|date: Thu, 01 Jan 1970 00:00:00 GMT")
    assert told == b"\r\nx-crossfade-" + dated.replace(b"|", b"\r\n")
