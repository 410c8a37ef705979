"""The training scripts, run: with the real TRL, in the environment that `crossfade train env` makes.

`make train-env` sets it up (and `make vllm` the engine); without it these tests say so and are left out.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.main import main
from gateway.training import environment
from gateway.training.preflight import Engine, preflight
from gateway.training.render import RECIPES
from gateway.training.token_mask import token_masks
from records.dataset.formats import format_named
from records.dataset.manifest import read
from tests.acceptance import vllm_server
from tests.acceptance.vllm_server import VllmServer
from tests.rooms.training_sets import sorted_messages

CACHE = vllm_server.HOME.parent
PYTHON = environment.ready(CACHE)
TINY_BASE = Path(__file__).parents[2] / "tools" / "tiny_base.py"
POLICY = """\
route: bank
match: {model: gpt-4o}
baseline: {upstream: openai}
candidate: {upstream: vllm, model: bank, revision: "1"}
compare: [json_fields]
stages: [shadow, 5%]
"""
needs_training = pytest.mark.skipif(PYTHON is None, reason="no environment for training here: make train-env")
needs_vllm = pytest.mark.skipif(not vllm_server.is_installed(), reason="no vLLM is set up here: make vllm")
pytestmark = [pytest.mark.slow, needs_training]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model that knows nothing, of the dataset's words."""
    folder = tmp_path_factory.mktemp("base")
    dataset = sorted_messages(folder / "set", rows=48)
    subprocess.run([str(PYTHON), TINY_BASE, dataset, folder / "model"], check=True, env=surroundings())
    return folder


@pytest.fixture(scope="module")
def trained(base: Path) -> Iterator[Path]:
    """What `crossfade train sft` leaves."""
    out = base / "run"
    assert train(base, out, "save_steps=1", "epochs=2.0") == 0
    yield out


def surroundings() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CROSSFADE_CACHE": str(CACHE)}


def train(
    base: Path,
    out: Path,
    *settings: str,
    words: tuple[str, ...] = (),
    action: str = "sft",
    dataset: Path | None = None,
) -> int:
    """`crossfade train`, as a person says it."""
    os.environ.update(surroundings())
    chosen = [word for setting in settings for word in ("--set", setting)]
    paths = ["--dataset", str(dataset or base / "set"), "--base", str(base / "model"), "--out", str(out)]
    return main(["train", action, *paths, *chosen, *words])


def report(out: Path) -> dict[str, Any]:
    return json.loads((out / "report.json").read_text())


def test_a_script_trains_and_leaves_a_model(trained: Path):
    """Loss falls on the answers alone, every setting and count is reported, and model and prompts are there."""
    told = report(trained)

    assert told["rows"] == 48
    assert 0 < told["learned_tokens"] < told["tokens"]
    assert told["settings"]["learning_rate"] == 2e-5
    assert told["result"]["updates"] == told["updates"] == 6
    assert (trained / "model" / "model.safetensors").exists()
    assert len((trained / "prompts.jsonl").read_text().splitlines()) == 48


def test_what_is_learned_ends_with_the_end(trained: Path):
    """The learned tokens of a row are its answer and the token that ends it; the prompt's are kept as it was asked."""
    prompt = json.loads((trained / "prompts.jsonl").read_text().splitlines()[0])

    assert prompt["text"] == "<|user|>message 0 about a card<|assistant|>"
    assert prompt["messages"][0]["role"] == "system"


def test_the_tokens_that_inspect_shows_are_those_that_are_learned(base: Path, trained: Path):
    """By the model's own tokenizer and template: the answer with its end, as many tokens as the training learned."""
    made = read(base / "set")
    line = (base / "set" / made.files[0].name).read_bytes().splitlines()[0]
    lessons = list(format_named("trl-sft").lessons(json.loads(line)))
    (tokens,) = token_masks(lessons, trained / "model", CACHE)

    assert "".join(text for text, learned in tokens if learned).endswith("</s>")
    assert "".join(text for text, learned in tokens if not learned) == "<|user|>message 0 about a card<|assistant|>"


