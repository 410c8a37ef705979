"""One suite over all that hold the shared state, sentence by sentence of `gateway.control.state.port`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.control.state import redis_link
from gateway.control.state.port import (
    MAX_BYTES,
    MAX_DECISIONS,
    MAX_OFFERED,
    MAX_ORDERS,
    MAX_SNAPSHOT_BYTES,
    NODES_S,
    UNREADABLE,
    Answered,
    Decided,
    KillWord,
    Node,
    QueuedEvent,
    QueuedOrder,
    RouteFullError,
    SharedState,
    Snapshot,
    StateDownError,
    Stored,
)
from tests.fakes.redis_server import RedisServer, running
from tests.rooms.stores import RedisStore, SqliteStore, Store

NOW = 1_800_000_000.0


@pytest.fixture(scope="module", params=["sqlite", "redis", "valkey"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer | None]:
    if request.param == "sqlite":
        yield None
        return
    with running(request.param, tmp_path_factory.mktemp("r")) as server:
        yield server


@pytest.fixture
def store(server: RedisServer | None, tmp_path: Path) -> Iterator[Store]:
    if server is not None:
        with server.client() as client:
            client.flushall()
    store = SqliteStore(tmp_path / "state.db") if server is None else RedisStore(server, tmp_path)
    yield store
    store.close()


@pytest.fixture
def state(store: Store, monkeypatch: pytest.MonkeyPatch) -> SharedState:
    """The shared state; how long a call may take, which a busy machine stretches, is not this suite's affair."""
    monkeypatch.setattr(redis_link, "CALL_S", 60.0)
    monkeypatch.setattr(redis_link, "ANSWER_S", 60.0)
    return store.open()


def stored(weight_ppm: int = 10_000, rollout: bytes = b'{"stage":1}') -> Stored:
    return Stored(0, 0, weight_ppm, rollout, NOW, "n1")


def kept_at(state: SharedState, weight_ppm: int) -> tuple[int, int]:
    """A rollout at `weight_ppm`. Returns its version and the epoch that leads."""
    epoch = state.lead("n1", NOW)
    assert epoch is not None
    assert state.store("triage", stored(weight_ppm), expected=0, epoch=epoch)
    return 1, epoch


def event(number: int, *, node: str = "n1", route: str = "triage", body: bytes = b"{}") -> QueuedEvent:
    return QueuedEvent(node, number, route, body)


def numbers(state: SharedState, after: dict[str, int] | None = None, route: str = "triage") -> list[tuple[str, int]]:
    return [(each.node, each.number) for each in state.offered(route, after or {}, 1000)]


def order(name: str = "o1", at: float = NOW) -> QueuedOrder:
    return QueuedOrder(name, "triage", "promote", "ada", "looks good", at)


def decided(name: str, route: str = "triage", at: float = NOW) -> Decided:
    return Decided(name, at, route, "advance", "PROMOTE", "every gate is certified", b'{"n":1}')


def test_one_leads_and_the_others_wait(store: Store) -> None:
    """Whoever takes the lease leads and may renew it under the same epoch; another node gets None until it is over."""
    one, two = store.open(), store.open()
    epoch = one.lead("n1", NOW)
    assert epoch is not None
    assert (two.lead("n2", NOW), two.leader(NOW)) == (None, "n1")
    assert one.lead("n1", NOW + 1) == epoch
    later = store.lapse(NOW + 1)
    assert one.leader(later) is None
    taken = two.lead("n2", later)
    assert taken is not None
    assert taken > epoch
    assert (one.lead("n1", later), one.leader(later)) == (None, "n2")


def test_a_lease_that_lapsed_unnoticed_is_taken_up_again(store: Store) -> None:
    """If nobody led in between, the leader that comes back leads under the epoch it had."""
    one = store.open()
    epoch = one.lead("n1", NOW)
    assert one.lead("n1", store.lapse(NOW)) == epoch


def test_giving_the_lease_back(store: Store) -> None:
    """After `resign` nobody leads, and another node need not wait; one that does not lead gives nothing back."""
    one, two = store.open(), store.open()
    one.lead("n1", NOW)
    two.resign("n2")
    two.resign("n1")
    assert one.leader(NOW) == "n1"
    one.resign("n1")
    assert one.leader(NOW) is None
    assert two.lead("n2", NOW) is not None


def test_a_process_takes_over_from_its_predecessor(store: Store) -> None:
    """A process begun on the same node leads at once under a new epoch; the earlier one does not lead it back."""
    one, two = store.open(), store.open()
    epoch = one.lead("n1", NOW)
    taken = two.lead("n1", NOW)
    assert epoch is not None
    assert taken is not None
    assert taken > epoch
    assert one.lead("n1", NOW) is None
    assert two.lead("n1", NOW) == taken
    one.resign("n1")
    assert two.leader(NOW) == "n1"


