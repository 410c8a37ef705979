"""Which route a request belongs to, and whether the candidate may be asked it: eligible, or the reason why not.

Hot path: standard library and msgspec only. A body is decoded no further than a question needs: the routed fields in
one pass, conversations and tools only once a route with a candidate is found.

Source: wire.md A2 (Responses) and A3 (chat completions) in words: what engines refuse, or ignore without a word.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter, is_
from typing import Final

import msgspec

from policies.globs import is_like
from policies.reasons import Reason
from policies.request.body import (
    CHAT,
    COMPLETIONS,
    EMBEDDINGS,
    RESPONSES,
    Body,
    Call,
    RoutingFields,
    UnroutableBodyError,
    read_body,
    system_prompt,
)
from policies.request.engine_fields import engine_field, named_media
from policies.request.shapes import Format, Text, ToolField
from policies.routing import Eligible, Match, Route

__all__ = ["FORBIDDABLE", "ROUTABLE", "USUAL", "Body", "Call", "Reason", "find", "ineligible", "read_body"]

USUAL: Final = (CHAT, COMPLETIONS, RESPONSES)
"""Paths of a route that names none."""
ROUTABLE: Final = (*USUAL, EMBEDDINGS)
"""Paths a candidate can answer. Embeddings are to be named: vectors of two models must never be mixed."""

MAX_BODY_BYTES: Final = 32 * 1024 * 1024
_MAX_KEYS: Final = 256
"""Top-level fields a request may have; OpenAI's own know about forty."""


class _Key:
    """A top-level key; all are one, so that a dict of them keeps nothing."""


_KEY: Final = _Key()
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_METADATA: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TOOLS: Final = msgspec.json.Decoder(list[ToolField] | None)
_CHOICE: Final = msgspec.json.Decoder(ToolField | str | None)
_FORMAT: Final = msgspec.json.Decoder(Format | None)
_TEXT: Final = msgspec.json.Decoder(Text | None)
_WORDS: Final = msgspec.json.Decoder(list[str] | None)

_DECODING: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding hostile bytes raises: none of it is the gateway's business, the frontier answers."""


def find(routes: Sequence[Route], call: Call) -> Route | None:
    """The first route that `call` belongs to; `routes` stand in matching order."""
    model = call.body.model
    for route in routes:
        match = route.match
        if model not in match.model and (match.model or match.model_like) and not is_like(model, match.model_like):
            continue
        if call.path in (match.path or USUAL) and _fits(match, call):
            return route
    return None


def _fits(match: Match, call: Call) -> bool:
    if match.key and call.key_name not in match.key:
        return False
    for name, values in match.header.items():
        if call.headers.get(name.encode("latin-1"), b"").decode("latin-1") not in values:
            return False
    if match.metadata and not _has_metadata(match.metadata, call.body):
        return False
    if not match.system_prompt_contains and not match.system_prompt_sha256:
        return True
    try:
        return _has_prompt(match, system_prompt(call))
    except UnroutableBodyError:
        return False


def _has_metadata(wanted: Mapping[str, tuple[str, ...]], body: Body) -> bool:
    try:
        found = _METADATA.decode(body.fields.metadata)
        return all(
            name in found and msgspec.json.decode(found[name], type=str) in values for name, values in wanted.items()
        )
    except _DECODING:
        return False


def _has_prompt(match: Match, prompt: str) -> bool:
    contained = not match.system_prompt_contains or any(part in prompt for part in match.system_prompt_contains)
    if not contained or not match.system_prompt_sha256:
        return contained
    return hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest() in match.system_prompt_sha256


def ineligible(route: Route, call: Call) -> str | None:
    """Why the candidate may not be asked: a `Reason`, or `engine_only:` and a field's name. None: it may."""
    try:
        reason = _unreadable(route.eligible, call)
        return reason if reason is not None else _unfit(route, call)
    except _DECODING:
        return Reason.MALFORMED


def _is_stored(path: str, fields: RoutingFields) -> bool:
    """Whether the app may read the answer back at the frontier: a Response unless it says no, a chat if it says so."""
    return bytes(fields.store) != b"false" if path == RESPONSES else bytes(fields.store) == b"true"


def _unfit(route: Route, call: Call) -> str | None:
    """What in the request speaks against the candidate."""
    body, path, eligible = call.body, call.path, route.eligible
    plain = body.is_plain(path)
    if not plain and _is_no_conversation(call):
        return Reason.TOO_LARGE
    refused = None if body.is_common else _refused_name(route, body.raw)
    if refused is not None:
        return refused
    if path == EMBEDDINGS:
        return Reason.TOKEN_PROMPT if _has_tokens(bytes(body.fields.input)) else None
    marks: set[bytes] = set()
    if not plain:
        conversation = body.conversation(path)
        media = _named_media(eligible, conversation)
        if media is not None:
            return media
        marks = _marks(conversation)
    if marks or not (body.is_common or _is_ordinary(body.fields)):
        for reason, holds in _RESPONSES if path == RESPONSES else _CHAT:
            if holds(body.fields, marks):
                return reason
    if not eligible.stateless and (path == RESPONSES or not body.is_common) and _is_stored(path, body.fields):
        return Reason.STORED
    return _forbidden(eligible.forbid, body.fields, marks) if eligible.forbid else None


