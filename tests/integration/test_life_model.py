"""An app and an upstream that do anything in any order, over the worker's real state machines with scripted bytes.

What must hold after each step, whatever came before:
1. The app gets the upstream's bytes, from the first on and in order; one that did not end is never shown whole.
2. Back-pressure goes through: who does not read is not read for, who does not write is not written for.
3. Whoever hangs up is noticed at once, and nothing is asked for nobody any more.
4. In the end nothing is under way, there is one row, and no mistake of ours was met.
"""

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.proxy.counters import INDEX
from gateway.transport import client as transport_client
from gateway.transport.failure import Failure
from gateway.transport.outgoing import Listener, Reply, Sending, Target
from tests.rooms.house import KEY, House, a_house, send, table
from tests.rooms.wires import Wire

pytestmark = pytest.mark.skipif(
    str(transport_client.__file__).endswith(".so"),
    reason="a compiled worker takes no client but the compiled one: make uncompile",
)

PIECE, LARGE = b"p" * 1000, b"l" * 100_000
BODY_PIECES = 6
APP = ("app sends", "app sends the rest", "app stops reading", "app reads", "app hangs up")
UPSTREAM = ("blocks", "is ready", "head", "hint", "small", "large", "ends", "fails")
TIME = ("a moment", "half a minute", "two minutes", "a quarter of an hour")
LOOK_S = 5.0
SECONDS = dict(zip(TIME, (1.0, 30.0, 125.0, 900.0), strict=True))


@dataclass
class Carried:
    """The connection to the upstream, in memory."""

    wrote: bytearray = field(default_factory=bytearray)
    reading: bool = True
    dropped: bool = False
    has_spoken: bool = False

    def write(self, data: bytes) -> None:
        assert not self.dropped
        self.wrote += data

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def drop(self) -> None:
        self.dropped = True


@dataclass
class Scripted:
    """An upstream client whose every word a test says."""

    sendings: list[tuple[Sending, Carried]] = field(default_factory=list[tuple[Sending, Carried]])
    connections: int = 0
    starved: int = 0
    full: dict[Target, int] = field(default_factory=dict[Target, int])

    def send(self, target: Target, _: bytes, method: bytes, head: bytes, listener: Listener, *, last: bool) -> Sending:
        sending, carried = Sending(self, (target, b""), method, listener, ended=last), Carried()
        sending.attach(carried, reused=False)
        sending.write(head)
        self.sendings.append((sending, carried))
        return sending

    def leave(self, sending: Sending) -> None:
        sending.cancel()

    def unheard(self, sending: Sending) -> None:
        """Nothing is pooled."""

    def expire(self, now: float) -> None:
        """Nothing is pooled."""

    def close(self) -> None:
        """Nothing is pooled."""


@dataclass
class Play:
    """One exchange, and what was done in it."""

    house: House
    wire: Wire
    client: Scripted
    streams: bool
    left: int = BODY_PIECES
    is_gone: bool = False
    """Its connection is over, whoever ended it."""
    has_head: bool = False
    is_over: bool = False
    """The upstream has ended, or failed."""
    said: bytearray = field(default_factory=bytearray)

    @property
    def listener(self) -> Listener | None:
        """Who hears the upstream; None: nobody was asked, or nobody wants to know any more."""
        if not self.client.sendings or self.is_over:
            return None
        sending, _ = self.client.sendings[-1]
        return None if sending.cancelled else sending.listener

    def act(self, name: str) -> None:
        """One step."""
        if name in TIME:
            self._wait(SECONDS[name])
        elif name in APP:
            self._app(name)
        elif (listener := self.listener) is not None:
            self._upstream(name, listener)
        self._close()

    def _wait(self, seconds: float) -> None:
        """Let time pass; the worker looks every few seconds."""
        house, left = self.house, seconds
        while left > 0:
            house.now, house.wall, left = house.now + LOOK_S, house.wall + LOOK_S, left - LOOK_S
            house.worker.tick()
            self._close()

    def _close(self) -> None:
        """What a transport does that was closed, once its bytes are out."""
        if self.wire.closing and not self.is_gone and (self.wire.aborted or not self.wire.get_write_buffer_size()):
            self.is_gone = True
            self.wire.lose()

    def _app(self, name: str) -> None:
        if self.is_gone or self.wire.closing:
            return
        if name == "app hangs up":
            self.is_gone = True
            self.wire.lose()
        elif name == "app stops reading":
            self.wire.reads = False
        elif name == "app reads":
            self.wire.catch_up()
        elif self.left and self.wire.reading:
            count = self.left if name == "app sends the rest" else 1
            self.left -= count
            for _ in range(count):
                send(self.wire, PIECE)

    def _upstream(self, name: str, listener: Listener) -> None:
        if name == "blocks":
            listener.on_send_blocked()
        elif name == "is ready":
            listener.on_send_ready()
        elif name == "fails":
            self.is_over = True
            listener.on_failure(Failure.BROKEN)
        elif not self.has_head:
            if name == "hint":
                listener.on_interim(Reply(103, b"HTTP/1.1 103 Early Hints\r\nlink: </x>"))
            elif name == "head":
                self.has_head = True
                kind = b"text/event-stream" if self.streams else b"text/plain"
                listener.on_head(Reply(200, b"HTTP/1.1 200 OK\r\ncontent-type: %b" % kind))
                listener.on_data(b"", ended=False)
        elif name in ("small", "large", "ends") and self.client.sendings[-1][1].reading:
            data = {"small": PIECE, "large": LARGE, "ends": b""}[name]
            self.said += data
            self.is_over = name == "ends"
            listener.on_data(data, ended=self.is_over)

    def check(self) -> None:
        """What holds after every step."""
        live, wire = self.house.worker.live, self.wire
        assert live[INDEX["hook_errors"]] == 0
        assert len(self.client.sendings) <= 1
        if self.is_gone:
            assert live[INDEX["in_flight"]] == 0
            assert self.is_over or all(sending.cancelled for sending, _ in self.client.sendings)
        shown, is_whole = shown_of(bytes(wire.out))
        assert bytes(self.said).startswith(shown)
        assert not is_whole or self.is_over
        if self.listener is not None and wire.get_write_buffer_size() > 64 * 1024:
            assert not self.client.sendings[-1][1].reading

    def end(self) -> None:
        """The app comes back to its senses, and time passes: then all is over."""
        if not self.is_gone:
            self.wire.catch_up()
        self._wait(700.0)
        self.check()
        live = self.house.worker.live
        assert live[INDEX["in_flight"]] == 0
        if self.is_over and not self.is_gone:
            assert shown_of(bytes(self.wire.out))[0] in (b"", bytes(self.said))


