"""What people and nodes say to each other on a server: orders and answers, decisions, looks, the kill flag."""

from gateway.control.state.port import (
    ANSWERS_S,
    MAX_DECISIONS,
    MAX_ORDERS,
    NODES_S,
    Answered,
    Decided,
    KillWord,
    Node,
    QueuedOrder,
    StateDownError,
)
from gateway.control.state.redis_base import Base, key, text
from gateway.control.state.redis_link import Command, Reply

FORGOTTEN_S = 86_400.0
"""A node that is silent for so long is forgotten: every new data directory is another node."""


class RedisMessages(Base):
    """The part of `SharedState` for orders, decisions, the kill switch and nodes."""

    def order(self, order: QueuedOrder) -> None:
        """As `SharedState` says (`port.py`)."""
        orders, record = key("orders"), self._sealed(f"order/{order.id}", order)

        def decide(found: list[Reply]) -> list[Command] | None:
            waiting, is_there, is_answered = found
            if is_there or is_answered:
                return None
            if waiting >= MAX_ORDERS:
                raise StateDownError(f"{waiting} orders wait for a controller: no room for more")
            return [("HSET", orders, order.id, record)]

        with self._call():
            reads: list[Command] = [("HLEN", orders), ("HEXISTS", orders, order.id), ("EXISTS", answer_key(order.id))]
            self._link.change([orders, answer_key(order.id)], reads, decide)

    def orders(self) -> list[QueuedOrder]:
        """As `SharedState` says (`port.py`)."""
        return sorted(self._all("orders", "order", QueuedOrder).values(), key=lambda order: (order.at, order.id))

    def answer(self, answered: Answered) -> None:
        """As `SharedState` says (`port.py`)."""
        record = self._sealed(f"answer/{answered.id}", answered)
        with self._call():
            self._link.ask(
                ("MULTI",),
                ("SET", answer_key(answered.id), record, "NX", "EX", int(ANSWERS_S)),
                ("HDEL", key("orders"), answered.id),
                ("EXEC",),
            )

    def answered(self, order_id: str) -> Answered | None:
        """As `SharedState` says (`port.py`)."""
        with self._call():
            (raw,) = self._link.ask(("GET", answer_key(order_id)))
            return None if raw is None else self._opened(f"answer/{order_id}", raw, Answered)

    def add_decision(self, decided: Decided) -> None:
        """As `SharedState` says (`port.py`)."""
        kept, record = key(f"decisions:{decided.route}"), self._sealed(f"decision/{decided.route}", decided)
        with self._call():
            self._link.ask(
                ("MULTI",),
                ("ZADD", kept, decided.at, record),  # the same decision again is the same member
                ("ZREMRANGEBYRANK", kept, 0, -MAX_DECISIONS - 1),
                ("SADD", key("decided"), decided.route),
                ("EXEC",),
            )

    def decisions(self, route: str | None, limit: int) -> list[Decided]:
        """As `SharedState` says (`port.py`)."""
        with self._call():
            routes = [route]
            if route is None:
                (names,) = self._link.ask(("SMEMBERS", key("decided")))
                routes = [text(name) for name in names]
            asked: list[Command] = [("ZREVRANGE", key(f"decisions:{each}"), 0, limit - 1) for each in routes]
            found = [
                decided
                for each, records in zip(routes, self._link.ask(*asked), strict=True)
                for raw in records
                if (decided := self._ours(f"decision/{each}", raw, Decided)) is not None
            ]
        return sorted(found, key=lambda decided: decided.at, reverse=True)[:limit]

    def keep_look(self, look: Decided) -> None:
        """As `SharedState` says (`port.py`)."""
        with self._call():
            self._link.ask(("HSET", key("looks"), look.route, self._sealed(f"look/{look.route}", look)))

    def looks(self) -> dict[str, Decided]:
        """As `SharedState` says (`port.py`)."""
        return self._all("looks", "look", Decided)

    def set_killed(self, *, killed: bool, by: str, reason: str, now: float) -> None:
        """As `SharedState` says (`port.py`)."""
        with self._call():
            self._link.ask(("SET", key("kill"), self._sealed("kill", (killed, by, reason, now))))

    def killed(self) -> KillWord | None:
        """As `SharedState` says (`port.py`)."""
        with self._call():
            (raw,) = self._link.ask(("GET", key("kill")))
            told = None if raw is None else self._ours("kill", raw, tuple[bool, str, str, float])
            return None if told is None else KillWord(told[0], told[3])

    def heard(self, node: Node) -> None:
        """As `SharedState` says (`port.py`)."""
        with self._call():
            self._link.ask(("HSET", key("nodes"), node.name, self._sealed(f"node/{node.name}", node)))

    def nodes(self, now: float) -> list[Node]:
        """As `SharedState` says (`port.py`)."""
        found = self._all("nodes", "node", Node).values()
        if gone := [node.name for node in found if node.seen_at < now - FORGOTTEN_S]:
            with self._call():
                self._link.ask(("HDEL", key("nodes"), *gone))
        return sorted((node for node in found if node.seen_at >= now - NODES_S), key=lambda node: node.name)


def answer_key(order_id: str) -> str:
    """Where the answer to an order is."""
    return key(f"answer:{order_id}")
