"""Files are read into plain values with their places, or refused with the line and what to do."""

import os
from pathlib import Path

import pytest

from gateway.config.yaml_file import Place, YamlFileError, load, parse


def refusal(text: str, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(YamlFileError) as caught:
        parse(text, "a.yaml", environment)
    return str(caught.value)


def test_words_stay_what_was_written():
    """Only JSON's words and numbers are anything but text: no dates, no sexagesimal times, no `on` that is true."""
    text = "{a: 2026-11-18, on: off, c: 12:30, d: 1.5s, e: 20%, f: 1, g: -0.5, h: true, i: ~, j: '1', k: 1e3, "
    text += "l: 0x1f, m: 1e999, n: 1234567890123456789}"

    assert parse(text, "a.yaml").value == {
        "a": "2026-11-18", "on": "off", "c": "12:30", "d": "1.5s", "e": "20%", "f": 1, "g": -0.5, "h": True,
        "i": None, "j": "1", "k": 1000.0, "l": "0x1f", "m": "1e999", "n": "1234567890123456789",
    }  # fmt: skip


def test_every_value_and_key_has_its_place():
    """A value's place is where it begins; a key's is its own; what is not there has the place around it."""
    document = parse("a:\n  b: [1, {c: é, d: 2}]\n", "a.yaml")

    assert document.place(("a", "b", 1, "d")) == Place(2, 20)
    assert document.place(("a", "b", 1, "d"), of_key=True) == Place(2, 17)
    assert document.place(("a", "b", 1, "x", "y")) == Place(2, 10)
    assert document.place(("a", "b", 0), of_key=True) == Place(2, 7)


def test_keys_are_text():
    """`1%:` and `1:` are keys as they stand."""
    assert parse("1%: {hold: 1h}\n2: x\n", "a.yaml").value == {"1%": {"hold": "1h"}, "2": "x"}


def test_an_empty_file_is_no_value():
    """Nothing at all is None, with no place."""
    document = parse("# only a comment\n", "a.yaml")

    assert (document.value, document.place(("a",))) == (None, None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\na: 2\n", "a.yaml:2:1: `a` is here twice, first in line 1\n    a: 2\n    ^"),
        ("a: !!python/object:os.system x\n", "a.yaml:1:4: tags (`!…`) are not used here"),
        ("!x a: 1\n", "tags (`!…`) are not used here"),
        ("a: 1\n---\nb: 1\n", "a second document begins"),
        ("? [1]\n: 2\n", "a key must be a word"),
        ("? *x\n: 2\n", "a key must be a word"),
        ("a: *x\n", "`*x` stands for nothing that ends before it"),
        ("a: &x [*x]\n", "`*x` stands for nothing that ends before it"),
        ("a: [1\n", "a.yaml:1:4: not YAML: "),
        ("a:\n\tb: 1\n", "hint: indent with spaces, not tabs"),
        ("a: {b: ${X}}\n", 'hint: inside {…} and […], put "${NAME}" in quotes'),
        ("a: \x00\n", "a.yaml: not YAML: it holds characters that no text file has"),
        ("a: \ud800\n", "a.yaml: not UTF-8"),
        ("[" * 40, "nested more than 32 levels deep"),
        ("a: " + "[" * 100_000, "nested more than 32 levels deep"),
        ("- x\n" * 20_001, "more than 20000 values"),
        ("x" * (1024 * 1024 + 1), "longer than 1048576 bytes"),
    ],
)  # fmt: skip
def test_what_is_not_plain_data_is_refused(text: str, says: str):
    """Each refusal names its place and says what to do where that is not plain."""
    assert says in refusal(text)


def test_aliases_count_by_what_they_stand_for():
    """Ten levels of ten aliases are ten thousand million values, and are refused before any is built."""
    levels = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 11)]

    assert "more than 20000 values, aliases counted by what they stand for" in refusal("\n".join(levels))


def test_an_alias_is_the_value_it_stands_for():
    """A few aliases are fine, and their place is where they are used."""
    document = parse("a: &x {b: 1}\nc: *x\n", "a.yaml")

    assert document.value == {"a": {"b": 1}, "c": {"b": 1}}
    assert document.place(("c", "b")) == Place(2, 4)


def test_variables_come_from_the_environment():
    """`${NAME}` is its value, typed as if it stood there; a default stands in for none or an empty one; `$$` is `$`."""
    text = 'a: ${N}\nb: "${N}"\nc: ${M:-x y}\nd: $$${N}\ne: ${E:-3}\n'

    assert parse(text, "a.yaml", {"N": "5", "E": ""}).value == {"a": 5, "b": "5", "c": "x y", "d": "$5", "e": 3}


def test_a_value_from_the_environment_is_never_structure():
    """What a variable holds stays one value, whatever it looks like."""
    assert parse("a: ${N}", "a.yaml", {"N": "{b: 1}\nc: 2"}).value == {"a": "{b: 1}\nc: 2"}


def test_without_an_environment_variables_stay():
    """A reader that has no environment leaves `${NAME}` alone."""
    assert parse("a: ${N}", "a.yaml").value == {"a": "${N}"}


def test_a_missing_variable_is_an_error_with_its_place():
    """It says which, where, and how to give a default."""
    assert refusal("x:\n  a: b-${NOPE}\n", {}) == (
        "a.yaml:2:6: the environment has no NOPE\n      a: b-${NOPE}\n         ^\n    "
        "hint: set it, or give a default: ${NOPE:-…}"
    )


def test_a_quoted_line_leaves_secrets_out():
    """The source line beside an error never shows what a key like `api_key` holds."""
    shown = refusal("upstream: {api_key: sk-abcdef, api_key: x}\n")

    assert "sk-abcdef" not in shown
    assert "{api_key: …" in shown


def test_a_file_is_read_or_said_to_be_unreadable(tmp_path: Path):
    """Missing, too long and not UTF-8 are errors with the file's name."""
    path = tmp_path / "p.yaml"
    with pytest.raises(YamlFileError, match="cannot be read: No such file"):
        load(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(YamlFileError, match="cannot be read: not UTF-8"):
        load(path)
    path.write_text("a: ${N}", encoding="utf-8")
    with pytest.raises(YamlFileError, match="longer than 3 bytes"):
        load(path, max_bytes=3)
    assert load(path, {"N": "1"}).value == {"a": 1}


def test_a_pipe_or_a_folder_in_the_place_of_a_file_holds_nobody_up(tmp_path: Path):
    """A pipe that nobody writes to would be read for ever: what is no file is said to be none."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(YamlFileError, match="pipe: cannot be read: it is no file"):
        load(tmp_path / "pipe")
    with pytest.raises(YamlFileError, match=r"a folder, and no file(.|\n)*hint: name a file in it"):
        load(tmp_path)
