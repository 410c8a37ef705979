"""`crossfade train sweep`: several ways to fine-tune, the weak stopped early, the winner by the route's evaluation."""

import argparse
import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from gateway import clock
from gateway.cli import context, layout
from gateway.config.policy_file import read_file
from gateway.training import environment, sweep_ledger
from gateway.training.inside_call import TrainingCallError, ask
from gateway.training.render import LOCK, rendered, value, write
from gateway.training.sweep import (
    Config,
    SweepResult,
    TrialError,
    configurations,
    halving,
    interval,
    is_untouched,
    would_choose,
)
from gateway.training.sweep_ledger import SweepLedger
from gateway.training.training_set import check_base, check_dataset, check_untouched
from records.dataset import manifest
from records.evaluation import sets
from records.evaluation.sets import EvalRow
from records.named_file import read_named
from shadow.reward import PURE, Reward, make_reward

SCRIPT = "train_sft.py"
TAKES = "trl-sft"
"""The export format that the script reads."""
_LEAST_ROWS = 20
"""Of each half of the evaluation set."""
_ANSWERS_AT_ONCE = 32
_SAYS_NOTHING = "comparators that fit the labels, as exact for words"


_OWN = {"DATASET": "--dataset", "BASE": "--base", "OUT": "--out", "STOP_AFTER": "--rounds"}
"""Settings of the script that have an option of the sweep."""


