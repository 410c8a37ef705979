"""Files that are there whole or not at all."""

from pathlib import Path

import pytest

from records.durable import replace


def test_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    """A file is replaced with mode 0600; when that fails, what was there stays and nothing else is left."""
    path = tmp_path / "file"
    replace(path, b"old")
    assert path.stat().st_mode & 0o777 == 0o600
    replace(path, b"new")
    assert path.read_bytes() == b"new"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").touch()
    with pytest.raises(OSError, match="directory"):
        replace(tmp_path / "folder", b"x")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "folder"]
