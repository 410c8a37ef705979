"""What a user's scorer is told, and what it may say."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare import python
from shadow.compare.pair import ModelAnswer, Score, ToolCall
from tests.rooms.pairs import FEWER, JSON, pair


def test_a_pair_is_one_line() -> None:
    """Request and both answers whole, whatever is in them."""
    odd = ModelAnswer("a\nb\ud800", (ToolCall("f", "{}"),), "stop", "", {"id": 10**30})
    line = python.question(pair(odd, "c", {"messages": []}), 7)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    told = json.loads(line)
    assert (told["number"], told["request"]) == (7, {"messages": []})
    assert told["baseline"] == {
        "text": "a\nb\ud800",
        "tool_calls": [{"name": "f", "arguments": "{}"}],
        "finish_reason": "stop",
        "refusal": "",
        "body": {"id": 10**30},
    }
    assert told["candidate"]["text"] == "c"


@pytest.mark.parametrize("q", [-1, 0, 0.25, 1])
def test_a_number_is_a_score(q: float) -> None:
    """From -1 to 1."""
    assert python.read(json.dumps({"number": 7, "q": q}).encode(), 7) == Score(q=float(q))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"hello", "junk"),
        (b"[]", "junk"),
        (b"[" * 100_000, "junk"),
        (b'{"number": 6, "q": 1}', "junk"),
        (b'{"number": 7}', "no_score"),
        (b'{"number": 7, "q": null}', "no_score"),
        (b'{"number": 7, "q": true}', "no_score"),
        (b'{"number": 7, "q": "1"}', "no_score"),
        (b'{"number": 7, "q": 1.01}', "no_score"),
        (b'{"number": 7, "error": "KeyError, triage.py:3"}', "error"),
    ],
)
def test_anything_else_is_an_abstention(line: bytes, reason: str) -> None:
    """With its reason; never a number that was made up."""
    found = python.read(line, 7)
    assert (found.q, found.abstained, found.told["abstained_for"]) == (None, True, reason)


def test_where_it_failed_is_told() -> None:
    """The user's own file and line."""
    assert python.read(b'{"number": 7, "error": "KeyError, a.py:3"}', 7).told["at"] == "KeyError, a.py:3"


@FEWER
@given(st.binary(max_size=20) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_reply_raises(line: Any) -> None:
    """Whatever it writes."""
    assert python.read(line, 1).abstained
