"""Files that policies name: what is none is refused, whatever it is."""

import os
from pathlib import Path

import pytest

from shadow.named_file import MOST_BYTES, read_named


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    """Its bytes, as they are."""
    (tmp_path / "schema.json").write_bytes(b"{}\n")
    assert read_named(tmp_path / "schema.json") == b"{}\n"


def test_what_is_no_file_holds_nobody(tmp_path: Path) -> None:
    """A pipe that nobody writes, a folder, a device and an endless file are refused at once."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    with (tmp_path / "endless").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    for name, said in (("pipe", "no file"), ("zero", "no file"), (".", "no file"), ("endless", "longer than 16 MiB")):
        with pytest.raises(OSError, match=said):
            read_named(tmp_path / name)
