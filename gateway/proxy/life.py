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
Longer than a file should be: it is one course, and is read from its top to its end.
"""

from typing import Final

from gateway.proxy import admit, refusal
from gateway.proxy.answer_head import SIZED, answer_head, frame, own_lines
from gateway.proxy.body_copy import BodyCopy
from gateway.proxy.journal_row import ExchangeState
from gateway.proxy.ports import Relay, WorkerPort
from gateway.proxy.request_body import GatheredBody
from gateway.proxy.request_facts import RequestFacts
from gateway.proxy.stream_end import StreamEnd
from gateway.transport.failure import NOT_ASKED, Failure
from gateway.transport.message import LAST_CHUNK, RequestHead, chunk
from gateway.transport.outgoing import Reply, Sending
from gateway.transport.server import AppConnection
from gateway.transport.upstreams import Destination
from policies.candidate_paths import NO_PATH
from policies.failure_words import LONG_ANSWER
from policies.request.body import Body
from records.exchange import Attempt, Outcome

BUFFERED_BYTES: Final = 64 * 1024
"""Bodies up to this are gathered before they are sent on, routed or not: one write instead of several."""
FLUSH_BYTES: Final = 16 * 1024
"""Bytes of a streamed answer that gather before they go to the journal as a part."""
GRACE_S: Final = 5.0
"""The app's deadline comes first, so that it is the app that gives up."""
GATEWAY: Final = "gateway"