def _named_media(eligible: Eligible, conversation: bytes) -> Reason | None:
    """Media that an engine would have to fetch, and may not."""
    found = named_media(conversation, eligible.media_hosts) if eligible.is_engine else None
    return None if found is None else Reason(found)


def _unreadable(eligible: Eligible, call: Call) -> Reason | None:
    """What speaks against so much as reading the request."""
    headers = call.headers
    # `find`: several times as quick as `in`, which first tries whether what it looks for is a number.
    if call.path not in ROUTABLE or headers.get(b"content-type", b"application/json").lower().find(b"json") < 0:
        return Reason.NOT_ROUTABLE
    encoding = headers.get(b"content-encoding")
    if encoding is not None and encoding.lower() != b"identity":
        return Reason.ENCODED_BODY
    if call.body.is_copy:
        return Reason.MALFORMED
    if call.body_bytes > MAX_BODY_BYTES:
        return Reason.TOO_LARGE
    if eligible.max_input_bytes is not None and call.body_bytes > eligible.max_input_bytes:
        return Reason.INPUT_TOO_LONG
    return None


def _is_no_conversation(call: Call) -> bool:
    """Whether the conversation has so many parts that it is none."""
    try:
        call.body.turns(call.path)
    except UnroutableBodyError:
        return True
    return False


def _refused_name(route: Route, raw: bytes) -> str | None:
    """Why the names of the top-level fields speak against the candidate: one stands there twice, or is an engine's."""
    names = _names(raw)
    if names is None:
        return Reason.DUPLICATE_KEY
    dropped = route.candidate.drop if route.candidate is not None else ()
    only = engine_field(raw, names, dropped)
    return f"{Reason.ENGINE_ONLY}:{only}" if only else None


def _names(raw: bytes) -> set[str] | None:
    """The top-level fields; None: one stands there twice, however it is spelled, or there are too many."""
    seen: set[str] = set()

    def see(_: type, name: str) -> _Key:
        if name in seen or len(seen) >= _MAX_KEYS:
            seen.add("")
            raise ValueError
        seen.add(name)
        return _KEY

    try:
        msgspec.json.decode(raw, type=dict[_Key, msgspec.Raw], dec_hook=see)
    except msgspec.ValidationError:
        return None
    return seen


_MARKS: Final = re.compile(
    rb'"(image_url|input_image|input_audio|input_file|file_data|file_id|item_reference|encrypted_content"\s*:\s*)"'
)
"""Words that a conversation has as keys or values of their own where it is more than text. Inside a text the quotes
are escaped, so that talking about a word is no use of it."""

_Holds = Callable[[RoutingFields, set[bytes]], bool]
"""(the fields, the marks in the conversation) -> whether it is so."""


def _marks(conversation: bytes) -> set[bytes]:
    return {found[1].split(b'"')[0] for found in _MARKS.finditer(conversation)}


def _mentions(*names: bytes) -> _Holds:
    wanted = frozenset(names)
    return lambda _, marks: not wanted.isdisjoint(marks)


def _gives(name: str) -> _Holds:
    """Whether a field says something: null, false and empties are as good as absent."""

    def given(fields: RoutingFields, _: set[bytes]) -> bool:
        return bytes(getattr(fields, name)) not in (b"null", b"false", b"{}", b"[]", b'""')

    return given


_RARE: Final = attrgetter(
    "logit_bias", "moderation", "tool_choice", "functions", "function_call", "tools", "audio", "modalities",
    "web_search_options", "prompt", "previous_response_id", "conversation", "background", "context_management",
    "access_programs", "include", "service_tier",
)  # fmt: skip
"""What the tables below look at. Most requests have none of it, which one comparison tells."""
_ABSENT: Final = _RARE(RoutingFields())


def _is_ordinary(fields: RoutingFields) -> bool:
    return all(map(is_, _RARE(fields), _ABSENT))


def _asks_audio(fields: RoutingFields, _: set[bytes]) -> bool:
    return bytes(fields.audio) != b"null" or "audio" in (_WORDS.decode(fields.modalities) or ())


def _allows_tools(fields: RoutingFields, _: set[bytes]) -> bool:
    choice = _CHOICE.decode(fields.tool_choice)
    return isinstance(choice, ToolField) and choice.type == "allowed_tools"


