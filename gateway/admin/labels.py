"""The queue of pairs for people to judge, what they say of the candidate, and how far they agree with whoever scores.

Blind: which answer stands left follows from a hash of pair and person, so that nobody can learn it, and a page that is
loaded again shows the same.
"""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar, get_args

import numpy as np

from gateway.admin.exchanges import ExchangeReader
from gateway.admin.figure_views import PairView
from gateway.admin.filters import FilterError, wanted
from gateway.admin.prompts import AnswerOutline, PromptOutline, answer_outline, prompt_outline
from gateway.admin.queries import RecordQueries
from gateway.node import labels
from gateway.node.datadir import DataDir
from gateway.node.labels import LabelVote, PairLabel
from policies import stats

_Said = TypeVar("_Said")
Pool = Literal["random", "judged", "disagreements"]
POOLS: tuple[Pool, ...] = get_args(Pool)
SIZE = 50
USUAL = "30d"
"""Pairs of so long ago are drawn from."""
CHOSEN = "chosen"
"""The pool of a pair that was not drawn."""
ASKED = """judge_json NOT IN ('', '{"drawn":false}')"""
"""Whether the judge was asked: nobody asks it about what is plain, nor about a pair that its lot fell beside."""
_HAS_VERDICT = f"""
q IS NOT NULL AND NOT abstained AND (metric <> 'judge' OR {ASKED}) AND candidate_key = (
    SELECT candidate_key FROM comparisons_all WHERE route = ? ORDER BY compared_at DESC LIMIT 1)"""  # noqa: S608 -- our own words
"""As `verdict` has it, of the candidate of now."""
Choice = Literal["left", "right", "equal", "bad", "skip"]
CHOICES: tuple[Choice, ...] = get_args(Choice)
TAGS = ("incomplete", "wrong fact", "too long", "tone", "format")
NAME = r"[\w.@\-]{1,64}"
"""Whom a vote is of."""
ALPHA = 0.025
"""Of each side of an interval."""
_PLAIN: dict[str, LabelVote] = {"equal": "equal", "bad": "both_bad", "skip": "skipped"}


@dataclass(frozen=True, slots=True)
class LabelTask:
    """Whom the queue is for, and what of."""

    route: str
    by: str
    pool: Pool
    seed: str


class VoteRefusedError(Exception):
    """A vote that is none, on nothing that is there, or of nobody."""


@dataclass(frozen=True, slots=True)
class QueuedPair:
    """A pair to judge: no more of it than a judge may know."""

    exchange_id: str
    asked: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far somebody agrees with the pairs' scores: better, as good, worse."""

    n: int
    agreed: int
    kappa: float | None
    """Cohen's; None: too few, or all of one kind.

    Source: Cohen 1960, A coefficient of agreement for nominal scales.
    """
    kappa_half: float | None = None
    """Half of its 95 % interval, by the large-sample error of the same paper."""


@dataclass(frozen=True, slots=True)
class HumanScore:
    """What people say of the candidate on pairs drawn at random: +1 it is better, -1 the baseline is, 0 neither."""

    n: int
    """Pairs; several people's votes on one are its mean."""
    mean: float | None
    lower: float | None
    """Of a 95 % confidence sequence: it holds at whatever moment one looks, as gates' intervals do."""
    upper: float | None


@dataclass(frozen=True, slots=True)
class BlindPair:
    """Two answers to one request, and not whose they are."""

    prompt: PromptOutline
    left: AnswerOutline
    right: AnswerOutline


@dataclass(frozen=True, slots=True)
class LabelState:
    """A person's position in a queue of pairs."""

    total: int
    done: int
    queued: QueuedPair | None
    """None: nothing is left."""
    pair: PairView | None
    votes: list[PairLabel]
    """This person's, newest first."""


