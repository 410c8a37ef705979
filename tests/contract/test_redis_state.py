"""What a server may do to the shared state that a file does not: forget, go back in time, be written to by others."""

import itertools
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import msgspec
import pytest
import redis

from gateway import clock
from gateway.config.state_url import StateServer, server
from gateway.control.state.port import (
    UNREADABLE,
    Decided,
    Node,
    QueuedEvent,
    QueuedOrder,
    Snapshot,
    StateDamagedError,
    StateDownError,
    Stored,
)
from gateway.control.state.redis import RedisState
from gateway.control.state.redis_base import key
from gateway.control.state.redis_link import TRIES, Command, Link, Reply
from gateway.control.state.redis_rollouts import GATHER_S
from tests.fakes.redis_server import RedisServer, running
from tests.fakes.state_proxy import behind
from tests.rooms.certificates import Authority
from tests.rooms.stores import RedisStore
from tests.rooms.waiting import PATIENCE_S, await_true

NOW = 1_800_000_000.0


@pytest.fixture(scope="module", params=["redis", "valkey"])
def running_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running(request.param, tmp_path_factory.mktemp("r")) as found:
        yield found


@pytest.fixture
def store(running_server: RedisServer, tmp_path: Path) -> Iterator[RedisStore]:
    with running_server.client() as client:
        client.flushall()
    store = RedisStore(running_server, tmp_path)
    yield store
    store.close()


@pytest.fixture
def raw(running_server: RedisServer) -> Iterator[redis.Redis]:
    """Somebody else with access to the server."""
    with running_server.client() as client:
        yield client


def stored(weight_ppm: int) -> Stored:
    return Stored(0, 0, weight_ppm, b"{}", NOW, "n1")


def climb(state: RedisState, *weights: int) -> int:
    """A rollout that went through `weights`. Returns the epoch that leads."""
    epoch = state.lead("n1", NOW)
    assert epoch is not None
    for version, weight in enumerate(weights):
        assert state.store("triage", stored(weight), expected=version, epoch=epoch)
    return epoch


def test_a_flush_moves_no_weight(store: RedisStore, raw: redis.Redis) -> None:
    """Whoever saw a rollout and its evidence writes them again when the server forgot; who saw nothing sees nothing."""
    one, two, stranger = store.open(), store.open(), store.open()
    epoch = climb(one, 10_000, 50_000)
    evidence = Snapshot(b'{"n":7}', {"n1": 7}, 7)
    assert one.keep_snapshot("triage", evidence, epoch=epoch)
    seen = two.rollouts()
    assert two.snapshot("triage") == evidence
    raw.flushall()
    assert stranger.rollouts() == {}
    assert two.rollouts() == seen == stranger.rollouts()
    assert two.snapshot("triage") == evidence == stranger.snapshot("triage")
    assert (two.counts().restored, stranger.counts().restored) == (2, 0)
    two.offer([QueuedEvent("n1", 7, "triage", b"{}"), QueuedEvent("n1", 8, "triage", b"{}")])
    assert [event.number for event in two.offered("triage", {}, 10)] == [8]  # the snapshot's positions are back, too


def test_a_key_of_another_type_is_as_flushed(store: RedisStore, raw: redis.Redis) -> None:
    """Each key of ours that somebody replaces by one of another type is taken away, and told once."""
    state = store.open()

    def everything() -> None:
        """Every call of the port that reads or writes something."""
        epoch = state.lead("n1", NOW)
        state.leader(NOW)
        state.rollouts()
        state.offer([QueuedEvent("n1", 8, "triage", b"{}")])
        state.offered("triage", {}, 10)
        state.taken("n1")
        state.forget_offered("triage", {"n1": 1})
        state.order(QueuedOrder("o1", "triage", "promote", "ada", "", NOW))
        state.orders()
        state.add_decision(Decided("d1", NOW, "triage", "advance", "promote", "text", b"{}"))
        state.decisions(None, 10)
        state.keep_look(Decided("d1", NOW, "triage", "hold", "hold", "text", b"{}"))
        state.looks()
        state.set_killed(killed=False, by="ada", reason="", now=NOW)
        state.killed()
        state.heard(Node("n1", NOW))
        state.nodes(NOW)
        if epoch is not None:
            state.keep_snapshot("triage", Snapshot(b"{}", {"n1": 7}, 7), epoch=epoch)
        state.snapshot("triage")

    climb(state, 10_000, 50_000)
    everything()
    seen = state.rollouts()
    for name in sorted(cast("list[bytes]", raw.keys("crossfade:1:*"))):
        other = "list" if raw.type(name) != b"list" else "set"
        raw.delete(name)
        raw.rpush(name, "forged") if other == "list" else raw.sadd(name, "forged")
        refused = 0
        for _ in range(4):
            try:
                everything()
            except StateDownError as error:
                assert "another type" in str(error), (name, error)
                refused += 1
        assert refused <= 1, name
        assert raw.type(name) != other.encode(), name
        assert state.rollouts() == seen, name


