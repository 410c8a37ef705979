"""Records on disk: files that come and go whole."""

import datetime
from pathlib import Path

import duckdb
import pytest

from records.erasure import Forgotten, Sieve, Subject
from records.parquet import EXCHANGES, FEEDBACK
from records.store import MERGE_FILES, Store
from tests.fakes.exchanges import AT, exchange_id
from tests.rooms.stored_records import DAY_S, keep, record, vote

DATE = "2026-11-18"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "records")


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


def test_small_files_become_one(store):
    """Many files of a size become one of the next with the same rows; publishing may be done again."""
    for number in range(MERGE_FILES + 1):
        keep(store, f"{number:04d}", record(number))

    changes = store.stage_merge("m")
    assert len(store.ids()) == MERGE_FILES + 1
    store.publish(changes)
    store.publish(changes)

    assert [path.name for path in store.files("exchanges")] == [f"0-{MERGE_FILES:04d}.parquet", "1-m.parquet"]
    assert sorted(store.ids()) == [exchange_id(number) for number in range(MERGE_FILES + 1)]
    assert store.stage_merge("n") == []


def test_old_dates_expire(store):
    """A date goes when all of it is older than the limit."""
    keep(store, "a", record(1), record(2, at=AT + DAY_S), record(3, at=AT + 2 * DAY_S))

    assert store.expire(int((AT + DAY_S) * 1e6)) == 1
    assert sorted(store.ids()) == [exchange_id(2, AT + DAY_S), exchange_id(3, AT + 2 * DAY_S)]


def test_forgetting_removes(store):
    """Who is forgotten is in no file any more, nor is feedback on what was removed; everybody else stays."""
    rows = [record(1, user="anna"), record(2, user="bob"), record(3, user="anna", at=AT + DAY_S)]
    keep(store, "a", *rows)
    store.publish(store.stage(FEEDBACK, [vote(rows[0].id, 1.0), vote(rows[1].id, 0.5)], "f"))
    anna = Subject("user", rows[0].user_id, AT)

    assert store.forget(Forgotten((anna,))) == 2
    assert store.forget(Forgotten((anna,))) == 0

    assert store.ids() == [rows[1].id]
    left = b"".join(path.read_bytes() for path in store.root.rglob("*") if path.is_file())
    assert rows[0].id.encode() not in left
    assert rows[0].user_id.encode() not in left
    with store.open_views() as views:
        assert views.sql("SELECT exchange_id FROM feedback").fetchall() == [(rows[1].id,)]


@pytest.mark.parametrize("kind", ["user", "key", "conversation", "exchange"])
def test_the_forgotten_are_not_kept_again(kind):
    """A row of one who is forgotten is told before it is written; others are not held back."""
    row, other = record(1, user="anna"), record(2, user="bob", key_id="ffff")
    value = {"user": row.user_id, "key": row.key_id, "conversation": row.conversation_id, "exchange": row.id}[kind]
    sieve = Sieve(Forgotten().adding(Subject(kind, value, AT), [exchange_id(7)]))

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
