"""What is no dataset to train on is refused, with what to do."""

from pathlib import Path

import pytest

from gateway.training.training_set import check_dataset
from records.dataset import registry
from tests.rooms.training_sets import sorted_messages


def refusal(folder: Path, wanted: str = "trl-sft") -> str:
    with pytest.raises(ValueError, match="hint: ") as refused:
        check_dataset(folder, wanted)
    return str(refused.value)


def test_a_dataset_that_holds_what_was_erased_is_refused(tmp_path: Path):
    """Marked by a forgetting it is refused, with how many and what to build again; until then it passes."""
    folder = sorted_messages(tmp_path / "set", rows=3)
    (folder / registry.EXCHANGES).write_text("a\nb\nc\n")
    registry.enter(tmp_path / "records", folder)
    assert check_dataset(folder, "trl-sft").stale == 0

    registry.mark_stale(tmp_path / "records", frozenset({"a", "c", "elsewhere"}))

    assert "2 exchanges that were erased" in refusal(folder)
    assert "dataset build --route bank --format trl-sft" in refusal(folder)


def test_what_is_no_dataset_is_refused(tmp_path: Path):
    """No folder, a file, a folder of something else, another format, and one without rows to train on."""
    (tmp_path / "file").touch()
    (tmp_path / "other").mkdir()
    folder = sorted_messages(tmp_path / "set", rows=3)

    for name in ("none", "file", "other"):
        assert "no dataset of ours" in refusal(tmp_path / name)
    assert "--format trl-dpo" in refusal(folder, "trl-dpo")
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"split":"train"', '"split":"validation"'))
    assert "nothing to train on" in refusal(folder)