def test_what_a_node_saw_outlives_its_process(store: RedisStore, raw: redis.Redis) -> None:
    """A process begun after the flush knows what the one before it saw, from the node's own disk."""
    climb(store.open_as("n1", "first"), 10_000)
    raw.flushall()
    assert store.open_as("n1", "second").rollouts()["triage"].weight_ppm == 10_000


def test_a_server_restored_from_an_old_copy_is_set_right(store: RedisStore, raw: redis.Redis) -> None:
    """A record that went back in time is no state: the newest copy is written again."""
    state = store.open()
    climb(state, 10_000)
    old = raw.hget(key("rollouts"), "triage")
    epoch = climb_on(state, 0)
    raw.hset(key("rollouts"), "triage", old)
    assert state.rollouts()["triage"] == Stored(2, epoch, 0, b"{}", NOW, "n1")
    assert not state.store("triage", stored(50_000), expected=1, epoch=epoch)


def climb_on(state: RedisState, weight: int) -> int:
    epoch = state.lead("n1", NOW)
    assert epoch is not None
    assert state.store("triage", stored(weight), expected=1, epoch=epoch)
    return epoch


def test_a_flush_gives_no_old_epoch_back(store: RedisStore, raw: redis.Redis) -> None:
    """After a flush the next epoch is later than every one seen; the leader before it writes nothing more."""
    one, two = store.open(), store.open()
    old = climb(one, 10_000)
    two.rollouts()
    raw.flushall()
    assert two.lead("n2", NOW) is None
    assert two.leader(NOW) == "n2"  # nobody else may: it waits for what others have seen
    new = two.lead("n2", NOW + GATHER_S)
    assert new is not None
    assert new > old
    assert not one.store("triage", stored(50_000), expected=1, epoch=old)
    two.rollouts()
    assert not one.store("triage", stored(50_000), expected=1, epoch=old)


def test_the_newest_copy_that_any_node_has_is_put_back(store: RedisStore, raw: redis.Redis) -> None:
    """Every node copies evidence as it is kept; after a flush a new leader begins with the best there is."""
    one, two = store.open(), store.open()
    epoch = climb(one, 10_000)
    assert one.keep_snapshot("triage", Snapshot(b"old", {"n1": 3, "n2": 4}, 7), epoch=epoch)
    assert two.taken("n2") == {"triage": 4}
    best = Snapshot(b"new", {"n1": 5, "n2": 9}, 14)
    assert one.keep_snapshot("triage", best, epoch=epoch)
    raw.flushall()
    assert two.lead("n2", NOW) is None
    assert two.taken("n2") == {"triage": 4}  # what came after it two has no copy of: it is to be offered again
    assert one.taken("n1") == {"triage": 5}
    new = two.lead("n2", NOW + GATHER_S)
    assert new is not None
    assert new > epoch
    assert two.snapshot("triage") == best
    assert two.taken("n2") == {"triage": 9}


def test_a_server_that_forgot_is_noticed_by_all(store: RedisStore, raw: redis.Redis) -> None:
    """Also by a node for which another one put everything back: what it had offered is gone all the same."""
    one, two = store.open(), store.open()
    climb(one, 10_000)
    for state in (one, two):
        state.taken("n1")
    assert (one.counts().forgot, two.counts().forgot) == (0, 0)
    raw.flushall()
    one.rollouts()
    for _ in range(2):
        for state in (one, two):
            state.taken("n1")
    assert (one.counts().forgot, two.counts().forgot) == (1, 1)


def test_an_epoch_given_twice_is_the_later_ones(store: RedisStore, raw: redis.Redis) -> None:
    """If a flush forgot an epoch under which nothing was written, only the process that was given it last may write."""
    one, two = store.open(), store.open()
    assert one.lead("n1", NOW) == 1
    raw.flushall()
    assert two.lead("n2", NOW) == 1
    assert not one.store("triage", stored(0), expected=0, epoch=1)
    assert not one.keep_snapshot("triage", Snapshot(b"{}", {}, 1), epoch=1)
    assert two.store("triage", stored(0), expected=0, epoch=1)


