"""Questions to the records, each with a deadline: read-only, never in the controller.

What takes longer than `DEADLINE_S` is cancelled, and says what to do: nobody waits for ever. All questions share one
database in memory that holds nothing but views, and what it may hold at all is bounded.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from records.parquet import TABLES
from records.store import Store

DEADLINE_S = 5.0
MEMORY = "160MB"
"""Most that all questions together may hold; above it DuckDB says so instead of taking more."""

Row = tuple[Any, ...]


class TooSlowError(Exception):
    """The question was cancelled at its deadline."""

    def __init__(self, deadline_s: float) -> None:
        super().__init__(f"cancelled after {deadline_s:g} s. hint: narrow the time range (since=6h), or name a route")


@dataclass(slots=True)
class RecordQueries:
    """Asks the records under `store`. Threads may share it."""

    store: Store
    deadline_s: float = DEADLINE_S
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    """Guards the two below."""
    _views: duckdb.DuckDBPyConnection | None = field(default=None, init=False)
    _shape: tuple[int, ...] = field(default=(), init=False)
    """Which tables had files when the views were made: over none, a view has no files to find later. And how many files
    are left out."""

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[Row]:
        """What a query finds.

        Raises:
            TooSlowError: it took longer than the deadline.
            duckdb.Error: the records cannot be read.
        """
        try:
            return self.store.past_damage(lambda: self._ask(query, parameters))
        except OSError as error:
            raise duckdb.IOException(f"the records cannot be read: {error.strerror}") from error

    def named(self, query: str, names: Sequence[str], parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        """The same, each row by the names of its columns.

        Raises:
            TooSlowError, duckdb.Error: as `rows`.
        """
        return [dict(zip(names, row, strict=True)) for row in self.rows(query, parameters)]

    def _ask(self, query: str, parameters: Sequence[object]) -> list[Row]:
        with self._cursor() as cursor:
            timer = threading.Timer(self.deadline_s, cursor.interrupt)
            timer.daemon = True
            timer.start()
            try:
                return cursor.execute(query, list(parameters) or None).fetchall()
            except duckdb.InterruptException as error:
                raise TooSlowError(self.deadline_s) from error
            finally:
                timer.cancel()

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the views, which are made again when a table gets its first file."""
        with self._lock:
            shape = (*(self._has_files(table.name) for table in TABLES), len(self.store.left_out))
            if self._views is None or shape != self._shape:
                self._views, self._shape = self.store.open_views(), shape
                self._views.execute(f"SET memory_limit = '{MEMORY}'")
                self._views.execute("SET parquet_metadata_cache = true")  # by a file's name and time of change
            return self._views.cursor()

    def _has_files(self, table: str) -> bool:
        return next((self.store.root / table).glob("date=*/*.parquet"), None) is not None
