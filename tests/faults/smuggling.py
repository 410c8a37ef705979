"""Fuzzing of the server protocol: mutated requests, each followed by a sentinel on the same connection.

What must hold, whatever is sent:
1. The gateway and the upstream agree how many requests there were, by any reading of the bytes between them: ours, one
   that prefers a length, one that prefers chunks and takes bare line feeds.
2. The sentinel is answered at most once; if the connection was not closed before it, exactly once.
3. The app gets no answer that it did not ask for, and the gateway neither hangs nor crashes.
Source of the ideas: the request smuggling corpora of http-garden and PortSwigger; the mutations are our own.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.transport.limits import Limits
from tests.fakes.raw_http import LIMIT, App, Message, read_request, read_response
from tests.fakes.raw_upstream import answer
from tests.faults.dice import Dice, dice
from tests.faults.replay import NO_ANSWER
from tests.rooms.gateway_process import Gateway, table_for
from tests.rooms.waiting import PATIENCE_S

LIMITS = Limits(header_s=1.0, body_s=1.0, keep_alive_s=2.0)
AT_ONCE = 16
INNER = b"GET /v1/inner HTTP/1.1\r\nHost: gateway\r\n\r\n"
H2C = b"GET /v1/models HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + INNER
"""An offer that is not taken up: what follows is another request, and never the first bytes of a tunnel."""
BODY = b'{"model":"gpt-4o","messages":[]}'

_LINE_END = re.compile(rb"\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CHUNK_LINE = re.compile(rb"([0-9a-fA-F]+)[^\n]*\n")
_TRAILER_END = re.compile(rb"(?:^|\n)\r?\n")

Mutation = Callable[[bytes, Dice], bytes]


def _seeds() -> list[bytes]:
    """Requests to begin with: plain, with a length, chunked, with another request inside."""
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    inside = b"%x\r\n%s\r\n0\r\n\r\n" % (len(INNER), INNER)
    return [
        b"GET /v1/models HTTP/1.1\r\nHost: gateway\r\n\r\n",
        head + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY,
        head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked,
        head + b"Content-Length: %d\r\n\r\n" % len(INNER) + INNER,
        head + b"Transfer-Encoding: chunked\r\n\r\n" + inside,
        head + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % len(chunked) + chunked,
        head + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + inside,
        head + b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n0\r\n\r\n" % (5 + len(INNER)) + INNER,
        head + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(INNER) + INNER,
        head + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY,
        H2C,
        b"GET /v1/models HTTP/1.0\r\nHost: gateway\r\nConnection: keep-alive\r\n\r\n",
        b"HEAD /v1/models HTTP/1.1\r\nHost: gateway\r\n\r\n" + INNER,
    ]


CODINGS = (
    b"chunked|Chunked|chunked | chunked|\tchunked|chunked\x0b|x, chunked|chunked, x|identity|gzip, chunked|"
    b'"chunked"|chunked;q=1|chunked,|,chunked|chunked, chunked|\x00chunked|xchunked'
).split(b"|")
LENGTHS = b"0|1|-1|+5|5 | 5|05|0x5|5,5|5, 6||1e1|99999999999999999999|5\x00|\x0b5".split(b"|")
NAMES = (
    b"Transfer-Encoding|transfer-encoding|Transfer-Encoding | Transfer-Encoding|Transfer_Encoding|Content-Length|"
    b"content-length|Content-Length |Content_Length|Content-Length\x00|Host|Connection|Trailer|TE|X-A"
).split(b"|")
SEPARATORS = (b": ", b":", b" : ", b":\t", b":\r\n ", b"=", b"")
ENDS = (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r\n", b"\x00\r\n", b"\x0b\r\n")
SIZES = b"0|00|0x0|-0|+0|0 | 0|1|ffffffffffffffff|100000000000000000|0;x|0;\n|2\n|g".split(b"|")
LINES = (
    b"POST /v1/x HTTP/1.1|POST /v1/x HTTP/1.0|POST /v1/x|POST  /v1/x HTTP/1.1|POST /v1/x HTTP/1.1 |"
    b"POST\t/v1/x\tHTTP/1.1|POST http://other/v1/x HTTP/1.1|POST //other/v1/x HTTP/1.1|POST * HTTP/1.1|"
    b"POST /v1/x#f HTTP/1.1|POST /v1/x?a=\x80 HTTP/1.1|post /v1/x HTTP/1.1|\r\nPOST /v1/x HTTP/1.1|"
    b"POST /v1/x HTTP/1.12|POST /v1/x HTTP/2.0|POST /v1/x HTTP/11|POST /v1/x\rX: HTTP/1.1"
).split(b"|")


def _insert_header(raw: bytes, roll: Dice) -> bytes:
    name = roll.choice(NAMES)
    value = roll.choice(LENGTHS if b"ength" in name else CODINGS)
    line = name + roll.choice(SEPARATORS) + value + roll.choice(ENDS)
    at = raw.find(b"\r\n") + 2
    for _ in range(roll.randrange(4)):
        at = raw.find(b"\r\n", at) + 2
    return raw[:at] + line + raw[at:]


def _change_end(raw: bytes, roll: Dice) -> bytes:
    places = [at for at in range(len(raw)) if raw.startswith(b"\r\n", at)]
    at = roll.choice(places)
    return raw[:at] + roll.choice(ENDS) + raw[at + 2 :]


def _change_byte(raw: bytes, roll: Dice) -> bytes:
    at = roll.randrange(len(raw))
    return raw[:at] + bytes((roll.randrange(256),)) + raw[at + 1 :]


def _change_length(raw: bytes, roll: Dice) -> bytes:
    """A head that may be known already, with another length."""
    at = raw.lower().find(b"content-length:")
    if at < 0:
        return _insert_header(raw, roll)
    name = roll.choice((b"Content-Length", b"content-length", b"CONTENT-LENGTH"))
    end = raw.find(b"\r\n", at)
    return raw[:at] + name + roll.choice((b": ", b":", b":  ", b":\t")) + roll.choice(LENGTHS) + raw[end:]


def _drop_byte(raw: bytes, roll: Dice) -> bytes:
    at = roll.randrange(len(raw))
    return raw[:at] + raw[at + 1 :]


def _double_line(raw: bytes, roll: Dice) -> bytes:
    lines = raw.split(b"\r\n")
    at = roll.randrange(len(lines))
    return b"\r\n".join([*lines[:at], lines[at], *lines[at:]])


def _drop_line(raw: bytes, roll: Dice) -> bytes:
    lines = raw.split(b"\r\n")
    del lines[roll.randrange(len(lines))]
    return b"\r\n".join(lines)


def _change_size(raw: bytes, roll: Dice) -> bytes:
    head, middle, body = raw.partition(b"\r\n\r\n")
    lines = body.split(b"\r\n")
    lines[roll.randrange(len(lines))] = roll.choice(SIZES)
    return head + middle + b"\r\n".join(lines)


def _change_line(raw: bytes, roll: Dice) -> bytes:
    _, middle, rest = raw.partition(b"\r\n")
    return roll.choice(LINES) + middle + rest


MUTATIONS: tuple[Mutation, ...] = (
    _insert_header,
    _insert_header,
    _change_length,
    _change_end,
    _change_byte,
    _drop_byte,
    _double_line,
    _drop_line,
    _change_size,
    _change_line,
)


def mutated(roll: Dice) -> bytes:
    """A seed with one to four mutations."""
    raw = roll.choice(_seeds())
    for _ in range(roll.choice((1, 1, 1, 2, 2, 3))):
        raw = roll.choice(MUTATIONS)(raw, roll)
    return raw


def sentinel(number: int) -> bytes:
    """A well-formed request that carries its number, and ends its connection."""
    return b"GET /v1/sentinel HTTP/1.1\r\nHost: gateway\r\nx-number: %d\r\nConnection: close\r\n\r\n" % number


@dataclass(slots=True)
class Tap:
    """An upstream that answers every request and keeps the raw bytes of every connection."""

    streams: list[tuple[bytearray, int]] = field(default_factory=list[tuple[bytearray, int]])
    """Bytes received, and how many requests we read in them."""
    sentinels: dict[int, int] = field(default_factory=dict[int, int])
    refused: list[str] = field(default_factory=list[str])
    """Bytes from the gateway that we could not read as a request."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the gateway's."""
        taken, requests = bytearray(), 0
        try:
            while True:
                message = await read_request(reader)
                taken += message.raw
                requests += 1
                writer.write(answer(self._note(message)))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            taken += getattr(error, "partial", b"")
        except (ValueError, IndexError) as error:
            self.refused.append(f"{error}: {bytes(taken[-600:])!r}")
        finally:
            self.streams.append((taken, requests))
            writer.close()

    def _note(self, message: Message) -> bytes:
        """What to answer: a sentinel gets its number back."""
        if message.target != b"/v1/sentinel":
            return b"{}"
        number = message.get(b"x-number")
        self.sentinels[int(number)] = self.sentinels.get(int(number), 0) + 1
        return b"sentinel " + number