class SweepError(ValueError):
    """The sweep cannot be done, or a part of it failed; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class _Questions:
    """Labelled rows, and how answers to them are scored."""

    rows: list[EvalRow]
    rewards: list[Reward]
    most_tokens: int
    cache: Path
    within_s: float

    def scores(self, model: Path) -> list[float | None]:
        """For each row, the mean of the route's scores of the model's answers; None: no comparator applies.

        Raises:
            TrainingCallError: the model did not answer.
        """
        prompts = [row.request["messages"] for row in self.rows]
        asked = {"prompts": prompts, "max_new_tokens": self.most_tokens, "batch": _ANSWERS_AT_ONCE}
        said = msgspec.json.decode(ask("answers.py", model, asked, self.cache, within_s=self.within_s), type=list[str])
        labels = [
            msgspec.json.encode({"role": "assistant", "content": row.expected or ""}).decode() for row in self.rows
        ]
        completions = [[{"role": "assistant", "content": text}] for text in said]
        columns = [reward(prompts, completions, reference=labels) for reward in self.rewards]
        said_of = [[each for each in row if each is not None] for row in zip(*columns, strict=True)]
        return [_mean(row) if row else None for row in said_of]


def run(arguments: argparse.Namespace) -> int:
    """Do it; the winner's folder is what a training would have left.

    Raises:
        ValueError, SettingsError, YamlFileError, TrainingCallError, EnvironmentBrokenError, OSError: it cannot be done.
    """
    if arguments.out.exists() and any(arguments.out.iterdir()) and not (arguments.out / sweep_ledger.FILE).exists():
        raise SweepError(f"{arguments.out} is not empty. hint: another --out")
    grid = _grid(arguments.grid)
    configs = configurations(grid)
    choosing, judging = _questions(arguments)
    made = check_dataset(arguments.dataset, TAKES)
    check_base(arguments.base)
    check_untouched(arguments.dataset, made, sets.rows_file(context.data(arguments).root, arguments.eval))
    for config in configs:
        rendered(SCRIPT, _settings(arguments, config))  # a name that is none is said now, not after an hour
    if arguments.dry_run:
        _print_plan(arguments, configs, choosing, judging)
        return 0
    ledger = SweepLedger(arguments.out, _asked(arguments, grid))
    python = environment.make(environment.home(os.environ))
    tell = _teller(arguments)
    trial = _trial(arguments, python, choosing, ledger)
    rounds: list[list[SweepResult]] = []
    for found in halving(configs, arguments.rounds, arguments.jobs, trial):
        rounds.append(found)
        for line in _table(found, grid):
            tell(line)
    winner = rounds[-1][0]
    folder = _folder(arguments, winner.number)
    base, tuned = judging.scores(Path(arguments.base)), judging.scores(folder / "model")
    both = [(one, other) for one, other in zip(base, tuned, strict=True) if one is not None and other is not None]
    if not both:
        raise SweepError(
            f"{arguments.policy}: its comparators say nothing of the untouched half. hint: {_SAYS_NOTHING}"
        )
    base, tuned = [one for one, _ in both], [other for _, other in both]
    bound = 1.0 if all(reward.__name__ in PURE for reward in judging.rewards) else 2.0
    mean, lower, upper = interval(tuned, base, bound=bound)
    tell(
        f"untouched half, {len(base)} questions: base {_mean(base):+.3f}, winner {_mean(tuned):+.3f}, "
        f"{mean:+.3f} [{lower:+.3f}, {upper:+.3f}] (95 %)"
    )
    if arguments.json:
        said = {"rounds": [[_plain(one) for one in each] for each in rounds], "winner": _plain(winner)}
        said |= {"folder": str(folder), "base": _mean(base), "tuned": _mean(tuned), "difference": [mean, lower, upper]}
        print(json.dumps(said))
    else:
        print(folder)
    return 0


def _grid(words: Sequence[str]) -> dict[str, list[object]]:
    """Each setting with its values.

    Raises:
        SweepError: a setting stands twice, or has no values.
    """
    found = [_choices(word) for word in words]
    for name, _ in found:
        if sum(name == other for other, _ in found) > 1:
            raise SweepError(f"--grid {name} stands twice. hint: all its values in one, {name}=1,2")
    return dict(found)


def _asked(arguments: argparse.Namespace, grid: dict[str, list[object]]) -> dict[str, object]:
    """What decides a result: a sweep with all of it the same goes on."""
    return {
        "base": str(Path(arguments.base).resolve()),
        "dataset": manifest.read(arguments.dataset).sha256,
        "eval": sets.read(context.data(arguments).root, arguments.eval).sha256,
        "policy": hashlib.sha256(read_named(arguments.policy)).hexdigest(),
        "grid": grid,
        "set": sorted(arguments.set),
        "rounds": arguments.rounds,
        "max_tokens": arguments.max_tokens,
    }


def _plain(result: SweepResult) -> dict[str, Any]:
    """As JSON has it, which knows no infinity."""
    return asdict(result) | ({"loss": None, "score": None} if result.failed else {})


def _questions(arguments: argparse.Namespace) -> tuple[_Questions, _Questions]:
    """The labelled rows that choose, and those that judge."""
    root = context.data(arguments).root
    about = sets.read(root, arguments.eval)
    rows = [row for row in sets.rows_of(root, about) if row.expected is not None and "messages" in row.request]
    if any(row.request.get("tools") for row in rows):
        raise SweepError(
            f"{about.name} asks for tool calls, which an engine reads. hint: crossfade eval run, once served"
        )
    parts = [row for row in rows if not is_untouched(row.id)], [row for row in rows if is_untouched(row.id)]
    if min(map(len, parts)) < _LEAST_ROWS:
        raise SweepError(
            f"{about.name} has {len(rows)} labelled chats. hint: {4 * _LEAST_ROWS} and more, half of them to choose by"
        )
    rewards = _rewards(arguments.policy)
    cache = environment.home(os.environ)
    choosing, judging = (_Questions(part, rewards, arguments.max_tokens, cache, arguments.within) for part in parts)
    return choosing, judging


def _rewards(path: Path) -> list[Reward]:
    """The route's comparators that score by themselves."""
    compare = read_file(path).policy.compare
    found = [
        make_reward(each.name, each.options.model_dump(mode="json", exclude_none=True), path.parent)
        for each in compare
        if each.name in (*PURE, "python")
    ]
    if not found:
        raise SweepError(f"{path} compares by nothing that scores by itself. hint: {', '.join((*PURE, 'python'))}")
    return found


def _trial(
    arguments: argparse.Namespace, python: Path, questions: _Questions, ledger: SweepLedger
) -> Callable[..., SweepResult]:
    """Trains one configuration up to a share of its updates, and has its answers scored; what is known is not done."""

    def trial(number: int, config: Config, share: float) -> SweepResult:
        folder = _folder(arguments, number)
        known = ledger.known(number, share)
        if known is not None and (folder / "model").is_dir():
            return known
        own = {"OUT": str(folder.resolve()), "STOP_AFTER": share}
        write(folder, SCRIPT, rendered(SCRIPT, _settings(arguments, config) | own), fresh=True)
        write(folder, "requirements.txt", LOCK.read_text("utf-8"), fresh=True)
        with (folder / "log.txt").open("ab") as log:
            try:
                done = subprocess.run(  # noqa: S603 -- our own script
                    [str(python), str(folder / SCRIPT)], stdout=log, stderr=log, check=False, timeout=arguments.within
                )
            except subprocess.TimeoutExpired as error:
                raise TrialError(
                    f"{folder}: not trained in {arguments.within:g} s. hint: --within, or a smaller --grid"
                ) from error
        if done.returncode:
            raise TrialError(f"{folder / SCRIPT} ended with {done.returncode}. hint: its words are in log.txt there")
        result = json.loads((folder / "report.json").read_text("utf-8"))["result"]
        loss = result.get("validation_loss", result["train_loss"])
        try:
            scores = [each for each in questions.scores(folder / "model") if each is not None]
        except TrainingCallError as error:
            raise TrialError(f"{folder}: {error}") from error
        if not scores:
            raise TrialError(f"{arguments.policy}: its comparators say nothing of its answers. hint: {_SAYS_NOTHING}")
        shutil.rmtree(folder / "cache", ignore_errors=True)
        found = SweepResult(number, config, share, loss, _mean(scores))
        if math.isfinite(loss):
            ledger.keep(found)
        return found

    return trial


