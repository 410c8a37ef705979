"""What requests and answers are decoded into on their way to and from a candidate, and what comes of adapting them.

A file of their own: msgspec makes these classes, which a compiled module would not leave to it (docs/adr/005).
"""

from typing import Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

NULL: Final = msgspec.Raw(b"null")
Fields = dict[str, msgspec.Raw]
Surface = Literal["chat", "completions", "responses", "embeddings"]
"""The endpoints a candidate can answer."""

# Requests -------------------------------------------------------------------------------------------------------------


class AnswerShape(msgspec.Struct, frozen=True):
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
    n: int = 1
    """So many answers: of completions, so many to each of its prompts."""
    inputs: int = 0
    """Of embeddings: so many texts, and so many vectors."""
    is_base64: bool = False
    """Of embeddings: vectors are base64 of float32, not lists of numbers."""


class StreamOptions(msgspec.Struct):
    """What a stream is to end with."""

    include_usage: bool | None = None


class ForcedTool(msgspec.Struct):
    """A tool choice that is an object: a tool it must be, or a rule."""

    type: str = ""


class RequestFields(msgspec.Struct):
    """The fields of a request that its answer depends on."""

    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    service_tier: str | None = None
    n: int | None = None
    tool_choice: ForcedTool | str | None = None
    tools: list[msgspec.Raw] | None = None
    prompt: msgspec.Raw = NULL
    instructions: msgspec.Raw = NULL
    metadata: msgspec.Raw = NULL
    user: msgspec.Raw = NULL
    safety_identifier: msgspec.Raw = NULL
    prompt_cache_key: msgspec.Raw = NULL


class EmbeddingsFields(msgspec.Struct):
    """The fields of a request for embeddings that its answer depends on."""

    model: str
    input: msgspec.Raw
    encoding_format: str | None = None


class Adapted(msgspec.Struct, frozen=True):
    """A request for the candidate, and what its answer has to look like."""

    body: bytes
    asked: AnswerShape


class Unfit(msgspec.Struct, frozen=True):
    """The candidate must not be asked this: the baseline answers, and `reason` is counted as ineligible."""

    reason: Literal["not_routable", "malformed", "invalid_tool_arguments"]


class RequestFunction(msgspec.Struct):
    """What a tool call of an earlier turn calls."""

    arguments: str | None = None


class RequestCall(msgspec.Struct):
    """A tool call of an earlier turn."""

    function: RequestFunction | None = None


class RequestTurn(msgspec.Struct):
    """A message, or an item of a Responses input."""

    role: str = ""
    tool_calls: list[RequestCall] | None = None
    type: str = ""
    arguments: str | None = None
    """A Responses item of type function_call has them here."""


# Chat completions and completions: the fields of OpenAI's, and no more ------------------------------------------------


class Function(msgspec.Struct, omit_defaults=True):
    """A function call, or a fragment of one."""

    name: str | UnsetType | None = UNSET
    arguments: str | UnsetType | None = UNSET


class WireToolCall(msgspec.Struct, omit_defaults=True):
    """A tool call; in chunks by index, with its id once."""

    index: int | UnsetType = UNSET
    id: str | UnsetType | None = UNSET
    type: str | UnsetType | None = UNSET
    function: Function | UnsetType = UNSET


class WireMessage(msgspec.Struct):
    """A message or a delta."""

    role: str | UnsetType | None = UNSET
    content: str | UnsetType | None = UNSET
    refusal: str | UnsetType | None = UNSET
    annotations: msgspec.Raw | UnsetType = UNSET
    audio: msgspec.Raw | UnsetType = UNSET
    function_call: msgspec.Raw | UnsetType = UNSET
    tool_calls: list[WireToolCall] | UnsetType | None = UNSET
    reasoning: str | UnsetType | None = UNSET
    """Decoded to know that the engine is at work; never encoded."""
    reasoning_content: str | UnsetType | None = UNSET


class Choice(msgspec.Struct):
    """One of n answers, or a part of it."""

    index: int = 0
    message: WireMessage | UnsetType = UNSET
    delta: WireMessage | UnsetType = UNSET
    text: str | UnsetType = UNSET
    logprobs: msgspec.Raw = NULL
    finish_reason: str | None = None
    usage: UnsetType | None = UNSET
    """A count here is one for the lax reader, as in `WireUsage`."""


class WireUsage(msgspec.Struct):
    """Tokens, as OpenAI counts them: whatever is counted otherwise does not fit, and `lax_reader` knows what it means.

    Details an engine does not report are 0: apps read them without looking.
    """

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: msgspec.Raw = NULL
    completion_tokens_details: msgspec.Raw = NULL
    cached_tokens: UnsetType | None = UNSET
    prompt_cache_hit_tokens: UnsetType | None = UNSET
    reasoning_tokens: UnsetType | None = UNSET


class ChatAnswer(msgspec.Struct):
    """A chat completion, a completion, or a chunk of one."""

    id: str = ""
    object: str = ""
    created: int = 0
    model: str = ""
    service_tier: str | UnsetType | None = UNSET
    system_fingerprint: str | None = None
    choices: list[Choice] = []
    usage: WireUsage | UnsetType | None = UNSET
    x_groq: UnsetType | None = UNSET
    obfuscation: str | UnsetType = UNSET
    error: msgspec.Raw | UnsetType = UNSET


# Responses ------------------------------------------------------------------------------------------------------------


class ResponsesEvent(msgspec.Struct):
    """What an event is, and its number."""

    type: str = ""
    sequence_number: int | None = None
    delta: msgspec.Raw = NULL
    """A piece of what is said: words, thoughts, a call's arguments."""


class ResponsesProblem(msgspec.Struct):
    """The event that ends a broken response."""

    sequence_number: int
    type: str = "error"
    code: str = "upstream_broken"
    message: str = ""
    param: None = None


class ResponsesItem(msgspec.Struct):
    """An item of the output, as far as it may be a tool call."""

    type: str = ""
    call_id: str | None = None
    name: str | None = None
    arguments: msgspec.Raw = NULL
    content: msgspec.Raw = NULL
    status: msgspec.Raw = NULL


class ResponsesPart(msgspec.Struct):
    """A part of a message of the output, as far as it may be text."""

    type: str = ""
    text: msgspec.Raw = NULL


class ResponsesEnd(msgspec.Struct):
    """The response of a stream's last event, as far as it says what was in it."""

    output: list[msgspec.Raw] | None = None
    status: str | None = None


class Response(msgspec.Struct):
    """A whole response, as far as it says how it ended."""

    output: list[msgspec.Raw]
    status: str
    error: msgspec.Raw = NULL


# Embeddings -----------------------------------------------------------------------------------------------------------


class EmbeddingItem(msgspec.Struct):
    """One text's vector."""

    embedding: msgspec.Raw
    index: int | None = None
    object: str = "embedding"


class EmbeddingsUsage(msgspec.Struct):
    """Tokens, as OpenAI counts them."""

    prompt_tokens: int = 0
    total_tokens: int = 0


class EmbeddingsAnswer(msgspec.Struct):
    """All vectors."""

    object: str = "list"
    data: list[EmbeddingItem] = []
    model: str = ""
    usage: EmbeddingsUsage | None = None
    error: msgspec.Raw | UnsetType = UNSET
