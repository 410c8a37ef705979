"""The answers of the echoing upstream: what real upstreams send, in every framing HTTP/1.1 has."""

import gzip
import zlib
from collections.abc import Callable, Iterator

from tests.fakes.raw_http import Message
from tests.fakes.raw_upstream import DONE, LAST_CHUNK, SSE_HEAD, answer, chunk, event

Shape = Callable[[bytes], Iterator[bytes]]
"""The echoed request → the pieces of an answer, each sent by itself. The last piece may be b"" : close."""

CLOSE = b""


def shape_of(request: Message) -> Shape:
    """Which answer a request gets: the same whether it came directly or through the gateway."""
    return SHAPES[zlib.crc32(request.start + request.body + request.get(b"x-replay")) % len(SHAPES)]


def plain(echo: bytes) -> Iterator[bytes]:
    yield answer(echo, b"x-request-id: req_1", b"openai-processing-ms: 7", b"openai-version: 2020-10-01")


def chunked(echo: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    for at in range(0, len(echo), 97):
        yield chunk(echo[at : at + 97])
    yield LAST_CHUNK


def one_byte_chunks(echo: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    for at in range(min(len(echo), 60)):
        yield chunk(echo[at : at + 1])
    yield LAST_CHUNK


def split_anywhere(echo: bytes) -> Iterator[bytes]:
    whole = answer(echo[:200] + "…é€𝄞".encode(), b"X-Split: yes")
    for at in range(0, len(whole), 13):
        yield whole[at : at + 13]


def zipped(echo: bytes) -> Iterator[bytes]:
    yield answer(gzip.compress(echo, mtime=0), b"Content-Encoding: gzip", b"Vary: Accept-Encoding")


def zipped_chunks(echo: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n"
    yield b"transfer-encoding: chunked\r\n\r\n"
    data = gzip.compress(echo, mtime=0)
    yield chunk(data[:20]) + chunk(data[20:]) + LAST_CHUNK


def close_delimited(echo: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n" + echo[:10]
    yield echo[10:]
    yield CLOSE


def http_1_0(echo: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + echo
    yield CLOSE


def no_content(echo: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 204 No Content\r\nX-Ratelimit-Remaining-Requests: 9\r\n\r\n"


def not_modified(echo: bytes) -> Iterator[bytes]:
    yield b'HTTP/1.1 304 Not Modified\r\nETag: "abc"\r\n\r\n'


def empty(echo: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def cookies(echo: bytes) -> Iterator[bytes]:
    yield answer(echo, b"Set-Cookie: a=1; Path=/; HttpOnly", b"set-cookie: __cf_bm=x.y-1; Secure", b"CF-RAY: 8f-AMS")


def odd_headers(echo: bytes) -> Iterator[bytes]:
    yield answer(
        echo,
        b"X-Empty:",
        b"x-CaSe-KePt: Yes",
        b"X-Twice: 1",
        b"X-Other: between",
        b"X-Twice: 2",
        b"X-Utf8: caf\xc3\xa9",
        b"X-Latin1: caf\xe9",
        b"X-Comma: a, b , c",
        b'Alt-Svc: h3=":443"; ma=86400',
        b"Server: odd/1.0 (a; b)",
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT",
    )


def redirect(echo: bytes) -> Iterator[bytes]:
    yield answer(b"", b"Location: https://elsewhere.invalid/v1/x?a=b", status=b"307 Temporary Redirect")


def rate_limited(echo: bytes) -> Iterator[bytes]:
    body = b'{"error":{"message":"slow down","type":"requests","param":null,"code":"rate_limit_exceeded"}}'
    yield answer(
        body, b"retry-after: 7", b"retry-after-ms: 6500", b"x-should-retry: false", status=b"429 Too Many Requests"
    )


def unauthorized(echo: bytes) -> Iterator[bytes]:
    yield answer(
        b'{"error":{"message":"no","type":"invalid_request_error","param":null,"code":null}}',
        status=b"401 Unauthorized",
    )


def html_error(echo: bytes) -> Iterator[bytes]:
    body = b"<html><body>bad gateway</body></html>"
    yield b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def odd_status(echo: bytes) -> Iterator[bytes]:
    yield answer(echo, status=b"299 Rather Odd Indeed")


def no_reason(echo: bytes) -> Iterator[bytes]:
    yield answer(echo, status=b"200 ")


def binary(echo: bytes) -> Iterator[bytes]:
    body = bytes(range(256)) * 17 + echo
    yield b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def events(echo: bytes) -> Iterator[bytes]:
    yield SSE_HEAD
    for word in ("Hel", "lo, ", "wörld", "!"):
        yield chunk(event(word))
    yield chunk(b': a comment\r\n\r\ndata:{"nospace":1}\r\n\r\n')
    yield chunk(DONE) + LAST_CHUNK


def trailers(echo: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield b"%x;ext=1\r\n%s\r\n" % (len(echo), echo)
    yield b"0\r\nX-Trailer: late\r\n\r\n"


def early_hints(echo: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"
    yield answer(echo)


def large(echo: bytes) -> Iterator[bytes]:
    body = b'{"data":"' + (echo * (300_000 // max(1, len(echo)))) + b'"}'
    yield answer(body)


SHAPES: tuple[Shape, ...] = (
    plain,
    chunked,
    one_byte_chunks,
    split_anywhere,
    zipped,
    zipped_chunks,
    close_delimited,
    http_1_0,
    no_content,
    not_modified,
    empty,
    cookies,
    odd_headers,
    redirect,
    rate_limited,
    unauthorized,
    html_error,
    odd_status,
    no_reason,
    binary,
    events,
    trailers,
    early_hints,
    large,
)
