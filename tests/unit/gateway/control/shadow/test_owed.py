"""What is owed, and from where it is found again."""

from pathlib import Path

from gateway import clock
from gateway.control.journals import cursors as readers
from gateway.control.journals.tail import Position, Progress
from gateway.control.shadow.comparers import Licence
from gateway.control.shadow.owed import NAME, Debts, Owed, ShadowProgress, load, needed, written
from records.comparison import Comparison
from records.exchange import Note
from records.journal.writer import JournalWriter
from shadow.judging.controls import Trust
from tests.fakes.exchanges import head
from tests.rooms.drawing import drawn
from tests.rooms.recording import KEY
from tests.rooms.shadowing import note

OWED = Owed("w1", "id-1", "candidate", "support", "u1", "key-1", 0.5)


def test_reading_again_begins_at_the_oldest_debt():
    """A worker's journal is read again from where its oldest debt is found; a worker without debts goes on."""
    debts = Debts({})
    calls = [drawn(number, worker="w1") for number in range(3)]
    for number, call in enumerate(calls):
        debts.add(call, Position(2, 100 * number))
    progress = {"w1": Progress(Position(3, 50), Position(3, 50), ended=True), "w2": Progress(Position(1, 9))}

    assert debts.workers(progress)["w1"] == Progress(Position(3, 50), Position(2, 0))
    assert debts.workers(progress)["w2"] == progress["w2"]
    debts.settle(calls[0].key)
    assert debts.workers(progress)["w1"].safe == Position(2, 100)
    for call in calls:
        debts.settle(call.key)
    assert debts.workers(progress) == progress
    assert (len(debts), debts.rows()) == (0, ())


def test_debts_of_before_are_owed_until_they_are_found():
    """What an earlier shadow owed is owed on, and once when it is found again."""
    call = drawn()
    earlier = Owed("w1", call.exchange.meta.id, "candidate", "support", "u1", "key-1", 0.5, endpoint="chat")
    debts = Debts({OWED.key: OWED, earlier.key: earlier})
    debts.add(call, Position())

    assert debts.rows() == (OWED, earlier)
    assert list(debts.earlier) == [OWED.key]
    debts.settle(OWED.key)
    assert debts.rows() == (earlier,)


def test_what_is_owed_knows_the_apps_trace_and_endpoint():
    """A row that is written because its exchange is gone still says which trace it belonged to, and what was asked."""
    text = f"00-{'0a' * 16}-{'0b' * 8}-01"
    debts = Debts({})
    debts.add(drawn(request_head=head(("traceparent", text))), Position())
    (row,) = (owed.row("dropped", "restarted", at=1.0) for owed in debts.rows())
    assert (row.traceparent, row.endpoint) == (text, "chat")


def test_segments_that_must_stay():
    """What is not read again may go; of a worker that ended, everything."""
    workers = {
        "w1": Progress(Position(3, 50), Position(2, 0)),
        "w2": Progress(Position(4, 0), Position(4, 0), ended=True),
    }

    assert needed(workers) == {"w1": 2, "w2": 5}


def test_what_is_kept_is_read_back(tmp_path: Path):
    """The shadow's word comes back whole, and is a reader's word to the recorder."""
    kept = ShadowProgress(
        first={"w1": 2}, ignores=("shadow-",), workers={"w1": Progress(Position(3, 1))}, owed=(OWED,), day=9,
        spent_usd={"support": 0.5}, judges={"support": Licence("abc", Trust(3, (True, False), suspended=True))},
    )  # fmt: skip
    readers.write(tmp_path, NAME, kept)

    assert load(tmp_path) == kept
    assert readers.needed_from(tmp_path)("w1") == 2
    readers.path_of(tmp_path, NAME).write_bytes(b"{")
    assert load(tmp_path) is None
    assert load(tmp_path / "nowhere") is None


def test_a_row_of_a_debt():
    """A debt whose exchange is gone still makes a row."""
    row = OWED.row("dropped", "restarted", at=2.5)

    assert (row.exchange_id, row.asked, row.route, row.unit) == ("id-1", "candidate", "support", "u1")
    assert (row.came, row.reason, row.compared_us, row.p_mirror) == ("dropped", "restarted", 2_500_000, 0.5)


def test_what_was_written_is_seen(tmp_path: Path):
    """Rows in the shadow's own journals are known again, from the segment on that was held."""
    journal = JournalWriter(tmp_path / "shadow-1", KEY, now=clock.wall)
    for number in range(3):
        journal.note(note(OWED.row("answered", "", at=1.0), exchange_id=f"id-{number}"))
    journal.note(Note("decisions", b"\x80"))
    journal.note(Note("comparisons", b"nonsense"))
    journal.close()
    other = JournalWriter(tmp_path / "w1", KEY, now=clock.wall)
    other.note(note(OWED.row("answered", "", at=1.0), exchange_id="id-9"))
    other.close()

    assert written(tmp_path, KEY, {}) == {(f"id-{number}", "candidate", "support") for number in range(3)}
    assert written(tmp_path, KEY, {"shadow-1": 2}) == set()
    assert isinstance(OWED.row("answered", "", at=1.0), Comparison)
