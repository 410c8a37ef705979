"""Makes a record of an exchange: reads, redacts, assembles and prices it."""

import hashlib
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from records.content_coding import decoded
from records.exchange import Attempt, Exchange, FeedbackFrame, Meta
from records.pricing import AnswerCost, PriceBook, PricedCall
from records.record import Record, Vote
from records.redact import VERSION, Redaction, Redactor
from records.request_facts import Question, read_question, text_bytes
from records.stream_pieces import whole_answer, whole_lines, without_spelt
from records.trace_context import read_traceparent
from records.wire import assemble, json_reader, usage
from records.wire.assemble import Answer, Surface
from records.wire.json_reader import UnreadableError
from records.wire.usage import Usage

PPM = 1_000_000


_STREAM = "text/event-stream"
_MEDIA = ("audio/", "image/", "video/", "multipart/", "application/octet-stream", "application/pdf", "application/zip")
"""Content types whose bytes are nobody's words: not kept, unless they are text after all."""


@dataclass(frozen=True, slots=True)
class ExchangeReading:
    """What was read of an exchange: decoded once, for the record and for whoever compares."""

    surface: Surface
    asked: Mapping[str, str]
    """The request's headers, by lower-case name."""
    told: Mapping[str, str]
    """The answer's."""
    raw: bytes | None
    """The request's body without its content coding; None: that cannot be undone."""
    question: Question
    answer: Answer | None
    """None: there is none to read."""

    @property
    def odd(self) -> Mapping[str, int]:
        """What was not read as it should stand there, by kind (`json_reader.Oddity`)."""
        of_answer: Mapping[str, int] = self.answer.odd if self.answer is not None else {}
        if not self.question.odd and self.raw is not None:
            return of_answer
        found = Counter(self.question.odd)
        found.update(of_answer)
        found.update({"coding": 1} if self.raw is None else {})
        return found

    @property
    def is_streamed(self) -> bool:
        """Whether the answer came as events."""
        return _is_stream(self.told)