def test_two_processes_on_one_node_cannot_both_write(store: Store) -> None:
    """What the earlier of two leaders writes is refused: rollouts and evidence."""
    one, two = store.open(), store.open()
    version, old = kept_at(one, 10_000)
    new = two.lead("n1", NOW)
    assert new is not None
    assert not one.store("triage", stored(50_000), expected=version, epoch=old)
    assert not one.keep_snapshot("triage", Snapshot(b"{}", {}, 1), epoch=old)
    assert two.store("triage", stored(50_000), expected=version, epoch=new)
    assert two.keep_snapshot("triage", Snapshot(b"{}", {}, 1), epoch=new)


def test_a_rollout_is_written_against_its_version(store: Store) -> None:
    """A write counts if the version is the one expected; the store counts versions and knows epochs by itself."""
    one, two = store.open(), store.open()
    assert one.rollouts() == {}
    version, epoch = kept_at(one, 10_000)
    assert two.rollouts() == {"triage": Stored(version, epoch, 10_000, b'{"stage":1}', NOW, "n1")}
    for expected in (0, 2):
        assert not one.store("triage", stored(50_000), expected=expected, epoch=epoch)
    assert not one.store("other", stored(), expected=1, epoch=epoch)
    claims = Stored(77, 77, 50_000, b"{}", NOW + 1, "n1")
    assert one.store("triage", claims, expected=version, epoch=epoch)
    assert two.rollouts() == {"triage": Stored(version + 1, epoch, 50_000, b"{}", NOW + 1, "n1")}


def test_nobody_writes_who_never_led(state: SharedState) -> None:
    """An epoch that does not lead writes nothing: none yet, an old one, one that is not there yet."""
    assert not state.store("triage", stored(), expected=0, epoch=1)
    epoch = state.lead("n1", NOW)
    assert epoch is not None
    for wrong in (epoch - 1, epoch + 1):
        assert not state.store("triage", stored(), expected=0, epoch=wrong)
        assert not state.keep_snapshot("triage", Snapshot(b"{}", {}, 1), epoch=wrong)
    assert state.rollouts() == {}
    assert state.snapshot("triage") is None


def test_any_node_may_lower_and_none_raise(store: Store) -> None:
    """A lower weight is taken from a node that does not lead, against the version; the same or a higher one is not."""
    one, two = store.open(), store.open()
    version, epoch = kept_at(one, 250_000)
    for weight in (250_000, 250_001):
        assert not two.lower("triage", stored(weight), expected=version)
    assert not two.lower("triage", stored(0), expected=version + 1)
    assert not two.lower("other", stored(0), expected=0)
    assert two.lower("triage", stored(0, b'{"phase":"rolled_back"}'), expected=version)
    assert one.rollouts()["triage"] == Stored(version + 1, epoch, 0, b'{"phase":"rolled_back"}', NOW, "n1")
    assert not one.store("triage", stored(500_000), expected=version, epoch=epoch)


def test_a_snapshot_comes_back_as_it_was(store: Store) -> None:
    """Evidence is kept whole, with its positions, and replaced by what is kept later."""
    one, two = store.open(), store.open()
    assert one.snapshot("triage") is None
    _, epoch = kept_at(one, 0)
    for seq in (1, 2):
        kept = Snapshot(b'{"n":%d}' % seq, {"n1": seq, "n2": 5}, seq)
        assert one.keep_snapshot("triage", kept, epoch=epoch)
        assert two.snapshot("triage") == kept
    assert one.snapshot("other") is None


def test_events_come_in_each_nodes_order(state: SharedState) -> None:
    """Events are handed out behind what was taken, each node's in the order of its numbers, route by route."""
    state.offer([event(1), event(2, route="other"), event(10)])
    state.offer([event(3, node="n2"), event(11)])
    assert sorted(numbers(state)) == [("n1", 1), ("n1", 10), ("n1", 11), ("n2", 3)]
    assert [number for node, number in numbers(state) if node == "n1"] == [1, 10, 11]
    assert sorted(numbers(state, {"n1": 10})) == [("n1", 11), ("n2", 3)]
    assert numbers(state, {"n1": 11, "n2": 3}) == []
    assert numbers(state, route="other") == [("n1", 2)]
    assert numbers(state, route="unknown") == []


