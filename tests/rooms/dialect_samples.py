"""What each server of the table of dialects sends, and what is to be read of it."""

import json
from typing import Any

HI = {"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "finish_reason": None}
END = {"index": 0, "delta": {}, "finish_reason": "stop"}
USED = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}
NOUGHT = dict.fromkeys(USED, 0)
DONE = b"data: [DONE]\n\n"
MESSAGE = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}


def event(value: Any) -> bytes:
    return b"data: %b\n\n" % (value if isinstance(value, bytes) else json.dumps(value).encode())


def chunk(*choices: Any, **fields: Any) -> bytes:
    return event({"id": "c1", "model": "m", "choices": list(choices), **fields})


def says(content: Any = None, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"index": 0, "delta": delta | ({} if content is None else {"content": content}), "finish_reason": finish}


def tool(**call: Any) -> bytes:
    return chunk(says(tool_calls=[call]))


def body(finish: str = "stop", usage: Any = USED, **fields: Any) -> bytes:
    choice = MESSAGE | {"finish_reason": finish}
    return json.dumps({"id": "c1", "model": "m", "choices": [choice], "usage": usage, **fields}).encode()


def stream(*events: bytes) -> bytes:
    return b"".join(events)


def used(prompt: int, completion: int, **more: int) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "usage_source": "reported", **more}


WHOLE = {"text": "Hi", "complete": True}
BEGUN, ENDED = chunk(HI), chunk(END)
F = {"name": "f", "arguments": ""}
CALLED = {"calls": [("f", '{"a":1}')], "complete": True}
PNG = {"type": "image_generation.partial_image", "b64_json": "AA"}
IMAGES = "/v1/images/generations"

