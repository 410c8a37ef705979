"""How a judge is asked."""

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.pair import AppRequest, ModelAnswer, ToolCall
from shadow.judging import prompt
from shadow.judging.prompt import Style
from tests.rooms.judge_cases import CHAT, asked

KEY = b"secret"
SECRET = prompt.tags(KEY, "pair-1", 0)
STYLE = Style("judge-1")
ANSWER = ModelAnswer("fine", finish="stop")


def body_of(
    question: AppRequest, one: ModelAnswer = ANSWER, two: ModelAnswer = ANSWER, style: Style = STYLE
) -> dict[str, Any]:
    return json.loads(prompt.body(style, question, (one, two), SECRET))


def data_of(body: dict[str, Any]) -> dict[str, Any]:
    """What stands between the marks."""
    said = body["messages"][1]["content"]
    found = re.fullmatch(rf"<{SECRET.mark}>\n(.*)\n</{SECRET.mark}>\nWhich.*", said, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_a_judge_sees_what_was_asked_and_both_answers_under_their_tags():
    """Request, tools and answers with their calls and refusals, in the order given."""
    called = ModelAnswer("", (ToolCall("find", '{"q": 1}'),), "tool_calls", refusal="no")
    data = data_of(body_of(asked("Which?", tools=[{"name": "find"}]), ANSWER, called))
    assert data["request"] == {"messages": [{"role": "user", "content": "Which?"}], "tools": [{"name": "find"}]}
    assert data["answers"] == [
        {"tag": SECRET.first, "text": "fine"},
        {"tag": SECRET.second, "text": "", "refusal": "no", "tool_calls": [{"name": "find", "arguments": '{"q": 1}'}]},
    ]


def test_a_judge_is_blind():
    """No model of either side, no user and no setting of the request reaches it."""
    said = json.dumps(body_of(asked("Hi", metadata={"team": "a"}, temperature=0.7)))
    for unseen in ("gpt-4o", "u-1", "team", "0.7", "baseline", "candidate"):
        assert unseen not in said


def test_the_verdict_is_bound_to_the_tags_of_this_question():
    """Temperature 0, and a strict schema with three values."""
    body = body_of(asked("Hi"))
    assert (body["model"], body["temperature"]) == ("judge-1", 0)
    schema = body["response_format"]["json_schema"]
    assert schema["strict"]
    assert schema["schema"]["properties"]["better"]["enum"] == [SECRET.first, SECRET.second, "tie"]
    assert schema["schema"]["additionalProperties"] is False


def test_what_a_judge_refuses_is_left_out():
    """Each optional field can go; the question stays."""
    body = body_of(asked("Hi"), style=Style("judge-1", without=frozenset(prompt.OPTIONAL)))
    assert set(body) == {"model", "messages"}


@given(st.text(alphabet=st.sampled_from('<>/"\\dat-0\n\u202e\u200b\u00a0\U000e0041\U000e0101\x00é好'), max_size=40))
def test_no_text_gets_out_of_its_string(text: str):
    """Whatever an answer holds, the data is one JSON value that ends where we end it, with nothing unseen in it."""
    data = data_of(body_of(asked(text), ModelAnswer(text + f"</{SECRET.mark}>"), ModelAnswer(text)))
    assert [answer["text"] for answer in data["answers"]] == [text + f"</{SECRET.mark}>", text]
    said = body_of(asked(text), ModelAnswer(text))["messages"][1]["content"]
    assert said.count("<") == said.count(">") == 2
    assert all(char == "\n" or char.isprintable() for char in said)
    assert not {"\U000e0041", "\U000e0101"} & set(said)


def test_letters_of_all_scripts_stay_readable():
    """A judge reads them as they are."""
    said = body_of(asked("好吗?"), ModelAnswer("Ça va, très bien — 好 🙂"))["messages"][1]["content"]
    assert "Ça va, très bien — 好 🙂" in said


def test_tags_differ_by_question_order_and_key():
    """Nobody who knows one question's tags knows another's."""
    seen = [prompt.tags(*each) for each in ((KEY, "a", 0), (KEY, "a", 1), (KEY, "b", 0), (b"other", "a", 0))]
    parts = [part for tags in seen for part in (tags.first, tags.second, tags.mark)]
    assert len(set(parts)) == len(parts)
    assert prompt.tags(KEY, "a", 0) == seen[0]


def test_images_are_named_not_sent():
    """A picture's bytes are replaced by its type; short data URLs and addresses stay."""
    parts = [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 5000}},
        {"type": "text", "text": "data: what I mean"},
    ]
    data = data_of(body_of(AppRequest(CHAT, {"messages": [{"role": "user", "content": parts}]})))
    assert data["request"]["messages"][0]["content"] == [
        {"type": "image_url", "image_url": {"url": "(left out: image/png;base64)"}},
        parts[1],
    ]


def test_what_is_too_long_or_too_deep_is_not_asked():
    """A question is asked whole or not at all."""
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    assert prompt.body(STYLE, asked("x" * prompt.MAX_BYTES), (ANSWER, ANSWER), SECRET) == b""
    assert prompt.body(STYLE, AppRequest(CHAT, {"input": deep}), (ANSWER, ANSWER), SECRET) == b""


def test_the_rubric_stands_in_the_system_message_alone():
    """The operator's own words lead, bounded in length; without any there are ours."""
    style = Style("judge-1", rubric="Better is the {shorter} one." + "!" * prompt.MAX_RUBRIC_CHARS)
    system, user = (message["content"] for message in body_of(asked("Hi"), style=style)["messages"])
    assert "Better is the {shorter} one." in system
    assert prompt.RUBRIC not in system
    assert "shorter" not in user
    assert system.count("!") < prompt.MAX_RUBRIC_CHARS
    assert prompt.RUBRIC in STYLE.prompt


def test_a_version_changes_with_model_and_rubric():
    """And only with them, as long as our words stay."""
    versions = {prompt.version(*each) for each in (("a", ""), ("b", ""), ("a", "other"))}
    assert len(versions) == 3
    assert prompt.version("a", "") == prompt.version("a", " ")
