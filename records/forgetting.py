"""Removes what is recorded of who is forgotten. The wish is written down first, and is done only when all is gone.

Whoever does this holds the records' lock. Cut off at any step, it is taken up again: by the recorder, or by asking
again. What is derived of an exchange goes before the exchange, which tells what was derived of it.
1. what the recorder committed and did not publish is published: it would come back later;
2. the wish, and the ids of the exchanges it covers, are in `forgotten.json`: nothing more is recorded of them;
3. feedback, comparisons, replays and what the leader counted go, and datasets that hold theirs are marked as stale;
   then the exchanges go;
4. the wish is done.
A file that nobody can read is set aside: it holds up nothing, and whoever runs this is told.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import msgspec

from records.dataset import registry
from records.durable import replace, sync
from records.erasure import FILE, Forgotten, Subject, decode, encode
from records.parquet import write_query
from records.store import Store, read_files

_OBSERVED_ID = 'regexp_extract(event_json, \'"id":"([0-9a-f-]{36})\', 1)'
"""Of an observation: the exchange it was counted of."""
_AMONG = "(SELECT unnest(?::VARCHAR[]))"
"""A list of names, looked up by hash: a busy key has a hundred thousand exchanges, and as many rows tell of them."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What came of it."""

    exchanges: int = 0
    """Removed."""
    set_aside: tuple[str, ...] = ()
    """Files that cannot be read, below the records: they may hold rows of who is forgotten."""
    stale: tuple[str, ...] = ()
    """Folders of datasets that hold what is erased: they are marked, and to be built again."""


def forgotten_in(store: Store) -> Forgotten:
    """Who is forgotten.

    Raises:
        msgspec.MsgspecError: the file is damaged.
    """
    try:
        return decode((store.root / FILE).read_bytes())
    except FileNotFoundError:
        return Forgotten()


def wish(store: Store, subject: Subject) -> None:
    """Write down that `subject` is to be forgotten: from here on it will be, whatever happens.

    Raises:
        OSError: it is not written down.
        msgspec.MsgspecError: the file is damaged.
    """
    replace(store.root / FILE, encode(forgotten_in(store).wishing(subject)))


def add_ids(store: Store, ids: Sequence[str]) -> None:
    """Remember exchanges that were never recorded: what is said of them later is not kept either.

    Raises:
        OSError: it is not written down.
        msgspec.MsgspecError: the file is damaged.
    """
    replace(store.root / FILE, encode(forgotten_in(store).adding(ids)))


def carry_out(store: Store, replays: Path | None = None) -> Erasure:
    """Do what is wished and not done yet. `replays`: where `crossfade replay` keeps answers.

    Raises:
        OSError, duckdb.Error: not all of it is gone; do it again.
        msgspec.MsgspecError: the file of wishes is damaged.
    """
    store.finish_commit()
    forgotten = forgotten_in(store)
    if not forgotten.unfinished:
        return Erasure()
    alone = Forgotten(forgotten.unfinished)
    where, parameters = alone.condition()
    aside: list[str] = []
    ids: list[str] = []

    def look(path: Path) -> None:
        query = f"SELECT id FROM {read_files([path])} WHERE {where}"  # noqa: S608 -- our own words
        ids.extend(row[0] for row in store.connection.execute(query, parameters).fetchall())

    for path in store.files("exchanges"):
        _attempt(store, path, look, aside)
    forgotten = forgotten.adding(ids)
    replace(store.root / FILE, encode(forgotten))
    gone = list(dict.fromkeys((*forgotten.exchange_ids, *ids)))  # of a busy key there are more than are remembered
    keys = [subject.value for subject in alone.subjects if subject.kind == "key"]
    _remove(store, "feedback", f"exchange_id IN {_AMONG} OR key_id IN {_AMONG}", [gone, keys], aside)
    _remove(store, "comparisons", f"exchange_id IN {_AMONG}", [gone], aside)
    _blank(store, gone, aside)
    for path in sorted(replays.glob("*.jsonl")) if replays is not None else ():
        _remove_lines(path, frozenset(gone))
    for path in sorted(replays.glob("*.parquet")) if replays is not None else ():
        _attempt(store, path, lambda one: _rewrite(store, one, f"exchange_id IN {_AMONG}", [gone]), aside)
    stale = registry.mark_stale(store.root, frozenset(gone))
    removed = _remove(store, "exchanges", where, parameters, aside)
    replace(store.root / FILE, encode(forgotten.finished()))
    return Erasure(removed, tuple(aside), tuple(stale))


def _attempt(store: Store, path: Path, act: Callable[[Path], object], aside: list[str]) -> object:
    """Do it to one file; a file that is damaged is set aside, and holds up nothing."""
    try:
        return act(path)
    except duckdb.Error:
        if not store.is_damaged(path):
            raise  # the disk, not the file
        aside.append(store.set_aside(path))
        return 0


def _remove(store: Store, table: str, where: str, parameters: list[object], aside: list[str]) -> int:
    """Remove the rows of a table that `where` holds for. Returns how many."""
    removed: list[int] = []
    for path in store.files(table):
        _attempt(store, path, lambda one: removed.append(_rewrite(store, one, where, parameters)), aside)
    return sum(removed)


def _rewrite(store: Store, path: Path, where: str, parameters: list[object]) -> int:
    source = read_files([path])
    hits = _count(store, f"{source} WHERE {where}", parameters)
    if not hits:
        return 0
    if hits == _count(store, source, []):
        path.unlink()
        sync(path.parent)
        return hits
    kept = f"SELECT * FROM {source} WHERE NOT coalesce({where}, false)"  # noqa: S608 -- our own words
    _put(store, path, kept, parameters)
    return hits


def _blank(store: Store, ids: list[str], aside: list[str]) -> None:
    """Empty what the leader counted of the exchanges: its place in the order stays, and nothing of them."""
    hit = f"{_OBSERVED_ID} IN {_AMONG}"

    def blank(path: Path) -> None:
        source = read_files([path])
        if _count(store, f"{source} WHERE {hit}", [ids]):
            fields = f"* REPLACE (CASE WHEN {hit} THEN '' ELSE event_json END AS event_json)"
            _put(store, path, f"SELECT {fields} FROM {source}", [ids])  # noqa: S608 -- our own words

    for path in store.files("observations"):
        _attempt(store, path, blank, aside)


def _put(store: Store, path: Path, query: str, parameters: list[object]) -> None:
    """What `query` gives in the file's place. Under a name that no commit has staged: a rest of it is never seen."""
    fresh = path.with_name(f".{path.name}.forget.new")
    write_query(store.connection, query, fresh, *parameters)
    fresh.rename(path)
    sync(path.parent)


def _count(store: Store, source: str, parameters: list[object]) -> int:
    row = store.connection.execute(f"SELECT count(*) FROM {source}", parameters or None).fetchone()  # noqa: S608 -- our own words
    return int(row[0]) if row is not None else 0


def _remove_lines(path: Path, ids: frozenset[str]) -> None:
    """Remove the lines of a replay that are of these exchanges; one that cannot be read goes with them."""
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if _exchange_of(line) not in ids]
    if len(kept) < len(lines):
        replace(path, b"".join(kept))


class _Line(msgspec.Struct):
    exchange_id: str = ""


def _exchange_of(line: bytes) -> str:
    try:
        return msgspec.json.decode(line, type=_Line).exchange_id
    except (msgspec.MsgspecError, UnicodeError):
        return ""
