import io
import json
import os
import threading

from gateway.log import AGAIN_S, LINE_BYTES, Log
from tests.rooms.waiting import PATIENCE_S


def test_a_line_is_one_json_object() -> None:
    """An event is one line: when, how bad, who, what, and its fields; control characters are escaped."""
    stream = io.StringIO()
    Log("supervisor", now=lambda: 0.0, stream=stream).notice("process.ended", pid=7, reason="a\n\x1b[31mb")
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()
    assert json.loads(stream.getvalue()) == {
        "at": "1970-01-01T00:00:00.000+00:00",
        "level": "warn",
        "source": "supervisor",
        "event": "process.ended",
        "pid": 7,
        "reason": "a\n\x1b[31mb",
    }


def test_a_field_never_stands_for_what_every_line_says() -> None:
    """Whatever an event's fields are called, its time, level, source and name are there; the fields are, too."""
    stream = io.StringIO()
    Log("w", now=lambda: 0.0, stream=stream).alarm("x", at="life.py:7", level="odd", source=1)
    line = json.loads(stream.getvalue())
    assert (line["at"], line["level"], line["source"]) == ("1970-01-01T00:00:00.000+00:00", "error", "w")
    assert (line["at_"], line["level_"], line["source_"]) == ("life.py:7", "odd", 1)


def test_what_goes_on_is_news_once_a_minute() -> None:
    """The same trouble, tried each second and beside others, is told once a minute; a clock set back tells, too."""
    now = 100.0
    log = Log("x", now=lambda: now, stream=io.StringIO())
    assert [log.is_news("disk", reason) for reason in ("full", "ill", "full", "ill")] == [True, True, False, False]
    now += AGAIN_S - 1.0
    assert not log.is_news("disk", "full")
    now += 1.0
    assert log.is_news("disk", "full")
    now -= AGAIN_S
    assert log.is_news("disk", "full")


def test_levels() -> None:
    """There are three: info, warn, error."""
    stream = io.StringIO()
    log = Log("x", now=lambda: 0.0, stream=stream)
    log.info("a")
    log.notice("b")
    log.alarm("c")
    assert [json.loads(line)["level"] for line in stream.getvalue().splitlines()] == ["info", "warn", "error"]


def test_a_log_nobody_reads_stops_nothing() -> None:
    """A closed stream is no reason to fail."""
    stream = io.StringIO()
    stream.close()
    assert Log("x", stream=stream).info("a") is None


def test_a_log_that_is_read_no_more_stops_nothing() -> None:
    """Nobody waits for a reader that hangs; once it reads again, it is told how many lines it has missed."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w") as stream:
        log = Log("w0", stream=stream)
        said = threading.Thread(target=lambda: [log.alarm("x", number=number) for number in range(5000)], daemon=True)
        said.start()
        said.join(PATIENCE_S)
        assert not said.is_alive()
        os.set_blocking(reading, False)
        taken = len(reader.read().splitlines())
        log.info("y")
        found = [json.loads(line) for line in reader.read().splitlines()]
    assert [line["event"] for line in found] == ["log.lost", "y"]
    assert taken + found[0]["lines"] == 5000


def test_a_line_fits_into_what_a_pipe_takes() -> None:
    """Long texts are cut before it is written: it goes out whole, or not at all."""
    stream = io.StringIO()
    Log("w0", stream=stream).alarm("x", reason="\x00" * 2000, hint="short")
    assert len(stream.getvalue()) <= LINE_BYTES
    assert json.loads(stream.getvalue())["hint"] == "short"
