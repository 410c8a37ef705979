"""Faults of training files, named by line."""

import json
from pathlib import Path

import pytest

from records.dataset.check import (
    MOST_KINDS,
    MOST_OF_A_KIND,
    MOST_TEXT,
    Fault,
    FirstFaults,
    check_file,
    check_line,
)
from records.dataset.formats import format_named

USER, ANSWER = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}
CALLS = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
GOOD = {"messages": [USER, ANSWER]}
WEIGHED = {"messages": [USER, ANSWER | {"weight": 0}]}


def trl(row: dict[str, object]) -> dict[str, object]:
    """The row as TRL has it: the last message is the completion."""
    messages = row.pop("messages")
    assert isinstance(messages, list)
    return row | {"prompt": messages[:-1] or [{"role": "user", "content": "a"}], "completion": messages[-1:]}


def with_call(arguments: object) -> dict[str, object]:
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}]
    return {"messages": [{"role": "assistant", "content": None, "tool_calls": calls}]}


@pytest.mark.parametrize(
    ("line", "shape", "faults"),
    [
        (GOOD, "openai-sft", []),
        (with_call("{}"), "openai-sft", []),
        (trl(with_call("{}")), "trl-sft", []),
        (trl(with_call({})), "trl-sft", ["completion[0]: tool_calls[0]: arguments is a JSON object's text"]),
        (with_call("{"), "openai-sft", ["messages[0]: tool_calls[0]: arguments is a JSON object's text"]),
        (trl(GOOD | {"tools": [{"function": {"name": "f"}}]}), "trl-sft", ["tools: the JSON text of a list"]),
        (trl(GOOD | {"tools": '[{"function": {"name": "f"}}]'}), "trl-sft", []),
        (GOOD, "trl-sft", ["unknown fields: messages", "prompt: not a list with something in it"]),
        (WEIGHED, "openai-sft", ["messages: nothing is learned from the last one"]),
        (
            trl(WEIGHED | {}),
            "trl-sft",
            [
                "completion[0]: weight: 0 or 1, of the assistant's turns, in formats that know it",
                "completion: nothing is learned from the last one",
            ],
        ),
        (
            {"messages": [USER, CALLS, USER, ANSWER]},
            "openai-sft",
            ["tool calls without results"],
        ),
        (
            {"messages": [USER, {"role": "tool", "tool_call_id": "9", "content": "x"}, ANSWER]},
            "openai-sft",
            ["a tool's message of no call before it: 9"],
        ),
        (GOOD | {"tools": {}}, "openai-sft", ["tools: a list"]),
        ([], "openai-sft", ["not an object"]),
        ({}, "openai-sft", ["messages: not a list with something in it"]),
        (GOOD | {"prompt": 1}, "openai-sft", ["unknown fields: prompt"]),
        (
            trl({"messages": [USER]}),
            "trl-sft",
            ["completion: the last one is not the assistant's"],
        ),
        (
            {"messages": [{"role": "developer", "content": None}, {"role": "assistant", "content": "a"}]},
            "openai-sft",
            [
                "messages[0]: role is one of assistant, system, tool, user",
                "messages[0]: content is text, or null beside tool_calls",
            ],
        ),
        (
            {"messages": [{"role": "tool", "content": "a"}, {"role": "assistant", "content": "a"}]},
            "openai-sft",
            ["messages[0]: a tool's message names its tool_call_id"],
        ),
        (GOOD | {"tools": [{}]}, "openai-sft", ["tools[0]: a function with a name"]),
    ],
)
def test_lines(line, shape, faults):
    """Each rule of a format is one sentence when it is broken, and silent when it is kept."""
    assert list(check_line(json.dumps(line).encode(), format_named(shape))) == faults


def test_files(tmp_path: Path):
    """Faults say their line; too few examples are the file's."""
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(GOOD) + "\n{\n")

    faults = list(check_file(path, format_named("openai-sft")))

    assert faults[0].line == 2
    assert faults[0].text.startswith("not JSON")
    assert faults[1:] == [Fault(0, "2 examples; trainers take 10 or more")]


def test_of_a_million_faults_the_first_of_each_kind_are_kept_and_the_others_counted():
    """A kind is what is wrong, wherever in the line: one that is rare is not hidden by one that is not."""
    faults, path = FirstFaults(), Path("train.jsonl")
    faults.add(path, (Fault(line, f"messages[{line % 7}]: not an object") for line in range(1, 100_001)))
    faults.add(path, [Fault(7, "not JSON: x")])
    shown = faults.shown()
    assert faults.total == 100_001
    assert [fault.line for _, fault, _ in shown] == [*range(1, MOST_OF_A_KIND + 1), 7]
    assert [more for _, _, more in shown] == [0] * (MOST_OF_A_KIND - 1) + [100_000 - MOST_OF_A_KIND, 0]


def test_a_file_that_says_something_else_in_each_line_fills_no_memory():
    """Kinds beyond those that are told apart are one, and a fault's text has an end."""
    faults, path = FirstFaults(), Path("train.jsonl")
    words = (f"unknown fields: {'a' * (line // 26)}{chr(97 + line % 26)}" for line in range(26_000))
    faults.add(path, (Fault(line, text) for line, text in enumerate(words, start=1)))
    shown = faults.shown()
    assert len(shown) == MOST_KINDS + MOST_OF_A_KIND
    assert len(shown) + sum(more for _, _, more in shown) == faults.total == 26_000
    assert max(len(fault.text) for _, fault, _ in shown) <= MOST_TEXT
