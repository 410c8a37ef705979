"""Spans of what happened: an exchange as a tree in the app's own trace, a shadow's call as a trace of its own. Pure.

    the app's span ── SERVER: the exchange ──┬── CLIENT: each upstream that was asked, the one that answered last
                              ▲ link         └── …
                              └────── CLIENT: what the shadow asked, later, in its own trace

Rules:
1. Ids follow from the exchange's: what is sent again, after a crash or a lost answer, is the same span.
2. A trace goes out whole or not at all. An app that sends a `traceparent` has decided (its sampled flag); of traces
   that begin here a share is drawn by the trace's id. A shadow's trace follows its exchange.
   Source: OpenTelemetry SDK specification, ParentBased(root=TraceIdRatioBased).
3. Tokens, money and what was said stand at the call that answered, once: backends add them up.
4. Names of spans are few: methods, operations and models, never a path with an id in it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import msgspec

from gateway.control.exporter.names import EVALUATION_EVENT, SpanFacts
from gateway.control.exporter.turns import SpokenTurn, answered, conversation
from policies.candidates import route_of
from records.comparison import Comparison
from records.exchange import Attempt
from records.record import Record
from records.record_maker import RoutePrices
from records.trace_context import TraceContext, read_traceparent

PPM = 1_000_000
_S, _MS, _US = 1_000_000_000, 1_000_000, 1_000
_OPERATIONS = {"chat": "chat", "responses": "chat", "completions": "text_completion", "embeddings": "embeddings"}
"""Endpoint -> gen_ai.operation.name."""
_UNKEPT = "chat"
"""What a comparison of an earlier version, which kept no endpoint, is taken for."""
_METHODS = frozenset({"POST", "GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_OURS = frozenset({"upstream_error", "upstream_broken", "lost_worker"})
"""Outcomes that are an error of the gateway's, as the app sees it."""
_CALLED = frozenset({"answered", "failed", "timed_out"})


@dataclass(frozen=True, slots=True)
class UpstreamPlace:
    """An upstream as a span tells of it."""

    provider: str
    host: str = ""
    port: int | None = None


@dataclass(frozen=True, slots=True)
class SpanTerms:
    """What rows do not say of themselves, and whether to tell what was said."""

    upstreams: Mapping[str, UpstreamPlace]
    routes: Mapping[str, RoutePrices]
    """Whose models they are, by route."""
    content: bool = False


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something at one moment of a span."""

    name: str
    at_ns: int
    facts: SpanFacts


@dataclass(frozen=True, slots=True)
class Span:
    """One span, before its attributes get their names."""

    trace_id: str
    span_id: str
    parent_id: str
    """Empty: it has none."""
    kind: Literal["server", "client"]
    name: str
    start_ns: int
    end_ns: int
    facts: SpanFacts
    is_failed: bool = False
    is_parent_remote: bool = False
    links: tuple[tuple[str, str], ...] = ()
    """Trace and span of each."""
    events: tuple[SpanEvent, ...] = field(default=())


def is_exported(exchange_id: str, parent: TraceContext | None, trace_ppm: int) -> bool:
    """Whether an exchange's trace goes out."""
    if parent is not None:
        return parent.is_sampled
    # The lower half of the id, as the SDKs take it: who draws the same share draws the same traces.
    return int(trace_of(exchange_id, parent)[16:], 16) < trace_ppm * 2**64 // PPM


def trace_of(exchange_id: str, parent: TraceContext | None) -> str:
    """The trace that an exchange belongs to."""
    return parent.trace_id if parent is not None else _derived(f"{exchange_id}/trace", 16)


def server_span_of(exchange_id: str) -> str:
    """The span of an exchange as a whole."""
    return _derived(f"{exchange_id}/server", 8)


def _derived(text: str, size_bytes: int) -> str:
    return hashlib.sha256(text.encode()).digest()[:size_bytes].hex()


# An exchange --------------------------------------------------------------------------------------------------------


