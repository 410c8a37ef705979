import io
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection

import pytest

from gateway import keys
from gateway.control.boot import ControllerBoot, decode, encode
from gateway.control.controller import Controller
from gateway.control.status import read_status
from gateway.control.table import base_table
from gateway.keys import Actor
from gateway.log import Log
from gateway.settings import Settings
from gateway.state import opened
from policies.compile import Known, Surroundings
from policies.routing import Table
from policies.routing import decode as decode_table
from tests.unit.gateway.control.test_policy_files import compile_text


@dataclass
class Room:
    """A controller over a directory, and what it says."""

    root: Path
    state: Connection
    log: io.StringIO

    def controller(self) -> Controller:
        boot = ControllerBoot(
            base=base_table(Settings(), Path("/run")),
            surroundings=Surroundings({"openai": Known(has_background_key=True)}),
            policies=str(self.root / "policies"),
            state=str(self.root / "state.db"),
            routing=str(self.root / "routing.json"),
            status=str(self.root / "controller.json"),
            exposition=str(self.root / "controller.prom"),
        )
        found = Controller(decode(encode(boot)), compile_text, Log("controller", lambda: 0.0, self.log))
        found.begin(self.state, 0.0)
        return found

    def table(self) -> Table:
        return decode_table((self.root / "routing.json").read_bytes())

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.log.getvalue().splitlines()]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    (tmp_path / "policies").mkdir()
    with opened(tmp_path / "state.db") as state:
        yield Room(tmp_path, state, io.StringIO())


def add_key(room: Room, name: str) -> None:
    with opened(room.root / "state.db") as other:  # another process's connection: `crossfade keys create`
        keys.create(other, name, fingerprint=name * 4, scopes=(), actor=Actor("ada", 1.0))


def test_the_first_tick_publishes(room: Room) -> None:
    """A fresh controller publishes what the settings alone say."""
    assert room.controller().tick(room.state, 10.0)
    assert (room.table().version, room.table().routes, room.table().default_upstream) == (1, (), "openai")
    assert room.events() == ["table.published"]


def test_a_revocation_is_in_the_table_at_the_next_tick(room: Room) -> None:
    """Keys made and revoked by another process reach the table with the next look."""
    controller = room.controller()
    controller.tick(room.state, 10.0)
    add_key(room, "team-a")
    controller.tick(room.state, 10.25)
    assert [(key.name, key.revoked) for key in room.table().keys] == [("team-a", False)]
    with opened(room.root / "state.db") as other:
        keys.revoke(other, "team-a", actor=Actor("ada", 2.0))
    controller.tick(room.state, 10.5)
    assert [(key.name, key.revoked) for key in room.table().keys] == [("team-a", True)]
    assert room.table().version == 3


def test_policies_become_routes_and_errors_are_told_once(room: Room) -> None:
    """A policy is in force after the next look; one that breaks is told once, with the last good one in force."""
    controller = room.controller()
    path = room.root / "policies" / "a.yaml"
    path.write_text("0 a")
    controller.tick(room.state, 10.0)
    assert [route.name for route in room.table().routes] == ["a"]
    path.write_text("broken")
    for now in (10.25, 10.5, 10.75):
        controller.tick(room.state, now)
    assert [route.name for route in room.table().routes] == ["a"]
    assert room.events().count("policy.not_loaded") == 1
    status = read_status(room.root / "controller.json")
    assert status is not None
    assert [(each.file, each.route, each.error) for each in status.policies] == [
        ("a.yaml", "a", "a.yaml:1:1: not good")
    ]
    assert "crossfade_policy_errors 1" in (room.root / "controller.prom").read_text()


def test_a_restart_with_a_broken_file_keeps_its_route(room: Room) -> None:
    """What was good before the restart is still in force, and the version does not move."""
    path = room.root / "policies" / "a.yaml"
    path.write_text("0 a")
    room.controller().tick(room.state, 10.0)
    path.write_text("broken")
    room.controller().tick(room.state, 20.0)
    assert ([route.name for route in room.table().routes], room.table().version) == (["a"], 1)


def test_a_state_that_fails_un_revokes_nothing(room: Room) -> None:
    """When keys cannot be read, the lease goes on with the keys the last table had, and it is told once."""
    add_key(room, "team-a")
    room.controller().tick(room.state, 10.0)
    again = room.controller()
    broken = sqlite3.connect(":memory:")
    again.tick(broken, 20.0)
    again.tick(broken, 30.0)
    broken.close()
    assert [key.name for key in room.table().keys] == ["team-a"]
    assert room.table().lease.renewed_at == 30.0
    assert room.events().count("controller.trouble") == 1


def test_a_disk_that_fails_is_told_once_and_tried_again(room: Room) -> None:
    """What cannot be written is tried at every look and told once."""
    controller = room.controller()
    controller.boot = ControllerBoot(**{**_fields(controller.boot), "status": str(room.root / "missing" / "x")})
    for now in (10.0, 10.25):
        controller.tick(room.state, now)
    assert room.events().count("controller.trouble") == 1
    (room.root / "missing").mkdir()
    controller.tick(room.state, 10.5)
    assert (room.root / "missing" / "x").exists()


def _fields(boot: ControllerBoot) -> dict[str, object]:
    return {name: getattr(boot, name) for name in boot.__struct_fields__}
