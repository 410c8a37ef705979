"""The candidate's copy of a request: only what is named here or by the variant changes, all else keeps its bytes.

`policies.matching` has said that the candidate may be asked. What it cannot see without reading the conversation is
found here: such a request is `Unfit`, and the baseline answers it.

Source: wire.md A2 and A3 in words; vLLM 0.32 and 0.33 as observed.
"""

from collections.abc import Sequence
from itertools import takewhile
from typing import Final, TypeGuard

import msgspec

from gateway.rewrite import embeddings
from gateway.rewrite.call_ids import own
from gateway.rewrite.shapes import NULL, Adapted, AnswerShape, Fields, RequestTurn, Surface, Unfit
from gateway.rewrite.surface import UNREADABLE, read_asked, surface_of
from policies.assignment import CANDIDATE_CALL_PREFIX
from policies.request.body import PlainTurn
from policies.routing import Variant
from policies.upstream_kinds import ENGINES, Kind

_STATE: Final = ("store", "metadata", "user", "safety_identifier", "service_tier")
"""What only the frontier keeps or sells; engines ignore it at best."""
_HINTS: Final = ("prediction", "verbosity")
_UNKNOWN: Final = frozenset((*_STATE, *_HINTS))
_OPENAI_DEFAULTS: Final = ("temperature", "top_p")
"""1 at OpenAI; an engine left without them takes the model's own generation_config.json."""

_FIELDS: Final = msgspec.json.Decoder(Fields)
_MESSAGES: Final = msgspec.json.Decoder(list[RequestTurn])
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])


def adapt_request(
    body: bytes, path: str, variant: Variant, *, kind: Kind, turns: Sequence[PlainTurn] = ()
) -> Adapted | Unfit:
    """The copy of `body` that `variant` is sent, its upstream being of `kind`; `path` is without its query.

    `turns`: the conversation, where it was read before and is text alone; otherwise it is read here.

    Engines get explicit OpenAI defaults, roles their chat templates know, and nothing they refuse or would keep.
    The variant's `set` comes last but for the model: it overrides everything above it.
    """
    surface = surface_of(path)
    if surface == "embeddings":
        return embeddings.adapt_request(body, variant, kind=kind)
    if surface is None or (surface == "completions" and variant.system_prompt is not None):
        return Unfit("not_routable")  # of a text completion there is no prompt of the system's to take the place of
    return _adapted(body, surface, variant, kind, turns)


def _adapted(
    body: bytes, surface: Surface, variant: Variant, kind: Kind, turns: Sequence[PlainTurn]
) -> Adapted | Unfit:
    """The same of what is generated."""
    try:
        fields = _FIELDS.decode(body)
        asked = read_asked(fields, surface)
        for name in variant.drop:
            fields.pop(name, None)
        if variant.system_prompt is not None:
            _replace_prompt(fields, surface, variant.system_prompt)
            turns = ()  # what was read before is not what is sent
        if kind in ENGINES:
            name = "input" if surface == "responses" else "messages"
            messages = turns or _messages(fields.get(name))
            if not all(map(_has_valid_arguments, messages)):
                return Unfit("invalid_tool_arguments")
            _adapt_for_engine(fields, asked)
            if name in fields:
                _adapt_roles(fields, name, [message.role for message in messages])
        _ask_for_usage(fields, asked)
        if not turns and CANDIDATE_CALL_PREFIX.encode() in body:
            _restore_call_ids(fields, "input" if surface == "responses" else "messages")
    except (*UNREADABLE, KeyError):  # KeyError: a message without content
        return Unfit("malformed")
    fields.update(variant.set)
    if variant.model is not None:
        fields["model"] = _raw(variant.model)
    return Adapted(msgspec.json.encode(fields), asked)


def _replace_prompt(fields: Fields, surface: Surface, prompt: str) -> None:
    """Put `prompt` where all that the app tells the model beforehand stands."""
    name = "input" if surface == "responses" else "messages"
    if _is_list(fields.get(name)):
        turns, roles = _LIST.decode(fields[name]), [turn.role for turn in _messages(fields[name])]
        leading = len(list(takewhile(lambda role: role in {"system", "developer"}, roles)))
        first = {"role": _raw(roles[0] if leading else "system"), "content": _raw(prompt)}
        fields[name] = _raw(turns[leading:] if surface == "responses" else [first, *turns[leading:]])
    if surface == "responses":
        fields["instructions"] = _raw(prompt)