@dataclass(frozen=True, slots=True)
class LabelQueue:
    """Pairs for people to judge."""

    data: DataDir
    queries: RecordQueries

    def state(self, task: LabelTask, *, now: float) -> LabelState:
        """Where a person is in a task, with the next pair that is kept."""
        drawn, votes = self.drawn(task, now=now), self.votes(route=task.route, by=task.by)
        done = {(vote.exchange_id, vote.asked) for vote in votes}
        open_ = [each for each in drawn if (each.exchange_id, each.asked) not in done]
        shown = next(
            ((each, pair) for each in open_ if (pair := self.pair(each, task.route)) is not None), (None, None)
        )
        return LabelState(len(drawn), len(drawn) - len(open_), *shown, votes)

    def drawn(self, task: LabelTask, *, now: float) -> list[QueuedPair]:
        """The task's pairs, in an order that says nothing: by a hash of their ids and the seed."""
        found = wanted("comparisons", {"since": USUAL}, now=now)
        found.add("route = ?", task.route)
        found.add("came = 'answered' AND asked <> 'baseline_again' AND answer_json IS NOT NULL")
        if task.pool == "disagreements":
            found.add("q < 0")
        elif task.pool == "judged":
            found.add(_HAS_VERDICT, task.route)
        query = f"""
        SELECT exchange_id, asked FROM comparisons_all WHERE {found.where}
        ORDER BY md5(exchange_id || asked || ?), exchange_id LIMIT ?"""  # noqa: S608 -- our own words
        return [QueuedPair(*row) for row in self.queries.rows(query, [*found.parameters, task.seed, SIZE])]

    def pair(self, queued: QueuedPair, route: str) -> PairView | None:
        """Both answers; None: they are not kept any more. `route`: of several candidates, the one's own."""
        found = ExchangeReader(self.queries).pair(queued.exchange_id).pairs
        wanted = (queued.asked, route)
        return next((each for each in found if (each.comparison["asked"], each.comparison["route"]) == wanted), None)

    def vote(
        self, task: LabelTask, queued: QueuedPair, choice: Choice, tags: Sequence[str], *, now: float
    ) -> PairLabel:
        """Keep what somebody chose between left and right. Of no pool that was not drawn: it would speak of all.

        Raises:
            VoteRefusedError: there is no such pair of the route.
            LabelsFullError: no more are kept.
        """
        shown = self.pair(queued, task.route)
        if shown is None:
            raise VoteRefusedError("there is no such pair of that route. hint: the queue names the next one")
        pool = task.pool if queued in self.drawn(task, now=now) else CHOSEN
        said = voted(queued, task.by, choice)
        label = replace(
            _label(task, queued, now), pool=pool, vote=said, tags=tuple(tag for tag in TAGS if tag in tags),
            candidate_key=str(shown.comparison["candidate_key"]), q=verdict(shown.comparison),
        )  # fmt: skip
        with labels.opened(self.data.state) as state:
            labels.keep(state, label)
        return label

    def take_back(self, task: LabelTask, queued: QueuedPair, *, now: float) -> bool:
        """Take a vote back. Returns whether there was one."""
        with labels.opened(self.data.state) as state:
            return labels.forget(state, _label(task, queued, now))

    def votes(self, *, route: str | None = None, by: str | None = None) -> list[PairLabel]:
        """What people said, newest first."""
        with labels.opened(self.data.state) as state:
            return labels.stored(state, route=route, by=by)

    def agreement(self, votes: Sequence[PairLabel]) -> Agreement:
        """How far these votes agree with the scores of the same pairs."""
        said = {labels.pair_of(vote): vote.vote for vote in votes if vote.vote not in ("skipped", "both_bad")}
        return agree([(vote, _side(q)) for vote, q in self.scored(said)])

    def scored(self, said: Mapping[labels.Pair, _Said]) -> list[tuple[_Said, float]]:
        """What was said of pairs, beside their scores; of pairs that have one."""
        ids = sorted({exchange_id for exchange_id, _, _ in said})
        query = """
        SELECT exchange_id, asked, route, q FROM comparisons_all
        WHERE exchange_id IN (SELECT unnest(?::VARCHAR[])) AND q IS NOT NULL"""
        rows = self.queries.rows(query, [ids]) if ids else []
        known = [(said.get((row[0], row[1], row[2])), row[3]) for row in rows]
        return [(word, q) for word, q in known if word is not None]


