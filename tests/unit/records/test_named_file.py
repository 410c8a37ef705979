"""Files that a person names: what stands there is read, or refused at once."""

import os
import socket
from pathlib import Path

import pytest

from records.named_file import MOST_BYTES, opened, read_named, require_file


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe that nobody writes to, a device without end, a folder, a socket, no path at all."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for path in (tmp_path / "pipe", "/dev/zero", tmp_path / "folder", tmp_path / "socket", "a\0b", "/nowhere/key"):
            for look in (require_file, read_named, opened):
                if (path, look) != (tmp_path / "pipe", opened):
                    with pytest.raises(OSError):
                        look(path)


def test_a_command_may_be_given_a_pipe(tmp_path: Path) -> None:
    """As a shell's `<(…)` is one: it is read to its end; one that nobody writes to is empty."""
    os.mkfifo(tmp_path / "pipe")
    with opened(tmp_path / "pipe") as file:
        assert file.read() == b""
    reading, writing = os.pipe()
    with open(reading, "rb"), open(writing, "wb") as sent:
        file = opened(f"/dev/fd/{reading}")
        sent.write(b"rows")
        sent.close()
        with file:
            assert file.read() == b"rows"


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    """By both."""
    (tmp_path / "file").write_bytes(b"said")
    with opened(tmp_path / "file") as file:
        assert file.read() == read_named(tmp_path / "file") == b"said"


def test_a_file_without_end_is_refused(tmp_path: Path) -> None:
    """Before it fills the memory."""
    with (tmp_path / "endless").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(OSError, match="longer than 16 MiB"):
        read_named(tmp_path / "endless")
