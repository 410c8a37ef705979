"""What a span says of itself, and what each convention calls it: one table per convention, field -> attribute.

A name that a convention changes is one line here. Facts that only we have stand under `crossfade.`, never under
another's prefix.
Sources: OpenTelemetry semantic conventions, HTTP spans (1.40) and GenAI spans (semantic-conventions-genai, pinned to
1.44); OpenInference specification, "Semantic conventions" (0.1.42).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import msgspec

from gateway.control.exporter.turns import SpokenTurn, TurnPart

Convention = Literal["gen_ai", "openinference"]
AttributeValue = str | bool | int | float | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanFacts:
    """Everything a span may have as an attribute; None or empty: it has none."""

    # The request as HTTP sees it.
    method: str = ""
    path: str = ""
    status: int | None = None
    server_address: str = ""
    server_port: int | None = None
    user_agent: str = ""
    error: str = ""
    # A call of a model.
    operation: str = ""
    span_kind: str = ""
    """OpenInference's: LLM, EMBEDDING, CHAIN."""
    provider: str = ""
    request_model: str = ""
    embedding_model: str = ""
    response_model: str = ""
    response_id: str = ""
    finish_reasons: tuple[str, ...] = ()
    conversation_id: str = ""
    user_id: str = ""
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    choice_count: int | None = None
    stop_sequences: tuple[str, ...] = ()
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    invocation: str = ""
    """JSON of those."""
    first_chunk_s: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    # What was said: only where the settings say `content: true`.
    system: tuple[SpokenTurn, ...] = ()
    asked: tuple[SpokenTurn, ...] = ()
    said: tuple[SpokenTurn, ...] = ()
    tools: str = ""
    input_text: str = ""
    output_text: str = ""
    # A score of an answer.
    score_name: str = ""
    score: float | None = None
    # What only we know.
    request_id: str = ""
    route: str = ""
    variant: str = ""
    why: str = ""
    reason: str = ""
    upstream: str = ""
    weight: float | None = None
    table_version: int | None = None
    revision: str = ""
    outcome: str = ""
    is_pinned: bool | None = None
    key_name: str = ""
    cost_usd: float | None = None
    counterfactual_cost_usd: float | None = None
    usage_source: str = ""
    overhead_ms: float | None = None
    is_shadow: bool | None = None
    shadow_asked: str = ""
    candidate_key: str = ""
    agree: float | None = None


HTTP: Mapping[str, str] = {
    "method": "http.request.method",
    "path": "url.path",
    "status": "http.response.status_code",
    "server_address": "server.address",
    "server_port": "server.port",
    "user_agent": "user_agent.original",
    "error": "error.type",
}
CROSSFADE: Mapping[str, str] = {
    "request_id": "crossfade.request_id",
    "route": "crossfade.route",
    "variant": "crossfade.variant",
    "why": "crossfade.why",
    "reason": "crossfade.reason",
    "upstream": "crossfade.upstream",
    "weight": "crossfade.weight",
    "table_version": "crossfade.table_version",
    "revision": "crossfade.candidate.revision",
    "candidate_key": "crossfade.candidate.key",
    "outcome": "crossfade.outcome",
    "is_pinned": "crossfade.pinned",
    "key_name": "crossfade.key_name",
    "cost_usd": "crossfade.cost_usd",
    "counterfactual_cost_usd": "crossfade.counterfactual_cost_usd",
    "usage_source": "crossfade.usage_source",
    "overhead_ms": "crossfade.overhead_ms",
    "is_shadow": "crossfade.shadow",
    "shadow_asked": "crossfade.shadow.asked",
    "agree": "crossfade.shadow.agree",
}
GEN_AI: Mapping[str, str] = {
    "operation": "gen_ai.operation.name",
    "provider": "gen_ai.provider.name",
    "request_model": "gen_ai.request.model",
    "response_model": "gen_ai.response.model",
    "response_id": "gen_ai.response.id",
    "finish_reasons": "gen_ai.response.finish_reasons",
    "first_chunk_s": "gen_ai.response.time_to_first_chunk",
    "conversation_id": "gen_ai.conversation.id",
    "stream": "gen_ai.request.stream",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "max_tokens": "gen_ai.request.max_tokens",
    "seed": "gen_ai.request.seed",
    "choice_count": "gen_ai.request.choice.count",
    "stop_sequences": "gen_ai.request.stop_sequences",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cached_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_tokens": "gen_ai.usage.cache_creation.input_tokens",
    "reasoning_tokens": "gen_ai.usage.reasoning.output_tokens",
    "system": "gen_ai.system_instructions",
    "asked": "gen_ai.input.messages",
    "said": "gen_ai.output.messages",
    "tools": "gen_ai.tool.definitions",
    "score_name": "gen_ai.evaluation.name",
    "score": "gen_ai.evaluation.score.value",
}
OPENINFERENCE: Mapping[str, str] = {
    "span_kind": "openinference.span.kind",
    "provider": "llm.provider",
    "request_model": "llm.model_name",
    "embedding_model": "embedding.model_name",
    "invocation": "llm.invocation_parameters",
    "input_tokens": "llm.token_count.prompt",
    "output_tokens": "llm.token_count.completion",
    "total_tokens": "llm.token_count.total",
    "cached_tokens": "llm.token_count.prompt_details.cache_read",
    "cache_write_tokens": "llm.token_count.prompt_details.cache_write",
    "reasoning_tokens": "llm.token_count.completion_details.reasoning",
    "cost_usd": "llm.cost.total",
    "conversation_id": "session.id",
    "user_id": "user.id",
    "asked": "llm.input_messages",
    "said": "llm.output_messages",
    "input_text": "input.value",
    "output_text": "output.value",
}
EVALUATION_EVENT = "gen_ai.evaluation.result"
"""Name of the event that tells a score."""


