"""What the circle is made of: commands of `crossfade`, each in a folder of its own, and a base model."""

import os
import subprocess
import sys
from pathlib import Path

from gateway.training import environment
from tests.acceptance import vllm_server
from tests.acceptance.migration.models import ROOT
from tests.acceptance.migration.watching import StuckError
from tools import smollm2

CACHE = vllm_server.HOME.parent
UNPACKED = smollm2.made(CACHE / "smollm2")
LONGEST_S = 1800.0
"""The longest command: training, on a machine that others use, too."""


def crossfade(folder: Path, *words: str | Path, threads: int = 1, within_s: float = LONGEST_S) -> str:
    """What a command printed in this folder. `threads`: of its arithmetic.

    Raises:
        StuckError: it was refused, failed, or was not done in time.
    """
    name = " ".join(map(str, words[:2]))
    sys.stdout.write(f"$ crossfade {' '.join(map(str, words))}\n")
    sys.stdout.flush()
    command = [sys.executable, "-m", "gateway.cli.main", *map(str, words)]
    told = os.environ | {
        "PYTHONPATH": str(ROOT), "CROSSFADE_CACHE": str(CACHE), "OMP_NUM_THREADS": str(threads),
        "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1",
    }  # fmt: skip
    try:
        done = subprocess.run(
            command, cwd=folder, env=told, stdout=subprocess.PIPE, text=True, check=False, timeout=within_s
        )
    except subprocess.TimeoutExpired as error:
        raise StuckError(f"crossfade {name} was not done in {within_s:.0f} s") from error
    if done.returncode:
        raise StuckError(f"crossfade {name} was refused: {done.stdout[-500:]}")
    return done.stdout


def make_base(dataset: Path, target: Path) -> Path:
    """A base model of two million parameters that knows nothing but the dataset's words, as `tiny_base.py` says."""
    python = str(environment.ready(CACHE))
    script = ROOT / "tools" / "tiny_base.py"
    told = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([python, script, dataset, target], check=True, env=told, timeout=LONGEST_S)
    return target


def unpacked_base(_dataset: Path, _target: Path) -> Path:
    """SmolLM2 of 135 million parameters, which knows English whatever the dataset says: `make smollm2` unpacked it."""
    return UNPACKED
