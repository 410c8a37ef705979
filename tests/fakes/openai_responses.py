"""What OpenAI's Responses API answers, as values: a whole response, and the events of a streamed one."""

from collections.abc import Iterator
from typing import Any

from tests.fakes import openai_answers
from tests.fakes.openai_answers import CREATED, Fields, Speaker, fake_usage


def response(request: Fields, speaker: Speaker) -> Fields:
    """A whole response."""
    return _response(request, speaker, "completed", _output(request, speaker))


def events(request: Fields, speaker: Speaker) -> Iterator[Fields]:
    """The events of a streamed response, numbered from 0."""
    for number, event in enumerate(_events(request, speaker)):
        yield {"type": event["type"], "sequence_number": number} | event


def _events(request: Fields, speaker: Speaker) -> Iterator[Fields]:
    for kind in ("response.created", "response.in_progress"):
        yield {"type": kind, "response": _response(request, speaker, "in_progress", [])}
    output = _output(request, speaker)
    for index, item in enumerate(output):
        at = {"output_index": index}
        if item["type"] == "function_call":
            yield from _call_events(item, at)
        else:
            yield from _message_events(item, at)
        yield {"type": "response.output_item.done", "item": item} | at
    yield {"type": "response.completed", "response": _response(request, speaker, "completed", output)}


def _call_events(item: Fields, at: Fields) -> Iterator[Fields]:
    begun = item | {"arguments": "", "status": "in_progress"}
    yield {"type": "response.output_item.added", "item": begun} | at
    named = {"item_id": item["id"]} | at
    for piece in openai_answers.pieces(item["arguments"]):
        yield {"type": "response.function_call_arguments.delta", "delta": piece} | named
    yield {
        "type": "response.function_call_arguments.done",
        "arguments": item["arguments"],
        "name": item["name"],
    } | named


def _message_events(item: Fields, at: Fields) -> Iterator[Fields]:
    yield {"type": "response.output_item.added", "item": item | {"content": [], "status": "in_progress"}} | at
    named = {"item_id": item["id"], "content_index": 0} | at
    part = item["content"][0]
    yield {"type": "response.content_part.added", "part": part | {"text": ""}} | named
    for word in openai_answers.pieces(part["text"], 11):
        yield {"type": "response.output_text.delta", "delta": word, "logprobs": []} | named
    yield {"type": "response.output_text.done", "text": part["text"], "logprobs": []} | named
    yield {"type": "response.content_part.done", "part": part} | named


def _output(request: Fields, speaker: Speaker) -> list[Fields]:
    calls = openai_answers.tool_calls(request, speaker)
    if calls:
        return [
            {"id": f"fc_{at}", "type": "function_call", "status": "completed", "call_id": call["id"]} | call["function"]
            for at, call in enumerate(calls)
        ]
    form = (request.get("text") or {}).get("format") or {}
    shaped = request | {"response_format": {"type": form["type"], "json_schema": form}} if "type" in form else request
    text = "".join(openai_answers.words_of(shaped, speaker))
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return [
        {
            "id": speaker.name("msg_", request),
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [part],
        }
    ]


def _response(request: Fields, speaker: Speaker, status: str, output: list[Fields]) -> Fields:
    used = fake_usage(request.get("input"), speaker.words)
    usage = {
        "input_tokens": used["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": used["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": used["total_tokens"],
    }
    given: dict[str, Any] = {
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "metadata": {},
        "instructions": None,
        "previous_response_id": None,
        "store": True,
        "text": {"format": {"type": "text"}},
        "user": None,
    }
    given |= {name: request[name] for name in given if request.get(name) is not None}
    return {
        "id": speaker.name("resp_", request),
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "max_output_tokens": request.get("max_output_tokens"),
        "model": request["model"],
        "output": output,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "truncation": "disabled",
        "usage": usage if status == "completed" else None,
    } | given
