"""What an upstream's bytes mean, and when its connection is as good as new."""

from collections.abc import Callable
from itertools import pairwise, zip_longest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transport.connection import HEADER_BYTES, INTERIM, Connection
from gateway.transport.failure import Failure
from gateway.transport.message import LAST_CHUNK, chunk
from gateway.transport.outgoing import Sending, Target
from gateway.transport.write_batch import WriteBatch
from tests.rooms.ears import Ear
from tests.rooms.wires import Wire

TARGET = Target("upstream", 80, idle_s=60.0)


class Keeper:
    """Whoever keeps the connections."""

    def __init__(self) -> None:
        self.turn = WriteBatch(lambda end: end())
        self.there: list[Connection] = []
        self.free: list[Connection] = []

    def opened(self, connection: Connection) -> None:
        self.there.append(connection)

    def closed(self, connection: Connection) -> None:
        self.there.remove(connection)

    def release(self, connection: Connection) -> None:
        self.free.append(connection)

    def leave(self, sending: Sending) -> None:
        raise AssertionError("nobody leaves here")

    def unheard(self, sending: Sending) -> None:
        """Nobody keeps others."""


class Asked:
    """A request under way on a connection of its own."""

    def __init__(self, method: bytes = b"POST", *, whole: bool = True) -> None:
        self.keeper = Keeper()
        self.connection = Connection(self.keeper, (TARGET, b""))
        self.wire = Wire(self.connection)
        self.wire.connect()
        self.ear = Ear()
        self.sending = self.ask(method, self.ear, whole=whole)

    def ask(self, method: bytes, ear: Ear, *, whole: bool = True) -> Sending:
        sending = Sending(self.keeper, (TARGET, b""), method, ear)
        sending.write(b"request")
        if whole:
            sending.end()
        self.connection.carry(sending, reused=bool(self.keeper.free))
        self.keeper.free.clear()
        return sending

    def hear(self, *pieces: bytes) -> "Asked":
        for piece in pieces:
            if not self.wire.closing:
                self.connection.data_received(piece)
        return self

    @property
    def kept(self) -> bool:
        """Whether the connection may be used again."""
        return self.keeper.free == [self.connection] and not self.wire.closing


SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 Fine By Me\r\nTransfer-Encoding: chunked\r\nX-Twice: a\r\nx-twice: b\r\n\r\n"
    b"3;ext\r\nhel\r\n2\r\nlo\r\n0\r\nX-Trailer: late\r\n\r\n"
)


@given(st.sampled_from([SIZED, CHUNKED]), st.lists(st.integers(1, 150), max_size=10))
def test_an_answer_is_read_however_it_is_cut(answer: bytes, places: list[int]) -> None:
    """Head, body and end are told in order for any cuts; the connection is kept, the trailer dropped."""
    asked = Asked()
    edges = [0, *sorted({place for place in places if place < len(answer)}), len(answer)]
    asked.hear(*(answer[start:end] for start, end in pairwise(edges)))
    assert bytes(asked.ear.data) == b"hello"
    assert asked.ear.told[0] == "head"
    assert asked.ear.told.count("head") == 1
    assert asked.ear.ended
    assert asked.kept


LIKE_CHUNKS = b"1\r\na\r\n2\r\nbc\r\n"
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@given(
    st.lists(st.lists(st.sampled_from([b"h", b"lo", b"x" * 300, LIKE_CHUNKS]), max_size=3), max_size=6),
    st.lists(st.integers(0, 400), max_size=6),
)
def test_a_stream_is_read_however_whole_and_cut_chunks_alternate(reads: list[list[bytes]], cuts: list[int]) -> None:
    """A read of several chunks, then of one, then one that is cut in two: each body once, in order, to the end."""
    pieces = [CHUNKED_HEAD]
    for read, cut in zip_longest(reads, cuts[: len(reads)], fillvalue=0):
        data = b"".join(map(chunk, read))
        pieces += [piece for piece in (data[:cut], data[cut:]) if piece]
    asked = Asked().hear(*pieces, LAST_CHUNK)
    assert bytes(asked.ear.data) == b"".join(map(b"".join, reads))
    assert asked.ear.ended
    assert asked.kept


@pytest.mark.parametrize(
    "line", [b"Content-Length:5", b"content-LENGTH:   5", b"Content-Length: 5 ", b"Content-Length: 0005\t"]
)
def test_an_answers_odd_length_goes_on_in_the_usual_form(line: bytes) -> None:
    """However an upstream writes it, the app reads the same length, and so does every proxy between (RFC 9110 §8.6)."""
    asked = Asked().hear(b"HTTP/1.1 200 OK\r\nX: 05\r\n" + line + b"\r\nY: 1\r\n\r\nhello")
    assert (bytes(asked.ear.data), asked.ear.ended) == (b"hello", True)
    name = line.partition(b":")[0]
    assert asked.ear.reply is not None
    assert asked.ear.reply.raw == b"HTTP/1.1 200 OK\r\nX: 05\r\n" + name + b": 5\r\nY: 1"
    assert asked.ear.reply.sized


