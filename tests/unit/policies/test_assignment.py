"""A unit stays on its variant: sticky, monotone in the weight, evenly spread, and never switched inside a tool loop."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.assignment import CANDIDATE_CALL_PREFIX, assign, bucket, loop_owner, unit
from policies.request.body import COMPLETIONS, RESPONSES, Call, read_body
from policies.routing import PPM, Assign, Route, Variant
from tests.rooms.calls import call, chat, route

SALTED = Assign(("user", "conversation"), "salt")


def variant(weight_ppm: int, asked: Call, salt: str = "salt") -> str:
    return assign(route(assign=Assign(("user",), salt), weight_ppm=weight_ppm), asked, "request-1").variant


@given(users=st.lists(st.text(min_size=1), max_size=20), weights=st.lists(st.integers(0, PPM), min_size=2, max_size=6))
def test_raising_the_weight_moves_nobody_back(users: list[str], weights: list[int]):
    """Whoever is on the candidate at a weight is on it at every higher one; at none nobody is, at all everybody."""
    for asked in (call(chat("s", "u", user=user)) for user in users):
        seen = [variant(weight, asked) for weight in sorted(weights)]
        assert seen == sorted(seen)
        assert (variant(0, asked), variant(PPM, asked)) == ("baseline", "candidate")


@given(user=st.text(min_size=1), weight=st.integers(0, PPM))
def test_a_user_stays_whatever_they_ask(user: str, weight: int):
    """The same user gets the same variant in every conversation and request."""
    asked = [call(chat("s", text, user=user)) for text in ("a", "b", "c")]
    found = [assign(route(weight_ppm=weight, assign=SALTED), each, f"r{n}") for n, each in enumerate(asked)]

    assert len({(each.variant, each.unit, each.kind, each.reason) for each in found}) == 1


def test_buckets_are_evenly_spread():
    """Of 20,000 units every tenth of the scale gets a tenth, within five standard deviations."""
    tenths = [bucket(f"{n:016x}", "salt") * 10 // PPM for n in range(20_000)]

    assert all(abs(tenths.count(tenth) - 2_000) < 5 * 42.5 for tenth in range(10))


def test_a_salt_reshuffles():
    """Another salt is another draw, and a route without one draws by its name."""
    asked = [call(chat("s", "u", user=str(n))) for n in range(200)]

    assert [variant(PPM // 2, each) for each in asked] != [variant(PPM // 2, each, "other") for each in asked]
    one, two = (route(name, weight_ppm=PPM // 2, assign=Assign(("user",))) for name in ("one", "two"))
    assert [assign(one, each, "r").variant for each in asked] != [assign(two, each, "r").variant for each in asked]


def test_the_first_unit_a_request_carries_is_taken():
    """A header before the user before the conversation, as the policy says; an empty header is none."""
    asked = call(chat("s", "u", user="me"), x_session="s-1", x_empty=" ")
    kinds = [getattr(unit(by, asked), "kind", None) for by in (
        ("header:x-session", "user"), ("header:x-none", "user"), ("header:x-empty", "conversation"), ("header:x-none",),
        ("request", "user"), (),
    )]  # fmt: skip

    assert kinds == ["header", "user", "conversation", None, None, None]


@pytest.mark.parametrize("field", ["user", "safety_identifier", "prompt_cache_key"])
def test_a_user_goes_by_three_names(field: str):
    """The API has had three fields for it; another key's user of that name is another person."""
    one, two = call(chat("s", "u", **{field: "me"})), call(chat("s", "other", **{field: "me"}))

    assert unit(("user",), one) == unit(("user",), two)
    assert unit(("user",), one) != unit(("user",), call(chat("s", "u", **{field: "me"}), key="other"))


def test_a_conversation_is_its_beginning():
    """Later turns change nothing; key, user, system prompt and first user turn each do."""
    by = ("conversation",)
    first = unit(by, call(chat("s", "u")))

    assert first == unit(by, call(chat("s", "u", "a", "u2")))
    others = [
        call(chat("s2", "u")),
        call(chat("s", "u2")),
        call(chat("s", "u", user="me")),
        call(chat("s", "u"), key="k"),
    ]
    assert len({first, *(unit(by, other) for other in others)}) == 5
    assert unit(by, call(chat("s", "u", previous_response_id="r1"))) == first


