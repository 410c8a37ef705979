"""What the controller keeps of its reading, across crashes and refusals."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.control.intake import Lot, Served, Told, Waiting
from gateway.control.outbox import SCHEMA, TABLES_KEPT, Outbox
from gateway.control.state.port import MAX_OFFERED, Event, Snapshot, StateDownError
from gateway.control.state.sqlite import SqliteState
from gateway.control.tail import Position, Progress
from gateway.state import connect
from policies.evidence import EvidenceKey

SERVED = {"r": Served(EvidenceKey("r", "k", 1, 0), Lot(1, 2, 3, "s"))}
PROGRESS = {"worker-1": Progress(Position(1, 50), Position(1, 40))}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def state(path: Path) -> Iterator[sqlite3.Connection]:
    connection = connect(path, SCHEMA)
    yield connection
    connection.close()


def loaded(state: sqlite3.Connection) -> Outbox:
    outbox = Outbox(state)
    outbox.load("host")
    return outbox


def test_a_restart_goes_on_where_the_last_commit_was(state: sqlite3.Connection) -> None:
    """Progress, what waits, what tables served and the numbers of events outlive the process; its name is made once."""
    outbox = loaded(state)
    outbox.will_serve(1, SERVED)
    outbox.commit(PROGRESS, ({"a": Waiting(9.0), "b": Waiting(8.0)}, []), [("r", Told(1.0, 0.0))])
    outbox.commit(PROGRESS, ({}, ["a"]), [("r", Told(2.0, 0.0))])
    again = loaded(state)
    assert again.node == outbox.node
    assert again.node.startswith("host-")
    assert (again.progress, again.waiting, again.served) == (PROGRESS, {"b": Waiting(8.0)}, {1: SERVED})
    assert again.pending == 2
    again.commit(PROGRESS, ({}, []), [("r", Told(3.0, 0.0))])
    assert [row[0] for row in state.execute("SELECT number FROM outbox")] == [1, 2, 3]


def test_a_commit_is_whole_or_not_at_all(state: sqlite3.Connection) -> None:
    """When any part of it fails, nothing of it is kept."""
    outbox = loaded(state)
    state.execute("INSERT INTO outbox VALUES (1, 'r', x'00')")  # in the way of its first event
    with pytest.raises(sqlite3.IntegrityError):
        outbox.commit(PROGRESS, ({"a": Waiting(9.0)}, []), [("r", Told(1.0, 0.0))])
    again = loaded(state)
    assert (again.progress, again.waiting) == ({}, {})


def test_events_go_when_the_shared_state_has_them(state: sqlite3.Connection, path: Path) -> None:
    """In order and once, also when they are offered again after a crash between the two."""
    outbox, shared = loaded(state), SqliteState(path)
    outbox.commit(PROGRESS, ({}, []), [("r", Told(float(number), 0.0)) for number in range(1200)])
    first = state.execute("SELECT number, route, body FROM outbox LIMIT 3").fetchall()
    outbox.push(shared)
    assert outbox.pending == 0
    state.executemany("INSERT INTO outbox VALUES (?, ?, ?)", first)
    again = loaded(state)
    again.push(shared)
    offered = shared.offered("r", {}, 5000)
    assert [event.number for event in offered] == list(range(1, 1201))
    assert {event.node for event in offered} == {outbox.node}
    shared.close()


class Down(SqliteState):
    def offer(self, events: object) -> None:
        raise StateDownError("away")


def test_what_is_refused_stays(state: sqlite3.Connection, path: Path) -> None:
    """While the shared state is away events wait; at their bound nothing more is read."""
    outbox = loaded(state)
    outbox.commit(PROGRESS, ({}, []), [("r", Told(1.0, 0.0))])
    with pytest.raises(StateDownError):
        outbox.push(Down(path))
    assert (outbox.pending, outbox.is_full) == (1, False)
    outbox.pending = 200_000
    assert outbox.is_full


def test_a_route_that_no_leader_takes_holds_up_no_other(state: sqlite3.Connection, path: Path) -> None:
    """Its events stay here until there is room, and all others go; then they follow, in order and once."""
    outbox, shared = loaded(state), SqliteState(path)
    shared.offer([Event("other", number, "unknown", b"{}") for number in range(1, MAX_OFFERED + 1)])
    routes = ["unknown", "r", "unknown", "r", "r"] * 300
    outbox.commit(PROGRESS, ({}, []), [(route, Told(1.0, 0.0)) for route in routes])
    assert outbox.push(shared) == {"unknown"}
    assert outbox.pending == routes.count("unknown")
    assert [event.number for event in shared.offered("r", {}, 5000)] == [
        number for number, route in enumerate(routes, 1) if route == "r"
    ]
    epoch = shared.lead("other", 1.0)
    assert epoch is not None
    held = {"other": MAX_OFFERED}
    assert shared.keep_snapshot("unknown", Snapshot(b"{}", held, 1), epoch=epoch)
    shared.forget_offered("unknown", held)
    assert outbox.push(shared) == set()
    assert outbox.pending == 0
    assert [event.number for event in shared.offered("unknown", held, 5000)] == [
        number for number, route in enumerate(routes, 1) if route == "unknown"
    ]
    shared.close()


def test_old_tables_are_forgotten(state: sqlite3.Connection) -> None:
    """What was served is known of so many tables, and of no more."""
    outbox = loaded(state)
    outbox.will_serve(1, SERVED)
    outbox.will_serve(1 + TABLES_KEPT, SERVED)
    assert set(outbox.served) == {1 + TABLES_KEPT} == set(loaded(state).served)