def count_by_length(data: bytes) -> int:
    """How many requests a reader sees that prefers Content-Length, and takes bare line feeds."""
    return _count(data, prefer_chunks=False)


def count_by_chunks(data: bytes) -> int:
    """How many requests a reader sees that takes anything with `chunked` in it for chunked."""
    return _count(data, prefer_chunks=True)


def _count(data: bytes, *, prefer_chunks: bool) -> int:
    found = 0
    while end := _HEAD_END.search(data):
        lines = _LINE_END.split(data[: end.start()].lower())
        data = data[end.end() :]
        found += 1
        lengths = [line.partition(b":")[2] for line in lines if line.strip().startswith(b"content-length")]
        is_chunked = any(b"transfer-encoding" in line and b"chunked" in line for line in lines)
        if is_chunked and (prefer_chunks or not lengths):
            data = _after_chunks(data)
        elif lengths:
            data = data[int(lengths[0]) :]
    return found


def _after_chunks(data: bytes) -> bytes:
    while line := _CHUNK_LINE.match(data):
        size = int(line[1], 16)
        data = data[line.end() :]
        if size == 0:
            end = _TRAILER_END.search(data)
            return data[end.end() :] if end else b""
        data = data[size:].removeprefix(b"\r\n")
    return data


@dataclass(slots=True)
class FuzzFound:
    """What the fuzzer found."""

    cases: int = 0
    refused: int = 0
    """Connections the gateway closed before the sentinel."""
    answered: int = 0
    forwarded: int = 0
    """Requests the upstream read."""
    unlike: list[str] = field(default_factory=list[str])

    def held(self) -> bool:
        """Whether nothing was read in two ways."""
        return not self.unlike and self.answered > 0 and self.refused > 0

    def report(self) -> str:
        """The figures, and the first finds."""
        return "\n".join(
            (
                f"{self.cases} mutated requests: {self.refused} refused, sentinel answered after {self.answered}; "
                f"{self.forwarded} requests reached the upstream; {len(self.unlike)} read in two ways or left hanging",
                *self.unlike[:10],
            )
        )


