"""Which exchanges make examples, and why others make none."""

import json

import pytest

from records.dataset.check import check_line
from records.dataset.example import Example, example
from records.dataset.formats import format_named
from tests.fakes.exchanges import chat_answer, chat_request
from tests.rooms.examples import TOOLS, USER, call, made, request, source, tool_loop
from tests.rooms.odd_values import odd_versions

CALL = call("{}")


def test_an_exchange_is_an_example():
    """The prompt and the answer, with the fields that trainers know and no others."""
    prompt = [{"role": "system", "content": "You triage."}, {"role": "user", "content": "Where is my order?"}]
    assert example(source()) == Example(prompt, {"role": "assistant", "content": "It is on its way."})


@pytest.mark.parametrize(
    "answer",
    [
        chat_answer("Soon.", function_call={"name": "", "arguments": ""}, audio={}, tool_calls=None),
        chat_answer([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Soon."}]),
        chat_answer([{"type": "output_text", "text": "Soon."}]),
        chat_answer("Soon.").replace(b'"role": "assistant", ', b""),
    ],
    ids=["empty fields", "thinking", "another API's part", "no role"],
)
def test_an_answer_of_the_field_is_one(answer):
    """Fields that say nothing, parts that are thought, and a role left out cost no example."""
    found = example(source(response_json=answer.decode()))
    assert isinstance(found, Example)
    assert found.answer == {"role": "assistant", "content": "Soon."}


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
        ({"score": -1.0}, "voted_down"),
        ({"corrected_output_json": '""'}, "empty"),
        ({"corrected_output_json": '"x"', "consent": "none", "consent_source": "header"}, "no_train"),
        ({"corrected_output_json": '"x"', "request_json": None}, "bodies_not_kept"),
        ({"finish_reason": "MAX_TOKENS"}, "truncated"),
        ({"finish_reason": "error"}, "not_complete"),
        ({"response_json": chat_answer("caf\ufffd").decode()}, "unreadable"),
        ({"request_json": request()}, "odd_turns"),
        ({"request_json": request(USER, {"role": "assistant", "content": "So"})}, "odd_turns"),
        ({"request_json": request(USER, {"role": "tool", "tool_call_id": "x", "content": "y"})}, "odd_turns"),
        ({"request_json": request(USER, {"role": "assistant", "tool_calls": [CALL]}, USER)}, "odd_turns"),
        ({"request_json": request(USER, tools=[{"type": "web_search"}])}, "hosted_tools"),
        ({"request_json": request(USER, web_search_options={})}, "hosted_tools"),
        ({"request_json": request(USER, plugins=[{"id": "web"}])}, "hosted_tools"),
        ({"response_json": chat_answer("x", annotations=[{"type": "url_citation"}]).decode()}, "hosted_tools"),
        ({"request_json": request(USER, {"role": "assistant", "audio": {"id": "a"}}, USER)}, "media"),
        (
            {"request_json": request(USER, {"role": "assistant", "function_call": {"name": "f"}}, USER)},
            "legacy_functions",
        ),
    ],
)
def test_what_is_left_out(fields, reason):
    """Each exchange that should not be learned from is left out, with its reason."""
    assert example(source(**fields)) == reason


@pytest.mark.parametrize(
    ("correction", "answer"),
    [
        ("In Ulm.", {"content": "In Ulm."}),
        ({"intent": "where"}, {"content": '{"intent":"where"}'}),
        ({"role": "assistant", "content": "In Ulm."}, {"content": "In Ulm."}),
        ({"tool_calls": [call()]}, {"content": None, "tool_calls": [call()]}),
        (["a"], {"content": '["a"]'}),
    ],
)
@pytest.mark.parametrize(
    "fields", [{}, {"variant": "candidate"}, {"finish_reason": "length"}, {"score": -1.0}, {"response_json": None}]
)
def test_a_correction_wins(correction, answer, fields):
    """It is the answer that is learned, whoever gave the one it corrects and whatever became of that."""
    found = made(corrected_output_json=json.dumps(correction), **fields)
    assert found.answer == {"role": "assistant", **answer}
    assert found.is_corrected


def test_tool_calls_and_their_results():
    """Calls, results, tools and whether calls may be parallel stay as they were said."""
    found = tool_loop()

    assert found.answer == {"role": "assistant", "content": None, "tool_calls": [call('{"zip": 89073}')]}
    assert found.prompt[2] == {"role": "tool", "content": "rain", "tool_call_id": "call_1"}
    assert (found.tools, found.parallel_tool_calls) == (TOOLS, False)


