"""What follows from a request's preamble alone, worked out once for all requests that share it."""

from typing import Final

from gateway.proxy.callers import Caller, Callers, credential
from gateway.proxy.table_watch import Serving
from gateway.transport.message import LAST_CHUNK, LENGTH_MARK, Preamble, RequestHead, chunk
from gateway.transport.upstreams import Destination
from policies.request.body import endpoint_of

READ_TIMEOUT_S: Final = 600.0
"""The SDKs' own deadline, where the app states none (x-stainless-read-timeout)."""
_HIDDEN: Final = (
    b"authorization",
    b"api-key",
    b"x-api-key",
    b"cookie",
    b"proxy-authorization",
    b"sec-websocket-protocol",  # browsers put their key into it
)


class RequestFacts:
    """All that a life needs to know of its request before the body is here.

    It hangs on its preamble, and does not hold it: a ring of the two would stay until the collector comes round.
    """

    __slots__ = (
        "_candidate_heads", "_heads", "_told", "caller", "headers", "kept_bytes", "method", "no_train", "path", "pin",
        "read_s", "reads", "retry_count", "target",
    )  # fmt: skip

    def __init__(self, preamble: Preamble, serving: Serving, callers: Callers) -> None:
        self.caller: Caller = callers.find(credential(preamble))
        self.method = preamble.method.decode("latin-1")
        self.target = preamble.target.decode("latin-1")
        self.headers = preamble.values
        self.path = endpoint_of(self.target)
        self.reads = serving.reads(preamble.method, self.path)
        """The body has to be read before it is known who is asked."""
        self.kept_bytes = serving.kept_bytes(preamble.get(b"content-type"))
        self.pin = preamble.get(b"x-crossfade-variant")
        self.no_train = preamble.has(b"x-crossfade-no-train")
        self.retry_count = _count(preamble.get(b"x-stainless-retry-count"))
        self.read_s = read_timeout_s(preamble)
        self._heads: dict[Destination, tuple[bytes, bytes | None]] = {}
        self._candidate_heads: dict[Destination, tuple[bytes, bytes | None]] = {}
        self._told: tuple[bytes, bytes | None] | None = None

    def head_for(self, preamble: Preamble, destination: Destination, length: int | None) -> bytes:
        """The head of a request with this `preamble`, as `destination` gets it."""
        halves = self._heads.get(destination)
        if halves is None:
            halves = self._heads[destination] = _halves(destination.head(preamble))
        return _whole(halves, length)

    def request_for(self, request: RequestHead, destination: Destination, body: bytes, *, more: bool) -> bytes:
        """What the baseline's `destination` gets of `request` at first. `more`: the body is not whole."""
        asked = request.preamble
        if asked.upgrade:
            return destination.tunnel_head(asked) + body
        head = self.head_for(asked, destination, request.content_length)
        if asked.chunked and not more:
            body = chunk(body) + LAST_CHUNK if body else LAST_CHUNK
        return head + body if body else head

    def candidate_head_for(self, preamble: Preamble, destination: Destination, length: int) -> bytes:
        """The head of the request of our own making that `destination` gets as a candidate."""
        halves = self._candidate_heads.get(destination)
        if halves is None:
            halves = self._candidate_heads[destination] = _halves(
                destination.candidate_head(self.path.encode("latin-1"), preamble)
            )
        return _whole(halves, length)

    def told_head(self, preamble: Preamble, length: int | None) -> bytes:
        """The header lines for the journal: without credentials and cookies."""
        if self._told is None:
            self._told = _halves(preamble.changed(_HIDDEN, {}))
        return _whole(self._told, length)


def _halves(head: bytes) -> tuple[bytes, bytes | None]:
    """What is before the length and what is behind it; None: it stands as the app wrote it, or not at all."""
    before, mark, after = head.partition(LENGTH_MARK)
    return before, after if mark else None


def _whole(halves: tuple[bytes, bytes | None], length: int | None) -> bytes:
    before, after = halves
    return before if after is None else b"%b%d%b" % (before, length or 0, after)


def read_timeout_s(preamble: Preamble) -> float:
    """How long the app waits between two bytes, as far as it says so."""
    stated = preamble.get(b"x-stainless-read-timeout") or preamble.get(b"x-stainless-timeout")
    try:
        found = float(stated) if stated is not None else READ_TIMEOUT_S
    except ValueError:
        return READ_TIMEOUT_S
    return found if 0 < found < 86_400 else READ_TIMEOUT_S


def _count(value: bytes | None) -> int:
    return int(value) if value is not None and value.isdigit() and len(value) < 6 else 0
