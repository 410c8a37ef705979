"""What servers call the same thing by other names: how an answer ended, and that a connection is still alive.

Source: the APIs' references of OpenAI, Anthropic, Google, Mistral, DeepSeek, Zhipu, Together, TGI, vLLM, SGLang.
"""

from typing import Any, Final, Literal, NamedTuple, cast

import msgspec

from records.wire.json_reader import mended

Ending = Literal["", "stop", "tool_calls", "function_call", "length", "content_filter", "error", "other"]
"""How a choice ended, in OpenAI's words. Empty: it has not. `error`: it broke. `other`: a word nobody here knows."""

_ENDINGS: Final[dict[Ending, tuple[str, ...]]] = {
    "stop": (
        *("stop", "eos", "eos_token", "end_turn", "stop_sequence", "stop_token", "stop_str", "end", "done"),
        *("complete", "completed", "finish", "finished"),
    ),
    "tool_calls": ("tool_calls", "tool_call", "tool_use"),
    "function_call": ("function_call",),
    "length": (
        *("length", "max_tokens", "max_length", "max_output_tokens", "model_length", "max_completion_tokens"),
        *("model_context_window_exceeded", "repetition", "incomplete"),
    ),
    "content_filter": (
        *("content_filter", "content_filtered", "safety", "recitation", "blocklist", "prohibited_content", "spii"),
        *("sensitive", "refusal", "guardrail_intervened", "image_safety"),
    ),
    "error": (
        *("error", "abort", "aborted", "cancelled", "canceled", "failed", "network_error"),
        *("insufficient_system_resource", "malformed_function_call", "error_toxic", "timeout"),
    ),
}
ENDINGS: Final[dict[str, Ending]] = {word: ours for ours, words in _ENDINGS.items() for word in words}
"""Lower-case word of a server -> OpenAI's."""

HEARTBEATS: Final = frozenset(
    {b"", b"ping", b"pong", b"keep-alive", b"keepalive", b"heartbeat", b"null", b"{}", b"[]", b'""'}
)
"""Data of events that say nothing but that the connection lives."""
LONGEST_HEARTBEAT: Final = 15
"""In bytes, blanks around it included."""
DONE: Final = b"[DONE]"


_NO_ENDINGS: Final = frozenset({"", "null", "none", "unspecified"})
"""What servers write for an end that is none."""


def ending(reason: object) -> Ending:
    """How a choice ended that says `reason`."""
    if not isinstance(reason, str) or not reason:
        return ""
    found = ENDINGS.get(reason.lower())
    if found is not None:
        return found
    word = reason.strip().lower().removeprefix("finishreason.").removeprefix("finish_reason_")
    return "" if word in _NO_ENDINGS else ENDINGS.get(word, "other")


def is_done(data: bytes) -> bool:
    """Whether an event is the one behind the last, `[DONE]`."""
    return len(data) <= LONGEST_HEARTBEAT and data.strip().upper() == DONE


def says_nothing(value: object) -> bool:
    """Whether a value is as good as none: null, false, empty, or an object of such values."""
    if isinstance(value, dict):
        return all(says_nothing(item) for item in cast("dict[str, Any]", value).values())
    return not value and not (isinstance(value, int | float) and not isinstance(value, bool))


def is_heartbeat(data: bytes) -> bool:
    """Whether an event says nothing but that the connection lives."""
    return len(data) <= LONGEST_HEARTBEAT and data.strip().lower() in HEARTBEATS


class Spoken(NamedTuple):
    """What a content says that comes in parts."""

    text: str
    thought: str
    """Mistral's parts of type `thinking`: no answer."""


def spoken(content: list[Any]) -> Spoken:
    """The words of a list of parts, joined as they would stand in one text."""
    text: list[str] = []
    thought: list[str] = []
    for part in content:
        if isinstance(part, dict):
            fields = cast("dict[str, Any]", part)
            inner = fields.get("thinking")
            if isinstance(inner, list):
                thought.append(spoken(cast("list[Any]", inner)).text)
            elif isinstance(inner, str):
                thought.append(inner)
            elif isinstance(fields.get("text"), str):
                text.append(fields["text"])
    return Spoken("".join(text), "".join(thought))


def arguments_text(arguments: object) -> str:
    """A tool call's arguments as JSON text; some servers give the object itself."""
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else msgspec.json.encode(mended(arguments)).decode()
