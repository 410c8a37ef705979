"""The records on disk: `<table>/date=YYYY-MM-DD/*.parquet`, and how files come and go whole.

A change is staged under a hidden name, noted somewhere durable by its maker, then published. `publish` may be done
again after a crash: it ends the same. Whoever changes the records holds their lock.

Whoever reads does it by `ask` or `past_damage`: a file that was merged away meanwhile is read as what it became, and
one that nobody can read holds up nothing. It is set aside, and whoever opened the records is told.
"""

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import duckdb
import msgspec

from records.durable import sync_directory
from records.parquet import EXCHANGES, FEEDBACK, TABLES, RowTable, connect, quoted, write_query, write_rows

MERGE_FILES = 32
"""Files of one size class in a date that are merged into one of the next."""
MERGE_BYTES = 64 * 1024 * 1024
"""Files are not merged into larger ones: this is large enough to read well."""
_FRESH = ".new"
_LAST_VOTES = " QUALIFY row_number() OVER (PARTITION BY exchange_id, key_id ORDER BY said_at DESC) = 1"
PROGRESS = "progress.json"
"""What the recorder committed last; of it, the changes to be published stand in `changes`."""
_DAMAGE_ROWS = 256
DAMAGED = "damaged"
"""Where files go that nobody can read; they expire as the records do."""
DAMAGE_HINT = "what it holds is not counted: restore it from a backup to where it was, or delete it"
READ_TRIES = 3
"""Files may be merged away between listing and reading them; the next look sees the merged one."""
_FAULTLESS = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ParserException,
    duckdb.OutOfMemoryException,
    duckdb.InterruptException,
)
"""Errors that no file is to blame for."""
_T = TypeVar("_T")


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
        by_date: dict[str, list[msgspec.Struct]] = {}
        for row in rows:
            by_date.setdefault(_date(getattr(row, table.moment)), []).append(row)
        return [self._stage(table, day, found, name) for day, found in by_date.items()]

    def _stage(self, table: RowTable, day: str, rows: Sequence[msgspec.Struct], name: str) -> FileChange:
        folder = self.root / table.name / f"date={day}"
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            sync_directory(folder.parent)
            sync_directory(self.root)
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
        for table in TABLES:
            for folder in sorted((self.root / table.name).glob("date=*"), reverse=True):
                level, files = _mergeable(folder)
                if files:
                    change = self._change(folder / f"{level + 1}-{name}.parquet", files)
                    last = _LAST_VOTES if table is FEEDBACK else ""
                    write_query(self.connection, f"SELECT * FROM {read_files(files)}{last}", self.root / change.fresh)  # noqa: S608 -- our own paths, quoted
                    return [change]
        return []

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
                sync_directory(folder)

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
        with contextlib.suppress(FileNotFoundError, msgspec.MsgspecError):  # damaged: the recorder begins anew
            self.publish(msgspec.json.decode((self.root / PROGRESS).read_bytes(), type=_Commit).changes)
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
            sync_directory(folder)
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
        found = sorted((self.root / table).glob("date=*/*.parquet"))
        return [path for path in found if path not in self.left_out] if self.left_out else found

    def ask(self, act: Callable[[duckdb.DuckDBPyConnection], _T]) -> _T:
        """What `act` makes of the views (`open_views`). It may be begun again, see `past_damage`.

        Raises:
            OSError, duckdb.Error: the records cannot be read.
        """

        def asked() -> _T:
            with self.open_views() as views:
                return act(views)

        return self.past_damage(asked)

    def past_damage(self, act: Callable[[], _T]) -> _T:
        """What `act` gives. Where a file stops it that is gone or that nobody can read, it is begun again without it.

        Raises:
            OSError, duckdb.Error: no file is to blame.
        """
        tries = 1
        while True:
            try:
                return act()
            except _FAULTLESS:
                raise
            except duckdb.IOException as error:
                if tries == READ_TRIES and not self.sweep(str(error)):
                    raise
                tries = min(tries + 1, READ_TRIES)
            except duckdb.Error as error:
                if not self.sweep(str(error)):
                    raise

    def sweep(self, error: str = "") -> int:
        """Set aside every file that nobody can read; of those that an error names, if it names one. Returns how many.

        Raises:
            OSError: the disk does not read them either.
        """
        files = [path for table in TABLES for path in self.files(table.name)]
        named = [path for path in files if str(path) in error]
        return self._sweep(named) or self._sweep(files)

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

    def open_views(self) -> duckdb.DuckDBPyConnection:
        """A connection with views `exchanges`, `feedback` (each exchange's last) and `joined`, even over nothing."""
        connection = connect()
        for table in TABLES:
            if files := self.files(table.name):
                pattern = quoted(self.root / table.name / "date=*" / "*.parquet")
                listed = f"[{', '.join(map(quoted, files))}]" if self.left_out else pattern
                source = f"SELECT * FROM read_parquet({listed}, union_by_name=true, hive_partitioning=true)"  # noqa: S608 -- our own path, quoted
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


def _mergeable(folder: Path) -> tuple[int, list[Path]]:
    """The class of size and the oldest files of a date that are due to become one; no files: none are."""
    levels: dict[int, list[Path]] = {}
    for path in sorted(folder.glob("*.parquet")):
        level, dash, _ = path.name.partition("-")
        if dash and level.isdigit():
            levels.setdefault(int(level), []).append(path)
    for level, files in sorted(levels.items()):
        if len(files) >= MERGE_FILES:
            due = files[:MERGE_FILES]
            if sum(path.stat().st_size for path in due) <= MERGE_BYTES:
                return level, due
    return 0, []


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
