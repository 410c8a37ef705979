"""Which exchanges make examples, and what these look like for each trainer."""

import json
from typing import Any

import pytest

from records.dataset.check import check_line
from records.dataset.formats import FORMATS
from records.dataset.sft import Example, Source, example
from tests.fakes.exchanges import chat_answer, chat_request

TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]


def source(**fields: Any) -> Source:
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


def call(arguments: str = '{"city":"Ulm"}') -> dict[str, Any]:
    return {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": arguments}}


def request(*messages: dict[str, Any], **fields: Any) -> str:
    return json.dumps({"model": "gpt-4o", "messages": list(messages), **fields})


@pytest.mark.parametrize("shape", FORMATS)
def test_an_exchange_is_an_example(shape):
    """The prompt and the answer, with the fields that trainers know and no others."""
    assert example(source(), shape) == Example(
        [
            {"role": "system", "content": "You triage."},
            {"role": "user", "content": "Where is my order?"},
            {"role": "assistant", "content": "It is on its way."},
        ]
    )


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"consent": "none", "consent_source": "header"}, "no_train"),
        ({"consent": "none", "consent_source": "store_false"}, "store_false"),
        ({"endpoint": "embeddings"}, "other_endpoint"),
        ({"variant": "candidate"}, "candidate"),
        ({"variant": "gateway"}, "not_complete"),
        ({"why": "fallback"}, "fallback"),
        ({"complete": False}, "not_complete"),
        ({"request_json": None}, "bodies_not_kept"),
        ({"response_json": None}, "bodies_not_kept"),
        ({"finish_reason": "stop,stop"}, "several_choices"),
        ({"finish_reason": "length"}, "truncated"),
        ({"finish_reason": "content_filter"}, "truncated"),
        ({"response_json": chat_answer("", refusal="I cannot").decode()}, "refusal"),
        ({"response_json": chat_answer("").decode()}, "empty"),
        ({"response_json": chat_answer("x", function_call={"name": "f"}).decode()}, "legacy_functions"),
        ({"request_json": chat_request(functions=[{"name": "f"}]).decode()}, "legacy_functions"),
        ({"request_json": request({"role": "user", "content": [{"type": "image_url"}]})}, "media"),
        ({"request_json": request({"role": "alien", "content": "x"})}, "unreadable"),
        ({"request_json": "[]"}, "unreadable"),
        ({"request_json": request({"role": "user", "content": 7})}, "unreadable"),
        ({"response_json": chat_answer(None, tool_calls=[call("{")]).decode()}, "unreadable"),
        ({"response_json": chat_answer(None, tool_calls=[{"type": "custom", "custom": {}}]).decode()}, "unreadable"),
    ],
)
def test_what_is_left_out(fields, reason):
    """Each exchange that should not be learned from is left out, with its reason."""
    assert example(source(**fields), "openai-sft") == reason


def test_tool_calls_for_each_trainer():
    """Arguments are JSON text in both; tools are so for TRL, whose templates join content and so want it never null."""
    tool_loop = source(
        finish_reason="tool_calls",
        request_json=request(
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": None, "tool_calls": [call()]},
            {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
            tools=TOOLS,
            parallel_tool_calls=False,
        ),
        response_json=chat_answer(None, "tool_calls", tool_calls=[call('{"zip": 89073}')]).decode(),
    )

    openai, trl = example(tool_loop, "openai-sft"), example(tool_loop, "trl-sft")

    assert isinstance(openai, Example)
    assert isinstance(trl, Example)
    assert openai.messages[-1] == {"role": "assistant", "content": None, "tool_calls": [call('{"zip": 89073}')]}
    assert openai.messages[2] == {"role": "tool", "content": "rain", "tool_call_id": "call_1"}
    assert (openai.tools, openai.parallel_tool_calls) == (TOOLS, False)
    assert trl.messages[-1] == openai.messages[-1] | {"content": ""}
    assert (json.loads(str(trl.tools)), trl.parallel_tool_calls) == (TOOLS, None)
    for made, shape in ((openai, "openai-sft"), (trl, "trl-sft")):
        assert list(check_line(json.dumps(struct(made)).encode(), shape)) == []


def struct(made: Example) -> dict[str, Any]:
    return {name: value for name in made.__struct_fields__ if (value := getattr(made, name)) is not None}


def test_roles_and_parts():
    """`developer` is `system` for open templates; parts of text are one text; other fields go."""
    turns = (
        {"role": "developer", "content": "Be brief.", "cache_control": {}},
        {"role": "user", "name": "anna", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": "c", "audio": None, "annotations": [], "refusal": None},
        {"role": "user", "content": "d"},
    )
    made = example(source(request_json=request(*turns)), "trl-sft")

    assert isinstance(made, Example)
    assert made.messages[:3] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "ab", "name": "anna"},
        {"role": "assistant", "content": "c"},
    ]
