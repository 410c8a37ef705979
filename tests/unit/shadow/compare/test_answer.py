"""Reading answers of every surface, and what the shadow sees wrong with one beside another."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare import answer
from shadow.compare.pair import ModelAnswer, ToolCall
from tests.rooms.pairs import CHAT, FEWER, JSON, called, pair, tool
from tests.rooms.pairs import answer as said

COMPLETIONS, RESPONSES = "/v1/completions", "/v1/responses"
NAMES = ("choices", "message", "content", "tool_calls", "function", "output", "status", "finish_reason", "text", "type")


def read(path: str, **fields: Any) -> answer.AnswerReading:
    return answer.read(path, json.dumps(fields).encode())


def chat(finish: Any = "stop", **message: Any) -> answer.AnswerReading:
    return read(CHAT, choices=[{"index": 0, "message": message, "finish_reason": finish}])


def whole(reading: answer.AnswerReading) -> ModelAnswer:
    assert reading.answer is not None, reading.reason
    return reading.answer


def test_a_chat_completion_is_its_first_choice() -> None:
    """Text, finish reason and refusal are the first choice's."""
    first = {"index": 0, "message": {"content": "yes", "refusal": None}, "finish_reason": "length"}
    found = whole(read(CHAT, choices=[first, {"message": {"content": "no"}, "finish_reason": "stop"}]))
    assert (found.text, found.calls, found.finish, found.refusal) == ("yes", (), "length", "")
    assert found.fields["choices"][0] == first


def test_content_in_parts_is_one_text() -> None:
    """Parts are the text that they make when they are streamed; parts without text count for nothing."""
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}, "junk"]
    assert whole(chat(content=parts)).text == "ab"


def test_calls_of_every_kind_are_read() -> None:
    """Function calls, custom calls and the old function_call are calls; what has no name is nameless."""
    calls = [
        {"type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"type": "custom", "custom": {"name": "sql", "input": "select 1"}},
        {"type": "function"},
    ]
    found = whole(chat("tool_calls", content=None, tool_calls=calls, function_call={"name": "g", "arguments": "[]"}))
    assert found.calls == (ToolCall("f", "{}"), ToolCall("sql", "select 1"), ToolCall("", ""), ToolCall("g", "[]"))


def test_a_refusal_is_kept_apart() -> None:
    """A refusal is no text."""
    found = whole(chat(content=None, refusal="I cannot."))
    assert (found.text, found.refusal) == ("", "I cannot.")


def test_a_completion_is_its_text() -> None:
    """The old endpoint has text where the chat has a message."""
    found = whole(read(COMPLETIONS, choices=[{"text": "once", "finish_reason": "stop"}]))
    assert (found.text, found.finish) == ("once", "stop")


def test_a_response_is_all_its_items() -> None:
    """Messages make the text, calls of functions and of custom tools the calls; reasoning is neither."""
    output = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "message", "content": [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "no"}]},
        {"type": "function_call", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "name": "sql", "input": "select 1"},
    ]
    found = whole(read(RESPONSES, status="completed", output=output, error=None))
    assert (found.text, found.refusal, found.finish) == ("a", "no", "tool_calls")
    assert found.calls == (ToolCall("f", "{}"), ToolCall("sql", "select 1"))


@pytest.mark.parametrize(
    ("why", "finish"), [("max_output_tokens", "length"), ("content_filter", "content_filter"), (None, "stop")]
)
def test_why_a_response_ended(why: str | None, finish: str) -> None:
    """Reasons are told in the words of chat completions."""
    details = {"reason": why} if why else None
    status = "incomplete" if why else "completed"
    found = whole(read(RESPONSES, status=status, incomplete_details=details, output=[]))
    assert found.finish == finish


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        (CHAT, b"<html>", "not_json"),
        (CHAT, b"[]", "not_json"),
        (CHAT, b"[" * 100_000, "not_json"),
        (CHAT, b"1" * 5000, "not_json"),
        (CHAT, b'{"error": {"message": "overloaded"}}', "error"),
        (CHAT, b'{"choices": []}', "no_choice"),
        (CHAT, b'{"choices": "none"}', "no_choice"),
        (CHAT, b'{"choices": [{"message": {"content": "y"}}]}', "unfinished"),
        (RESPONSES, b'{"status": "failed"}', "error"),
        (RESPONSES, b'{"status": "cancelled"}', "error"),
        (RESPONSES, b'{"status": "in_progress"}', "unfinished"),
        (RESPONSES, b"{}", "unfinished"),
    ],
)
def test_what_is_no_whole_answer_says_why(path: str, body: bytes, reason: str) -> None:
    """No answer is made up."""
    assert answer.read(path, body) == answer.AnswerReading(None, reason)  # pyright: ignore[reportArgumentType]