@dataclass(frozen=True, slots=True)
class RoutePrices:
    """Whose prices a route's answers have. Model None: what the app asked for."""

    baseline_upstream: str
    baseline_model: str | None = None
    candidate_model: str | None = None
    candidate_upstream: str = ""


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

    def read(self, exchange: Exchange) -> ExchangeReading:
        """What can be read of the exchange. Never raises."""
        meta = exchange.meta
        surface = assemble.surface_of(meta.target.partition("?")[0])
        asked, told = _headers(meta.request_head), _headers(meta.response_head)
        raw = decoded(exchange.request_body, asked.get("content-encoding", ""))
        question = read_question(surface, raw, meta.key_id, self.pepper) if raw else Question(None)
        return ExchangeReading(surface, asked, told, raw, question, _read_answer(surface, exchange.response_body, told))

    def record(
        self, exchange: Exchange, redaction: Redaction | None = None, reading: ExchangeReading | None = None
    ) -> Record:
        """The row of `exchange`. What else is redacted with the same `redaction` gets the same placeholders."""
        meta = exchange.meta
        reading = reading or self.read(exchange)
        question, answer = reading.question, reading.answer
        redaction = redaction or self.redactor.begin()
        kept = self._is_sampled(meta.id)
        request_json = _request_text(reading, redaction) if kept else None
        response_json = _answer_text(answer, reading.told, redaction) if kept and answer is not None else None
        used = _usage(meta, reading.surface, question, answer)
        answer = answer or Answer(body=b"", ended=False)
        return Record(
            **_identity(meta, reading.surface, question, answer),
            **_outcome(meta, answer, streamed=reading.is_streamed),
            **self._money(meta, used, question, answer),
            **_timing(meta, used, streamed=reading.is_streamed),
            **self._consent(meta, question),
            request_json=request_json,
            response_json=response_json,
            request_sha256=meta.request_sha256 or hashlib.sha256(exchange.request_body).hexdigest(),
            response_sha256=meta.response_sha256 or hashlib.sha256(exchange.response_body).hexdigest(),
            redaction_version=VERSION,
            redactions_json=msgspec.json.encode(dict(redaction.counts)).decode(),
            user_agent=redaction.text(reading.asked.get("user-agent", "")),
            trace_id=_trace_id(reading.asked.get("traceparent", "")),
            upstream_request_id=reading.told.get("x-request-id", ""),
        )

    def vote(self, feedback: FeedbackFrame) -> Vote | None:
        """The row of `feedback`; None: it is none."""
        try:
            said = msgspec.json.decode(feedback.body, type=_FeedbackFields)
            corrected = json_reader.read(bytes(said.corrected_output)) if bytes(said.corrected_output) else None
        except (msgspec.MsgspecError, UnicodeError, UnreadableError, RecursionError):
            return None
        redaction = self.redactor.begin()
        return Vote(
            exchange_id=feedback.request_id,
            said_us=int(feedback.at * 1_000_000),
            key_id=feedback.key_id,
            score=said.score,
            label=None if said.label is None else redaction.text(said.label),
            comment=None if said.comment is None else redaction.text(said.comment),
            corrected_output_json=None if corrected is None else _encoded(redaction.value(corrected)),
        )

    def upstream_asked(self, route: str, *, of_candidate: bool) -> str:
        """Whom the shadow asks for a route; empty: nobody knows the route."""
        prices = self.route_prices.get(route)
        if prices is None:
            return ""
        return prices.candidate_upstream if of_candidate else prices.baseline_upstream

    def _is_sampled(self, exchange_id: str) -> bool:
        if self.sample_ppm >= PPM:
            return True
        digest = hashlib.blake2b(exchange_id.encode(), digest_size=8, key=b"sample").digest()
        return int.from_bytes(digest, "big") % PPM < self.sample_ppm

    def _consent(self, meta: Meta, question: Question) -> dict[str, Any]:
        source = "header" if meta.no_train else "store_false" if question.store_false and self.honor_store_false else ""
        return {"consent": "none" if source else "train", "consent_source": source}

    def _money(self, meta: Meta, used: Usage | None, question: Question, answer: Answer) -> dict[str, Any]:
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
        cost, counterfactual = self._costs(meta, used, question, answer)
        priced = cost or counterfactual
        return tokens | {
            "cost_usd": cost and cost.usd,
            "counterfactual_cost_usd": counterfactual and counterfactual.usd,
            "price_version": priced.price_version if priced else "",
        }

    def _costs(
        self, meta: Meta, used: Usage, question: Question, answer: Answer
    ) -> tuple[AnswerCost | None, AnswerCost | None]:
        """What the answer cost, and what the baseline's would have.

        An answer is billed by the model and the tier that it names itself; what was asked counts where it names none.
        What a candidate's answer names is what the app asked for: it says nothing of the candidate.
        """
        prices = self.route_prices.get(meta.route) or self.route_prices.get("")
        model, tier = meta.model or question.model, question.service_tier
        baseline_model = (prices and prices.baseline_model) or model
        baseline_upstream = prices.baseline_upstream if prices else ""
        if meta.variant == "candidate":
            candidate_model = (prices and prices.candidate_model) or model
            other = PricedCall(baseline_upstream, baseline_model, meta.arrived_at, tier)
            own = PricedCall(meta.upstream, candidate_model, meta.arrived_at)
            return self.prices.cost(own, used), self.prices.cost(other, used)
        served = answer.service_tier or tier
        other = PricedCall(baseline_upstream, baseline_model, meta.arrived_at, served, answer.model)
        counterfactual = self.prices.cost(other, used)
        if meta.upstream == baseline_upstream:
            return counterfactual, counterfactual
        own = PricedCall(meta.upstream, model, meta.arrived_at, served, answer.model)
        return self.prices.cost(own, used), counterfactual


