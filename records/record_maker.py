"""Makes a record of an exchange: reads, redacts, assembles and prices it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from records.content_coding import decoded
from records.exchange import Attempt, Exchange, FeedbackFrame, Meta
from records.pricing import AnswerCost, PriceBook, PricedCall
from records.record import Record, Vote
from records.redact import VERSION, Redaction, Redactor
from records.request_facts import Question, read_question, text_bytes
from records.wire import assemble, usage
from records.wire.assemble import Answer, Surface
from records.wire.usage import Usage

PPM = 1_000_000


_STREAM = "text/event-stream"


@dataclass(frozen=True, slots=True)
class RoutePrices:
    """Whose prices a route's answers have. Model None: what the app asked for."""

    baseline_upstream: str
    baseline_model: str | None = None
    candidate_model: str | None = None


@dataclass(frozen=True, slots=True)
class RecordMaker:
    """Makes rows out of exchanges, one at a time."""

    pepper: bytes
    redactor: Redactor
    prices: PriceBook
    route_prices: Mapping[str, RoutePrices]
    """By route; "" is the default upstream's."""
    sample_ppm: int = PPM
    honor_store_false: bool = True

    def record(self, exchange: Exchange, redaction: Redaction | None = None) -> Record:
        """The row of `exchange`. What else is redacted with the same `redaction` gets the same placeholders."""
        meta = exchange.meta
        path = meta.target.partition("?")[0]
        surface = assemble.surface_of(path)
        headers, told = _headers(meta.request_headers), _headers(meta.response_headers)
        raw = decoded(exchange.request_body, headers.get("content-encoding", ""))
        question = read_question(surface, raw or b"", meta.key_id, self.pepper)
        answer = _read_answer(surface, exchange.response_body, told)
        redaction = redaction or self.redactor.begin()
        kept = self._is_sampled(meta.id)
        request_json = _request_text(question, raw, redaction) if kept and raw else None
        response_json = _answer_text(answer, told, redaction) if kept and answer is not None else None
        used = _usage(meta, surface, question, answer)
        answer = answer or Answer(body=b"", ended=False)
        return Record(
            **_identity(meta, path, surface, question),
            **_outcome(meta, answer, streamed=_STREAM in told.get("content-type", "")),
            **self._money(meta, used, question),
            **_timing(meta, used, streamed=_STREAM in told.get("content-type", "")),
            **self._consent(meta, question),
            request_json=request_json,
            response_json=response_json,
            request_sha256=meta.request_sha256 or hashlib.sha256(exchange.request_body).hexdigest(),
            response_sha256=meta.response_sha256 or hashlib.sha256(exchange.response_body).hexdigest(),
            redaction_version=VERSION,
            redactions_json=msgspec.json.encode(dict(redaction.counts)).decode(),
            user_agent=redaction.text(headers.get("user-agent", "")),
            trace_id=_trace_id(headers.get("traceparent", "")),
            upstream_request_id=told.get("x-request-id", ""),
        )

    def vote(self, feedback: FeedbackFrame) -> Vote | None:
        """The row of `feedback`; None: it is none."""
        try:
            said = msgspec.json.decode(feedback.body, type=_FeedbackFields)
            corrected = msgspec.json.decode(said.corrected_output) if bytes(said.corrected_output) else None
        except (msgspec.MsgspecError, RecursionError):
            return None
        redaction = self.redactor.begin()
        return Vote(
            exchange_id=feedback.request_id,
            said_us=int(feedback.at * 1_000_000),
            key_id=feedback.key_id,
            score=said.score,
            label=said.label,
            comment=None if said.comment is None else redaction.text(said.comment),
            corrected_output_json=None if corrected is None else _encoded(redaction.value(corrected)),
        )

    def _is_sampled(self, exchange_id: str) -> bool:
        if self.sample_ppm >= PPM:
            return True
        digest = hashlib.blake2b(exchange_id.encode(), digest_size=8, key=b"sample").digest()
        return int.from_bytes(digest, "big") % PPM < self.sample_ppm

    def _consent(self, meta: Meta, question: Question) -> dict[str, Any]:
        source = "header" if meta.no_train else "store_false" if question.store_false and self.honor_store_false else ""
        return {"consent": "none" if source else "train", "consent_source": source}

    def _money(self, meta: Meta, used: Usage | None, question: Question) -> dict[str, Any]:
        tokens: dict[str, Any] = {
            "prompt_tokens": used and used.prompt_tokens,
            "cached_tokens": used and used.cached_tokens,
            "cache_write_tokens": used and used.cache_write_tokens,
            "completion_tokens": used and used.completion_tokens,
            "reasoning_tokens": used and used.reasoning_tokens,
            "usage_source": used.source if used is not None else "",
        }
        if used is None:
            return tokens | {"cost_usd": None, "counterfactual_cost_usd": None, "price_version": ""}
        cost, counterfactual = self._costs(meta, used, question)
        priced = cost or counterfactual
        return tokens | {
            "cost_usd": cost and cost.usd,
            "counterfactual_cost_usd": counterfactual and counterfactual.usd,
            "price_version": priced.price_version if priced else "",
        }

    def _costs(self, meta: Meta, used: Usage, question: Question) -> tuple[AnswerCost | None, AnswerCost | None]:
        """What the answer cost, and what the baseline's would have."""
        prices = self.route_prices.get(meta.route) or self.route_prices.get("")
        model, tier = meta.model or question.model, question.service_tier
        baseline_model = (prices and prices.baseline_model) or model
        baseline_upstream = prices.baseline_upstream if prices else ""
        counterfactual = self.prices.cost(PricedCall(baseline_upstream, baseline_model, meta.arrived_at, tier), used)
        if meta.variant == "candidate":
            candidate_model = (prices and prices.candidate_model) or model
            return self.prices.cost(PricedCall(meta.upstream, candidate_model, meta.arrived_at), used), counterfactual
        if meta.upstream == baseline_upstream:
            return counterfactual, counterfactual
        return self.prices.cost(PricedCall(meta.upstream, model, meta.arrived_at, tier), used), counterfactual


