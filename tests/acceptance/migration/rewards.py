"""What a model learns from the route's own comparator and from the shadow's pairs: `make rewards` prints the table.

    python -m tests.acceptance.migration.rewards [--intents N] [--seeds N] [--pairs N] [--updates N] [--jobs N] …

A small model is fine-tuned on the first traffic of a bank, too little: it is right about three times of four. A real
vLLM serves it in the shadow of the next messages; where the bank's labels say that one of two answers is better, the
pair teaches by DPO. GRPO teaches the same model by its own answers to these messages, scored by the route's comparator:
to those that it was taught before it is nearly always right, and learns nothing. Both start from the same weights, once
for each seed; the comparator scores the answers to untouched messages before and after. 1: it fell short: of some seed,
the lower end of the 95 % interval of what was gained is not above 0.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from gateway import clock
from gateway.demo.tickets import lot
from gateway.training.inside_call import ask
from gateway.training.sweep import interval
from records.store import Store
from shadow.reward import Reward, make_reward
from tests.acceptance.migration import loop
from tests.acceptance.migration.bank import Bank, answer, turns
from tests.acceptance.migration.command import CACHE, LONGEST_S
from tests.acceptance.migration.loop import REVISION, ROUTE, Place
from tests.acceptance.migration.sizes import SMALL
from tests.acceptance.migration.watching import StuckError
from tests.rooms.waiting import await_true

SHADOW = """\
gates: {quality: {margin: 0.9}, latency: {total_p90: 60s}}
guards: {outputs: observed, slack: 100%, same_answers: 99%}
shadow: {sample: 100%}
stages: [shadow: {days: 7}]
"""
"""It stays in the shadow, whatever it says: by the guards' defaults a model that cuts its answers is rejected."""
FIRST = 0.4
"""Of the training messages: the first traffic."""
BATCH = 16
"""Of the first, too short, fine-tuning: with larger ones so few updates teach no answer that can be read."""
LOOK_S = 1.0
SHADOWED_S = 600.0
"""The longest wait for the shadow's pairs."""
TEMPERATURE = 0.6
"""Of the answers that GRPO learns from. A model that was taught so little is seldom sure of a word: at 1.0 it is right
once in 24, though its likeliest answer is three times of four, and of ten prompts seven have eight wrong answers, which
teach nothing. At 0.7 two of ten, at 0.5 three, of which most have eight right ones."""
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
        asked = {"prompts": prompts, "max_new_tokens": 20, "batch": 64}
        said: list[str] = json.loads(ask("answers.py", model, asked, CACHE, within_s=LONGEST_S))
        right = [json.dumps({"role": "assistant", "content": answer(intent)}) for _, intent in self.bank.test]
        given = [[{"role": "assistant", "content": text}] for text in said]
        return [score or 0.0 for score in self.reward(prompts, given, reference=right)]


def prepare(found: Place, bank: Bank, pairs: int) -> float:
    """The half-taught model, and its pairs in the shadow. Returns when the shadow's traffic began."""
    lots = sorted(bank.train, key=lambda row: lot("rewards", row[0]))
    first = lots[: int(FIRST * len(lots))]
    asked, corrected = asyncio.run(loop.use(found, Bank(first, bank.test)))
    store = Store(found.serving.data / "records")
    await_true(lambda: loop.recorded(store) >= (asked, corrected), "all of it recorded", patience_s=loop.RECORDED_S)
    loop.train(found, loop.register(found, bank))
    loop.hand_over(found)
    text = found.policy.read_text("utf-8")
    kept = text[: text.index("shadow:")]
    fresh = found.policy.with_suffix(".new")
    fresh.write_text(kept + SHADOW, encoding="utf-8")
    fresh.rename(found.policy)
    began_s = clock.monotonic()
    better, worse = asyncio.run(shadowed(found, Bank(lots[len(first) :], bank.test), store, pairs))
    sys.stdout.write(
        f"the shadow's pairs that the labels tell apart: {better} better and {worse} worse answers of the model\n"
    )
    return began_s


async def shadowed(found: Place, bank: Bank, store: Store, pairs: int) -> tuple[int, int]:
    """The app's traffic, until so many pairs say which answer is better; how many say it is the model's, and not."""
    silent = replace(found, size=replace(found.size, corrected=0.0))

    async def ask() -> None:
        while True:
            await loop.use(silent, bank)

    async with asyncio.timeout(SHADOWED_S), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(ask())
        while sum(told := await asyncio.to_thread(_pairs, store)) < pairs:  # noqa: ASYNC110 -- with a deadline
            await asyncio.sleep(LOOK_S)  # another process records them
        running.cancel()
    return told


