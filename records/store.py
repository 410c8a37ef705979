"""The records on disk: `<table>/date=YYYY-MM-DD/*.parquet`, and how files come and go whole.

A change is staged under a hidden name, noted in `progress.json` (the commit), then published. `publish` may be done
again after a crash: it ends the same. Whoever changes the records holds their lock.

Readers hold none. A merged file and those it stands for are both there for a moment, or until the next start after a
crash; what was committed last says which of them are seen (`Store.seen`), so that no row is seen twice or not at all.
A file that nobody can read holds up nothing: it is set aside, and whoever opened the records is told (`past_damage`).

Longer than a file should be: how files come, go and are seen is one protocol, and can only be judged together.
"""

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Self, TypeVar

import duckdb
import msgspec

from records.durable import sync
from records.parquet import EXCHANGES, FEEDBACK, TABLES, RowTable, connect, quoted, write_query, write_rows

MERGE_FILES = 32
"""Files of one size class in a date that are merged into one of the next."""
MERGE_BYTES = 64 * 1024 * 1024
"""Files are not merged into larger ones: this is large enough to read well. What is larger than half of it stays."""
LOOKS = 50
"""How often a reader looks again where the records change while it looks."""
READ_TRIES = 4
"""How often a reader asks whose files were merged away between its look and its question."""
_FRESH = ".new"
_FILES = "files_"
"""Begins the names of the variables that say which files a view is over."""
_Found = TypeVar("_Found")
_LAST_VOTES = " QUALIFY row_number() OVER (PARTITION BY exchange_id, key_id ORDER BY said_at DESC) = 1"
PROGRESS = "progress.json"
"""What the recorder committed last; of it, the changes to be published stand in `changes`."""
_DAMAGE_ROWS = 256
_DAY_US = 24 * 3_600_000_000
DAMAGED = "damaged"
"""Where files go that nobody can read; they expire as the records do."""
_FAULTLESS = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ParserException,
    duckdb.OutOfMemoryException,
    duckdb.InterruptException,
)
"""Errors that no file is to blame for."""


class FileChange(msgspec.Struct, frozen=True):
    """A file that comes, and those it stands for. Paths are relative to the records."""

    fresh: str
    """Where it is staged; empty: nothing comes."""
    path: str
    replaces: tuple[str, ...] = ()


class _Commit(msgspec.Struct):
    changes: tuple[FileChange, ...] = ()


