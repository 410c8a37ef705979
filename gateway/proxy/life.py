"""The life of a request, from its first byte to its last. Read this first.

    head of the request ── on_begin ──► body gathered, or streamed on ── on_body, on_body_end
        ──► plan (admit.py) ──► the candidate is asked (candidate.py) ──┐ fails before its first token
                     │                                                  ▼
                     └────────────────────────────────────► the baseline is asked
        ──► its head ── on_head ──► its bytes, as they come ── on_data ──► the journal, then the last bytes

A `Life` is told what the app does by its connection, and what the upstream does as a `Listener`. Nothing in it waits:
each event is handled when it comes, so a hang-up cancels the upstream in the same turn of the loop.

Rules:
1. The baseline's bytes are the app's bytes: nothing here reads or changes a body on its way.
2. A whole answer is in the journal before its last bytes are written to the app.
3. An answer comes from one model; if it breaks, the app's connection breaks too, so that no SDK takes it for whole.

Longer than a file should be: the course of one exchange is read in one place.
"""

from typing import Final

from gateway import errors
from gateway.proxy import admit
from gateway.proxy.answer_head import SIZED, answer_head, frame
from gateway.proxy.body_copy import BodyCopy
from gateway.proxy.journal_row import ExchangeState, Timings, meta
from gateway.proxy.ports import Relay, WorkerPort
from gateway.proxy.request_facts import RequestFacts
from gateway.rewrite.readable_copy import read_copy
from gateway.transport.failure import Failure
from gateway.transport.message import LAST_CHUNK, RequestHead, chunk
from gateway.transport.outgoing import Reply, Sending, own_reply
from gateway.transport.server import AppConnection
from gateway.transport.upstreams import Destination
from policies import matching
from records.exchange import Attempt, Meta, Outcome

BUFFERED_BYTES: Final = 64 * 1024
"""Bodies up to this are gathered before they are sent on, routed or not: one write instead of several."""
LOOKED_AT_BYTES: Final = 1024 * 1024
MOST_COMMAS: Final = 200_000
"""A body longer than the one that has more than the other is no conversation: it is not gathered, nor looked into.
Reading it would cost the loop its turn; this costs as much as a search of the bytes that came."""
FLUSH_BYTES: Final = 16 * 1024
"""Bytes of a streamed answer that gather before they go to the journal as a part."""
GRACE_S: Final = 5.0
"""The app's deadline comes first, so that it is the app that gives up."""
_DONE: Final = b"[DONE]"
_RESPONSE: Final = b'"response.'
"""What all of the ends below begin with: an event without it needs no further look."""
_RESPONSE_ENDS: Final = (b'"response.completed"', b'"response.failed"', b'"response.incomplete"')
_LONGEST_END: Final = max(map(len, _RESPONSE_ENDS))
_NO_ANSWER: Final = BodyCopy(0)
"""Stands for an answer that has not begun."""
_FAILURE_CODES: Final = {
    Failure.UNREACHABLE: "upstream_unreachable",
    Failure.TLS: "upstream_tls",
    Failure.FORBIDDEN_ADDRESS: "upstream_forbidden",
    Failure.SATURATED: "upstream_saturated",
    Failure.NO_ANSWER: "upstream_no_answer",
    Failure.MALFORMED: "upstream_malformed",
    Failure.BROKEN: "upstream_malformed",
    Failure.TIMEOUT: "upstream_timeout",
}