def bare(meta: Meta) -> Record:
    """A row of what stands beside the bodies: for an exchange whose bodies cannot be read."""
    maker = RecordMaker(b"-", Redactor(frozenset()), PriceBook({}), {})
    return maker.record(Exchange(msgspec.structs.replace(meta, request_head=b"", response_head=b""), b"", b""))


def redacted(body: bytes, redaction: Redaction) -> str | None:
    """The text of a JSON answer as a record has it; None: it is no JSON."""
    return _answer_text(Answer(body=body, ended=True), {}, redaction)


class _FeedbackFields(msgspec.Struct):
    score: float | None = None
    label: str | None = None
    comment: str | None = None
    corrected_output: msgspec.Raw = msgspec.Raw()


def _headers(head: bytes) -> dict[str, str]:
    """Last value by lower-case name, of header lines as the journal keeps them."""
    lines = [line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:]]
    return {name.lower(): value.strip(" \t") for name, _, value in lines}


def _trace_id(traceparent: str) -> str:
    found = read_traceparent(traceparent)
    return found.trace_id if found is not None else ""


def _is_stream(told: Mapping[str, str]) -> bool:
    return _STREAM in told.get("content-type", "").lower()


def _read_answer(surface: Surface, body: bytes, told: Mapping[str, str]) -> Answer | None:
    """The answer, from a decoded copy of its bytes; None: there is none to read."""
    if not body:
        return None
    plain = decoded(body, told.get("content-encoding", ""))
    if plain is None:
        return Answer(body=b"", ended=False, odd={"coding": 1})
    return assemble.read_stream(surface, plain) if _is_stream(told) else assemble.read_body(surface, plain)


def _request_text(reading: ExchangeReading, redaction: Redaction) -> str | None:
    question, raw = reading.question, reading.raw
    if not raw:
        return None
    if question.fields is None:
        return _other_text(raw, reading.asked.get("content-type", ""), redaction)
    fields: Any = question.fields
    if question.user_id:
        hidden = f"[USER_{question.user_id}]"
        fields = fields | {name: hidden for name in ("user", "safety_identifier") if fields.get(name)}
    try:
        if question.odd or fields is not question.fields:
            return _encoded(redaction.value(fields))
        return redaction.body(fields, raw)
    except RecursionError:
        return _other_text(raw, reading.asked.get("content-type", ""), redaction)


def _answer_text(answer: Answer, told: Mapping[str, str], redaction: Redaction) -> str | None:
    if not answer.body:
        return None
    try:
        found: Any = json_reader.read(answer.body) if answer.fields is None else answer.fields
        kept = without_spelt(found, redaction)
        if answer.fields is None and isinstance(kept, dict) and "events" in kept:  # of another API, as they came
            kept = whole_answer(cast(dict[str, Any], kept), redaction)
        return _encoded(redaction.value(kept)) if answer.odd or kept is not found else redaction.body(kept, answer.body)
    except (UnreadableError, RecursionError):
        kind = told.get("content-type", "")
        if not kind.startswith("text/") and "json" not in kind:
            return None
        return _other_text(whole_lines(answer.body, redaction), kind, redaction)


def _other_text(raw: bytes, kind: str, redaction: Redaction) -> str | None:
    """A body that is no JSON: its text as a JSON string, its bytes as base64 where they are none; None: it is media.

    Both are redacted: of bytes that are no text, what can be read of them.
    """
    if json_reader.is_text(raw):
        return _encoded(redaction.text(raw.decode()))
    if kind.startswith(_MEDIA):
        return None
    fresh = redaction.text(raw.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    return _encoded({"base64": b64encode(fresh).decode()})


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
        said = text_bytes(json_reader.read(answer.body) if answer.fields is None else answer.fields)
    except (UnreadableError, RecursionError):
        return None
    return usage.estimate(question.text_bytes, said)


def _identity(meta: Meta, surface: Surface, question: Question, answer: Answer) -> dict[str, Any]:
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
        "path": meta.target.partition("?")[0],
        "model_requested": meta.model or question.model,
        "previous_response_id": question.previous_response_id,
        "service_tier": answer.service_tier or question.service_tier,
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
