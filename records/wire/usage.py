"""Tokens, from each API's way of counting them to one.

Rules:
1. A count that cannot be read is unknown, and never 0: what is unknown is estimated or priced at nothing known. No
   prompt has 0 tokens: who says so does not know.
2. A whole float is its integer, a fraction is rounded up, a text is its number.
3. `total_tokens` tells what a count holds: what is missing in prompt and completion was counted beside them.

Source: OpenAI API reference, "usage" of chat completions, completions, embeddings, Responses and images; Anthropic
Messages; DeepSeek, "Context caching"; xAI, "Reasoning"; Moonshot, Groq, Cohere, Google, llama.cpp, Ollama.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal, cast

import msgspec

from records.wire import json_reader

_BYTES_PER_TOKEN = 4
_NAMES = (
    ("prompt_tokens", "completion_tokens", "total_tokens"),
    ("input_tokens", "output_tokens", "total_tokens"),
    ("promptTokenCount", "candidatesTokenCount", "totalTokenCount"),  # Gemini
    ("inputTokens", "outputTokens", "totalTokens"),  # Bedrock
    ("prompt_n", "predicted_n", ""),  # llama.cpp's timings
    ("prompt_eval_count", "eval_count", ""),  # Ollama
)
"""Of the input, the output, and both, by API."""
_CACHED = (
    *("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens", "cachedContentTokenCount"),
    *("cacheReadInputTokens", "cache_n"),
)
_WRITTEN = ("cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens", "cacheWriteInputTokens")
_ANTHROPIC_CACHE = ("cache_read_input_tokens", "cache_creation_input_tokens")
_REASONING = ("reasoning_tokens", "thoughtsTokenCount")
_DETAILS = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
_OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details", "output_token_details")
_HOLDERS = ("x_groq", "response", "metadata")
_TURNS = ("delta", "message")
"""What may have the usage in it."""
_MOST_TOKENS = 10**12
"""More than that nobody counts."""

Fields = dict[str, Any]


class Usage(msgspec.Struct, frozen=True, gc=False):
    """What one exchange used."""

    prompt_tokens: int
    """All of the input, cached or not."""
    completion_tokens: int
    """All of the output, reasoning included."""
    cached_tokens: int = 0
    """Of the prompt: read from the upstream's cache."""
    cache_write_tokens: int = 0
    """Of the prompt: written to it."""
    reasoning_tokens: int = 0
    """Of the completion: thought and not said."""
    audio_prompt_tokens: int = 0
    audio_completion_tokens: int = 0
    source: Literal["reported", "estimated"] = "reported"


def read(raw: bytes) -> Usage | None:
    """The usage in the JSON of a `usage` field; None: it has none."""
    return read_object(json_reader.read_fields(raw))


def read_object(given: object, *, has_output: bool = True) -> Usage | None:
    """The usage in a decoded `usage` field; None: it has none that can be read.

    `has_output`: an answer without a count of its output has an unknown one; else (an embedding) it has none.
    """
    if not isinstance(given, dict):
        return None
    fields = cast(Fields, given)
    for prompt, completion, total in _NAMES:
        if (prompt in fields or completion in fields) and (
            found := _counted(fields, (prompt, completion, total), has_output=has_output)
        ):
            return found
    return read_object(fields.get("tokens") or fields.get("billed_units"), has_output=has_output)  # Cohere


def find(answer: Mapping[str, Any], *, has_output: bool = True) -> Usage | None:
    """The usage of a whole answer, or of an event, wherever its server puts it; None: it says none."""
    given = answer.get("usage")
    if given and (found := read_object(given, has_output=has_output)):  # nearly always
        return found
    choices = _list(answer.get("choices"))
    inner = [cast(Fields, choice).get(name) for choice in choices if isinstance(choice, dict) for name in _TURNS]
    for holder in (*(answer.get(name) for name in _HOLDERS), *choices, *inner):
        given = cast(Fields, holder).get("usage") if isinstance(holder, Mapping) else None
        if given and (found := read_object(given, has_output=has_output)):
            return found
    if found := read_object(answer.get("meta"), has_output=has_output):  # Cohere
        return found
    for name in ("usageMetadata", "usage_metadata", "timings"):
        if found := read_object(answer.get(name)):
            return found
    return read_object(answer) if "prompt_eval_count" in answer else None


