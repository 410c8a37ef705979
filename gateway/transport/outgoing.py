"""What is asked of an upstream, and who is told what comes of it: the words both sides of the client share."""

import ssl
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.transport.failure import Failure
from gateway.transport.message import Head, Headers, head_bytes

LEFT_BYTES: Final = 4096
"""What may still come of an answer that its asker has left, before its connection is closed."""


_LENGTH: Final = b"\r\ncontent-length:"


class Reply(Head):
    """The head of an upstream's answer."""

    __slots__ = ("hops", "sized", "status")

    def __init__(self, status: int, raw: bytes) -> None:
        low = raw.lower()
        at = low.find(_LENGTH)
        if at >= 0 and _is_odd(low, at + len(_LENGTH)):
            raw = _with_plain_length(raw, at + len(_LENGTH))
            low = raw.lower()
        self.raw = raw
        self._low = low
        self._values = None
        self.status = status
        self.sized = at >= 0
        """It says how long its body is."""
        self.hops = self.is_of_one_hop
        """Some header of it is of one hop."""


def _is_odd(low: bytes, at: int) -> bool:
    """Whether a length is written with blanks or leading zeros: readers behind us may read it in two ways."""
    end = low.find(b"\r\n", at)
    value = low[at:] if end < 0 else low[at:end]
    return len(value) < 2 or value[0] != 32 or not value[1:].isdigit() or (value[1] == 48 and len(value) > 2)


def _with_plain_length(raw: bytes, at: int) -> bytes:
    """A head with its length in the usual form; one that is no number is the parser's to refuse."""
    value, end, rest = raw[at:].partition(b"\r\n")
    digits = value.strip(b" \t")
    return b"%b %d%b%b" % (raw[:at], int(digits), end, rest) if digits.isdigit() else raw


def own_reply(status: int, reason: bytes, headers: Headers) -> Reply:
    """The head of an answer of our own making."""
    return Reply(status, head_bytes(b"HTTP/1.1 %d %b" % (status, reason), headers))


class Listener(Protocol):
    """Whoever asked. After `on_failure` or the `ended` data nothing more is told."""

    def on_head(self, reply: Reply) -> None:
        """The answer's head; `on_data` follows in the same turn."""
        ...

    def on_data(self, data: bytes, *, ended: bool) -> None:
        """All body bytes of one read (none, if it held only the head); `ended`: the answer is whole."""
        ...

    def on_failure(self, failure: Failure) -> None:
        """There will be no (more) answer."""
        ...

    def on_interim(self, reply: Reply) -> None:
        """Early hints (103), before the answer's own head."""
        ...

    def on_send_blocked(self) -> None:
        """The upstream reads slower than the request body comes."""
        ...

    def on_send_ready(self) -> None:
        """The upstream has caught up."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """Where to connect, and on what terms.

    Pools are found by its identity, which is cheap, and lasts for as long as tables say the same of it.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    uds: str | None = None
    proxy: tuple[str, int] | None = None
    """A forward proxy, asked to CONNECT."""
    connect_s: float = 5.0
    idle_s: float = 50.0
    age_s: float = 900.0
    max_connections: int = 1024
    out: bool = False
    """It cannot be asked: its key, its certificates or its address could not be read."""

    @property
    def terms(self) -> tuple[object, ...]:
        """All that is said here: two targets of the same terms can share their connections."""
        return (
            self.host, self.port, self.tls, self.uds, self.proxy, self.connect_s, self.idle_s, self.age_s,
            self.max_connections, self.out,
        )  # fmt: skip


PoolKey = tuple[Target, bytes]


class Carrier(Protocol):
    """The connection that carries a request."""

    def write(self, data: bytes) -> None:
        """Send bytes of the request."""
        ...

    def pause_reading(self) -> None:
        """Read no more for now."""
        ...

    def resume_reading(self) -> None:
        """Read on."""
        ...

    def drop(self) -> None:
        """Close at once; nobody is told."""
        ...

    @property
    def has_spoken(self) -> bool:
        """Whether some of the answer has come."""
        ...


class Farewell(Protocol):
    """Whoever sent a request, and is told when nobody wants its answer any more."""

    def leave(self, sending: "Sending") -> None:
        """Cancel it if it has not ended soon."""
        ...

    def unheard(self, sending: "Sending") -> None:
        """It is cancelled before anything has come."""
        ...


