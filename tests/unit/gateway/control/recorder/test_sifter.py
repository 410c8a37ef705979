"""What the recorder does not keep, and a forgetting that it finishes."""

from io import StringIO
from pathlib import Path

from gateway.control.recorder.sifter import Sifter
from gateway.log import Log
from records.erasure import FILE, Subject
from records.forgetting import forgotten_in, wish
from records.store import Store
from tests.fakes.exchanges import AT
from tests.rooms.stored_records import keep, record, vote

ANNA, BOB = record(1, user="anna"), record(2, user="bob")
WISH = Subject("user", ANNA.user_id, AT)


def sifter(root: Path) -> tuple[Sifter, StringIO]:
    said = StringIO()
    return Sifter(Store(root / "records"), Log("recorder", stream=said)), said


def test_a_forgetting_that_was_cut_off_is_finished(tmp_path):
    """The wish is enough: what is recorded goes at the next look."""
    ours, _ = sifter(tmp_path)
    keep(ours.store, "a", ANNA, BOB)
    ours.look()
    wish(ours.store, WISH)
    ours.look()

    assert ours.store.ids() == [BOB.id]
    assert forgotten_in(ours.store).unfinished == ()


def test_rows_of_who_is_forgotten_are_not_kept(tmp_path):
    """Nor what is said of them later, by this recorder or the next."""
    ours, _ = sifter(tmp_path)
    ours.store.root.mkdir()
    wish(ours.store, WISH)
    ours.look()

    assert ours.rows([ANNA, BOB]) == [BOB]
    assert ours.votes([vote(ANNA.id, 1.0), vote(BOB.id, 1.0)]) == [vote(BOB.id, 1.0)]
    after, _ = sifter(tmp_path)
    after.look()
    assert after.votes([vote(ANNA.id, 1.0)]) == []


def test_damage_is_told(tmp_path):
    """A broken file of rows is set aside with an alarm; a broken list of wishes is told once."""
    ours, said = sifter(tmp_path)
    keep(ours.store, "a", ANNA)
    keep(ours.store, "b", BOB)
    ours.store.files("exchanges")[0].write_bytes(b"PAR1")
    wish(ours.store, WISH)
    ours.look()
    assert "recorder.file_set_aside" in said.getvalue()

    (ours.store.root / FILE).write_bytes(b"{")
    ours.look()
    ours.look()
    assert said.getvalue().count("recorder.forgotten_damaged") == 1
    assert ours.rows([ANNA, BOB]) == [BOB], "as many are forgotten as before"

    (ours.store.root / FILE).unlink()
    ours.look()
    assert ours.votes([vote(ANNA.id, 1.0)]) == [vote(ANNA.id, 1.0)]
