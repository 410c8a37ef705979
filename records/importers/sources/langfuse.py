"""Langfuse: observations, from the blob storage export, the public API or the UI's export, as JSONL, JSON or CSV.

Of the observations only generations are exchanges. What an app logged as input and output is what it is: messages as
OpenAI has them are taken over, items of the Responses API as the messages that they are; other shapes are told.
Source: langfuse.com/docs, "Blob storage export field reference" and "Public API: observations".
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, cast

from records.dataset.reason import UnfitError
from records.dataset.response_turns import chat_answer, chat_request
from records.importers.imported import (
    Fields,
    ImportedExchange,
    PassedOverError,
    UnfitRowError,
    completion,
    decoded,
    fields_of,
    lasted_s,
    moment,
    number,
    objects_of,
    said,
    text,
)

_ITEMS = (
    "message",
    "reasoning",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
)
_GIVEN = ("temperature", "top_p", "max_tokens", "max_completion_tokens", "seed")


def exchanges(row: Fields) -> Iterator[ImportedExchange]:
    """The exchange of an observation."""
    kind, begin = text(row.get("type")), moment(said(row, "start_time", "startTime"))
    if not text(row.get("id")) or begin is None:
        raise UnfitRowError("no observation: id and start_time are not there")
    if kind != "GENERATION":
        raise PassedOverError(f"type {kind[:64] or 'unknown'}")
    model = text(said(row, "provided_model_name", "providedModelName", "model"))
    asked = _request(decoded(row.get("input")), fields_of(said(row, "model_parameters", "modelParameters")))
    is_error = text(row.get("level")) == "ERROR"
    usage = _usage(fields_of(said(row, "usage_details", "usageDetails", "usage")))
    costs = fields_of(said(row, "cost_details", "costDetails"))
    first = number(said(row, "time_to_first_token", "timeToFirstToken"))
    yield ImportedExchange(
        request=asked and ({"model": model} if model else {}) | asked,
        response=None if is_error else _response(decoded(row.get("output")), model, usage),
        source_id=row["id"],
        at=begin,
        model=model,
        user=text(said(row, "user_id", "userId")),
        conversation=text(said(row, "session_id", "sessionId")),
        status=500 if is_error else 200,
        first_byte_s=first or lasted_s(begin, moment(said(row, "completion_start_time", "completionStartTime"))),
        total_s=lasted_s(begin, moment(said(row, "end_time", "endTime"))),
        usage=usage,
        cost_usd=number(said(row, "total_cost", "totalCost", "calculatedTotalCost") or costs.get("total")),
    )


def _request(given: Any, settings: Fields) -> Fields | None:
    if given in (None, "", [], {}):
        return None
    fields = cast(Fields, given) if isinstance(given, dict) else {"messages": given}
    if "input" in fields or _are_items(fields.get("messages")):
        fields = _as_chat(chat_request, {"input": fields.get("messages")} | fields)
    turns = objects_of(fields.get("messages"))
    if isinstance(given, str):
        turns = [{"role": "user", "content": given}]
    if not turns or not all(text(turn.get("role")) for turn in turns):
        raise UnfitRowError("input: no messages with a role and content")
    known = {name: found for name in _GIVEN if (found := number(settings.get(name))) is not None}
    asked = {name: value for name, value in fields.items() if name in ("tools", "tool_choice", "response_format")}
    return (
        {"messages": turns} | {name: int(each) if each.is_integer() else each for name, each in known.items()} | asked
    )


def _response(given: Any, model: str, usage: Fields | None) -> Fields | None:
    """The answer: a whole one, its message, its words, or the JSON that it is."""
    if given in (None, "", [], {}):
        return None
    if _are_items(given) or _are_items([given]):
        items = cast(list[Any], given) if isinstance(given, list) else [given]
        return completion(_as_chat(chat_answer, {"output": items}), model=model, usage=usage)
    listed = objects_of(given)
    fields = listed[0] if listed is not None and len(listed) == 1 else cast(Fields, given)
    if isinstance(fields, dict):
        if objects_of(fields.get("choices")):
            return fields
        if "role" in fields or fields.get("tool_calls"):
            return completion(fields, model=model, usage=usage)
    words = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    return completion({"content": words}, model=model, usage=usage)


def _are_items(given: Any) -> bool:
    """Whether a list has items of the Responses API, of which messages alone have a role."""
    listed = objects_of(given)
    return bool(listed) and any(item.get("type") in _ITEMS for item in listed or ())


def _as_chat(read: Callable[[Fields], Fields], fields: Fields) -> Fields:
    try:
        return read(fields)
    except UnfitError as error:
        raise UnfitRowError(f"items of the Responses API that no message says: {error}") from error


def _usage(counts: Fields) -> Fields | None:
    """All input with what came from a cache, as OpenAI counts it."""
    pairs = (("input", "output"), ("promptTokens", "completionTokens"), ("prompt_tokens", "completion_tokens"))
    for prompt, answer in pairs:
        asked, told = number(counts.get(prompt)), number(counts.get(answer))
        if asked is not None and told is not None:
            cached = number(counts.get("input_cached_tokens")) or 0.0
            return {
                "prompt_tokens": int(asked + cached),
                "completion_tokens": int(told),
                "prompt_tokens_details": {"cached_tokens": int(cached)},
            }
    return None
