import io
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import msgspec
import pytest

from gateway.config.settings import Settings
from gateway.control.controller.boot import ControllerBoot
from gateway.control.controller.kill_follower import KillFollower
from gateway.control.controller.process import Controller, Parts
from gateway.control.controller.status import read_status
from gateway.control.events.outbox import SCHEMA
from gateway.control.events.reader import EventReader
from gateway.control.leader.announce import Announcer
from gateway.control.leader.evaluation import Evaluation
from gateway.control.leader.leader import Leader
from gateway.control.leader.persistence import rollout_bytes
from gateway.control.leader.webhooks import Notifier
from gateway.control.publish.policy_compiler import PolicyReader
from gateway.control.publish.policy_folder import PolicyFolder
from gateway.control.publish.table import base_table
from gateway.control.publish.weights import Weighed, weigh
from gateway.control.state.port import SharedState, Stored
from gateway.control.state.sqlite import SqliteState
from gateway.log import Log
from gateway.node import keys
from gateway.node.database import connect, opened
from gateway.node.keys import Actor
from gateway.node.state_location import StatePlace
from policies.routing import Route, Table, Upstream
from policies.routing import decode as decode_table
from policies.surroundings import KnownUpstream, Surroundings
from policies.terms import Phase
from records.exchange import Note
from tests.rooms.policy_language import compile_text


class Notes:
    """A journal that takes everything and keeps nothing."""

    def note(self, _: Note) -> bool:
        return True

    def rotate_older_than(self, _: float) -> None:
        pass


@dataclass
class Room:
    """A controller over a directory, and what it says."""

    root: Path
    state: Connection
    log: io.StringIO

    def controller(self, shared: SharedState | None = None) -> Controller:
        boot = ControllerBoot(
            base=base_table(Settings(), Path("/run")),
            surroundings=Surroundings({"openai": KnownUpstream(has_background_key=True)}),
            policies=str(self.root / "policies"),
            data=str(self.root),
            journal_key="00" * 32,
            state=StatePlace(str(self.root / "state.db")),
            routing=str(self.root / "routing.json"),
            status=str(self.root / "controller.json"),
            shadow_plan=str(self.root / "shadow.json"),
            exposition=str(self.root / "controller.prom"),
        )
        log = Log("controller", lambda: 0.0, self.log)
        teller = Announcer("test", Notes(), self.root / "evidence", Notifier(log), log)
        shared = shared or SqliteState(self.root / "state.db")
        found = Controller(boot, compile_text, log, Parts(self.state, shared, teller))
        found.begin(0.0)
        return found

    def table(self) -> Table:
        return decode_table((self.root / "routing.json").read_bytes())

    def lines(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.log.getvalue().splitlines()]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    (tmp_path / "policies").mkdir()
    state = connect(tmp_path / "state.db", SCHEMA)
    yield Room(tmp_path, state, io.StringIO())
    state.close()


def add_key(room: Room, name: str) -> None:
    with opened(room.root / "state.db") as other:  # another process's connection: `crossfade keys create`
        keys.create(other, name, fingerprint=name * 4, scopes=(), actor=Actor("ada", 1.0))


def test_the_first_tick_publishes(room: Room) -> None:
    """A fresh controller publishes what the settings alone say."""
    assert room.controller().tick(10.0)
    assert (room.table().version, room.table().routes, room.table().default_upstream) == (1, (), "openai")
    assert room.events() == ["leader.leads", "table.published"]


def test_a_revocation_is_in_the_table_at_the_next_tick(room: Room) -> None:
    """Keys made and revoked by another process reach the table with the next look."""
    controller = room.controller()
    controller.tick(10.0)
    add_key(room, "team-a")
    controller.tick(10.25)
    assert [(key.name, key.revoked) for key in room.table().keys] == [("team-a", False)]
    with opened(room.root / "state.db") as other:
        keys.revoke(other, "team-a", actor=Actor("ada", 2.0))
    controller.tick(10.5)
    assert [(key.name, key.revoked) for key in room.table().keys] == [("team-a", True)]
    assert room.table().version == 3


