"""The judge: a model that says which of two answers is better, asked blind, in both orders, and watched.

It scores a pair 1 if the candidate wins in both orders, -1 if it loses both, else 0. Whether a pair is judged is a
lot, drawn by its id before anything is looked at; a pair it did not fall on scores 0 with the same `p_sample`.
A judge that gets too many hidden controls wrong is suspended: from then on every pair it should judge is an
abstention, and abstentions above the guard's limit let nothing advance.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from policies.assignment import bucket
from policies.language.amounts import PPM
from shadow.compare.pair import AppRequest, ModelAnswer, Pair, Score
from shadow.judging import controls, prompt, verdict
from shadow.judging.controls import Control, Pool, Trust
from shadow.judging.prompt import Style
from shadow.judging.verdict import JudgeVerdict
from shadow.ports import Model, ModelCall, ModelReply, MoneyBudget

_AGAIN = frozenset({408, 409, 425, 429})
"""Refusals that a second question may not meet."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What a judge is told once, and never changes."""

    upstream: str
    style: Style
    sample_ppm: int
    """Share of pairs that are judged."""
    key: bytes
    """Secret: tags, marks and controls are hashes under it. Not empty."""
    salt: str = ""
    """Of the lot: the route."""
    deadline_s: float = 60.0
    """Of one question."""
    total_s: float = 180.0
    """Of all questions about one pair, its controls included."""
    in_flight: int = 8
    """Questions on their way at once."""
    tries: int = 3
    """How often a question is asked at most that nobody gives a verdict on: one that is missing counts at its worst."""

    @property
    def version(self) -> str:
        """A digest of model, prompt and rubric; a judge with another version starts new evidence."""
        return prompt.version(self.style.model, self.style.rubric)

    def __post_init__(self) -> None:
        """Refuse what would make tags and controls guessable.

        Raises:
            ValueError: a bug in the caller.
        """
        if not self.key:
            raise ValueError("a judge needs a secret key")


@dataclass(frozen=True, slots=True)
class VerdictCost:
    """The cost of one call of a judge."""

    usd: float = 0.0
    """What it cost, as far as prices are known."""
    charged_usd: float = 0.0
    """What the budget is charged."""


@dataclass(slots=True)
class _Case:
    """What was asked about one pair, and what it cost."""

    pair: Pair
    said: list[str] = field(default_factory=list[str])
    """Of the pair itself: who won each order."""
    controls: list[tuple[str, bool | None]] = field(default_factory=list[tuple[str, bool | None]])
    cost_usd: float = 0.0
    q: float | None = None