def estimate(prompt_bytes: int, completion_bytes: int) -> Usage:
    """What the text of an exchange comes to where its upstream did not say: about four bytes to a token."""
    return Usage(-(-prompt_bytes // _BYTES_PER_TOKEN), -(-completion_bytes // _BYTES_PER_TOKEN), source="estimated")


def count(value: object) -> int | None:
    """A number of tokens, however it is written; None: it is none."""
    if value is None or (value.__class__ is int and 0 <= cast(int, value) < _MOST_TOKENS):  # nearly always
        return cast(int | None, value)
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MOST_TOKENS:
        return None
    return math.ceil(value)


def _counted(fields: Fields, names: tuple[str, str, str], *, has_output: bool) -> Usage | None:
    """One shape's counts as ours; None: prompt or completion cannot be told."""
    prompt, completion, total = (count(fields.get(name)) for name in names)
    if prompt is None and completion is not None and total is not None:
        prompt = total - completion
    if completion is None and prompt is not None:
        completion = total - prompt if total is not None else None if has_output else 0
    if prompt is None or completion is None or prompt < 0 or completion < 0:
        return None
    prompt += _first(("toolUsePromptTokenCount",), fields)  # Gemini: what its own tools found is input, too
    read_, wrote = _object(fields, _DETAILS), _object(fields, _OUTPUT_DETAILS)
    cached, written = _first(_CACHED, read_, fields), _first(_WRITTEN, read_, fields)
    thought, spoken = _first(_REASONING, wrote, fields), _first(("audio_tokens",), read_)
    missing = None if total is None else total - prompt - completion
    if missing and missing > 0 and "prompt_audio_seconds" in fields:  # Mistral: audio is in the total alone
        prompt, spoken, missing = prompt + missing, spoken or missing, 0
    apart, beside = _outside(fields, missing, cached + written, thought)
    if not apart and cached + written > prompt:
        apart = cached + written  # no part of what is less
    if missing is None and thought > completion:
        beside = thought
    if not thought and missing is not None and missing > apart + beside:  # Gemini: thinking is in the total alone
        thought = beside = missing - apart
    if prompt + apart == 0:
        return None
    return Usage(
        prompt_tokens=prompt + apart,
        completion_tokens=completion + beside,
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=thought,
        audio_prompt_tokens=spoken,
        audio_completion_tokens=_first(("audio_tokens",), wrote),
    )


def _outside(fields: Fields, missing: int | None, cached: int, thought: int) -> tuple[int, int]:
    """Cached tokens that the prompt does not hold, and reasoning that the completion does not: the total tells.

    `missing`: what the total holds beyond both; None: there is no total, and the API's name tells.
    """
    if missing is None:
        is_apart = "prompt_n" in fields or (
            "prompt_tokens" not in fields and any(name in fields for name in _ANTHROPIC_CACHE)
        )
        return cached if is_apart else 0, 0
    if missing <= 0:
        return 0, 0
    for apart, beside in ((0, thought), (cached, 0), (cached, thought)):
        if apart + beside == missing:
            return apart, beside
    return 0, 0


def _object(fields: Fields, names: tuple[str, ...]) -> Fields:
    for name in names:
        found = fields.get(name)
        if isinstance(found, dict):
            return cast(Fields, found)
    return {}


def _first(names: tuple[str, ...], *holders: Fields) -> int:
    """The first of these counts that is there, and is not 0."""
    for holder in holders:
        for name in names:
            if name in holder and (found := count(holder[name])):
                return found
    return 0


def _list(value: object) -> list[Any]:
    return cast(list[Any], value) if isinstance(value, list) else []
