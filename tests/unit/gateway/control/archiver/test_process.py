"""The archiver: looks, copies, and says how far it is, whatever the storage does."""

import json
import threading
from io import StringIO
from pathlib import Path

import pytest

from gateway import clock
from gateway.control.archiver.boot import ArchiverBoot
from gateway.control.archiver.process import EXPOSE_S, LOOK_S, PAUSES_S, Archiver, run
from gateway.log import Log
from records.archive.bucket import open_bucket
from records.archive.reader import ArchiveFetch
from records.store import Store
from tests.fakes.exchanges import exchange_id
from tests.rooms.object_storage import SECRET, folder, s3
from tests.rooms.stored_records import keep, record


@pytest.fixture
def lines() -> StringIO:
    return StringIO()


def archiver(home: Path, url: str, lines: StringIO, *, ahead_s: float = 0.0) -> Archiver:
    """One whose clock is ahead."""
    boot = ArchiverBoot(records=str(home / "records"), archive=url, exposition=str(home / "archiver.prom"))
    return Archiver(boot, Log("archiver", stream=lines), lambda: clock.wall() + ahead_s)


def events(lines: StringIO) -> list[str]:
    return [json.loads(line)["event"] for line in lines.getvalue().splitlines()]


def metric(home: Path, name: str) -> float:
    (line,) = [
        line for line in (home / "archiver.prom").read_text().splitlines() if line.startswith(f"crossfade_{name} ")
    ]
    return float(line.rpartition(" ")[2])


def test_what_is_recorded_is_in_the_archive(tmp_path: Path, lines: StringIO) -> None:
    """It says once under which name, and counts what it copied."""
    with s3() as url:
        at_work = archiver(tmp_path, url, lines)
        keep(Store(tmp_path / "records"), "a", record(1))
        assert at_work.step(settle_s=0.0) == LOOK_S
        assert at_work.step(settle_s=0.0) == LOOK_S
        ArchiveFetch(open_bucket(url), tmp_path / "here").run()
    assert Store(tmp_path / "here").ids() == [exchange_id(1)]
    assert events(lines) == ["archiver.begun"]
    assert (metric(tmp_path, "archive_files_total"), metric(tmp_path, "archive_failures_total")) == (1, 0)
    assert metric(tmp_path, "archive_lag_seconds") == 0


def test_a_storage_that_refuses_is_told_of_once(tmp_path: Path, lines: StringIO) -> None:
    """The pause grows to its most, the lag is told, and no line shows a key; when it takes again, that is said."""
    keep(Store(tmp_path / "records"), "a", record(1))
    blocked = tmp_path / "storage"
    blocked.write_text("a file where the folder belongs")
    at_work = archiver(tmp_path, f"file://{blocked}", lines, ahead_s=3600.0)
    waits = [at_work.step(settle_s=0.0) for _ in range(4)]
    assert waits == [*PAUSES_S, PAUSES_S[-1]]
    assert metric(tmp_path, "archive_failures_total") == 4
    assert metric(tmp_path, "archive_lag_seconds") == pytest.approx(3600, abs=60)
    blocked.unlink()
    blocked.mkdir()
    assert at_work.step(settle_s=0.0) == LOOK_S
    assert events(lines).count("archiver.refused") == 1
    assert events(lines)[-1] == "archiver.taken_again"
    assert SECRET not in lines.getvalue()


def test_a_bucket_that_is_not_there_is_named(tmp_path: Path, lines: StringIO) -> None:
    """The log says what the storage said; the lag is what an alert looks at."""
    keep(Store(tmp_path / "records"), "a", record(1))
    with s3() as url:
        at_work = archiver(tmp_path, url.replace("s3://records", "s3://nothing"), lines, ahead_s=3600.0)
        at_work.step(settle_s=0.0)
    assert "NoSuchBucket" in lines.getvalue()
    assert metric(tmp_path, "archive_lag_seconds") == pytest.approx(3600, abs=60)


def test_it_is_told_meanwhile_how_far_a_long_copy_is(tmp_path: Path, lines: StringIO) -> None:
    """A first copy of much may take an hour: it is no silent process."""
    store = Store(tmp_path / "records")
    for number in range(3):
        keep(store, str(number), record(number))
    told: list[float] = []
    at_work = archiver(tmp_path, folder(tmp_path), lines)

    def now() -> float:
        if (tmp_path / "archiver.prom").exists():
            told.append(metric(tmp_path, "archive_files_total"))
        return clock.wall() + EXPOSE_S * len(told)

    at_work.now = now
    at_work.step(settle_s=0.0)
    assert sorted(set(told)) == [1, 2, 3]


def test_what_came_is_copied_at_the_end(tmp_path: Path, lines: StringIO) -> None:
    """A gateway that stops leaves nothing waiting that it could copy."""
    url = folder(tmp_path)
    keep(Store(tmp_path / "records"), "a", record(1))
    stop = threading.Event()
    stop.set()
    run(archiver(tmp_path, url, lines), stop)
    ArchiveFetch(open_bucket(url), tmp_path / "here").run()
    assert Store(tmp_path / "here").ids() == [exchange_id(1)]
