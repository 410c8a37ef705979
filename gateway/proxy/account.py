"""What is noted of an exchange while it happens, and the journal's row made of it."""

from typing import Protocol

import msgspec

from gateway.proxy.admit import Plan
from gateway.proxy.kept import Kept
from gateway.proxy.known import Known
from gateway.transport.message import Request
from gateway.transport.sending import Reply
from gateway.upstreams import Destination
from records.exchange import Attempt, Meta, Outcome, Why

_HIDDEN_ANSWER = (b"set-cookie",)


MOST_CHUNKS = 65_536
"""Writes of one answer that are noted one by one; of those after them only the last."""


class Course(msgspec.Struct, eq=False):
    """Times, attempts and sizes of one exchange. Times are seconds since the request's first byte."""

    wall_s: float
    why: Why = "unrouted"
    why_reason: str = ""
    started_s: float | None = None
    head_s: float | None = None
    first_byte_s: float | None = None
    attempts: list[Attempt] = []
    chunk_ends: list[int] = []
    chunk_times_us: list[int] = []
    usage: bytes = b""

    def note_chunk(self, size: int, since_s: float) -> None:
        """Answer bytes up to `size` went to the app."""
        if self.first_byte_s is None:
            self.first_byte_s = since_s
        if len(self.chunk_ends) >= MOST_CHUNKS:
            self.chunk_ends.pop()
            self.chunk_times_us.pop()
        self.chunk_ends.append(size)
        self.chunk_times_us.append(int(since_s * 1_000_000))


class Told(Protocol):
    """A life, as far as its account goes."""

    id: str
    request: Request
    known: Known
    plan: Plan
    course: Course
    variant: str
    status: int
    reply: Reply | None
    request_kept: Kept
    answer_kept: Kept
    destination: Destination


def meta(life: Told, outcome: Outcome, *, worker: str, table_version: int, since_s: float) -> Meta:
    """The row of `life` in the journal. `since_s`: its age now."""
    request, plan, course = life.request, life.plan, life.course
    known = life.known
    route, key = plan.route, known.caller.key
    return Meta(
        id=life.id,
        worker=worker,
        arrived_at=course.wall_s,
        method=known.method,
        target=known.target,
        request_head=known.told_head(request.preamble, request.content_length),
        key_id=known.caller.id,
        key_name=key.name if key is not None else "",
        route=route.name if route is not None else "",
        variant=life.variant,
        why=course.why,
        reason=course.why_reason,
        upstream=course.attempts[-1].upstream if course.attempts else life.destination.name,
        model=plan.model,
        unit=plan.unit,
        weight_ppm=route.weight_ppm if route is not None else 0,
        table_version=table_version,
        no_train=known.no_train,
        pinned=course.why == "pinned",
        retry_count=known.retry_count,
        status=life.status,
        response_head=_shown(life.reply),
        outcome=outcome,
        attempts=course.attempts,
        overhead_s=course.started_s if course.started_s is not None else since_s,
        first_byte_s=course.first_byte_s,
        total_s=since_s,
        request_bytes=life.request_kept.size,
        request_sha256=life.request_kept.sha256(),
        response_bytes=life.answer_kept.size,
        response_sha256=life.answer_kept.sha256(),
        chunk_ends=course.chunk_ends,
        chunk_times_us=course.chunk_times_us,
        usage=course.usage,
        table_revision=(route.candidate.revision or "") if route is not None and route.candidate is not None else "",
    )


def _shown(reply: Reply | None) -> bytes:
    if reply is None:
        return b""
    return reply.changed(_HIDDEN_ANSWER, {}) if reply.has(b"set-cookie") else reply.lines