def exchange_spans(
    row: Record, attempts: Sequence[Attempt], parent: TraceContext | None, terms: SpanTerms
) -> list[Span]:
    """The exchange, and each attempt at an upstream."""
    trace_id, server_id = trace_of(row.id, parent), server_span_of(row.id)
    start_ns, end_ns = row.arrived_us * _US, row.arrived_us * _US + round(row.total_ms * _MS)
    method = row.method if row.method in _METHODS else "_OTHER"
    has_failed = row.outcome in _OURS or row.status >= 500
    spoken = _spoken(row, terms)
    server = Span(
        trace_id,
        server_id,
        parent.span_id if parent is not None else "",
        "server",
        method if row.endpoint == "other" else f"{method} {row.path}",
        start_ns,
        end_ns,
        SpanFacts(
            method=method,
            path=row.path,
            status=row.status or None,
            user_agent=row.user_agent,
            error=_server_error(row) if has_failed else "",
            span_kind="CHAIN" if row.endpoint in _OPERATIONS else "",
            input_text=spoken.input_text,
            output_text=spoken.output_text,
            conversation_id=row.conversation_id,
            user_id=row.user_id,
            request_id=row.id,
            route=row.route,
            variant=row.variant,
            why=row.why,
            reason=row.reason,
            upstream=row.upstream,
            weight=row.weight_ppm / PPM if row.route else None,
            table_version=row.table_version,
            revision=row.candidate_revision,
            outcome=row.outcome,
            is_pinned=row.pinned or None,
            key_name=row.key_name,
            overhead_ms=row.overhead_ms,
        ),
        is_failed=has_failed,
        is_parent_remote=parent is not None,
    )
    answering = _answering(row, attempts)
    calls = [
        _attempt_span(row, number, attempt, terms, spoken if number == answering else None)
        for number, attempt in enumerate(attempts)
    ]
    return [server, *(replace(call, trace_id=trace_id, parent_id=server_id) for call in calls)]


def _server_error(row: Record) -> str:
    return row.outcome if row.outcome in _OURS else str(row.status)


def _answering(row: Record, attempts: Sequence[Attempt]) -> int:
    """Which attempt the app was answered by; -1: none."""
    for number in reversed(range(len(attempts))):
        if attempts[number].variant == row.variant and attempts[number].status is not None:
            return number
    return -1


def _attempt_span(row: Record, number: int, attempt: Attempt, terms: SpanTerms, spoken: SpanFacts | None) -> Span:
    """One try of one upstream. `spoken`: what was asked and said, where the app was answered by it."""
    began_s = attempt.started_s or 0.0
    ended_s = row.total_ms / 1000 if attempt.ended_s is None else attempt.ended_s
    operation, place = _OPERATIONS.get(row.endpoint, ""), terms.upstreams.get(attempt.upstream)
    model = _model_asked(row.route, attempt.variant, terms) or row.model_requested
    error = attempt.error or (str(attempt.status) if (attempt.status or 0) >= 400 else "")
    if spoken is not None and not error and row.outcome == "upstream_broken":
        error = row.outcome
    facts = replace(
        spoken or SpanFacts(),
        method=row.method,
        status=attempt.status,
        server_address=place.host if place is not None else "",
        server_port=place.port if place is not None else None,
        error=error,
        operation=operation,
        span_kind=_kind_of(operation),
        provider=place.provider if place is not None else "",
        request_model=model,
        embedding_model=model if operation == "embeddings" else "",
        conversation_id=row.conversation_id,
        user_id=row.user_id,
        request_id=row.id,
        route=row.route,
        variant=attempt.variant,
        upstream=attempt.upstream,
        revision=row.candidate_revision if attempt.variant == "candidate" else "",
    )
    if row.stream and (first_s := _first_byte_s(row, attempt, is_answer=spoken is not None)) is not None:
        facts = replace(facts, first_chunk_s=max(0.0, first_s - began_s))
    arrived_ns = row.arrived_us * _US
    return Span(
        "",
        _derived(f"{row.id}/attempt/{number}", 8),
        "",
        "client",
        f"{operation} {model}".rstrip() if operation else row.method,
        arrived_ns + round(began_s * _S),
        arrived_ns + round(max(began_s, ended_s) * _S),
        facts,
        is_failed=bool(error),
    )


def _kind_of(operation: str) -> str:
    """OpenInference's word for it."""
    return ("EMBEDDING" if operation == "embeddings" else "LLM") if operation else ""


def _first_byte_s(row: Record, attempt: Attempt, *, is_answer: bool) -> float | None:
    """When a call's first byte came. One that came with the answer's end is noted of the exchange alone."""
    if attempt.first_byte_s is None and is_answer and row.first_byte_ms is not None:
        return row.first_byte_ms / 1000
    return attempt.first_byte_s


def _model_asked(route: str, variant: str, terms: SpanTerms) -> str:
    """The model that a route's variant names; empty: what the app asked for."""
    models = terms.routes.get(route)
    if models is None:
        return ""
    return (models.candidate_model if variant == "candidate" else models.baseline_model) or ""