def _pairs(store: Store) -> tuple[int, int]:
    counted = (
        "SELECT count(*) FILTER (q > 0), count(*) FILTER (q < 0) FROM comparisons_all "
        "WHERE asked = 'candidate' AND came = 'answered'"
    )
    row = store.read(lambda views: views.execute(counted).fetchone())
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


def play(found: Place, bank: Bank, began_s: float, arguments: argparse.Namespace) -> bool:
    """Every training of both kinds, and the table; whether all of them gained. `began_s`: of the shadow's traffic."""
    datasets: dict[str, Path] = {}
    fresh = ["--since", f"{(clock.monotonic() - began_s) / 3600:.6f}h"]
    for action, only in (("grpo", fresh), ("dpo", [])):
        built = json.loads(
            found.crossfade("dataset", "build", "--route", ROUTE, "--format", f"trl-{action}", "--out", "datasets",
                            "--drop-leaks", *only, "--json")
        )  # fmt: skip
        datasets[action] = found.directory / built["folder"]
        sys.stdout.write(f"{built['kept']} rows of trl-{action}; left out: {built['left_out']}\n")
    held = Held(bank, make_reward("python", {"ref": "evals/intents.py:score"}, found.policy.parent))
    before = held.scores(found.directory / "runs" / REVISION / "model")
    taught = {
        "grpo": {
            "updates": arguments.updates, "learning_rate": arguments.grpo_rate, "temperature": TEMPERATURE,
            "max_completion_length": 16, "prompts_per_update": 8, "measured": 8, "save_steps": 1000,
        },
        "dpo": {"epochs": arguments.dpo_epochs, "learning_rate": arguments.dpo_rate, "save_steps": 1000},
    }  # fmt: skip
    seeds = range(1, arguments.seeds + 1)
    lessons = [Lesson(action, datasets[action], seed, taught[action]) for action in taught for seed in seeds]
    sys.stdout.write(f"{len(before)} untouched messages; 0: right, -1: wrong\n")
    sys.stdout.write("| | seed | before | after | gained [95 %] | took |\n|---|---|---|---|---|---|\n")
    learned: list[Learned] = []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for each in pool.map(partial(learn, found, held, before), lessons):
            sys.stdout.write(f"{each.row()}\n")
            sys.stdout.flush()
            learned.append(each)
    fell_short = [f"{each.action} {each.seed}" for each in learned if each.gain[1] <= 0]
    sys.stdout.write(f"fell short: {', '.join(fell_short)}\n" if fell_short else "held: each seed of both gained\n")
    return not fell_short


def main() -> int:
    """Prepare, teach, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--intents", type=int, default=6, help="of the 77 (default: 6)")
    parser.add_argument("--epochs", type=float, default=3.0, help="of the first fine-tuning (default: 3)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each kind (default: 3)")
    parser.add_argument("--pairs", type=int, default=150, help="of the shadow, told apart (default: 150)")
    parser.add_argument("--updates", type=int, default=60, help="of GRPO (default: 60)")
    parser.add_argument("--grpo-rate", type=float, default=2e-4, help="learning rate of GRPO")
    parser.add_argument("--dpo-rate", type=float, default=1e-4, help="learning rate of DPO")
    parser.add_argument("--dpo-epochs", type=float, default=2.5, help="of DPO")
    parser.add_argument("--in-flight", type=int, default=16, help="conversations under way")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at once (default: 2)")
    arguments = parser.parse_args()
    if (told := loop.missing()) is not None:
        sys.stdout.write(f"skipped: {told}\n")
        return 0
    os.environ["OMP_NUM_THREADS"] = "1"  # for a model as small, more only wait
    bank, began_s = Bank.of(arguments.intents), clock.monotonic()
    size = replace(
        SMALL, intents=arguments.intents, epochs=arguments.epochs, batch=BATCH, in_flight=arguments.in_flight
    )
    with tempfile.TemporaryDirectory(prefix="crossfade-rewards-") as folder:
        try:
            with loop.place(Path(folder), bank, size) as found:
                shadow_s = prepare(found, bank, arguments.pairs)
            gained = play(found, bank, shadow_s, arguments)
        except StuckError as error:
            sys.stdout.write(f"STUCK: {error}\n")
            return 1
    sys.stdout.write(f"the whole: {clock.monotonic() - began_s:.0f} s\n")
    return int(not gained)


if __name__ == "__main__":
    sys.exit(main())
