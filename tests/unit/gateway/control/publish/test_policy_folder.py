import os
from collections.abc import Iterator
from pathlib import Path
from sqlite3 import Connection

import pytest

from gateway.control.publish.policy_folder import PolicyFolder, keep_good, load_good
from gateway.node.database import opened
from tests.rooms.policy_language import compile_text


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Connection]:
    with opened(tmp_path / "state.db") as connection:
        yield connection


def names(folder: PolicyFolder) -> list[str]:
    return [route.name for route in folder.routes()]


def test_order_of_matching(tmp_path: Path) -> None:
    """Routes come in matching order: priority first, then file name; other files are no policies."""
    for name, text in {"b.yaml": "0 b", "a.yml": "0 a", "z.yaml": "5 z", "x.txt": "9 x", ".h.yaml": "9 h"}.items():
        (tmp_path / name).write_text(text)
    folder = PolicyFolder(tmp_path, compile_text)
    assert folder.read()
    assert names(folder) == ["z", "a", "b"]
    assert not folder.read()


def test_no_folder_is_no_policies(tmp_path: Path) -> None:
    """A folder that is not there yet holds no policies, and is noticed when it comes."""
    folder = PolicyFolder(tmp_path / "policies", compile_text)
    assert folder.read()
    assert names(folder) == []
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "a.yaml").write_text("0 a")
    assert folder.read()
    assert names(folder) == ["a"]


def test_a_folder_that_is_away_takes_no_route_away(tmp_path: Path) -> None:
    """Its routes are in force, with the reason beside them, until it is back; a restart meanwhile keeps them, too."""
    where = tmp_path / "policies"
    where.mkdir()
    (where / "a.yaml").write_text("0 a")
    folder = PolicyFolder(where, compile_text)
    folder.read()
    where.rename(tmp_path / "elsewhere")
    assert folder.read()
    assert not folder.read()
    again = PolicyFolder(where, compile_text, dict(folder.good))
    assert again.read()
    for each in (folder, again):
        assert names(each) == ["a"]
        assert "bring the folder back" in each.errors()[0]
    (tmp_path / "elsewhere").rename(where)
    assert folder.read()
    assert (names(folder), folder.errors()) == (["a"], [])
    (where / "a.yaml").unlink()
    assert folder.read()
    assert names(folder) == []


def test_a_link_whose_file_is_away_takes_no_route_away(tmp_path: Path) -> None:
    """The link says that there is a policy: its last good version is in force until its file is back, or it is gone."""
    elsewhere, where = tmp_path / "elsewhere", tmp_path / "policies"
    for each in (elsewhere, where):
        each.mkdir()
    (elsewhere / "a.yaml").write_text("0 a")
    (where / "a.yaml").symlink_to(elsewhere / "a.yaml")
    folder = PolicyFolder(where, compile_text)
    assert folder.read()
    elsewhere.rename(tmp_path / "away")
    assert folder.read()
    assert names(folder) == ["a"]
    assert folder.errors()[0].startswith("a.yaml: ")
    (tmp_path / "away").rename(elsewhere)
    assert folder.read()
    assert (names(folder), folder.errors()) == (["a"], [])
    (where / "a.yaml").unlink()
    assert folder.read()
    assert names(folder) == []


def test_what_is_no_file_holds_nobody_up(tmp_path: Path) -> None:
    """A pipe that nobody writes to, or a folder, is a policy that does not load; the others are in force."""
    (tmp_path / "a.yaml").write_text("0 a")
    os.mkfifo(tmp_path / "b.yaml")
    (tmp_path / "c.yaml").mkdir()
    folder = PolicyFolder(tmp_path, compile_text)
    assert folder.read()
    assert names(folder) == ["a"]
    assert [error.partition(":")[0] for error in folder.errors()] == ["b.yaml", "c.yaml"]


def test_a_file_that_does_not_load_changes_nothing(tmp_path: Path) -> None:
    """The last good version stays in force with the error beside it, until the file is good again or gone."""
    path = tmp_path / "a.yaml"
    path.write_text("0 a")
    folder = PolicyFolder(tmp_path, compile_text)
    folder.read()
    for bad in (b"broken", b"\xff\xfe", b"0 a" + b" " * 2_000_000):
        path.write_bytes(bad)
        assert folder.read()
        assert names(folder) == ["a"]
        assert folder.errors()[0].startswith("a.yaml")
    path.write_text("0 renamed")
    folder.read()
    assert (names(folder), folder.errors()) == (["renamed"], [])
    path.unlink()
    folder.read()
    assert names(folder) == []


def test_a_change_is_seen_by_what_is_in_the_folder(tmp_path: Path) -> None:
    """Replacing a file by another of the same size and time is seen."""
    path, other = tmp_path / "a.yaml", tmp_path / "new"
    path.write_text("0 a")
    folder = PolicyFolder(tmp_path, compile_text)
    folder.read()
    other.write_text("0 b")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)
    assert folder.read()
    assert names(folder) == ["b"]


def test_a_restart_remembers_what_was_good(tmp_path: Path, state: Connection) -> None:
    """The last good text outlives the controller: a file that is broken at the start keeps its route."""
    path = tmp_path / "a.yaml"
    path.write_text("0 a")
    first = PolicyFolder(tmp_path, compile_text)
    first.read()
    keep_good(state, first.good, 1.0)
    path.write_text("broken")
    second = PolicyFolder(tmp_path, compile_text, good=load_good(state))
    second.read()
    assert names(second) == ["a"]
    assert second.errors() == ["a.yaml:1:1: not good"]


def test_a_file_that_never_loaded_is_no_route(tmp_path: Path) -> None:
    """Without a good version there is nothing to fall back to: an error and no route."""
    (tmp_path / "a.yaml").write_text("broken")
    folder = PolicyFolder(tmp_path, compile_text)
    folder.read()
    assert (names(folder), len(folder.errors())) == ([], 1)


def test_what_was_good_for_another_version(tmp_path: Path) -> None:
    """A remembered text that this version does not read is left out, not an error of its own."""
    (tmp_path / "a.yaml").write_text("broken")
    folder = PolicyFolder(tmp_path, compile_text, good={"a.yaml": "also broken"})
    folder.read()
    assert (names(folder), len(folder.errors())) == ([], 1)
