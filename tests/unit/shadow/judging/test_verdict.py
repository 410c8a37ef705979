"""What a judge said, read strictly."""

import json
from typing import Any

import pytest

from shadow.judging import prompt, verdict
from shadow.judging.verdict import JudgeVerdict

TAGS = prompt.tags(b"secret", "pair-1", 1)


def said(content: Any, **more: Any) -> bytes:
    return json.dumps(
        {"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"} | more]}
    ).encode()


@pytest.mark.parametrize(
    ("better", "meant"),
    [
        (TAGS.first, JudgeVerdict.FIRST),
        (TAGS.second, JudgeVerdict.SECOND),
        ("tie", JudgeVerdict.TIE),
        ("k000000000000", JudgeVerdict.NOTHING),
    ],
)
def test_a_verdict_names_a_tag_of_this_question(better: str, meant: JudgeVerdict):
    """Either tag, or a tie; any other word is no verdict."""
    assert verdict.read(said(json.dumps({"better": better})), TAGS) == meant
    assert verdict.read(said(f'\n{{"better":"{better}"}}\n'), TAGS) == meant


@pytest.mark.parametrize(
    "content",
    [
        "",
        None,
        TAGS.first,
        f"I think {TAGS.first} is better.",
        f'```json\n{{"better": "{TAGS.first}"}}\n```',
        f'{{"better": "{TAGS.first}", "why": "longer"}}',
        f'{{"better": "{TAGS.second}", "better": "{TAGS.first}"}}',
        f'{{"better": "{TAGS.first}"}} {{"better": "{TAGS.second}"}}',
        f'{{"better": ["{TAGS.first}"]}}',
        f'{{"Better": "{TAGS.first}"}}',
        '{"better": "first"}',
        '{"better": "A"}',
    ],
)
def test_anything_else_is_an_abstention(content: str | None):
    """Nothing is searched for a verdict, and no verdict is put together."""
    assert verdict.read(said(content), TAGS) == JudgeVerdict.NOTHING


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b'{"choices": []}',
        b"[" * 100_000,
        json.dumps({"choices": [{"message": {"content": f'{{"better": "{TAGS.first}"}}'}}] * 2}).encode(),
        said(f'{{"better": "{TAGS.first}"}}', finish_reason="length"),
        said(f'{{"better": "{TAGS.first}"}}', message={"content": f'{{"better": "{TAGS.first}"}}', "refusal": "no"}),
        said("", message={"content": f'{{"better": "{TAGS.first}"}}', "tool_calls": [{"id": "1"}]}),
    ],
)
def test_a_completion_that_is_not_one_whole_answer_is_an_abstention(body: bytes):
    """Cut off, refused, several at once, with calls, or no completion at all."""
    assert verdict.read(body, TAGS) == JudgeVerdict.NOTHING
