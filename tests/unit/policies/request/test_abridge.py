"""An abridged body is the body but for its long texts, whatever they hold; both answer what is asked alike."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from policies import assignment, matching
from policies.request.abridge import abridge
from policies.request.body import CHAT, Body, Call, UnroutableBodyError, beginning, read_body, system_prompt
from policies.request.shapes import RoutingFields
from policies.routing import PPM, Assign, Eligible
from tests.rooms.calls import call, route

ROUTE = route(weight_ppm=PPM // 2, eligible=Eligible(forbid=("tools",)), assign=Assign(by=("user", "conversation")))
LONG = 9_000
ENDS = st.text(alphabet='\\"\0é/ n', max_size=6)
"""What stands at either end of a long text: what a reader could take for its end, or not."""
TEXTS = st.builds(lambda begin, size, end: begin + "x" * size + end, ENDS, st.sampled_from([0, 1, LONG]), ENDS)
VALUES = st.recursive(
    TEXTS | st.none() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def whole(value: Any, texts: dict[str, str]) -> Any:
    """`value` with the text that each mark stands for."""
    if isinstance(value, str):
        return texts.get(value, value)
    if isinstance(value, list):
        return [whole(part, texts) for part in value]
    if isinstance(value, dict):
        return {whole(name, texts): whole(part, texts) for name, part in value.items()}
    return value


@given(value=VALUES, ascii_only=st.booleans())
def test_only_long_texts_are_left_out_and_found_where_they_are_said_to_stand(value: Any, *, ascii_only: bool):
    """Whatever escapes they hold."""
    raw = json.dumps(value, ensure_ascii=ascii_only).encode()
    short, spans = abridge(raw)
    texts = {mark: json.loads(raw[begin:end]) for mark, (begin, end) in spans.items()}

    assert all(end - begin > 2048 for begin, end in spans.values())
    assert whole(json.loads(short), texts) == value


@pytest.mark.parametrize("text", ["x" * LONG, "x\\" * 3 + "y" * LONG + "\\", '"' + "x" * LONG + '"', "\n\n" * LONG])
def test_a_long_text_is_left_out_whatever_it_holds(text: str):
    """Escaped quotes, a backslash at its end, nothing but escapes."""
    raw = json.dumps({"a": 1, "b": text, "c": "x"}).encode()
    short, spans = abridge(raw)

    (mark, (begin, end)), *others = spans.items()
    assert not others
    assert json.loads(short) == {"a": 1, "b": mark, "c": "x"}
    assert json.loads(raw[begin:end]) == text


@pytest.mark.parametrize("raw", [
    b"", b'"' + b"x" * LONG, b'"' + b"\\" * LONG, b"[" * LONG, b'{"a": "' + b"x" * LONG + b'\\"}', b"x" * LONG + b'"',
])  # fmt: skip
def test_what_has_no_end_is_left_as_it_is(raw: bytes):
    """It is no JSON; its reader says so."""
    assert abridge(raw) == (raw, {})


def test_a_body_full_of_quotes_is_given_up():
    """Looking for a hundred of them costs more than reading; one in the middle says that there are many."""
    listed = json.dumps(["x"] * 150 + ["x" * 40_000]).encode()
    quoted = json.dumps({"a": '"' * 150 + "x" * 40_000}).encode()
    halved = json.dumps(["x" * 10_000, "x" * 10_000]).encode()

    assert [abridge(raw) for raw in (listed, quoted, halved)] == [(raw, {}) for raw in (listed, quoted, halved)]


def messages(*contents: str) -> list[dict[str, str]]:
    """A chat of these texts, system prompts first."""
    roles = ("system", "developer", "user", "assistant", "user")
    return [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]


@given(
    contents=st.lists(TEXTS, min_size=1, max_size=5),
    rest=st.dictionaries(st.sampled_from(["user", "model", "x", "tools", "metadata"]), TEXTS, max_size=2),
)
@example(contents=["s", "d" * LONG, "u" * LONG, "\0", "z" * LONG], rest={"user": "u"})
@example(contents=["s" * LONG, "u"], rest={"user": "u" * LONG})
@example(contents=["\0"], rest={"metadata": "m" * LONG, "user": "u"})
def test_an_abridged_request_is_routed_as_the_whole_one(contents: list[str], rest: dict[str, str]):
    """The same system prompt, the same unit, the same fields, the same eligibility."""
    short = call({"messages": messages(*contents)} | rest)
    raw = short.body.raw
    unabridged = Call(
        CHAT, {}, Body(raw, fields=msgspec.json.decode(raw, type=RoutingFields)), body_bytes=len(raw), key_id="id-of-"
    )
    units = [assignment.assign(ROUTE, asked, "r") for asked in (short, unabridged)]

    assert system_prompt(short) == system_prompt(unabridged)
    assert beginning(short) == beginning(unabridged)
    assert (short.body.model, short.body.user, short.body.whose) == (rest.get("model", ""), *[rest.get("user", "")] * 2)
    assert _turns(short.body) == _turns(unabridged.body)
    assert _json(short.body.fields.metadata) == _json(unabridged.body.fields.metadata)
    assert matching.ineligible(ROUTE, short) == matching.ineligible(ROUTE, unabridged)
    assert (units[0].unit, units[0].variant) == (units[1].unit, units[1].variant)


def _turns(body: Body) -> list[tuple[str, str]]:
    return [(turn.role, body.text(turn)) for turn in body.plain_turns(CHAT)]


def _json(raw: msgspec.Raw) -> Any:
    return json.loads(bytes(raw))


def test_a_long_prompt_is_common():
    """It is told from one pass over what is left of it."""
    read = read_body(json.dumps({"messages": messages("s", "u" * LONG), "user": "someone"}).encode())

    assert read is not None
    assert read.is_common


def test_a_long_text_that_is_none_is_unreadable():
    """An escape that there is not: who asks for the text is told so."""
    raw = json.dumps({"messages": messages("s" * LONG + "~"), "user": "someone"}).replace("~", "\\x")

    with pytest.raises(UnroutableBodyError):
        system_prompt(call(raw))
