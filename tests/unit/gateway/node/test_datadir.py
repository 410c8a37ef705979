import json
import os
import threading
from pathlib import Path

import pytest

from gateway.node.datadir import DataDir, DataDirError, clear_run, held, is_held, prepare, secret


def test_a_new_directory_is_for_this_user_only(tmp_path: Path) -> None:
    """Everything is made with mode 0700 and the format is written down."""
    data = prepare(tmp_path / "deep" / "data")
    assert {path.stat().st_mode & 0o777 for path in (data.root, data.journal, data.records, data.run)} == {0o700}
    assert json.loads((data.root / "FORMAT").read_bytes()) == {"format": 1, "readable_by": 1}
    assert prepare(data.root) == data


def test_a_directory_others_could_read_is_closed(tmp_path: Path) -> None:
    """A data directory that was left open is closed at the next start."""
    (tmp_path / "data").mkdir(mode=0o755)
    prepare(tmp_path / "data")
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_somebodys_folder_is_not_made_a_data_directory(tmp_path: Path) -> None:
    """A folder with something else in it is refused, saying what to do, and stays as it was, its mode too."""
    folder = tmp_path / "project"
    (folder / "records").mkdir(parents=True)
    (folder / "thesis.txt").write_text("mine")
    folder.chmod(0o755)
    with pytest.raises(DataDirError, match=r"'thesis\.txt', which is not Crossfade's.*hint: name an empty folder"):
        prepare(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["records", "thesis.txt"]
    assert folder.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    "name", ["lost+found", ".snapshot", "pepper", "state.key", "KILL", "crossfade.yaml", "journal"]
)
def test_what_may_be_there_before_the_first_start(tmp_path: Path, name: str) -> None:
    """A fresh volume, keys and policies of an operator, and what a start left that was cut off."""
    (tmp_path / name).mkdir()
    assert prepare(tmp_path).is_one


def test_a_data_directory_may_hold_more(tmp_path: Path) -> None:
    """Whatever somebody puts beside our files later, it is a data directory."""
    prepare(tmp_path)
    (tmp_path / "notes.txt").touch()
    assert prepare(tmp_path).foreign == ""


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"format": 3, "readable_by": 2}', "written by a newer version"),
        ("what", "says nothing this version understands"),
        ("{}", "says nothing this version understands"),
    ],
)
def test_a_directory_of_another_version_is_refused(tmp_path: Path, content: str, expected: str) -> None:
    """What this version may not read is left alone, and the message says so."""
    (tmp_path / "FORMAT").write_text(content)
    with pytest.raises(DataDirError, match=expected):
        prepare(tmp_path)
    assert (tmp_path / "FORMAT").read_text() == content


def test_one_version_back(tmp_path: Path) -> None:
    """A directory of the next version that says it is readable by this one is used, and not marked down."""
    (tmp_path / "FORMAT").write_text('{"format": 2, "readable_by": 1}')
    prepare(tmp_path)
    assert json.loads((tmp_path / "FORMAT").read_bytes())["format"] == 2


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    """A path that is no directory is refused with what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(DataDirError, match="hint: name a directory"):
        prepare(tmp_path / "file" / "data")


def test_one_holder(tmp_path: Path) -> None:
    """Who holds a directory is known to others, who cannot hold it too."""
    data = prepare(tmp_path)
    assert not is_held(data)
    with held(data):
        assert is_held(data)
        with pytest.raises(DataDirError, match=rf"another Crossfade \(pid {os.getpid()}\)"), held(data):
            pass
    assert not is_held(data)


@pytest.mark.parametrize("harm", ["removed", "a directory"])
def test_a_lock_that_is_gone_lets_nobody_in(tmp_path: Path, harm: str) -> None:
    """People remove locks that they take for stale: the directory itself is held as well, and status knows it."""
    data = prepare(tmp_path)
    with held(data):
        data.lock.unlink()
        if harm == "a directory":
            data.lock.mkdir()
        assert is_held(data)
        with pytest.raises(DataDirError, match="hint"), held(data):
            pass
        assert is_held(data)
    assert not is_held(data)


def test_looking_does_not_keep_a_holder_out(tmp_path: Path) -> None:
    """Who only looks whether a directory is held never makes a start fail."""
    data = prepare(tmp_path)
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            is_held(data)

    thread = threading.Thread(target=look)
    with held(data):
        pass
    thread.start()
    try:
        for _ in range(20):
            with held(data):
                assert is_held(data)
    finally:
        done.set()
        thread.join()


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    """The first use makes 32 random bytes for this user only; later uses read them."""
    first = secret(tmp_path / "pepper")
    assert len(first) == 32
    assert secret(tmp_path / "pepper") == first
    assert secret(tmp_path / "other") != first
    assert (tmp_path / "pepper").stat().st_mode & 0o777 == 0o600


def test_what_is_no_secret(tmp_path: Path) -> None:
    """A file with anything else is refused without repeating what it holds."""
    (tmp_path / "pepper").write_text("planted")
    with pytest.raises(DataDirError) as error:
        secret(tmp_path / "pepper")
    assert "planted" not in str(error.value)
    with pytest.raises(DataDirError):
        secret(tmp_path / "missing" / "pepper")


def test_leftovers_of_an_earlier_run_are_removed(tmp_path: Path) -> None:
    """What an earlier start left in run/ is gone after the next, and nothing else."""
    data = prepare(tmp_path)
    data.live("w0").touch()
    data.kill.touch()
    clear_run(data)
    assert list(data.run.iterdir()) == []
    assert DataDir(tmp_path).kill.exists()


@pytest.mark.parametrize("name", ["evidence", "replays", "state.backup"])
def test_what_an_operator_put_back_makes_no_foreign_folder(tmp_path: Path, name: str) -> None:
    """A data directory that is put together again from what was saved of one may have any part of it."""
    (tmp_path / name).mkdir()
    assert prepare(tmp_path).is_one
