"""Whether a file is what its trainer takes: every line looked at, every fault named with its line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec

from records.dataset.export_format import ExportFormat, export_format

LEAST_EXAMPLES = 10
"""OpenAI's fine-tuning takes no fewer."""
_KEYS = frozenset({"messages", "tools", "parallel_tool_calls"})
_ROLES = frozenset({"system", "user", "assistant", "tool"})

Fields = dict[str, Any]


class Fault(NamedTuple):
    """Something wrong in a file."""

    line: int
    """From 1; 0: of the file as a whole."""
    text: str


def check_file(path: Path, shape: str, *, least: int = LEAST_EXAMPLES) -> Iterator[Fault]:
    """What is wrong with `path`.

    Raises:
        OSError: it cannot be read. ValueError: `shape` is no format.
    """
    number = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            for text in check_line(line, shape):
                yield Fault(number, text)
    if number < least:
        yield Fault(0, f"{number} examples; trainers take {least} or more")


def check_line(line: bytes, shape: str) -> Iterator[str]:
    """What is wrong with one example of the format `shape`."""
    try:
        found: Any = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        yield f"not JSON: {error}"
        return
    if not isinstance(found, dict):
        yield "not an object"
        return
    fields = cast(Fields, found)
    if unknown := sorted(fields.keys() - _KEYS):
        yield f"unknown fields: {', '.join(unknown)}"
    messages = fields.get("messages")
    if not isinstance(messages, list) or not messages:
        yield "messages: not a list with something in it"
        return
    turns = cast(list[Any], messages)
    for place, turn in enumerate(turns):
        for text in _check_message(turn):
            yield f"messages[{place}]: {text}"
    last = cast(Fields, turns[-1]) if isinstance(turns[-1], dict) else {}
    if last.get("role") != "assistant":
        yield "messages: the last one is not the assistant's"
    yield from _check_tools(fields.get("tools"), export_format(shape))


def _check_message(turn: object) -> Iterator[str]:
    if not isinstance(turn, dict):
        yield "not an object"
        return
    fields = cast(Fields, turn)
    if fields.get("role") not in _ROLES:
        yield f"role is one of {', '.join(sorted(_ROLES))}"
    content, calls = fields.get("content"), fields.get("tool_calls")
    if not isinstance(content, str) and not (content is None and calls):
        yield "content is text, or null beside tool_calls"
    if fields.get("role") == "tool" and not fields.get("tool_call_id"):
        yield "a tool's message names its tool_call_id"
    for place, call in enumerate(cast(list[Any], calls) if isinstance(calls, list) else []):
        for text in _check_call(call):
            yield f"tool_calls[{place}]: {text}"


def _check_call(call: object) -> Iterator[str]:
    function = cast(Fields, call).get("function") if isinstance(call, dict) else None
    named = cast(Fields, function) if isinstance(function, dict) else {}
    if not isinstance(named.get("name"), str) or not named["name"]:
        yield "a function with a name"
    arguments = named.get("arguments")
    try:
        inner = msgspec.json.decode(arguments) if isinstance(arguments, str) else None
    except (msgspec.DecodeError, RecursionError):
        inner = None
    if not isinstance(inner, dict):
        yield "arguments is a JSON object's text"


def _check_tools(tools: object, shape: ExportFormat) -> Iterator[str]:
    if tools is None:
        return
    tools = shape.read_tools(tools)
    if not isinstance(tools, list):
        yield f"tools: {shape.tools_are}"
        return
    for place, tool in enumerate(cast(list[Any], tools)):
        function = cast(Fields, tool).get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not cast(Fields, function).get("name"):
            yield f"tools[{place}]: a function with a name"
