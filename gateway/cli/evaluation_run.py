"""`crossfade eval run`: a registered set asked of variants, scored as the route's policy says."""

import argparse
import asyncio
import dataclasses
import hashlib
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self, cast

import msgspec

from gateway import clock
from gateway.adapters.ray_data import processors, run_on_ray
from gateway.cli import context
from gateway.cli.evaluation_table import text
from gateway.cli.failure import INTERRUPTED
from gateway.cli.part_share import PartShare
from gateway.cli.replay import ReplayError, check_upstreams, route_policy, row_inputs
from gateway.cli.replay_work import CTRL_C, asking
from gateway.control.prices import usd_per_answer
from gateway.control.publish.table import base_table
from gateway.control.row_maker import maker_for
from gateway.control.shadow.comparers import Comparers
from gateway.control.shadow.model import Background
from gateway.node.datadir import DataDir, replace
from gateway.supervisor.upstream_keys import background_keys
from policies.language.amounts import PPM
from policies.routing import Table, Variant
from records.evaluation import sets
from records.evaluation.sets import EvalRow, EvalRun, EvalSet
from records.named_file import read_named
from records.pricing import PricedCall
from records.record_maker import RecordMaker
from records.wire.usage import Usage
from shadow.compare import answer
from shadow.compare.pair import Pair
from shadow.evaluate import EvalTally, EvalWork, VariantAnswer
from shadow.lanes import DailySpend
from shadow.mirror import outcome
from shadow.patience import ASK_S
from shadow.plan import ShadowRoute
from shadow.ports import ModelCall
from shadow.score_pair import Comparing

NOTHING_TO_COMPARE = (
    "no question of {name} has a label, and one variant alone is compared with nothing. hint: name a second in "
    "--variants, or write labels into `expected` and register the set under another --name"
)
PART_QUESTIONS = 200
"""Questions of one part on Ray."""
CACHE = "evals/answers"
"""In the data directory: what was said, by the hash of what was asked of whom."""
_STREAMED = ("stream", "stream_options")


@dataclass(frozen=True, slots=True)
class EvalJob:
    """A run as the command line asks for it, read and checked."""

    data: DataDir
    about: EvalSet
    table: Table
    shadow: ShadowRoute
    variants: dict[str, Variant]
    keys: dict[str, str] = field(repr=False)
    maker: RecordMaker = field(repr=False)
    secret: bytes = field(repr=False)
    budget_usd: float
    until_s: float
    """Monotonic: nothing new is asked after it."""
    asked_for: str = ""
    """The one model that the route's policy matches, as apps ask for it; a row that names none asks for it, too."""


class _Kept(msgspec.Struct):
    """A cached answer, or a cached score."""

    body: str = ""
    cost_usd: float | None = None
    total_s: float | None = None
    q: float | None = None


