"""A head as the bytes it came as: looked up, cut, never put together anew."""

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.transport.message import (
    HOP_BY_HOP,
    LENGTH_MARK,
    Head,
    Preamble,
    RequestHead,
    chunk,
    head_bytes,
    split_length,
    whole_chunks,
)

NAME = st.text("abcXYZ-", min_size=1, max_size=6).map(str.encode)
VALUE = st.text('abc :,=\t"é', max_size=12).map(str.encode)
LINES = st.lists(st.tuples(NAME, st.sampled_from([b": ", b":", b":  "]), VALUE), max_size=8)


def head_of(lines: list[tuple[bytes, bytes, bytes]]) -> Head:
    return Head(b"\r\n".join((b"GET / HTTP/1.1", *map(b"".join, lines))))


@given(LINES, NAME)
def test_headers_are_found_whatever_their_case(lines: list[tuple[bytes, bytes, bytes]], name: bytes) -> None:
    """`get` is the first of its name, `count` all of them, `values` one of each; white space is not of the value."""
    head, low = head_of(lines), name.lower()
    found = [value.strip(b" \t") for one, _, value in lines if one.lower() == low]
    assert head.get(low) == (found[0] if found else None)
    assert head.count(low) == len(found)
    assert head.has(low) is bool(found)
    assert head.fields == len(lines)
    assert set(head.values) == {one.lower() for one, _, _ in lines}
    assert head.values.get(low) == (found[-1] if found else None)


@given(LINES, st.lists(NAME, max_size=3), NAME)
def test_a_change_touches_nothing_else(
    lines: list[tuple[bytes, bytes, bytes]], gone: list[bytes], other: bytes
) -> None:
    """Named lines go, or get another value in their place; every other byte stays."""
    names = {name.lower() for name in gone} | {other.lower()}
    wanted = b""
    for name, mark, value in lines:
        if name.lower() == other.lower():
            wanted += b"\r\n" + name + b": new"
        elif name.lower() not in names:
            wanted += b"\r\n" + name + mark + value
    for asked in (tuple(names), (*names, *names)):  # a name may be there twice
        assert head_of(lines).changed(asked, {other.lower(): b"new"}) == wanted


@given(LINES)
def test_without_a_change_the_lines_are_the_bytes(lines: list[tuple[bytes, bytes, bytes]]) -> None:
    """Nothing named, nothing copied apart."""
    head = head_of(lines)
    assert b"GET / HTTP/1.1" + head.lines == head.raw
    assert head.changed((), {}) == head.lines
    assert Head(b"GET / HTTP/1.1").lines == b""


@given(st.sampled_from([*HOP_BY_HOP, b"proxy-x", b"x-other"]))
def test_a_head_with_a_header_of_one_hop_says_so(name: bytes) -> None:
    """The quick look misses none of them."""
    head = Head(b"GET / HTTP/1.1\r\nHost: g\r\n" + name.title() + b": 1")
    assert head.is_of_one_hop or name not in HOP_BY_HOP


def test_connection_names_what_is_of_one_hop() -> None:
    """Tokens of Connection join the list, but for the length that frames the body."""
    assert Head(b"G\r\nConnection: close").one_hop((b"te",)) == (b"te",)
    assert Head(b"G\r\nHost: x").one_hop((b"te",)) == (b"te",)
    named = Head(b"G\r\nConnection: X-A , te,Content-Length").one_hop((b"te",))
    assert set(named) == {b"te", b"x-a"}


@given(
    LINES.filter(lambda lines: not any(b"ontent" in name for name, _, _ in lines)),
    st.integers(0, 10**12),
    st.sampled_from([b"Content-Length: ", b"content-length: "]),
)
def test_a_length_is_split_off_and_put_back(lines: list[tuple[bytes, bytes, bytes]], length: int, name: bytes) -> None:
    """Heads that differ in their length alone are one preamble."""
    raw = head_of(lines).raw + b"\r\n" + name + b"%d" % length + b"\r\nX: 1"
    cut, found = split_length(raw)
    assert found == length
    assert cut.replace(LENGTH_MARK, b"%d" % length) == raw
    assert split_length(cut) == (cut, None)


def test_an_unusual_length_is_left_to_the_parser() -> None:
    """Signs, lists, nothing at all, or too many digits are not taken for a length."""
    for odd in (b"+5", b"5, 5", b"", b"0x5", b"9" * 16, b"\xb2"):
        raw = b"POST / HTTP/1.1\r\nContent-Length: " + odd
        assert split_length(raw) == (raw, None)


def test_a_request_has_a_body_by_its_length_or_its_chunks() -> None:
    """No length, or a length of 0, is no body."""
    plain = Preamble(b"POST / HTTP/1.1", b"POST", b"/")
    chunked = Preamble(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked", b"POST", b"/")
    assert [RequestHead(plain, length, 0.0).has_body for length in (None, 0, 5)] == [False, False, True]
    assert RequestHead(chunked, None, 0.0).has_body


def test_bytes_for_the_wire() -> None:
    """A head of our own ends before the empty line; a chunk has its size in hex."""
    assert head_bytes(b"HTTP/1.1 200 OK", [(b"a", b"1"), (b"b", b"2")]) == b"HTTP/1.1 200 OK\r\na: 1\r\nb: 2"
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"


class Heard:
    """What a parser of answers reads."""

    def __init__(self) -> None:
        self.body = b""
        self.whole = False

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.whole = True


@given(st.lists(st.binary(min_size=1, max_size=40) | st.sampled_from([b"x" * 1023, b"x" * 1024, b"x" * 70_000])))
def test_chunks_are_read_as_they_were_written(bodies: list[bytes]) -> None:
    """Whatever the bodies hold, and however long they are."""
    data = b"".join(map(chunk, bodies))
    assert whole_chunks(data) == bodies
    assert whole_chunks(data.upper()) == [body.upper() for body in bodies]
    assert not bodies or whole_chunks(data[:-1]) is None


@given(
    st.lists(
        st.sampled_from(["0", "1", "2", "A", "f", "g", "x", "+", "_", " ", ";", "\r", "\n", "\r\n", "1\r\n0\r\n"])
    ).map(lambda parts: "".join(parts).encode())
)
@example(b"1\r\nA\r\n02\r\nAA\r\n")
@example(b"0000001\r\nA\r\n")
def test_what_is_taken_for_whole_chunks_is_to_a_parser_too(data: bytes) -> None:
    """The bodies are the parser's, it finds no fault, and it waits for the next chunk."""
    bodies = whole_chunks(data)
    if bodies is None:
        return
    heard = Heard()
    parser = httptools.HttpResponseParser(heard)
    parser.feed_data(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + data)
    assert heard.body == b"".join(bodies)
    parser.feed_data(b"0\r\n\r\n")
    assert heard.whole


@pytest.mark.parametrize(
    "data",
    [b"1", b"1\r", b"1\r\n", b"1\r\nA", b"1\r\nA\r", b"1\nA\n", b"1;x\r\nA\r\n", b"0\r\n\r\n", b"-1\r\nA\r\n", b"\r\n",
     b"1\r\nA\r\n0\r\n\r\n", b"00000001\r\nA\r\n", b"2\r\nA\r\n", b"1\r\nAA\r\n", b"g\r\nA\r\n", b"1xyA\r\n",
     b"1\r\nAxy"],
)  # fmt: skip
def test_what_is_not_whole_chunks_is_left_to_a_parser(data: bytes) -> None:
    """A chunk cut in two, an extension, the last one, a size that is none or too long."""
    assert whole_chunks(data) is None
