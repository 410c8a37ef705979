"""Files of evaluation rows."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from records.evaluation.files import read_file
from records.evaluation.sets import EvalSetError
from tests.rooms.odd_values import odd_versions

USER = {"role": "user", "content": "hi"}
PROMPTFOO = """\
prompts: ["Translate {{word}} into {{language}}."]
providers: [openai:gpt-4o]
tests:
  - vars: {word: cat, language: French}
    assert: [{type: equals, value: chat}]
  - vars: {word: dog, language: French}
"""


@pytest.mark.parametrize(
    ("line", "messages", "expected"),
    [
        ({"input": [USER], "ideal": "hello"}, [USER], "hello"),
        ({"input": "hi", "ideal": ["hello"]}, [USER], "hello"),
        ({"messages": [USER], "expected": {"a": 1}}, [USER], '{"a": 1}'),
        ({"messages": [USER, {"role": "assistant", "content": "hello"}]}, [USER], "hello"),
        ({"request": {"messages": [USER]}, "expected": None, "answer": {}}, [USER], None),
    ],
    ids=["openai-evals", "openai-evals-text", "own", "fine-tuning", "sampled"],
)
def test_lines(tmp_path: Path, line: Any, messages: Any, expected: str | None) -> None:
    """Each kind of line gives what is asked and what a good answer says, with its place in the file."""
    path = tmp_path / "rows.jsonl"
    path.write_text(f"\n{json.dumps(line)}\n", encoding="utf-8")
    (row,) = read_file(path)
    assert (row.request["messages"], row.expected, row.source) == (messages, expected, "rows.jsonl:2")


def test_promptfoo(tmp_path: Path) -> None:
    """A promptfoo configuration gives its prompt once per test, filled in; `equals` is the label."""
    path = tmp_path / "promptfooconfig.yaml"
    path.write_text(PROMPTFOO, encoding="utf-8")
    rows = list(read_file(path))
    assert [row.request["messages"][0]["content"] for row in rows] == [
        "Translate cat into French.",
        "Translate dog into French.",
    ]
    assert [row.expected for row in rows] == ["chat", None]


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("a.jsonl", '{"messages": }', "a.jsonl:1:14: no JSON"),
        ("a.jsonl", '{"messages": []}', "a.jsonl:1: nothing is asked"),
        ("a.jsonl", '{"input": "x", "ideal": ["a", "b"]}', "a.jsonl:1: 2 labels"),
        ("a.jsonl", "[1]", "a.jsonl:1: no object"),
        ("a.jsonl", '{"request": {"model": "x"}}', "a.jsonl:1: the request asks nothing"),
        ("a.jsonl", "\udcff", "a.jsonl: no UTF-8 at byte 0"),
        ("a.yaml", "prompts: [\n", "a.yaml:2:1: no YAML"),
        ("a.yaml", "prompts: [\x01]\n", "a.yaml: no YAML: it holds a control character"),
        ("a.yaml", "prompts: [a, b]\ntests: []", "a.yaml: 2 prompts"),
        ("a.yaml", PROMPTFOO.replace("word: dog, ", ""), "a.yaml: test 2: no variable word"),
        ("a.yaml", PROMPTFOO.replace("equals", "similar"), "a.yaml: test 1: similar is not taken over"),
    ],
)
def test_refused(tmp_path: Path, name: str, text: str, what: str) -> None:
    """What cannot be taken over is refused with its place, and never half read."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(EvalSetError) as error:
        list(read_file(path))
    assert what in str(error.value)
    assert "hint: " in str(error.value)


def test_a_text_may_hold_any_end_of_a_line(tmp_path: Path) -> None:
    """Word processors write ends of lines that JSON lets stand: a row goes on behind them."""
    said = "a\u2028b\u0085c\u2029d"
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"input": said, "ideal": said}, ensure_ascii=False) + "\r\n", encoding="utf-8")
    (row,) = read_file(path)

    assert (row.request["messages"][0]["content"], row.expected) == (said, said)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("a.jsonl", {"request": {"messages": [USER]}, "expected": "a", "path": "/v1/chat/completions"}),
        ("a.jsonl", {"messages": [USER, {"role": "assistant", "content": "b"}], "tools": []}),
        ("a.jsonl", {"input": [USER], "ideal": ["a"]}),
        (
            "a.json",
            {"prompts": ["{{x}}"], "tests": [{"vars": {"x": "a"}, "assert": [{"type": "equals", "value": "b"}]}]},
        ),
    ],
)
def test_whatever_a_file_holds_it_is_rows_or_refused(tmp_path: Path, name: str, row: Any) -> None:
    """An odd value is told with its place, and ends nothing else."""
    for odd in odd_versions(row):
        (tmp_path / name).write_text(json.dumps(odd), encoding="utf-8")
        with contextlib.suppress(EvalSetError):
            assert all(isinstance(each.request, dict) for each in read_file(tmp_path / name))


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("{{word}} into", "{{word | upper}} into", "more than variables"),
        ("{{word}} into", "{% if word %}it{% endif %} into", "more than variables"),
        ("word: cat,", "word: [cat, bird],", "several values"),
        ("word: cat,", "word: 'file://words.csv',", "several values"),
        ("value: chat", "value: '{{word}}'", "no value in place"),
        ("value: chat", "value: 'file://a.txt'", "no value in place"),
        (", value: chat", "", "no value in place"),
        ("tests:", "defaultTest: {assert: [{type: is-json}]}\ntests:", "defaultTest is not taken over"),
        ("Translate {{word}} into {{language}}.", "[1, 2]", "nothing is asked"),
    ],
)
def test_what_promptfoo_would_do_besides_is_refused(tmp_path: Path, old: str, new: str, what: str) -> None:
    """A test that is half read would be another question, or have another label, and nobody would see it."""
    path = tmp_path / "promptfooconfig.yaml"
    assert old in PROMPTFOO
    path.write_text(PROMPTFOO.replace(old, new), encoding="utf-8")
    with pytest.raises(EvalSetError, match=rf"promptfooconfig\.yaml: .*{what}.*hint: "):
        list(read_file(path))