def test_events_come_with_their_bodies_and_not_all_at_once(state: SharedState) -> None:
    """An event comes back as it was; a limit leaves later ones for later, and no node starves another."""
    state.offer([event(number, node=node, body=b'{"at":%d}' % number) for node in ("n1", "n2") for number in (1, 2, 3)])
    found = state.offered("triage", {}, 4)
    assert sorted((each.node, each.number) for each in found) == [("n1", 1), ("n1", 2), ("n2", 1), ("n2", 2)]
    assert found[0].body == b'{"at":1}'


def test_offering_twice_changes_nothing(state: SharedState) -> None:
    """A number that is there already, or that a kept snapshot holds, is not taken again."""
    state.offer([event(1, body=b"first"), event(2)])
    state.offer([event(1, body=b"again"), event(2), event(3)])
    assert [each.body for each in state.offered("triage", {}, 10)] == [b"first", b"{}", b"{}"]
    _, epoch = kept_at(state, 0)
    assert state.keep_snapshot("triage", Snapshot(b"{}", {"n1": 2}, 2), epoch=epoch)
    state.forget_offered("triage", {"n1": 2})
    state.offer([event(1), event(2), event(3), event(4)])
    assert numbers(state) == [("n1", 3), ("n1", 4)]


def test_only_what_a_snapshot_holds_is_forgotten(state: SharedState) -> None:
    """Events that no kept snapshot contains stay, whatever the leader says."""
    state.offer([event(1), event(2), event(3), event(1, node="n2")])
    state.forget_offered("triage", {"n1": 3})
    assert len(numbers(state)) == 4
    _, epoch = kept_at(state, 0)
    assert state.keep_snapshot("triage", Snapshot(b"{}", {"n1": 2}, 2), epoch=epoch)
    state.forget_offered("triage", {"n1": 3, "n2": 1})
    assert sorted(numbers(state)) == [("n1", 3), ("n2", 1)]


def test_a_node_is_told_what_snapshots_hold_of_its_events(state: SharedState) -> None:
    """By route; of other nodes' and of routes without a snapshot nothing."""
    state.offer([event(1), event(2), event(1, node="n2"), event(3, route="other")])
    assert state.taken("n1") == {}
    _, epoch = kept_at(state, 0)
    assert state.keep_snapshot("triage", Snapshot(b"{}", {"n1": 2}, 2), epoch=epoch)
    assert state.keep_snapshot("third", Snapshot(b"{}", {"n1": 7, "n2": 1}, 2), epoch=epoch)
    assert state.taken("n1") == {"triage": 2, "third": 7}
    assert state.taken("n2") == {"third": 1}


def test_events_that_nobody_takes_have_a_bound(state: SharedState) -> None:
    """Beyond the bound an offer is refused whole, so that its node keeps it."""
    for start in range(1, MAX_OFFERED + 1, 1000):
        state.offer([event(number) for number in range(start, start + 1000)])
    with pytest.raises(RouteFullError, match="no room") as full:
        state.offer([event(MAX_OFFERED + 1)])
    assert full.value.route == "triage"
    assert numbers(state, {"n1": MAX_OFFERED - 1}) == [("n1", MAX_OFFERED)]
    state.offer([event(MAX_OFFERED + 1, route="other")])


def test_an_order_waits_until_it_is_answered(store: Store) -> None:
    """Orders come oldest first, once each; the first answer takes one away and is there to be read."""
    one, two = store.open(), store.open()
    one.order(order("late", NOW + 1))
    one.order(order("early"))
    one.order(order("early"))
    assert two.orders() == [order("early"), order("late", NOW + 1)]
    assert one.answered("early") is None
    two.answer(Answered("early", taken=True, text="1% → 5%"))
    two.answer(Answered("early", taken=False, text="too late"))
    assert one.answered("early") == Answered("early", taken=True, text="1% → 5%")
    assert [each.id for each in two.orders()] == ["late"]
    one.order(order("early"))
    assert [each.id for each in two.orders()] == ["late"]


def test_orders_have_a_bound(state: SharedState) -> None:
    """Beyond the bound an order is refused; answering one makes room."""
    for number in range(MAX_ORDERS):
        state.order(order(f"o{number}"))
    with pytest.raises(StateDownError, match="no room"):
        state.order(order("more"))
    state.answer(Answered("o0", taken=False, text="no"))
    state.order(order("more"))
    assert len(state.orders()) == MAX_ORDERS


def test_decisions_come_newest_first(state: SharedState) -> None:
    """Decisions are kept once each, and read newest first, of one route or of all."""
    for at, route in ((1, "triage"), (2, "other"), (3, "triage"), (3, "triage")):
        state.add_decision(decided(f"d{at}", route, at))
    assert [each.id for each in state.decisions(None, 10)] == ["d3", "d2", "d1"]
    assert state.decisions("triage", 10) == [decided("d3", at=3), decided("d1", at=1)]
    assert [each.id for each in state.decisions(None, 1)] == ["d3"]
    assert state.decisions("unknown", 10) == []