async def _try(number: int, raw: bytes, port: int, found: FuzzFound) -> None:
    """One connection: the mutated bytes, the sentinel, and everything that comes back."""
    app = await App.connect(port)
    statuses: list[int] = []
    answered = 0
    try:
        app.writer.write(raw + sentinel(number))
        app.writer.write_eof() if number % 7 == 0 else None
        while True:
            message = await asyncio.wait_for(read_response(app.reader), PATIENCE_S)
            statuses.append(message.status)
            answered += message.body == b"sentinel %d" % number
    except TimeoutError:
        found.unlike.append(f"#{number}: hangs after {statuses}: {raw!r}")
    except NO_ANSWER:
        pass
    finally:
        app.reset()
    found.cases += 1
    found.answered += answered > 0
    found.refused += not answered
    if raw == H2C and number % 7 and statuses != [200, 200, 200]:
        found.unlike.append(f"#{number}: an offer of h2c, a request and the sentinel are answered {statuses}")
    if answered > 1:
        found.unlike.append(f"#{number}: the sentinel answered {answered} times: {raw!r}")


async def fuzz_http(count: int, directory: Path, *, seed: int = 1) -> FuzzFound:
    """Send `count` mutated requests and hold the two sides' readings against each other."""
    found, tap, roll = FuzzFound(), Tap(), dice(seed)
    server = await asyncio.start_server(tap.serve, "127.0.0.1", 0, limit=LIMIT)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with Gateway(directory, table_for(f"http://127.0.0.1:{port}/v1"), limits=LIMITS) as gateway:
            seeds = [raw for raw in _seeds() for _ in range(2)]  # twice: what is kept of a head is used, too
            cases = iter(enumerate([*seeds, *(mutated(roll) for _ in range(count))]))

            async def lane() -> None:
                for number, raw in cases:
                    await _try(number, raw, gateway.port, found)

            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(lane())
            live = gateway.worker.live()
            status = await asyncio.to_thread(gateway.worker.stop)
            if status != 0 or live["hook_errors"]:
                found.unlike.append(
                    f"exit {status}, hook errors {live['hook_errors']}:\n{gateway.worker.log()[-2000:]}"
                )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 0.1)
    _judge(found, tap)
    return found


def _judge(found: FuzzFound, tap: Tap) -> None:
    found.unlike += [f"the upstream cannot read: {line}" for line in tap.refused]
    found.unlike += [f"sentinel {number} arrived {times} times" for number, times in tap.sentinels.items() if times > 1]
    for taken, requests in tap.streams:
        found.forwarded += requests
        readings = (requests, count_by_length(bytes(taken)), count_by_chunks(bytes(taken)))
        if len(set(readings)) > 1:
            found.unlike.append(f"read as {readings} requests: {bytes(taken)[:600]!r}")
    if found.answered > len(tap.sentinels):
        found.unlike.append(f"{found.answered} sentinels answered, {len(tap.sentinels)} arrived")