def task_of(route: str, by: str, pool: str, seed: str) -> LabelTask:
    """What somebody asks for, looked at.

    Raises:
        FilterError: a name or a pool that can be none.
    """
    if not re.fullmatch(NAME, by):
        raise FilterError("a name is letters, digits, dot, dash, at and underscore; at most 64. hint: by=ada")
    if pool not in POOLS:
        raise FilterError(f"there is no pool {pool[:20]!r}. hint: {', '.join(POOLS)}")
    return LabelTask(route, by, pool, seed[:20])


def human(votes: Sequence[PairLabel]) -> HumanScore:
    """What people say of the candidate, out of the random pairs alone: those that were chosen speak of themselves."""
    seen = Counter(labels.scores(votes, pool="random").values())
    if not seen:
        return HumanScore(0, None, None, None)
    values, counts = np.array(list(seen)), np.array(list(seen.values()), dtype=float)
    n = int(counts.sum())
    lower = stats.lower_mean(values, counts, ALPHA, lo=-1.0, hi=1.0)
    upper = stats.upper_mean(values, counts, ALPHA, lo=-1.0, hi=1.0)
    return HumanScore(n, float(values @ counts) / n, lower, upper)


def outlines(pair: PairView, asked: str) -> tuple[PromptOutline, AnswerOutline, AnswerOutline]:
    """A pair as people read it: what was asked, the baseline's answer, the candidate's."""
    row, exchange = pair.comparison, pair.exchange or {}
    path = str(exchange.get("path") or "/v1/chat/completions")
    served, other = (answer_outline(path, _json(each)) for each in (exchange.get("response_json"), row["answer_json"]))
    baseline, candidate = (other, served) if asked == "baseline" else (served, other)
    return prompt_outline(path, _json(exchange.get("request_json"))), baseline, candidate


def verdict(comparison: Mapping[str, object]) -> float | None:
    """What whoever scores found of a pair; None where nobody did."""
    q, is_asked = comparison["q"], comparison["judge_json"] not in ("", '{"drawn":false}')
    has_one = not comparison["abstained"] and (comparison["metric"] != "judge" or is_asked)
    return q if isinstance(q, float) and has_one else None


def blind(pair: PairView, queued: QueuedPair, by: str) -> BlindPair:
    """A pair as a judge may see it."""
    prompt, baseline, candidate = outlines(pair, queued.asked)
    left, right = (candidate, baseline) if is_swapped(queued, by) else (baseline, candidate)
    return BlindPair(prompt, left, right)


def is_swapped(queued: QueuedPair, by: str) -> bool:
    """Whether the candidate stands left for this person."""
    told = f"{queued.exchange_id}\n{queued.asked}\n{by}"
    return bool(hashlib.sha256(told.encode("utf-8", "surrogateescape")).digest()[0] & 1)


def voted(queued: QueuedPair, by: str, choice: Choice) -> LabelVote:
    """What a choice between left and right says."""
    if choice in _PLAIN:
        return _PLAIN[choice]
    return "candidate" if (choice == "left") == is_swapped(queued, by) else "baseline"


def agree(pairs: Sequence[tuple[str, str]]) -> Agreement:
    """How far two judges of the same pairs agree, beyond chance."""
    n = len(pairs)
    same = sum(one == other for one, other in pairs)
    kinds = {kind for pair in pairs for kind in pair}
    chance = sum(
        sum(one == kind for one, _ in pairs) * sum(other == kind for _, other in pairs) for kind in kinds
    ) / (n * n or 1)  # fmt: skip
    if n < 2 or chance >= 1:
        return Agreement(n, same, None)
    seen = same / n
    half = 1.96 * math.sqrt(seen * (1 - seen) / n) / (1 - chance)
    return Agreement(n, same, (seen - chance) / (1 - chance), half)


def _side(q: float) -> LabelVote:
    return "candidate" if q > 0 else "baseline" if q < 0 else "equal"


def _json(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _label(task: LabelTask, queued: QueuedPair, now: float) -> PairLabel:
    return PairLabel(queued.exchange_id, queued.asked, task.by, task.route, task.pool, "skipped", (), now)
