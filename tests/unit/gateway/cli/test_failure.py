"""How a failure reads: for people as it is, for machines with its hint apart."""

import argparse
import json

import pytest

from gateway.cli.failure import failed, fields


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("no route is called 'x'. hint: there are a, b", "no route is called 'x'", "there are a, b"),
        ("it is down\nhint: `crossfade kill` needs nothing", "it is down", "`crossfade kill` needs nothing"),
        ("it broke", "it broke", None),
        ("a: wrong. hint: b\nc: wrong. hint: d", "a: wrong. hint: b\nc: wrong. hint: d", None),
    ],
)
def test_a_message_and_its_hint_are_told_apart(text: str, message: str, hint: str | None) -> None:
    """One hint stands alone; of several, each stays with the message it is about."""
    assert fields(text) == {"message": message, "hint": hint}


def test_a_failure_is_said_on_stderr_and_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    """As it is without `--json`, as one line of JSON with it; nothing on stdout, which is for data."""
    assert failed(ValueError("é. hint: e"), argparse.Namespace(json=False)) == 1
    assert failed(ValueError("é. hint: e"), argparse.Namespace(json=True)) == 1
    captured = capsys.readouterr()
    plain, structured = captured.err.splitlines()
    assert plain == "é. hint: e"
    assert json.loads(structured) == {"error": {"message": "é", "hint": "e"}}
    assert captured.out == ""