@pytest.mark.parametrize("line", [b"Content-Length: 0", b"Content-Length: 10"])
def test_a_plain_length_goes_on_as_it_is(line: bytes) -> None:
    """A zero by itself is no leading one."""
    asked = Asked(b"HEAD").hear(b"HTTP/1.1 200 OK\r\n" + line + b"\r\n\r\n")
    assert asked.ear.reply is not None
    assert asked.ear.reply.raw == b"HTTP/1.1 200 OK\r\n" + line


@pytest.mark.parametrize("coding", [b"chunked", b"\tChunked ", b"chunked  \r\nX: a\tb"])
def test_a_coding_may_have_white_space_around_it(coding: bytes) -> None:
    """And a tab may stand elsewhere in the head."""
    asked = Asked().hear(b"HTTP/1.1 200 OK\r\nTransfer-Encoding:" + coding + b"\r\n\r\n", chunk(b"hello"), LAST_CHUNK)
    assert bytes(asked.ear.data) == b"hello"
    assert asked.kept


def test_a_body_with_a_length_may_look_like_chunks() -> None:
    """It is passed on as it is."""
    asked = Asked().hear(b"HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n", LIKE_CHUNKS, LIKE_CHUNKS)
    assert bytes(asked.ear.data) == 2 * LIKE_CHUNKS
    assert asked.kept


@pytest.mark.parametrize("before", [b"", chunk(b"x")])
@pytest.mark.parametrize("apart", [False, True])
def test_the_rest_of_a_chunk_may_look_like_chunks(before: bytes, *, apart: bool) -> None:
    """It is the body's, whether the chunk began in the head's read or in one of its own."""
    begun, rest = before + b"b\r\n", LIKE_CHUNKS
    start = (CHUNKED_HEAD, begun) if apart else (CHUNKED_HEAD + begun,)
    asked = Asked().hear(*start, rest, LAST_CHUNK)
    assert bytes(asked.ear.data) == (b"x" if before else b"") + LIKE_CHUNKS[:-2]
    assert asked.kept


def test_a_fault_behind_whole_chunks_is_malformed() -> None:
    """What came before it is the app's."""
    asked = Asked().hear(CHUNKED_HEAD, chunk(b"hello"), b"nonsense")
    assert bytes(asked.ear.data) == b"hello"
    assert asked.ear.failure is Failure.MALFORMED


def test_a_read_is_handed_over_once() -> None:
    """All chunks of one read are one call, in the same turn as the head."""
    assert Asked().hear(CHUNKED).ear.told == ["head", "data"]


def test_status_reason_and_headers_are_as_they_came() -> None:
    """The reason phrase, the order, the case and the repetition of headers are kept."""
    reply = Asked().hear(CHUNKED).ear.reply
    assert reply is not None
    assert reply.status == 200
    assert reply.raw == CHUNKED.partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"),
        (b"HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n"),
        (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        (b"GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n"),
    ],
)
def test_answers_without_a_body_end_with_their_head(method: bytes, answer: bytes) -> None:
    """HEAD, 204, 304 and empty answers end at once, and the connection serves the next request."""
    asked = Asked(method).hear(answer)
    assert asked.ear.ended
    assert not asked.ear.data
    assert asked.kept
    again = Ear()
    assert asked.ask(b"GET", again).reused
    asked.hear(SIZED)
    assert bytes(again.data) == b"hello"


def test_interim_answers_are_passed_over() -> None:
    """The headers of a 1xx do not become those of the answer; more of them than the bound are malformed."""
    early = b"HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n"
    asked = Asked().hear(early * INTERIM + SIZED)
    assert asked.ear.reply is not None
    assert asked.ear.reply.raw == b"HTTP/1.1 200 OK\r\nContent-Length: 5"
    assert Asked().hear(early * (INTERIM + 1)).ear.failure is Failure.MALFORMED


def test_early_hints_are_told_before_the_answer() -> None:
    """A 103 is handed over, each one; other 1xx are of this hop."""
    told = (
        Asked()
        .hear(b"HTTP/1.1 100 Continue\r\n\r\n" + b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 2, SIZED)
        .ear.told
    )
    assert told == ["interim 103", "interim 103", "head", "data"]