def _spoken(row: Record, terms: SpanTerms) -> SpanFacts:
    """What was asked and answered: its terms, its tokens, its money, and, where that may be told, its words."""
    # What a candidate's answer names as its model is what the app asked for: it says nothing of the candidate.
    facts = SpanFacts(
        response_model=row.model_returned if row.variant != "candidate" else "",
        response_id=row.response_id,
        finish_reasons=tuple(row.finish_reason.split(",")) if row.finish_reason else (),
        input_tokens=row.prompt_tokens,
        output_tokens=row.completion_tokens,
        total_tokens=_sum(row.prompt_tokens, row.completion_tokens),
        cached_tokens=row.cached_tokens,
        cache_write_tokens=row.cache_write_tokens,
        reasoning_tokens=row.reasoning_tokens,
        usage_source=row.usage_source,
        cost_usd=row.cost_usd,
        counterfactual_cost_usd=row.counterfactual_cost_usd,
        stream=row.stream if row.endpoint in _OPERATIONS else None,
        **_parameters(row),
    )
    if not terms.content or row.consent == "none":
        return facts
    told = conversation(row.endpoint, row.request_json, row.response_json)
    return replace(
        facts,
        system=told.system,
        asked=told.asked,
        said=told.said,
        tools=told.tools,
        input_text=_last_text(told.asked),
        output_text=_last_text(told.said),
    )


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _last_text(turns: Sequence[SpokenTurn]) -> str:
    return next((turn.text for turn in reversed(turns) if turn.text), "")


class _Asked(msgspec.Struct):
    """How an answer was to be made. Values are an app's: any of them may be anything."""

    temperature: Any = None
    top_p: Any = None
    max_tokens: Any = None
    max_completion_tokens: Any = None
    max_output_tokens: Any = None
    seed: Any = None
    n: Any = None
    stop: Any = None
    frequency_penalty: Any = None
    presence_penalty: Any = None


def _parameters(row: Record) -> dict[str, Any]:
    """How the answer was to be made, as far as the request says, and is kept."""
    if row.endpoint not in _OPERATIONS or row.request_json is None:
        return {}
    try:
        asked = msgspec.json.decode(row.request_json, type=_Asked)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    longest = next(
        (each for each in (asked.max_completion_tokens, asked.max_output_tokens, asked.max_tokens) if each is not None),
        None,
    )
    found = {
        "temperature": _number(asked.temperature),
        "top_p": _number(asked.top_p),
        "max_tokens": _count(longest),
        "seed": _count(asked.seed),
        "choice_count": _count(asked.n),
        "frequency_penalty": _number(asked.frequency_penalty),
        "presence_penalty": _number(asked.presence_penalty),
    }
    stated = {name: value for name, value in found.items() if value is not None}
    return stated | {"invocation": msgspec.json.encode(stated).decode() if stated else ""}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None


# A shadow's call ----------------------------------------------------------------------------------------------------


def comparison_spans(row: Comparison, terms: SpanTerms) -> list[Span]:
    """What the shadow asked; nothing where it asked nobody. It ends when it was compared: its own end is not kept."""
    if row.came not in _CALLED:
        return []
    parent = read_traceparent(row.traceparent)
    of_candidate = row.asked == "candidate"
    models = terms.routes.get(row.route)
    upstream = (models.candidate_upstream if of_candidate else models.baseline_upstream) if models is not None else ""
    place, model = terms.upstreams.get(upstream), _model_asked(row.route, row.asked.partition("_")[0], terms)
    end_ns = row.compared_us * _US
    operation = _OPERATIONS.get(row.endpoint or _UNKEPT, "")
    said = answered(row.answer_json) if terms.content else ()
    error = (row.reason or row.came) if row.came != "answered" else ""
    facts = SpanFacts(
        status=row.status or None,
        server_address=place.host if place is not None else "",
        server_port=place.port if place is not None else None,
        error=error,
        operation=operation,
        span_kind=_kind_of(operation),
        provider=place.provider if place is not None else "",
        request_model=model,
        embedding_model=model if operation == "embeddings" else "",
        first_chunk_s=row.first_byte_ms / 1000 if row.first_byte_ms is not None else None,
        input_tokens=row.prompt_tokens,
        output_tokens=row.completion_tokens,
        total_tokens=_sum(row.prompt_tokens, row.completion_tokens),
        cost_usd=row.cost_usd,
        said=said,
        output_text=_last_text(said),
        request_id=row.exchange_id,
        route=row.route,
        variant="candidate" if of_candidate else "baseline",
        upstream=upstream,
        candidate_key=row.candidate_key,
        outcome=row.came,
        is_shadow=True,
        shadow_asked=row.asked,
        agree=row.agree,
    )
    name = f"{row.exchange_id}/shadow/{row.asked}{row.route.removeprefix(route_of(row.route))}"
    scored = SpanEvent(EVALUATION_EVENT, end_ns, SpanFacts(score_name=row.metric, score=row.q))
    return [
        Span(
            _derived(name, 16),
            _derived(f"{name}/call", 8),
            "",
            "client",
            f"{operation} {model}".rstrip() if operation else "POST",
            end_ns - round((row.total_ms or 0.0) * _MS),
            end_ns,
            facts,
            is_failed=bool(error),
            links=((trace_of(row.exchange_id, parent), server_span_of(row.exchange_id)),),
            events=(scored,) if row.metric and row.q is not None else (),
        )
    ]
