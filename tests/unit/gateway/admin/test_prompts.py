"""Recorded requests and answers as people read them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admin.prompts import answer_outline, pretty, prompt_outline
from tests.fakes.exchanges import chat_answer, chat_request
from tests.rooms.pairs import JSON

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"


def test_a_chat_request() -> None:
    """The system's words, the turns with what they call, the tools' names."""
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": '{"q":1}'}}
    turns = [
        {"role": "system", "content": "You triage."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "there"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "found"},
    ]
    tools = [{"type": "function", "function": {"name": "look", "parameters": {}}}]
    found = prompt_outline(CHAT, json.dumps({"messages": turns, "tools": tools}))
    assert (found.system, found.tools, found.kept) == ("You triage.", ("look",), True)
    assert [(turn.role, turn.text, turn.calls) for turn in found.turns] == [
        ("user", "Hi\nthere", ()), ("assistant", "", ('look({"q":1})',)), ("tool", "found", ()),
    ]  # fmt: skip


def test_a_response_request() -> None:
    """Instructions are the system's words; an input is one turn, or several with calls and what came of them."""
    items = [
        {"role": "user", "content": "Hi"},
        {"type": "function_call", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "output": "found"},
    ]
    found = prompt_outline(RESPONSES, json.dumps({"instructions": "Be brief.", "input": items}))
    assert found.system == "Be brief."
    assert [(turn.role, turn.text, turn.calls) for turn in found.turns] == [
        ("user", "Hi", ()), ("function_call", "", ("look({})",)), ("function_call_output", "found", ()),
    ]  # fmt: skip
    assert [turn.text for turn in prompt_outline(RESPONSES, '{"input": "Hi"}').turns] == ["Hi"]


@pytest.mark.parametrize("text", [None, "", "no json", "[1]", '"x"', "{" * 20_000])
def test_what_was_not_kept(text: str | None) -> None:
    """A body that is not there, or is none, says so."""
    assert not prompt_outline(CHAT, text).kept
    assert answer_outline(CHAT, text).answer is None
    assert answer_outline(CHAT, text).problem


@given(JSON)
def test_nothing_breaks_the_reading(value: object) -> None:
    """Any JSON in any place is read without an error."""
    for name in ("messages", "input", "tools", "instructions", "prompt", "choices"):
        text = json.dumps({name: value})
        prompt_outline(CHAT, text)
        assert isinstance(answer_outline(RESPONSES, text).text, str)
    assert json.loads(pretty(json.dumps(value))) == value


def test_an_answer() -> None:
    """Its words; a refusal's, where it refused; an error is none."""
    assert answer_outline(CHAT, chat_answer("Yes").decode()).text == "Yes"
    assert answer_outline(CHAT, chat_answer("", refusal="No").decode()).text == "No"
    assert answer_outline(CHAT, '{"error": {"message": "x"}}').problem == "error"
    assert prompt_outline(CHAT, chat_request("x").decode()).turns[0].text == "x"


@given(st.text(max_size=30))
def test_text_that_is_no_json_stays(text: str) -> None:
    """What is no JSON is shown as it is."""
    assert pretty("no " + text) == "no " + text
