"""Questions to the records end, one way or the other."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.admin import queries as asking
from gateway.admin.queries import OLDEST_S, SPARED, KeptAnswers, RecordQueries, Row, TooSlowError, read_at
from records.store import Store
from tests.fakes.exchanges import exchange_id
from tests.rooms.stored_records import keep, record
from tests.rooms.waiting import await_true


def test_a_question_that_takes_too_long_is_cancelled(tmp_path: Path) -> None:
    """It ends at its deadline with what to do, and the next question is answered."""
    queries = RecordQueries(Store(tmp_path), deadline_s=0.2)
    with pytest.raises(TooSlowError, match="narrow the time range"):
        queries.rows("SELECT count(*) FROM range(100000) a, range(100000) b WHERE a.range * b.range % 7 = 3")
    assert queries.rows("SELECT 1") == [(1,)]
    with pytest.raises(TooSlowError, match=r"after 0.1 s"):
        RecordQueries(Store(tmp_path)).rows(
            "SELECT count(*) FROM range(100000) a, range(100000) b WHERE a.range * b.range % 7 = 3", deadline_s=0.1
        )


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


def test_what_is_asked_together_is_of_one_moment(tmp_path: Path) -> None:
    """Two numbers of a page are of the same records, whatever is recorded between them, and are kept as one."""
    store, now = Store(tmp_path), Asked()
    queries = RecordQueries(store, kept=KeptAnswers(now.wall, slow_s=0.0))
    keep(store, "f0", record(0))

    def read() -> tuple[list[Row], list[Row]]:
        before = queries.rows("SELECT count(*) FROM exchanges")
        keep(store, f"f{1 + len(now.answers)}", record(1 + len(now.answers)))
        now()
        return before, queries.rows("SELECT count(*) FROM exchanges")

    assert queries.together("page", read) == ([(1,)], [(1,)])
    assert queries.together("page", read) == ([(1,)], [(1,)])
    assert queries.together("another", read) == ([(2,)], [(2,)])
    assert queries.rows("SELECT count(*) FROM exchanges") == [(3,)]


@dataclass(slots=True)
class Asked:
    """A question that takes a second of a clock of its own, and what it was answered."""

    now: float = 1000.0
    took_s: float = 1.0
    answers: list[list[Row]] = field(default_factory=list[list[Row]])

    def wall(self) -> float:
        return self.now

    def __call__(self) -> list[Row]:
        self.now += self.took_s
        self.answers.append([(len(self.answers),)])
        return self.answers[-1]


def test_a_slow_answer_is_kept_and_says_how_old_it_is() -> None:
    """It is shown with its moment and not asked again; past its time it is shown once more while a thread asks anew."""
    asked = Asked()
    kept = KeptAnswers(asked.wall)
    read_at.set(None)
    assert kept.get("q", asked) == [(0,)]
    assert read_at.get() is None
    asked.now = 1010.0
    assert kept.get("q", asked) == [(0,)]
    assert read_at.get() == 1000.0
    assert len(asked.answers) == 1
    asked.now = 1001.0 + SPARED
    assert kept.get("q", asked) == [(0,)]
    await_true(lambda: len(asked.answers) == 2, "the thread asks")
    await_true(lambda: kept.get("q", asked) == [(1,)], "its answer is shown")


def test_no_answer_is_shown_that_is_too_old() -> None:
    """After a while nobody looked the question is asked, and its asker waits; so it is where the clock was set back."""
    asked = Asked()
    kept = KeptAnswers(asked.wall)
    kept.get("q", asked)
    asked.now = 1000.0 + OLDEST_S
    assert kept.get("q", asked) == [(1,)]
    asked.now = 10.0
    assert kept.get("q", asked) == [(2,)]


def test_how_old_is_too_old_is_said_by_who_asks() -> None:
    """A question over a month may have an older answer than one over an hour; it is asked anew meanwhile."""
    asked = Asked()
    kept = KeptAnswers(asked.wall)
    kept.get("month", asked, oldest_s=10 * OLDEST_S)
    asked.now = 1000.0 + 2 * OLDEST_S
    assert kept.get("month", asked, oldest_s=10 * OLDEST_S) == [(0,)]
    await_true(lambda: len(asked.answers) == 2, "asked anew")
    asked.now += 10 * OLDEST_S
    assert kept.get("month", asked, oldest_s=10 * OLDEST_S) == [(2,)]


def test_what_is_quick_or_large_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that cost little or has very many rows is asked for anew; of too many the oldest is dropped."""
    quick = Asked(took_s=0.001)
    kept = KeptAnswers(quick.wall)
    assert [kept.get("q", quick) for _ in range(2)] == [[(0,)], [(1,)]]
    monkeypatch.setattr(asking, "MOST_ROWS", 0)
    large = Asked()
    assert [kept.get("l", large) for _ in range(2)] == [[(0,)], [(1,)]]
    monkeypatch.undo()
    monkeypatch.setattr(asking, "MOST_KEPT", 1)
    slow = Asked()
    few = KeptAnswers(slow.wall)
    assert [few.get(name, slow) for name in ("a", "b", "b", "a")] == [[(0,)], [(1,)], [(1,)], [(2,)]]


def test_a_question_that_fails_is_asked_again() -> None:
    """A thread that meets a deadline leaves the old answer until it is too old; the next look tries again."""
    asked, failures = Asked(), list[int]()

    def fails() -> list[Row]:
        failures.append(1)
        raise TooSlowError(5.0)

    kept = KeptAnswers(asked.wall)
    kept.get("q", asked)
    asked.now = 1001.0 + SPARED
    for tries in (1, 2):
        await_true(lambda wanted=tries: kept.get("q", fails) == [(0,)] and len(failures) >= wanted, "it is tried")
    asked.now = 1000.0 + OLDEST_S
    with pytest.raises(TooSlowError):
        kept.get("q", fails)
