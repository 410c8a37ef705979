"""What a model learns from the route's own comparator and from the shadow's pairs: `make rewards` prints the table.

    python -m tests.acceptance.migration.rewards [--intents N] [--seeds N] [--pairs N] [--updates N] [--jobs N] …

A small model is fine-tuned on the first traffic of a bank, too little: it is right about half of the time. A real vLLM
serves it in the shadow; where the bank's labels say that one of two answers is better, the pair teaches by DPO. GRPO
teaches the same model by its own answers, scored by the route's comparator. Both start from the same weights, once for
each seed; the comparator scores the answers to untouched messages before and after. 1: of some seed, the lower end of
the 95 % interval of what was gained is not above 0.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from gateway import clock
from gateway.training.inside_call import ask
from gateway.training.sweep import interval
from records.store import Store
from shadow.reward import Reward, make_reward
from tests.acceptance.migration import loop
from tests.acceptance.migration.bank import Bank, answer, turns
from tests.acceptance.migration.command import CACHE, LONGEST_S
from tests.acceptance.migration.loop import REVISION, ROUTE, Place
from tests.acceptance.migration.traffic import Traffic
from tests.acceptance.migration.watching import StuckError
from tests.rooms.waiting import await_true

SHADOW = """\
gates: {quality: off, accept: unmeasured quality, latency: {total_p90: 60s}}
shadow: {sample: 100%}
stages: [shadow: {days: 7}]
"""
"""It stays in the shadow, whatever it says: as a candidate it would be rejected."""
LOOK_S = 1.0
SHADOWED_S = 600.0
"""The longest wait for the shadow's pairs."""
BOUND = 1.0
"""No difference is larger: beside a right answer another one scores 0 or -1."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One training."""

    action: str
    """`grpo` or `dpo`."""
    dataset: Path
    seed: int
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Learned:
    """What one training came to, on untouched messages."""

    action: str
    seed: int
    before: float
    after: float
    gain: tuple[float, float, float]
    """Mean, and both ends of the interval."""
    seconds: float

    def row(self) -> str:
        """Of the table."""
        mean, lower, upper = self.gain
        return (
            f"| {self.action} | {self.seed} | {self.before:+.3f} | {self.after:+.3f} | "
            f"{mean:+.3f} [{lower:+.3f}, {upper:+.3f}] | {self.seconds:.0f} s |"
        )


@dataclass(frozen=True, slots=True)
class Held:
    """Untouched messages, and the route's comparator over the answers to them."""

    bank: Bank
    reward: Reward

    def scores(self, model: Path) -> list[float]:
        """Of each message: 0 for a right answer of this model, -1 for a wrong one."""
        prompts = [turns(text) for text, _ in self.bank.test]
        asked = {"prompts": prompts, "max_new_tokens": 40, "batch": 64}
        said: list[str] = json.loads(ask("answers.py", model, asked, CACHE, within_s=LONGEST_S))
        right = [json.dumps({"role": "assistant", "content": answer(intent)}) for _, intent in self.bank.test]
        given = [[{"role": "assistant", "content": text}] for text in said]
        return [score or 0.0 for score in self.reward(prompts, given, reference=right)]


def prepare(found: Place, bank: Bank, arguments: argparse.Namespace) -> None:
    """Traffic, the half-taught model, and its pairs in the shadow."""
    asked, corrected = asyncio.run(loop.use(found, bank, arguments.in_flight, loop.MOST_CORRECTED))
    store = Store(found.serving.data / "records")
    await_true(lambda: loop.recorded(store) >= (asked, corrected), "all of it recorded", patience_s=loop.RECORDED_S)
    loop.train(found, loop.register(found, bank), arguments)
    loop.hand_over(found)
    text = found.policy.read_text("utf-8")
    kept = text[: text.index("shadow:")]
    fresh = found.policy.with_suffix(".new")
    fresh.write_text(kept + SHADOW, encoding="utf-8")
    fresh.rename(found.policy)
    better, worse = asyncio.run(shadowed(found, bank, store, arguments))
    sys.stdout.write(
        f"the shadow's pairs that the labels tell apart: {better} better and {worse} worse answers of the model\n"
    )


async def shadowed(found: Place, bank: Bank, store: Store, arguments: argparse.Namespace) -> tuple[int, int]:
    """The app's traffic, until so many pairs say which answer is better; how many say it is the model's, and not."""
    traffic = Traffic(found.base_url, [text for text, _ in bank.train], arguments.in_flight)
    async with asyncio.timeout(SHADOWED_S), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(traffic.run())
        while sum(told := await asyncio.to_thread(_pairs, store)) < arguments.pairs:  # noqa: ASYNC110 -- with a deadline
            await asyncio.sleep(LOOK_S)  # another process records them
        running.cancel()
    return told