def test_policies_become_routes_and_errors_are_told_once(room: Room) -> None:
    """A policy is in force after the next look; one that breaks is told once, with the last good one in force."""
    controller = room.controller()
    path = room.root / "policies" / "a.yaml"
    path.write_text("0 a")
    controller.tick(10.0)
    assert [route.name for route in room.table().routes] == ["a"]
    path.write_text("broken")
    for now in (10.25, 10.5, 11.75):
        controller.tick(now)
    assert [route.name for route in room.table().routes] == ["a"]
    assert room.events().count("policy.not_loaded") == 1
    status = read_status(room.root / "controller.json")
    assert status is not None
    assert [(each.file, each.route, each.error) for each in status.policies] == [
        ("a.yaml", "a", "a.yaml:1:1: not good")
    ]
    assert "crossfade_policy_errors 1" in (room.root / "controller.prom").read_text()


def test_how_far_back_votes_are_compared_is_told(room: Room) -> None:
    """Whoever explains a rollout finds it in what the controller says of itself; a file that never loaded has none."""
    controller = room.controller()
    controller.folder.compile = lambda text, name: replace(compile_text(text, name), votes_window_s=60.0)
    (room.root / "policies" / "a.yaml").write_text("0 a")
    (room.root / "policies" / "b.yaml").write_text("broken")
    controller.tick(10.0)
    status = read_status(room.root / "controller.json")
    assert status is not None
    assert [(each.route, each.votes_window_s) for each in status.policies] == [("a", 60.0), (None, None)]


def test_a_restart_with_a_broken_file_keeps_its_route(room: Room) -> None:
    """What was good before the restart is still in force, and the version does not move."""
    path = room.root / "policies" / "a.yaml"
    path.write_text("0 a")
    room.controller().tick(10.0)
    path.write_text("broken")
    room.controller().tick(20.0)
    assert ([route.name for route in room.table().routes], room.table().version) == (["a"], 1)


def test_a_state_that_fails_un_revokes_nothing(room: Room) -> None:
    """When keys cannot be read, the table keeps the keys the last one had, and it is told once."""
    add_key(room, "team-a")
    room.controller().tick(10.0)
    again = room.controller()
    again.parts.state = sqlite3.connect(":memory:")
    again.tick(20.0)
    again.tick(30.0)
    again.parts.state.close()
    assert [key.name for key in room.table().keys] == ["team-a"]
    told = [line["reason"] for line in room.lines() if line["event"] == "controller.trouble"]
    assert [reason.partition(":")[0] for reason in told] == ["keys", "policies"]


def test_trouble_that_came_back_at_once_and_stays_is_told_when_it_is_news(room: Room) -> None:
    """What comes back within a minute is told a minute after the last time, if it is still there, and once."""
    controller, now = room.controller(), 0.0
    controller.log = Log("controller", lambda: now, room.log)
    good = controller.boot
    bad = ControllerBoot(**{**_fields(good), "status": str(room.root / "missing" / "x")})
    counts: list[int] = []
    for now, boot in ((10.0, bad), (11.0, good), (12.0, bad), (69.0, bad), (70.0, bad), (140.0, bad)):
        controller.boot = boot
        controller.tick(now)
        counts.append(room.events().count("controller.trouble"))
    assert counts == [1, 1, 1, 1, 2, 2]


def test_a_disk_that_fails_is_told_once_and_tried_again(room: Room) -> None:
    """What cannot be written is tried at every look and told once."""
    controller = room.controller()
    controller.boot = ControllerBoot(**{**_fields(controller.boot), "status": str(room.root / "missing" / "x")})
    for now in (10.0, 10.25):
        controller.tick(now)
    assert room.events().count("controller.trouble") == 1
    (room.root / "missing").mkdir()
    controller.tick(10.5)
    assert (room.root / "missing" / "x").exists()