def test_a_body_without_a_length_ends_with_its_connection() -> None:
    """A clean close is the end of an unframed body; a reset is a break."""
    asked = Asked().hear(b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo")
    assert not asked.ear.ended
    asked.wire.lose()
    assert asked.ear.ended
    assert bytes(asked.ear.data) == b"hello"
    assert not asked.kept
    broken = Asked().hear(b"HTTP/1.1 200 OK\r\n\r\nhel")
    broken.wire.lose(ConnectionResetError())
    assert broken.ear.failure is Failure.BROKEN


@pytest.mark.parametrize("answer", [SIZED[:-1], CHUNKED[:-2], CHUNKED[:-30]])
def test_an_answer_that_ends_too_early_is_broken(answer: bytes) -> None:
    """A framed body whose connection ends first is never taken for whole."""
    asked = Asked().hear(answer)
    asked.wire.lose()
    assert asked.ear.failure is Failure.BROKEN
    assert not asked.ear.ended


def test_what_came_before_a_fault_is_passed_on() -> None:
    """Good chunks and a bad one in the same read: the good ones are the app's, then the answer breaks."""
    asked = Asked().hear(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n")
    assert asked.ear.data == b"hello"
    assert asked.ear.failure is Failure.MALFORMED


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200", SIZED[:20], b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_connection_that_ends_before_the_head_gave_no_answer(answer: bytes) -> None:
    """Nothing, or half a head, is no answer."""
    asked = Asked().hear(*filter(None, [answer]))
    asked.wire.lose()
    assert asked.ear.failure is Failure.NO_ANSWER
    assert asked.ear.told == ["failure"]


@pytest.mark.parametrize(
    "answer",
    [
        b"\x16\x03\x01 not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
        b"HTTP/1.1 200 OK\r\nX: y\n\r\nhello\r\n\r\n",
    ],
)
def test_ambiguous_answers_are_malformed(answer: bytes) -> None:
    """Framing that could be read in two ways, and garbage, fail and cost the connection."""
    asked = Asked().hear(answer)
    assert asked.ear.failure is Failure.MALFORMED
    assert asked.wire.aborted
    assert not asked.keeper.free


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;ext=",
    ],
)
def test_headers_and_trailers_without_end_are_malformed(start: bytes) -> None:
    """An endless header or trailer is cut off within a bound."""
    asked = Asked().hear(start)
    sent = 0
    while not asked.wire.closing and sent < 4 * HEADER_BYTES:
        asked.hear(b"a" * 10_000)
        sent += 10_000
    assert asked.ear.failure is Failure.MALFORMED
    assert sent <= HEADER_BYTES + 20_000


def test_a_long_stream_of_small_chunks_is_no_endless_trailer() -> None:
    """The bound on what stands between chunks is not used up by a body."""
    asked = Asked().hear(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(2000):
        asked.hear(b"c8\r\n" + b"x" * 100, b"x" * 100 + b"\r\n", b"1;e\r", b"\nx\r\n")
    asked.hear(b"0\r\n\r\n")
    assert asked.ear.ended
    assert len(asked.ear.data) == 2000 * 201


@pytest.mark.parametrize(
    ("method", "answer"),
    [(b"POST", SIZED), (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), (b"GET", b"HTTP/1.1 204 N\r\n\r\n")],
)
@pytest.mark.parametrize("more", [b"garbage", SIZED, b"hello"])
def test_bytes_behind_the_end_cost_the_connection_not_the_answer(method: bytes, answer: bytes, more: bytes) -> None:
    """A whole answer stands; what follows it uninvited never reaches the next asker."""
    asked = Asked(method).hear(answer + more)
    assert asked.ear.ended
    assert bytes(asked.ear.data) == (b"hello" if method == b"POST" else b"")
    assert not asked.kept


def test_bytes_to_a_free_connection_cost_it() -> None:
    """An answer that nobody asked for ends the connection before it can be taken for another's."""
    asked = Asked().hear(SIZED)
    asked.hear(SIZED)
    assert asked.wire.aborted
    assert asked.connection.is_closing()


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n", b"HTTP/1.0 200 OK\r\n"], ids=["close", "1.0"]
)
def test_a_connection_that_is_to_end_is_not_kept(head: bytes) -> None:
    """`Connection: close` and HTTP/1.0 answers are whole, and their connections are closed."""
    asked = Asked().hear(head + b"Content-Length: 5\r\n\r\nhello")
    assert asked.ear.ended
    assert not asked.kept


def test_an_answer_before_the_request_was_whole_costs_the_connection() -> None:
    """An early answer is whole; the half-sent request makes the connection useless."""
    asked = Asked(whole=False).hear(SIZED)
    assert asked.ear.ended
    assert asked.wire.aborted
    assert not asked.keeper.free


def test_what_the_upstream_says_about_keep_alive_is_heeded() -> None:
    """`Keep-Alive: timeout` shortens how long a free connection is kept, never lengthens it."""
    for stated, kept_s in ((b"timeout=5, max=10", 4.0), (b"timeout=500", 60.0), (b"max=3", 60.0), (b"timeout=x", 60.0)):
        asked = Asked().hear(b"HTTP/1.1 200 OK\r\nKeep-Alive: " + stated + b"\r\nContent-Length: 0\r\n\r\n")
        assert asked.connection.keep_idle_s == kept_s


