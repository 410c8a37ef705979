"""What is noted of an exchange while it happens, and how the journal gets it: whole at its end, or in parts before."""

from typing import Final

from gateway.proxy.admit import BASELINE, UNROUTED, RoutingDecision
from gateway.proxy.body_copy import BodyCopy
from gateway.proxy.ports import WorkerPort
from gateway.proxy.request_facts import RequestFacts
from gateway.proxy.table_watch import Serving
from gateway.transport.message import RequestHead
from gateway.transport.outgoing import Reply
from gateway.transport.upstreams import Destination
from records.exchange import Attempt, Meta, Outcome, Why

_HIDDEN_ANSWER: Final = (b"set-cookie",)
_NO_ANSWER: Final = BodyCopy(0)
"""Stands for an answer that has not begun."""
MOST_CHUNKS: Final = 65_536
"""Writes of one answer that are noted one by one; of those after them only the last."""


class Timings:
    """Times, attempts and sizes of one exchange. Times are seconds since the request's first byte."""

    __slots__ = (
        "asked_s", "attempts", "chunk_ends", "chunk_times_us", "first_byte_s", "head_s", "started_s", "usage",
        "wall_s", "why", "why_reason",
    )  # fmt: skip

    def __init__(self, wall_s: float) -> None:
        self.wall_s = wall_s
        self.why: Why = "unrouted"
        self.why_reason = ""
        self.started_s: float | None = None
        """When an upstream was asked first."""
        self.asked_s: float | None = None
        """When the baseline was asked."""
        self.head_s: float | None = None
        self.first_byte_s: float | None = None
        self.attempts: list[Attempt] = []
        self.chunk_ends: list[int] = []
        self.chunk_times_us: list[int] = []
        self.usage = b""

    def note_chunk(self, size: int, since_s: float) -> None:
        """Answer bytes up to `size` went to the app."""
        if self.first_byte_s is None:
            self.first_byte_s = since_s
        if len(self.chunk_ends) >= MOST_CHUNKS:
            self.chunk_ends.pop()
            self.chunk_times_us.pop()
        self.chunk_ends.append(size)
        self.chunk_times_us.append(int(since_s * 1_000_000))


class ExchangeState:
    """A life, as far as its account goes. A base, not a protocol: attributes of a base are quick, compiled."""

    __slots__ = (
        "answer_kept", "captured", "course", "destination", "done", "id", "id_bytes", "is_whole", "known", "opened",
        "plan", "reply", "request", "request_kept", "serving", "status", "variant", "worker",
    )  # fmt: skip

    def __init__(
        self, worker: WorkerPort, request: RequestHead, known: RequestFacts, *,
        wall_s: float, ids: tuple[bytes, str], captured: bool,
    ) -> None:  # fmt: skip
        self.worker = worker
        self.serving: Serving = worker.serving
        self.id_bytes, self.id = ids
        self.request = request
        self.known = known
        self.plan: RoutingDecision = UNROUTED
        self.course = Timings(wall_s)
        self.variant = BASELINE
        self.status = 0
        self.reply: Reply | None = None
        self.request_kept = BodyCopy(0 if request.preamble.upgrade else known.kept_bytes)
        self.answer_kept = _NO_ANSWER
        self.destination: Destination = self.serving.default
        """Whom the baseline is asked of."""
        self.is_whole = False
        """The request is whole."""
        self.captured = captured
        """It goes into the journal."""
        self.opened = 0
        """The journal has it as it began (1), or with its answer's head (2)."""
        self.done = False

    @property
    def path(self) -> str:
        """The request's path, with our base in front."""
        return self.known.path

    @property
    def overhead_s(self) -> float:
        """Time from the request's first byte until an upstream was asked; 0: none was."""
        return self.course.started_s or 0.0

    def unfit(self, reason: str) -> None:
        """What only a look into the conversation shows: the candidate may not be asked this."""
        self.course.why, self.course.why_reason = "ineligible", reason

    def since_s(self) -> float:
        """Its age."""
        return self.worker.now() - self.request.arrived_s

    def baseline_attempt(self, error: str | None, since_s: float, *, reused: bool) -> Attempt:
        """What asking the baseline came to so far."""
        course = self.course
        return Attempt(
            variant=self.variant,
            upstream=self.destination.name,
            status=self.status or None,
            error=error,
            started_s=course.asked_s,
            head_s=course.head_s,
            first_byte_s=course.first_byte_s,
            ended_s=since_s,
            reused=reused,
        )

    def keep_part(self) -> None:
        """Put what there is so far into the journal: it then survives this process. Not a request that is not whole."""
        if not self.captured or self.done or not self.is_whole or self.request.upgrade:
            return
        answer = self.answer_kept.take_part()
        come = 1 if self.reply is None else 2
        if self.opened < come:
            self.opened = come
            row = self._meta("lost_worker", self.since_s())
            self.worker.journal.open(row, self.request_kept.take_part(), answer)
        elif answer:
            self.worker.journal.part(self.id_bytes, answer)

    def keep(self, outcome: Outcome, since_s: float) -> None:
        """Put it into the journal, as it ended."""
        if not self.captured:
            return
        row = self._meta(outcome, since_s)
        if self.opened:
            self.worker.journal.close_exchange(row, self.answer_kept.take())
        else:
            self.worker.keep(row, self.request_kept.take(), self.answer_kept.take())

    def _meta(self, outcome: Outcome, since_s: float) -> Meta:
        return meta(self, outcome, worker=self.worker.name, table_version=self.serving.table.version, since_s=since_s)


def meta(life: ExchangeState, outcome: Outcome, *, worker: str, table_version: int, since_s: float) -> Meta:
    """The row of `life` in the journal. `since_s`: its age now."""
    request, plan, course = life.request, life.plan, life.course
    known = life.known
    route, key = plan.route, known.caller.key
    # By place, not by name: at forty fields the names cost more than all else here. In the order of `Meta`.
    return Meta(
        life.id, worker, course.wall_s,
        known.method, known.target, known.told_head(request.preamble, request.content_length),
        known.caller.id, key.name if key is not None else "",
        route.name if route is not None else "", life.variant, course.why, course.why_reason,
        course.attempts[-1].upstream if course.attempts else life.destination.name,
        plan.model, plan.unit, route.weight_ppm if route is not None else 0, table_version,
        known.no_train, course.why == "pinned", known.retry_count,
        life.status, _shown(life.reply), outcome, course.attempts,
        course.started_s if course.started_s is not None else since_s, course.first_byte_s, since_s,
        life.request_kept.size, life.request_kept.sha256(), life.answer_kept.size, life.answer_kept.sha256(),
        course.chunk_ends, course.chunk_times_us,
        (route.candidate.revision or "") if route is not None and route.candidate is not None else "", course.usage,
    )  # fmt: skip


def _shown(reply: Reply | None) -> bytes:
    if reply is None:
        return b""
    return reply.changed(_HIDDEN_ANSWER, {}) if reply.has(b"set-cookie") else reply.lines