def test_a_sweep_chooses_by_the_routes_own_evaluation(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A learning rate that learns nothing is stopped after the first round; the other is trained on to its end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROSSFADE_CACHE", str(CACHE))
    topics = ("card", "transfer", "account balance")
    rows = [
        {"request": {"messages": [{"role": "user", "content": f"message {number} about a {topics[number % 3]}"}]},
         "expected": json.dumps({"intent": topics[number % 3]})}
        for number in range(100, 220)
    ]  # fmt: skip
    (tmp_path / "golden.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "policy.yaml").write_text(POLICY)
    assert main(["eval", "add", "golden.jsonl", "--route", "bank"]) == 0
    words = ["--dataset", str(base / "set"), "--base", str(base / "model"), "--out", "sweep", "--policy", "policy.yaml"]
    grid = ["--eval", "golden", "--grid", "learning_rate=1e-9,5e-3", "--set", "epochs=30.0", "--rounds", "2"]
    capsys.readouterr()

    assert main(["train", "sweep", *words, *grid, "--json"]) == 0

    said = json.loads(capsys.readouterr().out)
    first, last = said["rounds"]
    assert [one["config"]["learning_rate"] for one in first] == [5e-3, 1e-9]
    assert [(one["number"], one["share"]) for one in last] == [(2, 1.0)]
    assert said["tuned"] > said["base"]
    assert report(tmp_path / "sweep" / "02")["result"]["resumed_from"].endswith("checkpoint-45")
    assert (tmp_path / said["folder"] / "model" / "model.safetensors").exists()


def test_a_training_that_was_cut_off_goes_on(base: Path, trained: Path):
    """Started again, it resumes from the last checkpoint, and takes no more updates than were wanted."""
    (trained / "report.json").unlink()
    assert train(base, trained, "save_steps=1", "epochs=2.0") == 0
    assert report(trained)["result"]["resumed_from"].endswith("checkpoint-6")


def test_a_dry_run_trains_nothing(base: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """It tells rows, tokens, time and money, and leaves no model."""
    assert train(base, tmp_path / "dry", "usd_per_hour=3600.0", words=("--dry-run",)) == 0
    out = capfd.readouterr().out
    told = json.loads(out[out.index("{\n") :])

    assert told["rows"] == 48
    assert told["estimated_usd"] > 0
    assert not (tmp_path / "dry" / "model").exists()
    assert list((tmp_path / "dry" / "checkpoints").iterdir()) == []


def test_rows_that_are_too_long_are_left_out_and_told(
    base: Path, trained: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    """A setting of the longest row cuts no answer: a row is whole, or it is counted."""
    shorter = report(trained)["longest_row_tokens"] - 1
    assert train(base, tmp_path / "dry", f"max_length={shorter}", words=("--dry-run",)) == 0
    out = capfd.readouterr().out
    told = json.loads(out[out.index("{\n") :])

    assert told["rows_too_long"] > 0
    assert told["rows"] + told["rows_too_long"] == 48


def test_an_adapter_is_one_that_vllm_takes(base: Path, tmp_path: Path):
    """What the script makes of `lora` passes the preflight's own check; merged, it is a whole model."""
    assert train(base, tmp_path / "adapter", "method=lora", "merge=False", "epochs=0.1") == 0
    assert train(base, tmp_path / "merged", "method=lora", "epochs=0.1") == 0
    (check, *_) = preflight(tmp_path / "adapter", Engine("http://h/v1", "m", {}, replicas=("127.0.0.1:1",)))

    assert (check.name, check.faults) == ("adapter", ())
    assert (tmp_path / "merged" / "model" / "model.safetensors").exists()


def test_preferences_are_learned(base: Path, tmp_path: Path):
    """`crossfade train dpo` leaves a model to which the better answers of untouched pairs are likelier than before.

    That they are told apart is not enough: both may become unlikely, and the model says a third thing.
    """
    dataset = sorted_messages(tmp_path / "set", rows=24, shape="trl-dpo", untouched=6)
    settings = ("epochs=4.0", "learning_rate=1e-3", "save_steps=100")
    assert train(base, tmp_path / "run", *settings, action="dpo", dataset=dataset) == 0
    told = report(tmp_path / "run")

    assert told["pairs"] == 24
    assert told["result"]["updates"] == 12
    assert told["result"]["rewards/accuracies"] == 1.0
    assert told["result"]["rewards/chosen"] > 0
    assert (tmp_path / "run" / "model" / "model.safetensors").exists()


def test_a_comparator_is_the_reward(base: Path, tmp_path: Path):
    """`crossfade train grpo` runs on the CPU without vLLM, with the route's comparator as its reward."""
    dataset = sorted_messages(tmp_path / "set", rows=16, shape="trl-grpo")
    settings = (
        "updates=2",
        "generations=4",
        "prompts_per_update=2",
        "max_completion_length=8",
        "rewards={'exact': {}}",
    )
    assert train(base, tmp_path / "run", *settings, action="grpo", dataset=dataset) == 0
    told = report(tmp_path / "run")

    assert told["answers"] == 16
    assert -1.0 <= told["smoke_reward"] <= 0.0
    assert told["result"]["updates"] == 2
    assert (tmp_path / "run" / "model" / "model.safetensors").exists()


@needs_vllm
def test_a_real_engine_serves_what_was_trained(base: Path, tmp_path: Path):
    """The engine makes the same tokens of every prompt; with another chat template the preflight says so.

    Trained until it answers: one that knows nothing says its last token again, which is none that an answer shows.
    """
    trained = tmp_path / "run"
    assert train(base, trained, "learning_rate=5e-3", "epochs=20.0", "save_steps=100") == 0
    with VllmServer(tmp_path / "vllm.log", model=trained / "model", name="tuned", options="") as server:
        server.start()
        found = list(preflight(trained, Engine(server.base_url, "tuned", {})))
    assert [(check.name, check.faults) for check in found] == [("model", ()), ("template", ()), ("answers", ())]

    template = tmp_path / "other.jinja"
    template.write_text("{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %} {% endif %}")
    options = f"--chat-template {template}"
    with VllmServer(tmp_path / "other.log", model=trained / "model", name="tuned", options=options) as server:
        server.start()
        found = list(preflight(trained, Engine(server.base_url, "tuned", {})))
    faults = {check.name: check.faults for check in found if check.faults}
    assert len(faults["template"]) == 48


def test_the_scripts_are_typed_against_what_is_installed(tmp_path: Path):
    """Every name that a script uses of TRL, transformers and peft is there, with these arguments."""
    for script in RECIPES.glob("train_*.py"):
        (tmp_path / script.name).write_bytes(script.read_bytes())
    settings: dict[str, object] = {"pythonVersion": "3.11", "typeCheckingMode": "basic"}
    settings |= {"extraPaths": [str(RECIPES.parents[2])], "reportPrivateImportUsage": "none"}  # TRL loads lazily
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    pyright = Path(sys.executable).with_name("pyright")
    words = [pyright, "--project", tmp_path, "--pythonpath", str(PYTHON), "--outputjson"]
    told = json.loads(subprocess.run(words, capture_output=True, text=True, check=False).stdout)
    assert told["summary"]["filesAnalyzed"] == 3
    assert told["generalDiagnostics"] == []