def bare(meta: Meta) -> Record:
    """A row of what stands beside the bodies: for an exchange whose bodies cannot be read."""
    maker = RecordMaker(b"-", Redactor(frozenset()), PriceBook({}), {})
    return maker.record(Exchange(msgspec.structs.replace(meta, request_head=b"", response_head=b""), b"", b""))


def answer_of(exchange: Exchange) -> Answer | None:
    """The answer the app got, from a decoded copy of its bytes; None: there is none to read."""
    meta = exchange.meta
    surface = assemble.surface_of(meta.target.partition("?")[0])
    return _read_answer(surface, exchange.response_body, _headers(meta.response_headers))


def redacted(body: bytes, redaction: Redaction) -> str | None:
    """The text of a JSON answer as a record has it; None: it is no JSON."""
    return _answer_text(Answer(body=body, ended=True), {}, redaction)


class _FeedbackFields(msgspec.Struct):
    score: float | None = None
    label: str | None = None
    comment: str | None = None
    corrected_output: msgspec.Raw = msgspec.Raw()


def _headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Last value by lower-case name."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}


def _trace_id(traceparent: str) -> str:
    parts = traceparent.split("-")
    return parts[1] if len(parts) >= 4 and len(parts[1]) == 32 and parts[1].isalnum() else ""


def _read_answer(surface: Surface, body: bytes, told: Mapping[str, str]) -> Answer | None:
    """The answer, from a decoded copy of its bytes; None: there is none to read."""
    plain = decoded(body, told.get("content-encoding", "")) if body else None
    if plain is None:
        return None
    if _STREAM in told.get("content-type", ""):
        return assemble.read_stream(surface, plain)
    return assemble.read_body(surface, plain)


def _request_text(question: Question, raw: bytes, redaction: Redaction) -> str | None:
    if question.fields is None:
        return _other_text(raw, redaction)
    fields: Any = question.fields
    if question.user_id:
        hidden = f"[USER_{question.user_id}]"
        fields = fields | {name: hidden for name in ("user", "safety_identifier") if fields.get(name)}
    fresh = redaction.value(fields)
    return raw.decode("utf-8", "replace") if fresh is question.fields else _encoded(fresh)