@dataclass(slots=True)
class EvalCalls:
    """Asks and scores, each thing once: what is kept is not paid for again."""

    job: EvalJob
    background: Background
    comparing: Comparing
    budget: DailySpend
    """The judge's, too."""
    judged_usd: float = 0.0
    asked_usd: float = 0.0
    cached: int = 0
    unpriced: int = 0
    _dearest_usd: float = 0.0
    _open: int = 0

    @property
    def spent_usd(self) -> float:
        """Dollars spent in this run."""
        return self.asked_usd + self.judged_usd

    def hindrance(self) -> str:
        """Why no further call may start; running calls are counted at the price of the most expensive one."""
        if clock.monotonic() >= self.job.until_s:
            return "out of time"
        is_spent = self.spent_usd + self._dearest_usd * (self._open + len(self.job.variants)) > self.job.budget_usd
        return "out of budget" if is_spent else ""

    async def ask(self, row: EvalRow, variant: Variant) -> VariantAnswer:
        """What the variant says: what it said, if it was asked before."""
        request = _asked(row, variant, self.job.asked_for)
        body = msgspec.json.encode(request)
        url = next((each.base_url for each in self.job.table.upstreams if each.name == variant.upstream), "")
        path = self._path("a", url, msgspec.json.encode(variant), row.path, body)
        kept = _read(path)
        if kept is not None:
            self.cached += 1
            said = answer.read(row.path, kept.body.encode())
            return VariantAnswer("answered", "", said.answer, kept.cost_usd, kept.total_s)
        self._open += 1
        try:
            heard = await self.background.ask(ModelCall(variant.upstream, row.path, body, ASK_S, variant))
        finally:
            self._open -= 1
        said = answer.read(row.path, heard.body)
        came, reason = outcome(heard, said)
        used = Usage(0, 0) if self.job.maker.prices.is_hourly(variant.upstream) else heard.usage
        model = variant.model or str(request["model"])
        asked = PricedCall(variant.upstream, model, clock.wall(), said.service_tier, said.model)
        cost = None if used is None else self.job.maker.prices.cost(asked, used)
        usd = cost.usd if cost is not None else None
        if usd is None:
            self.unpriced += 1
        elif not self.job.maker.prices.is_hourly(variant.upstream):  # it is paid all the same
            self.asked_usd += usd
            self._dearest_usd = max(self._dearest_usd, usd)
            self.budget.spend(self.job.shadow.route, usd, clock.wall())
        if came != "answered":
            return VariantAnswer(came, reason, None, usd, heard.total_s)
        _write(path, _Kept(heard.body.decode("utf-8", "replace"), usd, heard.total_s))
        return VariantAnswer(came, "", said.answer, usd, heard.total_s)

    async def score(self, pair: Pair) -> float | None:
        """The metric's q."""
        shadow = self.job.shadow
        path = self._path(
            "s", shadow.metric, msgspec.json.encode((shadow.compare, pair), order="deterministic"), *_files(shadow)
        )
        kept = _read(path)
        if kept is not None:
            return kept.q
        compared = await self.comparing.compare(pair)
        self.judged_usd += sum(each.cost_usd for each in compared.scores.values())
        if compared.q is not None:
            _write(path, _Kept(q=compared.q))
        return compared.q

    def _path(self, kind: str, *parts: str | bytes) -> Path:
        found = hashlib.sha256()
        for part in parts:
            data = part.encode() if isinstance(part, str) else part
            found.update(b"%d:" % len(data) + data)
        return self.job.data.root / CACHE / f"{kind}-{found.hexdigest()[:40]}.json"


@dataclass(slots=True)
class _EvalFound:
    """What came of a run, and what it cost."""

    tally: EvalTally
    spent_usd: float = 0.0
    cached: int = 0
    unpriced: int = 0
    problems: list[str] = field(default_factory=list[str])

    def add(self, other: Self) -> None:
        """Count another part of the same run."""
        self.tally.add(other.tally)
        self.spent_usd += other.spent_usd
        self.cached += other.cached
        self.unpriced += other.unpriced
        self.problems += [problem for problem in other.problems if problem not in self.problems]


def run(arguments: argparse.Namespace) -> int:
    """Do it. 0: it is whole, and kept; 1: stopped early, refused or failing; 130: ended by Ctrl-C.

    Raises:
        ReplayError, SettingsError, DataDirError, PolicyTextError, OSError, ValueError: it cannot be done.
    """
    job = _job(arguments)
    try:
        found = _on_ray(arguments, job) if arguments.engine == "ray" else _here(job)
    except ExceptionGroup as several:  # of the tasks that asked
        ours, others = several.split(OSError)
        if ours is None or others is not None:
            raise
        raise OSError(_first(ours)) from several
    done, problems = found.tally, found.problems
    run_ = EvalRun(clock.wall(), job.about.route, job.about.sha256, job.shadow.metric, done.results())
    problems += _silent(done)
    is_whole = not done.stopped and all(score.mean is not None and score.rows > score.failed for score in run_.scores)
    if is_whole:
        sets.add_run(job.data.root, job.about.name, run_)
    fields = {
        "set": job.about.name, "route": job.about.route, "metric": job.shadow.metric, "rows": job.about.rows,
        "labelled": job.about.labelled,
        "done": done.done, "stopped": done.stopped, "cached": found.cached, "unpriced": found.unpriced,
        "spent_usd": round(found.spent_usd, 6), "problems": problems,
        "scores": msgspec.to_builtins(run_.scores), "differences": msgspec.to_builtins(done.differences()),
    }  # fmt: skip
    questions = done.questions(sets.rows_of(job.data.root, job.about))
    print(json.dumps(fields | {"questions": questions}) if arguments.json else text(fields))
    for problem in problems:
        print(f"warning: {problem}", file=sys.stderr)
    if done.stopped:
        print(f"stopped early: {done.stopped}. hint: run it again; what was answered is kept", file=sys.stderr)
    if done.stopped == CTRL_C:
        return INTERRUPTED
    return 0 if is_whole else 1


