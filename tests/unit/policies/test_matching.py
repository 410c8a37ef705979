"""The first route whose every condition holds; and every reason why a candidate may not be asked."""

import hashlib
import json
from typing import Any

import msgspec
import pytest

from policies.matching import FORBIDDABLE, MAX_BODY_BYTES, Reason, find, ineligible
from policies.request.body import CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES, Body, Call, read_body
from policies.routing import Eligible, Match, Variant
from tests.rooms.calls import call, chat, route

SHA = hashlib.sha256(b"You triage").hexdigest()


def test_the_first_route_that_fits_takes_the_request():
    """Routes stand in matching order; a model nobody asks for belongs to none."""
    routes = [route("other", match=Match(model=("gpt-5",))), route("one", match=Match(model=("gpt-4o", "x"))), route()]

    found = find(routes, call(chat("s", "u")))

    assert found is not None
    assert found.name == "one"
    assert find(routes[:2], call({"model": "gpt-4"})) is None
    assert find(routes[:2], call({"messages": []})) is None


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        (Match(path=(CHAT,)), True),
        (Match(model_like=("gpt-4*",)), True),
        (Match(model_like=("gpt-5*",)), False),
        (Match(model=("gpt-4o",), model_like=("gpt-5*",)), True),
        (Match(model=("gpt-5",), model_like=("gpt-4?",)), True),
        (Match(path=(RESPONSES,)), False),
        (Match(key=("team",)), True),
        (Match(key=("other",)), False),
        (Match(header={"x-app": ("support", "help")}), True),
        (Match(header={"x-app": ("other",)}), False),
        (Match(header={"x-none": ("support",)}), False),
        (Match(metadata={"feature": ("triage",)}), True),
        (Match(metadata={"feature": ("other",)}), False),
        (Match(metadata={"none": ("triage",)}), False),
        (Match(system_prompt_contains=("nope", "triage")), True),
        (Match(system_prompt_contains=("nope",)), False),
        (Match(system_prompt_sha256=(SHA,)), True),
        (Match(system_prompt_sha256=("0" * 64,)), False),
        (Match(system_prompt_contains=("triage",), system_prompt_sha256=("0" * 64,)), False),
        (Match(model=("gpt-4o",), key=("team",), header={"x-app": ("support",)}), True),
        (Match(model=("gpt-4o",), key=("other",), header={"x-app": ("support",)}), False),
    ],
)
def test_all_that_is_stated_must_hold(match: Match, *, fits: bool):
    """A list means any of it, several conditions mean all of them."""
    asked = call(chat("You triage", "u", metadata={"feature": "triage", "n": 1}), key="team", x_app="support")

    assert (find([route(match=match)], asked) is not None) is fits


@pytest.mark.parametrize(
    "body", ['{"metadata": [1]}', '{"metadata": {"feature": 5}}', '{"messages": [{"role": 1}]}', "{}"]
)
def test_what_cannot_be_read_matches_no_condition_on_it(body: str):
    """Metadata or a conversation of another shape is not what was asked for."""
    routes = [route(match=Match(metadata={"feature": ("5",)})), route(match=Match(system_prompt_contains=("x",)))]

    assert find(routes, call(body)) is None


@pytest.mark.parametrize(
    "path", ["/v1/responses/compact", "/v1/embeddings", "/v1/audio/speech", "/v1/chat/completions/x"]
)
def test_only_paths_that_a_candidate_can_answer_are_routed(path: str):
    """A route without a path means those three and no other: embeddings are routed where they are named."""
    assert find([route()], call({"model": "gpt-4o"}, path)) is None
    assert find([route()], call({"model": "gpt-4o"}, COMPLETIONS)) is not None
    named = route(match=Match(path=(EMBEDDINGS,)))
    assert (find([named], call({"model": "gpt-4o"}, path)) is not None) == (path == EMBEDDINGS)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("a text", None), (["one", "two"], None), ([], None),
        ([1, 2], Reason.TOKEN_PROMPT), ([[1], [2]], Reason.TOKEN_PROMPT),
    ],
)  # fmt: skip
def test_embeddings_of_texts_are_eligible(given: Any, reason: Reason | None):
    """Tokens are of the baseline's own tokenizer; what only an engine obeys is the baseline's, as everywhere."""
    asked = {"model": "e", "input": given, "encoding_format": "base64", "dimensions": 8, "user": "u"}
    assert ineligible(route(), call(asked, EMBEDDINGS)) is reason
    assert ineligible(route(), call(asked | {"truncate_prompt_tokens": 5}, EMBEDDINGS)) == (
        "engine_only:truncate_prompt_tokens"
    )