def test_roles_and_parts():
    """`developer` is `system` for open templates; parts of text are one text; other fields go."""
    turns = (
        {"role": "developer", "content": "Be brief.", "cache_control": {}},
        {"role": "user", "name": "anna", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": "c", "audio": None, "annotations": [], "refusal": None},
        {"role": "user", "content": "d"},
    )
    assert made(request_json=request(*turns)).prompt[:3] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "ab", "name": "anna"},
        {"role": "assistant", "content": "c"},
    ]


CHAT = {
    "messages": [
        {"role": "developer", "content": [{"type": "text", "text": "a"}]},
        USER,
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "x"},
    ],
    "tools": [*TOOLS, {"type": "custom", "custom": {"name": "shell"}}],
}
ITEMS = {
    "input": [USER, {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}],
    "tools": [{"type": "function", "name": "f"}],
}
OUTPUT = {"output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]}]}


@pytest.mark.parametrize(
    ("name", "body"),
    [("chat", CHAT), ("responses", ITEMS), ("chat", json.loads(chat_answer("x"))), ("responses", OUTPUT)],
    ids=["chat", "responses", "a chat's answer", "a response"],
)
def test_whatever_a_body_holds_it_is_an_example_or_left_out(name, body):
    """Records keep what apps sent, odd things too: one of them ends no build, and none makes a line that is refused."""
    field = "request_json" if {"messages", "input"} & body.keys() else "response_json"
    for odd in odd_versions(body):
        found = example(source(endpoint=name, **{field: json.dumps(odd)}))
        if isinstance(found, Example):
            assert list(check_line(format_named("trl-sft").line(found), format_named("trl-sft"))) == []


def test_what_the_assistant_refused_before_was_said():
    """An earlier refusal is a turn with its words: the user's next one answers it."""
    turns = (USER, {"role": "assistant", "content": None, "refusal": "I cannot."}, USER)
    assert made(request_json=request(*turns)).prompt[1] == {"role": "assistant", "content": "I cannot."}


def test_a_response_is_an_example():
    """Of the Responses API, too: instructions, calls and results are the turns of a chat; a correction may be one."""
    output = [{"type": "reasoning"}, {"type": "message", "content": [{"type": "output_text", "text": "Sunny."}]}]
    calls = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"}
    items = [USER, calls, {"type": "function_call_output", "call_id": "c1", "output": "sun"}]
    asked = {
        "request_json": json.dumps(
            {"instructions": "Be brief.", "input": items, "tools": [{"type": "function", "name": "look"}]}
        ),
        "response_json": json.dumps({"output": output}),
        "endpoint": "responses",
        "finish_reason": "completed",
    }
    found = made(**asked)

    assert [turn["role"] for turn in found.prompt] == ["system", "user", "assistant", "tool"]
    assert found.prompt[2]["tool_calls"][0]["function"] == {"name": "look", "arguments": "{}"}
    assert found.answer == {"role": "assistant", "content": "Sunny."}
    assert found.tools == [{"type": "function", "function": {"name": "look"}}]
    corrected = json.dumps({"output": [{"type": "message", "content": "Rainy."}]})
    assert made(corrected_output_json=corrected, **asked).answer["content"] == "Rainy."
    assert example(source(**asked | {"finish_reason": "max_output_tokens"})) == "truncated"


@pytest.mark.parametrize("word", ["stop", "eos", "eos_token", "end_turn", "STOP", "stop_sequence", "a new word"])
def test_every_word_for_a_natural_end_is_one(word):
    """What other servers call the end of an answer is no cut."""
    assert isinstance(example(source(finish_reason=word)), Example)


def test_custom_tools_and_empty_ids_are_written_as_trainers_take_them():
    """A custom tool is a function of one text; calls and results without ids are paired by their order."""
    shell = {"type": "custom", "custom": {"name": "shell", "description": "runs"}}
    calls = [{"id": "", "type": "custom", "custom": {"name": "shell", "input": "ls"}}, CALL | {"id": ""}]
    turns = (
        USER,
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "", "content": "a"},
        {"role": "tool", "tool_call_id": "", "content": "b"},
    )
    found = made(request_json=request(*turns, tools=[*TOOLS, shell]))

    assert found.prompt[1]["tool_calls"][0]["function"] == {"name": "shell", "arguments": '{"input":"ls"}'}
    assert [turn["tool_call_id"] for turn in found.prompt[2:]] == ["call_1", "call_2"]
    assert [tool["function"]["name"] for tool in found.tools or ()] == ["look", "shell"]
