"""The shapes of a request's JSON, as far as routing looks at it: what its bytes are decoded into.

A file of their own: msgspec makes these classes, which a compiled module would not leave to it (`docs/adr/`).
"""

from typing import Literal

import msgspec

_NULL = msgspec.Raw(b"null")


class RoutingFields(msgspec.Struct, omit_defaults=True):
    """The fields of a request that routing looks at. Raw: not looked into until a question needs it."""

    model: str | None = None
    stream: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None
    messages: msgspec.Raw = _NULL
    input: msgspec.Raw = _NULL
    instructions: msgspec.Raw = _NULL
    prompt: msgspec.Raw = _NULL
    metadata: msgspec.Raw = _NULL
    tools: msgspec.Raw = _NULL
    tool_choice: msgspec.Raw = _NULL
    response_format: msgspec.Raw = _NULL
    text: msgspec.Raw = _NULL
    n: msgspec.Raw = _NULL
    store: msgspec.Raw = _NULL
    logprobs: msgspec.Raw = _NULL
    top_logprobs: msgspec.Raw = _NULL
    logit_bias: msgspec.Raw = _NULL
    modalities: msgspec.Raw = _NULL
    audio: msgspec.Raw = _NULL
    functions: msgspec.Raw = _NULL
    function_call: msgspec.Raw = _NULL
    web_search_options: msgspec.Raw = _NULL
    moderation: msgspec.Raw = _NULL
    include: msgspec.Raw = _NULL
    previous_response_id: msgspec.Raw = _NULL
    conversation: msgspec.Raw = _NULL
    background: msgspec.Raw = _NULL
    context_management: msgspec.Raw = _NULL
    access_programs: msgspec.Raw = _NULL


class MessageField(msgspec.Struct):
    """One message of a chat, or one item of a Responses input."""

    role: str | None = None
    type: str | None = None
    content: msgspec.Raw = _NULL
    tool_call_id: str | None = None
    call_id: str | None = None


class PlainTurn(msgspec.Struct, forbid_unknown_fields=True):
    """A message that is text and nothing else."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str
    name: str | None = None


class Part(msgspec.Struct):
    """A part of a message's content."""

    text: str | None = None


class Name(str):
    """A field's name; of a kind of its own, so that msgspec has each of them made by us."""

    __slots__ = ()


class Format(msgspec.Struct):
    """What an answer, or a tool's input, is to look like."""

    type: str = ""


class ToolField(msgspec.Struct):
    """A tool, or a choice among them."""

    type: str = ""
    format: Format | None = None


class Text(msgspec.Struct):
    """The `text` of a Responses request."""

    format: Format | None = None