ROUTE = """\
route: NAME
match: {model: NAME}
baseline: {upstream: openai}
candidate: {upstream: vllm, model: m, revision: r1}
compare: [exact]
stages: [shadow, 5%, 25%, 100%]
"""
KNOWN = {name: KnownUpstream(has_background_key=True) for name in ("openai", "vllm")}
DAMAGES = {
    "a rollout that is no JSON": "UPDATE shared_rollouts SET rollout = x'7b' WHERE route = 'a'",
    "a rollout with a phase of tomorrow": "UPDATE shared_rollouts SET version = version + 1, rollout ="
    " cast(replace(cast(rollout AS TEXT), '\"canary\"', '\"tomorrow\"') AS BLOB) WHERE route = 'a'",
    "a snapshot's evidence": "UPDATE shared_snapshots SET evidence = x'00' WHERE route = 'a'",
    "a snapshot's positions": "UPDATE shared_snapshots SET positions = x'00' WHERE route = 'a'",
    "an order": "INSERT INTO shared_orders (id, route, verb, by, reason, at) VALUES ('o', 'a', 'dance', '', '', 1.0)",
    "an event": "INSERT INTO shared_events VALUES ('a', 'n', 1, x'00')",
    "a node": "DROP TABLE shared_nodes",
    "a look": "DROP TABLE shared_looks",
    "a key": "UPDATE keys SET scopes = 'torn' WHERE name = 'other'",
}
"""What may be damaged of what is stored, each with what it belongs to: route `a`, or nothing that is looked at."""


def migrating(room: Room) -> Controller:
    """A controller that leads two migrations, each at 25 %, with two keys."""
    for name in ("a", "b"):
        (room.root / "policies" / f"{name}.yaml").write_text(ROUTE.replace("NAME", name))
    controller = seeing(room)
    controller.tick(10.0)
    for route, ours in controller.leader.evaluations.items():
        rollout = replace(ours.rollout, phase=Phase.CANARY, stage=2)
        new = Stored(0, 0, rollout.weight_ppm, rollout_bytes(rollout, None), 10.0, "test")
        epoch = controller.leader.epoch or 0
        assert controller.parts.shared.store(route, new, expected=ours.version, epoch=epoch)
    for name in ("team", "other"):
        add_key(room, name)
    controller.tick(11.0)
    controller.leader.resign()  # so that evidence is kept
    controller.tick(12.0)
    assert weights(room) == {"a": 250_000, "b": 250_000}
    return controller


def seeing(room: Room) -> Controller:
    """A controller that reads policies as the real one does."""
    found = room.controller()
    found.folder.compile = PolicyReader(Surroundings(KNOWN)).compile
    base = found.boot.base
    known = (*base.upstreams, Upstream("vllm", "http://127.0.0.1:1/v1"))
    found.boot = msgspec.structs.replace(found.boot, base=msgspec.structs.replace(base, upstreams=known))
    return found


def weights(room: Room) -> dict[str, int]:
    return {route.name: route.weight_ppm for route in room.table().routes}


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_nothing_that_is_damaged_blinds_the_controller(room: Room, damage: str, *, restarted: bool) -> None:
    """Whatever stored thing cannot be read: keys, kill, lease and the other route go on, and the damage is told."""
    controller = migrating(room)
    with opened(room.root / "state.db") as other:
        other.execute(damage)
        keys.revoke(other, "team", actor=Actor("ada", 2.0))
    SqliteState(room.root / "state.db").set_killed(killed=True, by="ada", reason="", now=19.0)
    if restarted:
        controller = seeing(room)
    for now in (20.0, 21.0, 30.0):
        controller.tick(now)
    table = room.table()
    assert (room.root / "KILL").exists()
    assert {key.name: key.revoked for key in table.keys}["team"]
    assert weights(room)["b"] == 250_000
    assert table.lease.renewed_at == 30.0
    assert controller.leader.evaluations["b"].rollout.phase is Phase.CANARY
    if "rollout" in damage:
        told = " ".join(line["reason"] for line in room.lines() if line["event"] == "controller.trouble")
        assert "route a: " in told
        assert weights(room)["a"] == (0 if restarted else 250_000)
    if "evidence" in damage and restarted:
        assert "evidence.unreadable" in room.events()


