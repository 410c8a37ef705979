"""Messages and tools of a training file: what trainers refuse of them, and their columns in a dataset's card."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, cast

import msgspec

from records.dataset.example import Fields
from records.wire.json_reader import UnreadableError, read, read_fields

_ROLES = ("assistant", "system", "tool", "user")

TURN_COLUMNS = """\
    list:
    - name: role
      dtype: string
    - name: content
      dtype: string
    - name: name
      dtype: string
    - name: tool_call_id
      dtype: string
    - name: tool_calls
      list:
      - name: id
        dtype: string
      - name: type
        dtype: string
      - name: function
        struct:
        - name: name
          dtype: string
        - name: arguments
          dtype: json"""
"""Of a list of messages whose tool arguments `datasets` gives as objects, each call with its own alone."""


def worded(turn: Fields) -> Fields:
    """The message with its content as text: chat templates join it to other text."""
    return turn if turn["content"] is not None else turn | {"content": ""}


def tools_text(tools: list[Fields] | None) -> str | None:
    """Tools as the JSON text that TRL reads: as objects, Arrow would give each the keys of all others."""
    return msgspec.json.encode(tools).decode() if tools else None


def two_answer_faults(fields: Fields, prompt: str, *answers: str) -> Iterator[str]:
    """What is wrong with a prompt and each of the answers to it; what is wrong with the prompt is said once."""
    yield from dict.fromkeys(fault for answer in answers for fault in message_faults(fields, prompt, answer))
    if fields.get(answers[0]) == fields.get(answers[1]):
        yield f"{answers[0]} and {answers[1]} say the same"


def message_faults(fields: Fields, *names: str, weighed: bool = False, is_asked: bool = False) -> Iterator[str]:
    """What is wrong with the conversation that the lists `names` make, one after the other: an answer is its end.

    `weighed`: the assistant's turns may have a `weight`, 0 or 1. `is_asked`: it ends before the answer.
    """
    turns: list[Any] = []
    for name in names:
        messages = fields.get(name)
        if not isinstance(messages, list) or not messages:
            yield f"{name}: not a list with something in it"
            return
        for place, turn in enumerate(cast(list[Any], messages)):
            for text in _turn_faults(turn, weighed=weighed):
                yield f"{name}[{place}]: {text}"
        turns += cast(list[Any], messages)
    last = cast(Fields, turns[-1]) if isinstance(turns[-1], dict) else {}
    if is_asked:
        if last.get("role") == "assistant":
            yield f"{names[-1]}: the last one is the assistant's"
    elif last.get("role") != "assistant":
        yield f"{names[-1]}: the last one is not the assistant's"
    elif last.get("weight") == 0:
        yield f"{names[-1]}: nothing is learned from the last one"
    yield from _order_faults([cast(Fields, turn) for turn in turns if isinstance(turn, dict)])


def turns_of(fields: Fields) -> list[Fields]:
    """A line's messages, of those that are some."""
    messages = fields.get("messages")
    turns = cast(list[Any], messages) if isinstance(messages, list) else []
    return [cast(Fields, turn) for turn in turns if isinstance(turn, dict)]


def alternation_faults(turns: Sequence[Fields], *, begins: bool = False) -> Iterator[str]:
    """Where a turn of the user or the assistant follows one of the same; results of a tool stand for the user's.

    `begins`: the user's comes first, behind one system prompt at most.
    """
    for place, (before, turn) in enumerate(pairwise(turns), start=1):
        role, last = turn.get("role"), before.get("role")
        if role == last and role in ("user", "assistant"):
            yield f"messages[{place}]: two turns of the {role} one after the other"
        elif begins and role == "user" and last == "tool":
            yield f"messages[{place}]: the user goes on behind a tool's result"
        elif begins and role == "system":
            yield f"messages[{place}]: a system prompt that is not the first message"
        elif begins and role == "assistant" and last == "system":
            yield f"messages[{place}]: the assistant begins"
    if begins and turns and turns[0].get("role") == "assistant":
        yield "messages[0]: the assistant begins"


def tool_faults(tools: object) -> Iterator[str]:
    """What is wrong with a list of tools."""
    if tools is None:
        return
    if not isinstance(tools, list):
        yield "tools: a list"
        return
    for place, tool in enumerate(cast(list[Any], tools)):
        function = cast(Fields, tool).get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not cast(Fields, function).get("name"):
            yield f"tools[{place}]: a function with a name"


def tool_text_faults(text: object) -> Iterator[str]:
    """What is wrong with tools that are the JSON text of their list."""
    if text is None:
        return
    try:
        tools = read(text) if isinstance(text, str) else None
    except UnreadableError:
        tools = None
    if isinstance(tools, list):
        yield from tool_faults(cast(list[Any], tools))
    else:
        yield "tools: the JSON text of a list"


def _order_faults(turns: list[Fields]) -> Iterator[str]:
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
        listed = cast(list[Any], calls) if isinstance(calls, list) else []
        waiting = [cast(Fields, call).get("id") for call in listed if isinstance(call, dict)]


def _turn_faults(turn: object, *, weighed: bool) -> Iterator[str]:
    if not isinstance(turn, dict):
        yield "not an object"
        return
    fields = cast(Fields, turn)
    if fields.get("role") not in _ROLES:
        yield f"role is one of {', '.join(_ROLES)}"
    content, calls = fields.get("content"), fields.get("tool_calls")
    if not isinstance(content, str) and not (content is None and calls):
        yield "content is text, or null beside tool_calls"
    if fields.get("role") == "tool" and not fields.get("tool_call_id"):
        yield "a tool's message names its tool_call_id"
    if "weight" in fields and (not weighed or fields["weight"] not in (0, 1) or fields.get("role") != "assistant"):
        yield "weight: 0 or 1, of the assistant's turns, in formats that know it"
    if calls is not None and not isinstance(calls, list):
        yield "tool_calls: a list"
    for place, call in enumerate(cast(list[Any], calls) if isinstance(calls, list) else []):
        for text in _call_faults(call):
            yield f"tool_calls[{place}]: {text}"


def _call_faults(call: object) -> Iterator[str]:
    function = cast(Fields, call).get("function") if isinstance(call, dict) else None
    named = cast(Fields, function) if isinstance(function, dict) else {}
    if not isinstance(named.get("name"), str) or not named["name"]:
        yield "a function with a name"
    arguments = named.get("arguments")
    if not isinstance(arguments, str) or read_fields(arguments) is None:
        yield "arguments is a JSON object's text"
