"""What a stream says in pieces, redacted as a whole: a secret that is cut across events is in none of them alone.

Log probabilities spell an answer out, and are not kept beside one with a secret in it.

For streams of APIs that we put nothing together of: their events are kept as they came. Texts at the same place of
events of the same kind are pieces of one text. Where that holds what must not be kept, the first piece becomes all of
it, redacted, and the others are empty.
"""

from collections.abc import Iterator
from operator import is_not
from typing import Any, cast

import msgspec

from records.redact import Redaction
from records.wire.json_reader import UnreadableError, read
from records.wire.merge import objects

_DATA = b"data:"
_KINDS = ("type", "event", "index", "output_index", "content_index")
"""Fields of an event that tell which text it goes on with."""

_HOLDERS = (dict, list)
_LONGEST_PIECE = 4096
"""Characters: what is longer is a picture, or a text by itself."""

Fields = dict[str, Any]


def whole_lines(raw: bytes, redaction: Redaction) -> bytes:
    """The bytes of a stream, of events or of lines of JSON, with what it says in pieces redacted as a whole."""
    lines = raw.split(b"\n")
    found: dict[int, Fields] = {}
    for place, line in enumerate(lines):
        data = line.removeprefix(_DATA).lstrip()
        if data[:1] == b"{":
            try:
                event = read(data)
            except UnreadableError:
                continue
            found[place] = cast(Fields, event)
    changed = whole_events(list(found.values()), redaction)
    for (place, event), is_new in zip(found.items(), changed, strict=True):
        if is_new:
            line = lines[place]
            head, end = _DATA + b" " if line.startswith(_DATA) else b"", b"\r" if line.endswith(b"\r") else b""
            lines[place] = head + msgspec.json.encode(event) + end
    return b"\n".join(lines)


def whole_events(events: list[Fields], redaction: Redaction) -> list[bool]:
    """Redact, in place, what these events say in pieces. Which of them changed."""
    pieces: dict[tuple[str, ...], list[tuple[int, Any, Any]]] = {}
    for place, event in enumerate(events):
        kind = tuple(str(event.get(name)) for name in _KINDS)
        for path, holder, key in _texts(event, ()):
            pieces.setdefault((*kind, *path), []).append((place, holder, key))
    changed = [False] * len(events)
    for parts in pieces.values():
        said = "".join(holder[key] for _, holder, key in parts)
        if len(parts) < 2 or not redaction.finds(said):
            continue
        for number, (place, holder, key) in enumerate(parts):
            holder[key] = "" if number else redaction.text(said)
            changed[place] = True
    return changed


def without_spelt(value: Any, redaction: Redaction) -> Any:
    """An answer without those of its log probabilities that spell out, token by token, what must not be kept."""
    kind = value.__class__
    if kind is list:
        items = cast(list[Any], value)
        kept = [without_spelt(item, redaction) if item.__class__ in _HOLDERS else item for item in items]
        return kept if any(map(is_not, kept, items)) else items
    if kind is not dict:
        return value
    fields = cast(dict[str, Any], value)
    if (said := fields.get("logprobs")) and redaction.finds("".join(_tokens(said))):
        return fields | {"logprobs": None}
    for name in ("choices", "output", "content"):
        inner = fields.get(name)
        if inner.__class__ is list and (fresh := without_spelt(inner, redaction)) is not inner:
            fields = fields | {name: fresh}
    return fields


def whole_answer(fields: dict[str, Any], redaction: Redaction) -> dict[str, Any]:
    """An answer of events, what they say in pieces redacted as a whole; the same object where nothing was found."""
    return dict(fields) if any(whole_events(objects(fields["events"]), redaction)) else fields


def _tokens(logprobs: Any) -> Iterator[str]:
    """The tokens of log probabilities, in order, however an API lists them."""
    if isinstance(logprobs, dict):
        for name in ("content", "refusal", "tokens"):
            yield from _tokens(cast(dict[str, Any], logprobs).get(name))
    elif isinstance(logprobs, list):
        for one in cast(list[Any], logprobs):
            token = cast(dict[str, Any], one).get("token") if isinstance(one, dict) else one
            yield token if isinstance(token, str) else ""


def _texts(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Every text in a value: where it stands, what holds it, and under which key."""
    if isinstance(value, dict):
        items = list(cast(Fields, value).items())
    elif isinstance(value, list):
        items = list(enumerate(cast(list[Any], value)))
    else:
        return
    for key, item in items:
        if isinstance(item, str):
            if len(item) > _LONGEST_PIECE:
                continue
            yield (*path, str(key)), value, key
        else:
            yield from _texts(item, (*path, str(key)))
