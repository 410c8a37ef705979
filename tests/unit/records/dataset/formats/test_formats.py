"""What holds of every export format, and what is peculiar to each."""

import json

import pytest

from records.dataset.check import check_line
from records.dataset.formats import FORMATS, format_named
from tests.rooms.examples import TOOLS, USER, call, made, request, tool_loop

EXAMPLES = {
    "words": made(),
    "a tool call": tool_loop(),
    "several turns": made(
        request_json=request(USER, {"role": "assistant", "content": "of the candidate"}, USER | {"content": "Then?"})
    ),
    "a system prompt and a name": made(
        request_json=request({"role": "developer", "content": "Be brief."}, USER | {"name": "anna"})
    ),
}


@pytest.mark.parametrize("shape", FORMATS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_what_a_format_writes_it_takes(shape, name):
    """The validator finds no fault with a line that the format itself wrote, and faults with one of another key."""
    line = format_named(shape).line(EXAMPLES[name])

    assert list(check_line(line, format_named(shape))) == []
    assert "unknown fields: alien" in list(
        check_line(json.dumps(json.loads(line) | {"alien": 1}).encode(), format_named(shape))
    )


def test_there_is_no_other_format():
    """A name that is none is refused with those that are; a name leads to no other module."""
    with pytest.raises(ValueError, match=r"there are .*trl-sft"):
        format_named("os")


def test_openai_learns_from_the_answer_alone():
    """Whatever the assistant said before, a candidate's words too, has weight 0: each answer has its own example."""
    row = json.loads(format_named("openai-sft").line(EXAMPLES["several turns"]))

    assert [turn.get("weight", 1) for turn in row["messages"] if turn["role"] == "assistant"] == [0, 1]


def test_trl_learns_from_the_completion_alone():
    """What the assistant said before is in the prompt; tools are JSON text, and content is never null."""
    row = json.loads(format_named("trl-sft").line(EXAMPLES["several turns"]))
    assert row["completion"] == [{"role": "assistant", "content": "It is on its way."}]
    assert row["prompt"][1]["content"] == "of the candidate"

    row = json.loads(format_named("trl-sft").line(EXAMPLES["a tool call"]))
    assert row["completion"] == [{"role": "assistant", "content": "", "tool_calls": [call('{"zip": 89073}')]}]
    assert json.loads(row["tools"]) == TOOLS
