"""Calls that no app waits for: the shadow's `Model`, on the one upstream client.

Rules:
1. Keys are the gateway's own. Nothing of an app's head goes out, and of its body nothing that would be kept there.
2. One deadline holds for a whole call from when it is sent, a bound for a whole answer; nothing that an upstream does
   raises.
3. A variant is asked as the data plane would ask it, and its answer is read as an app would get it.
4. Times are of one clock. Where our own loop was late for a part of them, or read no further for a while, they mean
   nothing, and it is said. Deadlines leave out how long it was late: what it did not get to hear is no failure of
   whom it asked.
5. Of one upstream's answers together, so much is read in a second, and until that is worked off no more is asked of
   it, but for as long as a call's deadline: one that floods shall cost the apps' worker nothing.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import msgspec

from gateway.control.shadow.loop_watch import LoopWatch, is_void
from gateway.rewrite.answer import StreamAdapter, adapt_whole
from gateway.rewrite.problem import classify
from gateway.rewrite.request import adapt_request
from gateway.rewrite.shapes import Adapted, AnswerShape, Unfit
from gateway.transport.client import Client
from gateway.transport.failure import Failure
from gateway.transport.key_file import file_stamp
from gateway.transport.outgoing import Reply, Sending
from gateway.transport.upstreams import Destination, UpstreamError, make_ready
from policies.candidate_paths import NO_PATH
from policies.failure_words import LONG_ANSWER
from policies.routing import Upstream, Variant
from records.wire import assemble, problem, usage
from shadow.ports import NOT_READY, UNFIT, ModelCall, ModelReply

ANSWER_BYTES = 8 * 1024 * 1024
"""A longer answer is none: as much of the app's own is kept."""
PROBLEM_BYTES = 64 * 1024
AT_ONCE_BYTES, BYTES_PER_S = 4 * 1024 * 1024, 2 * 1024 * 1024
"""What is read of one upstream: thousands of events of a stream a second (what one costs: `python -m bench.adapt`)."""
_KEPT = ("store", "metadata", "user", "safety_identifier", "prompt_cache_key")
"""What names people, or would be kept at the upstream; no answer depends on it."""


class Background:
    """Asks upstreams. Implements `shadow.ports.Model`."""

    def __init__(
        self,
        client: Client,
        now: Callable[[], float],
        *,
        at_once_bytes: int = AT_ONCE_BYTES,
        bytes_per_s: int = BYTES_PER_S,
    ) -> None:
        self._client = client
        self._now = now
        self._new_pace = partial(Pace, at_once_bytes, bytes_per_s)
        self._watch = LoopWatch(now)
        self._destinations: dict[str, Destination] = {}
        self._paces: dict[str, Pace] = {}
        self._adopted: object = None
        self._said: dict[str, tuple[Upstream, str | None]] = {}
        """What each destination was made of, but for the content of its CA file."""

    def adopt(self, upstreams: Iterable[Upstream], keys: Mapping[str, str]) -> list[str]:
        """Ask these from now on, each with its key of `keys`, if there is one. Returns what is wrong with some.

        A CA file that was replaced is read again; while it cannot be, the one before holds.
        """
        upstreams, problems = tuple(upstreams), list[str]()
        stamps = [file_stamp(upstream.ca_file) for upstream in upstreams if upstream.ca_file is not None]
        if self._adopted == (upstreams, keys, stamps):
            return problems  # connections are kept by target, and targets are made here
        self._adopted = (upstreams, dict(keys), stamps)
        before, said = self._destinations, self._said
        self._destinations, self._said = {}, {}
        self._paces = {upstream.name: self._new_pace() for upstream in upstreams}
        for upstream in upstreams:
            name = upstream.name if upstream.name in keys else None
            own = msgspec.structs.replace(upstream, api_key_file=None, api_key_env=name)
            self._said[upstream.name] = (own, keys.get(upstream.name))
            try:
                self._destinations |= make_ready((own,), keys, pass_credentials=False)
            except UpstreamError as error:
                problems.append(str(error))
                if upstream.name in before and said.get(upstream.name) == self._said[upstream.name]:
                    self._destinations[upstream.name] = before[upstream.name]
        return problems

    async def ask(self, ask: ModelCall) -> ModelReply:
        """The answer, within the deadline."""
        destination = self._destinations.get(ask.upstream)
        if destination is None:
            return ModelReply(0, b"", NOT_READY)
        body, adapted = ask.body, None
        if ask.variant is not None:
            found = adapt_request(ask.body, ask.path, ask.variant, kind=destination.kind)
            if isinstance(found, Unfit):
                return ModelReply(0, b"", UNFIT)
            adapted, body = found, _forgotten(found)
        pace = self._paces[ask.upstream]
        if rest_s := min(pace.rest_s(self._now()), ask.deadline_s):
            await asyncio.sleep(rest_s)
        head = destination.background_head(ask.path.encode(), body, past_caches=ask.past_caches)
        return await self._hear(destination, head + body, ask, partial(_AnswerReader, ask, adapted, self._now, pace))

    async def page(self, upstream: str, path: bytes, deadline_s: float) -> bytes | None:
        """A page of the server itself, beside its API; empty: there is none; None: it cannot be had in time."""
        destination = self._destinations.get(upstream)
        if destination is None:
            return None
        asked = ModelCall(upstream, "", b"", deadline_s)
        pace = self._new_pace()  # it waits for no answer, and no answer for it
        hearing = partial(_AnswerReader, asked, None, self._now, pace)
        heard = await self._hear(destination, destination.page_head(path), asked, hearing)
        if 400 <= heard.status < 500:
            return b""
        return heard.body if heard.is_good else None

    async def _hear(
        self, destination: Destination, request: bytes, ask: ModelCall, begin: "Callable[[], _AnswerReader]"
    ) -> ModelReply:
        with self._watch.timing() as late_s:
            until_s = self._now() + ask.deadline_s
            while True:
                since_s, own_s = self._now(), self._watch.own_s()
                hearing = begin()
                await self._sent(destination, request, hearing)
                heard = hearing.heard(late_s())
                had_s = self._watch.own_s() - own_s
                is_ours = had_s < destination.target.connect_s <= self._now() - since_s
                if heard.error != Failure.UNREACHABLE or not is_ours or self._now() >= until_s:
                    return heard
                # Nothing was sent, and no time was left to connect in: our loop was late.

    async def _sent(self, destination: Destination, request: bytes, hearing: "_AnswerReader") -> None:
        """Send it, and listen until all is heard or the time for it is over."""
        method = request.partition(b" ")[0]
        sending = self._client.send(destination.target, b"", method, request, hearing, last=True)
        hearing.sending = sending
        try:
            await self._within(hearing)
        finally:
            hearing.read_on()
            if hearing.is_left:
                sending.leave()
            elif not hearing.ended:
                sending.cancel()

    async def _within(self, hearing: "_AnswerReader") -> None:
        """Wait until all is heard, or it has failed to come in time."""
        ask = hearing.ask
        variant, began_s = ask.variant, self._watch.own_s()
        total_s = ask.deadline_s if variant is None or variant.total_s is None else min(ask.deadline_s, variant.total_s)
        first_s = None if variant is None else variant.first_byte_s  # of an answer in one piece: all of it, as served
        if first_s is not None and first_s < total_s and not await self._watch.comes(hearing.begun, first_s):
            hearing.fail("first_byte_timeout")
        if not await self._watch.comes(hearing.done, total_s - (self._watch.own_s() - began_s)):
            hearing.fail("total_timeout")


