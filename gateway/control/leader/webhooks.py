"""Webhooks: whom a policy says to tell of its decisions. In a thread of its own; the loop never waits for it.

A decision goes to a queue with a bound; what does not fit is counted. Each address is tried a few times within a
deadline, then given up and counted. What waits when the controller ends is tried once, within `CLOSE_S` in all.
Addresses may hold secrets: none is ever logged, only its host.
"""

import contextlib
import http.client
import queue
import socket
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

import msgspec

from gateway import clock
from gateway.control.state.port import Decided
from gateway.log import Log
from policies.schema import Webhook
from policies.terms import Move, Outcome

QUEUE = 256
DEADLINE_S = 5.0
"""For one try."""
CLOSE_S = 5.0
"""Longest that whoever closes waits for what is queued; the supervisor waits twice as long for the controller."""
PAUSES_S = (0.0, 1.0, 5.0)
"""Before each try."""

_WORDS = {
    Move.ADVANCE: "advance",
    Move.JOIN: "join",
    Move.SUSPEND: "suspend",
    Move.RETURN: "return",
    Move.ROLL_BACK: "rollback",
    Move.REJECT: "reject",
    Move.AWAIT: "await",
}


class Message(msgspec.Struct, frozen=True):
    """What is posted."""

    id: str
    at: float
    route: str
    move: str
    outcome: str
    text: str
    """As `crossfade explain` says it; chat systems show it."""


@dataclass(slots=True)
class Notifier:
    """Tells in the background."""

    log: Log
    pauses_s: Sequence[float] = PAUSES_S
    deadline_s: float = DEADLINE_S
    close_s: float = CLOSE_S
    sent: int = 0
    failed: int = 0
    dropped: int = 0
    _queue: queue.Queue[tuple[str, bytes] | None] = field(
        default_factory=lambda: queue.Queue[tuple[str, bytes] | None](QUEUE), init=False
    )
    _stop: threading.Event = field(default_factory=threading.Event, init=False)
    _until_s: float = field(default=float("inf"), init=False)
    """When no try may go on any more; monotonic."""
    _thread: threading.Thread | None = field(default=None, init=False)

    def offer(self, decided: Decided, webhooks: Sequence[Webhook]) -> None:
        """Tell whom the policy names of it; at once back."""
        word = word_of(decided)
        for webhook in webhooks:
            if word not in webhook.on:
                continue
            message = Message(decided.id, decided.at, decided.route, decided.move, decided.outcome, decided.text)
            self.post(webhook.webhook, msgspec.json.encode(message))

    def post(self, url: str, body: bytes) -> None:
        """Post a JSON body; at once back."""
        try:
            self._queue.put_nowait((url, body))
        except queue.Full:
            self.dropped += 1
            self.log.notice("webhook.dropped", host=_host(url), hint="the receiver is too slow")
        self._begin()

    def close(self) -> None:
        """Try once what is queued, and give up the rest: within `close_s`."""
        self._until_s = clock.monotonic() + self.close_s
        self._stop.set()
        if self._thread is not None:
            with contextlib.suppress(queue.Full):  # it is awake, then, and ends with the last of them
                self._queue.put_nowait(None)
            self._thread.join(self.close_s + 1.0)

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._tell_all, name="webhooks", daemon=True)
            self._thread.start()

    def _tell_all(self) -> None:
        while (item := self._queue.get()) is not None:
            if clock.monotonic() < self._until_s:
                self._tell(*item)
            else:
                self.dropped += 1
                self.log.notice("webhook.dropped", host=_host(item[0]), hint="the controller ended; see `explain`")
            if self._stop.is_set() and self._queue.empty():
                return

    def _tell(self, url: str, body: bytes) -> None:
        reason = ""
        for number, pause_s in enumerate(self.pauses_s):
            if self._stop.wait(pause_s) and number:
                break  # once is all there is time for
            try:
                status = _post(url, body, min(self.deadline_s, max(0.0, self._until_s - clock.monotonic())))
            except (OSError, http.client.HTTPException, ValueError) as error:
                reason = type(error).__name__  # its text may hold the address
                continue
            if 200 <= status < 300:
                self.sent += 1
                return
            reason = f"status {status}"
            if status < 500 and status != 429:
                break  # it will not change its mind
        self.failed += 1
        self.log.notice("webhook.failed", host=_host(url), reason=reason, hint="the decision stands; see `explain`")


def word_of(decided: Decided) -> str:
    """The decision in the policy file's words; empty: nothing one can ask to be told of."""
    if decided.move == Move.PAUSE:
        return "inconclusive" if decided.outcome == Outcome.INCONCLUSIVE else ""
    return next((word for move, word in _WORDS.items() if move == decided.move), "")


def _post(url: str, body: bytes, deadline_s: float) -> int:
    """Send one POST; redirects are not followed. Returns the status.

    Raises:
        OSError, http.client.HTTPException, ValueError: nobody answered, or not in time.
    """
    parts = urlsplit(url)
    until_s = clock.monotonic() + deadline_s
    connection = _connection(parts, deadline_s)
    try:
        connection.connect()
        with _cut_at(until_s, connection.sock):
            status = _ask(connection, parts, body)
    except (OSError, http.client.HTTPException) as error:
        if clock.monotonic() < until_s:
            raise
        raise TimeoutError from error
    finally:
        connection.close()
    if clock.monotonic() >= until_s:
        raise TimeoutError  # what was cut may look whole
    return status


def _ask(connection: http.client.HTTPConnection, parts: SplitResult, body: bytes) -> int:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("POST", target, body, {"content-type": "application/json", "user-agent": "crossfade"})
    return connection.getresponse().status


@contextlib.contextmanager
def _cut_at(until_s: float, sock: socket.socket) -> Generator[None]:
    """End what is read of a socket at a time, in whatever thread that is.

    Its own deadline is for each of its reads: who sends a byte now and then would be waited for without end.
    """

    def cut() -> None:
        with contextlib.suppress(OSError):  # it is closed already
            sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, until_s - clock.monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _connection(parts: SplitResult, deadline_s: float) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=deadline_s)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # `http://[:::::]`: nothing of it may be said
        return ""
