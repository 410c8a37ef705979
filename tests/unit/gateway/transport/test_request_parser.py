"""A connection's parser makes heads and bodies of bytes, and says of each mistake what it is."""

import gc
import weakref
from dataclasses import dataclass, field

import pytest

from gateway.transport.limits import Limits
from gateway.transport.message import Preamble, RequestHead
from gateway.transport.request_parser import PREAMBLE_BYTES, PREAMBLES, RequestParser, RequestRefusedError

HOST = b"Host: gateway"
CHUNKED = b"POST /v1/x HTTP/1.1\r\n" + HOST + b"\r\nTransfer-Encoding: chunked"


@dataclass
class Taken:
    """All that was parsed."""

    heads: list[RequestHead] = field(default_factory=list[RequestHead])
    body: bytearray = field(default_factory=bytearray)
    pieces: int = 0
    ends: int = 0

    def on_head(self, request: RequestHead) -> None:
        self.heads.append(request)

    def on_body(self, body: bytes) -> None:
        self.body += body
        self.pieces += 1

    def on_end(self) -> None:
        self.ends += 1


@dataclass
class Read:
    """A parser, what it found, and what it remembers."""

    limits: Limits = field(default_factory=Limits)
    taken: Taken = field(default_factory=Taken)
    preambles: dict[bytes, Preamble] = field(default_factory=dict[bytes, Preamble])
    parser: RequestParser = field(init=False)

    def __post_init__(self) -> None:
        self.parser = RequestParser(self.taken, self.limits, self.preambles)


def code_of(refused: pytest.ExceptionInfo[RequestRefusedError]) -> tuple[int, str]:
    return refused.value.status, refused.value.code


def test_a_chunked_request_is_a_head_a_body_and_an_end() -> None:
    """The framing is taken off, extensions and trailers with it."""
    read = Read()
    assert not read.parser.read_head(CHUNKED, 5.0)
    assert [(head.method, head.target) for head in read.taken.heads] == [(b"POST", b"/v1/x")]
    assert read.taken.ends == 0
    read.parser.read_body(b"5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: late\r\n\r\n")
    assert (bytes(read.taken.body), read.taken.ends) == (b"hello world", 1)


def test_chunks_of_one_byte_cost_no_more_than_long_ones() -> None:
    """All that one read brought is handed over at once: an app's chunks are not turns of the whole gateway."""
    read = Read()
    read.parser.read_head(CHUNKED, 0.0)
    read.parser.read_body(b"1\r\nx\r\n" * 5_000)
    assert (bytes(read.taken.body), read.taken.pieces, read.taken.ends) == (b"x" * 5_000, 1, 0)
    read.parser.read_body(b"1\r\ny\r\n" * 5_000 + b"0\r\n\r\n")
    assert (bytes(read.taken.body), read.taken.pieces, read.taken.ends) == (b"x" * 5_000 + b"y" * 5_000, 2, 1)


def test_an_upgrade_to_websocket_is_a_tunnel_and_no_other_is() -> None:
    """Any other upgrade is read as if it had not been asked for."""
    asked = b"GET /v1/x HTTP/1.1\r\n" + HOST + b"\r\nConnection: upgrade\r\nUpgrade: "
    assert Read().parser.read_head(asked + b"websocket", 0.0)
    read = Read()
    assert not read.parser.read_head(asked + b"h2c", 0.0)
    assert read.taken.heads[0].get(b"upgrade") is None


@pytest.mark.parametrize(
    ("head", "refused"),
    [
        (b"GET /v1/x HTTP/1.1", (400, "bad_host")),
        (b"GET /v1/x HTTP/2.0\r\n" + HOST, (400, "malformed_http")),
        (b"GET /v1/x HTTP/1.1\r\n" + HOST + b"\r\nno colon", (400, "malformed_http")),
        (b"GET /v1/x HTTP/1.1\r\n" + HOST + b"\r\nX: 1" * 999, (431, "headers_too_large")),
    ],
)
def test_a_head_that_no_honest_app_sends_is_refused_with_its_reason(head: bytes, refused: tuple[int, str]) -> None:
    """Nobody is told of a request then."""
    read = Read()
    with pytest.raises(RequestRefusedError) as caught:
        read.parser.read_head(head, 0.0)
    assert code_of(caught) == refused
    assert read.taken.heads == []


def test_a_request_behind_a_chunked_one_is_refused() -> None:
    """Its head would be the parser's already before its turn has come."""
    read = Read()
    read.parser.read_head(CHUNKED, 0.0)
    with pytest.raises(RequestRefusedError) as caught:
        read.parser.read_body(b"0\r\n\r\nGET /v1/y HTTP/1.1\r\n")
    assert code_of(caught) == (400, "too_many_pipelined")
    assert read.taken.ends == 1


def test_framing_without_end_is_refused() -> None:
    """A trailer may be as long as headers may."""
    read = Read(Limits(header_bytes=100))
    read.parser.read_head(CHUNKED, 0.0)
    read.parser.read_body(b"0\r\nX: ")
    with pytest.raises(RequestRefusedError) as caught:
        for _ in range(11):
            read.parser.read_body(b"y" * 10)
    assert code_of(caught) == (431, "headers_too_large")


def test_what_is_remembered_of_heads_is_bounded() -> None:
    """Neither many heads nor long ones pile up."""
    read = Read()
    for number in range(3 * PREAMBLES):
        read.parser.read_head(b"GET /v1/%d HTTP/1.1\r\n%b" % (number, HOST), 0.0)
        assert len(read.preambles) <= PREAMBLES
    read.preambles.clear()
    read.parser.read_head(b"GET /v1/x HTTP/1.1\r\n" + HOST + b"\r\nX: " + b"y" * PREAMBLE_BYTES, 0.0)
    assert len(read.taken.heads) == 3 * PREAMBLES + 1
    assert read.preambles == {}


def test_a_parser_that_is_closed_needs_no_garbage_collector() -> None:
    """It knows httptools' parser, which knows it; and it knows its connection."""
    read = Read()
    read.parser.read_head(b"GET /v1/x HTTP/1.1\r\n" + HOST, 0.0)
    taken = weakref.ref(read.taken)
    gc.disable()
    try:
        read.parser.close()
        del read
        assert taken() is None
    finally:
        gc.enable()