def test_a_leader_that_knew_nothing_is_brought_up_to_date(store: RedisStore, raw: redis.Redis) -> None:
    """If a node without memory led after a flush, it leads on under an epoch later than those it did not know."""
    one, stranger = store.open(), store.open()
    for _ in range(3):
        one = store.open_as("node0", f"again{len(store.opened)}")
        one.lead("n1", NOW)
    old = one.lead("n1", NOW)
    assert old is not None
    assert one.store("triage", stored(250_000), expected=0, epoch=old)
    assert one.store("triage", stored(0), expected=1, epoch=old)
    raw.flushall()
    young = stranger.lead("n9", NOW)
    assert young is not None
    assert young < old
    assert stranger.store("triage", stored(0), expected=0, epoch=young)
    assert one.rollouts()["triage"].version == 2  # put back
    assert stranger.rollouts()["triage"].version == 2
    caught_up = stranger.lead("n9", NOW)
    assert caught_up is not None
    assert caught_up > old
    assert not stranger.store("triage", stored(10_000), expected=2, epoch=young)
    assert stranger.store("triage", stored(10_000), expected=2, epoch=caught_up)


def test_nodes_that_are_gone_take_up_no_room(store: RedisStore, raw: redis.Redis) -> None:
    """After a day a silent node is forgotten; one whose events are all taken leaves the limit to the others."""
    state = store.open()
    state.heard(Node("gone", NOW - 86_401))
    state.heard(Node("n1", NOW))
    assert [node.name for node in state.nodes(NOW)] == ["n1"]
    assert raw.hkeys(key("nodes")) == [b"n1"]
    epoch = climb(state, 0)
    state.offer([QueuedEvent(node, 1, "triage", b"{}") for node in ("a", "b", "c")])
    assert state.keep_snapshot("triage", Snapshot(b"{}", {"a": 1, "b": 1, "c": 1}, 3), epoch=epoch)
    state.forget_offered("triage", {"a": 1, "b": 1, "c": 1})
    state.offer([QueuedEvent("n1", number, "triage", b"{}") for number in range(1, 5)])
    assert len(state.offered("triage", {}, 4)) == 4


def test_nothing_of_other_writers_is_taken(store: RedisStore, raw: redis.Redis) -> None:
    """Garbage, records of another key and records moved elsewhere: none is believed, each is counted."""
    state, foreign = store.open(), store.open_as("n3", "foreign", seal_key=bytes(32))
    climb(state, 10_000)
    state.offer([QueuedEvent("n1", 1, "triage", b"{}")])
    state.order(QueuedOrder("o1", "triage", "promote", "ada", "", NOW))
    foreign.order(QueuedOrder("o2", "triage", "promote", "mallory", "", NOW))
    foreign.heard(Node("n3", NOW))
    foreign.add_decision(Decided("d", NOW, "triage", "advance", "PROMOTE", "", b"{}"))
    foreign.keep_look(Decided("d", NOW, "triage", "advance", "PROMOTE", "", b"{}"))
    foreign.set_killed(killed=False, by="mallory", reason="", now=NOW)
    raw.hset(key("orders"), "o3", raw.hget(key("orders"), "o1"))
    raw.xadd(key("events:triage:n1"), {"e": b"junk"}, id="2-0")
    raw.xadd(key("events:triage:n1"), {"a": b"1", "b": b"2"}, id="3-0")
    raw.set(key("answer:o1"), b"junk")
    assert [order.id for order in state.orders()] == ["o1"]
    assert [event.number for event in state.offered("triage", {}, 10)] == [1]
    assert (state.nodes(NOW), state.decisions(None, 10), state.looks(), state.killed()) == ([], [], {}, None)
    with pytest.raises(StateDownError, match="sealed"):
        state.answered("o1")
    assert state.counts().refused == 8
    raw.set(key("epoch"), b"junk")
    assert state.leader(NOW) is None
    epoch = state.lead("n1", NOW)
    assert epoch is not None
    assert state.store("triage", stored(50_000), expected=1, epoch=epoch)


def test_an_altered_rollout_is_put_right_or_refused(store: RedisStore, raw: redis.Redis) -> None:
    """Who knows the true record writes it again; who does not cannot use the state, and is told why."""
    one, two = store.open(), store.open()
    climb(one, 10_000)
    record = raw.hget(key("rollouts"), "triage")
    assert isinstance(record, bytes)
    for forged in (b"junk", record[:-1], record + b"x", record.replace(b"n1", b"n2"), b""):
        raw.hset(key("rollouts"), "triage", forged)
        assert two.rollouts() == {"triage": UNREADABLE}
        with pytest.raises(StateDamagedError, match="state_key_file"):
            two.lower("triage", stored(0), expected=1)
        assert one.rollouts()["triage"].weight_ppm == 10_000
    raw.hset(key("rollouts"), "other", record)
    assert one.rollouts()["other"] == UNREADABLE