SAMPLES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "usage-chunk": (stream(BEGUN, ENDED, chunk(usage=USED), DONE), WHOLE | used(10, 4)),
    "obfuscation": (stream(chunk(HI, obfuscation="xx"), ENDED, DONE), WHOLE | {"without": "obfuscation"}),
    "custom-tool": (
        stream(
            tool(index=0, id="1", type="custom", custom={"name": "sh", "input": ""}),
            tool(index=0, custom={"input": "l"}),
            tool(index=0, custom={"input": "s"}),
            chunk(says(finish="tool_calls")),
        ),
        {"calls": [("sh", "ls")], "complete": True},
    ),
    "served-tier": (body(service_tier="flex"), WHOLE | {"service_tier": "flex"}),
    "image-events": (
        stream(
            event(PNG), event({"type": "image_generation.completed", "usage": {"input_tokens": 5, "output_tokens": 9}})
        ),
        {"path": IMAGES, "complete": True} | used(5, 9),
    ),
    "image-error": (
        stream(event(PNG), b"event: error\n", event({"type": "error", "error": {"message": "x", "code": "c"}})),
        {"path": IMAGES, "complete": False, "error_code": "c"},
    ),
    "prompt-filter": (
        stream(
            event({"id": "", "model": "", "choices": [], "prompt_filter_results": []}),
            BEGUN,
            event({"id": "", "model": "", "choices": [END]}),
            DONE,
        ),
        WHOLE | {"response_id": "c1", "model_returned": "m"},
    ),
    "null-choices": (stream(BEGUN, ENDED, event({"choices": None, "usage": USED}), DONE), WHOLE | used(10, 4)),
    "continuous-usage": (
        stream(chunk(HI, usage=USED | {"completion_tokens": 1, "total_tokens": 11}), chunk(END, usage=USED), DONE),
        WHOLE | used(10, 4),
    ),
    "error-event": (
        stream(BEGUN, event({"error": {"message": "x", "code": 500}}), DONE),
        {"complete": False, "error_code": "500"},
    ),
    "flat-error": (b'{"object":"error","message":"x","type":"T","code":400}', {"complete": False, "error_type": "T"}),
    "empty-finish": (stream(chunk(HI | {"finish_reason": ""}), DONE), {"text": "Hi", "complete": False}),
    "flat-reasoning": (body(usage=USED | {"reasoning_tokens": 3}), WHOLE | used(10, 4, reasoning_tokens=3)),
    "no-space": (stream(BEGUN, ENDED, DONE).replace(b"data: ", b"data:"), WHOLE),
    "eos-token": (body("eos_token"), WHOLE | {"finish": "stop"}),
    "eos": (body("eos"), WHOLE | {"finish": "stop"}),
    "timings": (body(usage=None, timings={"prompt_n": 7, "predicted_n": 2}), WHOLE | used(7, 2)),
    "object-arguments": (
        stream(tool(index=0, id="1", function={"name": "f", "arguments": {"a": 1}}), chunk(says(finish="tool_calls"))),
        CALLED,
    ),
    "index-always-0": (
        stream(
            tool(index=0, id="1", function={"name": "f", "arguments": "{}"}),
            tool(index=0, id="2", function={"name": "g", "arguments": "{}"}),
            chunk(says(finish="tool_calls")),
        ),
        {"calls": [("f", "{}"), ("g", "{}")], "complete": True},
    ),
    "forced-call": (
        stream(
            BEGUN,
            *(tool(index=0, function={"name": "f", "arguments": part}) for part in ('{"a"', ":", "1}")),
            chunk(END),
            DONE,
        ),
        CALLED,
    ),
    "answers-id": (
        json.dumps(
            {
                "id": "cmpl-0a6c1d5e-cccc-11f0-8b3e-0242ac110002",
                "model": "m",
                "choices": [
                    {
                        "index": 0,
                        "message": {
                            "role": "assistant",
                            "content": "",
                            "tool_calls": [
                                {
                                    "id": "cmpl-0a6c1d5e-cccc-11f0-8b3e-0242ac110002",
                                    "type": "function",
                                    "function": {"name": "f", "arguments": '{"a":1}'},
                                }
                            ],
                        },
                        "logprobs": None,
                        "finish_reason": "stop",
                    }
                ],
                "usage": None,
            }
        ).encode(),
        CALLED,
    ),
    "null-usage": (stream(chunk(HI, usage=None), chunk(END, usage=USED), chunk(usage=None), DONE), WHOLE | used(10, 4)),
    "cache-fields": (body(usage=USED | {"cache_read_input_tokens": 6}), WHOLE | used(10, 4, cached_tokens=6)),
    "thinking-parts": (
        stream(
            chunk(says([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}])),
            chunk(says([{"type": "text", "text": "Hi"}])),
            ENDED,
        ),
        WHOLE | {"reasoning": "hm"},
    ),
    "model-length": (body("model_length"), WHOLE | {"finish": "length"}),
    "x-groq": (stream(BEGUN, chunk(END, x_groq={"id": "r", "usage": USED}), DONE), WHOLE | used(10, 4)),
    "reasoning-beside": (
        body(
            usage={
                "prompt_tokens": 32,
                "completion_tokens": 9,
                "total_tokens": 135,
                "completion_tokens_details": {"reasoning_tokens": 94},
            }
        ),
        WHOLE | used(32, 103, reasoning_tokens=94),
    ),
    "keep-alive": (stream(b": keep-alive\n\n", BEGUN, b": keep-alive\n\n", ENDED, DONE), WHOLE),
    "blank-lines": (b"\n\n\n" + body(), WHOLE | used(10, 4)),
    "cache-hit": (body(usage=USED | {"prompt_cache_hit_tokens": 6}), WHOLE | used(10, 4, cached_tokens=6)),
    "no-resource": (body("insufficient_system_resource"), {"text": "Hi", "finish": None}),
    "choice-usage": (stream(BEGUN, chunk(END | {"usage": USED}), DONE), WHOLE | used(10, 4)),
    "flat-cached": (body(usage=USED | {"cached_tokens": 6}), WHOLE | used(10, 4, cached_tokens=6)),
    "processing": (stream(b": OPENROUTER PROCESSING\n\n", BEGUN, ENDED, DONE), WHOLE),
    "error-beside-choices": (
        stream(BEGUN, chunk(says("", "error"), error={"code": "server_error", "message": "x"})),
        {"text": "Hi", "complete": False, "error_code": "server_error"},
    ),
    "empty-id": (
        stream(
            tool(index=0, id="1", type="function", function={"name": "f", "arguments": '{"a"'}),
            tool(index=0, id="", type="", function={"name": "", "arguments": ":1}"}),
            chunk(says(finish="tool_calls")),
        ),
        CALLED,
    ),
    "sensitive": (body("sensitive"), WHOLE | {"finish": "content_filter"}),
    "no-index": (
        stream(
            tool(id="1", type="function", function=F),
            tool(function={"arguments": '{"a"'}),
            tool(function={"arguments": ":1}"}),
            chunk(says(finish="tool_calls")),
        ),
        CALLED,
    ),
    "error-list": (
        b'[{"error":{"message":"x","code":429,"status":"S"}}]',
        {"complete": False, "error_code": "429", "error_type": "S"},
    ),
    "total-tells": (
        body(usage={"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 64}),
        WHOLE | used(10, 54, reasoning_tokens=50),
    ),
    "upper-case": (body("MAX_TOKENS"), WHOLE | {"finish": "length"}),
    "billed-units": (
        body(usage={"billed_units": {"input_tokens": 1}, "tokens": {"input_tokens": 10, "output_tokens": 4}}),
        WHOLE | used(10, 4),
    ),
    "anthropic-cache": (
        body(
            usage={
                "input_tokens": 10,
                "cache_creation_input_tokens": 5,
                "cache_read_input_tokens": 85,
                "output_tokens": 3,
            }
        ),
        WHOLE | used(100, 3, cached_tokens=85, cache_write_tokens=5),
    ),
    "float-counts": (body(usage={"prompt_tokens": 9.2, "completion_tokens": "4"}), WHOLE | used(10, 4)),
    "null-counts": (
        body(usage={"prompt_tokens": None, "completion_tokens": None}),
        WHOLE | {"usage_source": "estimated"},
    ),
    "empty-data": (stream(BEGUN, b"data:\n\n", ENDED, DONE), WHOLE),
    "ping": (stream(BEGUN, b"data: ping\n\n", ENDED, DONE), WHOLE),
    "half-characters": (
        stream(chunk(says("@")).replace(b"@", b"\\ud83d"), chunk(says("@")).replace(b"@", b"\\ude00"), ENDED, DONE),
        {"text": "\U0001f600", "complete": True},
    ),
    "cut-bytes": (
        stream(chunk(says("@")).replace(b"@", b"\xf0\x9f"), chunk(says("@")).replace(b"@", b"\x98\x80"), ENDED, DONE),
        {"text": "\U0001f600", "complete": True},
    ),
    "nan": (body(scores=["@"]).replace(b'"@"', b"NaN, -Infinity"), WHOLE | used(10, 4)),
    "detail": (b'{"detail":"Not Found"}', {"complete": False}),
    "no-blank-line": (stream(BEGUN, ENDED, DONE).replace(b"\n\n", b"\n"), WHOLE),
    "mislabelled-stream": (stream(BEGUN, ENDED, DONE), WHOLE | {"labelled": False}),
    "mislabelled-body": (body(), WHOLE | used(10, 4) | {"labelled": True}),
    "own-ids": (
        stream(
            tool(index=0, id="t1", type="function", function={"name": "f", "arguments": '{"a"'}),
            tool(index=0, id="t2", type="function", function={"arguments": ":1}"}),
            chunk(says(finish="tool_calls")),
        ),
        CALLED,
    ),
    "name-pieces": (
        stream(
            tool(index=0, id="t1", type="function", function={"name": "get_", "arguments": ""}),
            tool(index=0, function={"name": "f", "arguments": ""}),
            tool(index=0, function={"arguments": '{"a":1}'}),
            chunk(says(finish="tool_calls")),
        ),
        CALLED | {"calls": [("get_f", '{"a":1}')]},
    ),
    "one-call": (
        stream(
            chunk(says(tool_calls={"id": "1", "function": {"name": "f", "arguments": '{"a":1}'}})),
            chunk(says(finish="tool_calls")),
        ),
        CALLED,
    ),
    "zero-usage": (
        stream(chunk(HI, usage=NOUGHT), chunk(END, usage=USED), chunk(usage=NOUGHT), DONE),
        WHOLE | used(10, 4),
    ),
    "inner-usage": (stream(BEGUN, ENDED, chunk(metadata={"usage": USED}), DONE), WHOLE | used(10, 4)),
    "empty-error": (stream(chunk(HI, error=""), chunk(END, error={}), DONE), WHOLE | {"error_code": ""}),
    "empty-call": (
        stream(chunk(says("Hi", function_call={"name": "", "arguments": ""})), ENDED, DONE),
        WHOLE | {"calls": []},
    ),
    "text-null": (stream(chunk(HI | {"finish_reason": "null"}), DONE), {"text": "Hi", "complete": False}),
    "enum-name": (body("FINISH_REASON_STOP"), WHOLE | {"finish": "stop"}),
    "null-event": (stream(BEGUN, event(b"null"), event(b"[]"), ENDED, DONE), WHOLE),
    "lower-done": (stream(BEGUN, ENDED, event(b" [done] ")), WHOLE),
    "retry-first": (stream(b"retry: 1000\n\n", BEGUN, ENDED, DONE), WHOLE | {"labelled": False}),
    "one-part": (stream(chunk(says({"type": "text", "text": "Hi"})), ENDED, DONE), WHOLE),
    "whole-message": (stream(chunk(MESSAGE), DONE), WHOLE),
}