@dataclass(slots=True)
class Store:
    """The records under `root`."""

    root: Path
    told: Callable[[str], None] = lambda _: None
    """Is told of each damaged file that was set aside, by where it is now, below the records."""
    connection: duckdb.DuckDBPyConnection = field(default_factory=connect)
    left_out: set[Path] = field(default_factory=set[Path], init=False)
    """Damaged files that could not be set aside, as who may only read the records cannot: they are not read."""

    def __reduce__(self) -> tuple[type[Self], tuple[Path, Callable[[str], None]]]:
        """In another process it has a connection of its own."""
        return type(self), (self.root, self.told)

    @contextlib.contextmanager
    def held(self) -> Generator[None]:
        """Nobody else changes the records while this lasts. It waits for its turn."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    # Changing -----------------------------------------------------------------------------------------------------

    def stage(self, table: RowTable, rows: Sequence[msgspec.Struct], name: str) -> list[FileChange]:
        """Write `rows` beside their dates' files, unseen and durable. `name` must be new.

        Raises:
            OSError, duckdb.Error: the disk refused; what is staged is removed by `clean`.
        """
        by_day: dict[int, list[msgspec.Struct]] = {}
        for row in rows:
            by_day.setdefault(getattr(row, table.moment) // _DAY_US, []).append(row)
        return [self._stage(table, _date(day * _DAY_US), found, name) for day, found in by_day.items()]

    def _stage(self, table: RowTable, day: str, rows: Sequence[msgspec.Struct], name: str) -> FileChange:
        folder = self.root / table.name / f"date={day}"
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            sync(folder.parent)
            sync(self.root)
        change = self._change(folder / f"0-{name}.parquet")
        write_rows(self.connection, table, rows, self.root / change.fresh)
        return change

    def stage_merge(self, name: str) -> list[FileChange]:
        """Merge the small files of one date, if there are enough of them; nothing is seen of it yet.

        Raises:
            OSError, duckdb.Error: the disk refused.
        """
        return self.past_damage(lambda: self._stage_merge(name))

    def _stage_merge(self, name: str) -> list[FileChange]:
        found = [
            (waiting, table, level, files)
            for table in TABLES
            for folder in sorted((self.root / table.name).glob("date=*"))
            for waiting, level, files in _mergeable(folder)
        ]
        if not found:
            return []
        _, table, level, files = max(
            found, key=lambda each: each[0]
        )  # most wait there: no table or date holds up others
        change = self._change(files[0].parent / f"{level + 1}-{name}.parquet", files)
        last = _LAST_VOTES if table is FEEDBACK else ""
        write_query(self.connection, f"SELECT * FROM {read_files(files)}{last}", self.root / change.fresh)  # noqa: S608 -- our own paths, quoted
        return [change]

    def publish(self, changes: Iterable[FileChange]) -> None:
        """Make staged changes seen. Doing it again changes nothing.

        Raises:
            OSError: not all of them are; do it again.
        """
        folders: set[Path] = set()
        for change in changes:
            final = self.root / change.path
            if change.fresh:
                with contextlib.suppress(FileNotFoundError):  # it was published before
                    (self.root / change.fresh).rename(final)
            for name in change.replaces:
                (self.root / name).unlink(missing_ok=True)
            folders.add(final.parent)
        for folder in folders:
            if folder.is_dir():
                sync(folder)

    def clean(self) -> None:
        """Remove what was staged and never published. Call it when nothing is to be published any more."""
        for path in self.root.glob(f"*/date=*/.*{_FRESH}"):
            path.unlink(missing_ok=True)

    def expire(self, oldest_us: int) -> int:
        """Remove the dates that lie before `oldest_us` as a whole. Returns how many."""
        limit = (datetime.fromtimestamp(oldest_us / 1_000_000, UTC) - timedelta(days=1)).date()
        gone = [path for path in self.root.glob("*/date=*") if (day := _day(path)) is not None and day <= limit]
        for path in gone:
            shutil.rmtree(path)
        return len(gone)

    def finish_commit(self) -> None:
        """Publish what the recorder committed, if it died before it did, and remove what it staged and did not commit.

        Raises:
            OSError: not all of it is; do it again.
        """
        self.publish(_changes_in(self._committed()))
        self.clean()

    def is_damaged(self, path: Path) -> bool:
        """Whether a file is to blame that DuckDB cannot read it, and not the disk or the memory.

        Raises:
            OSError: the disk does not read it either.
        """
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass
        try:
            for _ in self.connection.execute(f"SELECT * FROM {read_files([path])}").fetchmany(_DAMAGE_ROWS):  # noqa: S608 -- our own path, quoted
                pass
            while self.connection.fetchmany(_DAMAGE_ROWS):
                pass
        except duckdb.OutOfMemoryException:
            return False
        except duckdb.Error:
            return True
        return False

    def set_aside(self, path: Path) -> str:
        """Move a damaged file out of the way. Returns where it is, below the records.

        Raises:
            OSError: it is where it was.
        """
        aside = self.root / DAMAGED / path.parent.name / f"{path.parent.parent.name}-{path.name}"
        aside.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.rename(aside)
        for folder in (aside.parent, path.parent):
            sync(folder)
        return str(aside.relative_to(self.root))

    def damaged(self) -> int:
        """How many files are set aside because nobody can read them."""
        return sum(1 for _ in (self.root / DAMAGED).glob("date=*/*"))

    def _change(self, final: Path, replaces: Sequence[Path] = ()) -> FileChange:
        fresh = final.with_name(f".{final.name}{_FRESH}")
        names = [str(path.relative_to(self.root)) for path in (fresh, final, *replaces)]
        return FileChange(names[0], names[1], tuple(names[2:]))

    # Reading ------------------------------------------------------------------------------------------------------

    def files(self, table: str) -> list[Path]:
        """The table's files."""
        return self.seen()[table]

    def seen(self) -> dict[str, list[Path]]:
        """By table, the files that hold every row once, as of one moment.

        What was committed last is read before and after the look. If it is the same, nothing but its own publishing
        happened meanwhile: a merged file stands for others from when it is there, and until then they all are.
        """
        committed = self._committed()
        found = self._look(committed)
        for _ in range(LOOKS):
            before, committed = committed, self._committed()
            if before == committed:
                break
            found = self._look(committed)
        return found

    def _look(self, committed: bytes) -> dict[str, list[Path]]:
        found = {table.name: sorted((self.root / table.name).glob("date=*/*.parquet")) for table in TABLES}
        merged = (each for each in _changes_in(committed) if (self.root / each.path).exists())
        gone = {self.root / name for each in merged for name in each.replaces} | self.left_out
        return {table: [path for path in files if path not in gone] for table, files in found.items()}

    def _committed(self) -> bytes:
        try:
            return (self.root / PROGRESS).read_bytes()
        except FileNotFoundError:
            return b""

    def ids(self, where: str = "true", parameters: Sequence[object] = ()) -> list[str]:
        """The ids of exchanges for which the SQL `where` holds."""
        return self._read_ids("", where, parameters)

    def recent_ids(self, since_us: int) -> set[str]:
        """The ids of exchanges of the dates from `since_us` on."""
        return set(self._read_ids(f"date={_date(since_us)}"))

    def _read_ids(self, first: str, where: str = "true", parameters: Sequence[object] = ()) -> list[str]:
        def read() -> list[str]:
            files = [path for path in self.files(EXCHANGES.name) if path.parent.name >= first]
            if not files:
                return []
            query = f"SELECT id FROM {read_files(files)} WHERE {where}"  # noqa: S608 -- our own words
            return [row[0] for row in self.connection.execute(query, list(parameters) or None).fetchall()]

        return self.past_damage(read)

    def read(self, ask: Callable[[duckdb.DuckDBPyConnection], _Found]) -> _Found:
        """What `ask` finds in the views; asked again where its files were merged away meanwhile. Not by who holds them.

        Raises:
            OSError, duckdb.Error: the records cannot be read.
        """
        return self.steadily(lambda: ask(self.open_views()))

    def stream(self, query: str, parameters: Sequence[object]) -> duckdb.DuckDBPyConnection:
        """The rows of an ordered query, to be fetched: when the first is there, all files have been read.

        Raises:
            OSError, duckdb.Error: as `read`.
        """
        return self.read(lambda views: views.execute(query, list(parameters) or None))

    def steadily(self, ask: Callable[[], _Found]) -> _Found:
        """What `ask` finds. Where the files are merged away too fast, the last time nobody changes them meanwhile.

        Raises:
            OSError, duckdb.Error: as `read`.
        """
        for _ in range(READ_TRIES - 1):
            try:
                return self.past_damage(ask)
            except duckdb.IOException:
                continue
        with self.held():
            return self.past_damage(ask)

    def past_damage(self, act: Callable[[], _Found]) -> _Found:
        """What `act` gives. Where a file that nobody can read stops it, it is begun again without that file.

        Raises:
            OSError, duckdb.Error: no file is to blame.
        """
        while True:
            try:
                return act()
            except _FAULTLESS:
                raise
            except duckdb.Error as error:
                is_gone = isinstance(error, duckdb.IOException)  # most likely: merged away meanwhile
                if not self._sweep(self._named(str(error))) and (is_gone or not self.sweep()):
                    raise

    def sweep(self) -> int:
        """Set aside every file that nobody can read. Returns how many.

        Raises:
            OSError: the disk does not read them either.
        """
        return self._sweep([path for files in self.seen().values() for path in files])

    def _named(self, error: str) -> list[Path]:
        return [path for files in self.seen().values() for path in files if str(path) in error]

    def _sweep(self, files: Sequence[Path]) -> int:
        swept = 0
        for path in files:
            try:
                if self.is_damaged(path):
                    self.told(self._out_of_the_way(path))
                    swept += 1
            except FileNotFoundError:
                continue  # merged away, or set aside by another reader
        return swept

    def _out_of_the_way(self, path: Path) -> str:
        try:
            return self.set_aside(path)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
        self.left_out.add(path)
        return str(path.relative_to(self.root))

    def point(self, connection: duckdb.DuckDBPyConnection, seen: Mapping[str, Sequence[Path]]) -> None:
        """Let the connection's views be over these files: each connection has its own."""
        for table, files in seen.items():
            connection.execute(f"SET VARIABLE {_FILES}{table} = ?", [[str(path) for path in files]])

    def open_views(self) -> duckdb.DuckDBPyConnection:
        """A connection with views `exchanges`, `feedback` (each exchange's last) and `joined`, even over nothing.

        They are over the files of now. Cursors of it have to be pointed at files of their own (`point`).
        """
        connection, seen = connect(), self.seen()
        self.point(connection, seen)
        for table in TABLES:
            if seen[table.name]:
                files = f"getvariable('{_FILES}{table.name}')"
                source = f"SELECT * FROM read_parquet({files}, union_by_name=true, hive_partitioning=true)"  # noqa: S608 -- our own words
            else:
                columns = ", ".join(f'NULL::{column.sql} AS "{column.name}"' for column in table.columns)
                source = f"SELECT {columns}, NULL::DATE AS date WHERE false"
            connection.execute(f"CREATE VIEW {table.name}_all AS {source}")
        connection.execute("CREATE VIEW exchanges AS FROM exchanges_all")
        connection.execute(
            "CREATE VIEW feedback AS FROM feedback_all "
            "QUALIFY row_number() OVER (PARTITION BY exchange_id ORDER BY said_at DESC) = 1"
        )
        connection.execute(
            "CREATE VIEW joined AS SELECT e.*, f.score, f.label, f.comment, f.corrected_output_json, f.said_at "
            "FROM exchanges e LEFT JOIN feedback f ON f.exchange_id = e.id"
        )
        return connection


