"""Whether a file is what its trainer takes: every line looked at, every fault named with its line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

from records.dataset.sft import Format
from records.wire.json_reader import UnreadableError, read, read_fields

LEAST_EXAMPLES = 10
"""OpenAI's fine-tuning takes no fewer."""
_KEYS: dict[Format, frozenset[str]] = {
    "openai-sft": frozenset({"messages", "tools", "parallel_tool_calls"}),
    "trl-sft": frozenset({"prompt", "completion", "tools"}),
}
_ROLES = frozenset({"system", "user", "assistant", "tool"})

Fields = dict[str, Any]


class Fault(NamedTuple):
    """Something wrong in a file."""

    line: int
    """From 1; 0: of the file as a whole."""
    text: str


def check_file(path: Path, shape: Format, *, least: int = LEAST_EXAMPLES) -> Iterator[Fault]:
    """What is wrong with `path`.

    Raises:
        OSError: it cannot be read.
    """
    number = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            for text in check_line(line, shape):
                yield Fault(number, text)
    if number < least:
        yield Fault(0, f"{number} examples; trainers take {least} or more")


def check_line(line: bytes, shape: Format) -> Iterator[str]:
    """What is wrong with one example."""
    try:
        found = read(line)
    except UnreadableError as error:
        yield f"not JSON: {error}"
        return
    if not isinstance(found, dict):
        yield "not an object"
        return
    fields = cast(Fields, found)
    if unknown := sorted(fields.keys() - _KEYS[shape]):
        yield f"unknown fields: {', '.join(unknown)}"
    turns: list[Any] = []
    for name in ("prompt", "completion") if shape == "trl-sft" else ("messages",):
        messages = fields.get(name)
        if not isinstance(messages, list) or not messages:
            yield f"{name}: not a list with something in it"
            return
        for place, turn in enumerate(cast(list[Any], messages)):
            for text in _check_message(turn, shape):
                yield f"{name}[{place}]: {text}"
        turns += cast(list[Any], messages)
    last = cast(Fields, turns[-1]) if isinstance(turns[-1], dict) else {}
    if last.get("role") != "assistant":
        yield "messages: the last one is not the assistant's"
    elif last.get("weight") == 0:
        yield "messages: nothing is learned from the last one"
    yield from _check_order([cast(Fields, turn) for turn in turns if isinstance(turn, dict)])
    yield from _check_tools(fields.get("tools"), shape)


def _check_order(turns: list[Fields]) -> Iterator[str]:
    """Whether every result follows its call, and every call but the last turn's has its result."""
    waiting: list[Any] = []
    for turn in turns:
        if turn.get("role") == "tool":
            if not turn.get("tool_call_id"):
                continue  # said already
            if turn["tool_call_id"] not in waiting:
                yield f"a tool's message of no call before it: {turn.get('tool_call_id')}"
            else:
                waiting.remove(turn.get("tool_call_id"))
            continue
        if waiting:
            yield "tool calls without results"
        calls = turn.get("tool_calls")
        waiting = [cast(Fields, call).get("id") for call in cast(list[Any], calls or []) if isinstance(call, dict)]


def _check_message(turn: object, shape: Format) -> Iterator[str]:
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
    if "weight" in fields and (
        shape != "openai-sft" or fields["weight"] not in (0, 1) or fields.get("role") != "assistant"
    ):
        yield "weight: 0 or 1, of the assistant's turns in openai-sft"
    for place, call in enumerate(cast(list[Any], calls) if isinstance(calls, list) else []):
        for text in _check_call(call):
            yield f"tool_calls[{place}]: {text}"


def _check_call(call: object) -> Iterator[str]:
    function = cast(Fields, call).get("function") if isinstance(call, dict) else None
    named = cast(Fields, function) if isinstance(function, dict) else {}
    if not isinstance(named.get("name"), str) or not named["name"]:
        yield "a function with a name"
    arguments = named.get("arguments")
    if not isinstance(arguments, str) or read_fields(arguments) is None:
        yield "arguments is a JSON object's text"


def _check_tools(tools: object, shape: Format) -> Iterator[str]:
    if tools is None:
        return
    if shape == "trl-sft":
        try:
            tools = read(tools) if isinstance(tools, str) else None
        except UnreadableError:
            tools = None
    if not isinstance(tools, list):
        yield "tools: the JSON text of a list" if shape == "trl-sft" else "tools: a list"
        return
    for place, tool in enumerate(cast(list[Any], tools)):
        function = cast(Fields, tool).get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not cast(Fields, function).get("name"):
            yield f"tools[{place}]: a function with a name"
