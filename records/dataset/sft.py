"""Supervised fine-tuning examples: out of a recorded exchange, or the reason why it makes none.

An example is made in OpenAI's shape; its format (`records.dataset.formats`) makes the line of it. Arguments of tool
calls are JSON text, as the model wrote it.
"""

from typing import Any, Literal, cast

import msgspec

from records.dataset.export_format import Example, export_format

Reason = Literal[
    "other_endpoint",  # no chat completion
    "not_complete",  # an error, a hang-up, an answer without its end
    "candidate",  # what a candidate said is not learned from
    "fallback",  # the baseline stood in for a candidate
    "truncated",  # finish reason length or content_filter
    "no_train",  # the app said x-crossfade-no-train
    "store_false",  # the request says store: false
    "bodies_not_kept",
    "several_choices",  # n > 1: none of them is the answer
    "refusal",
    "empty",  # neither words nor tool calls
    "media",  # images, audio or files
    "legacy_functions",
    "unreadable",  # not the shape of a chat, or tool arguments that are no JSON object
    "duplicate",
    "prompt_in_train",  # of the validation split: its prompt is trained on in another conversation
]

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_ANSWERED = frozenset({"stop", "tool_calls", "function_call"})

Fields = dict[str, Any]


class Source(msgspec.Struct, frozen=True):
    """What is read of a record."""

    id: str
    conversation_id: str
    endpoint: str
    variant: str
    why: str
    complete: bool
    finish_reason: str
    consent: str
    consent_source: str
    model_returned: str
    request_json: str | None
    response_json: str | None


class _UnfitError(Exception):
    """This exchange makes no example."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


def example(source: Source, shape: str) -> Example | Reason:
    """The example that `source` makes in the format `shape`, or why it makes none.

    Raises:
        ValueError: there is no such format.
    """
    reason = _refused(source)
    if reason is not None:
        return reason
    try:
        return export_format(shape).line(_example(source))
    except _UnfitError as error:
        return error.reason


def _refused(source: Source) -> Reason | None:
    """Why an exchange is left out whatever it says."""
    if source.consent != "train":
        return "store_false" if source.consent_source == "store_false" else "no_train"
    if source.endpoint != "chat":
        return "other_endpoint"
    if source.variant != "baseline":
        return "candidate" if source.variant == "candidate" else "not_complete"
    if source.why == "fallback":
        return "fallback"
    if not source.complete:
        return "not_complete"
    if source.request_json is None or source.response_json is None:
        return "bodies_not_kept"
    reasons = source.finish_reason.split(",")
    if len(reasons) > 1:
        return "several_choices"
    return None if reasons[0] in _ANSWERED else "truncated"


def _example(source: Source) -> Example:
    """The example in OpenAI's shape.

    Raises:
        _UnfitError: there is none in it.
    """
    request, answer = _decoded(source.request_json), _decoded(source.response_json)
    if request.get("functions"):
        raise _UnfitError("legacy_functions")
    messages = [_message(turn) for turn in _objects(request.get("messages"))]
    messages.append(_answer(answer))
    tools = _objects(request["tools"]) if request.get("tools") else None
    parallel = request.get("parallel_tool_calls") if tools else None
    return Example(messages, tools, parallel if isinstance(parallel, bool) else None)


def _answer(answer: Fields) -> Fields:
    choices = _objects(answer.get("choices"))
    said = choices[0].get("message") if choices else None
    if not isinstance(said, dict):
        raise _UnfitError("unreadable")
    fields = cast(Fields, said)
    if fields.get("refusal"):
        raise _UnfitError("refusal")
    if fields.get("function_call"):
        raise _UnfitError("legacy_functions")
    if fields.get("audio"):
        raise _UnfitError("media")
    message = _message(fields)
    if not message.get("content") and not message.get("tool_calls"):
        raise _UnfitError("empty")
    return message


def _message(turn: Fields) -> Fields:
    """One message with the fields that trainers know, and no others."""
    role = _ROLES.get(turn.get("role", ""))
    if role is None:
        raise _UnfitError("legacy_functions" if turn.get("role") == "function" else "unreadable")
    message: Fields = {"role": role, "content": _content(turn.get("content"))}
    if isinstance(turn.get("name"), str) and role != "tool":
        message["name"] = turn["name"]
    if role == "tool":
        message["tool_call_id"] = _text(turn.get("tool_call_id"))
    if role == "assistant" and turn.get("tool_calls"):
        message["tool_calls"] = [_call(call) for call in _objects(turn["tool_calls"])]
    if message["content"] is None and not message.get("tool_calls"):
        message["content"] = ""
    return message


def _content(content: object) -> str | None:
    """A message's words; parts of text are one text."""
    if content is None or isinstance(content, str):
        return content
    words: list[str] = []
    for part in _objects(content):
        if part.get("type") not in ("text", "refusal"):
            raise _UnfitError("media")
        words.append(_text(part.get(part["type"])))
    return "".join(words)


def _call(call: Fields) -> Fields:
    function = call.get("function")
    if not isinstance(function, dict):
        raise _UnfitError("unreadable")  # custom tools take free text: no trainer's format has them
    named = cast(Fields, function)
    arguments = _text(named.get("arguments")) or "{}"
    _decoded(arguments)
    return {
        "id": _text(call.get("id")),
        "type": "function",
        "function": {"name": _text(named.get("name")), "arguments": arguments},
    }


def _decoded(text: str | None) -> Fields:
    try:
        found: Any = msgspec.json.decode(text or "null")
    except (msgspec.DecodeError, RecursionError) as error:
        raise _UnfitError("unreadable") from error
    if not isinstance(found, dict):
        raise _UnfitError("unreadable")
    return cast(Fields, found)


def _objects(value: object) -> list[Fields]:
    items = cast(list[Any], value) if isinstance(value, list) else None
    if items is None or not all(isinstance(item, dict) for item in items):
        raise _UnfitError("unreadable")
    return cast(list[Fields], items)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _UnfitError("unreadable")
    return value
