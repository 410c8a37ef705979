"""What the circle is made of: commands of `crossfade`, each in a folder of its own, and a base model."""

import os
import subprocess
import sys
from pathlib import Path

from gateway.training import environment
from tests.acceptance import vllm_server
from tests.acceptance.migration.models import ROOT
from tests.acceptance.migration.watching import StuckError

CACHE = vllm_server.HOME.parent
LONGEST_S = 1800.0
"""The longest command: training, on a machine that others use, too."""


def crossfade(folder: Path, *words: str | Path) -> str:
    """What a command printed in this folder.

    Raises:
        StuckError: it was refused, failed, or was not done in time.
    """
    name = " ".join(map(str, words[:2]))
    sys.stdout.write(f"$ crossfade {' '.join(map(str, words))}\n")
    sys.stdout.flush()
    command = [sys.executable, "-m", "gateway.cli.main", *map(str, words)]
    told = os.environ | {
        "PYTHONPATH": str(ROOT), "CROSSFADE_CACHE": str(CACHE), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1",
        "TQDM_DISABLE": "1",
    }  # fmt: skip
    try:
        done = subprocess.run(
            command, cwd=folder, env=told, stdout=subprocess.PIPE, text=True, check=False, timeout=LONGEST_S
        )
    except subprocess.TimeoutExpired as error:
        raise StuckError(f"crossfade {name} was not done in {LONGEST_S:.0f} s") from error
    if done.returncode:
        raise StuckError(f"crossfade {name} was refused: {done.stdout[-500:]}")
    return done.stdout


def make_base(dataset: Path, target: Path) -> None:
    """A base model of two million parameters that knows nothing but the dataset's words, as `tiny_base.py` says."""
    python = str(environment.ready(CACHE))
    script = ROOT / "tools" / "tiny_base.py"
    told = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([python, script, dataset, target], check=True, env=told, timeout=LONGEST_S)
