"""Questions to the records, each with a deadline: read-only, never in the controller.

What takes longer than `DEADLINE_S` is cancelled, and says what to do: nobody waits for ever. All questions share one
database in memory that holds nothing but views, and what it may hold at all is bounded.

Answers may be kept (`KeptAnswers`): over a million exchanges a sum takes tenths of a second, and a page that is left
open asks for the same ones again and again. Whoever shows them shows how old they are (`read_at`).
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import duckdb

from records.parquet import TABLES
from records.store import Store

DEADLINE_S = 5.0
MONTH_DEADLINE_S = 30.0
"""Of questions that read a whole month, and cannot be narrowed."""
MEMORY = "160MB"
"""Most that all questions together may hold; above it DuckDB says so instead of taking more."""

SLOW_S = 0.03
"""An answer that took less is not worth keeping."""
SPARED = 20
OLDEST_S = 60.0
"""No answer is shown that is older."""
MONTH_OLDEST_S = 900.0
"""The same of questions that read a whole month: a quarter of an hour is a three-thousandth of it."""
MOST_KEPT = 128
MOST_ROWS = 5000
Row = tuple[Any, ...]
_Found = TypeVar("_Found")


class TooSlowError(Exception):
    """The question was cancelled at its deadline."""

    def __init__(self, deadline_s: float) -> None:
        super().__init__(f"cancelled after {deadline_s:g} s. hint: narrow the time range (since=6h), or name a route")


_files: ContextVar[Mapping[str, Sequence[Path]] | None] = ContextVar("_files", default=None)
"""The files that all questions of a page are asked of; None: each of those of its own moment."""
read_at: ContextVar[float | None] = ContextVar("read_at", default=None)
"""Unix seconds of the oldest answer that was used in this context; None: all are of now."""


@dataclass(slots=True)
class _Kept:
    """An answer, and when it was asked for."""

    found: Any
    at: float
    took_s: float
    is_asked: bool = False
    """Somebody asks for it anew."""


@dataclass(slots=True)
class KeptAnswers:
    """Answers that took long, for a while: the longer one took, the longer it is kept, so that open pages together take
    at most one part in `SPARED` of a core for each question. Threads may share it.
    """

    wall: Callable[[], float]
    """Unix seconds."""
    slow_s: float = SLOW_S
    _found: dict[object, _Kept] = field(default_factory=dict[object, _Kept], init=False)
    """The last used last."""
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def get(self, key: object, ask: Callable[[], _Found], *, oldest_s: float = OLDEST_S) -> _Found:
        """An answer that is fresh enough, or one that is not while a thread asks anew, or a new one."""
        with self._lock:
            kept = self._found.pop(key, None)
            if kept is not None:
                self._found[key] = kept
        now = self.wall()
        if kept is None or not 0 <= now - kept.at < oldest_s:
            return self._ask(key, ask)
        read_at.set(min(kept.at, read_at.get() or now))
        if now - kept.at > kept.took_s * SPARED:
            with self._lock:
                first, kept.is_asked = not kept.is_asked, True
            if first:
                # No daemon: DuckDB ends the process rudely that ends under it. The question's deadline bounds the wait.
                threading.Thread(target=self._again, args=(key, ask, kept)).start()
        return cast("_Found", kept.found)

    def _ask(self, key: object, ask: Callable[[], _Found]) -> _Found:
        at = self.wall()
        found = ask()
        took_s = self.wall() - at
        with self._lock:
            self._found.pop(key, None)
            if took_s >= self.slow_s and not _is_large(found):
                self._found[key] = _Kept(found, at, took_s)
            while len(self._found) > MOST_KEPT:
                del self._found[next(iter(self._found))]
        return found

    def _again(self, key: object, ask: Callable[[], object], kept: _Kept) -> None:
        try:
            self._ask(key, ask)
        except (TooSlowError, duckdb.Error):
            kept.is_asked = False  # the next look tries again; this one showed what there was, and how old it is


def _is_large(found: object) -> bool:
    return isinstance(found, list) and len(cast("list[object]", found)) > MOST_ROWS


@dataclass(slots=True)
class RecordQueries:
    """Asks the records under `store`. Threads may share it."""

    store: Store
    deadline_s: float = DEADLINE_S
    kept: KeptAnswers | None = None
    """None: every question is asked anew."""
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    """Guards the two below."""
    _views: duckdb.DuckDBPyConnection | None = field(default=None, init=False)
    _shape: tuple[bool, ...] = field(default=(), init=False)
    """Which tables had files when the views were made: over none, a view has no files to find later."""

    def rows(
        self,
        query: str,
        parameters: Sequence[object] = (),
        *,
        deadline_s: float | None = None,
        oldest_s: float = OLDEST_S,
    ) -> list[Row]:
        """What a query finds. `deadline_s`: where it is not the usual one; `oldest_s`: how old a kept answer may be.

        Raises:
            TooSlowError: it took longer than the deadline.
            duckdb.Error: the records cannot be read.
        """
        limit_s = self.deadline_s if deadline_s is None else deadline_s
        if _files.get() is not None:
            return self._ask(query, parameters, limit_s)  # a part of what is asked together
        return self._kept((query, repr(parameters)), lambda: self._ask(query, parameters, limit_s), oldest_s)

    def together(self, key: object, ask: Callable[[], _Found]) -> _Found:
        """What several questions find, asked of the same records: numbers of one page belong together. `key`: of what
        they are asked, all of it; their answers are kept as one.

        Raises:
            TooSlowError, duckdb.Error: as `rows`; the deadline is each question's own.
        """

        def of_one_moment() -> _Found:
            token = _files.set(self.store.seen())
            try:
                return ask()
            finally:
                _files.reset(token)

        return ask() if _files.get() is not None else self._kept(key, of_one_moment, OLDEST_S)

    def _kept(self, key: object, ask: Callable[[], _Found], oldest_s: float) -> _Found:
        def read() -> _Found:
            try:
                return self.store.steadily(ask)
            except OSError as error:
                raise duckdb.IOException(f"the records cannot be read: {error.strerror}") from error

        return read() if self.kept is None else self.kept.get(key, read, oldest_s=oldest_s)

    def named(self, query: str, names: Sequence[str], parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        """The same, each row by the names of its columns.

        Raises:
            TooSlowError, duckdb.Error: as `rows`.
        """
        return [dict(zip(names, row, strict=True)) for row in self.rows(query, parameters)]

    def _ask(self, query: str, parameters: Sequence[object], limit_s: float) -> list[Row]:
        with self._cursor() as cursor:
            timer = threading.Timer(limit_s, cursor.interrupt)
            timer.daemon = True
            timer.start()
            try:
                return cursor.execute(query, list(parameters) or None).fetchall()
            except duckdb.InterruptException as error:
                raise TooSlowError(limit_s) from error
            finally:
                timer.cancel()

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the views, over the files of now, or of the page; they are made again for a
        table's first file.
        """
        fixed = _files.get()
        seen = self.store.seen() if fixed is None else fixed
        shape = tuple(bool(seen[table.name]) for table in TABLES)
        with self._lock:
            if self._views is None or shape != self._shape:
                self._views, self._shape = self.store.open_views(), shape
                self._views.execute(f"SET memory_limit = '{MEMORY}'")
                self._views.execute("SET parquet_metadata_cache = true")  # by a file's name and time of change
            cursor = self._views.cursor()
        self.store.point(cursor, seen)
        return cursor
