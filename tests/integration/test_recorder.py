"""From the journal into the records, exactly once, whatever is killed when."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.control.journals.cursors import EVERYTHING, Reader, write
from records import request_facts as question
from records import store as store_module
from records.erasure import FILE, Forgotten, Subject, encode
from records.journal.reader import segments
from tests.fakes.exchanges import exchange_id
from tests.rooms.crash_points import Killed, Trap, trap
from tests.rooms.recording import Place, Worker

__all__ = ["trap"]  # a fixture


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_exchanges_become_rows(place):
    """Whole and streamed exchanges, feedback and unfinished ones are there after a second, and none twice."""
    worker, recorder = place.worker(), place.recorder()
    first = worker.whole()
    streamed = worker.streamed("Bon", "jour")
    worker.feedback(first)
    under_way = worker.begin()
    place.step(recorder)
    place.step(recorder)

    assert place.ids() == [first, streamed]
    assert place.rows("id, complete, stream, response_json LIKE '%Bonjour%'")[1] == (streamed, True, True, True)
    assert place.rows("exchange_id, score", "feedback") == [(first, 1.0)]

    worker.end(under_way)
    place.step(recorder)
    place.step(recorder)
    assert place.ids() == worker.ids
    worker.die()
    recorder.close()


def votes(place: Place) -> list[str]:
    return sorted(line for line in exposition(place).splitlines() if line.startswith("crossfade_feedback_total"))


def test_votes_are_counted_once_by_whose_answer_they_are_on(place):
    """With the answer or after it, once or again, through a disk that refuses and a restart; the last is kept."""
    worker, recorder = place.worker(), place.recorder()
    base = worker.whole()
    place.step(recorder)
    place.step(recorder)
    obstacle = place.root / "records" / "feedback"
    obstacle.write_bytes(b"")
    ours = worker.whole(variant="candidate")
    for _ in range(2):
        worker.feedback(base)
        worker.feedback(ours, b'{"score":-1}')
    for _ in range(4):
        place.step(recorder)
    assert votes(place) == []
    obstacle.unlink()
    for _ in range(3):
        place.step(recorder)
    recorder.close()
    worker.feedback(base, b'{"score":-1}')
    worker.feedback(exchange_id(999, place.now), b'{"score":0}')
    recorder = place.recorder()
    for _ in range(3):
        place.step(recorder)

    assert len(place.rows("exchange_id", "feedback")) == 4, "one of each exchange and key in a batch"
    assert votes(place) == [
        'crossfade_feedback_total{route="",variant="unknown",vote="none"} 1.0',
        'crossfade_feedback_total{route="support",variant="baseline",vote="up"} 1.0',
        'crossfade_feedback_total{route="support",variant="candidate",vote="down"} 1.0',
    ]
    worker.die()
    recorder.close()


def test_a_dead_worker_is_finished(place):
    """What a killed worker left open ends as lost, and its journal goes once all of it is recorded."""
    worker, recorder = place.worker(), place.recorder()
    whole = worker.whole()
    open_ = worker.begin()
    worker.part(open_, b"data: {}\n\n")
    worker.die()
    place.settle(recorder)

    assert place.rows("id, outcome, response_bytes") == [(whole, "complete", 308), (open_.meta.id, "lost_worker", 10)]
    assert list((place.root / "journal").iterdir()) == []
    recorder.close()


def test_recorded_segments_go(place):
    """A segment stays while it holds the beginning of an exchange that is open, and no longer than allowed."""
    worker, recorder = place.worker(), place.recorder(journal_retention_s=3600.0)
    directory = place.root / "journal" / "w1"
    for _ in range(6):
        worker.whole()
    place.step(recorder)
    place.step(recorder)
    assert len(segments(directory)) == 1

    under_way = worker.begin()
    last = segments(directory)[-1]
    for _ in range(6):
        worker.whole()
    place.step(recorder)
    place.step(recorder)
    assert segments(directory)[0] == last

    place.step(recorder, 3700.0)
    worker.whole()
    place.step(recorder)
    place.step(recorder)
    assert last not in segments(directory)

    worker.end(under_way, b"data: [DONE]\n\n")
    place.step(recorder)
    place.step(recorder)
    assert place.ids() == sorted(worker.ids)
    assert place.rows("id, request_json IS NOT NULL") == [(id_, True) for id_ in sorted(worker.ids)]
    worker.die()
    recorder.close()


def test_damage_is_passed_over_and_counted(place):
    """A frame that a bad disk changed is counted, and those around it are recorded."""
    worker, recorder = place.worker(segment_bytes=1 << 20), place.recorder()
    before, damaged, after = worker.whole(), worker.whole(), worker.whole()
    path = place.root / "journal" / "w1" / "00000001.seg"
    data = bytearray(path.read_bytes())
    data[40 + (len(data) - 40) // 2] ^= 0xFF
    path.write_bytes(data)
    place.step(recorder)
    place.step(recorder)

    assert place.ids() == [before, after]
    assert damaged not in place.ids()
    assert 'crossfade_journal_lost_total{reason="damaged"} 1.0' in exposition(place)
    worker.die()
    recorder.close()


def exposition(place: Place) -> str:
    return (place.root / "recorder.prom").read_text()


def test_metrics_outlive_a_restart(place):
    """Counters say what the records hold, before and after a restart; models that apps make up have no series."""
    worker, recorder = place.worker(), place.recorder()
    worker.whole()
    worker.whole(model="made-up", status=404)
    worker.streamed("a", "b")
    place.step(recorder)
    place.step(recorder)
    before = exposition(place)
    recorder.close()
    recorder = place.recorder()
    place.step(recorder)

    labels = 'route="support",variant="baseline"'
    assert f'crossfade_requests_total{{{labels},model="gpt-4o",status_class="2xx"}} 2.0' in before
    assert f'crossfade_requests_total{{{labels},model="other",status_class="4xx"}} 1.0' in before
    assert f'crossfade_request_seconds_bucket{{{labels},le="1.0"}} 3' in before
    assert f"crossfade_request_seconds_count{{{labels}}} 3" in before
    assert f"crossfade_time_to_first_token_seconds_count{{{labels}}} 1" in before
    assert 'crossfade_records_total{table="exchanges"} 3.0' in before
    assert "crossfade_journal_lag_seconds 0.0" in before
    assert exposition(place) == before
    worker.die()
    recorder.close()


def test_the_forgotten_are_not_recorded(place):
    """Exchanges of one who is forgotten do not get into the records any more, found before or after."""
    worker, recorder = place.worker(), place.recorder()
    worker.whole(key_id="aaaa")
    kept = worker.whole(key_id="bbbb")
    place.step(recorder, 0.1)
    forgotten = Forgotten((Subject("key", "aaaa", place.now),))
    (place.root / "records" / FILE).write_bytes(encode(forgotten))
    worker.whole(key_id="aaaa")
    place.step(recorder)
    place.step(recorder)

    assert place.ids() == [kept]
    worker.die()
    recorder.close()


def test_a_disk_that_refuses(place):
    """While the records cannot be written nothing is lost and no more is held than a batch; then all of it is there."""
    worker, recorder = place.worker(), place.recorder()
    obstacle = place.root / "records" / "exchanges"
    obstacle.write_bytes(b"")
    for _ in range(5):
        worker.whole()
    for _ in range(4):
        place.step(recorder)
    assert "recorder.disk_refused" in place.log.getvalue()
    assert "crossfade_journal_lag_seconds 3" in exposition(place)
    assert "records_total" not in exposition(place)

    obstacle.unlink()
    for _ in range(3):
        place.step(recorder)
    assert place.ids() == worker.ids
    assert 'records_total{table="exchanges"} 5.0' in exposition(place)
    worker.die()
    recorder.close()


def test_a_journal_that_is_away(place):
    """A journal directory that comes and goes is not read twice."""
    worker, recorder = place.worker(), place.recorder()
    worker.whole()
    place.step(recorder)
    place.step(recorder)
    (place.root / "journal").rename(place.root / "away")
    place.step(recorder, 10.0)
    (place.root / "away").rename(place.root / "journal")
    worker.whole()
    place.step(recorder)
    place.step(recorder)

    assert place.ids() == worker.ids
    worker.die()
    recorder.close()


def test_a_body_that_nobody_foresaw(place, monkeypatch):
    """An exchange whose bodies cannot be made a row of is a row without them, counted, and stops no other."""
    worker, recorder = place.worker(), place.recorder()
    worker.whole(request=b'{"model":"gpt-4o","metadata":"poison"}')
    worker.whole()
    text_bytes = question.text_bytes

    def poisoned(value: object) -> int:
        if isinstance(value, dict) and value.get("metadata") == "poison":
            raise ZeroDivisionError
        return text_bytes(value)

    monkeypatch.setattr(question, "text_bytes", poisoned)
    place.step(recorder)
    place.step(recorder)

    assert place.rows("id, request_json IS NULL") == [(worker.ids[0], True), (worker.ids[1], False)]
    assert 'journal_lost_total{reason="unreadable"} 1.0' in exposition(place)
    worker.die()
    recorder.close()


def test_two_recorders_refuse(place):
    """A second recorder does not write beside a living one."""
    recorder = place.recorder()
    with pytest.raises(OSError, match="unavailable"):
        place.recorder()
    recorder.close()


def test_a_lost_progress_file(place):
    """Without its progress file a recorder reads everything again, and still writes nothing twice."""
    worker, recorder = place.worker(), place.recorder()
    worker.whole()
    worker.streamed("a")
    place.step(recorder)
    place.step(recorder)
    recorder.close()
    (place.root / "records" / "progress.json").write_bytes(b"{")
    recorder = place.recorder()
    worker.whole()
    place.step(recorder)
    place.step(recorder)

    assert place.ids() == worker.ids
    worker.die()
    recorder.close()


# Killed at every step ----------------------------------------------------------------------------------------------


def write_some(worker: Worker, round_: int) -> None:
    first = worker.whole()
    worker.streamed("a", "b")
    worker.feedback(first)
    if round_ == 0:
        worker.begin()


def settle_and_check(place: Place, workers: list[Worker]) -> None:
    """After a restart everything is there, once: rows, feedback, and what the metrics say of them."""
    recorder = place.recorder()
    for worker in workers:
        worker.die()
    place.settle(recorder)
    expected = sorted(id_ for worker in workers for id_ in worker.ids)

    assert place.ids() == expected
    assert len(place.rows("exchange_id", "feedback")) == sum(len(worker.ids) // 2 for worker in workers)
    counters = recorder.state.tally.counters
    assert counters["crossfade_records_total"]["exchanges"] == len(expected)
    assert list(counters["crossfade_feedback_total"].values()) == [counters["crossfade_records_total"]["feedback"]]
    assert list((place.root / "journal").iterdir()) == []
    assert [path.name for path in (place.root / "records").rglob("*.new")] == []
    recorder.close()


@pytest.mark.slow
def test_killed_between_any_two_changes_of_the_disk(tmp_path, trap, monkeypatch):
    """However far a recorder gets before it is killed, the next one leaves no exchange out and writes none twice."""
    monkeypatch.setattr(store_module, "MERGE_FILES", 2)
    steps = 0
    while is_killed_after(steps, Place(tmp_path / str(steps)), trap):
        steps += 1

    assert steps > 30


def is_killed_after(steps: int, place: Place, trap: Trap) -> bool:
    """Whether there were as many steps to do."""
    workers = [place.worker("w1"), place.worker("w2")]
    recorder = place.recorder()
    ran: Callable[[], None] = lambda: place.step(recorder, 0.6)  # noqa: E731 -- a step
    killed = True
    with suppress(Killed):
        left = steps
        for round_ in range(2):
            for worker in workers:
                write_some(worker, round_)
            for again in (ran, lambda: place.step(recorder, 6.0)):
                with trap.set(left):
                    try:
                        again()
                    finally:
                        left = trap.left
        killed = False
    recorder.close()
    seen = place.ids()
    assert len(seen) == len(set(seen)), "nor does any reader before the next one starts"
    settle_and_check(place, workers)
    return killed


def test_traffic_does_not_keep_files_from_being_merged(place, monkeypatch):
    """While something is written at every moment small files are merged as they come: their number stays bounded."""
    monkeypatch.setattr(store_module, "MERGE_FILES", 4)
    worker, recorder, most = place.worker(), place.recorder(), 0
    for _ in range(40):
        worker.whole()
        worker.feedback(worker.ids[-1])
        place.step(recorder, 0.6)
        worker.whole()
        place.step(recorder, 0.01)
        most = max(most, *(len(recorder.store.files(table)) for table in ("exchanges", "feedback")))
    assert most <= 4 * 4, "at each of four levels"
    assert len(place.ids()) == len(set(place.ids()))
    recorder.close()


def test_another_reader_holds_segments(place):
    """What the shadow still needs stays when it is recorded, until it is done with it or it grows too old."""
    worker, recorder = place.worker(), place.recorder(journal_retention_s=3600.0)
    directory, readers = place.root / "journal" / "w1", place.root / "readers"
    write(readers, "shadow", Reader({"w1": 2}))
    for _ in range(16):
        worker.whole()
    place.step(recorder)
    place.step(recorder)
    assert segments(directory)[0] == 2
    last = segments(directory)[-1]
    assert last > 3

    write(readers, "shadow", Reader({"w1": 3}))
    place.step(recorder, 6.0)
    assert segments(directory)[0] == 3, "nothing was recorded since, and still what is done with goes"

    place.step(recorder, 3700.0)
    assert segments(directory) == [last]
    worker.die()
    recorder.close()


def test_a_dead_workers_journal_is_held_too(place):
    """The journal of a worker that is gone stays while another reader has not read it."""
    worker, recorder = place.worker(), place.recorder()
    write(place.root / "readers", "shadow", Reader())
    worker.whole()
    worker.die()
    place.settle(recorder)
    assert segments(place.root / "journal" / "w1") == [1]

    write(place.root / "readers", "shadow", Reader(ignores=(EVERYTHING,)))
    place.step(recorder, 6.0)
    place.step(recorder, 6.0)
    assert list((place.root / "journal").iterdir()) == []
    recorder.close()
