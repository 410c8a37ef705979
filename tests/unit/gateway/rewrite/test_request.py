"""wire.md A3 and A2, line by line: what the candidate's copy of a request looks like."""

import json
from typing import Any

import msgspec
import pytest

from gateway.rewrite.call_ids import signed
from gateway.rewrite.request import adapt_request
from gateway.rewrite.shapes import Adapted, Unfit
from policies.request.body import read_body
from policies.routing import Variant
from policies.upstream_kinds import Kind

CHAT = "/v1/chat/completions"
STUDENT = Variant("vllm", model="triage-7b")


def copy(request: dict[str, Any], path: str = CHAT, *, variant: Variant = STUDENT, kind: Kind = "vllm") -> Any:
    body = json.dumps(request).encode()
    adapted = adapt_request(body, path, variant, kind=kind)
    assert isinstance(adapted, Adapted), adapted
    read = read_body(body)
    assert read is not None
    assert adapt_request(body, path, variant, kind=kind, turns=read.plain_turns(path)) == adapted
    return json.loads(adapted.body)


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], **fields}


def test_values_that_no_rule_names_keep_their_bytes():
    """Number forms, escapes, spacing and unknown fields of a request reach the candidate as they were written."""
    kept = (
        rb'{"model":"m","messages":[ {"role":"user", "content":"\u00e9 \/"} ],"seed":1e2,"x":{"b":1.0,"a":1e-7},"n":1}'
    )
    adapted = adapt_request(kept, CHAT, STUDENT, kind="vllm")
    assert isinstance(adapted, Adapted)
    fields = msgspec.json.decode(adapted.body, type=dict[str, msgspec.Raw])
    assert bytes(fields["messages"]) == rb'[ {"role":"user", "content":"\u00e9 \/"} ]'
    assert (bytes(fields["seed"]), bytes(fields["x"])) == (b"1e2", b'{"b":1.0,"a":1e-7}')


def test_the_variants_model_replaces_the_apps():
    """The candidate is asked for its own model; without one in the variant, for the app's."""
    assert copy(chat())["model"] == "triage-7b"
    assert copy(chat(), variant=Variant("vllm"))["model"] == "gpt-4o"


def test_the_variants_set_and_drop_have_the_last_word():
    """`drop` removes what the app sent, `set` overrides it and every rule."""
    variant = Variant("vllm", model="s", set={"temperature": msgspec.Raw(b"0.0")}, drop=("reasoning_effort",))
    found = copy(chat(temperature=1.5, reasoning_effort="high"), variant=variant)
    assert found["temperature"] == 0.0
    assert "reasoning_effort" not in found


@pytest.mark.parametrize(
    "field",
    ["store", "metadata", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "service_tier"],
)
def test_what_only_the_frontier_keeps_is_dropped(field: str):
    """A3 line "store, metadata, user, …": an engine is not sent them."""
    assert field not in copy(chat(**{field: "x"}))


@pytest.mark.parametrize("field", ["prediction", "verbosity"])
def test_hints_that_an_engine_ignores_are_dropped(field: str):
    """A3 line "web_search_options, prediction, verbosity": the harmless ones are taken out."""
    assert field not in copy(chat(**{field: "low"}))


def test_an_empty_list_of_tools_is_dropped_with_what_belongs_to_it():
    """A3 line "tools: []": engines refuse it, and refuse a tool_choice without tools."""
    found = copy(chat(tools=[], tool_choice="auto", parallel_tool_calls=True))
    assert not found.keys() & {"tools", "tool_choice", "parallel_tool_calls"}
    assert copy(chat(tools=[{"type": "function"}], tool_choice="auto"))["tool_choice"] == "auto"


def test_stream_options_without_stream_are_dropped():
    """A3 line "stream_options without stream": engines refuse them."""
    assert "stream_options" not in copy(chat(stream_options={"include_usage": True}))


@pytest.mark.parametrize("given", [{}, {"stream_options": None}, {"stream_options": {"include_obfuscation": False}}])
def test_a_stream_is_asked_for_its_usage(given: dict[str, Any]):
    """B35: metering asks for usage without touching the app's other stream options."""
    found = copy(chat(stream=True, **given))
    assert found["stream_options"] == (given.get("stream_options") or {}) | {"include_usage": True}


def test_a_stream_of_responses_or_a_whole_answer_is_not_asked_for_usage():
    """Responses and whole answers carry their usage anyway."""
    assert "stream_options" not in copy({"model": "m", "input": "hi", "stream": True}, "/v1/responses")
    assert "stream_options" not in copy(chat())


