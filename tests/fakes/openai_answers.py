"""What OpenAI's API answers, as values: chat completions, completions, Responses, embeddings and the rest.

Pure: the same request gets the same answer. Every word of an answer begins with the `label` of who gave it, so that a
test can tell whose words an app was shown. `vllm=True` writes them as vLLM does instead.
Source: OpenAI's API reference and recorded answers; vLLM 0.32's answers as observed.
"""

import base64
import hashlib
import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.fakes.openai_schema import example

CREATED = 1_760_000_000
DONE = b"data: [DONE]\n\n"
WORDS = 8
Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who answers."""

    label: str = "frontier"
    vllm: bool = False
    words: int = WORDS
    writes: Callable[[Fields], Fields] | None = None
    """What it answers where any JSON object is asked for."""

    def name(self, prefix: str, request: Fields) -> str:
        """An id that depends on the request alone."""
        digest = hashlib.sha256(json.dumps([self.label, request], sort_keys=True).encode()).hexdigest()
        return prefix + digest[:24]


def fake_usage(prompt: Any, words: int) -> Fields:
    """Token counts: a quarter of the prompt's characters, one for each word."""
    asked = max(1, len(json.dumps(prompt)) // 4)
    return {
        "prompt_tokens": asked,
        "completion_tokens": words,
        "total_tokens": asked + words,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def chat(request: Fields, speaker: Speaker) -> Fields:
    """A whole chat completion."""
    choices = [_choice(request, speaker, index) for index in range(request.get("n") or 1)]
    words = sum(len(words_of(request, speaker, index)) for index in range(len(choices)))
    answer = {
        "id": speaker.name("chatcmpl-", request),
        "object": "chat.completion",
        "created": CREATED,
        "model": request["model"],
        "choices": choices,
        "usage": fake_usage(request.get("messages"), words),
        "service_tier": None if speaker.vllm else "default",
        "system_fingerprint": "vllm-0.32-tp1" if speaker.vllm else "fp_50cad350e4",
    }
    return answer | ({"prompt_logprobs": None, "kv_transfer_params": None} if speaker.vllm else {})


def _choice(request: Fields, speaker: Speaker, index: int) -> Fields:
    calls = tool_calls(request, speaker)
    words = words_of(request, speaker, index)
    message: Fields = {
        "role": "assistant",
        "content": None if calls else "".join(words),
        "refusal": None,
        "annotations": [],
    }
    if calls:
        message["tool_calls"] = calls
    if speaker.vllm:
        message |= {
            "content": "\n" if calls else message["content"],
            "reasoning": None,
            "annotations": None,
            "audio": None,
        }
        message |= {"function_call": None, "tool_calls": calls}
    choice: Fields = {
        "index": index,
        "message": message,
        "logprobs": _logprobs(request, words) if not calls else None,
        "finish_reason": _finish(request, speaker, calls),
    }
    return choice | ({"stop_reason": None, "token_ids": None} if speaker.vllm else {})


def chat_chunks(request: Fields, speaker: Speaker) -> Iterator[Fields]:
    """The chunks of a streamed chat completion, usage included if it was asked for."""
    options = request.get("stream_options") or {}
    head: Fields = {
        "id": speaker.name("chatcmpl-", request),
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": request["model"],
    }
    head |= {} if speaker.vllm else {"service_tier": "default", "system_fingerprint": "fp_50cad350e4"}
    tail: Fields = {} if speaker.vllm else {"obfuscation": "aB3"}
    if options.get("include_usage") and not speaker.vllm:
        tail["usage"] = None
    total = 0
    for index, delta, logprobs, finish in _deltas(request, speaker):
        total += bool(delta.get("content"))
        choice: Fields = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        choice |= {"token_ids": None} if speaker.vllm else {}
        yield head | {"choices": [choice]} | tail
    if options.get("include_usage"):
        yield head | {"choices": [], "usage": fake_usage(request.get("messages"), total)}


def _deltas(request: Fields, speaker: Speaker) -> Iterator[tuple[int, Fields, Fields | None, str | None]]:
    """Index, delta, logprobs and finish reason of each chunk; with n > 1 the choices take turns."""
    count = request.get("n") or 1
    calls = tool_calls(request, speaker)
    for index in range(count):
        first: Fields = {"role": "assistant", "content": None if calls and not speaker.vllm else ""}
        yield index, first | ({} if speaker.vllm else {"refusal": None}), None, None
    if calls:
        if speaker.vllm:
            yield 0, {"content": "\n"}, None, None
        also: Fields = {"content": None} if speaker.vllm else {}
        for at, call in enumerate(calls):
            begun = {"name": call["function"]["name"]} | ({} if speaker.vllm else {"arguments": ""})
            yield 0, also | {"tool_calls": [{"index": at} | call | {"function": begun}]}, None, None
            for piece in pieces(call["function"]["arguments"]):
                yield 0, also | {"tool_calls": [{"index": at, "function": {"arguments": piece}}]}, None, None
    else:
        for at in range(max(len(words_of(request, speaker, index)) for index in range(count))):
            for index in range(count):
                word = words_of(request, speaker, index)[at : at + 1]
                yield index, {"content": "".join(word)}, _logprobs(request, word), None
    for index in range(count):
        yield index, {}, None, _finish(request, speaker, calls)


def words_of(request: Fields, speaker: Speaker, index: int = 0) -> list[str]:
    """The answer's text, word by word."""
    form = request.get("response_format") or {}
    if form.get("type") == "json_schema":
        return pieces(json.dumps(example(form["json_schema"].get("schema", {}))))
    if form.get("type") == "json_object":
        return pieces(json.dumps({"answer": speaker.label} if speaker.writes is None else speaker.writes(request)))
    limit = request.get("max_completion_tokens") or request.get("max_tokens") or request.get("max_output_tokens")
    count = min(speaker.words, limit or speaker.words)
    return [f"{speaker.label}-{index}-{at} " for at in range(count)]


def _finish(request: Fields, speaker: Speaker, calls: list[Fields]) -> str:
    if calls:
        return "stop" if isinstance(request.get("tool_choice"), dict) else "tool_calls"
    limit = request.get("max_completion_tokens") or request.get("max_tokens")
    return "length" if limit and limit < speaker.words and not request.get("response_format") else "stop"


def _logprobs(request: Fields, words: list[str]) -> Fields | None:
    if not request.get("logprobs"):
        return None
    count = request.get("top_logprobs") or 0
    tokens = [{"token": word, "logprob": -0.25, "bytes": list(word.encode())} for word in words]
    return {"content": [token | {"top_logprobs": [token] * count} for token in tokens], "refusal": None}


def tool_calls(request: Fields, speaker: Speaker) -> list[Fields]:
    """The calls a model makes: none after a tool's answer, one that is forced, else one each of the first two tools."""
    tools = [_function(tool) for tool in request.get("tools") or () if tool.get("type") == "function"]
    choice = request.get("tool_choice", "auto")
    turns = request.get("messages") or request.get("input") or []
    last = turns[-1] if isinstance(turns, list) and turns else {}
    answered = isinstance(last, dict) and (last.get("role") == "tool" or last.get("type") == "function_call_output")
    if not tools or choice == "none" or (answered and choice == "auto"):
        return []
    if isinstance(choice, dict):
        forced = choice.get("name") or choice.get("function", {}).get("name")
        tools = [tool for tool in tools if tool["name"] == forced]
    chosen = tools[: 1 if request.get("parallel_tool_calls") is False else 2]
    return [
        {
            "id": speaker.name(
                "chatcmpl-tool-" if speaker.vllm else "call_", {"name": tool["name"], "turns": turns, "at": at}
            ),
            "type": "function",
            "function": {
                "name": tool["name"],
                "arguments": json.dumps(example(tool.get("parameters") or {"type": "object"})),
            },
        }
        for at, tool in enumerate(chosen)
    ]


def _function(tool: Fields) -> Fields:
    return tool.get("function") or tool


def pieces(text: str, size: int = 5) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def completion(request: Fields, speaker: Speaker) -> Fields:
    """A whole legacy completion."""
    words = words_of(request, speaker)
    return _completion_head(request, speaker) | {
        "choices": [_text_choice("".join(words), _finish(request, speaker, []))],
        "usage": fake_usage(request.get("prompt"), len(words)),
    }


def completion_chunks(request: Fields, speaker: Speaker) -> Iterator[Fields]:
    """The chunks of a streamed legacy completion."""
    words = words_of(request, speaker)
    for at, word in enumerate(words):
        last = at == len(words) - 1
        yield _completion_head(request, speaker) | {
            "choices": [_text_choice(word, _finish(request, speaker, []) if last else None)]
        }
    if (request.get("stream_options") or {}).get("include_usage"):
        usage = fake_usage(request.get("prompt"), len(words))
        yield _completion_head(request, speaker) | {"choices": [], "usage": usage}


def _completion_head(request: Fields, speaker: Speaker) -> Fields:
    name = speaker.name("cmpl-", request)
    return {"id": name, "object": "text_completion", "created": CREATED, "model": request["model"]}


def _text_choice(text: str, finish: str | None) -> Fields:
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": finish}


def embeddings(request: Fields, speaker: Speaker) -> Fields:
    """One vector for each input, in the asked encoding."""
    given = request["input"]
    inputs = given if isinstance(given, list) and given and not isinstance(given[0], int) else [given]
    size = request.get("dimensions") or 8
    vectors = [
        [(sum(hashlib.sha256(f"{one}{at}".encode()).digest()) % 97) / 97 for at in range(size)] for one in inputs
    ]
    as_text = request.get("encoding_format") == "base64"
    data = [
        {
            "object": "embedding",
            "index": at,
            "embedding": base64.b64encode(struct.pack(f"<{size}f", *vector)).decode() if as_text else vector,
        }
        for at, vector in enumerate(vectors)
    ]
    used = max(1, len(json.dumps(given)) // 4)
    return {
        "object": "list",
        "data": data,
        "model": request["model"],
        "usage": {"prompt_tokens": used, "total_tokens": used},
    }


def model(name: str) -> Fields:
    """A model's card."""
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "openai"}


def file(name: str, size: int) -> Fields:
    """An uploaded file."""
    head = {"id": "file-abc123", "object": "file", "bytes": size, "created_at": CREATED, "filename": name}
    return head | {"purpose": "fine-tune", "status": "processed", "expires_at": None, "status_details": None}


def problem(
    message: str, *, kind: str = "invalid_request_error", param: str | None = None, code: str | int | None = None
) -> Fields:
    """An error object."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
