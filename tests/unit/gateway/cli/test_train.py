"""`crossfade train` up to where a script runs: what is written, and what is refused."""

import ast
import json
from pathlib import Path

import msgspec
import pytest

from gateway.cli.main import main
from gateway.node.datadir import DataDir
from gateway.training import environment
from records.dataset import manifest
from tests.fakes.engine import FakeEngine
from tests.rooms.policy_files import SHORT, written
from tests.rooms.trained import trained
from tests.rooms.training_sets import sorted_messages


def sft(tmp_path: Path, *words: str, dataset: Path | None = None) -> int:
    dataset = dataset or tmp_path / "set"
    return main(
        ["train", "sft", "--dataset", str(dataset), "--base", "org/base", "--out", str(tmp_path / "run"), *words]
    )


def assigned(path: Path) -> dict[str, object]:
    """The settings of a script."""
    body = ast.parse(path.read_text()).body
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper()
        if isinstance(node.value, ast.Constant)
    }


def test_a_script_for_here_names_what_is_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Paths are whole, settings are the user's, and what was edited afterwards stays."""
    sorted_messages(tmp_path / "set", rows=12)
    assert sft(tmp_path, "--write-only", "--set", "epochs=3", "--set", "method=lora") == 0
    script = tmp_path / "run" / "train_sft.py"
    found = assigned(script)
    assert capsys.readouterr().out == f"{script}\n"
    assert (found["DATASET"], found["BASE"], found["OUT"]) == (str(tmp_path / "set"), "org/base", str(tmp_path / "run"))
    assert (found["EPOCHS"], found["METHOD"]) == (3, "lora")
    assert sft(tmp_path, "--write-only", "--set", "epochs=3", "--set", "method=lora", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"start": str(script), "script": str(script)}

    script.write_text("# mine")
    assert sft(tmp_path, "--write-only") == 0
    assert "as you left it" in capsys.readouterr().err
    assert script.read_text() == "# mine"
    assert sft(tmp_path, "--write-only", "--fresh") == 0
    assert assigned(script)["EPOCHS"] == 1.0


def test_a_script_that_says_something_else_is_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """What a second call asks for is done or refused, never dropped: another data set and a setting are named."""
    for name in ("set", "other"):
        sorted_messages(tmp_path / name, rows=12)
    script = tmp_path / "run" / "train_sft.py"
    assert sft(tmp_path, "--write-only", "--set", "epochs=3") == 0
    script.write_text(script.read_text().replace("BATCH = 16", "BATCH = 2 * 4"))
    assert sft(tmp_path, "--write-only", "--set", "epochs=3", "--set", "batch=4") == 0
    capsys.readouterr()
    assert sft(tmp_path, "--write-only", "--set", "epochs=5", dataset=tmp_path / "other") == 1
    told = capsys.readouterr().err
    assert f"dataset = {str(tmp_path / 'set')!r}, not {str(tmp_path / 'other')!r}; epochs = 3, not 5" in told
    assert "--fresh" in told
    assert assigned(script)["EPOCHS"] == 3
    assert sft(tmp_path, "--write-only", "--fresh", "--set", "epochs=5") == 0
    assert assigned(script)["EPOCHS"] == 5


@pytest.mark.parametrize(("on", "file"), [("modal", "modal_app.py"), ("k8s", "job.yaml")])
def test_a_script_for_elsewhere_names_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], on: str, file: str
):
    """The script reads what the container has; nothing runs, and the file that starts it is printed."""
    sorted_messages(tmp_path / "set", rows=12)
    assert sft(tmp_path, "--on", on) == 0
    found = assigned(tmp_path / "run" / "train_sft.py")
    assert capsys.readouterr().out == f"{tmp_path / 'run' / file}\n"
    assert (found["DATASET"], found["BASE"], found["OUT"]) == ("/dataset", "org/base", "/out")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"train_sft.py", "requirements.txt", file}
    assert sft(tmp_path, "--on", on, "--json") == 0
    assert json.loads(capsys.readouterr().out)["start"] == str(tmp_path / "run" / file)
    assert sft(tmp_path, "--on", on, "--dry-run") == 0
    told, said = capsys.readouterr()
    known = json.loads(told)
    assert (known["rows"], known["settings"]["dataset"]) == (12, "/dataset")
    assert "nothing has run" in said
    assert str(tmp_path / "run" / file) in said
    assert "--dry-run" in said


