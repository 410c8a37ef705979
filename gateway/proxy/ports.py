"""What the parts of a worker need of each other, so that each can be read and tested without the others."""

from collections.abc import Callable
from typing import Protocol

from gateway.proxy.admit import RoutingDecision
from gateway.proxy.callers import Caller
from gateway.proxy.request_facts import RequestFacts
from gateway.proxy.table_watch import Serving
from gateway.transport.client import Client
from gateway.transport.limits import Limits
from gateway.transport.message import RequestHead
from gateway.transport.outgoing import Reply, Sender, Sending
from gateway.transport.upstreams import Destination
from policies.candidate_paths import CandidatePaths
from policies.request.body import Body
from policies.routing import Route
from records.exchange import Attempt, Meta, Outcome, Why
from records.journal.writer import JournalWriter


class Relay(Protocol):
    """A candidate that is being asked, until it answers or fails."""

    def start(self) -> None:
        """Ask."""
        ...

    @property
    def due_s(self) -> float:
        """When one of its limits may have passed: `expire` is to be called then."""
        ...

    def expire(self, now: float) -> None:
        """Look at its limits."""
        ...

    def thinks_until_s(self) -> float:
        """Until when it may still be at work although the app is shown nothing."""
        ...

    def give_up(self) -> bool:
        """The app's own deadline has passed. True: nothing had come, and the app gets our error; else it breaks off."""
        ...

    def app_gone(self, silent_s: float) -> str:
        """The app hung up, after nothing of a begun answer had come for so long; the word for the attempt."""
        ...

    def app_blocked(self) -> None:
        """The app takes no more of the answer for now."""
        ...

    def cancel(self) -> None:
        """Ask no more: the answer broke."""
        ...

    def attempt(self, error: str | None) -> Attempt:
        """What it came to so far."""
        ...


class Asker(Protocol):
    """The life for which a candidate is asked."""

    request: RequestHead

    @property
    def path(self) -> str:
        """The request's path, with our base in front."""
        ...

    def candidate_head(self, destination: Destination, length: int) -> bytes:
        """The head of the request that `destination` gets, whose body has this length."""
        ...

    def use(self, sending: Sending) -> None:
        """The candidate's request is under way."""
        ...

    def unfit(self, reason: str) -> None:
        """The candidate may not be asked this after all."""
        ...

    def limit_silence(self, limit_s: float) -> bool:
        """Wait no longer than this between two pieces of the answer; False: the app itself waits no longer."""
        ...

    def fall_back(self, attempt: Attempt, reason: str) -> None:
        """The candidate failed before its first token, or does not have the path (`NO_PATH`)."""
        ...

    def start_answer(self, reply: Reply) -> None:
        """The answer's head."""
        ...

    def send(self, data: bytes, *, ended: bool) -> None:
        """Bytes of the answer."""
        ...

    def break_off(self, outcome: Outcome) -> None:
        """The answer ends in the middle."""
        ...

    def candidate_answered(self, attempt: Attempt, usage: bytes) -> None:
        """What the candidate's part came to; `usage`: JSON of its engine's count, or empty."""
        ...


class Verdicts(Protocol):
    """Who is told how a candidate did."""

    @property
    def client(self) -> Sender:
        """What it is asked through."""
        ...

    @property
    def paths(self) -> CandidatePaths:
        """Which endpoints it has."""
        ...

    def now(self) -> float:
        """Monotonic seconds."""
        ...

    def candidate_succeeded(self, generation: int) -> None:
        """It answered a request that was admitted under this generation of its breaker."""
        ...

    def candidate_failed(self, generation: int, reason: str) -> None:
        """It did not."""
        ...

    def candidate_late(self, generation: int, reason: str) -> None:
        """It has failed, and is at it still: `candidate_abandoned` follows."""
        ...

    def candidate_abandoned(self, generation: int) -> None:
        """Nothing was learnt of it."""
        ...


class WorkerPort:
    """What a life needs of its worker. A base, not a protocol: it is asked many times a request, and compiled, the
    methods of a base are not looked up by name (docs/adr/005).
    """

    client: Client
    draining: bool
    """Answers tell apps to come back on a new connection."""
    journal: JournalWriter
    limits: Limits
    name: str
    now: Callable[[], float]
    """Monotonic seconds."""
    serving: Serving

    def killed(self) -> bool:
        """See `admit.CandidateConditions`, as for the five below."""
        raise NotImplementedError

    def lease_holds(self) -> bool:
        """See `admit.CandidateConditions`."""
        raise NotImplementedError

    def candidate_lacks(self, route: Route, path: str) -> bool:
        """See `admit.CandidateConditions`."""
        raise NotImplementedError

    def candidate_stopped(self, route: Route, *, pinned: bool) -> Why | None:
        """See `admit.CandidateConditions`."""
        raise NotImplementedError

    def accepted(self, upstream: str, caller: Caller) -> bool:
        """See `admit.CandidateConditions`."""
        raise NotImplementedError

    def reverify(self, request_id: str) -> bool:
        """See `admit.CandidateConditions`."""
        raise NotImplementedError

    def captured(self, request_id: str) -> bool:
        """Whether this exchange goes into the journal."""
        raise NotImplementedError

    def keep(self, meta: Meta, request_body: bytes, response_body: bytes) -> None:
        """Put a finished exchange into the journal, before anything of this turn is sent."""
        raise NotImplementedError

    def answered(self, upstream: str, caller: Caller, status: int) -> None:
        """The baseline's upstream, of this name, answered a caller."""
        raise NotImplementedError

    def decide(self, known: RequestFacts, body: bytes, *, request_id: str) -> tuple[Body | None, RoutingDecision]:
        """The body as it was read (None: nobody could), and whom to ask. A mistake of ours in it costs no answer."""
        raise NotImplementedError

    def ask_candidate(self, life: Asker, plan: RoutingDecision, body: Body) -> Relay | None:
        """Ask the candidate; None: it cannot be asked this."""
        raise NotImplementedError

    def met_own_error(self, operation: str, error: BaseException | None) -> None:
        """A fence caught a mistake of ours."""
        raise NotImplementedError

    def fell_back(self) -> None:
        """The baseline answers in the stead of a candidate, which failed before its first token or was not asked."""
        raise NotImplementedError

    def ended(self, life: "Ended", outcome: Outcome) -> None:
        """An exchange is over."""
        raise NotImplementedError


class Ended(Protocol):
    """A life that is over."""

    status: int

    @property
    def overhead_s(self) -> float:
        """Time until an upstream was asked."""
        ...