def shown_of(out: bytes) -> tuple[bytes, bool]:
    """The body of the 200 that an app has seen so far, and whether it is whole."""
    body, at = b"", out.find(b"HTTP/1.1 200")
    if at < 0:
        return b"", False
    rest = out[at:].partition(b"\r\n\r\n")[2]
    while True:
        size, found, rest = rest.partition(b"\r\n")
        if not found:
            return body, False
        length = int(size, 16)
        if not length:
            return body, True
        body += rest[:length]
        rest = rest[length + 2 :]


def upload(framing: bytes, *, more: bytes = b"") -> bytes:
    """The head of one."""
    return b"POST /v1/files HTTP/1.1\r\nHost: g\r\n" + KEY + more + framing + b"\r\n\r\n"


async def _played(steps: list[str], *, streams: bool, chunked: bool) -> int:
    """How many rows came of it."""
    with tempfile.TemporaryDirectory() as folder:
        async with a_house(Path(folder), table("http://127.0.0.1:9/v1")) as house:
            client = Scripted()
            house.worker.client = cast(Any, client)
            play = Play(house, house.app(), client, streams)
            framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % (BODY_PIECES * len(PIECE))
            # An upload whose path nobody reads goes on as it comes; a short one is gathered, and asked for when whole.
            send(play.wire, upload(framing))
            if chunked:
                send(play.wire, b"%x\r\n" % (BODY_PIECES * len(PIECE)))
            for step in steps:
                play.act(step)
                play.check()
            play.end()
        return len(house.rows())


BEGUN = ("app sends the rest", "head", "small")
SLOW = (*BEGUN, "app stops reading", "large")
BEGINNINGS = ((), ("app sends",), ("app sends the rest",), BEGUN, SLOW, ("app sends", "head"))
"""Where chance takes over: it would seldom come so far by itself."""
STEPS = st.tuples(
    st.sampled_from(BEGINNINGS), st.lists(st.sampled_from(APP + UPSTREAM + TIME), min_size=1, max_size=16)
).map(lambda both: [*both[0], *both[1]])


BOTH_SLOW = [*BEGUN, "app stops reading", "blocks", "large"]
"""The upstream takes no more, and the app reads no more: once it does again, it is the upstream that is waited for."""


@settings(max_examples=100, deadline=None)
@example(steps=BOTH_SLOW, streams=False, chunked=True)
@given(STEPS, st.booleans(), st.booleans())
def test_any_order_of_events_ends_well(steps: list[str], streams: bool, chunked: bool) -> None:  # noqa: FBT001 -- drawn
    """App and upstream send, pause, answer early, hang up and fall silent in any order: all four rules hold."""
    assert asyncio.run(_played(steps, streams=streams, chunked=chunked)) == 1


async def test_an_upstream_is_not_charged_for_an_app_that_does_not_read(tmp_path: Path) -> None:
    """While the app takes nothing, the upstream's silence does not count, whichever of the two stopped first."""
    async with a_house(tmp_path, table("http://127.0.0.1:9/v1")) as house:
        client = Scripted()
        house.worker.client = cast(Any, client)
        play = Play(house, house.app(), client, streams=False)
        send(play.wire, upload(b"Transfer-Encoding: chunked", more=b"X-Stainless-Read-Timeout: 10\r\n"))
        send(play.wire, b"%x\r\n" % (BODY_PIECES * len(PIECE)))
        for step in (*SLOW, "blocks", "half a minute"):
            play.act(step)
        assert house.worker.live[INDEX["in_flight"]] == 1
        play.act("app reads")
        play.act("half a minute")
        assert house.worker.live[INDEX["in_flight"]] == 0
