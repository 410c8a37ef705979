"""An exchange of the Responses API as the chat that says the same, so that it is learned from as any other.

Rules:
1. Calls that follow each other, or the words of one answer, are one turn: the model said them together.
2. What it thought is no turn. What only the provider holds, or only its own tools did, cannot be read, and neither can
   the answer be learned that was given to it.

Source: OpenAI API reference, "Responses": input and output items.
"""

from typing import Any, cast

from records.dataset.reason import UnfitError
from records.wire.words import says_nothing

Fields = dict[str, Any]
_HELD = ("previous_response_id", "conversation", "prompt")
"""Fields of a request that stand for turns which only the provider has."""
_CALLS = {"function_call": "function", "custom_tool_call": "custom"}
_WORDS = ("output_text", "text")
_RESULTS = ("function_call_output", "custom_tool_call_output")


def chat_request(request: Fields) -> Fields:
    """The request of a chat that asks the same.

    Raises:
        UnfitError: parts of it are with the provider.
    """
    if any(not says_nothing(request.get(name)) for name in _HELD):
        raise UnfitError("server_state")
    given: Any = request.get("input")
    turns = [{"role": "user", "content": given}] if isinstance(given, str) else _turns(given)
    if request.get("instructions"):
        turns = [{"role": "system", "content": request["instructions"]}, *turns]
    tools: Any = request.get("tools")
    return {
        "messages": turns,
        "tools": [_tool(tool) for tool in cast(list[Any], tools)] if isinstance(tools, list) else tools,
        "parallel_tool_calls": request.get("parallel_tool_calls"),
    }


def chat_answer(response: Fields) -> Fields:
    """The message of a chat that says what a response's output does.

    Raises:
        UnfitError: there is more in it than one message's words and calls.
    """
    turns = _turns(response.get("output"), "assistant")
    if any(turn["role"] != "assistant" for turn in turns):
        raise UnfitError("odd_turns")
    said = [_parts(turn["content"]) for turn in turns if turn["content"] is not None]
    parts = [part for each in said for part in each]
    message: Fields = {"role": "assistant", "content": None}
    if all(part.get("type") in _WORDS for part in parts):
        texts = ["".join(str(part.get("text") or "") for part in each) for each in said]
        message["content"] = "\n\n".join(text for text in texts if text) or None
    else:
        message["content"] = parts
    calls = [call for turn in turns for call in turn.get("tool_calls", ())]
    cited = [one for part in parts for one in part.get("annotations") or ()]
    refused = "".join(str(part["refusal"]) for part in parts if part.get("refusal"))
    beside = {"tool_calls": calls, "annotations": cited, "refusal": refused}
    return message | {name: value for name, value in beside.items() if value}


def _turns(items: object, role: str = "") -> list[Fields]:
    """The messages that these items are; `role`: of those that say none."""
    if not isinstance(items, list):
        raise UnfitError("unreadable")
    turns: list[Fields] = []
    for item in cast(list[Any], items):
        if not isinstance(item, dict):
            raise UnfitError("unreadable")
        _add(turns, cast(Fields, item), role)
    return turns


def _add(turns: list[Fields], item: Fields, role: str) -> None:
    kind = str(item.get("type", "message"))
    if kind == "message":
        turns.append({"role": item.get("role", role), "content": item.get("content")})
    elif kind in _CALLS:
        if not turns or turns[-1]["role"] != "assistant":
            turns.append({"role": "assistant", "content": None})
        turns[-1].setdefault("tool_calls", []).append(_call(item, _CALLS[kind]))
    elif kind in _RESULTS:
        turns.append({"role": "tool", "tool_call_id": item.get("call_id"), "content": item.get("output")})
    elif kind == "item_reference":
        raise UnfitError("server_state")
    elif kind != "reasoning":  # a search, a computer, a picture, a server of tools
        raise UnfitError("hosted_tools")


def _call(item: Fields, shape: str) -> Fields:
    field = "input" if shape == "custom" else "arguments"
    return {"id": item.get("call_id"), "type": shape, shape: {"name": item.get("name"), field: item.get(field)}}


def _tool(tool: object) -> object:
    """A tool as chat completions have it: what it is stands under its type."""
    if not isinstance(tool, dict):
        return tool
    fields = cast(Fields, tool)
    kind: Any = fields.get("type")
    if kind not in ("function", "custom") or kind in fields:
        return fields
    return {"type": kind, kind: {name: value for name, value in fields.items() if name != "type" and value is not None}}


def _parts(content: object) -> list[Fields]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    parts = cast(list[Any], content) if isinstance(content, list) else [None]
    if not all(isinstance(part, dict) for part in parts):
        raise UnfitError("unreadable")
    return cast(list[Fields], parts)
