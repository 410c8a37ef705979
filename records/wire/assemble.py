"""Whole answers: out of the bytes of a stream, or of a body.

What a stream's chunks said is put together into the answer that the API would have given unstreamed. Nothing here
raises for what an upstream may send: what cannot be read leaves the answer `ended=False`.

Source: OpenAI API reference, "Streaming" of chat completions, completions and Responses.
"""

from typing import Any, Literal, cast

import msgspec

from records.wire import problem, sse, usage
from records.wire.event import StreamEvent
from records.wire.problem import ErrorObject
from records.wire.usage import Usage

Surface = Literal["chat", "completions", "responses", "embeddings", "other"]

_SURFACES: dict[str, Surface] = {
    "/chat/completions": "chat",
    "/completions": "completions",
    "/responses": "responses",
    "/embeddings": "embeddings",
}
_GROWS = frozenset({"content", "refusal", "reasoning", "reasoning_content", "text", "arguments", "transcript", "data"})
"""Fields whose text comes in pieces; of any other field the last value holds."""
_TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})
_STATUS_ENDED = frozenset({"completed", "incomplete", "failed", "cancelled"})

Fields = dict[str, Any]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, whole or as far as it came."""

    body: bytes
    """JSON, as the API gives it unstreamed. Of a body that is no JSON: the body."""
    ended: bool
    """It has its own end: every choice a finish reason, a response a final status."""
    finish_reasons: tuple[str, ...] = ()
    """One per choice, by index; of a response its status, or why it is incomplete."""
    id: str = ""
    model: str = ""
    system_fingerprint: str = ""
    usage: Usage | None = None
    problem: ErrorObject | None = None
    """The error it is, or ended with."""
    events: int = 0
    """Of a stream: events with data."""


def surface_of(path: str) -> Surface:
    """Which API answers at `path` (no query)."""
    path = path.rstrip("/")
    for end, surface in _SURFACES.items():
        if path.endswith(end):
            return surface
    return "other"


def read_body(surface: Surface, body: bytes) -> Answer:
    """The answer that `body` is."""
    try:
        found: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return Answer(body=body, ended=False)
    if not isinstance(found, dict):
        return Answer(body=body, ended=False, problem=problem.read(body))
    fields = cast(Fields, found)
    if surface == "responses":
        return _response(fields, body, None)
    error = problem.read_object(fields)
    if surface in ("chat", "completions"):
        reasons = tuple(_text(choice.get("finish_reason")) for choice in _objects(fields.get("choices")))
        ended = bool(reasons) and all(reasons) and error is None
        return _answer(fields, body=body, ended=ended, finish_reasons=reasons, problem=error)
    return _answer(fields, body=body, ended=error is None, problem=error)


def read_stream(surface: Surface, body: bytes) -> Answer:
    """The answer that the stream `body` carries."""
    decoder = sse.Decoder()
    events = decoder.feed(body) + decoder.finish()
    if surface == "responses":
        return _responses_stream(events)
    if surface == "other":
        return Answer(body=body, ended=True, events=len(events))
    return _chunks(events, legacy=surface == "completions")


def _answer(fields: Fields, **rest: Any) -> Answer:
    return Answer(
        id=_text(fields.get("id")),
        model=_text(fields.get("model")),
        system_fingerprint=_text(fields.get("system_fingerprint")),
        usage=usage.read_object(fields.get("usage")),
        **rest,
    )


# Chat completions and completions ---------------------------------------------------------------------------------


class _Pieces:
    """Text that is still growing; joined once, when it is written."""

    __slots__ = ("pieces",)

    def __init__(self, first: str) -> None:
        self.pieces = [first]


def _join(value: object) -> str:
    """Encoding hook: the whole text.

    Raises:
        NotImplementedError: not one of ours.
    """
    if isinstance(value, _Pieces):
        return "".join(value.pieces)
    raise NotImplementedError(type(value).__name__)


_encode = msgspec.json.Encoder(enc_hook=_join).encode


def _chunks(events: list[StreamEvent], *, legacy: bool) -> Answer:
    answer: Fields = {}
    choices: dict[int, Fields] = {}
    error: ErrorObject | None = None
    readable = True
    said: Fields | None = None
    for event in events:
        if event.data == b"[DONE]":
            break
        chunk = _decode(event.data)
        if chunk is None:
            readable = False
            continue
        parts = chunk.pop("choices", None)
        if chunk != said:  # most chunks differ in their choices alone
            said = chunk
            error = error or problem.read_object(chunk)
            answer.update((key, value) for key, value in chunk.items() if value is not None or key not in answer)
        for choice in _objects(parts):
            index = choice.get("index")
            _merge(choices.setdefault(index if isinstance(index, int) else 0, {}), choice)
    answer.pop("obfuscation", None)
    answer.pop("error", None)
    answer["object"] = "text_completion" if legacy else "chat.completion"
    whole = [choices[index] for index in sorted(choices)]
    answer["choices"] = whole if legacy else [_message(choice) for choice in whole]
    reasons = tuple(_text(choice.get("finish_reason")) for choice in whole)
    ended = bool(reasons) and all(reasons) and error is None and readable
    rest = {"body": _encode(answer), "ended": ended, "finish_reasons": reasons, "problem": error}
    return _answer(answer, events=len(events), **rest)


def _message(choice: Fields) -> Fields:
    """A whole choice out of its merged deltas."""
    message: Fields = {"role": "assistant", "content": None, "refusal": None}
    delta = choice.pop("delta", None)
    if isinstance(delta, dict):
        message |= cast(Fields, delta)
    for call in _objects(message.get("tool_calls")):
        call.pop("index", None)
    return {"index": 0, "message": message, "logprobs": None, "finish_reason": None} | choice


def _merge(whole: Fields, part: Fields) -> None:
    """Put what a chunk says of an object to what the ones before it said."""
    for key, value in part.items():
        before = whole.get(key)
        if isinstance(value, str) and key in _GROWS:
            if isinstance(before, _Pieces):
                before.pieces.append(value)
            else:
                whole[key] = _Pieces(value)
        elif isinstance(value, dict):
            into = cast(Fields, before) if isinstance(before, dict) else {}
            whole[key] = into
            _merge(into, cast(Fields, value))
        elif isinstance(value, list):
            into_list = cast(list[Any], before) if isinstance(before, list) else []
            whole[key] = into_list
            _merge_list(into_list, cast(list[Any], value))
        elif value is not None or before is None:
            whole[key] = value


def _merge_list(whole: list[Any], part: list[Any]) -> None:
    """Items with an index are parts of the item with that index; others are more items."""
    for item in part:
        index = cast(Fields, item).get("index") if isinstance(item, dict) else None
        if index is None:
            whole.append(item)
            continue
        fields = cast(Fields, item)
        into = next((one for one in reversed(_objects(whole)) if one.get("index") == index), None)
        if into is None or _is_another(into, fields):
            into = {}
            whole.append(into)
        _merge(into, fields)


def _is_another(whole: Fields, part: Fields) -> bool:
    """Whether a part is a new tool call although its index is taken: some engines count every call as 0."""
    return bool(whole.get("id") and part.get("id")) and whole["id"] != part["id"]


# Responses --------------------------------------------------------------------------------------------------------


def _responses_stream(events: list[StreamEvent]) -> Answer:
    response: Fields = {}
    items: dict[int, Fields] = {}
    error: ErrorObject | None = None
    for event in events:
        found = _decode(event.data)
        if found is None:
            continue
        kind = _text(found.get("type")) or event.event
        given = found.get("response")
        if isinstance(given, dict):
            response = cast(Fields, given)
        if kind in _TERMINAL:
            break
        if kind == "error" or "error" in found:
            error = problem.read_object(found | ({} if "error" in found else {"type": "error"}))
            break
        _follow(items, kind, found)
    if not response.get("output"):
        response["output"] = [items[index] for index in sorted(items)]
    answer = _response(response, _encode(response), error)
    return msgspec.structs.replace(answer, events=len(events))


def _follow(items: dict[int, Fields], kind: str, found: Fields) -> None:
    """Keep an output item as it comes, for an answer that never gets to its end."""
    index = found.get("output_index")
    if not isinstance(index, int):
        return
    item = found.get("item")
    if isinstance(item, dict):
        items[index] = cast(Fields, item)
        return
    delta = found.get("delta")
    if index not in items or not isinstance(delta, str):
        return
    if kind == "response.function_call_arguments.delta":
        _grow(items[index], "arguments", delta)
    elif kind in ("response.output_text.delta", "response.refusal.delta"):
        place = "text" if kind == "response.output_text.delta" else "refusal"
        part = _part(items[index], found.get("content_index"), place)
        _grow(part, place, delta)


def _part(item: Fields, index: object, place: str) -> Fields:
    """The content part of an item that a delta belongs to."""
    content = item.get("content")
    parts = cast(list[Any], content) if isinstance(content, list) else []
    item["content"] = parts
    if not isinstance(index, int) or not 0 <= index < len(parts):
        parts.append({"type": "output_text" if place == "text" else "refusal", place: ""})
        return cast(Fields, parts[-1])
    return cast(Fields, parts[index])


def _grow(fields: Fields, name: str, more: str) -> None:
    before = fields.get(name)
    if isinstance(before, _Pieces):
        before.pieces.append(more)
    else:
        fields[name] = _Pieces(_text(before) + more)


def _response(fields: Fields, body: bytes, error: ErrorObject | None) -> Answer:
    status = _text(fields.get("status"))
    details = fields.get("incomplete_details")
    why = _text(cast(Fields, details).get("reason")) if isinstance(details, dict) else ""
    error = error or problem.read_object(fields)
    ended = status in _STATUS_ENDED and error is None
    return _answer(fields, body=body, ended=ended, finish_reasons=(why or status,), problem=error)


# Reading what is not ours -----------------------------------------------------------------------------------------


def _decode(data: bytes) -> Fields | None:
    try:
        found: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return None
    return cast(Fields, found) if isinstance(found, dict) else None


def _objects(value: object) -> list[Fields]:
    return (
        [cast(Fields, one) for one in cast(list[Any], value) if isinstance(one, dict)]
        if isinstance(value, list)
        else []
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