@dataclass(slots=True)
class JudgeScorer:
    """A `ports.Scorer`. One for each route, and only one: what it remembers of its controls is its licence."""

    model: Model
    bench: Bench
    budget: MoneyBudget
    cost_usd: Callable[[ModelReply, int], VerdictCost]
    """What one verdict cost; the number is of the bytes that were sent."""
    trust: Trust = field(default_factory=Trust)
    pool: Pool = field(default_factory=Pool)
    style: Style = field(init=False)
    """The bench's, less the fields that the judge's upstream refused."""
    _free: asyncio.Semaphore = field(init=False)
    """Guards `in_flight`."""

    def __post_init__(self) -> None:
        self.style = self.bench.style
        self._free = asyncio.Semaphore(self.bench.in_flight)

    async def score(self, pair: Pair) -> Score:
        """The judge's preference, or why there is none."""
        p_sample = self.bench.sample_ppm / PPM
        if bucket(pair.id, f"{self.bench.salt}\njudge") >= self.bench.sample_ppm:
            self.pool.add(pair)
            return Score(q=0.0, p_sample=p_sample, told={"drawn": False})
        case = _Case(pair)
        if self.trust.suspended:
            return self._scored(case, "suspended")
        if not self.budget.has_left():
            return Score(p_sample=p_sample, told={"drawn": True, "why": "budget"})
        why = ""
        try:
            async with asyncio.timeout(self.bench.total_s):
                await self._hear(case)
        except TimeoutError:
            why = "timeout"
        self.pool.add(pair)
        return self._scored(case, "suspended" if self.trust.suspended else why)

    def _scored(self, case: _Case, why: str) -> Score:
        rights = [right for _, right in case.controls if right is not None]
        told: dict[str, Any] = {
            "drawn": True,
            "version": self.bench.version,
            "orders": case.said,
            "controls": [{"kind": kind, "right": right} for kind, right in case.controls],
            "trust": self.trust.text(),
        }
        q = None if why else case.q
        if q is None:
            told["why"] = why or ("no_verdict" if "nothing" in case.said else "unearned_win")
        return Score(
            q=q,
            p_sample=self.bench.sample_ppm / PPM,
            abstained=q is None,
            control=all(rights) if rights else None,
            cost_usd=case.cost_usd,
            told=told,
        )

    async def _hear(self, case: _Case) -> None:
        """Ask about the pair and its controls at the same time; then check a random share of the wins."""
        pair = case.pair
        others = [other for other in self.pool.pairs if other.id != pair.id]
        due = controls.choose(pair, others, self.trust.due(pair.id), self.bench.key)
        async with asyncio.TaskGroup() as group:
            judged = group.create_task(self._contest(case, "pair", pair.asked, (pair.candidate, pair.baseline)))
            for number, control in enumerate(due):
                group.create_task(self._control(case, str(number), control))
        case.said = [_winner(each) for each in judged.result()]
        case.q = _agreed(judged.result())
        check = controls.check(pair, others, self.bench.key) if case.q == 1 else None
        if check is not None and await self._control(case, "win", check) is False:
            case.q = None  # it won for something other than what it answers

    async def _control(self, case: _Case, name: str, control: Control) -> bool | None:
        """Whether the judge got a control right; None: it said nothing."""
        found = _agreed(await self._contest(case, name, control.asked, (control.good, control.bad)))
        right = None if found is None else found == 1
        case.controls.append((control.kind, right))
        if right is not None:
            self.trust = self.trust.after(right=right)
        return right

    async def _contest(
        self, case: _Case, name: str, asked: AppRequest, answers: tuple[ModelAnswer, ModelAnswer]
    ) -> Sequence[int | None]:
        """Both orders: 1 where the first of `answers` wins, -1 the second, 0 a tie, None nothing was said.

        A tie or a silence decides, so the other order is not asked.
        """
        contest = f"{case.pair.id}\n{name}"
        swap = bucket(contest, "order") % 2
        won: list[int | None] = []
        for order in (swap, 1 - swap):
            shown = answers if order == 0 else (answers[1], answers[0])
            said = await self._question(case, contest, order, asked, shown)
            won.append(
                {JudgeVerdict.FIRST: 1 - 2 * order, JudgeVerdict.SECOND: 2 * order - 1, JudgeVerdict.TIE: 0}.get(said)
            )
            if not won[-1]:
                break
        return won

    async def _question(
        self, case: _Case, contest: str, order: int, asked: AppRequest, shown: tuple[ModelAnswer, ModelAnswer]
    ) -> JudgeVerdict:
        """One verdict, asked for again where none comes and there is money."""
        for _ in range(self.bench.tries):
            said = await self._ask(case, contest, order, asked, shown)
            if said is not JudgeVerdict.NOTHING:
                return said or JudgeVerdict.NOTHING
            if not self.budget.has_left():
                break
        return JudgeVerdict.NOTHING

    async def _ask(
        self, case: _Case, contest: str, order: int, asked: AppRequest, shown: tuple[ModelAnswer, ModelAnswer]
    ) -> JudgeVerdict | None:
        """What it says once; None: it refuses, and would again.

        A field that the judge's upstream refuses is left out from then on.
        """
        secret = prompt.tags(self.bench.key, contest, order)
        for _ in range(len(prompt.OPTIONAL) + 1):
            style = self.style
            body = prompt.body(style, asked, shown, secret)
            if not body:
                return None
            async with self._free:
                heard = await self.model.ask(ModelCall(self.bench.upstream, prompt.PATH, body, self.bench.deadline_s))
            cost = self.cost_usd(heard, len(body))
            case.cost_usd += cost.usd
            self.budget.spend(cost.charged_usd)
            if heard.is_good:
                return verdict.read(heard.body, secret)
            if heard.blamed not in prompt.OPTIONAL or heard.blamed in style.without:
                return None if 400 <= heard.status < 500 and heard.status not in _AGAIN else JudgeVerdict.NOTHING
            self.style = replace(self.style, without=self.style.without | {heard.blamed})
        return None


def _agreed(won: Sequence[int | None]) -> float | None:
    """What both orders say together."""
    if None in won:
        return None
    first, last = won[0], won[-1]
    return float(first or 0) if len(won) == 2 and first == last else 0.0


def _winner(won: int | None) -> str:
    return {1: "candidate", -1: "baseline", 0: prompt.TIE}[won] if won is not None else "nothing"
