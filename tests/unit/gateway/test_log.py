import io
import json

from gateway.log import Log


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
