import json
from typing import Any

import pytest

from gateway.control.exporter.turns import CHARS, CUT, TEXT_CHARS, TURNS, SpokenTurn, TurnPart, answered, conversation

CALL = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"order":7}'}}
CALLED = TurnPart("tool_call", '{"order":7}', "c1", "look_up")


def test_a_chat_is_told_with_its_tools() -> None:
    """Messages, tool calls, what tools gave and how it ended; of a picture only that there is one."""
    picture = {"type": "image_url", "image_url": {"url": "data:…"}}
    messages = [
        {"role": "system", "content": "You triage."},
        {"role": "user", "content": [{"type": "text", "text": "Where?"}, picture]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "on its way"},
    ]
    choice = {"index": 0, "message": {"role": "assistant", "content": "On its way."}, "finish_reason": "stop"}
    told = conversation(
        "chat",
        json.dumps({"messages": messages, "tools": [{"type": "function"}]}),
        json.dumps({"choices": [choice]}),
    )
    assert told.asked == (
        SpokenTurn("system", (TurnPart("text", "You triage."),)),
        SpokenTurn("user", (TurnPart("text", "Where?"), TurnPart("other", "image_url"))),
        SpokenTurn("assistant", (CALLED,)),
        SpokenTurn("tool", (TurnPart("tool_call_response", "on its way", "c1"),)),
    )
    assert told.said == (SpokenTurn("assistant", (TurnPart("text", "On its way."),), "stop"),)
    assert json.loads(told.tools) == [{"type": "function"}]


def test_a_response_is_told_by_its_items() -> None:
    """The Responses API's instructions, items, calls and output are turns as a chat's are."""
    asked = [
        {"role": "user", "content": [{"type": "input_text", "text": "Where?"}]},
        {"type": "function_call", "call_id": "c1", "name": "look_up", "arguments": '{"order":7}'},
        {"type": "function_call_output", "call_id": "c1", "output": "on its way"},
    ]
    said = [
        {"type": "reasoning", "summary": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "On its way."}]},
    ]
    told = conversation(
        "responses", json.dumps({"instructions": "You triage.", "input": asked}), json.dumps({"output": said})
    )
    assert told.system == (SpokenTurn("system", (TurnPart("text", "You triage."),)),)
    assert [turn.role for turn in told.asked] == ["user", "assistant", "tool"]
    assert told.asked[1].parts == (CALLED,)
    assert told.said[-1].text == "On its way."
    assert answered(json.dumps({"output": said})) == told.said


@pytest.mark.parametrize(
    ("endpoint", "request_body", "response_body", "asked", "said"),
    [
        ("completions", {"prompt": "Once"}, {"choices": [{"text": " upon", "finish_reason": "stop"}]}, "Once", " upon"),
        ("embeddings", {"input": ["a", "b"]}, {"data": [{"embedding": [0.1]}]}, "b", None),
        ("responses", {"input": "Where?"}, {}, "Where?", None),
        ("other", {"input": "Where?"}, {"output": []}, None, None),
        ("chat", {"messages": 7}, {"choices": {"a": 1}}, None, None),
    ],
)
def test_other_endpoints(
    endpoint: str, request_body: Any, response_body: Any, asked: str | None, said: str | None
) -> None:
    """Prompts and inputs are the user's turns, vectors are nobody's; what is shaped otherwise says nothing."""
    told = conversation(endpoint, json.dumps(request_body), json.dumps(response_body))
    assert (told.asked[-1].text if told.asked else None) == asked
    assert (told.said[-1].text if told.said else None) == said


@pytest.mark.parametrize("text", [None, "", "7", "[1]", "{", '"words"'])
def test_bodies_that_are_none_say_nothing(text: str | None) -> None:
    """A body that was not kept, or is no object, is no conversation."""
    assert conversation("chat", text, text).asked == conversation("chat", text, text).said == ()
    assert answered(text) == ()


def test_what_is_long_is_cut() -> None:
    """A part, the turns and all of them together have a bound; the last ones are kept."""
    messages = [{"role": "user", "content": f"{number} " + "x" * TEXT_CHARS} for number in range(TURNS + 5)]
    told = conversation("chat", json.dumps({"messages": messages}), None)
    assert sum(len(turn.text) for turn in told.asked) <= CHARS
    assert told.asked[-1].text.startswith(f"{TURNS + 4} ")
    assert all(turn.text.endswith(CUT) for turn in told.asked)
    assert len(conversation("chat", json.dumps({"messages": [{"content": "a"}] * 500}), None).asked) == TURNS
