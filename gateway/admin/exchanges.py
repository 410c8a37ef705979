"""What was recorded, for the admin API and the console: redacted rows, as everything under `records/` is, newest first.

Exchanges' ids rise with time, so the last id of a page is where the next one begins, in each of the tables.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from gateway.admin.figure_views import FacetView, PairLine, PairListView, PairsView, PairView, TrafficView
from gateway.admin.filters import RecordFilter
from gateway.admin.queries import RecordQueries
from gateway.admin.views import (
    ComparisonLine,
    ComparisonsView,
    ExchangeLine,
    ExchangesView,
    ExchangeView,
    FeedbackLine,
    FeedbackView,
    in_utc,
)
from records.feedback import made_us
from records.parquet import COMPARISONS, EXCHANGES, RowTable

_LINE = tuple(ExchangeLine.model_fields)
_COMPARISON = tuple(ComparisonLine.model_fields)
_FEEDBACK = tuple(FeedbackLine.model_fields)
_Facets = tuple[int, dict[str, list[FacetView]]]
_SERVED = ("variant", "served_total_ms", "finish_reason", "cost_served_usd")
LATE_DAYS = 30
"""How long after an exchange something is still put beside it: a replay may be late."""
FACET = 8
"""Most values of a facet that are shown."""

TrafficSort = Literal["-id", "-total_ms", "-first_byte_ms", "-cost_usd", "-prompt_tokens"]
PairSort = Literal["-exchange_id", "q", "-q", "-total_ms", "-cost_usd"]
_TRAFFIC_FACETS = ("route", "variant", "why", "reason", "status", "model_requested")
_PAIR_FACETS = ("route", "asked", "came", "reason", "metric")


@dataclass(frozen=True, slots=True)
class ExchangeReader:
    """Reads the records."""

    queries: RecordQueries

    def lines(self, *, wanted: RecordFilter, before: str | None, limit: int) -> ExchangesView:
        """A page of exchanges without their content; `before` is the last id of the page before."""
        if before is not None:
            wanted.add("id < ?", before)
        query = f"SELECT {', '.join(_LINE)} FROM exchanges WHERE {wanted.where} ORDER BY id DESC LIMIT ?"  # noqa: S608 -- our own words
        rows = self.queries.named(query, _LINE, [*wanted.parameters, limit])
        found = [ExchangeLine.model_validate(row) for row in rows]
        return ExchangesView(exchanges=found, next_before=found[-1].id if len(found) == limit else None)

    def traffic(self, wanted: RecordFilter, *, sort: TrafficSort, limit: int, offset: int) -> TrafficView:
        """Exchanges in any order, how many there are, and what they have in common."""

        def read() -> TrafficView:
            rows = self.traffic_rows(wanted, sort=sort, limit=limit, offset=offset)
            n, facets = self._facets("exchanges", _TRAFFIC_FACETS, wanted)
            return TrafficView(exchanges=rows, n=n, facets=facets)

        return self.queries.together(("traffic", repr(wanted), sort, limit, offset), read)

    def traffic_rows(self, wanted: RecordFilter, *, sort: TrafficSort, limit: int, offset: int) -> list[ExchangeLine]:
        """Exchanges in any order."""
        query = f"""
        SELECT {", ".join(_LINE)} FROM exchanges WHERE {wanted.where} ORDER BY {_order(sort, "id")} LIMIT ? OFFSET ?"""  # noqa: S608 -- our own words
        rows = self.queries.named(query, _LINE, [*wanted.parameters, limit, offset])
        return [ExchangeLine.model_validate(row) for row in rows]

    def show(self, exchange_id: str) -> ExchangeView | None:
        """All that is recorded of one exchange; None if there is none."""
        found = self._whole(EXCHANGES, "exchanges", "id", exchange_id, days=1)
        return ExchangeView(record=found[0]) if found else None

    def comparisons(self, *, wanted: RecordFilter, before: str | None, limit: int) -> ComparisonsView:
        """The comparisons of a page of exchanges, without content."""
        if before is not None:
            wanted.add("exchange_id < ?", before)
        query = f"""
        SELECT {", ".join(_COMPARISON)} FROM comparisons_all WHERE exchange_id IN (
            SELECT DISTINCT exchange_id FROM comparisons_all WHERE {wanted.where}
            ORDER BY exchange_id DESC LIMIT ?)
        ORDER BY exchange_id DESC, asked"""  # noqa: S608 -- our own words
        rows = self.queries.named(query, _COMPARISON, [*wanted.parameters, limit])
        found = [ComparisonLine.model_validate(row) for row in rows]
        is_full = len({each.exchange_id for each in found}) == limit
        return ComparisonsView(comparisons=found, next_before=found[-1].exchange_id if is_full else None)

    def pairs(self, wanted: RecordFilter, *, sort: PairSort, limit: int, offset: int) -> PairsView:
        """Pairs in any order, how many there are, and what they have in common."""

        def read() -> PairsView:
            rows = self.pair_rows(wanted, sort=sort, limit=limit, offset=offset)
            n, facets = self._facets("comparisons_all", _PAIR_FACETS, wanted)
            return PairsView(pairs=rows, n=n, facets=facets)

        return self.queries.together(("pairs", repr(wanted), sort, limit, offset), read)

    def pair_rows(self, wanted: RecordFilter, *, sort: PairSort, limit: int, offset: int) -> list[PairLine]:
        """Pairs in any order."""
        query = f"""
        SELECT {", ".join(_COMPARISON)} FROM comparisons_all WHERE {wanted.where}
        ORDER BY {_order(sort, "exchange_id")} LIMIT ? OFFSET ?"""  # noqa: S608 -- our own words
        rows = self.queries.named(query, _COMPARISON, [*wanted.parameters, limit, offset])
        served = self._served([row["exchange_id"] for row in rows])
        return [PairLine.model_validate(_beside(row, served.get(row["exchange_id"], {}))) for row in rows]

    def pair(self, exchange_id: str) -> PairListView:
        """All comparisons of one exchange, with both answers."""
        exchange = self.show(exchange_id)
        found = self._whole(COMPARISONS, "comparisons_all", "exchange_id", exchange_id, days=LATE_DAYS)
        record = None if exchange is None else exchange.record
        order = {"candidate": 0, "baseline": 1}
        rows = sorted(found, key=lambda row: order.get(str(row["asked"]), 2))
        return PairListView(pairs=[PairView(exchange=record, comparison=row) for row in rows])

    def feedback(self, *, before: str | None, limit: int) -> FeedbackView:
        """A page of what was last said of each exchange."""
        columns = ", ".join(f"f.{name}" if name != "route" else "e.route" for name in _FEEDBACK)
        query = f"""
        SELECT {columns} FROM feedback f LEFT JOIN exchanges e ON e.id = f.exchange_id
        WHERE ?1 IS NULL OR f.exchange_id < ?1 ORDER BY f.exchange_id DESC LIMIT ?2"""  # noqa: S608 -- our own words
        rows = self.queries.named(query, _FEEDBACK, [before, limit])
        found = [FeedbackLine.model_validate(row) for row in rows]
        return FeedbackView(feedback=found, next_before=found[-1].exchange_id if len(found) == limit else None)

    def _served(self, ids: list[str]) -> dict[str, dict[str, Any]]:
        """What the app got in these exchanges. Ids rise with time: what lies outside of them is not read."""
        if not ids:
            return {}
        query = """
        SELECT id, variant, total_ms, finish_reason, cost_usd FROM exchanges
        WHERE id >= ? AND id <= ? AND id IN (SELECT unnest(?::VARCHAR[]))"""
        rows = self.queries.rows(query, [min(ids), max(ids), ids])
        return {row[0]: dict(zip(_SERVED, row[1:], strict=True)) for row in rows}

    def _facets(
        self, source: str, columns: tuple[str, ...], wanted: RecordFilter
    ) -> tuple[int, dict[str, list[FacetView]]]:
        """How many rows there are, and how many of each value; the columns' sets are small and closed, or cut."""
        listed = ", ".join(f"({column})" for column in columns)
        names = ", ".join(f"{column}::VARCHAR" for column in columns)
        marks = ", ".join(f"grouping({column})" for column in columns)
        query = f"""
        SELECT {names}, {marks}, count(*) FROM {source} WHERE {wanted.where} GROUP BY GROUPING SETS ((), {listed})"""  # noqa: S608 -- our own words
        facets: dict[str, list[FacetView]] = {column: [] for column in columns}
        n, width = 0, len(columns)
        for row in self.queries.rows(query, wanted.parameters):
            here = [place for place in range(width) if row[width + place] == 0]
            if not here:
                n = int(row[-1])
            elif row[here[0]]:
                facets[columns[here[0]]].append(FacetView(value=row[here[0]], n=int(row[-1])))
        return n, {
            column: sorted(values, key=lambda each: (-each.n, each.value))[:FACET]
            for column, values in facets.items()
            if values
        }

    def _whole(
        self, table: RowTable, source: str, by: str, exchange_id: str, *, days: int
    ) -> list[dict[str, str | int | float | bool | None]]:
        """An exchange's rows, all columns. Its id says when it was: of other dates no file is opened."""
        columns = [column.name for column in table.columns]
        listed = ", ".join(f'"{name}"' for name in columns)
        try:
            made = datetime.fromtimestamp(made_us(exchange_id) / 1_000_000, UTC).date()
            first, last = made - timedelta(days=1), made + timedelta(days=days)
        except (ValueError, OverflowError):  # no id of ours
            return []
        query = f"SELECT {listed} FROM {source} WHERE {by} = ? AND date BETWEEN ? AND ?"  # noqa: S608 -- our own words
        rows = self.queries.rows(query, [exchange_id, first, last])
        return [{name: _plain(each) for name, each in zip(columns, row, strict=True)} for row in rows]


def _order(sort: str, by_id: str) -> str:
    """An order out of a closed list, the newest first among equals."""
    column, way = sort.removeprefix("-"), "DESC" if sort.startswith("-") else "ASC"
    return f"{column} {way} NULLS LAST" if column == by_id else f"{column} {way} NULLS LAST, {by_id} DESC"


def _plain(value: Any) -> str | int | float | bool | None:
    if isinstance(value, datetime):
        return in_utc(value).isoformat()
    return value.isoformat() if isinstance(value, date) else value


def _beside(row: dict[str, Any], served: dict[str, Any]) -> dict[str, Any]:
    """A comparison with what the app got. The shadow tells no price of what it did not come to compare."""
    told = {name: value for name, value in row.items() if value is not None or name not in _SERVED}
    return dict.fromkeys(_SERVED) | served | told