def test_an_ordinary_chat_is_eligible():
    """Tools, a schema, a stream, a user: engines can do that."""
    tool = {"type": "function", "function": {"name": "f"}}
    fields: dict[str, Any] = {"stream": True, "tools": [tool], "user": "u", "n": 2, "store": False, "logprobs": True}
    asked = call(chat("s", "u", **fields), content_type="application/json; charset=utf-8", content_encoding="identity")

    assert ineligible(route(), asked) is None


CUSTOM = {"type": "custom", "custom": {"name": "x"}}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"logit_bias": {"50256": -100}}, Reason.LOGIT_BIAS),
        ({"functions": [{"name": "f"}]}, Reason.FUNCTIONS),
        ({"function_call": "auto"}, Reason.FUNCTIONS),
        ({"tool_choice": {"type": "allowed_tools"}}, Reason.ALLOWED_TOOLS),
        ({"tools": [CUSTOM]}, Reason.TOOL_TYPE),
        ({"modalities": ["text", "audio"]}, Reason.AUDIO),
        ({"audio": {"voice": "alloy"}}, Reason.AUDIO),
        ({"web_search_options": {}}, Reason.WEB_SEARCH),
        ({"store": True}, Reason.STORED),
        ({"store": None}, None),
        ({"moderation": {"model": "x"}}, Reason.MODERATION),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]}, Reason.FILES),
        ({"tools": 5}, Reason.MALFORMED),
        ({"modalities": [1]}, Reason.MALFORMED),
        ({"logit_bias": None, "functions": [], "tool_choice": "auto", "modalities": ["text"], "audio": None}, None),
        ({"messages": [{"role": "user", "content": 'what is "file_id"?'}]}, None),
    ],
)  # fmt: skip
def test_a_chat_that_engines_refuse_or_ignore_is_the_baselines(fields: dict[str, Any], reason: Reason | None):
    """Each by its reason; null and empty values are as good as absent, and talking about a word is no use of it."""
    assert ineligible(route(), call(chat("s", "u", **fields))) == reason


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [("text", None), (["a", "b"], None), ([], None), ([1, 2], Reason.TOKEN_PROMPT), ([[1, 2]], Reason.TOKEN_PROMPT)],
)
def test_token_prompts_are_the_baselines(prompt: Any, reason: Reason | None):
    """Token ids mean other words to another tokenizer."""
    assert ineligible(route(), call({"model": "m", "prompt": prompt}, COMPLETIONS)) == reason


