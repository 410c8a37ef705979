"""What a request asks, as far as the records need it: who, in which conversation, with which prompt.

Hashes are keyed with the data directory's pepper, so that a row does not tell its prompt to whoever guesses it. The
date that a system prompt tells is in none of them (`prompt_dates.py`).
"""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from records.prompt_dates import SYSTEM_ROLES, undated, without_dates
from records.wire.assemble import Surface
from records.wire.json_reader import Oddities, read_fields

Fields = dict[str, Any]

_SPOKEN = frozenset({"content", "text", "arguments", "refusal", "reasoning", "reasoning_content", "input", "output"})
"""Fields whose text is what a model read or wrote."""
_DEEPEST = 450
"""Objects and lists in each other, beyond which a body is nobody's request."""
_encode = msgspec.json.Encoder(order="deterministic").encode
_CONVERSATION_NAMES = ("conversation_id", "session_id", "thread_id", "chat_id")


@dataclass(frozen=True, slots=True)
class Question:
    """A request's body, read."""

    fields: Fields | None
    """The decoded body; None: no JSON object."""
    model: str = ""
    user_id: str = ""
    conversation_id: str = ""
    prompt_hash: str = ""
    system_hash: str = ""
    tools_hash: str = ""
    schema_hash: str = ""
    service_tier: str = ""
    previous_response_id: str = ""
    store_false: bool = False
    text_bytes: int = 0
    odd: Mapping[str, int] = field(default_factory=dict[str, int], compare=False)
    """What was not read as it should stand there, by kind (`json_reader.Oddity`)."""


def read_question(surface: Surface, body: bytes, key_id: str, pepper: bytes) -> Question:
    """What `body` asks."""
    odd = Oddities()
    try:
        fields = read_fields(body, odd)
        size = text_bytes(fields)
    except RecursionError:
        odd["not_json"] += 1
        fields, size = None, 0
    if fields is None:
        return Question(None, odd=odd)
    if surface == "other":
        return Question(fields, _text(fields.get("model")), odd=odd)
    user = _text(fields.get("user")) or _text(fields.get("safety_identifier"))
    turns = _turns(fields)
    instructions: object = fields.get("instructions")
    instructions = without_dates(instructions) if isinstance(instructions, str) else instructions
    told = [undated(turn) if turn.get("role") in SYSTEM_ROLES else turn for turn in turns]
    system = [turn for turn in told if turn.get("role") in SYSTEM_ROLES]
    return Question(
        fields,
        model=_text(fields.get("model")),
        user_id=user_hash(user, pepper),
        conversation_id=_hash(pepper, key_id, user, *_conversation(fields, instructions, told)),
        prompt_hash=_hash(pepper, instructions, told or fields.get("prompt")),
        system_hash=_hash(pepper, instructions, system),
        tools_hash=_hash(pepper, fields.get("tools") or fields.get("functions")),
        schema_hash=_hash(pepper, _schema(fields)),
        service_tier=_text(fields.get("service_tier")),
        previous_response_id=_text(fields.get("previous_response_id")),
        store_false=fields.get("store") is False,
        text_bytes=size,
        odd=odd,
    )


def user_hash(user: str, pepper: bytes) -> str:
    """How a user stands in the records; empty for none."""
    return _hash(pepper, "user", user) if user else ""


def text_bytes(value: object) -> int:
    """About how many bytes of a decoded body are words that a model read or wrote.

    Raises:
        RecursionError: nested deeper than anything of use.
    """
    return _spoken(value, 0, is_spoken=True)


def _spoken(value: object, depth: int, *, is_spoken: bool) -> int:
    kind = value.__class__
    if kind is str:
        text = cast(str, value)
        return len(text) if is_spoken and not text.startswith("data:") else 0
    if depth > _DEEPEST:
        raise RecursionError
    total = 0
    if kind is dict:
        for key, item in cast(Fields, value).items():
            if item.__class__ in _HOLDS_TEXT:
                total += _spoken(item, depth + 1, is_spoken=key in _SPOKEN)
    elif kind is list:
        for item in cast(list[Any], value):
            total += _spoken(item, depth + 1, is_spoken=is_spoken)
    return total


_HOLDS_TEXT = (str, dict, list)


def _turns(fields: Fields) -> list[Fields]:
    """The messages of a chat, or the items of a Responses input."""
    found = fields.get("messages", fields.get("input"))
    if isinstance(found, str):
        return [{"role": "user", "content": found}]
    if not isinstance(found, list):
        return []
    return [cast(Fields, turn) for turn in cast(list[Any], found) if isinstance(turn, dict)]


def _conversation(fields: Fields, instructions: object, turns: list[Fields]) -> list[Any]:
    """What makes a conversation the same one: its own id, or else its beginning up to the first user turn."""
    named: Any = fields.get("conversation")
    if isinstance(named, dict):
        named = cast(Fields, named).get("id")
    metadata = fields.get("metadata")
    if not named and isinstance(metadata, dict):
        said = cast(Fields, metadata)
        named = next((said[name] for name in _CONVERSATION_NAMES if said.get(name)), None)
    if named:
        return ["named", named]
    beginning: list[Any] = [instructions, fields.get("prompt")]
    for turn in turns:
        beginning.append(turn.get("content"))
        if turn.get("role") == "user":
            break
    return beginning


def _schema(fields: Fields) -> object:
    """The schema that the answer has to follow."""
    text = fields.get("text")
    return fields.get("response_format") or (cast(Fields, text).get("format") if isinstance(text, dict) else None)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _hash(pepper: bytes, *parts: object) -> str:
    """16 hex digits of JSON with sorted keys; empty if all parts are."""
    if not any(parts):
        return ""
    found = _keyed(pepper).copy()
    found.update(_encode(parts))
    return found.hexdigest()


@functools.lru_cache(4)
def _keyed(pepper: bytes) -> "hashlib.blake2b":
    """The hash of nothing yet, under this key."""
    return hashlib.blake2b(digest_size=8, key=pepper[:64])
