"""Each route's judge: whether it is trusted, how it was right on what is known, and whether people agree with it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from pydantic import ConfigDict

from gateway.admin.filters import RecordFilter
from gateway.admin.label_views import AgreementView, HumanScoreView
from gateway.admin.labels import ALPHA, ASKED, LabelQueue, human
from gateway.admin.views import Moment, PageView
from gateway.node import labels
from gateway.node.labels import PairLabel
from policies import stats

READ = 2000
"""Verdicts of the latest that are read for how a judge says; sums are of all."""
SUSPICIOUS = 20


class VerdictView(PageView):
    """A verdict that one would look at."""

    exchange_id: str
    asked: str
    route: str
    at: Moment
    why: str


class BiasView(PageView):
    """How much better for the candidate the judge's score is than people's word, in [-2, 2]; of pairs both scored."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)
    n: int
    mean: float | None
    lower: float | None
    """Of a 95 % confidence sequence."""
    upper: float | None


class JudgeView(PageView):
    """One route's judge, in a window."""

    route: str
    state: str
    """What its hidden controls say, in the latest verdict's words; empty: none says."""
    suspended: bool
    judged: int
    """Pairs it was asked about."""
    abstained: int
    wins: int
    """Pairs it finds the candidate's answer better of."""
    losses: int
    controls: int
    """Pairs that came with hidden controls."""
    controls_right: int
    cost_usd: float
    orders: int
    """Of the latest: pairs that both orders gave a verdict on."""
    orders_differ: int
    """Of them: another winner in the other order, so a tie."""
    agreement: AgreementView
    """With people, on random pairs."""
    human: HumanScoreView
    bias: BiasView
    bar: str | None
    """What the policy demands of it (`guards.judge_bias`), as the last look says; None: it demands nothing."""


class JudgesView(PageView):
    """The judges, by route; what one would look at, newest first."""

    judges: list[JudgeView]
    suspicious: list[VerdictView]


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What a judge said of one pair."""

    exchange_id: str
    asked: str
    route: str
    at: Moment
    control: bool | None
    told: dict[str, Any]
    """Its own account."""


@dataclass(frozen=True, slots=True)
class Judges:
    """Reads what judges said, beside what people did."""

    queue: LabelQueue

    def found(self, wanted: RecordFilter, bars: Mapping[str, str]) -> JudgesView:
        """Every route's judge; `bars` are the looks' own words on `guards.judge_bias`."""
        query = f"""
        SELECT route, count(*), count(*) FILTER (WHERE abstained), count(*) FILTER (WHERE q > 0),
               count(*) FILTER (WHERE q < 0), count(control), count(*) FILTER (WHERE control), sum(judge_cost_usd)
        FROM comparisons_all WHERE {ASKED} AND {wanted.where} GROUP BY route ORDER BY route"""  # noqa: S608 -- our own words
        sums = self.queue.queries.rows(query, wanted.parameters)
        query = f"""
        SELECT exchange_id, asked, route, compared_at, control, judge_json FROM comparisons_all
        WHERE {ASKED} AND {wanted.where} ORDER BY compared_at DESC LIMIT {READ}"""  # noqa: S608 -- our own words
        said = [
            _Verdict(row[0], row[1], row[2], row[3], row[4], _told(row[5]))
            for row in self.queue.queries.rows(query, wanted.parameters)
        ]
        by_route = {row[0]: [each for each in said if each.route == row[0]] for row in sums}
        return JudgesView(
            judges=[self._judge(row, by_route[row[0]], bars.get(row[0])) for row in sums],
            suspicious=[
                VerdictView(exchange_id=each.exchange_id, asked=each.asked, route=each.route, at=each.at, why=why)
                for each in said if (why := _suspicious(each))
            ][:SUSPICIOUS],
        )  # fmt: skip

    def _judge(self, sums: tuple[Any, ...], said: list[_Verdict], bar: str | None) -> JudgeView:
        votes = self.queue.votes(route=sums[0])
        drawn = [vote for vote in votes if vote.pool == "random"]
        state = next((str(each.told["trust"]) for each in said if each.told.get("trust")), "")
        orders = [each.told["orders"] for each in said if _winners(each.told)]
        return JudgeView(
            route=sums[0], state=state, suspended=state.startswith("suspended"), judged=sums[1], abstained=sums[2],
            wins=sums[3], losses=sums[4], controls=sums[5], controls_right=sums[6], cost_usd=sums[7] or 0.0,
            orders=len(orders), orders_differ=sum(len(set(winners)) > 1 for winners in orders),
            agreement=AgreementView.model_validate(self.queue.agreement(drawn)),
            human=HumanScoreView.model_validate(human(votes)), bias=_bias_of(votes), bar=bar,
        )  # fmt: skip


def _bias_of(votes: list[PairLabel]) -> BiasView:
    """The judge's bias on drawn pairs; pairs that a person picked are left out, since they are no random sample."""
    return bias([score - word for pairs in labels.judged(votes).values() for score, word in pairs])


def bias(gaps: list[float]) -> BiasView:
    """The mean of what a judge says more than people do, with its interval."""
    if not gaps:
        return BiasView(n=0, mean=None, lower=None, upper=None)
    values, counts = np.unique(np.array(gaps), return_counts=True)
    weights = counts.astype(float)
    lower = stats.lower_mean(values, weights, ALPHA, lo=-2.0, hi=2.0)
    upper = stats.upper_mean(values, weights, ALPHA, lo=-2.0, hi=2.0)
    return BiasView(n=len(gaps), mean=float(np.mean(gaps)), lower=lower, upper=upper)


def _told(text: str) -> dict[str, Any]:
    """A judge's own account; nothing, where it cannot be read."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _winners(told: Mapping[str, Any]) -> bool:
    orders = told.get("orders")
    return isinstance(orders, list) and len(cast("list[object]", orders)) > 1 and "nothing" not in orders


def _suspicious(verdict: _Verdict) -> str:
    """Why one would look at a verdict; empty: there is no reason."""
    if verdict.control is False:
        return "a hidden control beside it was judged wrongly"
    if verdict.told.get("why") == "unearned_win":
        return "a win that did not hold when it was checked"
    if _winners(verdict.told) and len(set(verdict.told["orders"])) > 1:
        return "another winner in the other order"
    return ""
