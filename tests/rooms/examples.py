"""Recorded exchanges as datasets read them."""

import json
from typing import Any

from records.dataset.example import Example, Source, example
from tests.fakes.exchanges import chat_answer, chat_request

TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
USER = {"role": "user", "content": "Where?"}


def source(**fields: Any) -> Source:
    """One that makes an example, but for these fields."""
    plain: dict[str, Any] = {
        "id": "1",
        "conversation_id": "c1",
        "endpoint": "chat",
        "variant": "baseline",
        "why": "assigned",
        "complete": True,
        "finish_reason": "stop",
        "consent": "train",
        "consent_source": "",
        "model_returned": "gpt-4o",
        "request_json": chat_request().decode(),
        "response_json": chat_answer().decode(),
    }
    return Source(**(plain | fields))


def call(arguments: str = '{"city":"Ulm"}', number: int = 1) -> dict[str, Any]:
    return {"id": f"call_{number}", "type": "function", "function": {"name": "look", "arguments": arguments}}


def request(*messages: dict[str, Any], **fields: Any) -> str:
    return json.dumps({"model": "gpt-4o", "messages": list(messages), **fields})


def made(**fields: Any) -> Example:
    """The example of `source(**fields)`."""
    found = example(source(**fields))
    assert isinstance(found, Example)
    return found


def tool_loop(**fields: Any) -> Example:
    """An exchange that calls a tool after another call's result."""
    return made(
        finish_reason="tool_calls",
        request_json=request(
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": None, "tool_calls": [call()]},
            {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
            tools=TOOLS,
            parallel_tool_calls=False,
        ),
        response_json=chat_answer(None, "tool_calls", tool_calls=[call('{"zip": 89073}')]).decode(),
        **fields,
    )
