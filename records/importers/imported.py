"""The result of importing a row: one exchange, several, or the reason for none.

Rules:
1. What a log does not say is unknown, and stays it: no time, price or token is made up.
2. A body that the log cut or blanked is no body: half a prompt teaches something else.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from records.wire.json_reader import UnreadableError, read

Fields = dict[str, Any]
CHAT, RESPONSES, COMPLETIONS = "/v1/chat/completions", "/v1/responses", "/v1/completions"
PATHS = frozenset({CHAT, RESPONSES, COMPLETIONS})
"""What is imported: what a policy can have."""
_ZONE = re.compile(r"([+-]\d{2})(\d{2})?$")
_LATEST_S = 1e11
"""Numbers above are no seconds, but thousandths of them, or millionths."""


class ImportedExchange(msgspec.Struct, frozen=True, kw_only=True):
    """One request and its answer, as another system's log has them. None: the log does not say."""

    request: Fields | None
    """The body that the app sent; None: it was not kept."""
    response: Fields | None
    """The body that it got, in the shape of `path`; None: it was not kept, or there was none."""
    source_id: str = ""
    """By what the other system knows it; empty: by its content."""
    path: str = CHAT
    at: float | None = None
    """Unix seconds at which it was asked."""
    model: str = ""
    """As the app asked."""
    key: str = ""
    """Whatever tells callers apart; it is kept as a hash."""
    user: str = ""
    conversation: str = ""
    """As the app named it."""
    status: int = 200
    first_byte_s: float | None = None
    total_s: float | None = None
    usage: Fields | None = None
    """As APIs count it, where the answer does not say."""
    cost_usd: float | None = None
    score: float | None = None
    """What was said of the answer, -1 to 1."""
    corrected: Any = None
    """What should have been answered."""


ReadRow = Callable[[Fields], Iterator[ImportedExchange]]
"""Raises UnfitRowError and PassedOverError."""


class UnfitRowError(Exception):
    """This row is not what the system writes; the message says what is wrong with it."""


class PassedOverError(Exception):
    """This row is none of what is imported; the message says what it is."""


def decoded(value: object) -> Any:
    """A value, or what it says where it is the JSON text of an object or a list: exports have both."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return read(value)
        except UnreadableError:
            return value
    return value


def fields_of(value: object) -> Fields:
    """An object, or the JSON text of one; empty: there is none."""
    found = decoded(value)
    return cast(Fields, found) if isinstance(found, dict) else {}


def objects_of(value: object) -> list[Fields] | None:
    """A list of objects, or its JSON text; None: it is none."""
    found = decoded(value)
    items = cast(list[Any], found) if isinstance(found, list) else None
    if items is None or not all(isinstance(item, dict) for item in items):
        return None
    return cast(list[Fields], items)


def said(row: Fields, *names: str) -> Any:
    """What stands under the first of the names that says something."""
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def text(value: object) -> str:
    """A text; empty: it is none."""
    return value if isinstance(value, str) else ""


def number(value: object) -> float | None:
    """A number, or the text of one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if abs(found) < float("inf") else None


def moment(value: object) -> float | None:
    """Unix seconds: of a number in seconds, thousandths or millionths, or of a date and time; without a zone, UTC."""
    found = number(value)
    if found is not None:
        while found > _LATEST_S:
            found /= 1000
        return found if found > 0 else None
    try:
        date = datetime.fromisoformat(_ZONE.sub(_full_zone, text(value).strip()))
    except ValueError:
        return None
    return (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()


def _full_zone(found: re.Match[str]) -> str:
    """`+00` as Postgres writes it, as `+00:00`; the end of a bare date stays as it is."""
    if found.string.count(":") < 1:
        return found[0]
    return f"{found[1]}:{found[2] or '00'}"


def lasted_s(begin: float | None, end: float | None) -> float | None:
    """Seconds from one moment to a later one."""
    return end - begin if begin is not None and end is not None and end >= begin else None


def completion(message: Fields, *, model: str = "", usage: Fields | None = None, finish: str = "") -> Fields:
    """The chat completion that says `message`."""
    reason = finish or ("tool_calls" if message.get("tool_calls") else "stop")
    answer: Fields = {
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant"} | message, "finish_reason": reason}],
    }
    return answer | ({"usage": usage} if usage else {})


def conversations(row: Fields) -> Iterator[ImportedExchange]:
    """The exchanges of a fine-tuning row: one for each answer that is trained on.

    Raises:
        UnfitRowError: it is none.
    """
    turns = objects_of(row.get("messages"))
    if not turns:
        raise UnfitRowError("messages: no list of messages")
    names = ("tools", "parallel_tool_calls", "response_format")
    asked = {name: row[name] for name in names if row.get(name) not in (None, [])}
    model, answers = text(row.get("model")), 0
    for place, turn in enumerate(turns):
        if not text(turn.get("role")):
            raise UnfitRowError(f"messages[{place}]: no role")
        if turn["role"] != "assistant" or turn.get("weight") == 0 or not place:
            continue
        answers += 1
        before = [{name: value for name, value in each.items() if name != "weight"} for each in turns[:place]]
        answer = {name: value for name, value in turn.items() if name != "weight"}
        yield ImportedExchange(
            request=({"model": model} if model else {}) | {"messages": before} | asked,
            response=completion(answer, model=model),
            model=model,
        )
    if not answers:
        raise UnfitRowError("messages: no answer of the assistant to anything")