def attributes(facts: SpanFacts, conventions: Iterable[Convention]) -> Iterator[tuple[str, AttributeValue]]:
    """What a span says, as the conventions call it."""
    yield from _named(facts, HTTP, _json_turns)
    yield from _named(facts, CROSSFADE, _json_turns)
    for convention in conventions:
        yield from _named(facts, *_TABLES[convention])


_Write = Callable[[str, str, tuple[SpokenTurn, ...]], Iterator[tuple[str, AttributeValue]]]


def _named(facts: SpanFacts, table: Mapping[str, str], write: _Write) -> Iterator[tuple[str, AttributeValue]]:
    for field, name in table.items():
        value: Any = getattr(facts, field)
        if value is None or value in ("", ()):
            continue
        if isinstance(value, tuple) and isinstance(value[0], SpokenTurn):
            yield from write(field, name, cast(tuple[SpokenTurn, ...], value))
        else:
            yield name, value


def _json_turns(field: str, name: str, turns: tuple[SpokenTurn, ...]) -> Iterator[tuple[str, AttributeValue]]:
    """Turns as one JSON text. Source: OpenTelemetry, gen-ai-input-messages.json and its neighbours."""
    if field == "system":
        told: object = [_json_part(part) for turn in turns for part in turn.parts]
    else:
        told = [_json_turn(turn) for turn in turns]
    yield name, msgspec.json.encode(told).decode()


def _json_turn(turn: SpokenTurn) -> dict[str, Any]:
    found: dict[str, Any] = {"role": turn.role, "parts": [_json_part(part) for part in turn.parts]}
    return found | {"finish_reason": turn.finish_reason} if turn.finish_reason else found


def _json_part(part: TurnPart) -> dict[str, str]:
    match part.kind:
        case "text":
            return {"type": "text", "content": part.text}
        case "tool_call":
            return {"type": "tool_call", "id": part.id, "name": part.name, "arguments": part.text}
        case "tool_call_response":
            return {"type": "tool_call_response", "id": part.id, "response": part.text}
        case "other":
            return {"type": part.text}


def _flat_turns(_: str, name: str, turns: tuple[SpokenTurn, ...]) -> Iterator[tuple[str, AttributeValue]]:
    """Turns as an attribute for each piece. Source: OpenInference specification, "Attribute flattening"."""
    for number, turn in enumerate(turns):
        message = f"{name}.{number}.message"
        yield f"{message}.role", turn.role
        results = [part for part in turn.parts if part.kind == "tool_call_response"]
        if text := turn.text or "".join(part.text for part in results):
            yield f"{message}.content", text
        if results:
            yield f"{message}.tool_call_id", results[0].id
        for place, part in enumerate(part for part in turn.parts if part.kind == "tool_call"):
            call = f"{message}.tool_calls.{place}.tool_call"
            yield f"{call}.id", part.id
            yield f"{call}.function.name", part.name
            yield f"{call}.function.arguments", part.text


_TABLES: Mapping[Convention, tuple[Mapping[str, str], _Write]] = {
    "gen_ai": (GEN_AI, _json_turns),
    "openinference": (OPENINFERENCE, _flat_turns),
}
