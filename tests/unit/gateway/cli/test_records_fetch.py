"""`crossfade records fetch`: from the archive into a directory here, or a word on why not."""

import json
from pathlib import Path

import pytest

from gateway import clock
from gateway.cli.main import main
from records.archive.bucket import open_bucket
from records.archive.writer import NodeArchive, identity
from records.store import Store
from tests.fakes.exchanges import exchange_id
from tests.rooms.object_storage import folder
from tests.rooms.stored_records import keep, record


@pytest.fixture
def url(tmp_path: Path) -> str:
    """An archive that a node has written."""
    store = Store(tmp_path / "records")
    keep(store, "a", record(1))
    url = folder(tmp_path)
    NodeArchive(store, open_bucket(url), identity(store.root, "node")).push(clock.wall(), settle_s=0.0)
    return url


def test_the_archive_of_the_settings_is_fetched(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a URL it is the settings' own; what was done is told, for programs too."""
    monkeypatch.chdir(tmp_path)
    Path("crossfade.yaml").write_text(f"archive: {url}")
    assert main(["records", "fetch", "--to", "all", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["archive"], told["nodes"], told["fetched"], told["removed"]) == (url, 1, 1, 0)
    assert Store(tmp_path / "all" / "records").ids() == [exchange_id(1)]
    assert main(["records", "fetch", "--to", "all"]) == 0
    assert "0 files fetched (0.0 MB), 0 removed." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "all"], "no archive is named. hint: state `archive: s3://bucket/prefix`"),
        (["http://x", "--to", "all"], "http://x: no archive. hint: write it as s3://bucket/prefix"),
        (["file:///nothing/is/here", "--to", "all"], "no such folder. hint: make it, or mount what belongs there"),
        (["file:///empty", "--to", "all"], "holds no node's records. hint: does a gateway have it"),
    ],
)
def test_what_cannot_be_fetched_is_said_with_what_to_do(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No archive named, no URL of one, none there, nothing in it; and nothing is made of the directory either."""
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    assert main(["records", "fetch", *[word.replace("file://", f"file://{tmp_path}") for word in words]]) == 1
    assert said in capsys.readouterr().err
    assert not Path("all").exists()


def test_a_gateways_own_directory_is_refused(tmp_path: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What a gateway records into is its own."""
    (tmp_path / "own" / "records").mkdir(parents=True)
    (tmp_path / "own" / "records" / "progress.json").write_text("{}")
    assert main(["records", "fetch", url, "--to", str(tmp_path / "own")]) == 1
    assert "hint: name another directory" in capsys.readouterr().err