def test_sampling_defaults_are_openais():
    """A3 line "temperature/top_p omitted": an engine would take the model's own generation_config."""
    assert (copy(chat())["temperature"], copy(chat(top_p=None))["top_p"]) == (1, 1)
    assert copy(chat(temperature=0.3))["temperature"] == 0.3


def test_developer_turns_become_system_turns():
    """A3 line "role developer": chat templates know system only."""
    found = copy(chat(messages=[{"role": "developer", "content": "d"}, {"role": "user", "content": "u"}]))
    assert [turn["role"] for turn in found["messages"]] == ["system", "user"]


def test_leading_system_turns_become_one():
    """A3 line "role developer": templates raise at a second system message; text and parts are both kept in order."""
    turns = [
        {"role": "system", "content": "a"},
        {"role": "developer", "content": "b"},
        {"role": "user", "content": "u"},
    ]
    assert copy(chat(messages=turns))["messages"] == [{"role": "system", "content": "a\n\nb"}, turns[2]]
    turns[1]["content"] = [{"type": "text", "text": "b"}]  # type: ignore[assignment] -- the other form of content
    merged = copy(chat(messages=turns))["messages"][0]["content"]
    assert merged == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]


def test_a_late_system_turn_is_left_where_it_is():
    """Only leading system turns are merged: order is meaning."""
    turns = [{"role": "user", "content": "u"}, {"role": "system", "content": "s"}, {"role": "system", "content": "t"}]
    assert copy(chat(messages=turns))["messages"] == turns


@pytest.mark.parametrize("arguments", ['{"a":', "5", "[]", "None"])
def test_earlier_tool_calls_with_invalid_arguments_make_a_request_unfit(arguments: str):
    """A3 line "invalid JSON arguments": a chat template fails on them with 500, which is no outage."""
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    request = chat(messages=[{"role": "assistant", "tool_calls": [call]}])
    item = {"type": "function_call", "call_id": "c", "name": "f", "arguments": arguments}
    for body, path in ((request, CHAT), ({"model": "m", "input": [item]}, "/v1/responses")):
        found = adapt_request(json.dumps(body).encode(), path, STUDENT, kind="vllm")
        assert found == Unfit("invalid_tool_arguments")


@pytest.mark.parametrize("arguments", ["", '{"a": 1}'])
def test_tool_loops_have_the_ids_that_the_candidate_gave(arguments: str):
    """Earlier tool calls of the candidate and their results reach it with its own ids, others' with the app's."""
    theirs = "functions.f:0", "chatcmpl-tool-" + "0" * 32
    given = [*(signed(one, "f") for one in theirs), "call_of_the_frontier"]

    def turns(ids: list[str]) -> list[dict[str, Any]]:
        calls = [{"id": one, "type": "function", "function": {"name": "f", "arguments": arguments}} for one in ids]
        results = [{"role": "tool", "tool_call_id": one, "content": "x"} for one in ids]
        return [{"role": "assistant", "content": None, "tool_calls": calls}, *results]

    assert copy(chat(messages=turns(given)))["messages"] == turns([*theirs, given[2]])


def test_response_items_have_the_ids_that_the_candidate_gave():
    """The same of a Responses input."""
    item = {"type": "function_call", "call_id": signed("functions.f:0", "f"), "name": "f", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": item["call_id"], "output": "x"}
    body = json.dumps({"model": "m", "input": [item, result]}).encode()
    found = adapt_request(body, "/v1/responses", STUDENT, kind="vllm")

    assert isinstance(found, Adapted)
    assert [one["call_id"] for one in json.loads(found.body)["input"]] == ["functions.f:0"] * 2


@pytest.mark.parametrize(
    "field", ["max_tokens", "max_completion_tokens", "stop", "logprobs", "seed", "reasoning_effort"]
)
def test_fields_that_engines_take_are_passed(field: str):
    """A3's other lines: what an engine accepts, clamps or refuses like OpenAI is passed as it is."""
    assert copy(chat(**{field: 3}))[field] == 3


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        (CHAT, chat(n=None, frequency_penalty=None, logprobs=None, stream=None, stream_options=None, tools=None)),
        ("/v1/completions", {"model": "m", "prompt": "hi", "echo": None, "best_of": None}),
        (
            "/v1/responses",
            {"model": "m", "input": "hi", "tools": None, "tool_choice": None, "previous_response_id": None},
        ),
        ("/v1/embeddings", {"model": "m", "input": "hi", "encoding_format": None, "dimensions": None}),
    ],
)
def test_null_is_as_good_as_not_said(path: str, asked: dict[str, Any]):
    """OpenAI takes null in any optional field, engines refuse it in many: such a request would never be theirs."""
    body = json.dumps(asked).encode()
    for kind in ("vllm", "sglang", "triton"):
        found = adapt_request(body, path, STUDENT, kind=kind)
        assert isinstance(found, Adapted)
        assert None not in json.loads(found.body).values()
    kept = adapt_request(body, path, STUDENT, kind="openai")
    assert isinstance(kept, Adapted)
    assert None in json.loads(kept.body).values()