def _changes_in(committed: bytes) -> tuple[FileChange, ...]:
    try:
        return msgspec.json.decode(committed, type=_Commit).changes
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ()  # there is none, or it is damaged: the recorder begins anew


def _mergeable(folder: Path) -> Iterator[tuple[int, int, list[Path]]]:
    """By class of size that is due: how many files of a date wait in it, its number, and the oldest to become one."""
    levels: dict[int, list[tuple[Path, int]]] = {}
    for path in sorted(folder.glob("*.parquet")):
        level, dash, _ = path.name.partition("-")
        size = path.stat().st_size
        if dash and level.isdigit() and size <= MERGE_BYTES // 2:  # two of them always fit
            levels.setdefault(int(level), []).append((path, size))
    for level, files in levels.items():
        if len(files) >= MERGE_FILES:
            together = accumulate(size for _, size in files[:MERGE_FILES])
            yield (
                len(files),
                level,
                [path for (path, _), total in zip(files, together, strict=False) if total <= MERGE_BYTES],
            )


def read_files(paths: Sequence[Path]) -> str:
    """A query's source: these files and no column that is not in them."""
    listed = ", ".join(quoted(path) for path in paths)
    return f"read_parquet([{listed}], union_by_name=true, hive_partitioning=false)"


def _date(moment_us: int) -> str:
    return datetime.fromtimestamp(moment_us / 1_000_000, UTC).date().isoformat()


def _day(folder: Path) -> date | None:
    try:
        return date.fromisoformat(folder.name.removeprefix("date="))
    except ValueError:
        return None
