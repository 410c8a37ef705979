"""Records on disk: files that come and go whole."""

import datetime
import errno
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import duckdb
import msgspec
import pytest

from gateway.admin.queries import RecordQueries
from records import store as store_module
from records.durable import replace
from records.erasure import Forgotten, Sieve, Subject
from records.feedback import answered_by
from records.parquet import EXCHANGES, FEEDBACK
from records.store import MERGE_FILES, PROGRESS, Store
from tests.fakes.exchanges import AT, exchange_id
from tests.rooms.crash_points import Killed, trap
from tests.rooms.stored_records import DAY_S, keep, record, vote

__all__ = ["trap"]  # a fixture
DATE = "2026-11-18"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "records")


@pytest.fixture(scope="module")
def single_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of a row each, one more than become one: written once, for all tests that take a copy."""
    found = Store(tmp_path_factory.mktemp("single") / "records")
    for number in range(MERGE_FILES + 1):
        keep(found, f"{number:04d}", record(number))
    return found.root


@pytest.fixture
def many(tmp_path: Path, single_rows: Path) -> Store:
    """A store of one's own with those files."""
    return Store(shutil.copytree(single_rows, tmp_path / "records"))


def test_rows_are_read_by_anyone_with_duckdb(store):
    """One line elsewhere reads the records, dates being partitions and moments timestamps."""
    keep(store, "a", record(1), record(2, at=AT + DAY_S, status=500))

    columns = "id, arrived_at, date, status, complete, cost_usd, previous_response_id, tpot_ms"
    found = duckdb.sql(f"FROM '{store.root}/exchanges/**/*.parquet'").project(columns).order("id").fetchall()

    moment = datetime.datetime(2026, 11, 18, 11, 6, 40)  # noqa: DTZ001 -- DuckDB's TIMESTAMP is without a zone: UTC
    assert found[0] == (exchange_id(1), moment, moment.date(), 200, True, pytest.approx(0.00011), "", None)
    assert found[1][2:5] == (moment.date() + datetime.timedelta(days=1), 500, False)


def test_what_is_staged_is_not_seen(store):
    """Rows are seen when they are published, once however often that is done; what never is, goes."""
    changes = store.stage(EXCHANGES, [record(1)], "a")
    assert store.ids() == []

    store.publish(changes)
    store.publish(changes)
    assert store.ids() == [exchange_id(1)]

    store.stage(EXCHANGES, [record(2)], "b")
    store.clean()
    assert [path.name for path in (store.root / "exchanges" / f"date={DATE}").iterdir()] == ["0-a.parquet"]


def test_small_files_become_one(many):
    """Many files of a size become one of the next with the same rows; publishing may be done again."""
    changes = many.stage_merge("m")
    assert len(many.ids()) == MERGE_FILES + 1
    many.publish(changes)
    many.publish(changes)

    assert [path.name for path in many.files("exchanges")] == [f"0-{MERGE_FILES:04d}.parquet", "1-m.parquet"]
    assert sorted(many.ids()) == [exchange_id(number) for number in range(MERGE_FILES + 1)]
    assert many.stage_merge("n") == []


def test_a_reader_sees_each_row_once_at_every_step_of_a_merge(tmp_path, monkeypatch, trap):
    """However far a recorder gets with a merge before it is killed, readers see all rows once: then, and afterwards."""
    monkeypatch.setattr(store_module, "MERGE_FILES", 3)
    expected, steps, killed = [exchange_id(number) for number in range(5)], 0, True
    begun = Store(tmp_path / "begun")
    for number in range(5):
        keep(begun, f"{number:04d}", record(number))
    while killed:
        store, killed = Store(shutil.copytree(begun.root, tmp_path / str(steps))), True
        with suppress(Killed), trap.set(steps):
            changes = store.stage_merge("m")
            replace(store.root / PROGRESS, msgspec.json.encode({"changes": changes}))
            store.publish(changes)
            killed = False
        reader = Store(store.root)
        assert sorted(reader.ids()) == expected, steps
        with reader.open_views() as views:
            assert views.sql("SELECT id FROM exchanges ORDER BY id").fetchall() == [(each,) for each in expected]
        store.finish_commit()
        assert sorted(reader.ids()) == expected, steps
        steps += 1
    assert steps > 6


