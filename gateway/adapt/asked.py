"""What an app asked, as far as its answer has to show it."""

from collections.abc import Mapping
from typing import Literal

import msgspec

Surface = Literal["chat", "completions", "responses"]
"""The endpoints a candidate can answer."""

_SURFACES: tuple[tuple[str, Surface], ...] = (
    ("/chat/completions", "chat"),
    ("/completions", "completions"),
    ("/responses", "responses"),
)
_USUAL: dict[str, Surface] = {"/v1" + ending: surface for ending, surface in _SURFACES}


UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
"""What decoding hostile bytes raises."""
_NULL = msgspec.Raw(b"null")
_ECHOED = ("metadata", "user", "safety_identifier", "prompt_cache_key")


class Asked(msgspec.Struct, frozen=True):
    """What the app asked that the candidate's answer must show, or must not."""

    surface: Surface
    model: str
    stream: bool = False
    include_usage: bool = False
    service_tier: bool = False
    """It named a tier: the answer names one too."""
    named_tool: bool = False
    """It forced one function: OpenAI then ends with "stop", engines with "tool_calls"."""
    tools: bool = False
    echo: dict[str, msgspec.Raw] = {}
    """What a Responses answer repeats of its request although the candidate was not sent it."""


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Choice(msgspec.Struct):
    type: str = ""


class _Ask(msgspec.Struct):
    model: str
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    service_tier: str | None = None
    tool_choice: _Choice | str | None = None
    tools: list[msgspec.Raw] | None = None
    metadata: msgspec.Raw = _NULL
    user: msgspec.Raw = _NULL
    safety_identifier: msgspec.Raw = _NULL
    prompt_cache_key: msgspec.Raw = _NULL


_ASK = msgspec.json.Decoder(_Ask)
_encode = msgspec.json.Encoder().encode
_ASKED = _Ask.__struct_fields__


def surface_of(path: str) -> Surface | None:
    """Which endpoint `path` (without its query) is; None: not one that a candidate can answer."""
    usual = _USUAL.get(path)
    return usual or next((surface for ending, surface in _SURFACES if path.endswith(ending)), None)


def read_asked(fields: Mapping[str, msgspec.Raw], surface: Surface) -> Asked:
    """What a request of these `fields` asks.

    Raises:
        UNREADABLE: not a request of this surface; the baseline says what is wrong with it.
    """
    # Of a long request these are the least: they are decoded without the rest.
    ask = _ASK.decode(_encode({name: fields[name] for name in _ASKED if name in fields}))
    return Asked(
        surface,
        ask.model,
        stream=bool(ask.stream),
        include_usage=bool(ask.stream_options and ask.stream_options.include_usage),
        service_tier=ask.service_tier is not None,
        named_tool=isinstance(ask.tool_choice, _Choice) and ask.tool_choice.type == "function",
        tools=bool(ask.tools),
        echo={name: msgspec.Raw(getattr(ask, name)).copy() for name in _ECHOED} if surface == "responses" else {},
    )
