"""Makes the evidence event of an exchange and its comparisons. Pure.

Rules:
1. Intention to treat: an exchange is the variant's it was assigned to, whoever answered it. A candidate that failed
   before its first byte (a fallback), or that its breaker kept from being asked, is a pair by itself: the candidate
   failed, the baseline did what it did. Whoever was asked is charged: an error of our own (a deadline, a 504) and an
   app that gave up waiting are the candidate's failures where the candidate was asked.
2. Times are what the app felt, on the gateway's clock: for the candidate's exchanges the wait before a fallback too. A
   background answer's times stand beside them where the shadow was not too busy to take them.
3. An upstream is at fault for 5xx, 408, 409, 425, 429, an answer that broke, and none at all. Other 4xx are the app's
   own mistake: such exchanges are no evidence (`lots.speaks`).
4. `failed` and `timed_out` are the candidate's errors, `dropped` its loss. `skipped` makes it an exchange that was not
   drawn. What was drawn and never came, or was too old when the shadow read it (`BEHIND`), is counted as lost: it
   blocks advancing, and is nobody's fault.
5. An app that hung up on an answer that nobody failed is evidence of how long it waited or read, and of how often apps
   hang up on whom. How the answer would have gone on, nobody knows.
6. What becomes of the baseline asked in the background (reverse shadow) is never held against the candidate; what is
   lost of it blocks advancing as well.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import msgspec

from policies.events import AlsoScored, Output, PairEvent
from policies.failure_words import TOO_SLOW
from policies.liveness import AssignedOutcome, ServiceReport
from policies.terms import Owner
from records.comparison import Asked, Comparison
from records.exchange import Meta
from shadow.ports import NO_SOCKET
from shadow.sampling import asked_candidate, is_assigned, is_candidates, is_told, left, speaks

BEHIND = "behind"
"""Why a call is dropped that was too old when the shadow read its exchange."""


def event_of(meta: Meta) -> PairEvent | None:
    """What the exchange says by itself; None: it is no evidence."""
    if found := left(meta):
        return _left(meta, found)
    if not speaks(meta):
        return None
    failed = meta.outcome != "complete" or meta.status >= 400
    event = PairEvent(meta.unit, meta.arrived_at, meta.id, stays=meta.why == "slice")
    if not is_candidates(meta):
        return replace(
            event, error_baseline=failed,
            ttft_baseline_s=None if failed else meta.first_byte_s, total_baseline_s=None if failed else meta.total_s,
        )  # fmt: skip
    event = replace(event, owner=Owner.CANDIDATE)
    answered_after = None if meta.outcome == "app_gone" else failed  # the app did not stay for the baseline's answer
    if meta.why == "breaker":
        return replace(event, error_candidate=True, error_baseline=answered_after)
    if meta.why != "fallback" and meta.variant != "candidate" and asked_candidate(meta) is None:
        return replace(event, error_baseline=failed, busy=meta.why == "busy")  # else it was not to be asked
    felt = replace(
        event,
        ttft_candidate_s=None if failed else meta.first_byte_s,
        total_candidate_s=None if failed else meta.total_s,
    )
    if meta.why == "fallback":
        return replace(felt, error_candidate=True, error_baseline=answered_after)
    return replace(felt, error_candidate=failed)


def _left(meta: Meta, when: Literal["waiting", "reading"]) -> PairEvent | None:
    """What an exchange says that the app hung up on; None: the candidate's, and it was not asked."""
    first_s = meta.total_s if meta.first_byte_s is None else meta.first_byte_s
    event = PairEvent(meta.unit, meta.arrived_at, meta.id, stays=meta.why == "slice", left=when)
    if not is_candidates(meta):
        return replace(event, ttft_baseline_s=first_s, total_baseline_s=meta.total_s)
    if meta.variant != "candidate" and asked_candidate(meta) is None:
        return None
    return replace(event, owner=Owner.CANDIDATE, ttft_candidate_s=first_s, total_candidate_s=meta.total_s)


def service_of(meta: Meta) -> ServiceReport | None:
    """Who served the exchange, and how fast; None: nobody assigned it. Repeats count here: each waits anew."""
    if not is_assigned(meta):
        return None
    service, word = _service(meta) if is_candidates(meta) else (None, "")
    owner = Owner.CANDIDATE if is_candidates(meta) else Owner.BASELINE
    told = ServiceReport(meta.arrived_at + meta.total_s, owner, service, word, waited_s=meta.total_s)
    if service is AssignedOutcome.ANSWERED and (asked := asked_candidate(meta)) is not None and asked.is_empty:
        told = msgspec.structs.replace(told, is_empty=True)
    if meta.variant == "candidate" or (asked_candidate(meta) is not None and meta.why != "fallback"):
        return told
    if not is_told(meta) or meta.outcome == "app_gone":
        return told
    failed = meta.outcome != "complete" or meta.status >= 400
    told = msgspec.structs.replace(told, is_failed_baseline=failed)
    if failed or meta.why == "fallback" or meta.first_byte_s is None:
        return told
    is_stream = b"text/event-stream" in meta.response_head.lower()
    return msgspec.structs.replace(
        told, first_s=meta.first_byte_s, total_s=meta.total_s, is_stream=is_stream, sent_bytes=meta.response_bytes
    )