def test_readers_see_each_row_once_while_files_move(store, monkeypatch):
    """Beside a recorder that merges without a pause every look, and every question of a page, finds each row once."""
    monkeypatch.setattr(store_module, "MERGE_FILES", 2)
    for number in range(16):
        keep(store, f"{number:04d}", record(number))
    merged = threading.Event()

    def merge() -> None:
        own, commits, due = Store(store.root), 0, True
        while due:
            with own.held():
                changes = own.stage_merge(f"m{commits}")
                replace(own.root / PROGRESS, msgspec.json.encode({"commits": commits, "changes": changes}))
                own.publish(changes)
            commits, due = commits + 1, bool(changes)
        merged.set()

    expected, looks = [(exchange_id(number),) for number in range(16)], 0
    merging = threading.Thread(target=merge)
    merging.start()
    queries = RecordQueries(store)
    while not merged.is_set() or not looks:
        assert queries.rows("SELECT id FROM exchanges ORDER BY id") == expected
        assert store.read(lambda views: views.sql("SELECT id FROM exchanges ORDER BY id").fetchall()) == expected
        looks += 1
    merging.join()


def test_files_that_go_while_they_are_read(store):
    """A merge between looking and asking is looked past."""
    keep(store, "a", record(1))
    (broken,) = store.files("exchanges")
    looks = list[int]()

    def ids(views):
        looks.append(1)
        if len(looks) == 1:
            broken.rename(broken.with_name("1-m.parquet"))  # as a merge that was published since
        return views.sql("SELECT id FROM exchanges").fetchall()

    assert (store.read(ids), len(looks)) == ([(exchange_id(1),)], 2)


def test_large_files_hold_up_no_small_ones(store, monkeypatch):
    """Files too large to be merged stay, and those that came after them are merged all the same."""
    monkeypatch.setattr(store_module, "MERGE_FILES", 4)
    for number in range(4):
        keep(store, f"{number:04d}", *(record(100 * number + each) for each in range(20)))
    large = store.files("exchanges")
    for number in range(4):
        keep(store, f"9{number:03d}", record(90_000 + number))
    monkeypatch.setattr(store_module, "MERGE_BYTES", 2 * min(path.stat().st_size for path in large) - 2)
    (change,) = store.stage_merge("m")
    assert not {str(path.relative_to(store.root)) for path in large} & set(change.replaces)
    assert len(change.replaces) > 1


def test_who_waits_most_is_merged_first(store, monkeypatch):
    """Neither a table nor a date holds up another."""
    monkeypatch.setattr(store_module, "MERGE_FILES", 2)
    for number in range(2):
        keep(store, f"{number:04d}", record(number))
    for number in range(3):
        store.publish(store.stage(FEEDBACK, [vote(exchange_id(number), 1.0, AT + DAY_S)], f"{number:04d}"))
    assert [change.path.partition("/")[0] for change in store.stage_merge("m")] == [FEEDBACK.name]


def test_merging_keeps_the_last_vote_of_each(store):
    """A flood of votes of one key on one answer is one row in the end."""
    for number in range(MERGE_FILES):
        store.publish(store.stage(FEEDBACK, [vote(exchange_id(1), number / MERGE_FILES, AT + number)], f"{number:04d}"))
    store.publish(store.stage_merge("m"))

    with store.open_views() as views:
        assert views.sql("SELECT score FROM feedback_all").fetchall() == [((MERGE_FILES - 1) / MERGE_FILES,)]


def test_old_dates_expire(store):
    """A date goes when all of it is older than the limit."""
    keep(store, "a", record(1), record(2, at=AT + DAY_S), record(3, at=AT + 2 * DAY_S))

    assert store.expire(int((AT + DAY_S) * 1e6)) == 1
    assert sorted(store.ids()) == [exchange_id(2, AT + DAY_S), exchange_id(3, AT + 2 * DAY_S)]


@pytest.mark.parametrize("kind", ["user", "key", "conversation", "exchange"])
def test_the_forgotten_are_not_kept_again(kind):
    """A row of one who is forgotten is told before it is written; others are not held back."""
    row, other = record(1, user="anna"), record(2, user="bob", key_id="ffff")
    value = {"user": row.user_id, "key": row.key_id, "conversation": row.conversation_id, "exchange": row.id}[kind]
    sieve = Sieve(Forgotten().wishing(Subject(kind, value, AT)).adding([exchange_id(7)]))

    assert sieve.covers(row)
    assert not sieve.covers(other)
    assert sieve.covers(vote(exchange_id(7), 1.0))
    assert not sieve.covers(vote(other.id, 1.0))
    assert not Sieve(Forgotten()).covers(row)


def test_views_over_nothing(store):
    """Before anything is recorded the views have their columns and no rows."""
    with store.open_views() as views:
        assert views.sql("SELECT count(*), max(cost_usd), max(score), max(date) FROM joined").fetchall() == [
            (0, None, None, None)
        ]


