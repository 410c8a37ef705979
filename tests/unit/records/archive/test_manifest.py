"""The list of what a node's folder holds."""

from pathlib import Path

import msgspec
import pytest

from records.archive.bucket import ArchiveError
from records.archive.manifest import ArchiveManifest, archived, is_node, read, stem_of

NAME = "exchanges/date=2026-11-18/0-a.18c0.parquet"


def listing(*names: str, **fields: object) -> bytes:
    return msgspec.json.encode({"written_at": 1.0, "objects": dict.fromkeys(names, 1), **fields})


def test_a_list_is_read_as_it_was_written() -> None:
    """By name, with sizes."""
    written = ArchiveManifest(1.0, {NAME: 7})
    assert read(msgspec.json.encode(written), "node-1") == written


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "is damaged"),
        (b"\xff\xfe", "is damaged"),
        (listing(format=2), "is of a later version"),
        (listing("../../etc/date=2026-11-18/x.1.parquet"), "names what no archive holds"),
        (listing("exchanges/date=2026-11-18/../../x.1.parquet"), "names what no archive holds"),
        (listing("/etc/passwd"), "names what no archive holds"),
        (listing("exchanges/date=2026-11-18/0-a.parquet\n"), "names what no archive holds"),
    ],
)
def test_a_list_that_is_none_is_refused(content: bytes, said: str) -> None:
    """Damaged, of a later version, or with names that lead out of the directory: nothing of it is fetched."""
    with pytest.raises(ArchiveError, match=said):
        read(content, "node-1")


@pytest.mark.parametrize("name", ["..", ".", "", ".hidden", "a/b", "-", "a" * 200, "n\n"])
def test_a_folder_that_is_no_nodes(name: str) -> None:
    """It is passed over, or its list is refused."""
    assert not is_node(name)
    with pytest.raises(ArchiveError):
        read(listing(NAME), name)


def test_a_file_that_is_written_again_is_another_object(tmp_path: Path) -> None:
    """A forgetting keeps the file's name, and not its content; both are of one stem."""
    path = tmp_path / "exchanges" / "date=2026-11-18" / "0-a.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"anna and bob")
    first = archived(tmp_path, path)
    path.write_bytes(b"bob")
    again = archived(tmp_path, path)
    assert first.name != again.name
    assert stem_of(first.name) == stem_of(again.name) == first.stem == "exchanges/date=2026-11-18/0-a"
    assert read(listing(first.name, again.name), "node-1").objects == {first.name: 1, again.name: 1}
