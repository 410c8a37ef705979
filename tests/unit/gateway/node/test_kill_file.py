"""The kill file on a disk that takes nothing but its name."""

import errno
import os
from pathlib import Path

import pytest

from gateway.node.datadir import DataDir, prepare
from gateway.node.kill_file import clear_kill, set_kill


def test_a_full_disk_keeps_why_to_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is made, and it is said that it was, where the disk has no room for what it should say."""

    def full(_: int, __: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    data = DataDir(tmp_path)
    assert set_kill(data, reason="the disk is full", now=1.0)
    assert data.kill.exists()


def test_it_is_made_once_and_taken_away_once(tmp_path: Path) -> None:
    """Who makes or removes it is told whether it changed anything; the reason stands in it."""
    data = DataDir(tmp_path)
    assert [set_kill(data, reason="why", now=1.0), set_kill(data, reason="other", now=2.0)] == [True, False]
    assert '"why"' in data.kill.read_text()
    assert [clear_kill(data), clear_kill(data)] == [True, False]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_without_inodes_still_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Where no file can be made any more the spare one becomes it; taken away, there is another."""
    data = prepare(tmp_path)
    plain = os.open

    def full(path: os.PathLike[str], flags: int, *more: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(number, os.strerror(number))
        return plain(path, flags, *more)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", full)
        assert set_kill(data, reason="no inode", now=1.0)
    assert data.kill.exists()
    assert clear_kill(data)
    assert data.kill_spare.exists()


def test_what_cannot_be_made_at_all_is_an_error(tmp_path: Path) -> None:
    """A data directory that is not there takes no kill file, and no spare is looked for."""
    with pytest.raises(FileNotFoundError):
        set_kill(DataDir(tmp_path / "gone"), reason="why", now=1.0)
