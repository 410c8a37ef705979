"""What an app asked, as far as its answer has to show it."""

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.rewrite.shapes import AnswerShape, ForcedTool, RequestFields, Surface
from records.wire.json_reader import UnreadableError
from records.wire.words import says_nothing

_SURFACES: Final[tuple[tuple[str, Surface], ...]] = (
    ("/chat/completions", "chat"),
    ("/completions", "completions"),
    ("/responses", "responses"),
    ("/embeddings", "embeddings"),
)
_USUAL: Final[dict[str, Surface]] = {"/v1" + ending: surface for ending, surface in _SURFACES}


UNREADABLE: Final = (msgspec.MsgspecError, RecursionError, UnicodeError, UnreadableError)
"""What decoding hostile bytes raises."""
_ECHOED: Final = ("instructions", "metadata", "user", "safety_identifier", "prompt_cache_key")
"""Of Responses: what is sent of them is not what the app said, or nothing."""


_ASK: Final = msgspec.json.Decoder(RequestFields)
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_encode: Final = msgspec.json.Encoder().encode
_ASKED: Final = RequestFields.__struct_fields__


def is_empty(raw: msgspec.Raw | bytes) -> bool:
    """Whether a field says nothing: some engines write what is not there as an empty text or object.

    What cannot be read says something: a number beyond all bounds in an error is an error.
    """
    try:
        return says_nothing(msgspec.json.decode(raw))
    except UNREADABLE:
        return False


def surface_of(path: str) -> Surface | None:
    """Which endpoint `path` (without its query) is; None: not one that a candidate can answer."""
    usual = _USUAL.get(path)
    return usual or next((surface for ending, surface in _SURFACES if path.endswith(ending)), None)


def read_asked(fields: Mapping[str, msgspec.Raw], surface: Surface) -> AnswerShape:
    """What a request of these `fields` asks.

    Raises:
        UNREADABLE: not a request of this surface; the baseline says what is wrong with it.
    """
    # Of a long request these are the least: they are decoded without the rest.
    ask = _ASK.decode(_encode({name: fields[name] for name in _ASKED if name in fields}))
    return AnswerShape(
        surface,
        ask.model,
        stream=bool(ask.stream),
        include_usage=bool(ask.stream_options and ask.stream_options.include_usage),
        service_tier=ask.service_tier is not None,
        named_tool=isinstance(ask.tool_choice, ForcedTool) and ask.tool_choice.type == "function",
        tools=bool(ask.tools),
        n=max(ask.n or 1, 1) * (_prompts(ask.prompt) if surface == "completions" else 1),
        echo={name: msgspec.Raw(getattr(ask, name)).copy() for name in _ECHOED} if surface == "responses" else {},
    )


def _prompts(given: msgspec.Raw) -> int:
    """How many prompts of a completion are given: a text, a list of tokens, or a list of either."""
    if not bytes(given).startswith(b"["):
        return 1
    each = _LIST.decode(given)
    return len(each) if each and bytes(each[0]).startswith((b'"', b"[")) else 1
