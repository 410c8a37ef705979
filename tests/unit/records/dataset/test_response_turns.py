"""What the Responses API says, as a chat says it."""

from typing import Any

import pytest

from records.dataset.reason import UnfitError
from records.dataset.response_turns import chat_answer, chat_request


def words(text: str, kind: str = "output_text") -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": kind, "text": text}]}


def called(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": f"fc_{number}",
        "call_id": f"c{number}",
        "name": "f",
        "arguments": "{}",
        **fields,
    }


def result(number: int) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": f"c{number}", "output": str(number)}


def test_a_text_under_instructions():
    """They are the system prompt, and the text is the user's."""
    assert chat_request({"input": "hello", "instructions": "Be brief."})["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hello"},
    ]


def test_calls_that_were_made_together_are_one_turn():
    """With the words before them; what was thought is no turn, and the results follow as the calls went."""
    items = [
        {"role": "user", "content": "?"},
        {"type": "reasoning", "encrypted_content": "x"},
        words("I look."),
        called(1),
        called(2),
    ]
    turns = chat_request({"input": [*items, result(2), result(1), {"type": "reasoning"}, called(3), result(3)]})[
        "messages"
    ]

    assert [turn["role"] for turn in turns] == ["user", "assistant", "tool", "tool", "assistant", "tool"]
    assert [call["id"] for call in turns[1]["tool_calls"]] == ["c1", "c2"]
    assert turns[1]["content"] == words("I look.")["content"]
    assert (turns[2]["tool_call_id"], turns[2]["content"]) == ("c2", "2")


def test_tools_of_both_kinds():
    """What a tool is stands under its type, in calls as in definitions; chat's own shape stays."""
    given = [
        {"type": "function", "name": "f", "strict": None},
        {"type": "custom", "name": "g"},
        {"type": "function", "function": {}},
    ]
    call = {"type": "custom_tool_call", "call_id": "c", "name": "g", "input": "ls"}
    asked = chat_request(
        {"input": [call, {"type": "custom_tool_call_output", "call_id": "c", "output": "x"}], "tools": given}
    )

    assert asked["tools"][:2] == [
        {"type": "function", "function": {"name": "f"}},
        {"type": "custom", "custom": {"name": "g"}},
    ]
    assert asked["tools"][2] is given[2]
    assert asked["messages"][0]["tool_calls"] == [{"id": "c", "type": "custom", "custom": {"name": "g", "input": "ls"}}]


def test_an_answer_of_several_items():
    """Words and calls are one message; what it cites and refuses stands beside them."""
    cited = {"type": "output_text", "text": "So.", "annotations": [{"type": "url_citation"}]}
    said = chat_answer(
        {"output": [{"type": "reasoning"}, words("Well."), {"type": "message", "content": [cited]}, called(1)]}
    )

    assert said["content"] == "Well.\n\nSo."
    assert len(said["tool_calls"]) == 1 and said["annotations"] == cited["annotations"]
    assert (
        chat_answer({"output": [{"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}]})["refusal"]
        == "No."
    )
    assert chat_answer({"output": []}) == {"role": "assistant", "content": None}
    heard = [{"type": "output_audio", "data": "x"}]
    assert chat_answer({"output": [{"type": "message", "content": heard}]})["content"] == heard


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"previous_response_id": "resp_1", "input": "x"}, "server_state"),
        ({"conversation": {"id": "conv_1"}, "input": "x"}, "server_state"),
        ({"prompt": {"id": "pmpt_1"}}, "server_state"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "server_state"),
        ({"input": [{"type": "web_search_call"}]}, "hosted_tools"),
        ({"input": [{"type": "mcp_call"}]}, "hosted_tools"),
        ({"input": ["x"]}, "unreadable"),
        ({"input": 5}, "unreadable"),
    ],
)
def test_what_the_records_do_not_have_is_not_learned_from(fields, reason):
    """Turns that the provider holds, and what its own tools did."""
    with pytest.raises(UnfitError, match=reason):
        chat_request(fields)


def test_an_output_that_is_no_message():
    """A picture, a search, a result: no candidate can be taught to give it."""
    for item, reason in (
        ({"type": "image_generation_call"}, "hosted_tools"),
        (result(1), "odd_turns"),
        ({"type": "message", "content": [None]}, "unreadable"),
    ):
        with pytest.raises(UnfitError, match=reason):
            chat_answer({"output": [item, words("x")]})