ITEM = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, None),
        ({"store": None}, Reason.STORED),
        ({"store": True}, Reason.STORED),
        ({"previous_response_id": "resp_1"}, Reason.PREVIOUS_RESPONSE_ID),
        ({"conversation": {"id": "c"}}, Reason.CONVERSATION),
        ({"background": True}, Reason.BACKGROUND),
        ({"background": False}, None),
        ({"prompt": {"id": "p"}}, Reason.PROMPT_TEMPLATE),
        ({"context_management": [{"type": "compaction"}]}, Reason.CONTEXT_MANAGEMENT),
        ({"access_programs": ["x"]}, Reason.ACCESS_PROGRAMS),
        ({"moderation": {"model": "x"}}, Reason.MODERATION),
        ({"tools": [{"type": "function", "name": "f"}]}, None),
        ({"tools": [{"type": "web_search"}]}, Reason.TOOL_TYPE),
        ({"tools": [{"type": "custom", "name": "c"}]}, None),
        ({"tools": [{"type": "custom", "name": "c", "format": {"type": "text"}}]}, None),
        ({"tools": [{"type": "custom", "name": "c", "format": {"type": "grammar"}}]}, Reason.TOOL_TYPE),
        ({"input": [ITEM, {"type": "item_reference", "id": "i"}]}, Reason.ITEM_REFERENCE),
        ({"input": [ITEM, {"type": "reasoning", "encrypted_content": "x"}]}, Reason.ENCRYPTED_REASONING),
        ({"input": [ITEM, {"type": "reasoning", "encrypted_content": None}]}, None),
        ({"include": ["reasoning.encrypted_content"]}, None),
        ({"include": ["web_search_call.action.sources"]}, Reason.INCLUDE),
        ({"service_tier": "fast"}, Reason.SERVICE_TIER),
        ({"service_tier": "auto"}, None),
    ],
)  # fmt: skip
def test_a_responses_request_is_eligible_only_without_state(fields: dict[str, Any], reason: Reason | None):
    """What the frontier keeps, runs or alone can read stays there."""
    body = {"model": "gpt-4o", "input": [ITEM], "store": False} | fields

    assert ineligible(route(), call(body, RESPONSES)) == reason


def test_a_route_may_be_declared_stateless():
    """Then answers need not be kept; what refers to kept ones is still the frontier's."""
    stateless = route(eligible=Eligible(stateless=True))
    assert ineligible(stateless, call(chat("s", "u", store=True))) is None

    assert ineligible(stateless, call({"model": "m", "input": "hi"}, RESPONSES)) is None
    asked = call({"model": "m", "input": "hi", "previous_response_id": "r"}, RESPONSES)
    assert ineligible(stateless, asked) is Reason.PREVIOUS_RESPONSE_ID


PARTS: dict[str, Any] = {
    "images": chat("s", [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]),
    "audio": chat("s", [{"type": "input_audio", "input_audio": {"data": ""}}]),
    "files": chat("s", [{"type": "file", "file": {"file_data": ""}}]),
    "logprobs": chat("s", "u", logprobs=True),
    "n>1": chat("s", "u", n=2),
    "tools": chat("s", "u", tools=[{"type": "function"}]),
    "structured_output": chat("s", "u", response_format={"type": "json_object"}),
    "stream": chat("s", "u", stream=True),
    "store": chat("s", "u", store=True),
    "previous_response_id": chat("s", "u", previous_response_id="r"),
}


@pytest.mark.parametrize("name", FORBIDDABLE)
def test_what_a_policy_forbids_is_the_baselines(name: str):
    """Each word of `eligible.forbid` is seen where it is used, and only there."""
    forbids = route(eligible=Eligible(forbid=(name,), stateless=True))

    assert ineligible(forbids, call(PARTS[name])) == name
    assert ineligible(route(eligible=Eligible(stateless=True)), call(PARTS[name])) is None
    assert (
        ineligible(forbids, call(chat("s", "u", n=1, stream=False, store=None, response_format={"type": "text"})))
        is None
    )


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"top_logprobs": 3}, "logprobs"),
        ({"include": ["message.output_text.logprobs"]}, "logprobs"),
        ({"text": {"format": {"type": "json_schema"}}}, "structured_output"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "images"),
    ],
)
def test_responses_say_the_same_in_other_words(fields: dict[str, Any], name: str):
    """The Responses API has other names for what a policy forbids."""
    forbids = route(eligible=Eligible(forbid=(name,), stateless=True))

    assert ineligible(forbids, call({"model": "m", "input": "hi", "text": {}} | fields, RESPONSES)) == name


def test_requests_that_cannot_be_read_safely_are_the_baselines():
    """Another path or type, a compressed body, too long for the candidate, too large for anybody."""
    plain = call(chat("s", "u"))
    short = route(eligible=Eligible(max_input_bytes=10))

    assert ineligible(route(), call(chat("s", "u"), "/v1/audio/speech")) is Reason.NOT_ROUTABLE
    assert ineligible(route(), call(chat("s", "u"), content_type="text/plain")) is Reason.NOT_ROUTABLE
    assert ineligible(route(), call(chat("s", "u"), content_encoding="gzip")) is Reason.ENCODED_BODY
    assert ineligible(short, plain) is Reason.INPUT_TOO_LONG
    huge = Call(CHAT, {}, Body(plain.body.raw, fields=plain.body.fields), body_bytes=MAX_BODY_BYTES + 1)
    assert ineligible(route(), huge) is Reason.TOO_LARGE
    many = '{"model": "m", "messages": [' + ",".join(["{}"] * 200_001) + "]}"
    assert ineligible(route(), call(many)) is Reason.TOO_LARGE


