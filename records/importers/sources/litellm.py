"""LiteLLM: the table `LiteLLM_SpendLogs` (dumped as CSV or JSON, or answered by `/spend/logs`), and logged payloads.

Rules:
1. By default LiteLLM keeps no prompts (`store_prompts_in_spend_logs`): such rows count for volume and spend alone.
2. It cuts long texts (`litellm_truncated`) and blanks private ones (`redacted-by-litellm`): bodies with such a text are
   not taken over.
3. Its `session_id` is made anew for each request of an app that names none: it says nothing of a conversation.
Source: BerriAI/litellm, LiteLLM_SpendLogs (schema.prisma), StandardLoggingPayload, spend_tracking_utils.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from records.importers.imported import (
    CHAT,
    COMPLETIONS,
    RESPONSES,
    Fields,
    ImportedExchange,
    PassedOverError,
    UnfitRowError,
    decoded,
    fields_of,
    lasted_s,
    moment,
    number,
    objects_of,
    said,
    text,
)

_PATHS = {"completion": CHAT, "responses": RESPONSES, "text_completion": COMPLETIONS}
_CALLS = {name: path for call, path in _PATHS.items() for name in (call, f"a{call}")}
_SPOILT = (b"litellm_truncated", b"redacted-by-litellm")


def exchanges(row: Fields) -> Iterator[ImportedExchange]:
    """The exchange of a row."""
    source_id, call = text(said(row, "request_id", "id")), text(row.get("call_type"))
    if not source_id or not {"spend", "response_cost"} & row.keys():
        raise UnfitRowError("no spend log: request_id and spend are not there")
    path = _CALLS.get(call or "completion")
    if path is None:
        raise PassedOverError(f"call_type {call[:64]}")
    about = fields_of(row.get("metadata"))
    begin, end = (moment(row.get(name)) for name in ("startTime", "endTime"))
    if begin is None:
        raise UnfitRowError("startTime: no date and time")
    counted = {name: number(row.get(name)) for name in ("prompt_tokens", "completion_tokens")}
    model = text(said(row, "model_group", "model"))
    request, response = _bodies(row, path)
    yield ImportedExchange(
        request=request and ({"model": model} | request if model else request),
        response=response,
        source_id=source_id,
        path=path,
        at=begin,
        model=model,
        key=text(row.get("api_key")) or text(said(about, "user_api_key", "user_api_key_hash")),
        user=text(said(row, "end_user", "user")),
        status=_status(row, about),
        first_byte_s=lasted_s(begin, moment(row.get("completionStartTime"))),
        total_s=lasted_s(begin, end),
        usage=counted if None not in counted.values() else None,
        cost_usd=number(said(row, "spend", "response_cost")),
    )


def _bodies(row: Fields, path: str) -> tuple[Fields | None, Fields | None]:
    """Request and answer, as far as they are whole."""
    asked = _request(row, path)
    answer = fields_of(row.get("response"))
    whole = [each if each and not _is_spoilt(each) else None for each in (asked, answer)]
    return whole[0], whole[1]


def _request(row: Fields, path: str) -> Fields:
    asked = fields_of(row.get("proxy_server_request"))
    asked = fields_of(asked.get("body")) or asked
    if _is_spoilt(asked) or asked.keys() & {"messages", "input", "prompt"}:
        return {name: value for name, value in asked.items() if not name.startswith("litellm_")} or asked
    messages: Any = decoded(row.get("messages"))
    if not messages:
        return {}
    name = {CHAT: "messages", RESPONSES: "input", COMPLETIONS: "prompt"}[path]
    if path == CHAT and objects_of(messages) is None:
        messages = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    given = {key: value for key, value in fields_of(row.get("model_parameters")).items() if value is not None}
    return given | {name: messages}


def _is_spoilt(body: Fields) -> bool:
    raw = msgspec.json.encode(body)
    return any(mark in raw for mark in _SPOILT)


def _status(row: Fields, about: Fields) -> int:
    if text(row.get("status") or about.get("status")) != "failure":
        return 200
    code = number(fields_of(about.get("error_information")).get("error_code"))
    return int(code) if code is not None and 400 <= code < 600 else 500
