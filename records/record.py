"""A record: an exchange made fit to keep. One row, redacted, assembled, priced.

`Record` is the schema: the Parquet columns and docs/reference/records.md are made from it.
"""

from typing import Annotated, Literal

import msgspec


def _about(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text)


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row per exchange."""

    id: Annotated[str, _about("UUIDv7; the app saw it as x-crossfade-request-id")]
    arrived_us: Annotated[int, _about("moment of the request's first byte, UTC")]
    conversation_id: Annotated[str, _about("hash of the conversation's own id, or of its beginning, key and user")]
    key_id: Annotated[str, _about("keyed hash of the caller's credential")]
    key_name: Annotated[str, _about("name of the gateway key, if it was one")]
    user_id: Annotated[str, _about("keyed hash of the request's user or safety_identifier; empty without one")]
    route: Annotated[str, _about("empty: no route matched")]
    variant: Annotated[str, _about("whose answer the app got: baseline, candidate or gateway (our own error)")]
    why: Annotated[str, _about("why that variant: assigned, ineligible, fallback, killed …")]
    reason: Annotated[str, _about("which ineligibility, fallback or refusal")]
    upstream: Annotated[str, _about("who was asked last")]
    weight_ppm: Annotated[int, _about("the candidate's weight then, in parts per million")]
    table_version: Annotated[int, _about("of the routing table")]
    candidate_revision: Annotated[str, _about("of the route's candidate")]
    unit: Annotated[str, _about("hash of what the assignment was sticky to")]
    pinned: Annotated[bool, _about("the app chose the variant; no evidence")]
    endpoint: Annotated[str, _about("chat, completions, responses, embeddings or other")]
    method: Annotated[str, _about("of the request")]
    path: Annotated[str, _about("without the query")]
    model_requested: Annotated[str, _about("as the app asked")]
    model_returned: Annotated[str, _about("as the answer says")]
    response_id: Annotated[str, _about("the answer's own id")]
    previous_response_id: Annotated[str, _about("the response that this one continues")]
    system_fingerprint: Annotated[str, _about("as the answer says")]
    service_tier: Annotated[str, _about("which one served it, as the answer says; else as the request asked")]
    stream: Annotated[bool, _about("the answer came as events")]
    status: Annotated[int, _about("0: the app got none")]
    outcome: Annotated[str, _about("complete, app_gone, upstream_broken, upstream_error, refused, tunnel, lost_worker")]
    complete: Annotated[bool, _about("the app got all of a good answer that has its own end")]
    finish_reason: Annotated[str, _about("of each choice by index, comma-separated")]
    error_type: Annotated[str, _about("of the upstream's error object")]
    error_code: Annotated[str, _about("of the upstream's error object")]
    retry_count: Annotated[int, _about("above 0: an SDK's repetition of an earlier exchange")]
    attempts_json: Annotated[str, _about("JSON: every upstream that was asked, with times")]
    request_json: Annotated[
        str | None,
        _about(
            "JSON, redacted; other text as a JSON string, what is no text as an object with `base64`; null: not kept"
        ),
    ]
    response_json: Annotated[str | None, _about("the same, streams put together; null: not kept")]
    request_bytes: Annotated[int, _about("as sent")]
    request_sha256: Annotated[str, _about("of the bytes as sent")]
    response_bytes: Annotated[int, _about("as sent to the app")]
    response_sha256: Annotated[str, _about("of the bytes as sent to the app")]
    prompt_hash: Annotated[str, _about("equal for equal prompts; a date in the system prompt does not count")]
    system_hash: Annotated[str, _about("the same of the system prompt alone")]
    tools_hash: Annotated[str, _about("equal for equal tools")]
    schema_hash: Annotated[str, _about("equal for equal output schemas")]
    prompt_tokens: Annotated[int | None, _about("all input; null: unknown")]
    cached_tokens: Annotated[int | None, _about("of them: from the upstream's cache")]
    cache_write_tokens: Annotated[int | None, _about("of them: written to it")]
    completion_tokens: Annotated[int | None, _about("all output")]
    reasoning_tokens: Annotated[int | None, _about("of them: thought and not said")]
    usage_source: Annotated[str, _about("reported or estimated; empty: unknown")]
    cost_usd: Annotated[float | None, _about("what the answer cost; null: unknown")]
    counterfactual_cost_usd: Annotated[float | None, _about("what the baseline would have charged for it")]
    price_version: Annotated[str, _about("the book or override that priced it")]
    overhead_ms: Annotated[float, _about("in the gateway before the upstream was asked")]
    first_byte_ms: Annotated[float | None, _about("from arrival to the answer's first body byte")]
    total_ms: Annotated[float, _about("from arrival to the end")]
    tpot_ms: Annotated[float | None, _about("between output tokens of a stream, mean")]
    chunk_times_us: Annotated[str | None, _about("JSON: microseconds from arrival to each chunk of a stream")]
    consent: Annotated[Literal["train", "none"], _about("whether it may become training data")]
    consent_source: Annotated[str, _about("header or store_false, where it may not")]
    redaction_version: Annotated[str, _about("of the patterns")]
    redactions_json: Annotated[str, _about("JSON: replacements made, by kind")]
    user_agent: Annotated[str, _about("of the app")]
    trace_id: Annotated[str, _about("of the request's traceparent")]
    upstream_request_id: Annotated[str, _about("the answer's x-request-id")]
    worker: Annotated[str, _about("whose journal it was in")]


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """One row per feedback; joined to its exchange by `exchange_id`, the last one holding."""

    exchange_id: Annotated[str, _about("what it was said of")]
    said_us: Annotated[int, _about("moment it was said, UTC")]
    key_id: Annotated[str, _about("keyed hash of the credential of whoever said it")]
    score: Annotated[float | None, _about("-1 to 1")]
    label: Annotated[str | None, _about("a word of the app's own")]
    comment: Annotated[str | None, _about("redacted")]
    corrected_output_json: Annotated[str | None, _about("JSON, redacted")]