def _adapt_for_engine(fields: Fields, asked: AnswerShape) -> None:
    """Drop what an engine refuses, ignores or would keep, and say what it would guess."""
    for name in [name for name, value in fields.items() if _says_nothing_to_engines(name, value)]:
        del fields[name]
    tools = fields.get("tools")
    if _is_list(tools) and not msgspec.json.decode(tools, type=list[msgspec.Raw]):
        for name in ("tools", "tool_choice", "parallel_tool_calls"):
            fields.pop(name, None)
    if not asked.stream:
        fields.pop("stream_options", None)
    for name in _OPENAI_DEFAULTS:
        if bytes(fields.get(name, NULL)) == b"null":
            fields[name] = msgspec.Raw(b"1")
    if asked.surface == "responses":
        fields["store"] = msgspec.Raw(b"false")  # OpenAI's default is true; an engine's store is memory that leaks


def _says_nothing_to_engines(name: str, value: msgspec.Raw) -> bool:
    """Whether an engine is not told a field. null is OpenAI's for "not said", and SGLang refuses it in many fields."""
    return value == NULL or name in _UNKNOWN or name.startswith("prompt_cache_")


def _ask_for_usage(fields: Fields, asked: AnswerShape) -> None:
    """Have a stream of chunks end with its usage; `answer` takes it out again unless the app asked for it."""
    if not asked.stream or asked.include_usage or asked.surface == "responses":
        return
    given = fields.get("stream_options", NULL)
    options = {} if bytes(given) == b"null" else msgspec.json.decode(given, type=Fields)
    options["include_usage"] = msgspec.Raw(b"true")
    fields["stream_options"] = _raw(options)


def _adapt_roles(fields: Fields, turns: str, roles: list[str]) -> None:
    """Call `developer` turns `system`, and make the leading ones one turn: chat templates know one system message.

    `input` of Responses is only renamed: its engine merges the instructions itself.
    """
    leading = len(list(takewhile(lambda role: role in {"system", "developer"}, roles)))
    if "developer" not in roles and (leading < 2 or turns == "input"):
        return
    messages = msgspec.json.decode(fields[turns], type=list[Fields])
    for message, role in zip(messages, roles, strict=True):
        if role == "developer":
            message["role"] = msgspec.Raw(b'"system"')
    if turns == "messages" and leading > 1:
        messages[:leading] = [_merge(messages[:leading])]
    fields[turns] = _raw(messages)


def _restore_call_ids(fields: Fields, turns: str) -> None:
    """Give each tool call and result the id that the candidate gave it (`call_ids`)."""
    if not _is_list(fields.get(turns)):
        return
    messages = msgspec.json.decode(fields[turns], type=list[Fields])
    own_ids: dict[str, str] = {}
    for message in messages:
        calls = message.get("tool_calls", NULL)
        if _is_list(calls):
            restored = [_restored(call, own_ids) for call in msgspec.json.decode(calls, type=list[Fields])]
            message["tool_calls"] = _raw(restored)
        for name in ("tool_call_id", "call_id"):
            given = _text(message.get(name))
            if given:
                own_ids.setdefault(given, own(given, _text(message.get("name"))))
                message[name] = _raw(own_ids[given])
    fields[turns] = _raw(messages)


def _restored(call: Fields, own_ids: dict[str, str]) -> Fields:
    function = call.get("function", NULL)
    named = msgspec.json.decode(function, type=Fields) if bytes(function).startswith(b"{") else {}
    given = _text(call.get("id"))
    if given:
        own_ids[given] = own(given, _text(named.get("name")))
        call["id"] = _raw(own_ids[given])
    return call


def _text(raw: msgspec.Raw | None) -> str:
    return msgspec.json.decode(raw, type=str) if raw is not None and bytes(raw).startswith(b'"') else ""


def _merge(messages: list[Fields]) -> Fields:
    """One message with the content of all: text joined by a blank line, or the parts one after the other."""
    contents = [msgspec.json.decode(message["content"], type=str | list[msgspec.Raw]) for message in messages]
    texts = [content for content in contents if isinstance(content, str)]
    if len(texts) == len(contents):
        return messages[0] | {"content": _raw("\n\n".join(texts))}
    parts: list[msgspec.Raw] = []
    for content in contents:
        parts += [_raw({"type": "text", "text": content})] if isinstance(content, str) else content
    return messages[0] | {"content": _raw(parts)}


def _messages(raw: msgspec.Raw | None) -> Sequence[RequestTurn]:
    return _MESSAGES.decode(raw) if _is_list(raw) else ()


def _has_valid_arguments(turn: RequestTurn | PlainTurn) -> bool:
    """Whether a turn's tool calls' arguments are JSON objects each: a chat template fails on anything else."""
    if isinstance(turn, PlainTurn) or (not turn.tool_calls and turn.type != "function_call"):
        return True
    texts = [call.function.arguments for call in turn.tool_calls or () if call.function]
    if turn.type == "function_call":
        texts.append(turn.arguments)
    return all(_is_object(text) for text in texts if text)


def _is_object(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=Fields)
    except UNREADABLE:
        return False
    return True


def _is_list(raw: msgspec.Raw | None) -> TypeGuard[msgspec.Raw]:
    return raw is not None and bytes(raw).startswith(b"[")


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