class Life(ExchangeState):
    """One exchange. See the module for its course."""

    __slots__ = (
        "_body", "_framing", "_out", "_relay", "_send_blocked", "_sending", "_stream_end", "buffering", "connection",
        "deadline_s", "read_s",
    )  # fmt: skip

    def __init__(
        self, worker: WorkerPort, request: RequestHead, connection: AppConnection, known: RequestFacts, *,
        wall_s: float, ids: tuple[bytes, str],
    ) -> None:  # fmt: skip
        super().__init__(worker, request, known, wall_s=wall_s, ids=ids, captured=worker.captured(ids[1]))
        length = request.content_length
        self.connection = connection
        self.read_s = known.read_s + GRACE_S
        """Longest silence of an upstream."""
        self.deadline_s = request.arrived_s + self.read_s
        """When it has lasted too long, from what was last sent or came; 0: it is not the upstream's, or a tunnel's."""
        self.buffering = known.reads or (not request.chunked and (length is None or length <= BUFFERED_BYTES))
        """The body is gathered before anybody is asked."""
        self._body = GatheredBody()
        self._sending: Sending | None = None
        self._send_blocked = False
        """The upstream takes no more of the body: it is the one that is waited for."""
        self._relay: Relay | None = None
        self._framing = SIZED
        self._out = b""
        self._stream_end: StreamEnd | None = None

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
        self._wait_anew()
        if self.buffering:
            self._body.add(data)
            if self._body.is_too_much(data, most_bytes=self.worker.limits.routed_body_bytes):
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
        self.is_whole = True
        if not self.deadline_s:
            self._wait_anew()
        if not self.buffering:
            if self._sending is not None and not self.request.upgrade:
                self._sending.end(LAST_CHUNK if self.request.chunked else b"")
            return
        self.buffering = False
        self._go_on(self._body.take())

    def on_whole(self, body: bytes) -> None:
        """The request is whole, and came in one piece."""
        if not self.buffering or len(body) > self.worker.limits.routed_body_bytes:
            self.on_body(body)
            self.on_body_end()
            return
        self.request_kept.add(body)
        self.is_whole = True
        self.buffering = False
        self._go_on(body)

    def on_gone(self) -> None:
        """The app hung up: nobody reads the answer, so nobody shall pay for it."""
        if self.done:
            return
        if self.status == 101:
            self._stop_asking(None)
            self._end("tunnel")
            return
        silent_s = self.worker.now() - (self.deadline_s - self.read_s) if self.deadline_s else 0.0
        self._stop_asking("app_gone" if self._relay is None else self._relay.app_gone(silent_s))
        self._end("app_gone")

    def has_begun(self) -> bool:
        """Whether some of the answer may have been written."""
        return self.status != 0

    def on_blocked(self) -> None:
        """The app reads slowly: so do we; and until it has caught up, silence is not the upstream's."""
        self._wait_anew()
        if self._relay is not None:
            self._relay.app_blocked()
        if self._sending is not None:
            self._sending.pause_reading()

    def on_ready(self) -> None:
        """The app has caught up."""
        self._wait_anew()
        if self._sending is not None:
            self._sending.resume_reading()

    def _wait_anew(self) -> None:
        """Count the upstream's silence from now, if it is the one that is waited for.

        It is not while the app does not read, nor before the request is whole, which nobody answers, unless it takes no
        more of that. A tunnel waits for both sides at once.
        """
        is_upstreams = self.is_whole or self._send_blocked or self.status == 101
        self.deadline_s = self.worker.now() + self.read_s if is_upstreams and not self.connection.blocked else 0.0

    def _hold(self, data: bytes) -> None:
        """Keep what is sent ahead into a tunnel: an upstream that refuses it must not read it as another request."""
        self._body.add(data)
        if self._body.size > BUFFERED_BYTES:
            self.break_off("refused")

    def _stream_on(self) -> None:
        """The body is too long to be read: the baseline gets it as it comes."""
        self.buffering = False
        self.course.why, self.course.why_reason = "ineligible", "too_large"
        body = self._body.take()
        self._ask_baseline(chunk(body) if self.request.chunked else body, more=True)

    def _go_on(self, body: bytes) -> None:
        """The request is whole, and nobody was asked yet."""
        if self.known.reads and not self.request.upgrade:
            self._follow(body)
        else:
            self._ask_baseline(body)

    # Asking -------------------------------------------------------------------------------------------------------

    def _follow(self, body: bytes) -> None:
        """Decide, and ask whom the decision names. All of it by the newest table: the body may have taken its time."""
        if self.serving is not self.worker.serving:  # the table was replaced while the body came: decided by one alone
            self.serving = self.worker.serving
            self.destination = self.serving.default
        read, plan = self.worker.decide(self.known, body, request_id=self.id)
        self.plan, self.course.why, self.course.why_reason = plan, plan.why, plan.reason
        if plan.refused:
            self.refuse(plan.refused)
            return
        if plan.route is not None:
            self.destination = self.serving.destinations[plan.route.baseline.upstream]
        if plan.why == "breaker" or plan.why == "busy":  # noqa: PLR1714 -- compiled, two comparisons make no tuple
            self.worker.fell_back()
        if read is None or plan.variant != admit.CANDIDATE or not self._ask_candidate(read):
            self._ask_baseline(body)

    def _ask_candidate(self, read: Body) -> bool:
        """Ask the candidate; False: it cannot be asked this."""
        self._relay = relay = self.worker.ask_candidate(self, self.plan, read)
        if relay is None:
            return False
        self._body.add(read.raw)  # until the candidate has answered, the baseline may still be asked
        self.variant = admit.CANDIDATE
        self.course.started_s = self.since_s()
        relay.start()
        return True

    def candidate_head(self, destination: Destination, length: int) -> bytes:
        """The head of the request that the candidate's `destination` gets."""
        return self.known.candidate_head_for(self.request.preamble, destination, length)

    def use(self, sending: Sending) -> None:
        """The candidate's request is under way: back-pressure and hang-ups are its too."""
        self._sending = sending

    def limit_silence(self, limit_s: float) -> bool:
        """Wait no longer than this between two pieces of the answer; False: the app itself waits no longer."""
        if limit_s >= self.read_s:
            return False
        self.read_s = limit_s
        return True

    def fall_back(self, attempt: Attempt, reason: str) -> None:
        """The candidate failed before its first token, or this is not for it: the baseline answers the same request.

        The app's deadline runs on, but leaves the baseline a moment.
        """
        self._relay = self._sending = None
        self.course.why, self.course.why_reason, self.variant = "fallback", reason, admit.BASELINE
        if reason in NOT_ASKED:
            self.course.why = "busy"  # there was no room to ask it in, and nothing was tried
        else:
            self.course.attempts.append(attempt)
        if reason in (NO_PATH, LONG_ANSWER):
            self.course.why = "ineligible"
        else:
            self.worker.fell_back()
        self.deadline_s = max(self.deadline_s, self.worker.now() + GRACE_S)
        self._ask_baseline(self._body.take())

    def candidate_answered(self, attempt: Attempt, usage: bytes) -> None:
        """What the candidate's part of this exchange came to."""
        self.course.attempts.append(attempt)
        self.course.usage = usage

    def _ask_baseline(self, body: bytes = b"", *, more: bool = False) -> None:
        """Send the app's own request to the baseline's upstream. `more`: the body is not whole."""
        request, destination = self.request, self.destination
        sent = self.known.request_for(request, destination, body, more=more)
        course = self.course
        course.asked_s = self.since_s()
        if course.started_s is None:
            course.started_s = course.asked_s
        shown = b"" if destination.own_credential else self.known.caller.pool
        self._sending = self.worker.client.send(
            destination.target, shown, request.method, sent, self, last=not (more or request.upgrade)
        )

    # The baseline's upstream --------------------------------------------------------------------------------------

    def on_interim(self, reply: Reply) -> None:
        """Early hints are the app's (RFC 9110 §15.2), unless it speaks HTTP/1.0, which has none."""
        if not self.status and not self.request.http10:
            self.connection.write_now(answer_head(reply, SIZED, b""))

    def on_send_blocked(self) -> None:
        """The upstream reads slowly: take no more of the app's body."""
        self._send_blocked = True
        self.connection.pause_reading()
        self._wait_anew()

    def on_send_ready(self) -> None:
        """The upstream has caught up."""
        self._send_blocked = False
        self.connection.resume_reading()
        self._wait_anew()

    def on_head(self, reply: Reply) -> None:
        """The baseline's answer begins."""
        if reply.status == 101 and not self.request.upgrade:
            if self._sending is not None:
                self._sending.cancel()
            self.on_failure(Failure.MALFORMED)  # nobody asked for another protocol
            return
        if self.known.reads or reply.status in (401, 403):
            # Only what a key has to be good for tells that it is: a preflight or a public page is answered to anybody.
            self.worker.answered(self.destination.name, self.known.caller, reply.status)
        self.course.head_s = self.since_s()
        self.start_answer(reply)
        if reply.status == 101 and self._sending is not None:
            self.deadline_s = self.worker.now() + self.read_s  # of a tunnel: the longest silence of both
            self._sending.write(self._body.take())

    def on_data(self, data: bytes, *, ended: bool) -> None:
        """The baseline's bytes, as they came."""
        since_s = self.since_s()
        if ended:
            self.course.attempts.append(self._attempt(None, since_s))
        self._pass_on(data, since_s, ended=ended)

    def on_failure(self, failure: Failure) -> None:
        """The baseline will not answer, or not to the end."""
        self.course.attempts.append(self._attempt(str(failure), self.since_s()))
        self._sending = None
        if self.status:
            self.break_off("tunnel" if self.status == 101 else "upstream_broken")
        else:
            self.refuse(refusal.CODES[failure], self.destination.name, outcome="upstream_error")

    # Answering ----------------------------------------------------------------------------------------------------

    def start_answer(self, reply: Reply) -> None:
        """Put together the answer's head; it is written with the first bytes."""
        self.reply, self.status = reply, reply.status
        kind = reply.get(b"content-type")
        self._stream_end = StreamEnd() if kind is not None and kind.startswith(b"text/event-stream") else None
        self.answer_kept = BodyCopy(0 if reply.status == 101 else self.serving.kept_bytes(kind))
        last = self.worker.draining or (not self.is_whole and self.connection.ends_early)
        self._framing = frame(self.request, reply, last=last)
        exposed, wall_s = self.serving.table.expose_variant, self.course.wall_s
        own = own_lines(self.id, self.plan.route, self.variant, expose_variant=exposed, wall_s=wall_s)
        self._out = answer_head(reply, self._framing, own)

    def send(self, data: bytes, *, ended: bool) -> None:
        """Send body bytes; with `ended` the answer is whole, and in the journal before its last bytes are out."""
        self._pass_on(data, self.since_s(), ended=ended)

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
        if self._stream_end is not None and data and self._stream_end.has_begun(data):
            self.keep_part()  # the app may take this for the whole answer
        self.connection.write_now(out)
        if self.answer_kept.pending > FLUSH_BYTES:
            self.keep_part()

    def refuse(self, code: str, detail: str = "", *, outcome: Outcome = "refused", charged: str = GATEWAY) -> None:
        """Answer with an error of our own, which is booked on `charged`."""
        reply, body = refusal.refusal(code, detail, retry_after_s=self.worker.limits.retry_after_s)
        self.variant = GATEWAY
        if outcome == "refused":
            self.course.why, self.course.why_reason = "refused", code
        self.start_answer(reply)
        self.variant = charged
        if self.request.method == b"HEAD":
            body = b""
        self.answer_kept.add(body)
        self._end(outcome, self._out + body)

    def break_off(self, outcome: Outcome) -> None:
        """End in the middle, so that the app sees it."""
        self._stop_asking(outcome)
        out, self._out = self._out, b""
        self._end(outcome, out, broken=True)

    def overdue(self, now: float) -> bool:
        """Whether a limit of the candidate has passed, or the upstream was silent for longer than the app waits."""
        relay = self._relay
        return 0 < self.deadline_s < now or (relay is not None and now >= relay.due_s)

    def time_out(self) -> None:
        """Give up on the upstream. Whoever was asked is charged."""
        now, relay = self.worker.now(), self._relay
        if relay is not None and not 0 < self.deadline_s < now:
            relay.expire(now)
            return
        if relay is not None and (until_s := relay.thinks_until_s()) > now:
            self.deadline_s = until_s
            return
        if self._sending is not None:
            self._sending.cancel()
        if relay is None:
            self.on_failure(Failure.TIMEOUT)
        elif relay.give_up():
            attempt = relay.attempt(str(Failure.TIMEOUT))
            self.course.attempts.append(attempt)
            self.refuse("upstream_timeout", attempt.upstream, outcome="upstream_error", charged=admit.CANDIDATE)

    def drop(self) -> None:
        """Let go of all that it holds: a mistake of ours was met in it, and nothing of it goes on."""
        self.done = True
        if self._relay is not None:
            self._relay.cancel()
        if self._sending is not None:
            self._sending.cancel()
        self.connection.break_off(abort=True)

    def _stop_asking(self, error: str | None) -> None:
        if self._relay is not None:
            self._relay.cancel()
        if self._sending is not None and not self._sending.cancelled:
            self._sending.cancel()
            self.course.attempts.append(self._attempt(error, self.since_s()))

    # The end ------------------------------------------------------------------------------------------------------

    def _end(self, outcome: Outcome, out: bytes = b"", *, broken: bool = False, since_s: float | None = None) -> None:
        """Into the journal, then out to the app, then gone."""
        if self.done:
            return
        self.done = True
        self._sending = self._relay = None
        self.keep(outcome, self.since_s() if since_s is None else since_s)
        if outcome != "app_gone":
            if out:
                self.connection.write(out)
            if broken:
                self.connection.break_off(abort=self._framing.ends_by_closing)
            else:
                self.connection.finish(close=self._framing.close or outcome == "tunnel")
        self.worker.ended(self, outcome)

    def _attempt(self, error: str | None, since_s: float) -> Attempt:
        if self._relay is not None:
            return self._relay.attempt(error)
        return self.baseline_attempt(error, since_s, reused=self._sending is not None and self._sending.reused)