def test_the_last_decisions_of_a_route_are_kept(state: SharedState) -> None:
    """A route's decisions beyond the bound push out its oldest, and no other route's."""
    state.add_decision(decided("other", "other"))
    for number in range(MAX_DECISIONS + 2):
        state.add_decision(decided(f"d{number}", at=NOW + number))
    kept = state.decisions("triage", 2 * MAX_DECISIONS)
    assert (len(kept), kept[0].id, kept[-1].id) == (MAX_DECISIONS, f"d{MAX_DECISIONS + 1}", "d2")
    assert [each.id for each in state.decisions("other", 10)] == ["other"]


def test_a_look_replaces_the_one_before(state: SharedState) -> None:
    """Of each route the last look is kept."""
    assert state.looks() == {}
    for name in ("l1", "l2"):
        state.keep_look(decided(name))
    state.keep_look(decided("l3", "other"))
    assert state.looks() == {"triage": decided("l2"), "other": decided("l3", "other")}


def test_the_kill_flag_says_what_was_last_told(store: Store) -> None:
    """Nothing at first; then killed or not, as the last word was and when it was given, to every node."""
    one, two = store.open(), store.open()
    assert two.killed() is None
    for killed, at in ((True, NOW), (False, NOW + 1), (False, NOW + 2)):
        one.set_killed(killed=killed, by="ada", reason="drill", now=at)
        assert two.killed() == KillWord(killed, at)


def test_nodes_are_forgotten_when_silent(state: SharedState) -> None:
    """A node counts for a minute after it was heard, with what it last said."""
    state.heard(Node("n2", NOW - NODES_S + 1, table_version=3))
    state.heard(Node("n1", NOW - 1))
    state.heard(Node("n1", NOW, table_version=7, killed=True))
    assert state.nodes(NOW) == [Node("n1", NOW, 7, killed=True), Node("n2", NOW - NODES_S + 1, 3)]
    assert [each.name for each in state.nodes(NOW + 2)] == ["n1"]


def test_a_snapshot_may_be_longer_than_other_values(state: SharedState) -> None:
    """The evidence of a busy route is tens of megabytes: it is kept, and comes back whole."""
    _, epoch = kept_at(state, 10_000)
    kept = Snapshot(b"x" * (MAX_SNAPSHOT_BYTES - 1024), {"n1": 7}, 1)
    assert state.keep_snapshot("triage", kept, epoch=epoch)
    assert state.snapshot("triage") == kept


def test_a_value_that_is_too_long_is_refused(state: SharedState) -> None:
    """Nothing longer than the bound is written, and what was there stays."""
    long = b"x" * (MAX_BYTES + 1)
    version, epoch = kept_at(state, 10_000)
    refused = [
        lambda: state.store("triage", stored(rollout=long), expected=version, epoch=epoch),
        lambda: state.lower("triage", stored(0, rollout=long), expected=version),
        lambda: state.keep_snapshot("triage", Snapshot(b"x" * (MAX_SNAPSHOT_BYTES + 1), {}, 1), epoch=epoch),
        lambda: state.offer([event(1, body=long)]),
        lambda: state.add_decision(Decided("d", NOW, "triage", "hold", "HOLD", "", long)),
        lambda: state.keep_look(Decided("d", NOW, "triage", "hold", "HOLD", "", long)),
    ]
    for write in refused:
        with pytest.raises(StateDownError, match="longer than"):
            write()
    assert state.rollouts()["triage"].version == version
    assert (state.offered("triage", {}, 1), state.snapshot("triage")) == ([], None)


def test_what_is_torn_is_never_guessed_at(store: Store) -> None:
    """A record that cannot be read is StateDownError, for reading and for writing; nothing else is harmed."""
    one = store.open()
    version, epoch = kept_at(one, 10_000)
    one.order(order())
    store.tear()
    fresh = store.open()
    assert fresh.rollouts() == {"triage": UNREADABLE}
    for use in (
        lambda: fresh.store("triage", stored(), expected=version, epoch=epoch),
        lambda: fresh.lower("triage", stored(0), expected=version),
    ):
        with pytest.raises(StateDownError):
            use()
    assert fresh.orders() == [order()]


def test_what_a_newer_version_wrote_is_left_alone(store: Store) -> None:
    """A newer format is StateDownError, and nothing is written over it."""
    version, epoch = kept_at(store.open(), 10_000)
    store.from_the_future()
    fresh = store.open()
    with pytest.raises(StateDownError, match="newer"):
        fresh.store("triage", stored(), expected=version, epoch=epoch)