def _here(job: EvalJob) -> _EvalFound:
    return asyncio.run(_work(job, sets.rows_of(job.data.root, job.about), heeds_interrupt=True))


def _silent(done: EvalTally) -> list[str]:
    """Which variants answered nothing, and why: a run without them says nothing of anybody."""
    found: list[str] = []
    for name, said in done.answers.items():
        if said and all(one.answer is None for one in said):
            why = ", ".join(sorted({one.reason for one in said}))
            found.append(f"{name} answered nothing ({why}): this run is not kept. hint: `crossfade doctor`")
    return found


def _first(error: BaseException) -> str:
    """What the first of several says."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return str(error)


def _job(arguments: argparse.Namespace) -> EvalJob:
    """What the options and the files say.

    Raises:
        ReplayError, SettingsError, DataDirError, PolicyTextError, OSError, ValueError: it cannot be done.
    """
    settings, data = context.settings(arguments), context.data(arguments)
    about = sets.read(data.root, arguments.set)
    route, _, shadow = route_policy(settings, about.route, arguments.policy)
    named = {"baseline": route.baseline, "candidate": route.candidate or route.baseline}
    variants = {name: _variant(name, named, settings.upstreams) for name in arguments.variants.split(",")}
    if len(variants) == 1 and not about.labelled:
        raise ReplayError(NOTHING_TO_COMPARE.format(name=about.name))
    asked_for = _one_name(route.match.model)
    for row in sets.rows_of(data.root, about):
        for variant in variants.values():
            _asked(row, variant, asked_for)
    in_flight = arguments.in_flight or shadow.max_in_flight
    shadow = msgspec.structs.replace(
        shadow,
        max_in_flight=in_flight,
        budget_usd_per_day=arguments.budget_usd,
        compare=tuple(map(_whole, shadow.compare)),
    )
    base = base_table(settings, data.run)
    check_upstreams(shadow, base)
    terms = row_inputs(settings, data)
    return EvalJob(
        data, about, base, shadow, variants, background_keys(settings, os.environ)[0],
        maker_for(terms, base, usd_per_answer(data.gpu)), bytes.fromhex(terms.pepper), arguments.budget_usd,
        clock.monotonic() + arguments.within, asked_for,
    )  # fmt: skip


def _variant(name: str, named: Mapping[str, Variant], upstreams: Mapping[str, object]) -> Variant:
    upstream, colon, model = name.partition(":")
    if name in named:
        return named[name]
    if not (colon and model and upstream in upstreams):
        known = ", ".join(upstreams)
        raise ReplayError(
            f"--variants {name}: no such variant. hint: baseline, candidate, or UPSTREAM:MODEL; there are {known}"
        )
    return Variant(upstream, model)


def _whole(each: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    """A comparator that scores every pair: a set is small, and each question was chosen."""
    return {name: options | ({"sample": PPM} if "sample" in options else {}) for name, options in each.items()}


def _one_name(models: Sequence[str]) -> str:
    """The model that these patterns let through, if it is one by its whole name."""
    return models[0] if len(models) == 1 and not set(models[0]) & set("*?[") else ""


def _asked(row: EvalRow, variant: Variant, asked_for: str) -> dict[str, Any]:
    """The request, in one piece, with a model.

    Raises:
        ReplayError: neither names one.
    """
    request = {name: value for name, value in row.request.items() if name not in _STREAMED}
    model = request.get("model") or variant.model or asked_for
    if not model:
        raise ReplayError(f"{row.source}: no model is named. hint: write it into the row, or ask for UPSTREAM:MODEL")
    return request | {"model": model}


def _files(shadow: ShadowRoute) -> list[bytes]:
    """Hashes of what comparators are told by files: another rubric or scorer gives other scores."""
    found: list[bytes] = []
    for options in (options for each in shadow.compare for options in each.values()):
        for value in options.values():
            path = Path(shadow.folder) / value.partition(":")[0] if isinstance(value, str) and value else None
            if path is not None and path.is_file():
                found.append(hashlib.sha256(read_named(path)).digest())
    return found


async def _work(job: EvalJob, rows: Iterator[EvalRow], *, heeds_interrupt: bool) -> _EvalFound:
    """Ask them all, on this machine. `heeds_interrupt`: Ctrl-C ends it, whole."""
    stop = asyncio.Event()
    if heeds_interrupt:
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    found = _EvalFound(EvalTally(tuple(job.variants), job.shadow.metric))
    async with asking() as client:
        background, budget = Background(client, clock.monotonic), DailySpend()
        comparers = Comparers(background, budget, lambda: job.maker, clock.wall, job.secret, found.problems.append)
        try:
            found.problems += background.adopt(job.table.upstreams, job.keys)
            calls = EvalCalls(job, background, comparers.of(job.shadow), budget)
            work = EvalWork(
                job.variants, found.tally, calls.ask, calls.score,
                hindrance=lambda: CTRL_C if stop.is_set() else calls.hindrance(),
                told=lambda: _progress(found.tally.done, calls.spent_usd, job),
            )  # fmt: skip
            await work.run(rows, job.shadow.max_in_flight)
        finally:
            await comparers.aclose()
    found.spent_usd, found.cached, found.unpriced = calls.spent_usd, calls.cached, calls.unpriced
    return found


def _on_ray(arguments: argparse.Namespace, job: EvalJob) -> _EvalFound:
    """The same in parts: each has its share of the money, and all that run at once share the calls in flight."""
    rows = list(sets.rows_of(job.data.root, job.about))
    parts = [tuple(rows[at : at + PART_QUESTIONS]) for at in range(0, len(rows), PART_QUESTIONS)]
    share = PartShare.of(job.until_s, job.budget_usd, job.shadow.max_in_flight, parts=len(parts), at_once=processors())
    found = _EvalFound(EvalTally(tuple(job.variants), job.shadow.metric))
    try:
        for part in run_on_ray(partial(_part, arguments, share), parts):
            found.add(part)
            _progress(found.tally.done, found.spent_usd, job)
    except KeyboardInterrupt:
        found.tally.stopped = CTRL_C
    return found


def _part(arguments: argparse.Namespace, share: PartShare, rows: tuple[EvalRow, ...]) -> Iterator[_EvalFound]:
    """What came of one part, on a machine that has the same folders."""
    whole = _job(arguments)
    shadow = msgspec.structs.replace(whole.shadow, max_in_flight=share.in_flight)
    job = dataclasses.replace(whole, shadow=shadow, budget_usd=share.budget_usd or 0.0, until_s=share.until_s())
    yield asyncio.run(_work(job, iter(rows), heeds_interrupt=False))


def _progress(done: int, spent_usd: float, job: EvalJob) -> None:
    """On a terminal: how far it is, and what it has cost."""
    if sys.stderr.isatty():
        end = "\n" if done == job.about.rows else ""
        print(f"\r{done}/{job.about.rows} questions, ${spent_usd:.4f}", end=end, file=sys.stderr, flush=True)


def _read(path: Path) -> _Kept | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Kept)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _write(path: Path, kept: _Kept) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace(path, msgspec.json.encode(kept))
