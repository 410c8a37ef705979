"""Wishes and answers about servers that have to be warm, and which failures are a cold start's."""

from pathlib import Path

import pytest

from shadow.ports import ModelReply
from shadow.warming import ColdStart, WarmReport, encode, is_awake, is_cold, read


def test_reports_are_read_as_they_were_written(tmp_path: Path):
    """A file that is not there, or not whole, says nothing."""
    path = tmp_path / "warm.json"
    assert read(path) == {}
    path.write_bytes(encode({"triage": WarmReport(2, 1, 7.0, "unreachable")}))
    assert read(path) == {"triage": WarmReport(2, 1, 7.0, "unreachable")}
    path.write_bytes(b'{"triage": ')
    assert read(path) == {}


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (ModelReply(200, b"{}"), (True, False)),
        (ModelReply(400, b"", "invalid_request"), (True, False)),
        (ModelReply(503, b"", "overloaded"), (False, True)),
        (ModelReply(502, b"", "server_error"), (False, True)),
        (ModelReply(500, b"", "server_error"), (False, False)),
        (ModelReply(0, b"", "unreachable"), (False, True)),
        (ModelReply(0, b"", "first_byte_timeout"), (False, True)),
        (ModelReply(404, b"", "not_found"), (False, False)),
        (ModelReply(401, b"", "key_refused"), (False, False)),
    ],
)
def test_what_a_server_says_that_is_not_there_yet(reply: ModelReply, expected: tuple[bool, bool]):
    """Refused, shed or silent; one that reads requests is there, and one that is broken is broken."""
    assert (is_awake(reply), is_cold(reply)) == expected


def test_a_cold_start_begins_after_a_pause_and_ends_with_an_answer():
    """Failures of requests that were sent before the first answer are excused, those after it are not."""
    start = ColdStart()
    start.asked(100.0)
    start.asked(130.0)
    assert start.excuses(100.0, 600.0)
    start.answered(150.0)
    assert start.excuses(130.0, 600.0)
    assert not start.excuses(151.0, 600.0)
    start.asked(160.0)
    start.asked(219.0)  # without a pause in between it does not start up
    assert not start.excuses(219.0, 600.0)
    start.asked(300.0)
    assert start.excuses(300.0, 600.0)


def test_a_cold_start_is_bounded():
    """Whoever answers nobody is failing after a while, however seldom it is asked."""
    start = ColdStart()
    start.asked(100.0)
    start.asked(400.0)
    assert start.excuses(400.0, 600.0)
    start.asked(800.0)
    assert not start.excuses(800.0, 600.0)
    assert not start.excuses(100.0, 0.0)
    assert not ColdStart().excuses(100.0, 600.0)
