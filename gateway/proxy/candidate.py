"""Asking the candidate: its answer is held until its first real token, and until then the baseline may still answer.

Rules:
1. Before the first token every failure is the baseline's to mend: refusal, timeout, garbage, hang-up, a 200 that turns
   out to be an error. The app sees none of it.
2. From the first token on the answer is the candidate's. If it breaks, the app is told so and its connection ends:
   no second model goes on where the first one stopped.
3. It is waited for no longer than the route's limits and its policy say, to `worker.tick`'s resolution: whoever passes
   one, or keeps an app waiting until it leaves, has failed. So has a stream that drips: one that has lasted longer than
   the baseline's and says what it says far slower. It is not cut off for that.
4. What the candidate is sent is a request of our own: no credential, cookie or header of the app's but its trace.
"""

from typing import Final

import msgspec

from gateway.proxy.ports import Asker, Verdicts
from gateway.rewrite.answer import StreamAdapter, adapt_whole, is_empty
from gateway.rewrite.problem import classify
from gateway.rewrite.shapes import Adapted
from gateway.transport.failure import NOT_ASKED, Failure
from gateway.transport.outgoing import Reply, Sending
from gateway.transport.upstreams import Destination
from policies.candidate_paths import NO_PATH
from policies.failure_words import LONG_ANSWER, TOO_SLOW
from policies.routing import CandidateLimits, Route, Variant
from records.exchange import Attempt

WHOLE_BYTES: Final = 32 * 1024 * 1024
"""A whole answer that is longer is no answer: no words fill it. Vectors may, and there it is a limit of ours."""
PROBLEM_BYTES: Final = 64 * 1024
LAST_WORDS_S: Final = 2.0
"""Behind a stream's last word come its usage and [DONE], at once or not at all: an app is not kept waiting for them."""
GONE_SLACK_S: Final = 0.25
"""An app whose own limit is ours leaves a moment before we see that ours has passed."""
SILENCE_S: Final = 2.0
"""No shorter silence within a stream is what an app leaves for, however soon the baseline's first tokens come."""
_NEVER: Final = float("inf")
_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\nopenai-processing-ms: %%d\r\nopenai-version: 2020-10-01\r\n"
_WHOLE_HEAD: Final = _HEAD % b"application/json" + b"content-length: %d"
_STREAM_HEAD: Final = _HEAD % b"text/event-stream; charset=utf-8" + b"cache-control: no-cache"


