"""JSON as servers write it, read by one function that raises one error.

What RFC 8259's readers differ on is read here as the apps' SDKs read it: half a UTF-16 character, bytes that are no
UTF-8, all of it in UTF-16, NaN, a number too long for a machine word, a raw line feed in a text. Such a text comes out
mended, so that it can be written again; halves that come in two events of a stream are joined first (`read_piece`, then
`mended`).

Source: RFC 8259, 8.1 and 8.2 (encodings, lone surrogates); Python's `json` for what SDKs take.
"""

import json
import re
from collections import Counter
from typing import Any, Literal, cast

import msgspec

Oddity = Literal["not_utf8", "half_character", "loose_json", "not_json", "not_an_object", "coding"]
"""What was not read as it should stand there: bytes that are no text, half a character, JSON that only lax readers
take, no JSON, JSON that is no object, a content coding that cannot be undone."""
ODDITIES: tuple[Oddity, ...] = (
    "not_utf8", "half_character", "loose_json", "not_json", "not_an_object", "coding",
)  # fmt: skip
Oddities = Counter[str]
"""How often each kind was met."""

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_BROKEN = re.compile(r"(?P<pair>[\ud800-\udbff][\udc00-\udfff])|(?P<bytes>[\udc80-\udcff]+)|(?P<half>[\ud800-\udfff])")
_LEADS = ((0xC2, 0xDF, 2), (0xE0, 0xEF, 3), (0xF0, 0xF4, 4))
"""First bytes of a UTF-8 character, and how many it has."""


class UnreadableError(ValueError):
    """These bytes are no JSON, by anybody's reading."""


def read(data: bytes | str, odd: Oddities | None = None) -> Any:
    """The value in `data`; every text in it can be written as UTF-8. `odd` counts what was odd.

    Raises:
        UnreadableError: there is none.
    """
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        try:
            return mended(_lax(data, odd))
        except RecursionError as error:
            raise _unreadable(odd) from error


def read_piece(data: bytes, odd: Oddities) -> Any:
    """The value in one event of a stream: halves of characters stay as they are, to be joined with what follows.

    Raises:
        UnreadableError: there is none.
    """
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _lax(data, odd)


def read_fields(data: bytes | str, odd: Oddities | None = None) -> dict[str, Any] | None:
    """The JSON object in `data`; None: there is none."""
    try:
        found = read(data, odd)
    except UnreadableError:
        return None
    if isinstance(found, dict):
        return cast("dict[str, Any]", found)
    if odd is not None:
        odd["not_an_object"] += 1
    return None


def mended(value: Any) -> Any:
    """The value with every text in it whole: halves joined, bytes read as UTF-8, what is left of them U+FFFD."""
    if isinstance(value, str):
        return mended_text(value)
    if isinstance(value, dict):
        return {mended_text(key): mended(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [mended(item) for item in cast("list[Any]", value)]
    return value


def mended_text(text: str) -> str:
    """The text, of characters alone."""
    if text.isascii() or _SURROGATE.search(text) is None:
        return text
    return _BROKEN.sub(_whole, text)


def split_half(text: str) -> tuple[str, str]:
    """The text, and the beginning of a character at its end whose rest is still to come."""
    if text[-1:] >= "\ud800" and "\ud800" <= text[-1:] <= "\udbff":
        return text[:-1], text[-1:]
    for count in (1, 2, 3):
        code = ord(text[-count]) - 0xDC00 if len(text) >= count else 0
        if not 0x80 <= code <= 0xFF:
            break
        if any(low <= code <= high and count < size for low, high, size in _LEADS):
            return text[:-count], text[-count:]
    return text, ""


def is_text(data: bytes) -> bool:
    """Whether the bytes are UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _lax(data: bytes | str, odd: Oddities | None) -> Any:
    """The value as lax readers have it. Bytes that are no UTF-8 stand in it as lone surrogates, U+DC80 and up."""
    try:
        text = data if isinstance(data, str) else _text(data)
        found = json.loads(text.removeprefix("\ufeff"), strict=False, parse_int=_number)
    except (ValueError, RecursionError) as error:
        raise _unreadable(odd) from error
    if odd is not None:
        odd[_kind(data, text)] += 1
    return found


def _text(data: bytes) -> str:
    """The text of bytes that a strict reader refused: UTF-16 and UTF-32 are told by their first four, as SDKs do it."""
    if b"\0" in data[:4]:
        return data.decode(json.detect_encoding(data), "surrogatepass")
    return data.decode("utf-8", "surrogateescape")


def _kind(data: bytes | str, text: str) -> Oddity:
    if isinstance(data, bytes) and (b"\0" in data[:4] or (not text.isascii() and _SURROGATE.search(text))):
        return "not_utf8"
    return "half_character" if re.search(r"\\u[dD][89a-fA-F]", text) else "loose_json"


def _unreadable(odd: Oddities | None) -> UnreadableError:
    if odd is not None:
        odd["not_json"] += 1
    return UnreadableError("no JSON")


def _number(digits: str) -> int | float:
    """An integer that a machine word has room for, else the nearest float."""
    return int(digits) if len(digits) < 19 else float(digits)


def _whole(found: re.Match[str]) -> str:
    if found["pair"]:
        return found["pair"].encode("utf-16", "surrogatepass").decode("utf-16")
    if found["bytes"]:
        return found["bytes"].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "\ufffd"