class Pace:
    """A pace for bytes that no app waits for: a bound on what a peer that floods can make us do.

    So many bytes at once, and so many a second after them, whichever of those that share it reads them.
    Source: the generic cell rate algorithm (ITU-T I.371), with bytes for cells.
    """

    def __init__(self, at_once_bytes: int, bytes_per_s: int) -> None:
        self._at_once_s = at_once_bytes / bytes_per_s
        self._per_s = bytes_per_s
        self._due_s = float("-inf")
        """When all that was read would have been read at the pace."""

    def after(self, size_bytes: int, now: float) -> float:
        """Seconds to read nothing, now that so much was read. `now`: monotonic."""
        self._due_s = max(self._due_s, now - self._at_once_s) + size_bytes / self._per_s
        return self.rest_s(now)

    def rest_s(self, now: float) -> float:
        """Seconds until what was read is worked off. `now`: monotonic."""
        return max(0.0, self._due_s - now)


class _AnswerReader:
    """One answer, as it comes. Implements `transport.outgoing.Listener`."""

    def __init__(self, ask: ModelCall, adapted: Adapted | None, now: Callable[[], float], pace: Pace) -> None:
        self.ask = ask
        self.begun, self.done = asyncio.Event(), asyncio.Event()
        self.sending: Sending | None = None
        """Whose answer it is."""
        self.ended = False
        """The upstream has nothing more to say."""
        self.is_left = False
        """The answer is whole although the upstream has not ended it."""
        self._shape: tuple[AnswerShape, Variant] | None = None
        """What an answer that is to be brought into shape has to look like."""
        if adapted is not None and ask.variant is not None:
            self._shape = adapted.asked, ask.variant
        self._adapter = StreamAdapter(*self._shape) if self._shape is not None and self._shape[0].stream else None
        self._surface: assemble.Surface = assemble.surface_of(ask.path)
        self._too_large = LONG_ANSWER if self._surface == "embeddings" else "too_large"
        """The word for more than `ANSWER_BYTES`: no words fill it, but vectors may."""
        self._now = now
        self._pace = pace
        self._resting: asyncio.TimerHandle | None = None
        """Until then nothing is read."""
        self._was_slowed = False
        self._started_s = now()
        self._first_s: float | None = None
        self._total_s: float | None = None
        self._reply: Reply | None = None
        self._pieces: list[bytes] = []
        self._bytes = 0
        self._error = ""
        self._blamed = ""

    # The upstream -------------------------------------------------------------------------------------------------

    def on_interim(self, reply: Reply) -> None:
        """Ignore interim answers (1xx)."""

    def on_send_blocked(self) -> None:
        """The request is whole: there is nobody to slow down."""

    def on_send_ready(self) -> None:
        """See `on_send_blocked`."""

    def on_head(self, reply: Reply) -> None:
        """The answer's head."""
        self._reply = reply
        stated = reply.get(b"content-length") or b""
        if 200 <= reply.status < 300 and stated.isdigit() and int(stated) > ANSWER_BYTES:
            self._pace.after(ANSWER_BYTES, self._now())  # we read none of it, but our machine does
            self.fail(self._too_large)

    def on_data(self, data: bytes, *, ended: bool) -> None:
        """Bytes of the answer."""
        self.ended = ended
        if self.done.is_set() or self._reply is None:
            return
        wait_s = self._pace.after(len(data), self._now())
        if wait_s > 0 and not ended:
            self._rest(wait_s)
        if not 200 <= self._reply.status < 300:
            self._take(data, PROBLEM_BYTES)
            if ended or self._bytes > PROBLEM_BYTES:
                said = b"".join(self._pieces)
                found = problem.read(said)
                self._blamed = found.param if found is not None else ""
                refusal = classify(self._reply.status, said)
                self.fail(NO_PATH if refusal.kind == "path" else refusal.reason)
        elif self._adapter is not None:
            self._stream(self._adapter, data, ended=ended)
        elif self._take(data, ANSWER_BYTES) and ended:
            self._finish()

    def on_failure(self, failure: Failure) -> None:
        """There will be no (more) answer."""
        self.ended = True
        self.fail(str(failure))

    def _rest(self, wait_s: float) -> None:
        """Read nothing for so long."""
        if self.sending is None or self._resting is not None:
            return
        self._was_slowed = True
        self.sending.pause_reading()
        self._resting = asyncio.get_running_loop().call_later(wait_s, self.read_on)

    def read_on(self) -> None:
        """Read what comes from now on."""
        if self._resting is not None and self.sending is not None:
            self._resting.cancel()
            self._resting = None
            self.sending.resume_reading()

    def _take(self, data: bytes, limit: int) -> bool:
        self._bytes += len(data)
        if self._bytes > limit and limit == ANSWER_BYTES:
            self.fail(self._too_large)
            return False
        self._pieces.append(data)
        return True

    def _stream(self, adapter: StreamAdapter, data: bytes, *, ended: bool) -> None:
        out = adapter.feed(data) if data else b""
        if ended and adapter.failure is None and not adapter.done:
            out += adapter.end()
        if adapter.begun and self._first_s is None:
            self._first_s = self._now()
            self.begun.set()
        if adapter.failure is not None:
            self.fail(adapter.failure.reason)
        elif self._take(out, ANSWER_BYTES) and (adapter.done or ended):
            self.is_left = not ended
            self._finish()

    # What came of it ----------------------------------------------------------------------------------------------

    def fail(self, error: str) -> None:
        """Mark the answer as failed; the first reason counts."""
        if not self.done.is_set():
            self._error = error
            self._pieces.clear()
            self._finish()

    def _finish(self) -> None:
        self._total_s = self._now()
        self.begun.set()
        self.done.set()

    def heard(self, late_s: float) -> ModelReply:
        """The answer as read so far. `late_s`: for how long our loop was late meanwhile."""
        total_s = (self._total_s or self._now()) - self._started_s
        first_s = None if self._first_s is None else self._first_s - self._started_s
        status = self._reply.status if self._reply is not None else 0
        void = self._was_slowed or is_void(late_s, total_s if first_s is None else first_s)
        body, counted = (b"", None) if self._error else self._read()
        return ModelReply(
            status, body, self._error, first_s, total_s,
            timing_void=void, usage=counted, blamed=self._blamed,
        )  # fmt: skip

    def _read(self) -> tuple[bytes, usage.Usage | None]:
        """The answer as one JSON object, and its tokens. Sets the error of what is none."""
        body = b"".join(self._pieces)
        if self._shape is None:
            return body, assemble.read_body(self._surface, body).usage
        adapter = self._adapter
        if adapter is None:
            found = adapt_whole(body, *self._shape)
            if not isinstance(found, bytes):
                self._error = found.reason
                return b"", None
            return found, assemble.read_body(self._surface, found).usage
        answer = assemble.read_stream(self._surface, body)
        told = usage.read(msgspec.json.encode(adapter.usage)) if adapter.usage is not None else answer.usage
        return answer.body, told


def _forgotten(adapted: Adapted) -> bytes:
    """The request without what would be kept of it, or names people."""
    fields = msgspec.json.decode(adapted.body, type=dict[str, msgspec.Raw])
    dropped = [name for name in _KEPT if name in fields]
    for name in dropped:
        del fields[name]
    if adapted.asked.surface == "responses":
        fields["store"] = msgspec.Raw(b"false")
        dropped.append("store")
    return msgspec.json.encode(fields) if dropped else adapted.body