class Life(ExchangeState):
    """One exchange. See the module for its course."""

    __slots__ = (
        "_asked_s", "_body", "_body_bytes", "_commas", "_framing", "_is_stream", "_opened", "_out", "_over", "_relay",
        "_sending", "_tail", "_whole", "buffering", "captured", "connection", "deadline_s", "done", "id_bytes",
        "read_s", "serving", "worker",
    )  # fmt: skip

    def __init__(
        self, worker: WorkerPort, request: RequestHead, connection: AppConnection, known: RequestFacts, *,
        wall_s: float, ids: tuple[bytes, str],
    ) -> None:  # fmt: skip
        serving, preamble, length = worker.serving, request.preamble, request.content_length
        self.worker = worker
        self.request = request
        self.connection = connection
        self.known = known
        self.course = Timings(wall_s)
        self.id_bytes, self.id = ids
        self.serving = serving
        self.destination = serving.default
        """Whom the baseline is asked of."""
        self.request_kept = BodyCopy(0 if preamble.upgrade else known.kept_bytes)
        self.answer_kept = _NO_ANSWER
        self.read_s = known.read_s + GRACE_S
        """Longest silence of an upstream."""
        self.deadline_s = request.arrived_s + self.read_s
        self.buffering = known.reads or (not preamble.chunked and (length is None or length <= BUFFERED_BYTES))
        """The body is gathered before anybody is asked."""
        self.captured = worker.captured(self.id)
        self.plan = admit.UNROUTED
        self.variant: str = admit.BASELINE
        self.status = 0
        self.reply: Reply | None = None
        self.done = False
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._commas = 0
        self._sending: Sending | None = None
        self._relay: Relay | None = None
        self._framing = SIZED
        self._out = b""
        self._is_stream = False
        self._tail = b""
        """Of a stream: what came last of an event that is not whole."""
        self._over = False
        self._whole = False
        """The request is whole."""
        self._opened = 0
        """The journal has the exchange as it began (1), or with its answer's head (2)."""
        self._asked_s: float | None = None

    @property
    def path(self) -> str:
        """The request's path, with our base in front."""
        return self.known.path

    @property
    def overhead_s(self) -> float:
        """Time from the request's first byte until an upstream was asked; 0: none was."""
        return self.course.started_s or 0.0

    def _since_s(self) -> float:
        return self.worker.now() - self.request.arrived_s

    # The app ------------------------------------------------------------------------------------------------------

    def on_begin(self) -> None:
        """The request's head is here: bodies that are not to be read, and are long, go on as they come."""
        if not self.buffering:
            self._ask_baseline(more=True)

    def on_body(self, data: bytes) -> None:
        """More of the request's body, or of a tunnel."""
        if self.done:
            return
        self.request_kept.add(data)
        if self.buffering:
            self._body.append(data)
            self._body_bytes += len(data)
            if self._is_too_much(data):
                self._stream_on()
        elif self.request.upgrade and self.status != 101:
            self._hold(data)
        elif self._sending is not None:
            raw = self.request.upgrade or not self.request.chunked
            self._sending.write(data if raw else chunk(data))
            if self._sending.waiting_bytes > BUFFERED_BYTES:
                self.connection.pause_reading()

    def on_body_end(self) -> None:
        """The request is whole."""
        if self.done:
            return
        self._whole = True
        if not self.buffering:
            if self._sending is not None and not self.request.upgrade:
                self._sending.end(LAST_CHUNK if self.request.chunked else b"")
            return
        self.buffering = False
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body.clear()
        if self.known.reads and not self.request.upgrade:
            self._follow(body)
        else:
            self._ask_baseline(body)

    def on_whole(self, body: bytes) -> None:
        """The request is whole, and came in one piece."""
        if not self.buffering or len(body) > self.worker.limits.routed_body_bytes:
            self.on_body(body)
            self.on_body_end()
            return
        self.request_kept.add(body)
        self._whole = True
        self.buffering = False
        if self.known.reads:
            self._follow(body)
        else:
            self._ask_baseline(body)

    def on_gone(self) -> None:
        """The app hung up: nobody reads the answer, so nobody shall pay for it."""
        if not self.done:
            is_tunnel = self.status == 101
            self._stop_asking(None if is_tunnel else "app_gone")
            self._end("tunnel" if is_tunnel else "app_gone")

    def on_blocked(self) -> None:
        """The app reads slowly: so do we."""
        if self._sending is not None:
            self._sending.pause_reading()

    def on_ready(self) -> None:
        """The app has caught up."""
        if self._sending is not None:
            self._sending.resume_reading()

    def _hold(self, data: bytes) -> None:
        """Keep what is sent ahead into a tunnel: an upstream that refuses it must not read it as another request."""
        self._body.append(data)
        self._body_bytes += len(data)
        if self._body_bytes > BUFFERED_BYTES:
            self.break_off("refused")

    def _is_too_much(self, data: bytes) -> bool:
        """Whether the body, `data` the last of it so far, is too long to be read, or has more parts than any has."""
        if self._body_bytes > self.worker.limits.routed_body_bytes:
            return True
        if self._body_bytes <= LOOKED_AT_BYTES:
            return False
        came = self._body if self._body_bytes - len(data) <= LOOKED_AT_BYTES else (data,)
        self._commas += sum(piece.count(b",") for piece in came)
        return self._commas > MOST_COMMAS

    def _stream_on(self) -> None:
        """The body is too long to be read: the baseline gets it as it comes."""
        self.buffering = False
        self.course.why, self.course.why_reason = "ineligible", "too_large"
        body = b"".join(self._body)
        self._body.clear()
        self._ask_baseline(chunk(body) if self.request.chunked else body, more=True)

    # Asking -------------------------------------------------------------------------------------------------------

    def _follow(self, body: bytes) -> None:
        """Decide, and ask whom the decision names."""
        read: matching.Body | None = None
        try:
            read = matching.read_body(body) or read_copy(body, self.known.headers)
            plan = admit.plan(self.worker, self.known, read, request_id=self.id)
        except Exception as error:  # noqa: BLE001 -- the fence "plan": a mistake of ours in deciding costs no answer
            self.worker.met_own_error("plan", error)
            plan = admit.UNROUTED
        self.plan, self.course.why, self.course.why_reason = plan, plan.why, plan.reason
        if plan.refused:
            self.refuse(plan.refused)
            return
        if plan.route is not None:
            self.destination = self.serving.destinations[plan.route.baseline.upstream]
        if read is None or plan.variant != admit.CANDIDATE or not self._ask_candidate(read):
            self._ask_baseline(body)

    def _ask_candidate(self, read: matching.Body) -> bool:
        """Ask the candidate; False: it cannot be asked this."""
        relay = self.worker.ask_candidate(self, self.plan, read)
        if relay is None:
            return False
        self._body = [read.raw]  # until the candidate has answered, the baseline may still be asked
        self.variant = admit.CANDIDATE
        self.course.started_s = self._since_s()
        self._relay = relay
        relay.start()
        return True

    def candidate_head(self, destination: Destination, length: int) -> bytes:
        """The head of the request that the candidate's `destination` gets."""
        return self.known.candidate_head_for(self.request.preamble, destination, length)

    def use(self, sending: Sending) -> None:
        """The candidate's request is under way: back-pressure and hang-ups are its too."""
        self._sending = sending

    def unfit(self, reason: str) -> None:
        """What only a look into the conversation shows: the candidate may not be asked this."""
        self.course.why, self.course.why_reason = "ineligible", reason

    def fall_back(self, attempt: Attempt, reason: str) -> None:
        """The candidate failed before its first token: the baseline answers the same request."""
        self.course.attempts.append(attempt)
        self._relay = self._sending = None
        self.course.why, self.course.why_reason, self.variant = "fallback", reason, admit.BASELINE
        self.worker.fell_back()
        body = b"".join(self._body)
        self._body.clear()
        self.deadline_s = self.worker.now() + self.read_s
        self._ask_baseline(body)

    def candidate_answered(self, attempt: Attempt, usage: bytes) -> None:
        """What the candidate's part of this exchange came to."""
        self.course.attempts.append(attempt)
        self.course.usage = usage

    def _ask_baseline(self, body: bytes = b"", *, more: bool = False) -> None:
        """Send the app's own request to the baseline's upstream. `more`: the body is not whole."""
        request, destination = self.request, self.destination
        asked = request.preamble
        whole = not more and not asked.upgrade
        if asked.upgrade:
            head = destination.tunnel_head(asked)
        else:
            head = self.known.head_for(asked, destination, request.content_length)
            if whole and asked.chunked:
                body = chunk(body) + LAST_CHUNK if body else LAST_CHUNK
        self._asked_s = self._since_s()
        if self.course.started_s is None:
            self.course.started_s = self._asked_s
        shown = b"" if destination.own_credential else self.known.caller.pool
        self._sending = self.worker.client.send(
            destination.target, shown, asked.method, head + body if body else head, self, last=whole
        )

    # The baseline's upstream --------------------------------------------------------------------------------------

    def on_send_blocked(self) -> None:
        """The upstream reads slowly: take no more of the app's body."""
        self.connection.pause_reading()

    def on_send_ready(self) -> None:
        """The upstream has caught up."""
        self.connection.resume_reading()

    def on_head(self, reply: Reply) -> None:
        """The baseline's answer begins."""
        if reply.status == 101 and not self.request.upgrade:
            if self._sending is not None:
                self._sending.cancel()
            self.on_failure(Failure.MALFORMED)  # nobody asked for another protocol
            return
        if self.known.reads or reply.status in (401, 403):
            # Only what a key has to be good for tells that it is: a preflight or a public page is answered to anybody.
            self.worker.answered(self.known.caller, reply.status)
        self.course.head_s = self._since_s()
        self.start_answer(reply)
        if reply.status == 101 and self._sending is not None:
            self.deadline_s = 0.0
            self._sending.write(b"".join(self._body))
            self._body.clear()

    def on_data(self, data: bytes, *, ended: bool) -> None:
        """The baseline's bytes, as they came."""
        since_s = self._since_s()
        if ended:
            self.course.attempts.append(self._attempt(None, since_s))
        self._pass_on(data, since_s, ended=ended)

    def on_failure(self, failure: Failure) -> None:
        """The baseline will not answer, or not to the end."""
        self.course.attempts.append(self._attempt(str(failure), self._since_s()))
        self._sending = None
        if self.status:
            self.break_off("upstream_broken")
        else:
            self.refuse(_FAILURE_CODES[failure], self.destination.name, outcome="upstream_error")

    # Answering ----------------------------------------------------------------------------------------------------

    def start_answer(self, reply: Reply) -> None:
        """Put together the answer's head; it is written with the first bytes."""
        self.reply, self.status = reply, reply.status
        kind = reply.get(b"content-type")
        self._is_stream = kind is not None and kind.startswith(b"text/event-stream")
        self.answer_kept = BodyCopy(0 if reply.status == 101 else self.serving.kept_bytes(kind))
        last = self.worker.draining or (not self._whole and self.connection.ends_early)
        self._framing = frame(self.request, reply, last=last)
        self._out = answer_head(reply, self._framing, self._own_headers())

    def _own_headers(self) -> bytes:
        ours = self.id.encode()
        exposed = self.serving.table.expose_variant
        route = self.plan.route
        lines = b"\r\nx-crossfade-request-id: " + ours
        if route is not None:
            lines += b"\r\nx-crossfade-route: " + route.name.encode()
            exposed = route.expose_variant
        if exposed:
            lines += b"\r\nx-crossfade-variant: " + self.variant.encode()
        if self.variant != admit.BASELINE:
            lines += b"\r\nx-request-id: " + ours  # the frontier's own is not there, and SDKs log it
        return lines

    def send(self, data: bytes, *, ended: bool) -> None:
        """Send body bytes; with `ended` the answer is whole, and in the journal before its last bytes are out."""
        self._pass_on(data, self._since_s(), ended=ended)

    def _pass_on(self, data: bytes, since_s: float, *, ended: bool) -> None:
        out, self._out = self._out, b""
        if data:
            self.answer_kept.add(data)
            self.course.note_chunk(self.answer_kept.size, since_s)
            out += chunk(data) if self._framing.chunked else data
        if ended:
            out = out + LAST_CHUNK if self._framing.chunked else out
            self._end("tunnel" if self.status == 101 else "complete", out, since_s=since_s)
            return
        if self.deadline_s:
            self.deadline_s = self.request.arrived_s + since_s + self.read_s
        if self._is_stream and data and self._says_end(data):
            self.keep_part()  # the app may take this for the whole answer
        self.connection.write_now(out)
        if self.answer_kept.pending > FLUSH_BYTES:
            self.keep_part()

    def _says_end(self, data: bytes) -> bool:
        """Whether the event that says that a stream is over has begun to come, however it was cut."""
        seen = self._tail + data if self._tail else data
        self._tail = b"" if data.endswith(b"\n") else seen[-_LONGEST_END:]
        if not self._over:
            find = seen.find
            self._over = find(_DONE) >= 0 or (find(_RESPONSE) >= 0 and any(find(end) >= 0 for end in _RESPONSE_ENDS))
        return self._over

    def refuse(self, code: str, detail: str = "", *, outcome: Outcome = "refused") -> None:
        """Answer with an error of our own."""
        body = errors.body(code, detail)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        headers += errors.headers(code, retry_after_s=self.worker.limits.retry_after_s)
        self.variant = "gateway"
        if outcome == "refused":
            self.course.why, self.course.why_reason = "refused", code
        self.start_answer(own_reply(errors.CODES[code].status, b"Error", headers))
        out = self._out
        if self.request.method != b"HEAD":
            self.answer_kept.add(body)
            out += body
        self._end(outcome, out)

    def break_off(self, outcome: Outcome) -> None:
        """End in the middle, so that the app sees it."""
        self._stop_asking(outcome)
        out, self._out = self._out, b""
        self._end(outcome, out, broken=True)

    def overdue(self, now: float) -> bool:
        """Whether the upstream has been silent for longer than the app would wait."""
        return bool(self.deadline_s) and now > self.deadline_s

    def time_out(self) -> None:
        """Give up on the upstream."""
        if self._relay is not None:
            self._relay.cancel()
        if self._sending is not None:
            self._sending.cancel()
        self.on_failure(Failure.TIMEOUT)

    def _stop_asking(self, error: str | None) -> None:
        if self._relay is not None:
            self._relay.cancel()
        if self._sending is not None and not self._sending.cancelled:
            self._sending.cancel()
            self.course.attempts.append(self._attempt(error, self._since_s()))

    # The end ------------------------------------------------------------------------------------------------------

    def _end(self, outcome: Outcome, out: bytes = b"", *, broken: bool = False, since_s: float | None = None) -> None:
        """Into the journal, then out to the app, then gone."""
        if self.done:
            return
        self.done = True
        self._sending = self._relay = None
        if self.captured:
            row = self._meta(outcome, self._since_s() if since_s is None else since_s)
            if self._opened:
                self.worker.journal.close_exchange(row, self.answer_kept.take())
            else:
                self.worker.keep(row, self.request_kept.take(), self.answer_kept.take())
        if outcome != "app_gone":
            if out:
                self.connection.write(out)
            if broken:
                self.connection.break_off(abort=self._framing.ends_by_closing)
            else:
                self.connection.finish(close=self._framing.close or outcome == "tunnel")
        self.worker.ended(self, outcome)

    def keep_part(self) -> None:
        """Put what there is so far into the journal: it then survives this process. Not a request that is not whole."""
        if not self.captured or self.done or not self._whole or self.request.upgrade:
            return
        answer = self.answer_kept.take_part()
        come = 1 if self.reply is None else 2
        if self._opened < come:
            self._opened = come
            row = self._meta("lost_worker", self._since_s())
            self.worker.journal.open(row, self.request_kept.take_part(), answer)
        elif answer:
            self.worker.journal.part(self.id_bytes, answer)

    def _attempt(self, error: str | None, since_s: float) -> Attempt:
        if self._relay is not None:
            return self._relay.attempt(error)
        course = self.course
        return Attempt(
            variant=self.variant,
            upstream=self.destination.name,
            status=self.status or None,
            error=error,
            started_s=self._asked_s,
            head_s=course.head_s,
            first_byte_s=course.first_byte_s,
            ended_s=since_s,
            reused=self._sending is not None and self._sending.reused,
        )

    def _meta(self, outcome: Outcome, since_s: float) -> Meta:
        return meta(self, outcome, worker=self.worker.name, table_version=self.serving.table.version, since_s=since_s)
