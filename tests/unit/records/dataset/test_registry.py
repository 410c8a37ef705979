"""Datasets that were built are remembered, and marked once what they hold is erased."""

from pathlib import Path

from records.dataset import manifest
from records.dataset.manifest import Manifest
from records.dataset.registry import EXCHANGES, FILE, enter, mark_stale


def made(folder: Path, *ids: str) -> Path:
    folder.mkdir()
    told = Manifest(
        dataset_format="trl-sft", route="r", sha256="", files=[], read=1, kept=1, left_out={}, split={}, models={},
        redaction_versions=[], first_id="", last_id="", crossfade="1",
    )  # fmt: skip
    manifest.write(folder, told)
    (folder / EXCHANGES).write_text("\n".join(ids))
    return folder


def test_those_that_hold_it_are_marked(tmp_path: Path):
    """Each by how many it holds, however often it is asked; one that was moved, or a damaged list, stops nothing."""
    records = tmp_path / "records"
    one, two, moved = (made(tmp_path / name, name, "both") for name in ("one", "two", "moved"))
    for folder in (one, one, two, moved):
        enter(records, folder)
    moved.rename(tmp_path / "away")

    assert mark_stale(records, frozenset({"one", "none"})) == [str(one)]
    assert mark_stale(records, frozenset({"one", "both"})) == [str(one), str(two)]
    assert [manifest.read(folder).stale for folder in (one, two)] == [2, 1]
    (records / FILE).write_bytes(b"{")
    assert mark_stale(records, frozenset({"one"})) == []
    enter(records, two)
    assert mark_stale(records, frozenset({"two"})) == [str(two)]
