"""Tokens, from each API's way of counting them to one.

Source: OpenAI API reference, "usage" of chat completions, completions, embeddings and Responses; Anthropic Messages;
DeepSeek API docs, "Context caching".
"""

from typing import Any, Literal, cast

import msgspec

_BYTES_PER_TOKEN = 4


class Usage(msgspec.Struct, frozen=True):
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
    try:
        found: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    return read_object(found)


def read_object(found: object) -> Usage | None:
    """The usage in a decoded `usage` field; None: it has none."""
    if not isinstance(found, dict):
        return None
    fields = cast(dict[str, Any], found)
    if "prompt_tokens" in fields:
        return _counted(fields, "prompt_tokens", "completion_tokens")
    if "cache_read_input_tokens" in fields or "cache_creation_input_tokens" in fields:
        return _anthropic(fields)
    return _counted(fields, "input_tokens", "output_tokens") if "input_tokens" in fields else None


def estimate(prompt_bytes: int, completion_bytes: int) -> Usage:
    """What the text of an exchange comes to where its upstream did not say: about four bytes to a token."""
    return Usage(-(-prompt_bytes // _BYTES_PER_TOKEN), -(-completion_bytes // _BYTES_PER_TOKEN), source="estimated")


def _counted(fields: dict[str, Any], prompt: str, completion: str) -> Usage:
    read_, wrote = _object(fields, f"{prompt}_details"), _object(fields, f"{completion}_details")
    return Usage(
        prompt_tokens=_tokens(fields, prompt),
        completion_tokens=_tokens(fields, completion),
        cached_tokens=_tokens(read_, "cached_tokens") or _tokens(fields, "prompt_cache_hit_tokens"),
        cache_write_tokens=_tokens(read_, "cache_write_tokens") or _tokens(read_, "cache_creation_tokens"),
        reasoning_tokens=_tokens(wrote, "reasoning_tokens"),
        audio_prompt_tokens=_tokens(read_, "audio_tokens"),
        audio_completion_tokens=_tokens(wrote, "audio_tokens"),
    )


def _anthropic(fields: dict[str, Any]) -> Usage:
    """Anthropic counts the cached apart from the input; here they are part of it."""
    cached, written = _tokens(fields, "cache_read_input_tokens"), _tokens(fields, "cache_creation_input_tokens")
    return Usage(_tokens(fields, "input_tokens") + cached + written, _tokens(fields, "output_tokens"), cached, written)


def _object(fields: dict[str, Any], name: str) -> dict[str, Any]:
    found = fields.get(name)
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}


def _tokens(fields: dict[str, Any], name: str) -> int:
    found = fields.get(name)
    return found if isinstance(found, int) and found > 0 else 0