@pytest.mark.parametrize(
    "raw",
    [
        '{"model": "gpt-4o", "messages": [], "model": "gpt-4"}',
        '{"model": "gpt-4o", "mod\\u0065l": "gpt-4", "messages": []}',
        '{"messages": [{"role": "user", "content": "a"}], "messages": [{"role": "user", "content": "b"}]}',
        '{"messages":[{"role":"user","content":"a"}],"t":1,"t":1}',
        json.dumps({"model": "m"} | {f"x{n}": 0 for n in range(300)}),
    ],
)
def test_a_field_that_stands_there_twice_is_the_baselines(raw: str):
    """Two readers would see two requests; hundreds of fields are as good as that. Nested repeats are no matter."""
    assert ineligible(route(), call(raw)) is Reason.DUPLICATE_KEY
    assert ineligible(route(), call('{"model": "m", "metadata": {"a": "1", "a": "2"}}')) is None


@pytest.mark.parametrize("raw", [b'{"\xff": 1, "model": "m"}', b'{"model": "m", "tools": [{"type": "\xff"}]}'])
def test_bytes_that_are_no_text_are_the_baselines(raw: bytes):
    """What is not UTF-8 is the frontier's to complain of."""
    read = read_body(raw)
    assert read is not None

    assert ineligible(route(), Call(CHAT, {}, read, body_bytes=len(raw))) is Reason.MALFORMED


def test_a_word_of_a_newer_version_is_the_baselines():
    """A worker that cannot see what is forbidden does not take the risk."""
    newer = route(eligible=Eligible(forbid=("images", "telepathy")))

    assert ineligible(newer, call(chat("s", "u"))) is Reason.UNKNOWN_RULE


def test_every_reason_is_documented():
    """The closed list is the metrics' label and the reference's table."""
    assert len(set(Reason)) == len(Reason.__members__)
    assert set(FORBIDDABLE) <= set(Reason)


# What only an engine obeys -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["chat_template", "chat_template_kwargs", "kv_transfer_params", "priority", "guided_json"]
)
def test_an_engines_field_is_the_baselines(name):
    """The reason says which it was; null is as good as absent, and what the policy drops is never sent."""
    asked = call(chat("s", "u", **{name: {"a": 1}}))
    drops = msgspec.structs.replace(route(), candidate=Variant("vllm", "student", drop=(name,)))

    assert ineligible(route(), asked) == f"engine_only:{name}"
    assert ineligible(route(), call(chat("s", "u", **{name: None}))) is None
    assert ineligible(drops, asked) is None


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://169.254.169.254/latest/meta-data", Reason.MEDIA_URL),
        ("file:///etc/passwd", Reason.FILE_URL),
        ("https://cdn.example.com/a.png", None),
        ("data:image/png;base64,AAAA", None),
    ],
)
def test_an_engine_fetches_nothing_whose_host_is_not_named(url, reason):
    """Of a provider's candidate the provider looks after that."""
    asked = call({"model": "m", "messages": [{"role": "user", "content": [{"image_url": {"url": url}}]}]})
    engine = route(eligible=Eligible(media_hosts=("cdn.example.com",)))

    assert ineligible(engine, asked) == reason
    assert ineligible(route(eligible=Eligible(is_engine=False)), asked) is None


def test_media_under_an_escaped_name():
    """A name is a name, whichever way its letters are written."""
    raw = '{"model": "m", "messages": [{"role": "user", "content": [{"image\\u005furl": "http://10.0.0.1/"}]}]}'

    assert ineligible(route(), call(raw)) == Reason.MEDIA_URL
