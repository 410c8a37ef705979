"""How a failure reads: for people as it is, for machines with its hint apart."""

import argparse
import errno
import json

import pytest

from gateway.cli.failure import NOT_THIS_USER, failed, fields, unreadable


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


def test_records_that_cannot_be_read_say_what_to_try(capsys: pytest.CaptureFixture[str]) -> None:
    """A closed file is one thing to do; any other may have been merged away in this moment."""
    arguments = argparse.Namespace(json=False)
    assert unreadable(PermissionError(errno.EACCES, "Permission denied", "r.parquet"), arguments) == 1
    assert unreadable(OSError(errno.EIO, "Input/output error", "r.parquet"), arguments) == 1
    closed, gone = capsys.readouterr().err.splitlines()
    assert closed == f"r.parquet: Permission denied. hint: {NOT_THIS_USER}"
    assert gone.endswith("If files were just merged, do it again")
