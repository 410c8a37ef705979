"""The controller's reading, step by step, over a worker's real journal."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.control.events.join import BEHIND_S, SETTLE_S, LabelReport, NodeEvent, Served
from gateway.control.events.outbox import SCHEMA, Outbox
from gateway.control.events.reader import MARK_S, POSITION_S, EventReader
from gateway.node import labels
from gateway.node.database import connect
from gateway.node.labels import PairLabel
from policies.evidence import EvidenceKey
from shadow.sampling import Lot
from tests.rooms.recording import KEY, Worker


@pytest.fixture
def state(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = connect(tmp_path / "state.db", SCHEMA)
    yield connection
    connection.close()


def reader(root: Path, state: sqlite3.Connection) -> EventReader:
    found = EventReader(Outbox(state), root / "journal", KEY, root / "readers")
    found.begin("host")
    return found


def worker(root: Path, name: str = "w1") -> Worker:
    return Worker(root / "journal", name, iter(range(1, 100)))


NOW = 1_900_000_000.0


def test_each_route_is_told_how_far_the_node_has_read(tmp_path: Path, state: sqlite3.Connection) -> None:
    """A mark for every route in force, at most one in MARK_S, and none for a route that is not asked for."""
    found = reader(tmp_path, state)
    for passed_s in (0.0, MARK_S / 2, MARK_S):
        found.step(["a", "b"], NOW + passed_s)
    assert [route for (route,) in state.execute("SELECT route FROM outbox ORDER BY number")] == ["a", "b", "a", "b"]


def test_reading_goes_on_behind_the_last_commit(tmp_path: Path, state: sqlite3.Connection) -> None:
    """What was read is kept with where it was read to; a restart reads no frame twice, and others may let go of it."""
    wrote, found = worker(tmp_path), reader(tmp_path, state)
    wrote.whole()
    found.step([], NOW)
    assert (found.busy, list(found.outbox.progress)) == (True, ["w1"])
    found.step([], NOW + POSITION_S)
    assert not found.busy
    again = reader(tmp_path, state)
    again.step([], NOW + 2 * POSITION_S)
    assert not again.busy
    assert "w1" in (tmp_path / "readers" / "controller.json").read_text()


def test_a_full_outbox_stops_the_reading(tmp_path: Path, state: sqlite3.Connection) -> None:
    """While the shared state takes nothing the journals wait on disk, where they have a bound of their own."""
    wrote, found = worker(tmp_path), reader(tmp_path, state)
    wrote.whole()
    found.outbox.pending = 200_000
    found.step(["a"], NOW)
    assert (found.outbox.progress, found.busy) == ({}, False)
    found.outbox.pending = 0
    found.step(["a"], NOW)
    assert list(found.outbox.progress) == ["w1"]


def test_the_controllers_own_journal_is_not_for_it(tmp_path: Path, state: sqlite3.Connection) -> None:
    """What a controller wrote is the recorder's; reading it back would make evidence of decisions."""
    own, found = worker(tmp_path, "controller-1"), reader(tmp_path, state)
    own.whole()
    found.step(["a"], NOW)
    assert found.outbox.progress == {}


def test_a_commit_that_fails_is_begun_anew(tmp_path: Path, state: sqlite3.Connection) -> None:
    """Nothing of the step is kept, the reader says that it is not open, and `begin` reads the same again."""
    wrote, found = worker(tmp_path), reader(tmp_path, state)
    wrote.whole()
    state.execute("INSERT INTO outbox VALUES (1, 'r', x'00')")  # in the way of its first event
    with pytest.raises(sqlite3.IntegrityError):
        found.step(["a"], NOW)
    assert not found.is_open
    state.execute("DELETE FROM outbox")
    found.begin("host")
    found.step(["a"], NOW)
    assert (found.is_open, list(found.outbox.progress)) == (True, ["w1"])


def test_an_answer_under_way_holds_its_own_routes_mark(tmp_path: Path, state: sqlite3.Connection) -> None:
    """Its route's evidence waits for it, however long it takes within the bound; every other route goes on."""
    wrote, found = worker(tmp_path), reader(tmp_path, state)
    made = wrote.next(route="a")
    assert wrote.writer.open(msgspec.structs.replace(made.meta, arrived_at=NOW - 400.0), made.request_body, b"")
    found.step(["a", "b"], NOW)
    rows = state.execute("SELECT route, body FROM outbox ORDER BY number").fetchall()
    marks = {route: msgspec.json.decode(body, type=NodeEvent).watermark for route, body in rows}
    assert marks == {"a": NOW - 400.0, "b": NOW - SETTLE_S}
    found.step(["a"], NOW + 600.0)
    (body,) = state.execute("SELECT body FROM outbox ORDER BY number DESC LIMIT 1").fetchone()
    assert msgspec.json.decode(body, type=NodeEvent).watermark == NOW + 600.0 - SETTLE_S - BEHIND_S


def test_a_mark_says_what_people_said(tmp_path: Path, state: sqlite3.Connection) -> None:
    """Of the candidate that the newest table serves; of a route that none serves, nothing."""
    with labels.opened(tmp_path / "state.db") as theirs:
        labels.keep(theirs, PairLabel("e1", "candidate", "ada", "a", "judged", "baseline", (), 1.0, "k1", 0.0))
    found = reader(tmp_path, state)
    found.outbox.will_serve(1, {"a": Served(EvidenceKey("a", "k1", 1, 0), Lot(0, 0, 0, "a"))})
    found.step(["a", "b"], NOW)
    rows = state.execute("SELECT route, body FROM outbox ORDER BY number").fetchall()
    told = {route: msgspec.json.decode(body, type=NodeEvent).labels for route, body in rows}
    assert told == {"a": LabelReport("k1", {100: 1}), "b": None}
