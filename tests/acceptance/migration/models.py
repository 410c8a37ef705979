"""The two models of the migration, trained once and kept under the hash of what they were made from.

    python -m tests.acceptance.migration.models

Ten minutes on one core of its own; a second run takes a moment. `make vllm` made the environment that trains.
"""

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import clock
from tests.acceptance import vllm_server

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
DATA = ROOT.parent / "shared" / "data"
TRAIN, TEST = DATA / "banking77_train.jsonl.gz", DATA / "banking77_test.jsonl.gz"
KEPT = ROOT / ".cache" / "migration"
INTENTS = 77
NICE = 5
"""Training takes a core for minutes: whoever waits at the terminal goes first."""


@dataclass(frozen=True, slots=True)
class Models:
    """Where the fine-tuned models are, and how they came about."""

    good: Path
    one_epoch: Path
    report: dict[str, Any]
    seconds: float
    cold: bool


def missing(*, serves: bool = True) -> str | None:
    """What stands in the way of training here, with what to do; `serves`: a vLLM is needed, too."""
    if not TRAIN.exists() or not TEST.exists():
        return f"the messages are not there: {TRAIN} (banking77 of PolyAI-LDN/task-specific-datasets, CC BY 4.0)"
    if serves and not vllm_server.is_installed():
        return "vLLM is not set up here: run make vllm"
    return None


def messages(path: Path = TEST) -> list[tuple[str, str]]:
    """Each message with its intent."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [(row["text"], row["intent"]) for row in map(json.loads, lines)]


def first_intents(number: int) -> set[str]:
    """So many of the intents, the first by name."""
    return set(sorted({intent for _, intent in messages(TRAIN)})[:number])


def models(kept: Path = KEPT) -> Models:
    """The models: trained now, or found.

    Raises:
        RuntimeError: training failed; its output is on stderr.
    """
    started = clock.monotonic()
    home = kept / _digest()
    report = home / "report.json"
    cold = not report.exists()
    if cold:
        _train(home)
    return Models(
        home / "final",
        home / "epoch-1",
        json.loads(report.read_text(encoding="utf-8")),
        clock.monotonic() - started,
        cold,
    )


def _train(home: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)
    made = home.with_suffix(".part")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    python = vllm_server.HOME / "env" / "bin" / "python"
    command = ["nice", "-n", str(NICE), python, HERE / "train.py", TRAIN, TEST, made]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as training:
        assert training.stdout is not None
        started = clock.monotonic()
        for line in training.stdout:
            sys.stdout.write(f"{clock.monotonic() - started:6.0f} s  {line}")
            sys.stdout.flush()
    if training.returncode != 0:
        raise RuntimeError(f"training ended with {training.returncode}")
    made.rename(home)


def _digest() -> str:
    parts = [(HERE / "train.py").read_bytes(), TRAIN.read_bytes(), TEST.read_bytes()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def main() -> int:
    """Train or find them; print how they do."""
    if (told := missing()) is not None:
        sys.stdout.write(f"skipped: {told}\n")
        return 0
    found = models()
    sys.stdout.write(f"{'cold' if found.cold else 'warm'}: {found.seconds:.1f} s; {json.dumps(found.report)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