def _settings(arguments: argparse.Namespace, config: Config) -> dict[str, object]:
    """The script's settings in one configuration, but for those of a round."""
    fixed = {"DATASET": str(arguments.dataset.resolve()), "BASE": str(Path(arguments.base).resolve())}
    for name in (*(_setting(word)[0] for word in arguments.set), *(name.upper() for name in config)):
        if name in _OWN:
            raise SweepError(f"{name.lower()} is what a sweep decides itself. hint: {_OWN[name]}")
    return {**fixed, **dict(map(_setting, arguments.set)), **{name.upper(): each for name, each in config.items()}}


def _print_plan(
    arguments: argparse.Namespace, configs: Sequence[Config], choosing: _Questions, judging: _Questions
) -> None:
    """What would be trained, in which rounds; nothing is installed, written or trained."""
    left, rounds = len(configs), list[dict[str, Any]]()
    for number in range(arguments.rounds):
        rounds.append({"trainings": left, "share": 0.5 ** (arguments.rounds - 1 - number)})
        left = math.ceil(left / 2)
    if arguments.json:
        asked = {"choosing": len(choosing.rows), "judging": len(judging.rows)}
        print(json.dumps({"configurations": configs, "rounds": rounds, "questions": asked}))
    else:
        for number, config in enumerate(configs, start=1):
            print(f"#{number:<3} " + " ".join(f"{name}={each}" for name, each in config.items()))
        for number, each in enumerate(rounds, start=1):
            share = "all of its updates" if number == len(rounds) else f"{each['share']:.3g} of its updates"
            print(f"round {number}: {layout.counted(each['trainings'], 'training')}, each up to {share}")
        print(f"{len(choosing.rows)} questions choose, {len(judging.rows)} others judge the winner")
    cannot = "one training's time and price are not known. hint: `crossfade train sft --dry-run` measures them"
    print(f"nothing was installed, written or trained; {cannot}", file=sys.stderr)


def _table(found: Sequence[SweepResult], grid: dict[str, list[object]]) -> list[str]:
    """A round, ranked by evaluation and by loss."""
    by_loss = sorted(found, key=lambda one: (one.loss, one.number))
    lines = [f"after {found[0].share:.0%} of the updates, {len(found)} configurations:"]
    lines += [
        f"  {place:2}. by evaluation, {by_loss.index(one) + 1:2}. by loss  #{one.number:<2} score {one.score:+.3f}  "
        f"loss {one.loss:.4f}  " + " ".join(f"{name}={one.config[name]}" for name in grid)
        for place, one in enumerate(found, start=1)
        if not one.failed
    ]
    lines += [f"  failed, and goes no further  #{one.number:<2} {one.failed}" for one in found if one.failed]
    other = would_choose(found)
    if not other.failed and other.number != found[0].number:
        lines.append(f"  the loss would have chosen #{other.number}, which scores {other.score - found[0].score:+.3f}")
    return lines


def _teller(arguments: argparse.Namespace) -> Callable[[str], None]:
    began_s = clock.monotonic()

    def tell(text: str) -> None:
        out = sys.stderr if arguments.json else sys.stdout
        print(f"{clock.monotonic() - began_s:6.0f} s  {text}", file=out, flush=True)

    return tell


def _folder(arguments: argparse.Namespace, number: int) -> Path:
    return arguments.out / f"{number:02}"


def _choices(word: str) -> tuple[str, list[object]]:
    name, is_set, texts = word.partition("=")
    if not is_set or not texts:
        raise SweepError(f"--grid {word}: no values. hint: --grid {name}=1e-4,3e-4")
    return name, [value(text) for text in texts.split(",")]


def _setting(word: str) -> tuple[str, Any]:
    name, is_set, text = word.partition("=")
    if not is_set:
        raise SweepError(f"--set {word}: no value. hint: --set {name}=…")
    return name.upper(), value(text)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
