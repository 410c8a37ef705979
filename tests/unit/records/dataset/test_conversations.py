"""One conversation in both splits of a dataset that was put together by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from records.dataset.conversations import split_faults
from records.dataset.formats import format_named

HI, HELLO = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}
WHERE, THERE = {"role": "user", "content": "Where?"}, {"role": "assistant", "content": "There."}
SHORT = ([HI], HELLO)
LONG = ([HI, HELLO, WHERE], THERE)


def file(path: Path, *rows: tuple[list[dict[str, Any]], dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps({"prompt": prompt, "completion": [said]}) + "\n" for prompt, said in rows))
    return path


@pytest.mark.parametrize(
    ("train", "validation", "lines"),
    [
        ([SHORT], [([WHERE], THERE), LONG], [2]),
        ([LONG], [([WHERE], THERE), SHORT], [2]),
        ([SHORT], [([HI], THERE)], [1]),
        ([SHORT], [([HI, THERE, WHERE], THERE)], []),
        ([LONG], [([WHERE], THERE)], []),
    ],
    ids=["it goes on", "it went before", "the same prompt", "begins alike, goes otherwise", "another one"],
)
def test_a_conversation_in_both_splits_is_told_by_its_line(tmp_path: Path, train, validation, lines):
    """A row that goes on where another ended is of its conversation; one that begins alike need not be."""
    faults = split_faults(
        file(tmp_path / "t.jsonl", *train), file(tmp_path / "v.jsonl", *validation), format_named("trl-sft")
    )

    assert [fault.line for fault in faults] == lines
