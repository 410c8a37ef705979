"""Scripts asked inside the training environment; with the real one: tests/acceptance/test_training.py."""

import json
import sys
from pathlib import Path

import pytest

from gateway.training import environment
from gateway.training.inside_call import TrainingCallError, ask
from gateway.training.token_mask import token_masks
from records.dataset.lesson import Lesson

LESSON = Lesson([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}], frozenset({1}))


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A cache whose environment lacks what the scripts need."""
    folder = environment.folder(tmp_path)
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    (folder / ".made").touch()
    return tmp_path


def test_without_an_environment_it_is_said_how_to_make_one(tmp_path: Path):
    """Nothing is guessed of tokens."""
    with pytest.raises(TrainingCallError, match="crossfade train env"):
        token_masks([LESSON], tmp_path, tmp_path)


def test_what_the_environment_says_is_told_as_it_is(made: Path):
    """An environment without the library, or a folder without a tokenizer, is told by its last words."""
    with pytest.raises(TrainingCallError, match=r"No module named 'transformers'\. hint: name a model's folder"):
        token_masks([LESSON], made / "model", made)


def test_an_answer_is_waited_for_no_longer_than_was_said(made: Path):
    """A script that takes too long is ended."""
    with pytest.raises(TrainingCallError, match=r"no answer in 0\.01 s"):
        ask("token_mask.py", made, [], made, within_s=0.01)


def test_a_script_runs_on_the_gpu_and_with_the_threads_that_its_caller_chose(
    made: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its surroundings are its caller's, but for where modules are: the gateway's are not its own."""
    script = made / "told.py"
    script.write_text("import json, os\nprint(json.dumps(dict(os.environ)))\n")
    chosen = {"CUDA_VISIBLE_DEVICES": "1", "OMP_NUM_THREADS": "3", "PYTHONPATH": "/gateway"}
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)

    told = json.loads(ask(str(script), made, [], made, within_s=60))

    assert {name: told.get(name) for name in chosen} == chosen | {"PYTHONPATH": None}
