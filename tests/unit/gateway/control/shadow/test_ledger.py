"""The shadow's own journal and its word."""

from pathlib import Path

from gateway import clock
from gateway.control.journals import cursors as readers
from gateway.control.journals.tail import Position, Progress
from gateway.control.shadow.ledger import Ledger
from shadow.mirror import row_of
from tests.rooms.drawing import drawn
from tests.rooms.shadowing import Stage

PROGRESS = {"w1": Progress(Position(3, 0), Position(3, 0))}


def test_a_row_is_owed_until_it_is_written(tmp_path: Path):
    """A disk that takes nothing keeps rows waiting, and all else blocked; then they are written once."""
    ledger = Ledger(Stage(tmp_path).boot(), clock.wall)
    call = drawn()
    ledger.debts.add(call, Position(2, 0))
    ledger._journal.frames = False
    ledger.write(row_of(call, "answered", "", at=1.0))
    assert ledger.is_blocked
    ledger.write_waiting()
    assert ledger.is_blocked
    assert [owed.exchange_id for owed in ledger.kept(PROGRESS, {}, is_idle=False).owed] == [call.exchange.meta.id]

    ledger._journal.frames = True
    ledger.write_waiting()
    assert not ledger.is_blocked
    assert ledger.kept(PROGRESS, {}, is_idle=False).owed == ()
    ledger.close()
    assert [row.exchange_id for row in Stage(tmp_path).rows()] == [call.exchange.meta.id]


def test_a_new_ledger_goes_on_from_the_old_one(tmp_path: Path):
    """Money, debts and what was written after the last word are known after a restart, and held until then."""
    boot, times = Stage(tmp_path).boot(), iter(range(100, 200))
    first = Ledger(boot, lambda: float(next(times)))
    calls = [drawn(number) for number in range(3)]
    for call in calls:
        first.debts.add(call, Position(2, 0))
    first.budget.spend("support", 0.7, 100.0)
    first.write(row_of(calls[0], "answered", "", at=1.0))
    first.keep(first.kept(PROGRESS, {}, is_idle=False))
    first.write(row_of(calls[1], "answered", "", at=1.0))
    first.close()

    second = Ledger(boot, lambda: float(next(times)))
    assert second.before.workers == {"w1": Progress(Position(3, 0), Position(2, 0))}
    assert list(second.debts.earlier) == [calls[2].key]
    assert calls[1].key in second.written
    assert second.budget.spent_usd == {"support": 0.7}
    own = [name for name in second.before.first if name.startswith("shadow-")]
    assert own[0] in second.kept(PROGRESS, {}, is_idle=False).first
    second.own_word_is_out()
    assert own[0] not in second.kept(PROGRESS, {}, is_idle=False).first
    second.close()


def test_nothing_to_do_holds_nothing_but_debts(tmp_path: Path):
    """Without routes only what is owed keeps a journal."""
    ledger = Ledger(Stage(tmp_path).boot(), clock.wall)
    idle = ledger.kept(PROGRESS, {}, is_idle=True)
    assert idle.ignores == (readers.EVERYTHING,)
    assert "w1" not in idle.first
    assert idle.workers == PROGRESS

    ledger.debts.add(drawn(worker="w1"), Position(2, 0))
    assert ledger.kept(PROGRESS, {}, is_idle=True).first["w1"] == 2
    ledger.rotate(0.0)
    ledger.close()
