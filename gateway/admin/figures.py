"""Sums over the records: what a route answered, who reaches its candidate, how fast, for how much.

Each is one question with a deadline (`queries.py`). Days and routes are asked for by column, so that a page reads only
the files of its window.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, cast

from gateway.admin.figure_views import (
    ArmView,
    BackgroundDayView,
    BucketView,
    CostDayView,
    CostView,
    DataView,
    FunnelView,
    PaidHoursView,
    ReasonCountView,
    RouteFiguresView,
    SavingView,
    ShadowArmView,
    TableSizeView,
    UnroutedListView,
    UnroutedView,
    WeightPointView,
    WeightsView,
)
from gateway.admin.filters import RecordFilter
from gateway.admin.prompts import prompt_outline
from gateway.admin.queries import RecordQueries
from policies.request.body import CHAT
from policies.routing import PPM
from records.parquet import TABLES
from records.request_kinds import RequestKind, kind_of, kinds_query

EXCERPT = 192
"""Characters of a system prompt that are shown of a kind of request."""
_SAVED = "sum(counterfactual_cost_usd - cost_usd)"
_UNPRICED = "count(*) FILTER (WHERE cost_usd IS NULL AND prompt_tokens IS NOT NULL)"


def _quantiles(column: str) -> str:
    return ", ".join(f"quantile_cont({column}, {share})" for share in (0.5, 0.95))


_CALLED = "came NOT IN ('dropped', 'skipped')"
"""Of comparisons for which somebody was asked: what was shed before its call costs nothing, and is no call."""
_NOT_ELIGIBLE = frozenset({"ineligible", "slice", "pinned", "bypass", "refused", "unrouted"})
"""Of the records' `why`: the candidate was not to be asked, by what the request, its policy or its caller is."""
_FALLBACKS = frozenset({"fallback", "breaker", "busy"})
"""It was to be asked, and the baseline answered."""
_OURS = "why <> 'imported'"
"""What went through here; what was imported says nothing of what we did, or what it cost."""
_ELIGIBLE = f"why NOT IN {tuple(sorted(_NOT_ELIGIBLE))}"
_ARM = f"""
route, variant, count(*), count(*) FILTER (WHERE {_ELIGIBLE}),
count(*) FILTER (WHERE status >= 500 OR status = 0), sum(prompt_tokens)::BIGINT,
sum(cached_tokens)::BIGINT, sum(completion_tokens)::BIGINT, sum(cost_usd), sum(counterfactual_cost_usd), {_SAVED},
{_UNPRICED}, {_quantiles("first_byte_ms")}, {_quantiles("total_ms")}, {_quantiles("tpot_ms")}
"""
_CANDIDATES = (
    "(variant = 'candidate' OR why IN ('fallback', 'breaker', 'busy', 'unverified', 'reverify', 'killed', 'lease', "
    "'observe'))"
)
_BUCKET = """CASE WHEN prompt_tokens IS NULL THEN 'unknown' WHEN prompt_tokens < 1000 THEN 'under 1,000'
WHEN prompt_tokens < 2000 THEN '1,000–2,000' WHEN prompt_tokens < 4000 THEN '2,000–4,000' ELSE 'over 4,000' END"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Adds up what was recorded."""

    queries: RecordQueries

    def arms(self, wanted: RecordFilter) -> list[ArmView]:
        """Per route and variant."""
        query = f"SELECT {_ARM} FROM exchanges WHERE {wanted.where} AND {_OURS} GROUP BY route, variant ORDER BY 1, 2"  # noqa: S608 -- our own words
        rows = self.queries.named(query, tuple(ArmView.model_fields), wanted.parameters)
        return [ArmView.model_validate(row) for row in rows]

    def route(self, route: str, wanted: RecordFilter) -> RouteFiguresView:
        """One route: its arms, its funnel, its speed by length, and the shadow's calls."""
        return RouteFiguresView(
            route=route,
            since=_utc(wanted.window.since),
            arms=[arm for arm in self.arms(wanted) if arm.route == route],
            funnel=self._funnel(route, wanted),
            buckets=self._buckets(route, wanted),
            shadow=[],
        )

    def baseline_models(self, wanted: RecordFilter) -> set[tuple[str, str]]:
        """Routes, and the models that apps asked of their baselines."""
        query = f"""
        SELECT DISTINCT route, model_requested FROM exchanges
        WHERE {wanted.where} AND {_OURS} AND variant = 'baseline'"""  # noqa: S608 -- our own words
        rows = self.queries.named(query, ("route", "model"), wanted.parameters)
        return {(str(row["route"]), str(row["model"])) for row in rows}

    def savings(self, wanted: RecordFilter) -> list[SavingView]:
        """What candidates saved, by route: where both prices are known."""
        query = f"""
        SELECT route, {_SAVED} FROM exchanges WHERE {wanted.where} AND variant = 'candidate'
        GROUP BY route ORDER BY 1"""  # noqa: S608 -- our own words
        rows = self.queries.named(query, tuple(SavingView.model_fields), wanted.parameters)
        return [SavingView.model_validate(row) for row in rows]

    def shadow(self, wanted: RecordFilter) -> list[ShadowArmView]:
        """What became of background calls, by whom was asked."""
        query = f"""
        SELECT asked, came, reason, count(*), {_quantiles("first_byte_ms")}, {_quantiles("total_ms")}, sum(cost_usd),
               sum(judge_cost_usd)
        FROM comparisons_all WHERE {wanted.where} GROUP BY asked, came, reason ORDER BY 1, 2, 3"""  # noqa: S608 -- our own words
        rows = self.queries.named(query, tuple(ShadowArmView.model_fields), wanted.parameters)
        return [ShadowArmView.model_validate(row) for row in rows]

    def cost(self, wanted: RecordFilter, background: RecordFilter) -> CostView:
        """Money by day, route, variant and model; and what the shadow and the judge cost beside it."""
        return self.queries.together(("cost", repr(wanted), repr(background)), lambda: self._cost(wanted, background))

    def _cost(self, wanted: RecordFilter, background: RecordFilter) -> CostView:
        query = f"""
        SELECT arrived_at::DATE, route, variant, coalesce(nullif(model_returned, ''), model_requested), count(*),
               sum(prompt_tokens)::BIGINT, sum(completion_tokens)::BIGINT, sum(cost_usd), sum(counterfactual_cost_usd),
               {_SAVED}, {_UNPRICED}
        FROM exchanges WHERE {wanted.where} AND {_OURS} GROUP BY ALL ORDER BY 1 DESC, 8 DESC NULLS LAST, 2, 3, 4"""  # noqa: S608 -- our own words
        days = [
            CostDayView.model_validate(row)
            for row in self.queries.named(query, tuple(CostDayView.model_fields), wanted.parameters)
        ]
        beside = self._background(background)
        return CostView(
            since=_utc(wanted.window.since),
            cost_usd=sum(day.cost_usd or 0.0 for day in days),
            counterfactual_usd=sum(day.counterfactual_usd or 0.0 for day in days),
            saved_usd=sum(day.saved_usd or 0.0 for day in days if day.variant == "candidate"),
            background_usd=sum((day.cost_usd or 0.0) + day.judge_cost_usd for day in beside),
            unpriced=sum(day.unpriced for day in days),
            days=days,
            background=beside,
            hours=self._hours(wanted.window.since or 0.0, wanted.window.until),
        )

    def weights(self, wanted: RecordFilter) -> WeightsView:
        """How weights moved, out of the decisions that were recorded."""
        query = """
        SELECT epoch(decided_at), route, weight_ppm FROM decisions_all WHERE decided_at >= ? AND date >= ?::DATE
        ORDER BY decided_at LIMIT 5000"""
        since = datetime.fromtimestamp(wanted.window.since or 0.0, UTC)
        rows = self.queries.rows(query, [since.replace(tzinfo=None), since.date()])
        return WeightsView(points=[WeightPointView(at=at, route=route, weight=ppm / PPM) for at, route, ppm in rows])

    def unrouted(self, wanted: RecordFilter, limit: int) -> UnroutedListView:
        """Kinds of requests that no policy has, dearest first: as `crossfade routes` groups them."""
        rows = self.queries.rows(kinds_query(f"route = '' AND {wanted.where}"), [*wanted.parameters, limit])
        return UnroutedListView(groups=[_unrouted(kind_of(row)) for row in rows])

    def data(self, wanted: RecordFilter) -> DataView:
        """What is kept, and what was taken out of it."""
        query = f"""
        SELECT count(*), count(request_json), count(*) FILTER (WHERE consent = 'none'),
               count(*) FILTER (WHERE outcome = 'lost_worker') FROM exchanges WHERE {wanted.where}"""  # noqa: S608 -- our own words
        (counts,) = self.queries.rows(query, wanted.parameters)
        query = f"""
        SELECT redactions_json, count(*) FROM exchanges WHERE {wanted.where} AND redactions_json <> '{{}}'
        GROUP BY redactions_json LIMIT 5000"""  # noqa: S608 -- our own words
        redactions: dict[str, int] = {}
        for text, n in self.queries.rows(query, wanted.parameters):
            for kind, times in _counts(text).items():
                redactions[kind] = redactions.get(kind, 0) + times * n
        return DataView(
            since=_utc(wanted.window.since),
            tables=[self._size(table.name) for table in TABLES],
            exchanges=counts[0],
            with_bodies=counts[1],
            not_for_training=counts[2],
            lost_workers=counts[3],
            redactions=dict(sorted(redactions.items(), key=lambda item: -item[1])),
        )

    def _funnel(self, route: str, wanted: RecordFilter) -> FunnelView:
        query = f"""
        SELECT route = ?, why, reason, count(*), count(*) FILTER (WHERE {_CANDIDATES}),
               count(*) FILTER (WHERE variant = 'candidate')
        FROM exchanges WHERE {wanted.where} AND {_OURS} GROUP BY ALL ORDER BY 4 DESC"""  # noqa: S608 -- our own words
        rows = self.queries.rows(query, [route, *wanted.parameters])
        ours = [row[1:] for row in rows if row[0]]
        return FunnelView(
            all=sum(row[3] for row in rows),
            matched=sum(row[2] for row in ours),
            eligible=sum(row[2] for row in ours if row[0] not in _NOT_ELIGIBLE),
            assigned=sum(row[3] for row in ours if row[0] not in _NOT_ELIGIBLE),
            answered=sum(row[4] for row in ours if row[0] not in _NOT_ELIGIBLE),
            fell_back=sum(row[2] for row in ours if row[0] in _FALLBACKS),
            ineligible=_reasons(ours, _NOT_ELIGIBLE),
            fallbacks=_reasons(ours, _FALLBACKS),
        )

    def _buckets(self, route: str, wanted: RecordFilter) -> list[BucketView]:
        query = f"""
        SELECT {_BUCKET}, variant, count(*), quantile_cont(first_byte_ms, 0.95) FROM exchanges
        WHERE {wanted.where} AND route = ? AND variant IN ('baseline', 'candidate') AND complete AND {_ELIGIBLE}
              AND {_OURS}
        GROUP BY ALL ORDER BY min(prompt_tokens) NULLS LAST, 2"""  # noqa: S608 -- our own words
        rows = self.queries.named(query, tuple(BucketView.model_fields), [*wanted.parameters, route])
        return [BucketView.model_validate(row) for row in rows]

    def _background(self, wanted: RecordFilter) -> list[BackgroundDayView]:
        query = f"""
        SELECT compared_at::DATE, route, asked, count(*) FILTER ({_CALLED}), sum(cost_usd), sum(judge_cost_usd)
        FROM comparisons_all WHERE {wanted.where} GROUP BY ALL ORDER BY 1 DESC, 2, 3"""  # noqa: S608 -- our own words
        rows = self.queries.named(query, tuple(BackgroundDayView.model_fields), wanted.parameters)
        return [BackgroundDayView.model_validate(row) for row in rows]

    def _hours(self, since: float, until: float | None) -> list[PaidHoursView]:
        """What was paid by the hour; minutes that end in the window.

        An answer may bear what was paid before the window: what the last one left is counted from where least was left.
        """
        query = """
        WITH told AS (
            SELECT *, sum(paid_usd - charged_usd) OVER (PARTITION BY upstream ORDER BY until_at) AS left_usd
            FROM gpu_hours_all WHERE until_at >= ?1 AND (?2 IS NULL OR until_at <= ?2)
        )
        SELECT upstream, sum(paid_usd), sum(busy_s), sum(idle_s), sum(answers)::BIGINT,
            round(arg_max(left_usd, until_at) - least(0, min(left_usd)), 9)
        FROM told GROUP BY upstream ORDER BY upstream"""
        moments = [
            None if at is None else datetime.fromtimestamp(at, UTC).replace(tzinfo=None) for at in (since, until)
        ]
        rows = self.queries.named(query, tuple(PaidHoursView.model_fields), moments)
        return [PaidHoursView.model_validate(row) for row in rows]

    def _size(self, table: str) -> TableSizeView:
        sizes: list[int] = []
        days: set[str] = set()
        for path in self.queries.store.files(table):
            try:
                sizes.append(path.stat().st_size)
            except FileNotFoundError:
                continue  # merged away while we looked
            days.add(path.parent.name.removeprefix("date="))
        listed = sorted(days)
        return TableSizeView(
            table=table, files=len(sizes), bytes=sum(sizes), days=len(listed),
            first_day=listed[0] if listed else None, last_day=listed[-1] if listed else None,
        )  # fmt: skip


def _reasons(rows: Sequence[Sequence[Any]], whys: frozenset[str]) -> list[ReasonCountView]:
    return [ReasonCountView(why=row[0], reason=row[1], n=row[2]) for row in rows if row[0] in whys]


def _utc(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)


def _counts(text: str) -> dict[str, int]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(kind): times for kind, times in cast("dict[str, Any]", found).items() if isinstance(times, int)}


def _unrouted(kind: RequestKind) -> UnroutedView:
    outline = prompt_outline(CHAT, kind.request_json)
    fields = asdict(kind)
    del fields["route"], fields["request_json"], fields["span_s"]
    return UnroutedView(
        **fields, per_day=kind.requests / kind.span_s * 86_400 if kind.span_s else None,
        system=outline.system[:EXCERPT], tools=list(outline.tools),
    )  # fmt: skip
