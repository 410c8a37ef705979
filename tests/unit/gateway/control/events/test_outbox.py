"""What the controller keeps of its reading, across crashes and refusals."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

import gateway.control.events.outbox as module
from gateway.control.events.join import NodeEvent, Served, Waiting
from gateway.control.events.outbox import SCHEMA, TABLES_KEPT, Outbox
from gateway.control.journals.tail import Position, Progress
from gateway.control.state.port import MAX_OFFERED, QueuedEvent, Snapshot, StateDownError
from gateway.control.state.sqlite import SqliteState
from gateway.node.database import connect
from policies.evidence import EvidenceKey
from shadow.sampling import Lot

SERVED = {"r": Served(EvidenceKey("r", "k", 1, 0), Lot(1, 2, 3, "s"))}
OFFERED_KEPT = 2_000
"""A small bound: the code's own takes seconds to fill."""
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
    outbox.commit(PROGRESS, ({"a": Waiting(9.0), "b": Waiting(8.0)}, []), [("r", NodeEvent(1.0, 0.0))])
    outbox.commit(PROGRESS, ({}, ["a"]), [("r", NodeEvent(2.0, 0.0))])
    again = loaded(state)
    assert again.node == outbox.node
    assert again.node.startswith("host-")
    assert (again.progress, again.waiting, again.served) == (PROGRESS, {"b": Waiting(8.0)}, {1: SERVED})
    assert again.pending == 2
    again.commit(PROGRESS, ({}, []), [("r", NodeEvent(3.0, 0.0))])
    assert [row[0] for row in state.execute("SELECT number FROM outbox")] == [1, 2, 3]


def test_a_commit_is_whole_or_not_at_all(state: sqlite3.Connection) -> None:
    """When any part of it fails, nothing of it is kept."""
    outbox = loaded(state)
    state.execute("INSERT INTO outbox VALUES (1, 'r', x'00')")  # in the way of its first event
    with pytest.raises(sqlite3.IntegrityError):
        outbox.commit(PROGRESS, ({"a": Waiting(9.0)}, []), [("r", NodeEvent(1.0, 0.0))])
    again = loaded(state)
    assert (again.progress, again.waiting) == ({}, {})


def take(shared: SqliteState, route: str, positions: dict[str, int]) -> None:
    """What a leader does with events that it made evidence of."""
    epoch = shared.lead("leader", 1.0)
    assert epoch is not None
    assert shared.keep_snapshot(route, Snapshot(b"{}", positions, 1), epoch=epoch)
    shared.forget_offered(route, positions)


def test_events_are_offered_in_order_and_once(state: sqlite3.Connection, path: Path) -> None:
    """Also when a restart offers them again."""
    outbox, shared = loaded(state), SqliteState(path)
    outbox.commit(PROGRESS, ({}, []), [("r", NodeEvent(float(number), 0.0)) for number in range(1200)])
    outbox.push(shared)
    assert outbox.pending == 0
    again = loaded(state)
    assert again.pending == 1200
    again.push(shared)
    assert again.pending == 0
    offered = shared.offered("r", {}, 5000)
    assert [event.number for event in offered] == list(range(1, 1201))
    assert {event.node for event in offered} == {outbox.node}
    shared.close()


def test_events_go_when_a_snapshot_holds_them(state: sqlite3.Connection, path: Path) -> None:
    """Each route's up to where its snapshot is, and no others'."""
    outbox, shared = loaded(state), SqliteState(path)
    outbox.commit(
        PROGRESS, ({}, []), [("r", NodeEvent(1.0, 0.0)), ("q", NodeEvent(2.0, 0.0)), ("r", NodeEvent(3.0, 0.0))]
    )
    outbox.push(shared)
    assert numbers(state) == [1, 2, 3]
    take(shared, "r", {outbox.node: 1})
    outbox.push(shared)
    assert numbers(state) == [2, 3]
    take(shared, "r", {outbox.node: 3})
    take(shared, "q", {outbox.node: 2})
    outbox.push(shared)
    assert numbers(state) == []
    shared.close()


