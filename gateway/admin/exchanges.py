"""What was recorded, for the admin API: redacted rows, as everything under `records/` is, newest first.

Exchanges' ids rise with time, so the last id of a page is where the next one begins, in each of the tables.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import duckdb

from gateway.admin.views import (
    ComparisonLine,
    ComparisonsView,
    ExchangeLine,
    ExchangesView,
    ExchangeView,
    FeedbackLine,
    FeedbackView,
)
from records.parquet import EXCHANGES
from records.store import Store

READ_TRIES = 3
"""Files may be merged away between listing and reading them; the next look sees the merged one."""
_LINE = tuple(ExchangeLine.model_fields)


_COMPARISON = tuple(ComparisonLine.model_fields)
_FEEDBACK = tuple(FeedbackLine.model_fields)


@dataclass(frozen=True, slots=True)
class ExchangeReader:
    """Reads the records."""

    store: Store

    def lines(self, *, route: str | None, before: str | None, limit: int) -> ExchangesView:
        """A page of exchanges without their content; `before` is the last id of the page before."""
        where, parameters = ["true"], list[Any]()
        for condition, value in (("route = ?", route), ("id < ?", before)):
            if value is not None:
                where.append(condition)
                parameters.append(value)
        columns = ", ".join(_LINE)
        query = f"SELECT {columns} FROM exchanges WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?"  # noqa: S608 -- our own words
        rows = self._rows(query, [*parameters, limit])
        found = [ExchangeLine.model_validate(dict(zip(_LINE, row, strict=True))) for row in rows]
        return ExchangesView(exchanges=found, next_before=found[-1].id if len(found) == limit else None)

    def show(self, exchange_id: str) -> ExchangeView | None:
        """One exchange, all that is kept of it; None if there is none."""
        columns = [column.name for column in EXCHANGES.columns]
        listed = ", ".join(f'"{name}"' for name in columns)
        rows = self._rows(f"SELECT {listed} FROM exchanges WHERE id = ?", [exchange_id])  # noqa: S608 -- our own words
        if not rows:
            return None
        return ExchangeView(record={name: _plain(value) for name, value in zip(columns, rows[0], strict=True)})

    def comparisons(self, *, route: str | None, before: str | None, limit: int) -> ComparisonsView:
        """The comparisons of a page of exchanges, without content."""
        columns = ", ".join(_COMPARISON)
        query = f"""
        SELECT {columns} FROM comparisons_all WHERE exchange_id IN (
            SELECT DISTINCT exchange_id FROM comparisons_all
            WHERE (?1 IS NULL OR route = ?1) AND (?2 IS NULL OR exchange_id < ?2)
            ORDER BY exchange_id DESC LIMIT ?3)
        ORDER BY exchange_id DESC, asked"""  # noqa: S608 -- our own words
        rows = self._rows(query, [route, before, limit])
        found = [ComparisonLine.model_validate(dict(zip(_COMPARISON, row, strict=True))) for row in rows]
        is_full = len({each.exchange_id for each in found}) == limit
        return ComparisonsView(comparisons=found, next_before=found[-1].exchange_id if is_full else None)

    def feedback(self, *, before: str | None, limit: int) -> FeedbackView:
        """A page of what was last said of each exchange."""
        columns = ", ".join(f"f.{name}" if name != "route" else "e.route" for name in _FEEDBACK)
        query = f"""
        SELECT {columns} FROM feedback f LEFT JOIN exchanges e ON e.id = f.exchange_id
        WHERE ?1 IS NULL OR f.exchange_id < ?1 ORDER BY f.exchange_id DESC LIMIT ?2"""  # noqa: S608 -- our own words
        rows = self._rows(query, [before, limit])
        found = [FeedbackLine.model_validate(dict(zip(_FEEDBACK, row, strict=True))) for row in rows]
        return FeedbackView(feedback=found, next_before=found[-1].exchange_id if len(found) == limit else None)

    def _rows(self, query: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
        """What a query finds.

        Raises:
            duckdb.Error: the records cannot be read.
        """
        for _ in range(READ_TRIES - 1):
            try:
                return self._ask(query, parameters)
            except duckdb.IOException:
                continue
        return self._ask(query, parameters)

    def _ask(self, query: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
        with self.store.open_views() as connection:
            return connection.execute(query, parameters).fetchall()


def _plain(value: Any) -> str | int | float | bool | None:
    return value.isoformat() if isinstance(value, datetime | date) else value
