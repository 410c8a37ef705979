"""Which kept training a run of the loop takes, and which it refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from records.dataset.build import Wanted as Built
from records.dataset.build import build
from records.store import Store
from tests.acceptance.migration import wanted
from tests.acceptance.migration.kept import DATA, DATASETS, REVISION, RUNS, KeptError, Trained
from tests.acceptance.migration.wanted import Wanted
from tests.fakes.exchanges import AT
from tests.rooms.stored_records import PEPPER, keep, record

SETTINGS = {"epochs": 1.0, "batch": 16}


def dataset(folder: Path, numbers: range, *, latest_first: bool = False) -> Path:
    """One of these questions, each asked a second after the one before."""
    store = Store(folder / "records")
    asked = [
        record(number, route="banking", why="assigned", at=AT + (-number if latest_first else number))
        for number in numbers
    ]
    keep(store, "a", *asked)
    return build(store, Built("banking", "trl-sft", validation_ppm=0), folder / DATASETS)[0]


def kept(folder: Path, numbers: range = range(20)) -> Path:
    """A folder as a run leaves it."""
    made = dataset(folder, numbers)
    run = folder / RUNS / REVISION
    (run / "model").mkdir(parents=True)
    for name in ("model/config.json", "model/model.safetensors", "prompts.jsonl"):
        (run / name).write_text("{}", encoding="utf-8")
    settings = SETTINGS | {"dataset": f"/gone/{made.name}"}
    (run / "report.json").write_text(json.dumps({"settings": settings, "rows": 20}), encoding="utf-8")
    (folder / DATA).mkdir()
    (folder / DATA / "pepper").write_text(f"{PEPPER.hex()}\n", encoding="ascii")
    return folder


def test_a_training_is_taken_whose_rows_are_this_runs_in_whatever_order(tmp_path: Path):
    """Records are in order of time, so two runs have two hashes; what they teach has to be the same."""
    found = Trained.of(kept(tmp_path / "kept"))
    mine = dataset(tmp_path / "mine", range(20), latest_first=True)
    assert mine.name != found.dataset.name
    found.refuse_others(mine, SETTINGS)
    assert (found.pepper, found.report["rows"]) == (PEPPER, 20)


def test_a_training_of_other_rows_is_refused_and_both_datasets_are_named(tmp_path: Path):
    """What differs is told, too: a model of other data would be shown as one of these."""
    found, mine = Trained.of(kept(tmp_path / "kept")), dataset(tmp_path / "mine", range(5, 22))
    with pytest.raises(KeptError, match="2 prompts are new, 5 are gone") as refused:
        found.refuse_others(mine, SETTINGS)
    assert found.dataset.name in str(refused.value)
    assert mine.name in str(refused.value)


def test_a_training_with_other_settings_is_refused(tmp_path: Path):
    """The run's own settings are what it is shown under."""
    found = Trained.of(kept(tmp_path / "kept"))
    with pytest.raises(KeptError, match=r"trained with epochs 1.0, not 2.0"):
        found.refuse_others(found.dataset, SETTINGS | {"epochs": 2.0})


def edited(folder: Path) -> None:
    """One row fewer than was trained on."""
    (path,) = folder.glob(f"{DATASETS}/*/train.jsonl")
    path.write_text("".join(path.read_text("utf-8").splitlines(keepends=True)[1:]), encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda folder: (folder / RUNS / REVISION / "report.json").unlink(), "no folder with a training"),
        (lambda folder: (folder / RUNS / REVISION / "report.json").write_text("{}"), "no folder with a training"),
        (lambda folder: (folder / RUNS / REVISION / "report.json").write_text("[]"), "no folder with a training"),
        (lambda folder: (folder / DATA / "pepper").unlink(), "no folder with a training"),
        (lambda folder: (folder / RUNS / REVISION / "prompts.jsonl").unlink(), "has no prompts.jsonl"),
        (lambda folder: (folder / RUNS / REVISION / "model" / "model.safetensors").unlink(), "has no model/model"),
        (edited, "no longer what was trained on"),
    ],
    ids=["no report", "an empty report", "a report that is a list", "no pepper", "no prompts", "no model", "edited"],
)
def test_a_folder_that_holds_no_whole_training_is_refused(tmp_path: Path, spoil: Callable[[Path], object], what: str):
    """It is said at once, before any traffic, with what to do."""
    folder = kept(tmp_path / "kept")
    spoil(folder)
    with pytest.raises(KeptError, match=what) as refused:
        Trained.of(folder)
    assert "hint: " in str(refused.value)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path):
    """Nothing is made of it."""
    with pytest.raises(KeptError, match="no folder with a training"):
        Trained.of(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_a_kept_run_stays_and_another_does_not(tmp_path: Path):
    """The folder that is to be kept is new; without it the run's folder goes with the run."""
    with Wanted.of(["--keep", str(tmp_path / "new")]).folder() as found:
        (found / "report.json").touch()
    assert (tmp_path / "new" / "report.json").exists()
    with pytest.raises(KeptError, match="something is in it"), Wanted.of(["--keep", str(tmp_path / "new")]).folder():
        pass
    with Wanted.of([]).folder() as found:
        assert found.is_dir()
    assert not found.exists()


def test_what_the_command_line_does_not_say_is_the_sizes_own():
    """Each option changes one thing of the size that was asked for."""
    found = Wanted.of(["--small", "--no-corrections", "--act", "5", "--trained", "there"])
    assert (found.size.corrected, found.size.act_s, found.trained) == (0.0, 5.0, Path("there"))
    assert found.size.intents == wanted.SMALL.intents
    assert Wanted.of([]).size == wanted.SMOLLM2