def test_a_change_that_others_get_ahead_of_is_tried_again(running_server: RedisServer, raw: redis.Redis) -> None:
    """What was read is read anew when somebody wrote in between; after some tries it is StateDownError."""
    raw.delete(key("x"))
    link = Link(server(running_server.url), None, None, clock.monotonic)
    seen: list[Reply] = []

    def decide(found: list[Reply]) -> list[Command]:
        seen.append(found[0])
        if len(seen) in meddle:
            raw.incr(key("x"))
        return [("SET", key("x"), "ours")]

    meddle = {1}
    with link.call():
        assert link.change([key("x")], [("GET", key("x"))], decide)
    assert seen == [None, b"1"]
    assert raw.get(key("x")) == b"ours"

    raw.set(key("x"), 1)
    meddle = set(range(100))
    with pytest.raises(StateDownError, match="others wrote"), link.call():
        link.change([key("x")], [("GET", key("x"))], decide)
    assert len(seen) == 2 + TRIES
    link.close()


def test_a_user_without_scripts_is_enough(store: RedisStore, raw: redis.Redis, running_server: RedisServer) -> None:
    """The gateway's user needs a password, our prefix and plain commands; the password is in no message."""
    raw.execute_command(
        "ACL", "SETUSER", "crossfade", "on", ">planted-password", "~crossfade:*", "+@all", "-@scripting", "-@admin",
        "-@dangerous",
    )  # fmt: skip
    place = StateServer(socket=str(running_server.socket), username="crossfade")
    state = store.open()
    state._link = Link(place, "planted-password", None, clock.monotonic)
    epoch = climb(state, 10_000)
    assert state.keep_snapshot("triage", Snapshot(b"{}", {"n1": 1}, 1), epoch=epoch)
    state.offer([QueuedEvent("n1", 2, "triage", b"{}")])
    state.forget_offered("triage", {"n1": 2})
    state.add_decision(Decided("d", NOW, "triage", "advance", "PROMOTE", "", b"{}"))
    state.order(QueuedOrder("o1", "triage", "promote", "ada", "", NOW))
    assert (len(state.orders()), len(state.decisions(None, 10)), len(state.offered("triage", {}, 9))) == (1, 1, 1)
    state.close()
    state._link = Link(place, "wrong-password", None, clock.monotonic)
    with pytest.raises(StateDownError, match=r"WRONGPASS|invalid username") as error:
        state.rollouts()
    assert "password" not in str(error.value).replace("username-password", "")
    assert "planted" not in repr(state._link)


def test_a_server_is_trusted_by_its_certificate(running_server: RedisServer, tmp_path: Path) -> None:
    """Over TLS the server shows a certificate of its name, signed by who is trusted; any other is refused."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    authority, other = Authority(ours), Authority(theirs)
    with behind(running_server, tls=authority.server("127.0.0.1")) as proxy:
        place = StateServer("127.0.0.1", proxy.port, tls=True)

        def ask(host: StateServer, ca_file: Path | None) -> list[Reply]:
            link = Link(host, None, None if ca_file is None else str(ca_file), clock.monotonic)
            try:
                with link.call():
                    return link.ask(("PING",))
            finally:
                link.close()

        def told(host: StateServer, ca_file: Path | None) -> str:
            """What came of it: on a busy machine the link's own deadline passes first, and says nothing of trust."""
            came: list[str] = []

            def came_in_time() -> bool:
                try:
                    came.append(repr(ask(host, ca_file)))
                except StateDownError as error:
                    came.append(str(error))
                return " within " not in came[-1]

            await_true(came_in_time, "an answer or a refusal within the link's deadline")
            return came[-1]

        assert told(place, authority.ca_file) == repr([b"PONG"])
        for host, ca_file in (
            (place, other.ca_file),
            (place, None),
            (msgspec.structs.replace(place, host="localhost"), authority.ca_file),
        ):
            assert "CERTIFICATE_VERIFY_FAILED" in told(host, ca_file)


def test_a_name_that_cannot_be_looked_up_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that hangs costs a bounded wait, and one attempt at a time; what it brings too late is hung up."""
    looks, go_on = [0], threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        looks[0] += 1
        go_on.wait(PATIENCE_S)
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    passing = itertools.count(0, 10)  # no call is refused because the one before was
    link = Link(StateServer("nowhere.example"), None, None, lambda: float(next(passing)))
    for expected in ("no connection within", "no connection yet", "no connection yet"):
        with pytest.raises(StateDownError, match=expected), link.call():
            link.ask(("PING",))
    assert looks == [1]
    go_on.set()
    assert link._connecting is not None
    link._connecting.join()
    with pytest.raises(StateDownError, match="no such host"), link.call():
        link.ask(("PING",))
