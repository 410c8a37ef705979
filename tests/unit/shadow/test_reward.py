"""Comparators as reward functions, called as TRL calls them."""

import json
from pathlib import Path
from typing import Any

import pytest

from shadow.reward import make_reward
from tests.rooms.examples import TOOLS, call

PROMPT = [{"role": "user", "content": "Where?"}]


def rewards(
    reward: Any, reference: dict[str, Any], *said: dict[str, Any], tools: str | None = None
) -> list[float | None]:
    """What each answer gets beside the recorded one."""
    completions = [[{"role": "assistant", "content": "", **message}] for message in said]
    columns = {"reference": [json.dumps({"role": "assistant", **reference})] * len(said), "tools": [tools] * len(said)}
    ids = [[1, 2]] * len(said)
    return reward(
        prompts=[PROMPT] * len(said), completions=completions, completion_ids=ids, trainer_state=None, **columns
    )


def test_the_share_of_equal_fields_is_a_reward():
    """The recorded answer itself is 0, half of its fields -0.5, no JSON at all -1; ignored fields do not count."""
    recorded = {"content": '{"a": 1, "b": 2, "why": "x"}'}
    reward = make_reward("json_fields", {"ignore": ["/why"]})
    said = ({"content": '{"a": 1, "b": 2, "why": "y"}'}, {"content": '{"a": 1, "b": 3}'}, {"content": "no"})

    assert rewards(reward, recorded, *said) == [0.0, -0.5, -1.0]
    assert reward.__name__ == "json_fields"


def test_tool_calls_are_compared_as_the_shadow_compares_them():
    """Arguments that TRL has parsed and those that are text are the same call."""
    reward = make_reward("tool_calls")
    parsed = {"tool_calls": [{"type": "function", "function": {"name": "look", "arguments": {"city": "Ulm"}}}]}
    other = {"tool_calls": [call('{"city":"Rom"}')]}
    found = rewards(reward, {"content": None, "tool_calls": [call()]}, parsed, other, tools=json.dumps(TOOLS))

    assert found[0] == 0.0
    assert found[1] is not None
    assert found[1] < 0


def test_an_own_function_is_a_reward(tmp_path: Path):
    """The team's own scorer is told what it is told in the shadow, and may say that an answer is better."""
    (tmp_path / "own.py").write_text("def score(request, baseline, candidate): return len(candidate['text']) / 10\n")
    reward = make_reward("python", {"ref": "own.py:score"}, tmp_path)
    assert rewards(reward, {"content": "x"}, {"content": "12345"}) == [0.5]


def test_what_does_not_score_by_itself_is_refused(tmp_path: Path):
    """A judge costs money and asks somebody; a function needs its name."""
    with pytest.raises(ValueError, match=r"hint: exact, .*json_fields"):
        make_reward("judge")
    with pytest.raises(ValueError, match="names no function"):
        make_reward("python", {"ref": "own.txt"}, tmp_path)
