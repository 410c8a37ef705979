"""What was said in an exchange, out of its redacted bodies: turns of a conversation, whatever endpoint they went to.

Rules:
1. Only text and tool calls: of an image or a sound its kind is told, of a vector nothing.
2. What is long is cut (`TEXT_CHARS` a part, `CHARS` and `TURNS` in all, the last turns kept), so that a span fits
   into a post.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

import msgspec

TURNS = 128
TEXT_CHARS = 16_384
CHARS = 262_144
CUT = " […]"

Fields = dict[str, Any]
PartKind = Literal["text", "tool_call", "tool_call_response", "other"]


@dataclass(frozen=True, slots=True)
class TurnPart:
    """One piece of a turn."""

    kind: PartKind
    text: str
    """What was said; arguments of a call; what a tool gave; the name of another kind."""
    id: str = ""
    """Of the tool's call."""
    name: str = ""
    """Of the tool."""


@dataclass(frozen=True, slots=True)
class SpokenTurn:
    """What one of them said."""

    role: str
    parts: tuple[TurnPart, ...]
    finish_reason: str = ""

    @property
    def text(self) -> str:
        """The turn's text, joined."""
        return "\n".join(part.text for part in self.parts if part.kind == "text")


@dataclass(frozen=True, slots=True)
class Conversation:
    """What was asked and what was answered."""

    system: tuple[SpokenTurn, ...] = ()
    """Instructions that stand beside the messages."""
    asked: tuple[SpokenTurn, ...] = ()
    said: tuple[SpokenTurn, ...] = ()
    tools: str = ""
    """JSON of the tools' definitions."""


def conversation(endpoint: str, request_json: str | None, response_json: str | None) -> Conversation:
    """What the two bodies of a record say; what cannot be read says nothing."""
    request, response = _object(request_json), _object(response_json)
    system = (_turn("system", request.get("instructions")),) if endpoint == "responses" else ()
    match endpoint:
        case "chat":
            asked, said = _messages(request.get("messages")), _choices(response.get("choices"))
        case "responses":
            asked, said = _items(request.get("input"), "user"), _items(response.get("output"), "assistant")
        case "completions":
            asked, said = _texts(request.get("prompt")), _choices(response.get("choices"))
        case "embeddings":
            asked, said = _texts(request.get("input")), iter(())
        case _:
            asked, said = iter(()), iter(())
    tools = request.get("tools")
    told = msgspec.json.encode(tools).decode() if tools else ""
    return Conversation(
        tuple(turn for turn in system if turn.parts),
        _bounded(asked),
        _bounded(said),
        told if len(told) <= TEXT_CHARS else "",
    )


def answered(response_json: str | None) -> tuple[SpokenTurn, ...]:
    """What a shadow's answer says, of whichever endpoint it is."""
    fields = _object(response_json)
    return _bounded(_items(fields["output"], "assistant") if "output" in fields else _choices(fields.get("choices")))


def _object(text: str | None) -> Fields:
    try:
        found = msgspec.json.decode(text) if text else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return cast(Fields, found) if isinstance(found, dict) else {}


def _objects(value: object) -> Iterator[Fields]:
    for each in cast(list[object], value) if isinstance(value, list) else ():
        if isinstance(each, dict):
            yield cast(Fields, each)


def _bounded(turns: Iterable[SpokenTurn]) -> tuple[SpokenTurn, ...]:
    """The last turns that fit."""
    kept: list[SpokenTurn] = []
    room = CHARS
    for turn in reversed(list(turns)[-TURNS:]):
        room -= sum(len(part.text) for part in turn.parts)
        if room < 0:
            break
        kept.append(turn)
    return tuple(reversed(kept))


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_CHARS else text[:TEXT_CHARS] + CUT


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _json(value: object) -> str:
    return _cut(value if isinstance(value, str) else msgspec.json.encode(value).decode())


def _parts(content: object) -> Iterator[TurnPart]:
    if isinstance(content, str):
        yield TurnPart("text", _cut(content))
    for part in _objects(content):
        text = part.get("text", part.get("refusal"))
        yield TurnPart("text", _cut(text)) if isinstance(text, str) else TurnPart("other", _word(part.get("type")))


def _turn(role: object, content: object, *more: TurnPart, finish_reason: str = "") -> SpokenTurn:
    return SpokenTurn(_word(role), (*_parts(content), *more), finish_reason)


def _calls(message: Fields) -> Iterator[TurnPart]:
    for call in _objects(message.get("tool_calls")):
        function = call.get("function")
        named = cast(Fields, function) if isinstance(function, dict) else {}
        yield TurnPart("tool_call", _json(named.get("arguments", "")), _word(call.get("id")), _word(named.get("name")))


def _message(message: Fields, finish_reason: str = "") -> SpokenTurn:
    if message.get("role") == "tool":
        result = "".join(part.text for part in _parts(message.get("content")))
        return SpokenTurn("tool", (TurnPart("tool_call_response", result, _word(message.get("tool_call_id"))),))
    return _turn(message.get("role"), message.get("content"), *_calls(message), finish_reason=finish_reason)


def _messages(value: object) -> Iterator[SpokenTurn]:
    return (_message(message) for message in _objects(value))


def _choices(value: object) -> Iterator[SpokenTurn]:
    for choice in _objects(value):
        message, finish = choice.get("message"), _word(choice.get("finish_reason"))
        if isinstance(message, dict):
            yield _message({"role": "assistant", **cast(Fields, message)}, finish)
        else:
            yield _turn("assistant", choice.get("text"), finish_reason=finish)


def _texts(value: object) -> Iterator[SpokenTurn]:
    """The texts of a prompt or an input: one text, or a list."""
    for each in [value] if isinstance(value, str) else cast(list[object], value) if isinstance(value, list) else ():
        if isinstance(each, str):
            yield _turn("user", each)


def _items(value: object, role: str) -> Iterator[SpokenTurn]:
    """The turns of a Responses input: a text, or a list of messages, calls and call outputs."""
    if isinstance(value, str):
        yield _turn(role, value)
    for item in _objects(value):
        match item.get("type", "message"):
            case "message":
                yield _turn(item.get("role", role), item.get("content"))
            case "function_call":
                call = TurnPart(
                    "tool_call", _json(item.get("arguments", "")), _word(item.get("call_id")), _word(item.get("name"))
                )
                yield SpokenTurn("assistant", (call,))
            case "function_call_output":
                result = TurnPart("tool_call_response", _json(item.get("output", "")), _word(item.get("call_id")))
                yield SpokenTurn("tool", (result,))
            case kind:
                yield SpokenTurn(role, (TurnPart("other", _word(kind)),))
