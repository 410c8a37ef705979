"""Recipes with the user's settings in them."""

import ast
import io
import os
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from gateway.training.render import (
    RECIPES,
    contradictions,
    job,
    names,
    rendered,
    settings_in,
    value,
    write,
    write_comparators,
)
from tests.rooms.waiting import await_true

SCRIPTS = sorted(path.name for path in RECIPES.glob("*.py"))
TRAINING = [name for name in SCRIPTS if name.startswith("train_")]
LONGEST_LINES = 300


@pytest.mark.parametrize("recipe", SCRIPTS)
def test_a_script_is_short_and_imports_nothing_of_ours(recipe: str):
    """A script that users own is readable in one go, is Python, and stands without ours, but for the reward."""
    text = rendered(recipe, {})
    tree = ast.parse(text)
    imported = {
        name if name == "shadow.reward" else name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not imported & {"gateway", "records", "shadow", "policies", "tests"}
    assert len(text.splitlines()) <= LONGEST_LINES
    assert ast.get_docstring(tree)


OTHERS: dict[type, object] = {bool: False, int: 7, float: 2, type(None): 3}
WORDS: dict[str, object] = {"METHOD": "lora"}


@pytest.mark.parametrize("recipe", SCRIPTS)
def test_every_setting_can_be_set(recipe: str):
    """Each name of the block gets its value there, and nothing else changes."""
    held = settings_in((RECIPES / recipe).read_text("utf-8"))
    settings = {name: WORDS.get(name, OTHERS.get(type(held.get(name)), f"it's {name}")) for name in names(recipe)}
    scope = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(rendered(recipe, settings)).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in settings
    }
    assert scope == settings
    assert rendered(recipe, {}) == (RECIPES / recipe).read_text("utf-8")


def test_a_job_names_its_own_script():
    """The manifest is YAML, runs the script of its recipe, and asks for nothing that a hardened cluster refuses."""
    claim, made = yaml.safe_load_all(job("dpo", "torch==2.13.0"))
    pod = made["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounted = {each["mountPath"] for each in container["volumeMounts"]}

    assert (claim["kind"], made["kind"], made["metadata"]["name"]) == ("PersistentVolumeClaim", "Job", "train-dpo")
    assert "/script/train_dpo.py" in container["args"][0]
    assert "install --quiet torch==2.13.0" in container["args"][0]
    assert {"/dataset", "/base", "/out", "/script"} <= mounted
    assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}
    assert pod["securityContext"]["runAsNonRoot"]
    assert not container["securityContext"]["allowPrivilegeEscalation"]


def test_a_setting_that_there_is_not_is_refused():
    """With the one that was probably meant."""
    with pytest.raises(ValueError, match="hint: epochs"):
        rendered("train_sft.py", {"EPOCH": 1})


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("EPOCHS", "many"),
        ("EPOCHS", None),
        ("EPOCHS", True),
        ("BATCH", 2.5),
        ("BATCH", "8"),
        ("MERGE", "no"),
        ("LEARNING_RATE", "nan"),
        ("LEARNING_RATE", True),
        ("MAX_LENGTH", "long"),
    ],
)
def test_a_value_of_another_kind_is_refused(name: str, wanted: object):
    """Before it stands in a script that fails on it after the environment was made."""
    with pytest.raises(ValueError, match=rf"{name.lower()} = .*: of another kind. hint: such as "):
        rendered("train_sft.py", {name: wanted})


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("EPOCHS", -1),
        ("EPOCHS", float("inf")),
        ("LEARNING_RATE", float("inf")),
        ("LEARNING_RATE", -1e-4),
        ("BATCH", 0),
        ("SAVE_STEPS", 0),
        ("SEED", -1),
        ("METHOD", "qlora"),
        ("METHOD", 1),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(name: str, wanted: object):
    """A number without an end would be no Python in the script, and another method would train all weights unseen."""
    with pytest.raises(ValueError, match=rf"{name.lower()} = .*: (out of range|there is no such). hint: "):
        rendered("train_sft.py", {name: wanted})
    assert "SEED = 0" in rendered("train_sft.py", {"SEED": 0})


@pytest.mark.parametrize(
    ("text", "found"), [("3e-4", 3e-4), ("lora", "lora"), ("None", None), ("True", True), ("", "")]
)
def test_values_of_a_command_line(text: str, found: object):
    """Python's literals are what they are; anything else is text."""
    assert value(text) == found