def _answer_text(answer: Answer, told: Mapping[str, str], redaction: Redaction) -> str | None:
    try:
        found: Any = msgspec.json.decode(answer.body)
        fresh = redaction.value(found)
    except (msgspec.DecodeError, RecursionError):
        kind = told.get("content-type", "")
        return _other_text(answer.body, redaction) if kind.startswith("text/") or "json" in kind else None
    return answer.body.decode() if fresh is found else _encoded(fresh)


def _other_text(raw: bytes, redaction: Redaction) -> str | None:
    """A body that is no JSON, as a JSON string, if it is text."""
    try:
        return _encoded(redaction.text(raw.decode("utf-8")))
    except UnicodeDecodeError:
        return None


def _encoded(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _usage(meta: Meta, surface: Surface, question: Question, answer: Answer | None) -> Usage | None:
    """What was used: as reported, or estimated where an answer was generated and nobody said."""
    found = (answer and answer.usage) or (usage.read(meta.usage) if meta.usage else None)
    if found is not None or answer is None or not 200 <= meta.status < 300:
        return found
    if surface not in ("chat", "completions", "responses"):
        return None
    try:
        said = text_bytes(msgspec.json.decode(answer.body))
    except (msgspec.DecodeError, RecursionError):
        return None
    return usage.estimate(question.text_bytes, said)


def _identity(meta: Meta, path: str, surface: Surface, question: Question) -> dict[str, Any]:
    return {
        "id": meta.id,
        "arrived_us": int(meta.arrived_at * 1_000_000),
        "conversation_id": question.conversation_id,
        "key_id": meta.key_id,
        "key_name": meta.key_name,
        "user_id": question.user_id,
        "route": meta.route,
        "variant": meta.variant,
        "why": meta.why,
        "reason": meta.reason,
        "upstream": meta.upstream,
        "weight_ppm": meta.weight_ppm,
        "table_version": meta.table_version,
        "candidate_revision": meta.table_revision,
        "unit": meta.unit,
        "pinned": meta.pinned,
        "endpoint": surface,
        "method": meta.method,
        "path": path,
        "model_requested": meta.model or question.model,
        "previous_response_id": question.previous_response_id,
        "service_tier": question.service_tier,
        "retry_count": meta.retry_count,
        "request_bytes": meta.request_bytes,
        "response_bytes": meta.response_bytes,
        "prompt_hash": question.prompt_hash,
        "system_hash": question.system_hash,
        "tools_hash": question.tools_hash,
        "schema_hash": question.schema_hash,
        "worker": meta.worker,
    }


def _outcome(meta: Meta, answer: Answer, *, streamed: bool) -> dict[str, Any]:
    return {
        "model_returned": answer.model,
        "response_id": answer.id,
        "system_fingerprint": answer.system_fingerprint,
        "stream": streamed,
        "status": meta.status,
        "outcome": meta.outcome,
        "complete": meta.outcome == "complete" and 200 <= meta.status < 300 and answer.ended,
        "finish_reason": ",".join(answer.finish_reasons),
        "error_type": answer.problem.type if answer.problem else "",
        "error_code": answer.problem.code if answer.problem else "",
        "attempts_json": _encoded([_attempt(attempt) for attempt in meta.attempts]),
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return msgspec.structs.asdict(attempt)


def _timing(meta: Meta, used: Usage | None, *, streamed: bool) -> dict[str, Any]:
    tpot_ms = None
    if streamed and used is not None and used.completion_tokens > 1 and len(meta.chunk_times_us) > 1:
        tpot_ms = (meta.chunk_times_us[-1] - meta.chunk_times_us[0]) / 1000 / (used.completion_tokens - 1)
    return {
        "overhead_ms": meta.overhead_s * 1000,
        "first_byte_ms": None if meta.first_byte_s is None else meta.first_byte_s * 1000,
        "total_ms": meta.total_s * 1000,
        "tpot_ms": tpot_ms,
        "chunk_times_us": _encoded(meta.chunk_times_us) if streamed else None,
    }
