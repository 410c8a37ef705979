"""What becomes of what a command writes once nobody reads it."""

import os
from pathlib import Path
from typing import TextIO

import pytest

from gateway.cli.output import CommandOutput, OutputClosedError


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