def _pairs(store: Store) -> tuple[int, int]:
    with store.open_views() as views:
        row = views.execute(
            "SELECT count(*) FILTER (q > 0), count(*) FILTER (q < 0) FROM comparisons_all "
            "WHERE asked = 'candidate' AND came = 'answered'"
        ).fetchone()
    return (row[0], row[1]) if row else (0, 0)


def learn(found: Place, held: Held, before: Sequence[float], lesson: Lesson) -> Learned:
    """One training, and what its model says to untouched messages."""
    began_s, action, seed = clock.monotonic(), lesson.action, lesson.seed
    out = found.directory / "runs" / f"{action}-{seed}"
    chosen = lesson.settings | {"seed": seed}
    words = [word for name, value in chosen.items() for word in ("--set", f"{name}={value}")]
    policy = ["--policy", found.policy] if action == "grpo" else []
    base = found.directory / "runs" / REVISION / "model"
    found.crossfade("train", action, "--dataset", lesson.dataset, "--base", base, "--out", out, *policy, *words)
    after = held.scores(out / "model")
    gain = interval(after, before, bound=BOUND)
    return Learned(action, seed, fmean(before), fmean(after), gain, clock.monotonic() - began_s)


def play(found: Place, bank: Bank, arguments: argparse.Namespace) -> bool:
    """Every training of both kinds, and the table; whether all of them gained."""
    datasets: dict[str, Path] = {}
    for action in ("grpo", "dpo"):
        built = json.loads(
            found.crossfade("dataset", "build", "--route", ROUTE, "--format", f"trl-{action}", "--out", "datasets",
                            "--drop-leaks", "--json")
        )  # fmt: skip
        datasets[action] = found.directory / built["folder"]
        sys.stdout.write(f"{built['kept']} rows of trl-{action}; left out: {built['left_out']}\n")
    held = Held(bank, make_reward("python", {"ref": "evals/intents.py:score"}, found.policy.parent))
    before = held.scores(found.directory / "runs" / REVISION / "model")
    taught = {
        "grpo": {
            "updates": arguments.updates, "learning_rate": arguments.grpo_rate, "max_completion_length": 16,
            "prompts_per_update": 8, "save_steps": 1000,
        },
        "dpo": {"epochs": arguments.dpo_epochs, "learning_rate": arguments.dpo_rate, "save_steps": 1000},
    }  # fmt: skip
    seeds = range(1, arguments.seeds + 1)
    lessons = [Lesson(action, datasets[action], seed, taught[action]) for action in taught for seed in seeds]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        learned = list(pool.map(partial(learn, found, held, before), lessons))
    sys.stdout.write(f"{len(before)} untouched messages; 0: right, -1: wrong\n")
    sys.stdout.write("| | seed | before | after | gained [95 %] | took |\n|---|---|---|---|---|---|\n")
    sys.stdout.write("".join(f"{each.row()}\n" for each in learned))
    return all(each.gain[1] > 0 for each in learned)


def main() -> int:
    """Prepare, teach, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--intents", type=int, default=10, help="of the 77 (default: 10)")
    parser.add_argument("--epochs", type=float, default=1.5, help="of the first, too short, fine-tuning (default: 1.5)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each kind (default: 3)")
    parser.add_argument("--pairs", type=int, default=300, help="of the shadow, told apart (default: 300)")
    parser.add_argument("--updates", type=int, default=60, help="of GRPO (default: 60)")
    parser.add_argument("--grpo-rate", type=float, default=5e-4, help="learning rate of GRPO")
    parser.add_argument("--dpo-rate", type=float, default=2e-4, help="learning rate of DPO")
    parser.add_argument("--dpo-epochs", type=float, default=3.0, help="of DPO")
    parser.add_argument("--in-flight", type=int, default=16, help="conversations under way")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at once (default: 2)")
    arguments = parser.parse_args()
    if (told := loop.missing()) is not None:
        sys.stdout.write(f"skipped: {told}\n")
        return 0
    bank, began_s = Bank.of(arguments.intents), clock.monotonic()
    with tempfile.TemporaryDirectory(prefix="crossfade-rewards-") as folder:
        with loop.place(Path(folder), bank, arguments.intents) as found:
            try:
                prepare(found, bank, arguments)
            except StuckError as error:
                sys.stdout.write(f"STUCK: {error}\n")
                return 1
        gained = play(found, bank, arguments)
    sys.stdout.write(f"the whole: {clock.monotonic() - began_s:.0f} s\n")
    return int(not gained)


if __name__ == "__main__":
    sys.exit(main())
