"""An example: what is learned from one recorded exchange, or the reason why nothing is.

Rules:
1. Only the answer of the exchange is learned from: what was said before it, by whomever, is its prompt. Each answer has
   an exchange of its own, and a candidate's is learned from nowhere. What a line looks like is its format's matter.
2. A correction that the app sent as feedback stands in the answer's place, whoever gave it and however it ended. An
   answer that was voted down and not corrected teaches nothing.
"""

from typing import Any, cast

import msgspec

from records.dataset.reason import Reason, UnfitError
from records.dataset.response_turns import chat_answer, chat_request
from records.wire.json_reader import UnreadableError, read, read_fields
from records.wire.words import arguments_text, ending, says_nothing

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_CUT = frozenset({"length", "content_filter"})
_SPOKEN = {"text": "text", "refusal": "refusal", "input_text": "text", "output_text": "text"}
"""Types of a content's parts that are words, and where these stand."""
_SEARCHES = ("web_search_options", "plugins", "search_parameters")
"""Fields that have the frontier search by itself: OpenAI's, OpenRouter's, xAI's."""
_CUSTOM_PARAMETERS = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
"""What a custom tool, which takes free text, is to a trainer: a function of one text."""

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
    redaction_version: str = ""
    score: float | None = None
    corrected_output_json: str | None = None
    key_id: str = ""
    user_id: str = ""
    system_hash: str = ""
    other_json: str | None = None
    """What the candidate answered to the same request, in the shadow."""
    q: float | None = None
    """By how much that is better than what was said, from whoever may say so: the judge, or labels."""


class Example(msgspec.Struct, frozen=True):
    """What is learned from one exchange."""

    prompt: list[Fields]
    answer: Fields
    tools: list[Fields] | None = None
    parallel_tool_calls: bool | None = None
    is_corrected: bool = False
    """The answer is a correction, not what a model said."""
    rejected: Fields | None = None
    """Of a preference: the worse answer to the same prompt."""
    is_good: bool | None = None
    """Of a vote: whether the answer was liked."""


def example(source: Source) -> Example | Reason:
    """The example that `source` makes, or why it makes none."""
    reason = _refused(source)
    if reason is not None:
        return reason
    try:
        return _example(source)
    except UnfitError as error:
        return error.reason


def answer_in(text: str | None, *, is_better: bool = False) -> Fields | Reason:
    """The message that an answer's body holds, or why it holds none to learn from.

    `is_better`: it is to be said from now on, so it must have come to its own end.
    """
    if text is None:
        return "bodies_not_kept"
    try:
        body = _decoded(text)
        if is_better and (reason := _end_refused(body)) is not None:
            return reason
        return _answer(body)
    except UnfitError as error:
        return error.reason


def _end_refused(body: Fields) -> Reason | None:
    """Why an answer is no whole one, as its own body says."""
    if _is_response(body):
        return None if ending(body.get("status", "completed")) == "stop" else "truncated"
    choices = _objects(body.get("choices"))
    if len(choices) > 1:
        return "several_choices"
    return "truncated" if choices and ending(choices[0].get("finish_reason")) in _CUT else None


def _refused(source: Source) -> Reason | None:
    """Why an exchange is left out whatever it says."""
    if source.consent != "train":
        return "store_false" if source.consent_source == "store_false" else "no_train"
    if source.endpoint not in ("chat", "responses"):
        return "other_endpoint"
    if source.request_json is None:
        return "bodies_not_kept"
    return None if source.corrected_output_json is not None else _answer_refused(source)


def _answer_refused(source: Source) -> Reason | None:
    """Why an answer that nobody corrected is left out, whatever it says."""
    if source.variant != "baseline":
        return "candidate" if source.variant == "candidate" else "not_complete"
    if source.why == "fallback":
        return "fallback"
    if not source.complete:
        return "not_complete"
    if source.response_json is None:
        return "bodies_not_kept"
    if source.score is not None and source.score < 0:
        return "voted_down"
    reasons = source.finish_reason.split(",")
    if len(reasons) > 1:
        return "several_choices"
    how = ending(reasons[0])
    return "truncated" if how in _CUT else "not_complete" if how in ("", "error") else None


def _example(source: Source) -> Example:
    """The example.

    Raises:
        UnfitError: there is none in it.
    """
    request = _decoded(source.request_json)
    if source.endpoint == "responses":
        request = chat_request(request)
    if request.get("functions"):
        raise UnfitError("legacy_functions")
    if any(request.get(name) is not None for name in _SEARCHES):
        raise UnfitError("hosted_tools")
    prompt = [_message(turn) for turn in _objects(request.get("messages"))]
    is_corrected = source.corrected_output_json is not None
    said = _corrected(source.corrected_output_json) if is_corrected else _answer(_decoded(source.response_json))
    _put_in_order([*prompt, said])
    tools = [_tool(tool) for tool in _objects(request["tools"])] if request.get("tools") else None
    parallel = request.get("parallel_tool_calls") if tools else None
    return Example(prompt, said, tools, parallel if isinstance(parallel, bool) else None, is_corrected)


