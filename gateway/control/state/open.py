"""Opens the shared state, wherever it is."""

import secrets
from pathlib import Path

from gateway import clock
from gateway.config.state_url import server
from gateway.control.state.port import SharedState
from gateway.control.state.sqlite import SqliteState
from gateway.node.state_location import StatePlace


def open_state(place: StatePlace) -> SharedState:
    """The shared state at `place`. Nothing is connected before it is used."""
    if place.url is None:
        return SqliteState(Path(place.database))
    if place.key is None:
        raise ValueError("a state on a server needs a key")
    return _on_server(place, place.url, place.key)


def _on_server(place: StatePlace, url: str, key: str) -> SharedState:
    # The client takes long to load: only a node that has a server pays for it, at each start.
    from gateway.control.state.redis import RedisState  # noqa: PLC0415
    from gateway.control.state.redis_link import Link  # noqa: PLC0415
    from gateway.control.state.seal import RecordSeal  # noqa: PLC0415
    from gateway.control.state.witness import Newest  # noqa: PLC0415

    return RedisState(
        Link(server(url), place.password, place.ca_file, clock.monotonic),
        RecordSeal(bytes.fromhex(key)),
        Newest(Path(place.database)),
        holder=secrets.token_hex(8),
    )
