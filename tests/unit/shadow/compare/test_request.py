"""What a request asks for, in each API's own words."""

from typing import Any

import pytest

from shadow.compare import request as asked
from shadow.compare.pair import AppRequest, ToolCall
from tests.rooms.pairs import CHAT, tool


def request(**fields: Any) -> AppRequest:
    return AppRequest(CHAT, fields)


def test_tools_of_every_api() -> None:
    """Chat, Responses, custom tools and the old functions; what has no name is none."""
    schema = {"type": "object"}
    found = asked.tools(
        request(
            tools=[
                tool("chat"),
                {"type": "function", "name": "responses", "parameters": schema},
                {"type": "custom", "custom": {"name": "custom"}},
                {"type": "web_search"},
                "junk",
            ],
            functions=[{"name": "old", "parameters": schema}, {"name": "loose", "parameters": None}],
        )
    )
    assert list(found) == ["chat", "responses", "custom", "old", "loose"]
    assert found["responses"].parameters == schema
    assert (found["custom"].parameters, found["custom"].is_free) == (None, True)
    assert found["loose"].parameters is None


def test_a_call_of_what_was_not_offered() -> None:
    """One such call is enough."""
    offered = asked.tools(request(tools=[tool("f")]))
    assert not asked.has_unknown_tool([ToolCall("f", "{}")], offered)
    assert asked.has_unknown_tool([ToolCall("f", "{}"), ToolCall("g", "{}")], offered)


@pytest.mark.parametrize(
    ("fields", "form"),
    [
        ({}, asked.AnswerForm(is_json=False, schema=None)),
        ({"response_format": {"type": "text"}}, asked.AnswerForm(is_json=False, schema=None)),
        ({"response_format": {"type": "json_object"}}, asked.AnswerForm(is_json=True, schema=None)),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}},
            asked.AnswerForm(is_json=True, schema={"type": "object"}),
        ),
        (
            {"text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "array"}}}},
            asked.AnswerForm(is_json=True, schema={"type": "array"}),
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": 1}}},
            asked.AnswerForm(is_json=True, schema=None),
        ),
        ({"response_format": "json"}, asked.AnswerForm(is_json=False, schema=None)),
    ],
)
def test_the_form_an_answer_must_have(fields: dict[str, Any], form: asked.AnswerForm) -> None:
    """Chat completions and Responses say it in different places."""
    assert asked.form(request(**fields)) == form


def test_prompts_are_what_leads_and_what_was_asked_last() -> None:
    """The system prompt and the last question; what was said in between may well be repeated."""
    turns = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "answer"},
        {"role": "user", "content": [{"type": "text", "text": "last"}]},
        {"role": "tool", "content": "result"},
    ]
    assert list(asked.prompts(request(messages=turns))) == ["be brief", "last"]


def test_prompts_of_the_other_apis() -> None:
    """Instructions and input of Responses, and a completion's prompt."""
    assert list(asked.prompts(request(instructions="be brief", input="go"))) == ["be brief", "go"]
    assert list(asked.prompts(request(input=[{"role": "user", "content": "go"}]))) == ["go"]
    assert list(asked.prompts(request(prompt="once"))) == ["once"]
    assert list(asked.prompts(request(messages=[{"role": "assistant"}]))) == []
