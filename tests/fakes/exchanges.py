"""Exchanges as a worker would write them, for tests and for the recorder's benchmark."""

import json
from typing import Any

from records.exchange import Attempt, Exchange, Meta

AT = 1_795_000_000.0
"""Some moment in November 2026."""


def exchange_id(number: int, at: float = AT) -> str:
    """A UUIDv7's text."""
    whole = (int(at * 1000) << 80 | 0x7 << 76 | 0b10 << 62 | number).to_bytes(16, "big").hex()
    return f"{whole[:8]}-{whole[8:12]}-{whole[12:16]}-{whole[16:20]}-{whole[20:]}"


def chat_request(text: str = "Where is my order?", **fields: Any) -> bytes:
    messages = [{"role": "system", "content": "You triage."}, {"role": "user", "content": text}]
    return json.dumps({"model": "gpt-4o", "messages": messages, **fields}).encode()


def chat_answer(text: str = "It is on its way.", finish: str = "stop", **message: Any) -> bytes:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, "refusal": None, **message},
        "logprobs": None,
        "finish_reason": finish,
    }
    usage = {"prompt_tokens": 20, "completion_tokens": 6, "total_tokens": 26}
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": "gpt-4o-2024-11-20",
            "choices": [choice],
            "usage": usage,
        }
    ).encode()


def chat_stream(*pieces: str, finish: str | None = "stop") -> bytes:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "gpt-4o-2024-11-20"}
    deltas = [{"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces)]
    choices: list[dict[str, Any]] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    if finish is not None:
        choices.append({"index": 0, "delta": {}, "finish_reason": finish})
    chunks = [{**head, "choices": [choice]} for choice in choices]
    events = b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks)
    return events + (b"data: [DONE]\n\n" if finish is not None else b"")


def head(*fields: tuple[str, str]) -> bytes:
    """Header lines as the journal keeps them."""
    return "".join(f"\r\n{name}: {value}" for name, value in fields).encode("latin-1")


def exchange(
    number: int = 0,
    request: bytes | None = None,
    response: bytes | None = None,
    *,
    streamed: bool = False,
    **meta: Any,
) -> Exchange:
    """A chat completion by the baseline, the app content; `meta` says what is different."""
    request = chat_request() if request is None else request
    response = chat_answer() if response is None else response
    kind = "text/event-stream; charset=utf-8" if streamed else "application/json"
    at = meta.get("arrived_at", AT)
    fields: dict[str, Any] = {
        "id": exchange_id(number, at),
        "worker": "w1",
        "arrived_at": AT,
        "method": "POST",
        "target": "/v1/chat/completions",
        "request_head": head(("content-type", "application/json"), ("user-agent", "OpenAI/Python 3.52.0")),
        "key_id": "00112233aabbccdd",
        "key_name": "",
        "route": "support",
        "variant": "baseline",
        "why": "assigned",
        "reason": "",
        "upstream": "openai",
        "model": "gpt-4o",
        "unit": "u1",
        "weight_ppm": 50_000,
        "table_version": 3,
        "no_train": False,
        "pinned": False,
        "retry_count": 0,
        "status": 200,
        "response_head": head(("content-type", kind), ("x-request-id", "req_1")),
        "outcome": "complete",
        "attempts": [Attempt("baseline", "openai", 200, started_s=0.0002, head_s=0.3, first_byte_s=0.3, ended_s=0.9)],
        "overhead_s": 0.0002,
        "first_byte_s": 0.3,
        "total_s": 0.9,
        "request_bytes": len(request),
        "request_sha256": "",
        "response_bytes": len(response),
        "response_sha256": "",
        "chunk_ends": [len(response)],
        "chunk_times_us": [300_000, 900_000] if streamed else [300_000],
        "table_revision": "2026-11-18",
    }
    return Exchange(Meta(**(fields | meta)), request, response)
