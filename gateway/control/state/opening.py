"""Opens the shared state, wherever it is."""

import secrets
from pathlib import Path

from gateway import clock
from gateway.control.state.link import Link
from gateway.control.state.newest import Newest
from gateway.control.state.port import SharedState
from gateway.control.state.redis import RedisState
from gateway.control.state.sealed import Seal
from gateway.control.state.sqlite import SqliteState
from gateway.state_place import StatePlace
from gateway.state_url import server


def open_state(place: StatePlace) -> SharedState:
    """The shared state at `place`. Nothing is connected before it is used."""
    database = Path(place.database)
    if place.url is None:
        return SqliteState(database)
    if place.key is None:
        raise ValueError("a state on a server needs a key")
    return RedisState(
        Link(server(place.url), place.password, place.ca_file, clock.monotonic),
        Seal(bytes.fromhex(place.key)),
        Newest(database),
        holder=secrets.token_hex(8),
    )
