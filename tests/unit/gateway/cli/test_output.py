"""What becomes of what a command writes once nobody reads it."""

import io
import os
from pathlib import Path
from typing import TextIO

import pytest

from gateway.cli.output import CommandOutput, OutputClosedError, OutputFailedError


@pytest.fixture
def unread() -> TextIO:
    """A pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w", buffering=1)


def test_data_that_nobody_reads_ends_the_command(unread: TextIO) -> None:
    """It is no OSError, so no fence around files takes it for one; what is left in the buffer goes nowhere, quietly."""
    output = CommandOutput(unread)
    with pytest.raises(OutputClosedError) as stopped:
        output.write("data\n")
    assert not isinstance(stopped.value, OSError)
    output.flush()
    unread.close()


def test_talk_that_nobody_reads_stops_nothing(unread: TextIO) -> None:
    """The command goes on: it may be in the middle of an order."""
    output = CommandOutput(unread, is_talk=True)
    assert output.write("talk\n") == 5
    output.flush()
    unread.close()


def test_what_is_read_is_the_streams_own(tmp_path: Path) -> None:
    """Text arrives as it is, and whatever else is asked is the stream's."""
    with (tmp_path / "out").open("w", encoding="utf-8") as stream:
        output = CommandOutput(stream)
        assert output.write("é\n") == 2
        assert (output.fileno(), output.isatty()) == (stream.fileno(), False)
        output.flush()
    assert (tmp_path / "out").read_text("utf-8") == "é\n"


def test_data_that_cannot_be_written_fails_the_command() -> None:
    """A full disk is said, once; talk that finds it full is dropped."""
    with Path("/dev/full").open("w", buffering=1, encoding="utf-8") as full:
        with pytest.raises(OutputFailedError, match="cannot be written: No space left on device"):
            CommandOutput(full).write("data\n")
        full.flush()
    with Path("/dev/full").open("w", buffering=1, encoding="utf-8") as full:
        assert CommandOutput(full, is_talk=True).write("talk\n") == 5


def test_a_closed_stream_leads_nowhere() -> None:
    """A shell's `>&-` is no failure: the command does what it is told, unheard."""
    output = CommandOutput(None)
    assert output.write("data\n") == 5
    output.flush()
    output.close()


def test_a_character_that_the_locale_lacks_is_an_escape(tmp_path: Path) -> None:
    """A terminal that is not in UTF-8 gets all of the sentence."""
    with (tmp_path / "out").open("w", encoding="ascii") as stream:
        CommandOutput(stream).write("größe\n")
    assert (tmp_path / "out").read_bytes() == b"gr\\xf6\\xdfe\n"


class Screen(io.StringIO):
    """A terminal's side of a stream."""

    def isatty(self) -> bool:
        return True


def test_talk_on_a_terminal_is_folded_and_data_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sentences fit; what is written over itself, JSON, a command's data, and talk in a file arrive as they are."""
    monkeypatch.setenv("COLUMNS", "40")
    said = "a sentence that is longer than one line of forty letters"
    rows = (
        (Screen(), True, said, 2), (Screen(), False, said, 1), (io.StringIO(), True, said, 1),
        (Screen(), True, f"\r{said}", 1), (Screen(), True, f'{{"a": "{said}"}}', 1),
    )  # fmt: skip
    for stream, is_talk, text, lines in rows:
        CommandOutput(stream, is_talk=is_talk).write(f"{text}\n")
        assert stream.getvalue().count("\n") == lines, text
