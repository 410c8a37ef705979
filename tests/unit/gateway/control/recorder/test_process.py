"""The recorder's steps, one after another, over a real journal and real files."""

import json
import threading
from pathlib import Path

import pytest

from gateway.control.recorder.process import BATCH_S, Recorder, run
from gateway.log import Log
from records.store import Store
from tests.rooms.recording import Place


def test_what_was_found_is_written_when_its_batch_is_due(tmp_path: Path) -> None:
    """A step reads at once and commits once what it found has waited for BATCH_S; the rows are then seen, once."""
    place = Place(tmp_path)
    recorder, worker = place.recorder(), place.worker()
    made = [worker.whole() for _ in range(3)]
    assert recorder.step(place.now)
    assert Store(tmp_path / "records").ids() == []
    place.step(recorder, BATCH_S)
    place.step(recorder, BATCH_S)
    assert place.ids() == made
    recorder.close()


def test_a_disk_that_refuses_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that fails is tried again later with all it had; the log says so, and names no content."""
    place = Place(tmp_path)
    recorder, worker = place.recorder(), place.worker()
    made = worker.whole()

    def refuse(*_: object) -> list[object]:
        raise OSError(28, "no space")

    with monkeypatch.context() as full:
        full.setattr(Store, "stage", refuse)
        place.step(recorder)
        place.step(recorder)
    assert "recorder.disk_refused" in place.log.getvalue()
    assert "Where is my order?" not in place.log.getvalue()
    place.step(recorder, 2.0)
    assert place.ids() == [made]
    recorder.close()


def test_a_second_recorder_is_refused(tmp_path: Path) -> None:
    """Two never write the same records; when the first is gone the next takes up where it was."""
    place = Place(tmp_path)
    first = place.recorder()
    with pytest.raises(OSError, match="temporarily unavailable"):
        place.recorder()
    first.close()
    place.recorder().close()


def test_damaged_progress_repeats_no_row(tmp_path: Path) -> None:
    """Without knowing how far it was, a recorder compares ids: what is recorded stays once, and is told of."""
    place = Place(tmp_path)
    worker, recorder = place.worker(), place.recorder()
    made = worker.whole()
    place.step(recorder)
    place.step(recorder)
    recorder.close()
    (tmp_path / "records" / "progress.json").write_bytes(b"{")
    again = place.recorder()
    later = worker.whole()
    for _ in range(3):
        place.step(again)
    assert place.ids() == [made, later]
    assert "recorder.progress_damaged" in place.log.getvalue()
    again.close()


def test_one_told_to_stop_writes_what_is_there(tmp_path: Path) -> None:
    """Told to stop before its first look, it still reads the journals to their end and commits."""
    place = Place(tmp_path)
    made = [place.worker().whole()]
    stop = threading.Event()
    stop.set()
    run(Recorder(place.boot(), Log("recorder", stream=place.log)), stop)
    assert place.ids() == made
    assert json.loads((tmp_path / "records" / "progress.json").read_bytes())["commits"] == 1
