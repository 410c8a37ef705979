"""Exchanges for the admin API, read from the records: redacted rows, as everything under `records/` is."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import duckdb

from gateway.admin.views import ExchangeLine, ExchangesView, ExchangeView
from records.store import Store
from records.table import EXCHANGES

READ_TRIES = 3
"""Files may be merged away between listing and reading them; the next look sees the merged one."""
_LINE = tuple(ExchangeLine.model_fields)


@dataclass(frozen=True, slots=True)
class Exchanges:
    """Reads exchanges, newest first."""

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
