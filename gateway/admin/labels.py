"""The queue of pairs for people to judge, and how far they agree with whoever scores them.

Blind: which answer stands left follows from a hash of pair and person, so that nobody can learn it, and a page that is
loaded again shows the same.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.admin.exchanges import ExchangeReader
from gateway.admin.figure_views import PairView
from gateway.admin.filters import RecordFilter
from gateway.admin.queries import RecordQueries
from gateway.node import labels
from gateway.node.datadir import DataDir
from gateway.node.labels import LabelVote, PairLabel

Pool = Literal["random", "disagreements"]
POOLS: tuple[Pool, ...] = ("random", "disagreements")
SIZE = 50
Choice = Literal["left", "right", "equal", "bad", "skip"]
_PLAIN: dict[str, LabelVote] = {"equal": "equal", "bad": "both_bad", "skip": "skipped"}


@dataclass(frozen=True, slots=True)
class LabelTask:
    """Whom the queue is for, and what of."""

    route: str
    by: str
    pool: Pool
    seed: str


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


@dataclass(frozen=True, slots=True)
class LabelQueue:
    """Pairs for people to judge."""

    data: DataDir
    queries: RecordQueries

    def drawn(self, task: LabelTask, wanted: RecordFilter) -> list[QueuedPair]:
        """The task's pairs, in an order that says nothing: by a hash of their ids and the seed."""
        wanted.add("route = ?", task.route)
        wanted.add("came = 'answered' AND asked <> 'baseline_again' AND answer_json IS NOT NULL")
        if task.pool == "disagreements":
            wanted.add("q < 0")
        query = f"""
        SELECT exchange_id, asked FROM comparisons_all WHERE {wanted.where}
        ORDER BY md5(exchange_id || asked || ?), exchange_id LIMIT ?"""  # noqa: S608 -- our own words
        return [QueuedPair(*row) for row in self.queries.rows(query, [*wanted.parameters, task.seed, SIZE])]

    def pair(self, queued: QueuedPair) -> PairView | None:
        """Both answers; None: they are not kept any more."""
        found = ExchangeReader(self.queries).pair(queued.exchange_id).pairs
        return next((each for each in found if each.comparison["asked"] == queued.asked), None)

    def vote(self, label: PairLabel) -> None:
        """Keep a vote."""
        with labels.opened(self.data.state) as state:
            labels.keep(state, label)

    def take_back(self, label: PairLabel) -> None:
        """Take a vote back."""
        with labels.opened(self.data.state) as state:
            labels.forget(state, label)

    def votes(self, *, route: str | None = None, by: str | None = None) -> list[PairLabel]:
        """What people said, newest first."""
        with labels.opened(self.data.state) as state:
            return labels.stored(state, route=route, by=by)

    def agreement(self, votes: Sequence[PairLabel]) -> Agreement:
        """How far these votes agree with the scores of the same pairs."""
        said = {(vote.exchange_id, vote.asked): vote.vote for vote in votes if vote.vote not in ("skipped", "both_bad")}
        ids = sorted({exchange_id for exchange_id, _ in said})
        query = """
        SELECT exchange_id, asked, q FROM comparisons_all
        WHERE exchange_id IN (SELECT unnest(?::VARCHAR[])) AND q IS NOT NULL"""
        rows = self.queries.rows(query, [ids]) if ids else []
        return agree([(said[row[0], row[1]], _side(row[2])) for row in rows if (row[0], row[1]) in said])


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
    known = n >= 2 and chance < 1
    return Agreement(n, same, (same / n - chance) / (1 - chance) if known else None)


def _side(q: float) -> LabelVote:
    return "candidate" if q > 0 else "baseline" if q < 0 else "equal"
