"""Files that are there whole or not at all."""

from pathlib import Path

import pytest

from records.durable import place, replace


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


def test_a_folder_is_there_whole_and_takes_no_others_place(tmp_path: Path) -> None:
    """It has its files under its own name; where something is, that stays, and so does the fresh one."""
    for name in ("fresh", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rows").write_text(name)
    place(tmp_path / "fresh", tmp_path / "set")
    assert (tmp_path / "set" / "rows").read_text() == "fresh"
    with pytest.raises(OSError, match="not empty"):
        place(tmp_path / "other", tmp_path / "set")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["other", "set"]
    assert (tmp_path / "set" / "rows").read_text() == "fresh"