def test_a_tunnel_passes_bytes_until_the_connection_ends() -> None:
    """After 101 everything is data, whatever it looks like, and the end of the connection is its end."""
    asked = Asked(b"GET").hear(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst", SIZED
    )
    assert asked.ear.status == 101
    assert bytes(asked.ear.data) == b"first" + SIZED
    assert not asked.ear.ended
    asked.wire.lose()
    assert asked.ear.ended


@pytest.mark.parametrize("pieces", [[], [SIZED[:20]], [SIZED[:-2]], [CHUNKED[:-9]]])
def test_a_cancelled_request_is_told_nothing_more(pieces: list[bytes]) -> None:
    """Cancelling closes the connection in every phase, and neither its end nor late bytes are told."""
    asked = Asked().hear(*pieces)
    told = list(asked.ear.told)
    asked.sending.cancel()
    asked.sending.cancel()
    assert asked.wire.aborted
    asked.connection.data_received(SIZED)
    asked.wire.lose()
    assert asked.ear.told == told
    assert not asked.keeper.there


def test_a_listener_may_cancel_while_it_hears_the_head() -> None:
    """Cancelling from within is cancelling: no data follows."""
    asked = Asked()
    asked.ear.then = asked.sending.cancel
    asked.hear(SIZED)
    assert asked.ear.told == ["head"]
    assert not asked.keeper.free


def test_pressure_is_told_both_ways() -> None:
    """An upstream that reads slowly is told of, and reading pauses and goes on as asked until it closes."""
    asked = Asked(whole=False)
    asked.wire.reads = False
    asked.sending.write(b"x" * 100_000)
    asked.wire.catch_up()
    assert asked.ear.told[-2:] == ["blocked", "ready"]
    asked.sending.pause_reading()
    assert not asked.wire.reading
    asked.sending.resume_reading()
    assert asked.wire.reading
    asked.wire.closing = True
    asked.sending.pause_reading()
    assert asked.wire.reading


def test_a_free_connection_reads_again() -> None:
    """A connection whose answer was paused and then ended is free and reads: it sees when it is closed."""
    asked = Asked()
    asked.sending.pause_reading()
    asked.hear(SIZED)
    assert asked.wire.reading
    assert asked.kept
    asked.connection.pause_writing()  # nobody is there to be told
    asked.connection.resume_writing()
    assert asked.connection.eof_received() is False


def test_a_request_that_is_dropped_before_the_turn_ends_is_not_sent() -> None:
    """What was cancelled in the turn in which it was asked never reaches the upstream."""
    ends: list[Callable[[], None]] = []
    asked = Asked()
    asked.keeper.turn = WriteBatch(ends.append)
    connection = Connection(asked.keeper, (TARGET, b""))
    wire = Wire(connection)
    wire.connect()
    sending = Sending(asked.keeper, (TARGET, b""), b"POST", Ear())
    sending.write(b"request")
    connection.carry(sending, reused=False)
    sending.cancel()
    ends[0]()
    assert wire.out == b""
    assert wire.aborted


@pytest.mark.parametrize("cut", [1, 10_000])
def test_a_value_that_goes_on_in_the_next_line_is_one_line(cut: int) -> None:
    """An upstream's folded header reaches the app unfolded (RFC 9112 §5.2), also where it frames the body."""
    raw = b"HTTP/1.1 200 OK\r\nX-A: 1\r\n  2 \r\n\t3\r\nTransfer-Encoding:\r\n chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    asked = Asked().hear(*(raw[at : at + cut] for at in range(0, len(raw), cut)))
    assert (bytes(asked.ear.data), asked.ear.ended) == (b"hello", True)
    assert asked.ear.reply is not None
    assert asked.ear.reply.raw == b"HTTP/1.1 200 OK\r\nX-A: 1 2 3\r\nTransfer-Encoding: chunked"
    assert asked.kept


@pytest.mark.parametrize("cut", [1, 10_000])
def test_a_blank_behind_a_headers_name_is_taken_away(cut: int) -> None:
    """Neither app nor we read a header with one in two ways (RFC 9112 §5.1); values keep theirs."""
    raw = b"HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length \t: 5\r\nX-B: a : b\r\n\r\nhello"
    asked = Asked().hear(*(raw[at : at + cut] for at in range(0, len(raw), cut)))
    assert (bytes(asked.ear.data), asked.ear.ended) == (b"hello", True)
    assert asked.ear.reply is not None
    assert asked.ear.reply.raw == b"HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 5\r\nX-B: a : b"
    assert asked.ear.reply.sized
    assert asked.kept
