"""Questions to the records end, one way or the other."""

from pathlib import Path

import pytest

from gateway.admin.queries import RecordQueries, TooSlowError
from records.store import Store
from tests.fakes.exchanges import exchange_id
from tests.rooms.stored_records import keep, record


def test_a_question_that_takes_too_long_is_cancelled(tmp_path: Path) -> None:
    """It ends at its deadline with what to do, and the next question is answered."""
    queries = RecordQueries(Store(tmp_path), deadline_s=0.2)
    with pytest.raises(TooSlowError, match="narrow the time range"):
        queries.rows("SELECT count(*) FROM range(100000) a, range(100000) b WHERE a.range * b.range % 7 = 3")
    assert RecordQueries(Store(tmp_path)).rows("SELECT 1") == [(1,)]


def test_what_is_recorded_later_is_found(tmp_path: Path) -> None:
    """The same questions see a table's first file, and each one after it."""
    store = Store(tmp_path)
    queries = RecordQueries(store)
    for number in range(3):
        assert queries.rows("SELECT count(*) FROM exchanges") == [(number,)]
        keep(store, f"f{number}", record(number))
    assert queries.named("SELECT id, status FROM exchanges ORDER BY 1 LIMIT 1", ("id", "status")) == [
        {"id": exchange_id(0), "status": 200}
    ]
