"""Server-sent events, however the bytes are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.wire.event import StreamEvent
from records.wire.sse import Decoder


def decode(*chunks: bytes, max_event_bytes: int = 1024) -> list[StreamEvent]:
    decoder = Decoder(max_event_bytes)
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return events + decoder.finish()


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\ndata: b\n\n", [StreamEvent("", b"a"), StreamEvent("", b"b")]),
        (b"data:a\n\n", [StreamEvent("", b"a")]),
        (b"data:  a\n\n", [StreamEvent("", b" a")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [StreamEvent("", b"a"), StreamEvent("", b"b")]),
        (b"data: a\r\rdata: b\r\r", [StreamEvent("", b"a"), StreamEvent("", b"b")]),
        (b"data: a\ndata: b\n\n", [StreamEvent("", b"a\nb")]),
        (b"data\n\n", [StreamEvent("", b"")]),
        (b"data:\n\n", [StreamEvent("", b"")]),
        (b": ping\n\n:\ndata: a\n\n", [StreamEvent("", b"a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [StreamEvent("", b"a")]),
        (b"event: response.completed\ndata: {}\n\n", [StreamEvent("response.completed", b"{}")]),
        (b"event:x\n\ndata: a\n\n", [StreamEvent("", b"a")]),
        (b"id: 7\nretry: 10\nunknown: x\ndatax: y\ndata: a\n\n", [StreamEvent("", b"a")]),
        (b"data: a", [StreamEvent("", b"a")]),
        (b"data: a\n", [StreamEvent("", b"a")]),
        (b"", []),
        (b"\n\n\n", []),
    ],
)
def test_streams(stream, events):
    """Each form that the standard allows gives its events, whole or byte by byte."""
    assert decode(stream) == events
    assert decode(*(stream[at : at + 1] for at in range(len(stream)))) == events


lines = st.sampled_from([b"data: x", b"data:", b"data:\xc3\xa9\xe2\x82\xac", b"event: n", b": c", b"", b"", b"id: 1"])
ends = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(st.lists(st.tuples(lines, ends)), st.data())
def test_cuts_change_nothing(written, data):
    """A stream means the same wherever it is cut, between CR and LF and inside a character too."""
    stream = b"".join(line + end for line, end in written)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    chunks = [stream[start:end] for start, end in pairwise([0, *cuts, len(stream)])]

    assert decode(*chunks) == decode(stream)


@given(st.lists(st.tuples(st.sampled_from(["", "a", "response.created"]), st.binary(max_size=20)), max_size=10), ends)
def test_what_is_encoded_is_decoded(events, end):
    """Names and data come out as they went in."""
    written = [(name, data.replace(b"\r", b"").replace(b"\n", b"")) for name, data in events]
    stream = b"".join(
        (b"event: %b%b" % (name.encode(), end) if name else b"") + b"data: %b%b%b" % (data, end, end)
        for name, data in written
    )

    assert decode(stream) == [StreamEvent(name, data) for name, data in written]


@pytest.mark.parametrize(
    "chunks",
    [
        [b"data: " + b"x" * 200 + b"\n\n"],
        [b"data: " + b"x" * 60, b"x" * 60, b"\n\n"],
        [b"data: xxxxxxxxxxxxxxxxxxxx\n"] * 10,
        [b"data: \n" * 200],
        [b":" + b"x" * 200],
    ],
)
def test_long_events_end_the_stream(chunks):
    """An event over the bound is not held: nothing more is given, and the decoder says so."""
    decoder = Decoder(100)

    assert decoder.feed(b"data: a\n\n") == [StreamEvent("", b"a")]
    given_ = [event for chunk in chunks for event in decoder.feed(chunk)]

    assert given_ == []
    assert decoder.overflowed
    assert decoder.feed(b"\n\ndata: b\n\n") == []
    assert decoder.finish() == []


def test_the_bound_is_per_event():
    """A stream may be far longer than its longest event may be."""
    decoder = Decoder(100)

    assert sum(len(decoder.feed(b"data: " + b"x" * 50 + b"\n\n")) for _ in range(1000)) == 1000
    assert not decoder.overflowed
