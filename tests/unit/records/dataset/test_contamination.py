"""Which training prompts repeat an evaluation row."""

import json
from pathlib import Path

import pytest

from records.dataset.contamination import evaluation_rows

LONG = "please tell me today where the parcel is that I have ordered from your shop in Ulm"
ASKED = [{"role": "system", "content": "Where is it?"}, {"role": "assistant", "content": "Is it lost?"}]


def user(text: str) -> list[dict[str, str]]:
    return [*ASKED, {"role": "user", "content": text}]


@pytest.mark.parametrize(
    "row",
    [
        {"text": "Is it lost?"},
        {"question": "is it  LOST"},
        {"prompt": "Is it lost?"},
        {"messages": [{"role": "user", "content": "other"}, {"role": "user", "content": "Is it lost?"}]},
        {"input": [{"role": "system", "content": "x"}, {"role": "user", "content": "Is it lost?"}], "ideal": "yes"},
        {"request": {"messages": [{"role": "user", "content": "Is it lost?"}]}, "expected": "yes"},
        {"request": {"messages": [{"role": "user", "content": [{"type": "text", "text": "Is it lost?"}]}]}},
        {"request": {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Is it lost?"}]}]}},
        {"request": {"input": "Is it lost?", "instructions": "Be brief."}},
        {"messages": [{"role": "system", "content": "Is it lost?"}]},
    ],
)
def test_the_same_words_leak(tmp_path: Path, row: dict[str, object]):
    """In whatever shape the set has its prompts, whatever their case; what others than users said is no leak."""
    (tmp_path / "set.jsonl").write_text(json.dumps({"text": "first"}) + "\n" + json.dumps(row) + "\n")
    rows = evaluation_rows([tmp_path / "set.jsonl"])

    assert rows.leak(user("Is it lost?!")) == "set.jsonl:2"
    assert rows.leak(user("Is it lost now?")) is None
    assert rows.leak(ASKED[:1]) is None
    assert rows.leak([{"role": "system", "content": "is it lost"}]) == "set.jsonl:2"


def test_thirteen_words_in_a_row_leak(tmp_path: Path):
    """A long text leaks within another one; twelve words of it do not."""
    (tmp_path / "set.jsonl").write_text(json.dumps({"text": LONG}) + "\n")
    rows = evaluation_rows([tmp_path / "set.jsonl"])
    words = LONG.split()

    assert rows.leak(user(f"Hello, {' '.join(words[2:15])}. Thanks")) == "set.jsonl:1"
    assert rows.leak(user(f"Hello, {' '.join(words[2:14])}. Thanks")) is None


def test_a_set_is_read_as_editors_leave_it(tmp_path: Path):
    """A mark at its begin and empty lines are no rows; a registered set is told apart by its folder."""
    path = tmp_path / "golden" / "rows.jsonl"
    path.parent.mkdir()
    path.write_bytes(b'\xef\xbb\xbf{"text": "Is it lost?"}\r\n\r\n')
    assert evaluation_rows([path]).leak(user("is it lost")) == "golden/rows.jsonl:1"
    path.write_bytes(b"\n\n")
    with pytest.raises(ValueError, match="no row in it"):
        evaluation_rows([path])


def test_a_set_in_another_encoding_is_an_error(tmp_path: Path):
    """Its words would be other words: nothing would repeat them."""
    (tmp_path / "set.jsonl").write_bytes('{"text": "a"}\n{"text": "un café"}\n'.encode("latin-1"))
    with pytest.raises(ValueError, match=r"set\.jsonl:2: no UTF-8"):
        evaluation_rows([tmp_path / "set.jsonl"])


@pytest.mark.parametrize("line", ["{", "[]", '{"answer": "x"}', '{"messages": []}'])
def test_a_row_without_a_prompt_is_an_error(tmp_path: Path, line: str):
    """A set that is half read would find half of the leaks: the row is named."""
    (tmp_path / "set.jsonl").write_text('{"text": "a"}\n' + line + "\n")
    with pytest.raises(ValueError, match=r"set\.jsonl:2"):
        evaluation_rows([tmp_path / "set.jsonl"])
