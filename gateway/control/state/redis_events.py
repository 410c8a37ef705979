"""Events on a server: a stream for each node of a route, whose entries' numbers are the events' own."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from gateway.control.state.port import MAX_OFFERED, QueuedEvent, RouteFullError
from gateway.control.state.redis_base import Base, key, text
from gateway.control.state.redis_link import Command, Reply

BODY = "e"
"""An entry's one field."""


class Events(Base):
    """The part of `SharedState` that queues evidence events."""

    def offer(self, events: Sequence[QueuedEvent]) -> None:
        """As `SharedState` says (`port.py`)."""
        ordered = sorted(events, key=lambda event: (event.route, event.node, event.number))
        with self._call():
            for (route, node), group in groupby(ordered, key=lambda event: (event.route, event.node)):
                self._offer(route, node, list(group))

    def offered(self, route: str, after: Mapping[str, int], limit: int) -> list[QueuedEvent]:
        """As `SharedState` says (`port.py`)."""
        with self._call():
            (names,) = self._link.ask(("SMEMBERS", key(f"sources:{route}")))
            known = sorted(text(name) for name in names)
            # Nodes that are gone stay known; only those that have something to say share the limit.
            lengths = self._link.ask(*(("XLEN", _stream(route, node)) for node in known))
            nodes = [node for node, length in zip(known, lengths, strict=True) if length]
            if not nodes:
                return []
            share = max(1, limit // len(nodes))
            asked = [
                ("XRANGE", _stream(route, node), f"{after.get(node, 0) + 1}-0", "+", "COUNT", share) for node in nodes
            ]
            return [
                event
                for node, entries in zip(nodes, self._link.ask(*asked), strict=True)
                for entry in entries
                if (event := self._event(route, node, entry)) is not None
            ]

    def forget_offered(self, route: str, up_to: Mapping[str, int]) -> None:
        """As `SharedState` says (`port.py`)."""
        with self._call():
            done = self._positions(route, *self._link.ask(("HGET", key("positions"), route)))
            # Behind what the snapshot holds by now, whoever kept it: positions only rise.
            limits = {node: min(number, done.get(node, 0)) for node, number in up_to.items()}
            trims = [("XTRIM", _stream(route, node), "MINID", f"{limit + 1}-0") for node, limit in limits.items()]
            if trims:
                self._link.ask(*trims)

    def _offer(self, route: str, node: str, events: list[QueuedEvent]) -> None:
        stream = _stream(route, node)

        def decide(found: list[Reply]) -> list[Command] | None:
            last, length, positions = found
            held = max(_number(last[0][0]) if last else 0, self._positions(route, positions).get(node, 0))
            fresh = [event for event in events if event.number > held]
            if length + len(fresh) > MAX_OFFERED:
                raise RouteFullError(route)
            if not fresh:
                return None
            writes: list[Command] = [
                ("XADD", stream, f"{event.number}-0", BODY, self._sealed(_place(event), event.body)) for event in fresh
            ]
            return [*writes, ("SADD", key(f"sources:{route}"), node)]

        reads: list[Command] = [
            ("XREVRANGE", stream, "+", "-", "COUNT", 1),
            ("XLEN", stream),
            ("HGET", key("positions"), route),
        ]
        self._link.change([stream], reads, decide)

    def _event(self, route: str, node: str, entry: list[Any]) -> QueuedEvent | None:
        name, fields = entry
        if len(fields) != 2:
            return None
        event = QueuedEvent(node, _number(name), route, b"")
        body = self._ours(_place(event), fields[1], bytes)
        return None if body is None else QueuedEvent(node, event.number, route, body)


def _stream(route: str, node: str) -> str:
    return key(f"events:{route}:{node}")


def _place(event: QueuedEvent) -> str:
    return f"event/{event.route}/{event.node}/{event.number}"


def _number(name: bytes) -> int:
    return int(name.partition(b"-")[0])
