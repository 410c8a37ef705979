"""What becomes of what a command writes once nobody reads it."""

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