def test_the_last_feedback_holds(store):
    """Of several votes on an exchange the last one is joined to it."""
    row = record(1)
    keep(store, "a", row, record(2))
    store.publish(store.stage(FEEDBACK, [vote(row.id, 1.0), vote(row.id, -1.0, AT + 5)], "f"))

    with store.open_views() as views:
        assert views.sql("SELECT id, score FROM joined ORDER BY id").fetchall() == [
            (row.id, -1.0),
            (exchange_id(2), None),
        ]


def test_records_are_the_owners_alone(store):
    """No other user of the machine reads them."""
    keep(store, "a", record(1))

    assert {oct(path.stat().st_mode & 0o777) for path in store.files("exchanges")} == {"0o600"}


def test_a_commit_is_finished_by_anyone(store):
    """What a recorder committed and did not publish is published; what it staged and did not commit goes."""
    committed, staged = store.stage(EXCHANGES, [record(1)], "a"), store.stage(EXCHANGES, [record(2)], "b")
    (store.root / PROGRESS).write_bytes(msgspec.json.encode({"epoch": "e", "changes": committed}))
    store.finish_commit()
    store.finish_commit()

    assert store.ids() == [exchange_id(1)]
    assert not (store.root / staged[0].fresh).exists()


def test_a_file_is_damaged_or_it_is_not(store):
    """A file with its middle overwritten, a cut one and an empty one are; one that is away is the disk's fault."""
    keep(store, "a", *(record(number) for number in range(50)))
    path = store.files("exchanges")[0]
    whole = path.read_bytes()

    assert not store.is_damaged(path)
    for broken in (whole[:50] + bytes(len(whole) - 100) + whole[-50:], whole[: len(whole) // 2], b""):
        path.write_bytes(broken)
        assert store.is_damaged(path)
    assert store.set_aside(path) == f"damaged/date={DATE}/exchanges-0-a.parquet"
    assert store.files("exchanges") == []
    assert store.expire(int((AT + 2 * DAY_S) * 1e6)) == 2
    with pytest.raises(FileNotFoundError):
        store.is_damaged(path)


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) // 2],
    "overwritten": lambda data: data[:40] + bytes(len(data) - 400) + data[-360:],
    "empty": lambda _: b"",
    "of another kind": lambda _: b"{}" * 100,
}
EVERYTHING = "SELECT id, request_json FROM joined ORDER BY id"
READERS: dict[str, Callable[[Store], object]] = {
    "ids": lambda store: store.ids(),
    "recent": lambda store: sorted(store.recent_ids(0)),
    "views": lambda store: [
        row[0]
        for row in store.read(lambda views: views.sql("SELECT id, request_json FROM joined ORDER BY id").fetchall())
    ],
    "merged": lambda store: [store.publish(store.stage_merge("m")), store.ids()][1],
    "votes": lambda store: list(answered_by(store, [exchange_id(number) for number in range(MERGE_FILES + 1)])),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_broken_file_holds_up_no_reader(many, read, broken):
    """It is set aside, its own rows are missing, and whoever opened the records is told once."""
    told: list[str] = []
    many.told = told.append
    path = many.files("exchanges")[3]
    path.write_bytes(broken(path.read_bytes()))

    assert read(many) == [exchange_id(number) for number in range(MERGE_FILES + 1) if number != 3]
    assert read(many)
    assert told == [f"damaged/date={DATE}/exchanges-0-0003.parquet"]
    assert many.damaged() == 1


def test_who_may_only_read_leaves_it_out(store, monkeypatch: pytest.MonkeyPatch):
    """A broken file that cannot be moved is told, and all the others are read."""
    told: list[str] = []
    store.told = told.append
    keep(store, "a", record(1))
    keep(store, "b", record(2))
    broken = store.files("exchanges")[0]
    broken.write_bytes(b"PAR1")

    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "for the owner alone")

    monkeypatch.setattr(Path, "rename", refused)
    assert READERS["views"](store) == store.ids() == [exchange_id(2)]
    assert told == [str(broken.relative_to(store.root))]


def test_an_error_without_a_broken_file_is_told(store):
    """What is wrong with the question, or with the disk, is for whoever asks; a file that was merged away is not."""
    keep(store, "a", record(1))
    for question in ("SELECT nothing FROM exchanges", "SELECT id::INTEGER FROM exchanges"):
        with pytest.raises(duckdb.Error):
            store.read(lambda views, question=question: views.execute(question).fetchall())
    looks = iter([duckdb.IOException("no such file"), None])

    def merged_away() -> str:
        if error := next(looks):
            raise error
        return "found"

    assert store.steadily(merged_away) == "found"
    assert store.ids() == [exchange_id(1)]
    (store.root / "exchanges" / f"date={DATE}" / "0-z.parquet").mkdir()
    with pytest.raises(OSError, match="directory"):
        store.ids()