def _has_other_tools(fields: RoutingFields, _: set[bytes]) -> bool:
    return any(tool.type != "function" for tool in _TOOLS.decode(fields.tools) or ())


def _has_hosted_tools(fields: RoutingFields, _: set[bytes]) -> bool:
    for tool in _TOOLS.decode(fields.tools) or ():
        is_plain = tool.type == "custom" and (tool.format is None or tool.format.type == "text")
        if tool.type != "function" and not is_plain:
            return True
    return False


def _has_token_prompt(fields: RoutingFields, _: set[bytes]) -> bool:
    return _has_tokens(bytes(fields.prompt))


def _has_tokens(raw: bytes) -> bool:
    """Whether a prompt or an input is tokens, which are of the baseline's own tokenizer, and not texts."""
    return raw.startswith(b"[") and any(not bytes(part).startswith(b'"') for part in _LIST.decode(raw)[:1])


_ENGINE_INCLUDES: Final = frozenset({
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "message.input_image.image_url",
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
})  # fmt: skip

_Check = tuple[Reason, _Holds]

_BOTH: Final[tuple[_Check, ...]] = (
    (Reason.LOGIT_BIAS, _gives("logit_bias")),
    (Reason.MODERATION, _gives("moderation")),
    (Reason.ALLOWED_TOOLS, _allows_tools),
    (Reason.FILES, _mentions(b"file_id")),
)
_CHAT: Final[tuple[_Check, ...]] = (
    *_BOTH,
    (Reason.FUNCTIONS, _gives("functions")),
    (Reason.FUNCTIONS, _gives("function_call")),
    (Reason.TOOL_TYPE, _has_other_tools),
    (Reason.AUDIO, _asks_audio),
    (Reason.WEB_SEARCH, lambda fields, _: bytes(fields.web_search_options) != b"null"),
    (Reason.TOKEN_PROMPT, _has_token_prompt),
)
_RESPONSES: Final[tuple[_Check, ...]] = (
    *_BOTH,
    (Reason.PREVIOUS_RESPONSE_ID, _gives("previous_response_id")),
    (Reason.CONVERSATION, _gives("conversation")),
    (Reason.BACKGROUND, _gives("background")),
    (Reason.PROMPT_TEMPLATE, _gives("prompt")),
    (Reason.CONTEXT_MANAGEMENT, _gives("context_management")),
    (Reason.ACCESS_PROGRAMS, _gives("access_programs")),
    (Reason.TOOL_TYPE, _has_hosted_tools),
    (Reason.ITEM_REFERENCE, _mentions(b"item_reference")),
    (Reason.ENCRYPTED_REASONING, _mentions(b"encrypted_content")),
    (Reason.INCLUDE, lambda fields, _: not _ENGINE_INCLUDES.issuperset(_WORDS.decode(fields.include) or ())),
    (Reason.SERVICE_TIER, lambda fields, _: fields.service_tier == "fast"),
)


_asks_logprobs = _gives("logprobs")


def _wants_logprobs(fields: RoutingFields, marks: set[bytes]) -> bool:
    if _asks_logprobs(fields, marks) or bytes(fields.top_logprobs) not in (b"null", b"0"):
        return True
    return b'"message.output_text.logprobs"' in bytes(fields.include)


def _wants_format(fields: RoutingFields, _: set[bytes]) -> bool:
    text = _TEXT.decode(fields.text)
    formats = (_FORMAT.decode(fields.response_format), text.format if text else None)
    return any(found is not None and found.type != "text" for found in formats)


FORBIDDABLE: Final[Mapping[str, _Holds]] = {
    Reason.IMAGES: _mentions(b"image_url", b"input_image"),
    Reason.AUDIO: _mentions(b"input_audio"),
    Reason.FILES: _mentions(b"file_data", b"input_file"),
    Reason.LOGPROBS: _wants_logprobs,
    Reason.MANY_CHOICES: lambda fields, _: bytes(fields.n) not in (b"null", b"1"),
    Reason.TOOLS: _gives("tools"),
    Reason.STRUCTURED_OUTPUT: _wants_format,
    Reason.STREAM: lambda fields, _: bool(fields.stream),
    Reason.STORE: lambda fields, _: bytes(fields.store) == b"true",
    Reason.PREVIOUS_RESPONSE_ID: _gives("previous_response_id"),
}
"""What a policy may forbid (`eligible.forbid`), and how it is seen."""


def _forbidden(names: Sequence[str], fields: RoutingFields, marks: set[bytes]) -> Reason | None:
    for name in names:
        holds = FORBIDDABLE.get(name)
        if holds is None:
            return Reason.UNKNOWN_RULE
        if holds(fields, marks):
            return Reason(name)
    return None
