"""The error object of OpenAI's API: read whoever wrote it, and written.

Source: OpenAI API reference, "Error codes"; vLLM, FastAPI, Anthropic and Google as observed.
"""

from typing import Any, cast

import msgspec

from records.wire import json_reader
from records.wire.event import StreamEvent


class ErrorObject(msgspec.Struct, frozen=True):
    """What an error object says. Text is the upstream's: never for logs or labels."""

    message: str
    type: str = ""
    code: str = ""
    """A word, or a number's text."""
    param: str = ""


def read(body: bytes) -> ErrorObject | None:
    """The error in a body or in an event's data; None: it holds none."""
    try:
        found = json_reader.read(body)
    except json_reader.UnreadableError:
        return None
    if isinstance(found, list) and found:
        found = cast(list[Any], found)[0]  # Google's compatible endpoint wraps it in a list
    return read_object(cast(dict[str, Any], found)) if isinstance(found, dict) else None


def read_object(found: dict[str, Any], event: str = "") -> ErrorObject | None:
    """The error in a decoded body or event; None: it holds none. `event`: the name of an event.

    A text that says nothing is no error: some servers send `error: ""` or `{}` with each chunk.
    """
    error = found.get("error")
    if isinstance(error, str) and error:
        return ErrorObject(_text(error), _text(found.get("type")), _text(found.get("code")))
    if isinstance(error, dict) and error:
        return _problem(cast(dict[str, Any], error))
    if found.get("type") == "error" or found.get("object") == "error":  # Responses events; vLLM before 0.10
        return _problem(found)
    if event == "error" and "choices" not in found:  # Anthropic and relays: the event's name says it
        return _problem(found)
    if "detail" in found and len(found) == 1:  # FastAPI
        return ErrorObject(_text(found["detail"]))
    return None


def read_event(event: StreamEvent) -> ErrorObject | None:
    """The error in an event that is no JSON; None: its name says of none."""
    if event.event != "error":
        return None
    return ErrorObject(json_reader.mended_text(event.data.decode("utf-8", "surrogateescape")))


def build(problem: ErrorObject) -> bytes:
    """The error object, as OpenAI's API writes it: words or null, never numbers."""
    error = {
        "message": problem.message,
        "type": problem.type or None,
        "param": problem.param or None,
        "code": problem.code or None,
    }
    return msgspec.json.encode({"error": error})


def _problem(error: dict[str, Any]) -> ErrorObject:
    kind = error.get("type") or error.get("status")
    return ErrorObject(
        _text(error.get("message")),
        "" if kind == "error" else _text(kind),
        _text(error.get("code")),
        _text(error.get("param")),
    )


def _text(value: object) -> str:
    if value is None:
        return ""
    return (
        json_reader.mended_text(value)
        if isinstance(value, str)
        else msgspec.json.encode(json_reader.mended(value)).decode()
    )