class Sending:
    """One request on its way to an upstream; whoever holds it may cancel it at any time."""

    __slots__ = (
        "_connection", "_parts", "began_s", "cancelled", "client", "ended", "key", "listener", "method", "reused",
        "waiting_bytes",
    )  # fmt: skip

    def __init__(
        self, client: Farewell, key: PoolKey, method: bytes, listener: Listener, *, ended: bool = False
    ) -> None:
        self.client = client
        self.began_s = 0.0
        self.key = key
        self.method = method
        self.listener: Listener = listener
        self.ended = ended
        """The whole request was handed over."""
        self.reused = False
        self.cancelled = False
        self._connection: Carrier | None = None
        self._parts: list[bytes] = []
        self.waiting_bytes = 0
        """Bytes that wait for the connection to be made."""

    def write(self, data: bytes) -> None:
        """Send more of the request, framed as the caller framed it."""
        if self._connection is not None:
            self._connection.write(data)
        elif not self.cancelled:
            self._parts.append(data)
            self.waiting_bytes += len(data)

    def end(self, last: bytes = b"") -> None:
        """Send the last of the request."""
        self.ended = True
        if last:
            self.write(last)

    def pause_reading(self) -> None:
        """Read no more of the answer for now."""
        if self._connection is not None:
            self._connection.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._connection is not None:
            self._connection.resume_reading()

    def cancel(self) -> None:
        """Forget about it: the connection is closed, the listener hears nothing more."""
        if self.cancelled:
            return
        self.cancelled = True
        self.listener = NOBODY
        self._parts, self.waiting_bytes = [], 0
        if self._connection is not None:
            if not self._connection.has_spoken:
                self.client.unheard(self)
            self._connection.drop()
        self._connection = None

    def leave(self) -> None:
        """Have no more interest in the rest of the answer: if little is left, its connection is kept for others."""
        if self._connection is not None:
            self.listener = Leaver(self)
            self.client.leave(self)

    def attach(self, connection: Carrier, *, reused: bool) -> None:
        """Its connection is there: send what has gathered."""
        self._connection = connection
        self.reused = reused
        if self._parts:
            if not self.ended:
                self.listener.on_send_ready()  # it may have waited for the connection; what follows may block it anew
            parts, self._parts, self.waiting_bytes = self._parts, [], 0
            connection.write(b"".join(parts))

    def begin_on(self, connection: Carrier, first: bytes) -> None:
        """Its connection is there from the start: send `first` at once."""
        self._connection = connection
        self.reused = True
        connection.write(first)

    def detach(self) -> Listener:
        """Its connection is another's now, or gone; whoever asked, to be told of the end.

        The two know each other no longer: what a request held is freed when it is over, not when a collector finds it.
        """
        self._connection = None
        self.cancelled = True
        listener, self.listener = self.listener, NOBODY
        return listener


class Sender(Protocol):
    """Whoever sends requests."""

    def send(
        self, target: Target, credential: bytes, method: bytes, head: bytes, listener: Listener, *, last: bool
    ) -> Sending:
        """Start a request, see `client.Client.send`."""
        ...


class Nobody:
    """Whoever asked has gone."""

    __slots__ = ()

    def on_head(self, reply: Reply) -> None:
        """Of no interest."""

    def on_data(self, data: bytes, *, ended: bool) -> None:
        """Of no interest."""

    def on_failure(self, failure: Failure) -> None:
        """Of no interest."""

    def on_interim(self, reply: Reply) -> None:
        """Of no interest."""

    def on_send_blocked(self) -> None:
        """Nothing is being sent."""

    def on_send_ready(self) -> None:
        """Nothing is being sent."""


NOBODY: Final = Nobody()


class Leaver(Nobody):
    """Reads the rest of an answer that nobody waits for: it is not to be much."""

    __slots__ = ("_left", "_sending")

    def __init__(self, sending: Sending) -> None:
        self._sending = sending
        self._left = LEFT_BYTES

    def on_data(self, data: bytes, *, ended: bool) -> None:
        """Of no interest, and not to be much."""
        self._left -= len(data)
        if not ended and self._left < 0:
            self._sending.cancel()