def _service(meta: Meta) -> tuple[AssignedOutcome | None, str]:
    """What the candidate did with a request of its own, and how it failed."""
    if meta.why == "breaker":
        return AssignedOutcome.FAILED, "breaker"
    if meta.why == "busy" and meta.reason == NO_SOCKET:
        return None, ""  # nothing of ours was left to ask with: it says nothing of whom
    if meta.why == "busy":
        return AssignedOutcome.BUSY, meta.reason or "busy"
    if meta.why == "fallback":
        return AssignedOutcome.FAILED, meta.reason
    asked = asked_candidate(meta)
    if meta.variant != "candidate" and asked is None:
        return None, ""  # killed, out of its lease, a key that nobody knows: nobody wanted it asked
    error = (asked.error if asked is not None else None) or meta.outcome
    if not is_told(meta):
        if meta.outcome != "app_gone":
            return None, ""
        return (AssignedOutcome.ANSWERED, "") if meta.first_byte_s is not None else (AssignedOutcome.LEFT, "app_gone")
    if meta.outcome == "complete" and meta.status < 400 and error != TOO_SLOW:
        return AssignedOutcome.ANSWERED, ""
    return AssignedOutcome.FAILED, error


def joined(
    alone: PairEvent, asked: Sequence[Asked], found: Mapping[Asked, Comparison], candidate_key: str
) -> tuple[PairEvent, ...]:
    """What the exchange says with what was drawn beside it; a hidden control comes as an event of its own."""
    ours = {name: row for name, row in found.items() if row.candidate_key == candidate_key}
    event = alone
    for name in asked:
        row = ours.get(name)
        if name == "candidate":
            event = _mirrored(event, row, is_known=name in found)
        elif name == "baseline":
            event = _reversed(event, row, is_known=name in found)
    if "baseline_again" in asked:
        event = _asked_again(event, ours)
    controls = [
        replace(PairEvent(alone.unit, alone.at, f"{alone.id}:control:{row.asked}"), control=row.control)
        for row in ours.values()
        if row.control is not None
    ]
    return (event, *controls)


def _asked_again(event: PairEvent, ours: Mapping[str, Comparison]) -> PairEvent:
    """The baseline was drawn to be asked a second time: how alike all three answers are.

    What was asked last knows how alike both background answers are. Whoever says "skipped" was drawn for nothing.
    """
    again = ours.get("baseline_again")
    if again is not None and again.came == "skipped":
        return event
    first = ours.get("baseline" if event.owner is Owner.CANDIDATE else "candidate")
    likenesses = [row.agree_other for row in (first, again) if row is not None]
    between = next((_number(each) for each in likenesses if each is not None), None)
    served = None if again is None else _number(again.agree)  # to the answer that the app got
    floor, cross = (between, served) if event.owner is Owner.CANDIDATE else (served, between)
    cost = None if again is None else _number(again.cost_usd)
    return replace(event, again=True, agree_again=floor, agree_cross=cross, cost_again_usd=cost)


def _mirrored(alone: PairEvent, row: Comparison | None, *, is_known: bool) -> PairEvent:
    """The baseline's exchange, and the candidate asked the same."""
    if row is None:  # never heard of, or about another candidate
        return alone if is_known else replace(alone, dropped=True)
    match row.came:
        case "skipped":
            return replace(alone, skipped=row.reason)
        case "dropped" if row.reason == BEHIND:
            return replace(alone, dropped=True)
        case "dropped":
            return replace(alone, error_candidate=False, dropped=True, unasked=True)
        case "failed" | "timed_out":
            return replace(alone, error_candidate=True)
        case "answered":
            first_s, total_s = _times(row)
            return replace(
                _scored(alone, row), error_candidate=False, ttft_candidate_s=first_s, total_candidate_s=total_s,
                cost_candidate_usd=_number(row.cost_usd), cost_baseline_usd=_number(row.cost_served_usd),
            )  # fmt: skip


def _reversed(alone: PairEvent, row: Comparison | None, *, is_known: bool) -> PairEvent:
    """The candidate's exchange, and the baseline asked the same."""
    if row is None:
        return alone if is_known else replace(alone, dropped=True)
    if row.came in ("failed", "timed_out"):
        return replace(alone, error_baseline=True)
    if row.came == "skipped":
        return replace(alone, skipped=row.reason)
    if row.came == "dropped":
        return replace(alone, dropped=True)
    first_s, total_s = _times(row)
    return replace(
        _scored(alone, row), error_baseline=False, ttft_baseline_s=first_s, total_baseline_s=total_s,
        cost_candidate_usd=_number(row.cost_served_usd), cost_baseline_usd=_number(row.cost_usd),
    )  # fmt: skip


def _scored(alone: PairEvent, row: Comparison) -> PairEvent:
    return replace(
        alone, q=_number(row.q), p_sample=row.p_sample, abstained=row.abstained, agree=_number(row.agree),
        valid_candidate=row.valid_candidate, valid_baseline=row.valid_baseline,
        output_candidate=_output(row.output_candidate_json), output_baseline=_output(row.output_baseline_json),
        also=_also(row.also_json),
    )  # fmt: skip


def _times(row: Comparison) -> tuple[float | None, float | None]:
    """First and last byte of the background answer, in seconds; an answer in one piece has them at once."""
    if row.timing_void:
        return None, None
    first, total = _number(row.first_byte_ms), _number(row.total_ms)
    first = total if first is None else first
    return None if first is None else first / 1000, None if total is None else total / 1000


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _also(data: str) -> tuple[AlsoScored, ...]:
    try:
        return msgspec.json.decode(data, type=tuple[AlsoScored, ...]) if data else ()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ()  # no verdict came: it is missing, and counts as that


def _output(data: str) -> Output | None:
    try:
        return msgspec.json.decode(data, type=Output) if data else None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