def test_a_response_is_never_kept_by_an_engine():
    """A2: OpenAI's `store` defaults to true; an engine's store is memory that is never given back."""
    found = copy({"model": "m", "input": "hi", "store": True}, "/v1/responses")
    assert found["store"] is False
    assert copy({"model": "m", "input": [{"role": "developer", "content": "x"}]}, "/v1/responses")["input"] == [
        {"role": "system", "content": "x"}
    ]


def test_an_openai_candidate_gets_the_request_but_for_what_the_variant_names():
    """Engine rules are for engines: a smaller model of the frontier takes all that the frontier takes."""
    request = chat(store=True, metadata={"a": "b"}, tools=[], messages=[{"role": "developer", "content": "x"}])
    assert copy(request, kind="openai") == request | {"model": "triage-7b"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"messages":[]}',
        b'{"model":3}',
        b'{"model":"m","messages":[3]}',
        b'{"model":"\xff"}',
        b'{"model":"m","messages":' + b"[" * 5000,
    ],
)
def test_what_is_no_request_is_unfit(body: bytes):
    """B13: the baseline says what is wrong with it, in its own words."""
    assert adapt_request(body, CHAT, STUDENT, kind="vllm") == Unfit("malformed")
    assert adapt_request(body, "/v1/audio/speech", STUDENT, kind="vllm") == Unfit("not_routable")


def test_what_the_app_asked_is_told_to_the_answer():
    """The answer's adapter learns all it needs from the one reading of the request."""
    request = chat(
        stream=True,
        stream_options={"include_usage": True},
        service_tier="auto",
        tools=[{"type": "function"}],
        tool_choice={"type": "function", "function": {"name": "f"}},
    )
    adapted = adapt_request(json.dumps(request).encode(), CHAT, STUDENT, kind="vllm")
    assert isinstance(adapted, Adapted)
    asked = adapted.asked
    assert (asked.surface, asked.model) == ("chat", "gpt-4o")
    assert all((asked.stream, asked.include_usage, asked.service_tier, asked.named_tool, asked.tools))


PROMPTED = Variant("openai", model="gpt-4o", system_prompt="Be brief.")


@pytest.mark.parametrize("kind", ["openai", "vllm"])
@pytest.mark.parametrize(
    ("before", "role"),
    [
        ([], "system"),
        ([{"role": "system", "content": "Old"}], "system"),
        ([{"role": "developer", "content": "Old"}, {"role": "system", "content": [{"type": "text", "text": "x"}]}],
         "developer"),
    ],
)  # fmt: skip
def test_a_system_prompt_takes_the_place_of_the_apps(before: list[Any], role: str, kind: Kind):
    """All that the app says beforehand goes, the conversation stays as it is."""
    rest = [{"role": "user", "content": "hi"}, {"role": "system", "content": "later"}]
    found = copy(chat(messages=before + rest), variant=PROMPTED, kind=kind)["messages"]

    assert found == [{"role": "system" if kind == "vllm" else role, "content": "Be brief."}, *rest]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("hi", "hi"),
        ([{"role": "developer", "content": "Old"}, {"role": "user", "content": "hi"}],
         [{"role": "user", "content": "hi"}]),
    ],
)  # fmt: skip
def test_a_responses_system_prompt_is_its_instructions(given: Any, kept: Any):
    """And leading turns of the system's go from its input, too."""
    asked = {"model": "gpt-4o", "instructions": "Old", "input": given, "store": False}
    found = copy(asked, "/v1/responses", variant=PROMPTED, kind="openai")

    assert (found["instructions"], found["input"]) == ("Be brief.", kept)


def test_what_has_no_system_prompt_is_not_asked_with_another():
    """A text completion is the baseline's then."""
    body = json.dumps({"model": "gpt-4o", "prompt": "Once"}).encode()

    assert adapt_request(body, "/v1/completions", PROMPTED, kind="openai") == Unfit("not_routable")
