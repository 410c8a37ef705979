"""The shared state as the control plane sees it: one interface, held by SQLite or Redis to one contract suite.

Rules:
1. Every write of a rollout is a compare-and-set on its version, under the leader's fencing epoch. Any node may lower
   a weight without leading; only the leader may raise one.
2. Every call has a deadline of its own and raises `StateDownError` beyond it. No app ever waits for any of it.
3. What it answers is checked: a record that is torn, altered or of a newer format is `StateDownError`, never a guess.
4. Everything is bounded. What does not fit is `StateDownError`, and stays with whoever offered it.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

LEASE_S = 5.0
"""How long a leader leads without renewing: another node takes over after it."""
ANSWERS_S = 600.0
"""How long an answered order is remembered."""
NODES_S = 60.0
"""How long a node that is silent counts as there."""
MAX_BYTES = 4 * 1024 * 1024
"""Longest value, but for a snapshot."""
MAX_SNAPSHOT_BYTES = 32 * 1024 * 1024
"""Longest snapshot's evidence: as much as `policies.evidence.MOST` requests of open conversations can come to."""
MAX_OFFERED = 20_000
"""Events of a node and route that wait for a leader; the others wait in the node's outbox."""
MAX_ORDERS = 100
"""Orders that wait for an answer."""
MAX_DECISIONS = 1000
"""Decisions kept of a route."""


class StateDownError(Exception):
    """The shared state cannot be used now: unreachable, too slow, full, read-only, or not ours. Says why."""


class StateDamagedError(StateDownError):
    """One thing that is kept cannot be read: torn, altered, or of another version. The others can."""


class RouteFullError(StateDownError):
    """No more events of one route fit until a leader has taken some; those of other routes do."""

    def __init__(self, route: str) -> None:
        super().__init__(f"{MAX_OFFERED} events of {route!r} wait for a leader: no room for more")
        self.route = route


class Stored(msgspec.Struct, frozen=True):
    """One route's rollout, as it is kept."""

    version: int
    """Rises by one with every write; the store counts it, whatever the writer says here."""
    epoch: int
    """Fencing epoch of the leader that wrote it last; the store knows it, whatever the writer says here."""
    weight_ppm: int
    """The candidate's share: beside the rollout, so that `lower` can be judged without reading it."""
    rollout: bytes
    """JSON of policies.rollout.Rollout."""
    written_at: float
    by: str
    """The node."""


UNREADABLE = Stored(0, 0, 0, b"", 0.0, "")
"""Stands for a record that cannot be read: its route alone has no rollout that anybody could go by."""


class Snapshot(msgspec.Struct, frozen=True):
    """A route's evidence, and how far each node's events are in it."""

    evidence: bytes
    """JSON; the loop's own."""
    positions: dict[str, int]
    """Node -> the last event's number."""
    seq: int
    """Observations made so far, in all attempts: it never falls."""


class QueuedEvent(msgspec.Struct, frozen=True):
    """One event of a node's, on its way to the leader."""

    node: str
    number: int
    """Rises by one per node, without holes."""
    route: str
    body: bytes
    """JSON; the loop's own."""


class QueuedOrder(msgspec.Struct, frozen=True):
    """An operator's word, until a controller has taken it."""

    id: str
    route: str
    verb: Literal["promote", "hold", "resume", "rollback"]
    by: str
    reason: str
    at: float


class Answered(msgspec.Struct, frozen=True):
    """What became of an order."""

    id: str
    taken: bool
    """False: refused; `text` says why."""
    text: str


class Decided(msgspec.Struct, frozen=True):
    """One decision as people read it later."""

    id: str
    at: float
    route: str
    move: str
    outcome: str
    text: str
    """As `explain` says it."""
    record: bytes
    """The whole decision record."""


class KillWord(msgspec.Struct, frozen=True):
    """What all nodes were told to do with their kill files. Its moment tells it from others that say the same."""

    killed: bool
    at: float


class Node(msgspec.Struct, frozen=True):
    """A node that was heard of lately."""

    name: str
    seen_at: float
    table_version: int = 0
    killed: bool = False
    """Its kill file stands."""