def test_what_the_system_prompt_tells_of_the_time_changes_no_conversation():
    """Whatever a date is read as: in a system prompt and in instructions, not in what the user asks."""

    def found(system: str, user: str = "u", **fields: object) -> object:
        if fields:
            return unit(("conversation",), call({"model": "m", "input": user, **fields}, path=RESPONSES), _dateless)
        return unit(("conversation",), call(chat(system, user)), _dateless)

    assert found("It is 2026-11-30.") == found("It is 2026-12-01.") != found("Was it 2026-11-30?")
    assert found("s", "on 2026-11-30") != found("s", "on 2026-12-01")
    one, other = (found("", instructions=f"It is {day}.") for day in ("2026-11-30", "2026-12-01"))
    assert one == other != found("", instructions="Be kind.")


@given(said=st.binary(max_size=12).filter(lambda said: not set(said) & set(b'"\\') and min(said, default=32) >= 32))
def test_a_system_prompt_that_is_no_text_is_a_prompt_all_the_same(said: bytes):
    """Any bytes beside a date, as an engine may take them: the same ones are the same conversation."""
    raw = b'{"model": "m", "instructions": "%b 2026", "input": "u"}' % said
    body = read_body(raw)
    asked = [Call(RESPONSES, {}, body, body_bytes=len(raw)) for _ in range(2) if body is not None]

    one, two = (unit(("conversation",), each, _dateless) for each in asked) if asked else (None, None)
    assert getattr(one, "hash", None) == getattr(two, "hash", None)
    assert (one is None) == (body is None)


def _dateless(text: str) -> str:
    return text.replace("2026-11-30", "?").replace("2026-12-01", "?")


def test_a_conversation_stays_when_it_becomes_more_than_text():
    """The text of its beginning counts, however it is written and whatever comes later: a tool call, a part."""
    by, turns = ("conversation",), chat("s", "gr\u00fc\u00dfe")["messages"]
    plain = unit(by, call({"model": "m", "messages": turns}))
    later: list[Any] = [*turns, {"role": "assistant", "content": None, "tool_calls": []}]

    assert plain is not None
    assert unit(by, call({"model": "m", "messages": later})) == plain
    assert unit(by, call(json.dumps({"model": "m", "messages": later}, ensure_ascii=False))) == plain
    assert unit(by, call({"model": "m", "messages": [turns[0], {"role": "user", "content": [{"text": "s"}]}]})) != plain


def test_of_a_long_beginning_both_ends_count():
    """A document's first and last pages and its length tell it from others; an image is not hashed whole."""
    units = [
        unit(("conversation",), call(chat("s", text)))
        for text in ("a" * 40_000, "b" + "a" * 39_999, "a" * 39_999 + "b", "a" * 40_001, "a" * 40_000)
    ]

    assert len(set(units)) == 4
    assert units[0] == units[4]


def test_every_endpoint_has_its_conversation():
    """Responses by instructions and input, completions by the prompt, embeddings by their texts."""
    by = ("conversation",)

    def respond(**fields: Any) -> object:
        return unit(by, call({"model": "m"} | fields, RESPONSES))

    turns = [{"role": "user", "content": "hi"}]
    assert respond(input="hi") == respond(input="hi") != respond(input="ho")
    assert (
        respond(input=turns) == respond(input=[*turns, {"type": "reasoning"}]) != respond(input=turns, instructions="x")
    )
    prompts = [unit(by, call({"model": "m", "prompt": prompt}, COMPLETIONS)) for prompt in ("a", "a", "b")]
    assert prompts[0] == prompts[1] != prompts[2]
    texts = [unit(by, call({"model": "m", "input": given}, "/v1/embeddings")) for given in ("a", "a", ["a", "b"])]
    assert texts[0] == texts[1] != texts[2] != texts[0]
    assert None not in texts


