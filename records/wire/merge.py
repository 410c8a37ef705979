"""Puts the pieces of a streamed answer together: what each chunk says of an object is added to what was said of it.

Rules:
1. An empty value (null, "", [], {}) says nothing: it never replaces what was said.
2. Texts of `GROWS` come in pieces; of any other field the last value holds.
3. Items of a list with the same index are parts of one item. A tool call without an index begins with an id or a name;
   arguments alone go on with the last one, and so they do under another id: some engines give each piece its own.

Source: OpenAI API reference, "Streaming" of chat completions; docs/reference/dialects.md for who does it otherwise.
"""

from typing import Any, cast

import msgspec

from records.wire.json_reader import mended, mended_text

GROWS = frozenset(
    {
        *("content", "refusal", "reasoning", "reasoning_content", "thinking", "text", "arguments", "input"),
        *("transcript", "data", "reasoning_text", "thinking_content", "thought", "thoughts", "summary", "partial_json"),
    }
)

Fields = dict[str, Any]


class Pieces:
    """Text that is still growing; joined once, when it is written."""

    __slots__ = ("pieces",)

    def __init__(self, first: str) -> None:
        self.pieces = [first]


def _join(value: object) -> str:
    """Encoding hook: the whole text.

    Raises:
        NotImplementedError: not one of ours.
    """
    if isinstance(value, Pieces):
        return "".join(value.pieces)
    raise NotImplementedError(type(value).__name__)


encode = msgspec.json.Encoder(enc_hook=_join).encode
"""JSON of what was put together."""


def settled(value: Any) -> Any:
    """What was put together, with its texts whole (see `json_reader`): for a stream with an odd text in it."""
    if isinstance(value, Pieces):
        return mended_text("".join(value.pieces))
    if isinstance(value, dict):
        return {mended_text(key): settled(item) for key, item in cast(Fields, value).items()}
    if isinstance(value, list):
        return [settled(item) for item in cast(list[Any], value)]
    return mended(value)


def merge(whole: Fields, part: Fields) -> None:
    """Put what a chunk says of an object to what the ones before it said."""
    for key, value in part.items():
        if not value and not isinstance(value, int | float):
            whole.setdefault(key, value)
            continue
        before = whole.get(key)
        if isinstance(value, str) and key in GROWS:
            grow(whole, key, value)
        elif isinstance(value, dict) and key == "tool_calls":  # one call, not in a list
            into_calls = cast(list[Any], before) if isinstance(before, list) else []
            whole[key] = into_calls
            _merge_list(into_calls, [value], calls=True)
        elif isinstance(value, dict):
            into = cast(Fields, before) if isinstance(before, dict) else {}
            whole[key] = into
            merge(into, cast(Fields, value))
        elif isinstance(value, list):
            into_list = cast(list[Any], before) if isinstance(before, list) else []
            whole[key] = into_list
            _merge_list(into_list, cast(list[Any], value), calls=key == "tool_calls")
        else:
            whole[key] = value


def grow(fields: Fields, name: str, more: str) -> None:
    """Add to a text."""
    before = fields.get(name)
    if isinstance(before, Pieces):
        before.pieces.append(more)
    else:
        fields[name] = Pieces(before + more if isinstance(before, str) else more)


def number(value: object) -> int | None:
    """An index, however it is written; None: it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 9 else None


def _merge_list(whole: list[Any], part: list[Any], *, calls: bool) -> None:
    has_places = not calls and not objects(part)  # of logprobs: that a token has none stands at its place
    for item in part:
        if not isinstance(item, dict):
            if item is not None or has_places:
                whole.append(item)
            continue
        fields = cast(Fields, item)
        index = number(fields.get("index"))
        if index is None:
            into = _call_that_goes_on(whole, fields) if calls else None
        else:
            into = next((one for one in reversed(objects(whole)) if number(one.get("index")) == index), None)
            if into is not None and calls and _is_another(into, fields):
                into = None
        if into is None:
            into = {}
            whole.append(into)
        elif calls:
            fields = _more_of_call(into, fields)
        merge(into, fields)


def _call_that_goes_on(whole: list[Any], part: Fields) -> Fields | None:
    """The call that a part without an index belongs to; None: it begins one."""
    known, called = objects(whole), part.get("id")
    found = next((one for one in reversed(known) if one.get("id") == called), None) if called else None
    if found is not None or not known:
        return found
    return None if _name(part) or (called and not _goes_on(part)) else known[-1]


def _is_another(whole: Fields, part: Fields) -> bool:
    """Whether a part is a new call although its index is taken: some engines count every call as 0."""
    if whole.get("id") and part.get("id"):
        return bool(whole["id"] != part["id"]) and not _goes_on(part)
    named = _name(part)
    if not named or part.get("id") or _name(whole) in ("", named):
        return False
    return not whole.get("id") or _has_arguments(whole)


def _more_of_call(whole: Fields, part: Fields) -> Fields:
    """A further part of a call as it is to be merged: its first id is the one that the app answers to, and a name may
    come in pieces, as SDKs put it together.
    """
    if whole.get("id") and "id" in part:
        part = {name: value for name, value in part.items() if name != "id"}
    before, more = _name(whole), _name(part)
    if before and more and more != before and isinstance(part.get("function"), dict):
        part = part | {"function": part["function"] | {"name": before + more}}
    return part


def _has_arguments(call: Fields) -> bool:
    function = call.get("function")
    return isinstance(function, dict) and bool(cast(Fields, function).get("arguments"))


def _goes_on(part: Fields) -> bool:
    """Whether a part has arguments and no name: it is no call by itself, whatever its id."""
    return _has_arguments(part) and not _name(part)


def _name(call: Fields) -> str:
    for kind in ("function", "custom"):
        given = call.get(kind)
        name = cast(Fields, given).get("name") if isinstance(given, dict) else None
        if isinstance(name, str) and name:
            return name
    return ""


def objects(value: object) -> list[Fields]:
    """The objects in a list; of anything else none."""
    return (
        [cast(Fields, one) for one in cast(list[Any], value) if isinstance(one, dict)]
        if isinstance(value, list)
        else []
    )
