"""What is noted of an exchange while it happens, and the journal's row made of it."""

from typing import Final

from gateway.proxy.admit import RoutingDecision
from gateway.proxy.body_copy import BodyCopy
from gateway.proxy.request_facts import RequestFacts
from gateway.transport.message import RequestHead
from gateway.transport.outgoing import Reply
from gateway.transport.upstreams import Destination
from records.exchange import Attempt, Meta, Outcome, Why

_HIDDEN_ANSWER: Final = (b"set-cookie",)


MOST_CHUNKS: Final = 65_536
"""Writes of one answer that are noted one by one; of those after them only the last."""


class Timings:
    """Times, attempts and sizes of one exchange. Times are seconds since the request's first byte."""

    __slots__ = (
        "attempts", "chunk_ends", "chunk_times_us", "first_byte_s", "head_s", "started_s", "usage", "wall_s", "why",
        "why_reason",
    )  # fmt: skip

    def __init__(self, wall_s: float) -> None:
        self.wall_s = wall_s
        self.why: Why = "unrouted"
        self.why_reason = ""
        self.started_s: float | None = None
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
        "answer_kept", "course", "destination", "id", "known", "plan", "reply", "request", "request_kept", "status",
        "variant",
    )  # fmt: skip

    id: str
    request: RequestHead
    known: RequestFacts
    plan: RoutingDecision
    course: Timings
    variant: str
    status: int
    reply: Reply | None
    request_kept: BodyCopy
    answer_kept: BodyCopy
    destination: Destination


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
