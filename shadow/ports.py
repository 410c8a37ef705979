"""The interfaces that the shadow needs: models it may ask. The gateway implements them with its upstream client."""

from dataclasses import dataclass
from typing import Protocol

from policies.routing import Variant
from records.wire.usage import Usage
from shadow.compare.pair import Pair, Score

DEADLINES = frozenset({"first_byte_timeout", "total_timeout"})
"""What `Heard.error` says where the call did not come in time."""
UNFIT = "unfit"
"""Said of a request that the variant must not be asked."""
NO_SOCKET = "no_socket"
"""Said where the system had no socket left for the call."""
SATURATED = "saturated"
"""Said where as many connections as may be were in use."""
NOT_READY = "not_ready"
"""Said of an upstream that is not defined, or whose certificates cannot be read."""


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One background call."""

    upstream: str
    """By its name in the settings."""
    path: str
    """As `/v1/chat/completions`."""
    body: bytes
    """JSON."""
    deadline_s: float
    variant: Variant | None = None
    """Whose answer to an app's request is wanted: the body is adapted for it, and its answer for the app, as the data
    plane would; its own deadlines hold too. None: the body is the upstream's, and so is what comes back."""
    past_caches: bool = False
    """It was asked before, and an answer that somebody kept says nothing."""


@dataclass(frozen=True, slots=True)
class ModelReply:
    """What came back. Errors are values: nothing a model does raises."""

    status: int
    """0: no answer."""
    body: bytes
    """Streams put together into one JSON answer."""
    error: str = ""
    """A word of a closed list where there is no whole answer: `unreachable`, `broken`, `total_timeout`, … The words of
    `transport.failure` and `rewrite.problem`, those of `DEADLINES`, `UNFIT`, `NO_SOCKET`, `SATURATED`, `LONG_ANSWER`,
    `NOT_READY`, and `NO_PATH` where the server says that it has no such endpoint."""
    first_byte_s: float | None = None
    """Of a stream: to its first token."""
    total_s: float = 0.0
    timing_void: bool = False
    """Our own loop was too late for the times to mean anything."""
    usage: Usage | None = None
    """The tokens that were counted there, whether or not the body says."""
    blamed: str = ""
    """The field of the request that a refusal names."""

    @property
    def is_good(self) -> bool:
        """Whether it is a whole answer with a good status."""
        return 200 <= self.status < 300 and not self.error


class Model(Protocol):
    """Asks one upstream, with the gateway's own key, never a caller's."""

    async def ask(self, ask: ModelCall) -> ModelReply:
        """The answer, within the deadline."""
        ...


class Scorer(Protocol):
    """A comparator that has to ask somebody: a judge, an embedder, a user's own program."""

    async def score(self, pair: Pair) -> Score:
        """What it found, within a deadline of its own. Who cannot be asked abstains; nothing raises."""
        ...


class MoneyBudget(Protocol):
    """Money that all background calls of a route share, by the day."""

    def has_left(self) -> bool:
        """Whether one more call may be made."""
        ...

    def spend(self, usd: float) -> None:
        """Take off what a call cost."""
        ...