class CandidateRelay:
    """One candidate's answer to one request."""

    __slots__ = (
        "_adapted", "_adapter", "_answer_s", "_app", "_committed", "_destination", "_done", "_first_s",
        "_generation", "_head_s", "_is_paced", "_is_slow", "_late", "_limits", "_reply", "_sending", "_silent",
        "_started_s", "_thought_s", "_total_s", "_variant", "_verdicts", "_whole", "_whole_bytes", "due_s",
    )  # fmt: skip

    def __init__(
        self, app: Asker, verdicts: Verdicts, destination: Destination, *, route: Route, adapted: Adapted,
        generation: int,
    ) -> None:  # fmt: skip
        variant, limits = route.candidate, route.limits
        assert variant is not None  # noqa: S101 -- only a route with a candidate asks one
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
        self._limits = limits
        self._is_paced = self._adapter is not None
        """How fast it comes is the candidate's doing."""
        self._is_slow = False
        """The candidate was charged with a stream that drips; the verdict is told, and its room is still taken."""
        self._generation = generation
        self._total_s = limits.stream_s if adapted.asked.stream else _NEVER
        if variant.total_s is not None:
            self._total_s = min(self._total_s, variant.total_s)
        self._answer_s, self._late = _longest_wait(limits, variant, stream=adapted.asked.stream)
        """How long the app may wait for the first byte, and the word for what takes longer."""
        self._thought_s = -_NEVER
        """When it last said something that the app is not shown."""
        self._silent = "timeout"
        """The word for a stream that has begun and falls silent for too long."""
        self.due_s = self._started_s + min(self._answer_s, limits.connect_s)
        """When one of the limits may have passed."""

    def start(self) -> None:
        """Send the request."""
        body = self._adapted.body
        app, destination = self._app, self._destination
        head = app.candidate_head(destination, len(body))
        self._sending = self._verdicts.client.send(destination.target, b"", b"POST", head + body, self, last=True)
        app.use(self._sending)

    # The clock ----------------------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Look at the limits: one may have passed. To be called from `due_s` on."""
        if self._done:
            return
        waited_s = now - self._started_s
        if waited_s >= self._total_s:
            self._fail("total_timeout")
        elif self._committed:
            if now >= self._slow_from_s():
                self._is_slow = True
                self._verdicts.candidate_late(self._generation, TOO_SLOW)
            self.due_s = min(self._started_s + self._total_s, self._slow_from_s())
            if self._adapter is not None and self._adapter.is_said:
                self._end_stream(self._adapter, "between_tokens_timeout")
        elif waited_s >= self._answer_s:
            self._fail(self._late)
        elif waited_s >= self._limits.connect_s and self._sending is not None and self._sending.waiting_bytes:
            self._fail("connect_timeout")
        else:
            self.due_s = self._started_s + self._answer_s

    def thinks_until_s(self) -> float:
        """Until when a stream that is silent for the app may still be at work, by what it said last."""
        return self._thought_s + self._limits.between_tokens_s

    def give_up(self) -> bool:
        """The app's own deadline has passed. True: nothing had come, and the app gets our error; else it breaks off."""
        if self._committed:
            self._fail(self._silent)
            return False
        if self._end():
            self._tell_failed("timeout")
        return True

    def app_gone(self, silent_s: float) -> str:
        """The app hung up, after nothing of a begun stream had come for `silent_s`; the word for the attempt.

        One that had waited for longer than the limit, or than the baseline lets it wait, gave the candidate up.
        """
        now, limits = self._verdicts.now(), self._limits
        if self._committed:
            waited_s, limit_s = silent_s, min(limits.between_tokens_s, limits.first_token_s)
            patience_s = _at_least(SILENCE_S, limits.patience_first_token_s)
        else:
            waited_s, limit_s = now - self._started_s, self._answer_s
            patience_s = limits.patience_whole_s if self._adapter is None else limits.patience_first_token_s
        is_late = waited_s + GONE_SLACK_S >= limit_s or (patience_s is not None and waited_s >= patience_s)
        if not (is_late or self._is_slow or now >= self._slow_from_s()):
            self.cancel()
            return "app_gone"
        if self._end():
            self._tell_failed("app_gone_waiting")
        return "app_gone_waiting"

    def app_blocked(self) -> None:
        """The app takes no more for now: from here on the pace is its own."""
        self._is_paced = False

    def cancel(self) -> None:
        """The connection to the app broke: nothing was learnt."""
        if self._end():
            self._verdicts.candidate_abandoned(self._generation)

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
                if found.kind == "path" and self._verdicts.paths.refused(self._app.path, self._verdicts.now()):
                    self._fail(NO_PATH, capability=True)
                    return
                self._fail(found.reason, capability=found.kind == "capability")
        elif self._adapter is not None:
            self._stream(self._adapter, data, ended=ended)
        elif not self._gather(data, limit=WHOLE_BYTES):
            is_plain = self._adapted.asked.surface == "embeddings"  # the baseline's may be as long, and pass
            self._fail(LONG_ANSWER if is_plain else "too_large", capability=is_plain)
        elif ended:
            self._answer_whole()

    def on_failure(self, failure: Failure) -> None:
        """The upstream will not answer, or not to the end."""
        if self._done:
            return
        if self._adapter is not None and self._adapter.is_said:
            self._end_stream(self._adapter, str(failure))
        else:
            self._fail(str(failure), capability=failure in NOT_ASKED)

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
        self._succeed(out, is_empty=is_empty(out, self._adapted.asked))

    def _stream(self, adapter: StreamAdapter, data: bytes, *, ended: bool) -> None:
        said_bytes = adapter.said_bytes
        out = adapter.feed(data) if data else b""
        if not out and adapter.said_bytes > said_bytes and self._silent == "between_tokens_timeout":
            # A model that thinks is not silent, so we do not end it for that; the app's own patience holds.
            self._thought_s = self._verdicts.now()
        if ended and adapter.failure is None and not adapter.done:
            out += adapter.end()
        if adapter.failure is not None:
            self._fail(adapter.failure.reason, capability=adapter.failure.kind == "capability", out=out)
            return
        if out and not self._committed:
            self._commit(_STREAM_HEAD)
        if adapter.done or ended:
            self._succeed(out, is_empty=adapter.is_empty)
        elif out:
            self._app.send(out, ended=False)
            if adapter.is_said:
                self.due_s = min(self.due_s, self._verdicts.now() + LAST_WORDS_S)

    def _end_stream(self, adapter: StreamAdapter, reason: str) -> None:
        """All of it was said, and its end does not come: it is given here. `reason`: why, should that be no end."""
        out = adapter.end()
        if adapter.failure is None:
            self._succeed(out, is_empty=adapter.is_empty)
        else:
            self._fail(reason, out=out)

    def _commit(self, head: bytes, *told: int) -> None:
        """The first token is here: from now on the answer is the candidate's. `told`: what `head` still lacks."""
        self._committed = True
        self._first_s = self._verdicts.now()
        taken_ms = int((self._first_s - self._started_s) * 1000)
        self.due_s = min(self._started_s + self._total_s, self._slow_from_s())
        if self._adapter is not None and self._app.limit_silence(self._limits.between_tokens_s):
            self._silent = "between_tokens_timeout"
        self._app.start_answer(Reply(200, head % (taken_ms, *told)))

    def _succeed(self, out: bytes, *, is_empty: bool) -> None:
        sending = self._sending
        if self._end():
            if sending is not None:
                sending.leave()
            if self._is_slow:
                self._verdicts.candidate_abandoned(self._generation)
            else:
                self._verdicts.candidate_succeeded(self._generation)
            self._verdicts.paths.answered(self._app.path)
            usage = self._adapter.usage if self._adapter is not None else None
            told = msgspec.json.encode(usage) if usage is not None else b""
            error = TOO_SLOW if self._is_slow else None
            self._app.candidate_answered(self.attempt(error, is_empty=is_empty), told)
            self._app.send(out, ended=True)

    def _fail(self, reason: str, *, capability: bool = False, out: bytes = b"") -> None:
        sending = self._sending
        if not self._end():
            return
        if sending is not None:
            sending.cancel()
        if capability:
            self._verdicts.candidate_abandoned(self._generation)  # it said that it cannot, which is not that it is ill
        else:
            self._tell_failed(reason)
        attempt = self.attempt(reason)
        if not self._committed:
            self._app.fall_back(attempt, reason)
            return
        self._app.candidate_answered(attempt, b"")
        self._app.send(out + self._adapter.broken() if self._adapter is not None else out, ended=False)
        self._app.break_off("upstream_broken")

    def _slow_from_s(self) -> float:
        """When it will have dripped, if no more is said until then; never: its pace tells nothing, or was told of."""
        limits, adapter, first_s = self._limits, self._adapter, self._first_s
        if adapter is None or first_s is None or self._is_slow or not self._is_paced:
            return _NEVER
        if limits.patience_stream_s is None or limits.patience_byte_s is None or adapter.is_said:
            return _NEVER
        return first_s + max(limits.patience_stream_s, limits.patience_byte_s * adapter.said_bytes)

    def _tell_failed(self, reason: str) -> None:
        """The candidate's request is over, and it failed; of a stream that drips that was told."""
        if self._is_slow:
            self._verdicts.candidate_abandoned(self._generation)
        else:
            self._verdicts.candidate_failed(self._generation, reason)

    def _end(self) -> bool:
        """The verdict is told now, and once; False: it was told before."""
        if self._done:
            return False
        self._done = True
        self.due_s = _NEVER
        return True

    def attempt(self, error: str | None, *, is_empty: bool = False) -> Attempt:
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
            is_empty=is_empty,
        )


def _at_least(least_s: float, known_s: float | None) -> float | None:
    return None if known_s is None else max(least_s, known_s)


def _longest_wait(limits: CandidateLimits, variant: Variant, *, stream: bool) -> tuple[float, str]:
    """How long an app may wait for the first byte, and the word for what takes longer.

    An answer that is not streamed has its first byte with its last: `first_byte` limits all of it.
    """
    longest_s, word = (limits.first_token_s, "first_byte_timeout") if stream else (limits.whole_s, "total_timeout")
    if variant.first_byte_s is not None and variant.first_byte_s < longest_s:
        longest_s, word = variant.first_byte_s, "first_byte_timeout"
    if variant.total_s is not None and variant.total_s < longest_s:
        longest_s, word = variant.total_s, "total_timeout"
    return longest_s, word
