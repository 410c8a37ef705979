"""An evaluation set asked of several variants, each answer scored as the route's policy says, and what comes of it.

Rules:
1. A labelled question: every variant's answer is held against the label, 1 being as good. An unlabelled one: against
   the first variant's answer, which then counts 0; where one variant is asked alone, it is held against nothing.
2. An answer that is none counts as the worst there is: who fails on the hard questions is not better for it. Who could
   not be asked at all, or was not scored, is left out of that question, and counted.
3. Variants are compared by question, with a confidence sequence: it holds wherever a run stops.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, cast

import msgspec
import numpy as np

from policies import stats
from policies.language.compare import GAMEABLE
from policies.routing import Variant
from records.comparison import Came
from records.evaluation.sets import EvalRow, EvalScore
from shadow.compare.pair import AppRequest, ModelAnswer, Pair, ToolCall

ALPHA = 0.05
"""Of both sides of an interval together."""


@dataclass(frozen=True, slots=True)
class VariantAnswer:
    """What one variant said to one question."""

    came: Came
    reason: str = ""
    answer: ModelAnswer | None = None
    cost_usd: float | None = None
    """None: no price is known."""
    total_s: float | None = None


@dataclass(frozen=True, slots=True)
class EvalDifference:
    """One variant less the first, by question."""

    variant: str
    n: int
    mean: float | None
    lower: float | None
    upper: float | None
    """Confidence sequence at 95 %."""


@dataclass(slots=True)
class EvalTally:
    """What came of a run, or of a part of one."""

    variants: tuple[str, ...]
    metric: str
    answers: dict[str, list[VariantAnswer]] = field(init=False)
    scores: dict[str, dict[str, float]] = field(init=False)
    """Variant -> question -> score."""
    done: int = 0
    stopped: str = ""
    """Why it ended before its questions did."""

    def __post_init__(self) -> None:
        self.answers = {name: [] for name in self.variants}
        self.scores = {name: {} for name in self.variants}

    def add(self, other: Self) -> None:
        """Count another part of the same run."""
        for name in self.variants:
            self.answers[name] += other.answers[name]
            self.scores[name].update(other.scores[name])
        self.done += other.done
        self.stopped = self.stopped or other.stopped

    def results(self) -> tuple[EvalScore, ...]:
        """Each variant's own."""
        return tuple(self._result(name) for name in self.variants)

    def _result(self, name: str) -> EvalScore:
        values, answers = np.array(list(self.scores[name].values())), self.answers[name]
        known = [one.cost_usd for one in answers if one.cost_usd is not None]
        return EvalScore(
            variant=name,
            rows=values.size,
            failed=sum(one.answer is None for one in answers),
            mean=float(values.mean()) if values.size else None,
            sd=float(values.std(ddof=1)) if values.size > 1 else None,
            cost_usd=sum(known) if known else None,
        )

    def differences(self) -> tuple[EvalDifference, ...]:
        """Every other variant less the first, over the questions that both have a score for."""
        first, *others = self.variants
        return tuple(self._difference(first, name) for name in others)

    def questions(self, rows: Iterable[EvalRow]) -> list[dict[str, object]]:
        """Of each of these that was scored: where it came from, and each variant's score."""
        scored = (
            (row.source, {name: said[row.id] for name, said in self.scores.items() if row.id in said}) for row in rows
        )
        return [{"source": source, "scores": scores} for source, scores in scored if scores]

    def _difference(self, first: str, name: str) -> EvalDifference:
        ours, theirs = self.scores[name], self.scores[first]
        values = np.array([ours[each] - theirs[each] for each in ours if each in theirs])
        if not values.size:
            return EvalDifference(name, 0, None, None, None)
        bound = 2.0 if self.metric in GAMEABLE else 1.0  # likeness to a label is -1 to 0, a scorer's word -1 to 1
        counts = np.ones(values.size)
        lower = stats.lower_mean(values, counts, ALPHA / 2, lo=-bound, hi=bound)
        upper = stats.upper_mean(values, counts, ALPHA / 2, lo=-bound, hi=bound)
        return EvalDifference(name, values.size, float(values.mean()), lower, upper)


@dataclass(slots=True)
class EvalWork:
    """One run. `ask` and `score` keep what they found, so that the next run goes on where this one stopped."""

    variants: Mapping[str, Variant]
    tally: EvalTally
    ask: Callable[[EvalRow, Variant], Awaitable[VariantAnswer]]
    score: Callable[[Pair], Awaitable[float | None]]
    """The metric's q; None: not scored."""
    hindrance: Callable[[], str]
    """Why no more may be asked: the budget, the time, the user. Empty: nothing hinders."""
    told: Callable[[], None]
    """After each question."""

    async def run(self, rows: Iterator[EvalRow], in_flight: int) -> None:
        """Ask, so many questions at once, until nothing is left or something hinders."""
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(self._work(rows))

    async def _work(self, rows: Iterator[EvalRow]) -> None:
        while True:
            self.tally.stopped = self.tally.stopped or self.hindrance()
            row = None if self.tally.stopped else next(rows, None)
            if row is None:
                return
            said = dict(zip(self.variants, await self._ask_all(row), strict=True))
            for name, answer in said.items():
                self.tally.answers[name].append(answer)
            await self._score(row, said)
            self.tally.done += 1
            self.told()

    async def _ask_all(self, row: EvalRow) -> Sequence[VariantAnswer]:
        async def said(variant: Variant) -> VariantAnswer:
            return await self.ask(row, variant)

        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(said(variant)) for variant in self.variants.values()]
        return [each.result() for each in asked]

    async def _score(self, row: EvalRow, said: Mapping[str, VariantAnswer]) -> None:
        first = next(iter(said))
        if row.expected is not None:
            reference, offset = label_of(row.expected, self.tally.metric), 1.0
        else:
            reference, offset = said[first].answer, 0.0
            if reference is None or len(said) == 1:
                return  # there is nothing to hold it against
            self.tally.scores[first][row.id] = 0.0
        for name, one in said.items():
            if row.expected is None and name == first:
                continue
            q = await self._q(row, reference, one)
            if q is not None:
                self.tally.scores[name][row.id] = offset + q

    async def _q(self, row: EvalRow, reference: ModelAnswer, one: VariantAnswer) -> float | None:
        if one.answer is not None:
            return await self.score(Pair(AppRequest(row.path, row.request), reference, one.answer, row.id))
        return None if one.came == "skipped" else -1.0


def label_of(expected: str, metric: str) -> ModelAnswer:
    """The label as an answer; under `tool_calls` a JSON list of calls is calls."""
    if metric == "tool_calls":
        try:
            listed: Any = msgspec.json.decode(expected)
        except (msgspec.DecodeError, UnicodeDecodeError):
            listed = None
        if isinstance(listed, list):
            stated = [cast("dict[str, Any]", each) for each in cast("list[Any]", listed) if isinstance(each, dict)]
            return ModelAnswer("", tuple(map(_call, stated)), "tool_calls")
    return ModelAnswer(expected, finish="stop")


def _call(stated: dict[str, Any]) -> ToolCall:
    """`{name, arguments}`, or OpenAI's `{function: {name, arguments}}`."""
    found = cast("dict[str, Any]", stated.get("function", stated))
    arguments = found.get("arguments", {})
    text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
    return ToolCall(str(found.get("name", "")), text)
