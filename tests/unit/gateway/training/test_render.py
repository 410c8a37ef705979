"""Recipes with the user's settings in them."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gateway.training.render import RECIPES, contradictions, job, names, rendered, value, write, write_comparators

SCRIPTS = sorted(path.name for path in RECIPES.glob("*.py"))
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


@pytest.mark.parametrize("recipe", SCRIPTS)
def test_every_setting_can_be_set(recipe: str):
    """Each name of the block gets its value there, and nothing else changes."""
    settings = {name: f"it's {name}" for name in names(recipe)}
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


def test_what_the_user_edited_stays(tmp_path: Path):
    """A file that is another already is kept and said to be; only `fresh` writes over it."""
    assert write(tmp_path / "run", "a.py", "1")
    assert write(tmp_path / "run", "a.py", "1")
    (tmp_path / "run" / "a.py").write_text("2")
    assert not write(tmp_path / "run", "a.py", "1")
    assert (tmp_path / "run" / "a.py").read_text() == "2"
    assert write(tmp_path / "run", "a.py", "1", fresh=True)
    assert (tmp_path / "run" / "a.py").read_text() == "1"