def test_a_reward_comes_with_all_it_is_made_of(tmp_path: Path):
    """The copied packages alone make a reward: nothing of the gateway is needed where a model is trained."""
    write_comparators(tmp_path)
    code = "import shadow.reward; print(shadow.reward.make_reward('json_fields').__name__, shadow.__path__[0])"
    told = {"PYTHONPATH": str(tmp_path / "comparators")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=told, cwd=tmp_path
    )
    assert done.stdout.split() == ["json_fields", str(tmp_path / "comparators" / "shadow")]
    assert {path.name for path in (tmp_path / "comparators").iterdir()} == {"policies", "records", "shadow"}


def test_a_script_is_held_against_what_is_asked_for():
    """Literals are compared as values; what is computed, or is no setting, contradicts nothing."""
    script = rendered("train_sft.py", {"EPOCHS": 3.0, "METHOD": "lora"}).replace("BATCH = 16", "BATCH = 2 * 8")
    assert contradictions(script, {"EPOCHS": 3, "METHOD": "lora", "BATCH": 4}) == []
    assert contradictions(script, {"EPOCHS": 5, "METHOD": "full"}) == [
        "epochs = 3.0, not 5",
        "method = 'lora', not 'full'",
    ]


def test_a_script_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A disk that is full leaves no half of one, which the next call would take for the user's own and run."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write(tmp_path / "run", "a.py", "1")
    assert not (tmp_path / "run" / "a.py").exists()


def test_what_the_user_edited_stays(tmp_path: Path):
    """A file that is another already is kept and said to be; only `fresh` writes over it."""
    assert write(tmp_path / "run", "a.py", "1")
    assert write(tmp_path / "run", "a.py", "1")
    (tmp_path / "run" / "a.py").write_text("2")
    assert not write(tmp_path / "run", "a.py", "1")
    assert (tmp_path / "run" / "a.py").read_text() == "2"
    assert write(tmp_path / "run", "a.py", "1", fresh=True)
    assert (tmp_path / "run" / "a.py").read_text() == "1"


def progress_of(recipe: str, stderr: io.StringIO) -> Any:
    """What a script says how far it is with, without torch, and saying so all the time; bars are off already."""
    text = rendered(recipe, {})
    assert '"disable_tqdm": True' in text
    (found,) = (node for node in ast.parse(text).body if isinstance(node, ast.ClassDef) and node.name == "Progress")
    bars = list[str]()
    known: dict[str, Any] = {
        "TrainerCallback": object, "Any": Any, "threading": threading, "time": time, "timedelta": timedelta,
        "sys": SimpleNamespace(stderr=stderr), "TOLD_S": 0.001,
        "disable_progress_bars": lambda: bars.append("datasets"),
        "logging": SimpleNamespace(disable_progress_bar=lambda: bars.append("transformers")),
    }  # fmt: skip
    exec(compile(ast.Module([found], []), recipe, "exec"), known)  # noqa: S102 -- our own recipe
    made = known["Progress"]()
    assert bars == ["datasets", "transformers"]
    return made


@pytest.mark.parametrize("recipe", TRAINING)
def test_a_training_that_takes_long_says_how_far_it_is(recipe: str):
    """Line by line, whatever it is at: a terminal and a pipe are told alike, and nobody takes it for dead."""
    stderr = io.StringIO()
    progress = progress_of(recipe, stderr)

    def is_told(*words: str) -> bool:
        return any(all(word in line for word in words) for line in stderr.getvalue().splitlines())

    await_true(lambda: is_told(" s  reading the model and the dataset"), "it is told before anything is trained")
    progress.at("training")
    for step in (41, 42):  # it goes on from a checkpoint
        progress.on_log(None, SimpleNamespace(global_step=step, max_steps=97), None, {"loss": 0.5321, "reward": -0.25})
    await_true(
        lambda: is_told("training, step 42 of 97, loss 0.5321, reward -0.2500, 0:00:", " left"), "step, loss, time left"
    )
    progress.at("saving")
    await_true(lambda: stderr.getvalue().endswith(" s  saving\n"), "what comes after the steps is told as such")
    assert "\r" not in stderr.getvalue()
    progress.over.set()


def test_training_scripts_tell_alike():
    """What stands in each of them, since each is its user's own, is one text."""
    told = {ast.unparse(node) for recipe in TRAINING for node in ast.parse(rendered(recipe, {})).body
            if isinstance(node, ast.ClassDef) and node.name == "Progress"}  # fmt: skip
    assert len(told) == 1