def _put_in_order(turns: list[Fields]) -> None:
    """Give calls and results without an id one, by their order.

    Raises:
        UnfitError: results and calls do not belong together, or the answer goes on with words of the app's.
    """
    waiting: list[str] = []
    number = 0
    for turn in turns[:-1]:
        if turn["role"] == "tool":
            turn["tool_call_id"] = turn["tool_call_id"] or next(iter(waiting), "")
            if turn["tool_call_id"] not in waiting:
                raise UnfitError("odd_turns")
            waiting.remove(turn["tool_call_id"])
            continue
        if waiting:
            raise UnfitError("odd_turns")
        for call in turn.get("tool_calls", ()):
            number += 1
            call["id"] = call["id"] or f"call_{number}"
            waiting.append(call["id"])
    if waiting or len(turns) == 1 or turns[-2]["role"] not in ("user", "tool", "system"):
        raise UnfitError("odd_turns")
    for call in turns[-1].get("tool_calls", ()):
        number += 1
        call["id"] = call["id"] or f"call_{number}"


def _tool(tool: Fields) -> Fields:
    """A tool as trainers know them: a function."""
    custom = tool.get("custom")
    if tool.get("type") == "custom" and isinstance(custom, dict):
        named = cast(Fields, custom)
        function = {"name": _text(named.get("name") or None), "parameters": _CUSTOM_PARAMETERS}
        if named.get("description"):
            function["description"] = _text(named["description"])
        return {"type": "function", "function": function}
    function = tool.get("function")
    if not isinstance(function, dict) or not cast(Fields, function).get("name"):
        raise UnfitError("hosted_tools")
    return tool


def _corrected(text: str | None) -> Fields:
    """The message that a correction is: a text, a message, or else the JSON that should have been said."""
    try:
        said = read(text or "null")
    except UnreadableError as error:
        raise UnfitError("unreadable") from error
    if isinstance(said, dict):
        fields = cast(Fields, said)
        fields = chat_answer(fields) if _is_response(fields) else fields
        if fields.get("content") is not None or fields.get("tool_calls"):
            return _with_words(_message({"content": None, **fields, "role": "assistant"}))
    words = said if isinstance(said, str) else msgspec.json.encode(said).decode()
    return _with_words({"role": "assistant", "content": words})


def _is_response(fields: Fields) -> bool:
    return isinstance(fields.get("output"), list) and "choices" not in fields


def _answer(answer: Fields) -> Fields:
    if _is_response(answer):
        said: Any = chat_answer(answer)
    else:
        choices = _objects(answer.get("choices"))
        said = choices[0].get("message") if choices else None
    if not isinstance(said, dict):
        raise UnfitError("unreadable")
    fields = cast(Fields, said)
    if fields.get("annotations") or answer.get("citations"):  # it read what no candidate is given
        raise UnfitError("hosted_tools")
    if fields.get("refusal"):
        raise UnfitError("refusal")
    return _with_words(_message(fields | {"role": "assistant"}))


def _with_words(message: Fields) -> Fields:
    """The message, if it says anything that could be read."""
    if not message.get("content") and not message.get("tool_calls"):
        raise UnfitError("empty")
    if "\ufffd" in str(message.get("content")):  # a character that nobody could read
        raise UnfitError("unreadable")
    return message


def _message(turn: Fields) -> Fields:
    """One message with the fields that trainers know, and no others."""
    role = _ROLES.get(_text(turn.get("role", "")))
    if role is None:
        raise UnfitError("legacy_functions" if turn.get("role") == "function" else "unreadable")
    if role == "assistant" and not says_nothing(turn.get("function_call")):
        raise UnfitError("legacy_functions")
    if role == "assistant" and not says_nothing(turn.get("audio")):
        raise UnfitError("media")
    content = turn.get("content")
    if not content and isinstance(turn.get("refusal"), str):  # of an earlier turn: it was said
        content = turn["refusal"]
    message: Fields = {"role": role, "content": _content(content)}
    if isinstance(turn.get("name"), str) and role != "tool":
        message["name"] = turn["name"]
    if role == "tool":
        message["tool_call_id"] = _text(turn.get("tool_call_id") or "")
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
        kind = _text(part.get("type"))
        if kind == "thinking":  # Mistral's: no part of what is said
            continue
        if kind not in _SPOKEN:
            raise UnfitError("media")
        words.append(_text(part.get(_SPOKEN[kind])))
    return "".join(words)


def _call(call: Fields) -> Fields:
    function, custom = call.get("function"), call.get("custom")
    if isinstance(custom, dict):
        named = cast(Fields, custom)
        arguments = msgspec.json.encode({"input": _text(named.get("input"))}).decode()
    elif isinstance(function, dict):
        named = cast(Fields, function)
        arguments = arguments_text(named.get("arguments")) or "{}"
        _decoded(arguments)
    else:
        raise UnfitError("unreadable")
    name = _text(named.get("name"))
    if not name:
        raise UnfitError("unreadable")
    return {
        "id": _text(call.get("id") or ""),
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def _decoded(text: str | None) -> Fields:
    found = read_fields(text or "null")
    if found is None:
        raise UnfitError("unreadable")
    return found


def _objects(value: object) -> list[Fields]:
    items = cast(list[Any], value) if isinstance(value, list) else None
    if items is None or not all(isinstance(item, dict) for item in items):
        raise UnfitError("unreadable")
    return cast(list[Fields], items)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise UnfitError("unreadable")
    return value
