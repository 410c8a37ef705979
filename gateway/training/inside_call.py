"""Asks a script that runs inside the training environment: JSON in, JSON out, within a bound."""

import os
import subprocess
from pathlib import Path

import msgspec

from gateway.training import environment

FOLDER = Path(__file__).parent / "inside"


class TrainingCallError(Exception):
    """The training environment did not answer; the message says why and what to do."""


def ask(script: str, model: Path, asked: object, cache: Path, *, within_s: float) -> bytes:
    """What the script says of a model's folder: JSON.

    Raises:
        TrainingCallError: there is no environment, the script failed, or it took too long.
    """
    python = environment.ready(cache)
    if python is None:
        raise TrainingCallError("no environment for models here. hint: crossfade train env makes it")
    try:
        done = subprocess.run(  # noqa: S603 -- our own words
            [str(python), str(FOLDER / script), str(model)],
            input=msgspec.json.encode(asked),
            capture_output=True,
            check=False,
            timeout=within_s,
            env=_surroundings() | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
        )
    except subprocess.TimeoutExpired as error:
        raise TrainingCallError(f"{model}: no answer in {within_s:g} s. hint: is this machine busy?") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no word"]
        raise TrainingCallError(f"{model}: {said[-1]}. hint: name a model's folder, with its chat template")
    return done.stdout


def _surroundings() -> dict[str, str]:
    """The caller's, which say on which GPU and with how many threads; modules are those of its own environment."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