class Counts(msgspec.Struct, frozen=True):
    """What this process met."""

    refused: int = 0
    """Records that were not ours: forged, altered, or sealed with another key."""
    restored: int = 0
    """Records that the store had lost, or had an older version of, and that were written again."""
    forgot: int = 0
    """Times the store was found to know nothing of what it knew: what was offered is to be offered again."""


class SharedState(Protocol):
    """What SQLite and Redis both do.

    Times are the caller's `now`, Unix seconds; every method may raise StateDownError.
    """

    def lead(self, node: str, now: float) -> int | None:
        """The fencing epoch if `node` leads now, taking or renewing the lease; None: another leads.

        A process that has just begun takes over from an earlier one of its own node at once, under a new epoch; the
        earlier one then gets None.
        """
        ...

    def resign(self, node: str) -> None:
        """Give the lease back, if `node` has it."""
        ...

    def leader(self, now: float) -> str | None:
        """Who leads now; None: nobody evaluates anything, so nobody may renew a routing table's lease."""
        ...

    def rollouts(self) -> dict[str, Stored]:
        """All rollouts, by route; UNREADABLE for one that cannot be read, and the others as they are.

        Such a route's record is never written over: `store` and `lower` raise StateDamagedError.
        """
        ...

    def store(self, route: str, new: Stored, *, expected: int, epoch: int) -> bool:
        """Write a rollout if its version is `expected` (0: none yet) and no later epoch has led. False: it is not."""
        ...

    def lower(self, route: str, new: Stored, *, expected: int) -> bool:
        """Write a rollout of a lower weight than the one kept, without leading. False: version or weight forbid it."""
        ...

    def snapshot(self, route: str) -> Snapshot | None:
        """The evidence last kept."""
        ...

    def keep_snapshot(self, route: str, snapshot: Snapshot, *, epoch: int) -> bool:
        """Keep evidence; False: a later epoch leads."""
        ...

    def offer(self, events: Sequence[QueuedEvent]) -> None:
        """Hand a node's events over to whoever leads.

        A node offers each route's in the order of its numbers. A number that is there already, or that a snapshot
        holds, changes nothing: a node may offer twice. Raises RouteFullError where a leader takes none of a route.
        """
        ...

    def offered(self, route: str, after: Mapping[str, int], limit: int) -> list[QueuedEvent]:
        """Events behind `after`, each node's in order, at most about `limit`."""
        ...

    def taken(self, node: str) -> dict[str, int]:
        """Route -> the last of the node's events that a snapshot holds which nobody can lose any more.

        On a server such a snapshot is one of which this node has a copy: asking also brings the copies up to date.
        """
        ...

    def forget_offered(self, route: str, up_to: Mapping[str, int]) -> None:
        """Let go of events; only of those that the kept snapshot contains, whatever `up_to` says."""
        ...

    def order(self, order: QueuedOrder) -> None:
        """Give an operator's word to whoever takes it first; giving it twice changes nothing."""
        ...

    def orders(self) -> list[QueuedOrder]:
        """Orders not yet answered, oldest first."""
        ...

    def answer(self, answered: Answered) -> None:
        """Answer an order; the first answer counts, and is kept for ten minutes."""
        ...

    def answered(self, order_id: str) -> Answered | None:
        """What became of an order; None: nothing yet."""
        ...

    def add_decision(self, decided: Decided) -> None:
        """Keep a decision; the last thousand of a route are kept."""
        ...

    def decisions(self, route: str | None, limit: int) -> list[Decided]:
        """The latest decisions, newest first."""
        ...

    def keep_look(self, look: Decided) -> None:
        """Keep what was last found of a route, moved or not, in place of what was found before."""
        ...

    def looks(self) -> dict[str, Decided]:
        """What was last found, by route."""
        ...

    def set_killed(self, *, killed: bool, by: str, reason: str, now: float) -> None:
        """Tell every node to make, or take away, its kill file."""
        ...

    def killed(self) -> KillWord | None:
        """The last word on the kill switch; None: none was ever given, or it was lost.

        Who hears a new one does as it says. One from before it listened may still kill, and takes no kill file away:
        such a file may be its node's own.
        """
        ...

    def heard(self, node: Node) -> None:
        """Say that a node lives."""
        ...

    def nodes(self, now: float) -> list[Node]:
        """Nodes heard of in the last minute, by name."""
        ...

    def counts(self) -> Counts:
        """What was refused and restored so far; never raises."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
