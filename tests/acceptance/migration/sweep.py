"""A sweep of eight ways to fine-tune a small model: `make sweep` prints both rankings of each round, and the winner.

    python -m tests.acceptance.migration.sweep [--intents N] [--epochs N] [--jobs N]

The bank's messages come as a fine-tuning file of OpenAI's, are imported as records, and make the dataset; its test
messages are the registered evaluation set. `crossfade train sweep` does the rest: the poor half stops early, twice,
and the route's own comparator chooses. 1: the winner is not surely better than the base on the untouched half.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from gateway import clock
from tests.acceptance.migration import loop
from tests.acceptance.migration.bank import Bank, answer, turns
from tests.acceptance.migration.command import crossfade, make_base
from tests.acceptance.migration.loop import ROUTE
from tests.acceptance.migration.models import HERE

SET = "bank-test"
GRID = ("learning_rate=1e-4,5e-4,1.5e-3,5e-3", "batch=16,64")


def play(folder: Path, bank: Bank, arguments: argparse.Namespace) -> bool:
    """Import, build, sweep; whether the winner is surely better than the base."""
    evals = folder / "evals"
    evals.mkdir()
    (evals / "intents.py").write_bytes((HERE / "policies" / "evals" / "intents.py").read_bytes())
    (evals / "labels.json").write_text(json.dumps(dict(bank.train) | dict(bank.test)), encoding="utf-8")
    policy = folder / "banking.yaml"
    policy.write_text((HERE / "policies" / "banking.yaml").read_text("utf-8"), encoding="utf-8")
    taught = [[*turns(text), {"role": "assistant", "content": answer(intent)}] for text, intent in bank.train]
    (folder / "taught.jsonl").write_text("\n".join(json.dumps({"messages": each}) for each in taught), encoding="utf-8")
    (folder / f"{SET}.jsonl").write_text(bank.questions(), encoding="utf-8")
    crossfade(folder, "records", "import", "--from", "openai", "taught.jsonl", "--route", ROUTE)
    crossfade(folder, "eval", "add", f"{SET}.jsonl", "--route", ROUTE, "--name", SET)
    build = ("dataset", "build", "--route", ROUTE, "--format", "trl-sft", "--out", "datasets", "--drop-leaks", "--json")
    dataset = folder / json.loads(crossfade(folder, *build))["folder"]
    make_base(dataset, folder / "base")
    grid = [word for values in GRID for word in ("--grid", values)]
    fixed = ["--set", f"epochs={arguments.epochs}", "--set", "save_steps=1000", "--jobs", str(arguments.jobs)]
    words = ["--dataset", dataset, "--base", "base", "--out", "sweep", "--policy", policy, "--eval", SET]
    said = json.loads(crossfade(folder, "train", "sweep", *words, *grid, *fixed, "--max-tokens", "40", "--json"))
    mean, lower, upper = said["difference"]
    sys.stdout.write(
        f"winner #{said['winner']['number']} {said['winner']['config']}: {said['base']:+.3f} -> {said['tuned']:+.3f}, "
        f"{mean:+.3f} [{lower:+.3f}, {upper:+.3f}] (95 %) on the untouched half\n"
    )
    return lower > 0


def main() -> int:
    """Sweep, and say how long it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--intents", type=int, default=10, help="of the 77 (default: 10)")
    parser.add_argument("--epochs", type=float, default=4.0, help="of a whole training (default: 4)")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at once (default: 2)")
    arguments = parser.parse_args()
    if (told := loop.missing(serves=False)) is not None:
        sys.stdout.write(f"skipped: {told}\n")
        return 0
    began_s = clock.monotonic()
    with tempfile.TemporaryDirectory(prefix="crossfade-sweep-") as folder:
        is_better = play(Path(folder), Bank.of(arguments.intents), arguments)
    sys.stdout.write(f"the whole: {clock.monotonic() - began_s:.0f} s\n")
    return int(not is_better)


if __name__ == "__main__":
    sys.exit(main())