def test_a_state_that_forgets_is_told_again(state: sqlite3.Connection, path: Path) -> None:
    """What it had been offered and no snapshot of its holds is offered once more, before what is new."""
    outbox, shared = loaded(state), SqliteState(path)
    outbox.commit(PROGRESS, ({}, []), [("r", NodeEvent(float(number), 0.0)) for number in range(4)])
    outbox.push(shared)
    take(shared, "r", {outbox.node: 2})
    outbox.push(shared)
    shared.close()
    empty = SqliteState(path.with_name("empty.db"))
    outbox.commit(PROGRESS, ({}, []), [("r", NodeEvent(9.0, 0.0))])
    outbox.offer_again()
    assert outbox.pending == 3
    outbox.push(empty)
    assert [event.number for event in empty.offered("r", {}, 10)] == [3, 4, 5]
    empty.close()


def test_what_nobody_takes_has_a_bound(state: sqlite3.Connection, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of events that were offered and never taken, as of a policy that is gone, only the newest are kept."""
    monkeypatch.setattr(module, "OFFERED_KEPT", OFFERED_KEPT)
    outbox, shared = loaded(state), SqliteState(path)
    for route in ("gone", "r"):
        outbox.commit(PROGRESS, ({}, []), [(route, NodeEvent(1.0, 0.0))] * (OFFERED_KEPT - 10))
    outbox.push(shared)
    kept = numbers(state)
    assert (len(kept), kept[-1]) == (OFFERED_KEPT, 2 * (OFFERED_KEPT - 10))
    outbox.offer_again()
    assert outbox.pending == OFFERED_KEPT
    shared.close()


def numbers(state: sqlite3.Connection) -> list[int]:
    return [number for (number,) in state.execute("SELECT number FROM outbox ORDER BY number")]


class Down(SqliteState):
    def offer(self, events: object) -> None:
        raise StateDownError("away")


def test_what_is_refused_stays(state: sqlite3.Connection, path: Path) -> None:
    """While the shared state is away events wait; at their bound nothing more is read."""
    outbox = loaded(state)
    outbox.commit(PROGRESS, ({}, []), [("r", NodeEvent(1.0, 0.0))])
    with pytest.raises(StateDownError):
        outbox.push(Down(path))
    assert (outbox.pending, outbox.is_full) == (1, False)
    outbox.pending = 200_000
    assert outbox.is_full


def test_a_route_that_no_leader_takes_holds_up_no_other(state: sqlite3.Connection, path: Path) -> None:
    """Its events stay here until there is room, and all others go; then they follow, in order and once."""
    outbox, shared = loaded(state), SqliteState(path)
    shared.offer([QueuedEvent("other", number, "unknown", b"{}") for number in range(1, MAX_OFFERED + 1)])
    routes = ["unknown", "r", "unknown", "r", "r"] * 300
    outbox.commit(PROGRESS, ({}, []), [(route, NodeEvent(1.0, 0.0)) for route in routes])
    assert outbox.push(shared) == {"unknown"}
    assert outbox.pending == routes.count("unknown")
    assert [event.number for event in shared.offered("r", {}, 5000)] == [
        number for number, route in enumerate(routes, 1) if route == "r"
    ]
    held = {"other": MAX_OFFERED}
    take(shared, "unknown", held)
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


def test_a_route_that_nobody_takes_stops_no_other(
    state: sqlite3.Connection, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a leader lacks a route's policy, the oldest of that route go, and reading goes on for all others."""
    monkeypatch.setattr(module, "MAX_WAITING", 3 * MAX_OFFERED)
    monkeypatch.setattr(module, "STUCK_KEPT", 100)
    outbox, shared = loaded(state), SqliteState(path)
    for _ in range(4):
        told = [("gone", NodeEvent(1.0, 0.0))] * MAX_OFFERED + [("r", NodeEvent(2.0, 0.0))]
        outbox.commit(PROGRESS, ({}, []), told)
        assert outbox.push(shared) <= {"gone"}
        assert not outbox.is_full
    assert len(shared.offered("r", {}, 10)) == 4
    assert outbox.push(shared) == {"gone"}
    assert outbox.pending <= module.MAX_WAITING // 2  # of 60,000 that nobody takes
    newest = state.execute("SELECT max(number) FROM outbox WHERE route = 'gone'").fetchone()[0]
    assert newest == 4 * (MAX_OFFERED + 1) - 1
    shared.close()