@FEWER
@given(st.sampled_from((CHAT, COMPLETIONS, RESPONSES)), st.dictionaries(st.sampled_from(NAMES), JSON))
def test_junk_is_read_or_refused(path: str, fields: dict[str, Any]) -> None:
    """Whatever stands in a JSON object, it is an answer or a reason, never an exception."""
    reading = answer.read(path, json.dumps(fields).encode("utf-8", "surrogatepass"))
    assert (reading.answer is None) == bool(reading.reason)


def test_all_that_is_said() -> None:
    """Calls are part of an answer, and a refusal stands in for its text."""
    assert answer.said(said("a", called("f", x=1), called("g"))) == 'a\nf({"x": 1})\ng({})'
    assert answer.said(ModelAnswer("", refusal="no")) == "no"
    assert answer.said(said()) == ""


def test_silence() -> None:
    """White space is silence; a call or a refusal is not."""
    assert answer.is_silent(said(" \n"))
    assert not answer.is_silent(said("a"))
    assert not answer.is_silent(said("", called("f")))
    assert not answer.is_silent(ModelAnswer("", refusal="no"))


def flags(
    baseline: ModelAnswer | str, candidate: ModelAnswer | str, **fields: Any
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    ours, theirs = answer.look(pair(baseline, candidate, fields))
    return ours.flags, theirs.flags


def test_what_guards_count_is_the_whole_answer() -> None:
    """A call is no empty answer, and two calls with other arguments are two outputs."""
    ours, theirs = answer.look(pair(said("", called("f", x=1)), said("", called("f", x=2)), {"tools": [tool("f")]}))
    assert ours.digest != theirs.digest
    assert (ours.flags, theirs.flags) == ((), ())


def test_an_answer_cut_where_the_other_was_not_is_truncated() -> None:
    """Two answers cut at the same limit say nothing of either."""
    cut = said("so", finish="length")
    assert flags("so it is", cut) == ((), ("truncated",))
    assert flags(cut, "so it is") == (("truncated",), ())
    assert flags(cut, cut) == ((), ())


def test_a_refusal_counts_once() -> None:
    """Whether the API says so or the words do."""
    assert flags("fine", ModelAnswer("", refusal="I'm sorry, no.")) == ((), ("refusal",))
    assert flags("fine", ModelAnswer("", refusal="Against the rules.")) == ((), ("refusal",))


def test_a_tool_that_was_not_offered_is_unknown() -> None:
    """Also where no tool was offered at all."""
    assert flags("", said("", called("f")), tools=[tool("g")])[1] == ("unknown_tool",)
    assert flags("x", said("", called("f")))[1] == ("unknown_tool",)


@pytest.mark.parametrize("text", ["<think>hm</think>yes", "yes<|im_end|>", "[INST] go on", "<tool_call>{}"])
def test_what_was_not_meant_for_the_app_leaks(text: str) -> None:
    """Thoughts and template tokens in the text."""
    assert flags("yes", text) == ((), ("leak",))


LONG = "You are the assistant of a shop that sells bicycles. Answer in one sentence, and never name a price."


def test_repeating_the_prompt_is_an_echo() -> None:
    """How a system prompt or the last question begins, anywhere in the answer."""
    turns = [{"role": "system", "content": LONG}, {"role": "user", "content": "hi"}]
    assert flags("Hello!", f"Sure:  {LONG}", messages=turns) == ((), ("echo",))
    assert flags("Hello!", "hi", messages=turns) == ((), ())
    assert flags("Hello!", "You are the assistant of a shop", messages=turns) == ((), ())


def test_another_language_than_the_baselines_is_seen() -> None:
    """The candidate's language is held to the baseline's, never the other way round."""
    english = "The order has been sent to you and it will be there on Monday, as you asked for in the letter."
    russian = "Ваш заказ отправлен и будет у вас в понедельник, как вы и просили в письме."
    assert flags(english, russian) == ((), ("language",))
    assert flags(russian, english) == ((), ("language",))
    assert flags(russian, russian) == ((), ())
