"""Faults of form: why an answer that is 200, and JSON or events, is one that no OpenAI client can use. A word for each.

Rules:
1. A candidate's answers alone are judged: what the baseline says is the app's, whatever it is.
2. What a client can use is no fault, and neither is what we bring into shape on its way (`lax_reader`, `chat`): the
   habits of servers stand in `records.wire.dialects`.
3. An answer that says that it was cut ("length", "content_filter", "incomplete") may end anywhere: its calls are not
   judged.
4. It is cheap. Counts, places and types are looked at; of texts nothing is read but a tool call's arguments, once.

Source: what openai-python does with each of them, and apps with what it gives them (`choices[0].message`,
`json.loads(call.function.arguments)`, `response.output_text`).
"""

import json
from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from gateway.rewrite.shapes import EmbeddingItem, ResponsesItem, ResponsesPart
from gateway.rewrite.surface import UNREADABLE
from records.wire.words import Ending

Fault = Literal[
    "aborted", "broken_arguments", "empty", "malformed", "truncated", "unasked_choice", "unasked_vectors",
    "unusable_call", "unusable_item", "words_after_end",
]  # fmt: skip
"""All that can be wrong with a form: the word is the reason in records, metrics and `explain`."""
FAULTS: Final[dict[Fault, str]] = {
    "aborted": "It says itself that it broke off or, of a whole answer, does not say that it has ended.",
    "broken_arguments": "A tool call's arguments are no JSON, though the answer does not say that it was cut.",
    "empty": "No choice, no message or delta, no vector: there is nothing to read.",
    "malformed": "It is no JSON, or what it says is of a type that no client reads.",
    "truncated": "A stream, or one of its choices, has no end.",
    "unasked_choice": "It has more choices than `n`, or one whose `index` is beyond them.",
    "unasked_vectors": "Embeddings that are not one vector for each text, or of several lengths.",
    "unusable_call": "A tool call has no name, or the end speaks of tool calls and there is none.",
    "unusable_item": "An item of a Response has no `type`, or a message has no list of parts with their text.",
    "words_after_end": "A stream's choice goes on after its `finish_reason`.",
}
"""What each means. The reference's page of errors is made of it."""

_JUDGED: Final = frozenset({"stop", "tool_calls", "function_call"})
_INCOMPLETE: Final = b'"incomplete"'
_PARTS: Final = msgspec.json.Decoder(list[ResponsesPart])
_ITEM: Final = msgspec.json.Decoder(ResponsesItem)
_UNREAD: Final = msgspec.json.Decoder(msgspec.Raw)


def is_whole(how: Ending) -> bool:
    """Whether an answer that ended so says that nothing of it is missing."""
    return how in _JUDGED


def calls_fault(calls: Iterable[tuple[str, str]]) -> Fault | None:
    """What is wrong with the tool calls of an answer that is whole: each one's name and arguments.

    A function without parameters may have blank arguments: many engines write them so.
    """
    is_named = False
    for name, arguments in calls:
        is_blank = not arguments or arguments.isspace()
        if name:
            is_named = True
        elif not is_blank:
            return "unusable_call"
        if not is_blank and not _is_json(arguments):
            return "broken_arguments"
    return None if is_named else "unusable_call"


def items_fault(items: Iterable[msgspec.Raw], *, is_cut: bool) -> Fault | None:
    """What is wrong with the output of a Response; `is_cut`: it says that it is incomplete."""
    for raw in items:
        try:
            found = _item_fault(_ITEM.decode(raw), is_cut=is_cut)
        except UNREADABLE:
            found = "unusable_item"
        if found is not None:
            return found
    return None


def vectors_fault(items: list[EmbeddingItem], lengths: set[int], inputs: int) -> Fault | None:
    """What is wrong with vectors for so many texts; `lengths`: theirs.

    Gemini leaves an index of 0 out, and some servers say it of each: then the order tells.
    """
    if len(items) != inputs or len(lengths) > 1:
        return "unasked_vectors"
    places = {item.index for item in items}
    if places <= {None, 0}:
        return None
    return None if {place or 0 for place in places} == set(range(inputs)) else "unasked_vectors"


def _item_fault(item: ResponsesItem, *, is_cut: bool) -> Fault | None:
    if not item.type:
        return "unusable_item"
    if item.type == "message":
        return None if all(map(_is_readable, _PARTS.decode(item.content))) else "unusable_item"
    if item.type != "function_call" or is_cut or bytes(item.status) == _INCOMPLETE:
        return None
    if not item.name or not item.call_id:
        return "unusable_call"
    if not bytes(item.arguments).startswith(b'"'):
        return None if bytes(item.arguments) == b"null" else "broken_arguments"
    return calls_fault([(item.name, msgspec.json.decode(item.arguments, type=str))])


def _is_readable(part: ResponsesPart) -> bool:
    """Whether a part of a message has what SDKs read of it."""
    return bool(part.type) and (part.type != "output_text" or bytes(part.text).startswith(b'"'))


def _is_json(text: str) -> bool:
    """Whether apps can read it; those that read laxly too, which take NaN and line ends within texts."""
    try:
        _UNREAD.decode(text)
    except UNREADABLE:
        pass
    else:
        return True
    try:
        json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return False
    return True
