"""Asking the candidate: its answer is held until its first real token, and until then the baseline may still answer.

Rules:
1. Before the first token every failure is the baseline's to mend: refusal, timeout, garbage, hang-up, a 200 that turns
   out to be an error. The app sees none of it.
2. From the first token on the answer is the candidate's. If it breaks, the app is told so and its connection ends:
   no second model goes on where the first one stopped.
3. What the candidate is sent is a request of our own: no credential, cookie or header of the app's but its trace.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from gateway.proxy.ports import Asker, Verdicts
from gateway.rewrite.answer import StreamAdapter, adapt_whole
from gateway.rewrite.problem import classify
from gateway.rewrite.shapes import Adapted
from gateway.transport.failure import Failure
from gateway.transport.outgoing import Reply, Sending
from gateway.transport.upstreams import Destination
from policies.routing import Variant
from records.exchange import Attempt

WHOLE_BYTES: Final = 32 * 1024 * 1024
"""A whole answer that is longer is no answer."""
PROBLEM_BYTES: Final = 64 * 1024
_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\nopenai-processing-ms: %%d\r\nopenai-version: 2020-10-01\r\n"
_WHOLE_HEAD: Final = _HEAD % b"application/json" + b"content-length: %d"
_STREAM_HEAD: Final = _HEAD % b"text/event-stream; charset=utf-8" + b"cache-control: no-cache"


class CandidateRelay:
    """One candidate's answer to one request."""

    __slots__ = (
        "_adapted", "_adapter", "_app", "_committed", "_destination", "_done", "_first_s", "_head_s", "_reply",
        "_sending", "_started_s", "_timers", "_variant", "_verdicts", "_whole", "_whole_bytes",
    )  # fmt: skip

    def __init__(
        self, app: Asker, verdicts: Verdicts, destination: Destination, *, variant: Variant, adapted: Adapted
    ) -> None:
        self._app = app
        self._verdicts = verdicts
        self._destination = destination
        self._variant = variant
        self._adapted = adapted
        self._adapter = StreamAdapter(adapted.asked, variant) if adapted.asked.stream else None
        self._sending: Sending | None = None
        self._reply: Reply | None = None
        self._committed = False
        self._done = False
        self._whole: list[bytes] = []
        self._whole_bytes = 0
        self._started_s = verdicts.now()
        self._head_s: float | None = None
        self._first_s: float | None = None
        self._timers: list[asyncio.TimerHandle] = []

    def start(self) -> None:
        """Send the request, and start the clock on it."""
        body = self._adapted.body
        app, destination, variant = self._app, self._destination, self._variant
        head = app.candidate_head(destination, len(body))
        # A whole answer has no first token before its last: only its total time can be too long.
        if variant.first_byte_s is not None and self._adapted.asked.stream:
            self._expire_in(variant.first_byte_s, self._first_byte_late)
        if variant.total_s is not None:
            self._expire_in(variant.total_s, self._total_late)
        self._sending = self._verdicts.client.send(destination.target, b"", b"POST", head + body, self, last=True)
        app.use(self._sending)

    def _expire_in(self, limit_s: float, late: Callable[[], None]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(limit_s, late))

    def cancel(self) -> None:
        """The app is gone, or its connection broke."""
        if self._end():
            self._verdicts.candidate_abandoned()

    # The upstream -------------------------------------------------------------------------------------------------

    def on_interim(self, reply: Reply) -> None:
        """Of no interest."""

    def on_send_blocked(self) -> None:
        """The request is small and whole: there is nobody to slow down."""

    def on_send_ready(self) -> None:
        """See `on_send_blocked`."""

    def on_head(self, reply: Reply) -> None:
        """The head says little: an engine says 200 before it has done anything."""
        self._reply = reply
        self._head_s = self._verdicts.now()

    def on_data(self, data: bytes, *, ended: bool) -> None:
        """Bytes of the answer."""
        reply = self._reply
        if self._done or reply is None:
            return
        if reply.status != 200:
            self._gather(data, limit=PROBLEM_BYTES)
            if ended or self._whole_bytes > PROBLEM_BYTES:
                found = classify(reply.status, b"".join(self._whole))
                self._fail(found.reason, capability=found.kind == "capability")
        elif self._adapter is not None:
            self._stream(self._adapter, data, ended=ended)
        elif not self._gather(data, limit=WHOLE_BYTES):
            self._fail("too_large")
        elif ended:
            self._answer_whole()

    def on_failure(self, failure: Failure) -> None:
        """The upstream will not answer, or not to the end."""
        if not self._done:
            self._fail(str(failure))

    # The answer ---------------------------------------------------------------------------------------------------

    def _gather(self, data: bytes, *, limit: int) -> bool:
        self._whole.append(data)
        self._whole_bytes += len(data)
        return self._whole_bytes <= limit

    def _answer_whole(self) -> None:
        out = adapt_whole(b"".join(self._whole), self._adapted.asked, self._variant)
        if not isinstance(out, bytes):
            self._fail(out.reason, capability=out.kind == "capability")
            return
        self._commit(_WHOLE_HEAD, len(out))
        self._succeed(out)

    def _stream(self, adapter: StreamAdapter, data: bytes, *, ended: bool) -> None:
        out = adapter.feed(data) if data else b""
        if ended and adapter.failure is None and not adapter.done:
            out += adapter.end()
        if adapter.failure is not None:
            self._fail(adapter.failure.reason, capability=adapter.failure.kind == "capability", out=out)
            return
        if out and not self._committed:
            self._commit(_STREAM_HEAD)
        if adapter.done or ended:
            self._succeed(out)
        elif out:
            self._app.send(out, ended=False)

    def _commit(self, head: bytes, *told: int) -> None:
        """The first token is here: from now on the answer is the candidate's. `told`: what `head` still lacks."""
        self._committed = True
        self._first_s = self._verdicts.now()
        taken_ms = int((self._first_s - self._started_s) * 1000)
        self._app.start_answer(Reply(200, head % (taken_ms, *told)))

    def _succeed(self, out: bytes) -> None:
        sending = self._sending
        if self._end():
            if sending is not None:
                sending.leave()
            self._verdicts.candidate_succeeded()
            usage = self._adapter.usage if self._adapter is not None else None
            told = msgspec.json.encode(usage) if usage is not None else b""
            self._app.candidate_answered(self.attempt(None), told)
            self._app.send(out, ended=True)

    def _fail(self, reason: str, *, capability: bool = False, out: bytes = b"") -> None:
        sending = self._sending
        if not self._end():
            return
        if sending is not None:
            sending.cancel()
        if capability:
            self._verdicts.candidate_abandoned()  # it said that it cannot, which is not that it is ill
        else:
            self._verdicts.candidate_failed()
        attempt = self.attempt(reason)
        if not self._committed:
            self._app.fall_back(attempt, reason)
            return
        self._app.candidate_answered(attempt, b"")
        self._app.send(out + self._adapter.broken() if self._adapter is not None else out, ended=False)
        self._app.break_off("upstream_broken")

    def _first_byte_late(self) -> None:
        if not self._committed and not self._done:
            self._fail("first_byte_timeout")

    def _total_late(self) -> None:
        if not self._done:
            self._fail("total_timeout")

    def _end(self) -> bool:
        """Stop the clock; False if it was stopped before."""
        if self._done:
            return False
        self._done = True
        for timer in self._timers:
            timer.cancel()
        return True

    def attempt(self, error: str | None) -> Attempt:
        """What it came to so far."""
        arrived_s = self._app.request.arrived_s
        head_s, first_s = self._head_s, self._first_s
        return Attempt(
            variant="candidate",
            upstream=self._destination.name,
            status=self._reply.status if self._reply is not None else None,
            error=error,
            started_s=self._started_s - arrived_s,
            head_s=head_s - arrived_s if head_s is not None else None,
            first_byte_s=first_s - arrived_s if first_s is not None else None,
            ended_s=self._verdicts.now() - arrived_s,
            reused=self._sending is not None and self._sending.reused,
        )
