import io
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from sqlite3 import Connection

import pytest

from gateway.config.settings import Settings
from gateway.control.controller.boot import ControllerBoot, decode, encode
from gateway.control.controller.process import Controller, Parts
from gateway.control.controller.status import read_status
from gateway.control.events.outbox import SCHEMA
from gateway.control.leader.announce import Announcer
from gateway.control.leader.webhooks import Notifier
from gateway.control.publish.table import base_table
from gateway.control.state.port import SharedState
from gateway.control.state.sqlite import SqliteState
from gateway.log import Log
from gateway.node import keys
from gateway.node.database import connect, opened
from gateway.node.keys import Actor
from gateway.node.state_location import StatePlace
from policies.compile import KnownUpstream, Surroundings
from policies.routing import Table
from policies.routing import decode as decode_table
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
        found = Controller(decode(encode(boot)), compile_text, log, Parts(self.state, shared, teller))
        found.begin(0.0)
        return found

    def table(self) -> Table:
        return decode_table((self.root / "routing.json").read_bytes())

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
    assert room.events().count("controller.trouble") == 1


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


def _fields(boot: ControllerBoot) -> dict[str, object]:
    return {name: getattr(boot, name) for name in boot.__struct_fields__}