@pytest.mark.usefixtures("data")
def test_what_an_option_says_is_no_setting(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A dataset or a base that came as a setting would be looked at by nobody; in a sweep it would be dropped."""
    dataset = sorted_messages(tmp_path / "set", rows=12)
    for name in ("dataset", "base", "out"):
        assert sft(tmp_path, "--write-only", "--set", f"{name}=elsewhere") == 1
        assert f"hint: --{name}" in capsys.readouterr().err
    words = ["--dataset", str(dataset), "--base", "b", "--out", str(tmp_path / "run"), *asked_by_a_sweep(tmp_path)]
    for more in (["--grid", "out=a,b"], ["--grid", "batch=1,2", "--set", "stop_after=0.5"]):
        assert main(["train", "sweep", *words, "--dry-run", *more]) == 1
        assert "is what a sweep decides itself. hint: --" in capsys.readouterr().err


@pytest.mark.usefixtures("data")
def test_a_sweep_of_rows_that_judge_it_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A dataset of before the set was registered may hold its questions: it is looked at before anything is trained."""
    dataset = sorted_messages(tmp_path / "set", rows=12)
    words = ["--dataset", str(dataset), "--base", "b", "--out", str(tmp_path / "run"), *asked_by_a_sweep(tmp_path)]
    rows = [
        {"messages": [{"role": "user", "content": f"message {n} about a card"}], "expected": "{}"} for n in range(99)
    ]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert main(["eval", "add", str(tmp_path / "own.jsonl"), "--route", "support-triage"]) == 0
    capsys.readouterr()

    assert main(["train", "sweep", *words, "--eval", "own", "--grid", "batch=1,2", "--dry-run"]) == 1

    assert "train.jsonl:1 repeats an evaluation row (own/rows.jsonl:1)" in capsys.readouterr().err


def test_a_base_model_here_is_carried_along(tmp_path: Path):
    """A folder as base is added to the app, and the script reads it where the app puts it."""
    sorted_messages(tmp_path / "set", rows=12)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").touch()
    assert sft(tmp_path, "--on", "modal", "--base", str(tmp_path / "base")) == 0
    assert assigned(tmp_path / "run" / "modal_app.py")["BASE"] == str(tmp_path / "base")
    assert assigned(tmp_path / "run" / "train_sft.py")["BASE"] == "/base"


def test_a_reward_is_what_the_policy_compares_by(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The route's own comparators and their options stand in the script; what asks somebody else is no reward."""
    dataset = sorted_messages(tmp_path / "set", rows=12, shape="trl-grpo")
    (tmp_path / "p.yaml").write_text(SHORT)
    words = ["train", "grpo", "--dataset", str(dataset), "--base", "b", "--out", str(tmp_path / "run"), "--write-only"]
    assert main([*words, "--policy", str(tmp_path / "p.yaml")]) == 0
    script = (tmp_path / "run" / "train_grpo.py").read_text()
    assert "REWARDS = {'json_fields': {'ignore': ['/explanation']" in script
    assert f"FOLDER = {str(tmp_path)!r}" in script
    assert (tmp_path / "run" / "comparators" / "shadow" / "reward.py").exists()

    (tmp_path / "p.yaml").write_text(written(compare="[{judge: {upstream: claude, model: m}}]"))
    assert main([*words, "--policy", str(tmp_path / "p.yaml"), "--fresh"]) == 1
    assert "nothing that scores by itself" in capsys.readouterr().err


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("action", ["sft", "dpo", "grpo", "sweep"])
def test_a_dry_run_installs_nothing(
    action: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """Without the environment it prints what is known, names what is not, and says what would be made and where."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("CROSSFADE_CACHE", str(cache))
    shape = {"sweep": "trl-sft"}.get(action, f"trl-{action}")
    dataset = sorted_messages(tmp_path / "set", rows=12, shape=shape, untouched=3)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").touch()
    words = ["--dataset", str(dataset), "--base", str(tmp_path / "base"), "--out", str(tmp_path / "run"), "--dry-run"]
    if action == "sweep":
        words += [*asked_by_a_sweep(tmp_path), "--grid", "batch=1,2,4"]
        capsys.readouterr()
    assert main(["train", action, *words, "--json"]) == 0
    told, said = capsys.readouterr()

    found = json.loads(told)
    if action == "sweep":
        assert [each["trainings"] for each in found["rounds"]] == [3, 2, 1]
        assert sum(found["questions"].values()) == 100
        assert "time and price are not known" in said
        assert main(["train", action, *words]) == 0
        assert "round 3: 1 training, each up to all of its updates" in capsys.readouterr().out
        assert not (tmp_path / "run").exists()
    else:
        assert (found["rows"], found["validation_rows"], found["settings"]["seed"]) == (12, 3, 0)
        assert "time and cost are measured in the environment for training, which is not there" in said
        assert f"`crossfade train env` does: 2 GB into {environment.folder(cache)}" in said
        (tmp_path / "run" / f"train_{action}.py").write_text("# mine")
        assert main(["train", action, *words]) == 0
        assert json.loads(capsys.readouterr().out)["settings"] is None
    assert not cache.exists()


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("action", ["sft", "dpo", "grpo", "sweep"])
def test_a_base_that_is_a_path_to_nothing_is_refused(
    action: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """Before anything is written or installed, by every way to train: no hub has such a name."""
    monkeypatch.setenv("CROSSFADE_CACHE", str(tmp_path / "cache"))
    shape = {"sweep": "trl-sft"}.get(action, f"trl-{action}")
    dataset = sorted_messages(tmp_path / "set", rows=12, shape=shape)
    words = ["--dataset", str(dataset), "--base", "./nothing", "--out", str(tmp_path / "run")]
    if action == "sweep":
        words += [*asked_by_a_sweep(tmp_path), "--grid", "batch=1,2"]

    assert main(["train", action, *words]) == 1

    assert "--base ./nothing: there is no such folder. hint: " in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "cache").exists()


def test_a_sweep_of_a_setting_that_is_none_is_refused_at_once(
    data: DataDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Not by the first training, once everything is installed."""
    dataset = sorted_messages(tmp_path / "set", rows=12)
    words = ["--dataset", str(dataset), "--base", "b", "--out", str(tmp_path / "run"), *asked_by_a_sweep(tmp_path)]
    assert main(["train", "sweep", *words, "--grid", "learnin_rate=1,2"]) == 1
    assert "no setting learnin_rate. hint: learning_rate" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_another_format_is_refused_with_the_one_it_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Before anything is written or installed."""
    sorted_messages(tmp_path / "set", rows=12, shape="openai-sft")
    assert sft(tmp_path) == 1
    assert "dataset build --format trl-sft" in capsys.readouterr().err
    sorted_messages(tmp_path / "other", rows=12)
    assert sft(tmp_path, "--set", "epochs", dataset=tmp_path / "other") == 1
    assert "--set epochs=…" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("action", ["sft", "dpo", "grpo", "sweep"])
def test_what_was_erased_is_trained_on_by_nothing(action: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Every way to train refuses a dataset that holds erased exchanges, before anything is written or installed."""
    shape = {"sweep": "trl-sft"}.get(action, f"trl-{action}")
    dataset = sorted_messages(tmp_path / "set", rows=12, shape=shape)
    made = manifest.read(dataset)
    manifest.write(dataset, msgspec.structs.replace(made, stale=2))
    words = ["--dataset", str(dataset), "--base", "b", "--out", str(tmp_path / "run")]
    if action == "sweep":
        words += [*asked_by_a_sweep(tmp_path), "--grid", "batch=1,2"]

    assert main(["train", action, *words]) == 1

    said = capsys.readouterr().err
    assert "2 exchanges that were erased" in said
    assert f"dataset build --route bank --format {shape}" in said
    assert not (tmp_path / "run").exists()


def asked_by_a_sweep(folder: Path) -> list[str]:
    """A policy and a labelled evaluation set, and the words that name them."""
    (folder / "p.yaml").write_text(SHORT)
    rows = [{"request": {"messages": [{"role": "user", "content": f"m{n}"}]}, "expected": "{}"} for n in range(100)]
    (folder / "golden.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert main(["eval", "add", str(folder / "golden.jsonl"), "--route", "support-triage", "--name", "golden"]) == 0
    return ["--policy", str(folder / "p.yaml"), "--eval", "golden"]


def test_a_candidate_that_passes_is_written_as_the_next_revision(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """With a fault nothing is written; without one the policy names the revision, and the upstream's key was used."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.yaml").write_text(SHORT)
    (tmp_path / "key").write_text("k\n")
    engine = FakeEngine(model="triage-7b")
    with engine.serving() as address:
        (tmp_path / "crossfade.yaml").write_text(
            "upstreams:\n  openai: {base_url: 'http://127.0.0.1:1/v1', background_key_env: K}\n"
            f"  vllm: {{kind: vllm, base_url: 'http://{address}/v1', api_key_file: key}}\n"
            "prices: {candidate: {vllm: {gpu_usd_per_hour: 3.95}}}\n"
        )
        words = [
            "train",
            "preflight",
            str(trained(tmp_path / "run")),
            "--policy",
            "p.yaml",
            "--revision",
            "r2",
            "--json",
        ]
        engine.say = lambda _: None
        capsys.readouterr()
        assert main(words) == 1
        assert (tmp_path / "p.yaml").read_text() == SHORT
        assert json.loads(capsys.readouterr().out)["revision"] is None
        engine.say = lambda _: "fine"
        capsys.readouterr()
        assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["revision"] == "r2"
    assert (tmp_path / "p.yaml").read_text() == SHORT.replace("2026-11-18", "r2")
    assert {seen["authorization"] for seen in engine.seen} == {"Bearer k"}


def test_a_preflight_of_nothing_says_what_to_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Model and engine come from the options or from the policy; a revision needs a policy to stand in."""
    run = str(trained(tmp_path / "run"))
    for words, meant in (([], "--model"), (["--model", "m"], "--url"), (["--revision", "r"], "--policy")):
        assert main(["train", "preflight", run, *words]) == 1
        assert meant in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--grid", "batch=1,2"], "is not empty"),
        (["--grid", "batch=", "--out", "new"], "--grid batch=: no values"),
        (["--grid", "batch=1", "--out", "new"], "1 configurations"),
        (["--grid", "batch=1,2", "--out", "new"], "golden"),
        (["--grid", "batch=1,2", "--grid", "batch=4", "--out", "new"], "--grid batch stands twice"),
    ],
    ids=["another's folder", "no values", "nothing to choose", "no evaluation set", "a setting twice"],
)
def test_a_sweep_that_cannot_be_is_refused(words: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is trained, with what to do."""
    Path("sweep").mkdir()
    Path("sweep/01").mkdir()
    asked = ["--dataset", "d", "--base", "b", "--out", "sweep", "--policy", "p.yaml", "--eval", "golden", *words]

    assert main(["train", "sweep", *asked]) == 1

    said = capsys.readouterr().err
    assert why in said
    assert "hint:" in said