@pytest.mark.parametrize("messages", ['[{"role": "system", "content": "s"}]', "[]", "null", '[{"role": 1}]'])
def test_no_beginning_is_no_conversation(messages: str):
    """Without a user turn, or one that can be read, each request is for itself."""
    asked = call(f'{{"model": "m", "messages": {messages}}}')
    found = assign(route(weight_ppm=1), asked, "request-1")

    assert unit(("conversation",), asked) is None
    assert found.kind == "request"
    assert found.unit != assign(route(weight_ppm=1), asked, "request-2").unit


OURS, THEIRS = f"{CANDIDATE_CALL_PREFIX}_1", "call_abc"


def looping(*ids: str) -> dict[str, Any]:
    """A chat that ends in tool results."""
    body = chat("s", "u")
    body["messages"].append({"role": "assistant", "content": None, "tool_calls": []})
    body["messages"] += [{"role": "tool", "tool_call_id": name, "content": "{}"} for name in ids]
    return body


@pytest.mark.parametrize(
    ("ids", "owner"),
    [((OURS,), "candidate"), ((OURS, OURS), "candidate"), ((THEIRS,), "baseline"), ((OURS, THEIRS), "baseline"),
     (("",), "baseline"), ((), None)],
)  # fmt: skip
def test_a_tool_loop_belongs_to_who_began_it(ids: tuple[str, ...], owner: str | None):
    """The ids of its calls say whose it is; what is mixed is the baseline's."""
    assert loop_owner(call(looping(*ids))) == owner


def test_a_responses_loop_is_told_by_its_call_ids():
    """Outputs of functions and custom tools at the end of the input count; a turn behind them ends the loop."""
    user = {"role": "user", "content": "hi"}
    outputs = [{"type": kind, "call_id": OURS} for kind in ("function_call_output", "custom_tool_call_output")]

    assert loop_owner(call({"model": "m", "input": [user, *outputs]}, RESPONSES)) == "candidate"
    assert loop_owner(call({"model": "m", "input": [user, *outputs, user]}, RESPONSES)) is None
    assert loop_owner(call({"model": "m", "input": [1]}, RESPONSES)) is None


@pytest.mark.parametrize("weight_ppm", [1, PPM // 2, PPM])
@pytest.mark.parametrize(("call_id", "owner"), [(OURS, "candidate"), (THEIRS, "baseline")])
def test_a_tool_loop_never_switches(weight_ppm: int, call_id: str, owner: str):
    """Whatever the weight has become since, the loop ends where it began."""
    found = assign(route(weight_ppm=weight_ppm), call(looping(call_id)), "r")

    assert (found.variant, found.reason) == (owner, "tool_loop")


def test_a_weight_of_zero_means_none():
    """Not even a candidate's own tool loop goes on there, nor does a route without a candidate."""
    found = assign(route(weight_ppm=0), call(looping(OURS)), "r")
    alone = assign(Route("x", Variant("openai"), weight_ppm=PPM), call(chat("s", "u")), "r")

    assert (found.variant, found.reason, found.kind) == ("baseline", "weight", "conversation")
    assert (alone.variant, alone.reason) == ("baseline", "weight")


@pytest.mark.parametrize(
    ("moving", "told"),
    [
        (("header:x-team=a",), ("candidate", "bucket")), (("header:x-team=b",), ("baseline", "slice")),
        ((), ("baseline", "slice")),
    ],
)  # fmt: skip
def test_where_slices_move_alone_only_they_are_the_candidates(moving: tuple[str, ...], told: tuple[str, str]):
    """A request of another slice is the baseline's at any weight, even in the middle of the candidate's tool loop."""
    alone = route(weight_ppm=PPM, assign=SALTED, moves_by="header:x-team", moving=moving)

    found = assign(alone, call(chat("s", "u"), x_team="a"), "r")
    assert (found.variant, found.reason) == told
    looped = assign(alone, call(looping(f"{CANDIDATE_CALL_PREFIX}_1"), x_team="c"), "r")
    assert (looped.variant, looped.reason) == ("baseline", "slice")
    none = assign(route(weight_ppm=0, moves_by="header:x-team", moving=moving), call(chat("s", "u"), x_team="a"), "r")
    assert (none.variant, none.reason) == ("baseline", "weight")
