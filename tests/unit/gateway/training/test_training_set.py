"""What is no dataset to train on is refused, with what to do."""

from pathlib import Path

import msgspec
import pytest

from gateway.training.training_set import check_base, check_dataset, check_untouched
from records.dataset import manifest, registry
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


def test_a_dataset_that_is_not_what_was_built_is_refused(tmp_path: Path):
    """A file that is gone is named; one with another row would make the report say what was never trained on."""
    folder = sorted_messages(tmp_path / "set", rows=3)
    rows = folder / "train.jsonl"
    rows.write_bytes(rows.read_bytes().replace(b"message 0", b"message 9"))
    assert f"{rows} is not what was built" in refusal(folder)

    rows.unlink()
    with pytest.raises(FileNotFoundError, match=r"train\.jsonl"):
        check_dataset(folder, "trl-sft")


def test_what_is_no_model_to_start_from_is_refused(tmp_path: Path):
    """A file and a folder of something else, before anything is installed; a model's folder and a hub's name pass."""
    (tmp_path / "file").touch()
    (tmp_path / "other").mkdir()
    for name in ("file", "other"):
        with pytest.raises(ValueError, match=r"no model is there\. hint: "):
            check_base(str(tmp_path / name))
    (tmp_path / "other" / "config.json").touch()
    check_base(str(tmp_path / "other"))
    check_base("org/base")


def test_what_a_sweep_is_judged_by_is_not_trained_on(tmp_path: Path):
    """A row that repeats an evaluation row is named with it; who was held against the very set is not read again."""
    folder = sorted_messages(tmp_path / "set", rows=3, untouched=1)
    rows = tmp_path / "golden" / "rows.jsonl"
    rows.parent.mkdir()
    rows.write_text('{"text": "something else"}\n')
    check_untouched(folder, check_dataset(folder, "trl-sft"), rows)

    rows.write_text('{"text": "something else"}\n{"text": "Message 1 about a transfer!"}\n')
    made = check_dataset(folder, "trl-sft")
    with pytest.raises(ValueError, match=r"train\.jsonl:2 repeats an evaluation row \(golden/rows\.jsonl:2\)"):
        check_untouched(folder, made, rows)
    held = manifest.file_of(rows, "evaluation", 0)
    check_untouched(folder, msgspec.structs.replace(made, against=[held]), rows)


def test_what_is_no_dataset_is_refused(tmp_path: Path):
    """No folder, a file, a folder of something else, another format, and one without rows to train on."""
    (tmp_path / "file").touch()
    (tmp_path / "other").mkdir()
    folder = sorted_messages(tmp_path / "set", rows=3)

    for name in ("none", "file", "other"):
        assert "no dataset of ours" in refusal(tmp_path / name)
    assert "--format trl-dpo" in refusal(folder, "trl-dpo")
    about = folder / "manifest.json"
    about.write_text(about.read_text().replace('"split":"train"', '"split":"validation"'))
    assert "nothing to train on" in refusal(folder)
