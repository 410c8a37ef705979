"""What of a row is learned, by each format's own reading of its own rows."""

import json

import msgspec
import pytest

from records.dataset.formats import FORMATS, format_named
from records.dataset.lesson import Lesson
from tests.rooms.examples import USER, made, request, tool_loop

OTHER = {"role": "assistant", "content": "Elsewhere."}
SCORED = {"trl-grpo", "openai-rft"}
"""Formats of prompts, whose answers the model gives itself."""
CONVERSATION = made(
    request_json=request(USER, {"role": "assistant", "content": "of the candidate"}, USER | {"content": "Then?"})
)


def lessons(shape: str, *, is_good: bool = True) -> list[Lesson]:
    line = format_named(shape).line(msgspec.structs.replace(CONVERSATION, rejected=OTHER, is_good=is_good))
    return list(format_named(shape).lessons(json.loads(line)))


def learned(lesson: Lesson) -> list[str]:
    return [lesson.messages[place]["content"] for place in sorted(lesson.learned)]


@pytest.mark.parametrize("shape", FORMATS)
def test_the_answer_alone_is_learned(shape):
    """In every format: never the words of users, and never what was said earlier, by a candidate or anybody."""
    found = lessons(shape)

    assert learned(found[0]) == ([] if shape in SCORED else ["It is on its way."])
    assert [turn["content"] for turn in found[0].messages][:3] == ["Where?", "of the candidate", "Then?"]
    assert all("of the candidate" not in learned(lesson) for lesson in found)


def test_the_worse_answer_is_learned_to_be_avoided():
    """Of a preference both answers teach, each its own way; so does an answer that was not liked."""
    for shape in ("trl-dpo", "openai-dpo"):
        better, worse = lessons(shape)
        assert (better.way, worse.way, learned(worse)) == ("toward", "away", ["Elsewhere."])
    assert lessons("trl-kto", is_good=False)[0].way == "away"
    assert lessons("trl-kto")[0].way == "toward"


@pytest.mark.parametrize("shape", FORMATS)
def test_tools_stay_with_the_lesson(shape):
    """However a format writes them, tools are objects here."""
    line = format_named(shape).line(msgspec.structs.replace(tool_loop(), rejected=OTHER, is_good=True))
    (tool,) = next(format_named(shape).lessons(json.loads(line))).tools or []
    assert tool["function"]["name"] == "look"
