"""What holds of every export format, and what is peculiar to each."""

import json

import msgspec
import pytest
import yaml

from records.dataset.check import check_line
from records.dataset.formats import FORMATS, format_named
from tests.rooms.examples import TOOLS, USER, call, made, request, tool_loop
from tests.rooms.odd_values import odd_versions

OTHER = {"role": "assistant", "content": "Elsewhere."}
COMPARED = {"rejected": OTHER, "is_good": True}
"""What preferences and votes have besides: formats of answers do not look at it."""
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
    line = format_named(shape).line(msgspec.structs.replace(EXAMPLES[name], **COMPARED))

    assert list(check_line(line, format_named(shape))) == []
    assert "unknown fields: alien" in list(
        check_line(json.dumps(json.loads(line) | {"alien": 1}).encode(), format_named(shape))
    )


@pytest.mark.parametrize("shape", FORMATS)
@pytest.mark.parametrize(
    "turns",
    [
        (USER, USER),
        ({"role": "assistant", "content": "Hello!"}, USER),
        (USER, {"role": "system", "content": "Be brief."}),
        ({"role": "system", "content": "Classify this."},),
        (
            USER,
            {"role": "assistant", "tool_calls": [call()]},
            {"role": "tool", "tool_call_id": "call_1", "content": "x"},
            USER,
        ),
    ],
    ids=["two of the user", "the assistant begins", "a late system prompt", "no user", "the user behind a result"],
)
def test_turns_that_a_trainer_does_not_take_are_told_before_they_are_written(shape, turns):
    """What a format's validator refuses of the order of turns, its build knows, too: such a row is left out."""
    found, own = made(request_json=request(*turns)), format_named(shape)
    line = own.line(msgspec.structs.replace(found, **COMPARED))

    assert list(own.turn_faults([*found.prompt, found.answer])) == list(check_line(line, own))


@pytest.mark.parametrize("shape", FORMATS)
def test_whatever_a_line_holds_its_validator_says_what_is_wrong(shape):
    """One odd line ends no look at a file, and a line that is let through can be shown."""
    own = format_named(shape)
    line = json.loads(own.line(msgspec.structs.replace(EXAMPLES["a tool call"], **COMPARED)))
    for odd in odd_versions(line):
        if not list(check_line(json.dumps(odd).encode(), own)):
            assert [lesson.messages for lesson in own.lessons(odd)]


def test_there_is_no_other_format():
    """A name that is none is refused with those that are; a name leads to no other module."""
    with pytest.raises(ValueError, match=r"there are .*trl-sft"):
        format_named("os")


BROKEN = {
    "openai-sft": ({"messages": [USER]}, "messages: the last one is not the assistant's"),
    "fireworks-sft": ({"messages": [USER]}, "messages: the last one is not the assistant's"),
    "together-sft": ({"messages": [USER, USER, OTHER]}, "messages[1]: two turns of the user one after the other"),
    "axolotl": ({"messages": [USER, OTHER | {"train": False}]}, "messages: train is true of the last turn, and false"),
    "llama-factory": ({"messages": [USER, OTHER], "tools": "{"}, "tools: the JSON text of a list"),
    "trl-sft": ({"prompt": [USER], "completion": [USER]}, "completion: the last one is not the assistant's"),
    "trl-dpo": ({"prompt": [USER], "chosen": [OTHER], "rejected": [OTHER]}, "chosen and rejected say the same"),
    "trl-kto": ({"prompt": [USER], "completion": [OTHER], "label": 1}, "label: true or false"),
    "trl-grpo": ({"prompt": [USER, OTHER], "reference": "{}"}, "prompt: the last one is the assistant's"),
    "openai-dpo": ({"input": {"messages": [USER], "store": 1}}, "input: unknown fields: store"),
    "openai-rft": ({"messages": [USER], "reference_answer": "x"}, "reference_answer: a message"),
    "parquet": ({"prompt": "[", "answer": "{}"}, "prompt: no JSON text"),
}
"""Of each format a line that its trainer refuses, and what is said of it."""


@pytest.mark.parametrize("shape", FORMATS)
def test_what_its_trainer_refuses_is_a_fault(shape):
    """Each format's own rule is one sentence where it is broken."""
    line, fault = BROKEN[shape]
    assert any(said.startswith(fault) for said in check_line(json.dumps(line).encode(), format_named(shape)))


def test_axolotl_reads_which_turns_are_trained_on():
    """The companion is YAML that names the files, the fields, and the field that says what is learned."""
    name, entry = format_named("axolotl").companion or ("", lambda _: "")
    found = yaml.safe_load(entry(["train", "validation"]))
    assert name == "axolotl.yaml"
    assert found["datasets"][0]["message_field_training"] == "train"
    assert found["test_datasets"][0]["path"] == "validation.jsonl"


def test_llama_factory_finds_every_file():
    """`dataset_info.json` has an entry for each split, in OpenAI's shape."""
    name, entry = format_named("llama-factory").companion or ("", lambda _: "")
    found = json.loads(entry(["train"]))
    assert name == "dataset_info.json"
    assert found["crossfade_train"]["file_name"] == "train.jsonl"
    assert found["crossfade_train"]["formatting"] == "openai"


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