@pytest.mark.parametrize(
    ("owner", "part"),
    [(KillFollower, "follow"), (PolicyFolder, "read"), (EventReader, "step"), (Leader, "tick")],
    ids=lambda each: each if isinstance(each, str) else each.__name__,
)
def test_a_mistake_in_one_part_keeps_no_key_alive(
    room: Room, monkeypatch: pytest.MonkeyPatch, owner: type, part: str
) -> None:
    """What nobody foresaw in a part of a tick is told with its place; keys are revoked, weights kept, all the same."""
    add_key(room, "team-a")
    controller = migrating(room)

    def odd(*_: object) -> None:
        raise KeyError("a")

    monkeypatch.setattr(owner, part, odd)
    with opened(room.root / "state.db") as other:
        keys.revoke(other, "team-a", actor=Actor("ada", 2.0))
    assert controller.tick(20.0)
    assert {key.name for key in room.table().keys if key.revoked} == {"team-a"}
    assert weights(room) == {"a": 250_000, "b": 250_000}
    (reason,) = [line["reason"] for line in room.lines() if line["event"] == "controller.trouble"]
    assert "KeyError at test_process.py:" in reason


def test_a_mistake_in_one_route_costs_that_route_alone(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw, in a route's evidence or in its weight, is told with its place, and the others go on."""
    controller = migrating(room)

    def odd(ours: Evaluation, *_: object) -> None:
        if ours.rollout.route == "a":
            raise KeyError("a")

    monkeypatch.setattr(Evaluation, "advance", odd)
    controller.tick(20.0)
    assert weights(room) == {"a": 250_000, "b": 250_000}
    (reason,) = [line["reason"] for line in room.lines() if line["event"] == "controller.trouble"]
    assert reason.startswith("route a: KeyError at test_process.py:")
    assert controller.leader.leads
    assert "b" in controller.leader.evaluations


def test_a_route_that_cannot_be_weighed_has_no_weight(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table goes out all the same: the others keep theirs, and a revoked key is out."""
    controller = migrating(room)

    def odd(route: Route, *given: Any, **more: Any) -> Weighed:
        if route.name == "a":
            raise KeyError("a")
        return weigh(route, *given, **more)

    monkeypatch.setattr("gateway.control.controller.process.weigh", odd)
    controller.tick(20.0)
    assert weights(room) == {"a": 0, "b": 250_000}


def test_a_rollout_nobody_can_read_is_off_once_the_grace_is_over(room: Room) -> None:
    """Nobody watches such a candidate: it keeps its weight for as long as a lease's grace, and then has none."""
    controller, mono = migrating(room), [0.0]
    controller.monotonic = lambda: mono[0]
    with opened(room.root / "state.db") as other:
        other.execute(DAMAGES["a rollout that is no JSON"])
        other.execute("UPDATE shared_rollouts SET version = version + 1 WHERE route = 'a'")
    controller.tick(20.0)
    mono[0] = controller.boot.base.lease.grace_s
    controller.tick(21.0)
    assert weights(room) == {"a": 250_000, "b": 250_000}
    mono[0] += 1.0
    controller.tick(22.0)
    assert weights(room) == {"a": 0, "b": 250_000}


def test_a_locked_disk_while_publishing_is_made_up_for(room: Room) -> None:
    """What a table serves that the disk did not take is told, known at once, and kept when the lock is gone."""
    controller = migrating(room)
    controller.parts.state.execute("PRAGMA busy_timeout = 0")
    with opened(room.root / "state.db") as other:
        keys.revoke(other, "team", actor=Actor("ada", 2.0))
        other.execute("BEGIN IMMEDIATE")
        controller.tick(20.0)
        version = room.table().version
        assert {key.name: key.revoked for key in room.table().keys}["team"]
        assert version in controller.reading.outbox.served
        other.execute("ROLLBACK")
    controller.tick(21.0)
    kept = controller.parts.state.execute("SELECT version FROM intake_served").fetchall()
    assert (version,) in kept
    told = [line["reason"] for line in room.lines() if line["event"] == "controller.trouble"]
    assert any(reason.startswith("served: ") for reason in told)


def _fields(boot: ControllerBoot) -> dict[str, object]:
    return {name: getattr(boot, name) for name in boot.__struct_fields__}
