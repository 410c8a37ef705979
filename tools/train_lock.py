"""Lock what training scripts need: `gateway/training/train.in` into `train.lock`, with hashes, without torch.

    python tools/train_lock.py

Torch and what only its builds ask for (CUDA's libraries, triton) are left out: which build a machine needs is its own.
"""

import re
import subprocess
import sys
from pathlib import Path

from gateway.training.environment import TORCH

HOME = Path(__file__).parents[1] / "gateway" / "training"
OWN_BUILD = re.compile(r"^(torch|triton|nvidia-[a-z0-9-]+|cuda-[a-z]+)==", re.MULTILINE)


def main() -> None:
    """Resolve all of it, then write the lock without what torch's builds bring."""
    wanted = (HOME / "train.in").read_text("utf-8") + f"{TORCH}\n"
    left_out = [word for name in OWN_BUILD.findall(_locked(wanted, ())) for word in ("--no-emit-package", name)]
    head = "# Made by tools/train_lock.py from train.in; torch comes by itself.\n"
    (HOME / "train.lock").write_text(head + _locked(wanted, left_out), encoding="utf-8")


def _locked(wanted: str, words: list[str] | tuple[()]) -> str:
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes"]
    command += ["--no-header", "--no-annotate", *words, "-"]
    done = subprocess.run(command, input=wanted, capture_output=True, text=True, check=True)
    return done.stdout


if __name__ == "__main__":
    main()
