"""One data-plane worker: what all its requests share, and the clock that looks after them.

Longer than a file should be: it is the one place that knows all parts of a worker, and each part has a file of its own.
"""

import asyncio
import hashlib
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from gateway import errors
from gateway.log import Log
from gateway.proxy import admit, ports
from gateway.proxy.admit import RoutingDecision
from gateway.proxy.boot import Boot
from gateway.proxy.callers import REVERIFY_SHARE, Caller, Callers
from gateway.proxy.candidate import CandidateRelay
from gateway.proxy.candidate_guard import CandidateGuards
from gateway.proxy.counters import INDEX, Live
from gateway.proxy.disk_budget import DiskBudget
from gateway.proxy.feedback import FeedbackLife
from gateway.proxy.feedback_budget import FeedbackBudget
from gateway.proxy.ids import Ids
from gateway.proxy.life import Life
from gateway.proxy.ports import Asker, Ended
from gateway.proxy.request_facts import RequestFacts
from gateway.proxy.table_watch import POLL_S, Serving, TableWatch
from gateway.rewrite.readable_copy import read_copy
from gateway.rewrite.request import adapt_request
from gateway.rewrite.shapes import Unfit
from gateway.transport.client import Client
from gateway.transport.message import Preamble, RequestHead, http_date
from gateway.transport.server import AppConnection, ServedRequest
from gateway.transport.write_batch import Soon, WriteBatch
from policies.request.body import Body, read_body
from policies.routing import PPM, Route
from records.exchange import Meta, Outcome, Why
from records.journal.writer import JournalWriter

IDLE_CHECK_S: Final = 1.0
OPEN_AFTER_S: Final = 1.0
"""An exchange that has lasted so long is put into the journal as far as it is, in case this process dies."""
STARVED_EACH_S: Final = 60.0
"""How often a worker says that it has no socket left, at most."""
FEEDBACK_PATH: Final = "/v1/feedback"


class NoTableError(Exception):
    """There is no routing table to serve from; the message says why."""


@dataclass(frozen=True, slots=True)
class WorkerClock:
    """Where the time comes from."""

    monotonic: Callable[[], float]
    wall: Callable[[], float]
    soon: Soon
    """Calls what it is given when this turn of the loop is done."""


class Worker(ports.WorkerPort):
    """Answers requests from one routing table. Implements `transport.server.Service` and `life.Worker`."""

    def __init__(
        self, boot: Boot, clock: WorkerClock, *, tasks: asyncio.TaskGroup, environment: Mapping[str, str],
        upstream_connections: int = sys.maxsize,
    ) -> None:  # fmt: skip
        self.name = boot.worker
        self.limits = boot.limits
        self.connections: set[AppConnection] = set()
        self.handshakes: set[object] = set()
        self.preambles: dict[bytes, Preamble] = {}
        self.now = clock.monotonic
        self.wall = clock.wall
        pepper = bytes.fromhex(boot.pepper)
        self._log = Log(boot.worker, now=clock.wall)
        self._live = Live(Path(boot.live), create=True)
        self.live = self._live.values
        self._ids = Ids(pepper)
        self._callers = Callers(pepper)
        self.journal = JournalWriter(
            Path(boot.journal) / boot.worker,
            bytes.fromhex(boot.journal_key),
            now=self.wall,
            segment_bytes=boot.segment_bytes,
        )
        self.turn = WriteBatch(clock.soon, before=self.journal.write, after=self.journal.sync_soon)
        self.client = Client(now=self.now, tasks=tasks, turn=self.turn, most=upstream_connections)
        self._segment_age_s = boot.segment_age_s
        self.votes = FeedbackBudget()
        self._budget = DiskBudget(Path(boot.journal), boot.disk_budget_bytes)
        self._watch = TableWatch(Path(boot.routing), Path(boot.kill), environment)
        self._guards = CandidateGuards(self.client, self.now, self.live, in_flight=boot.limits.in_flight)
        self._lives: set[Life] = set()
        self.draining = False
        self._checked_s = self.now()
        self._ticked_s = self.now()
        self._worst_lag_s = 0.0
        self._starved_s = float("-inf")
        self.serving = self._first_table()
        self.live[INDEX["started_at"]] = int(self.wall())

    def _first_table(self) -> Serving:
        self._watch.poll(wall=self.wall, now=self.now())
        self._watch.tell(self._log)
        serving = self._watch.serving
        if serving is None:
            raise NoTableError(self._watch.problem or "no routing table yet: start the control plane")
        self._adopt(serving)
        return serving

    def _adopt(self, serving: Serving) -> None:
        self._guards.adopt(serving.table)
        self.serving = serving
        self._callers.set_keys(serving.table.keys)
        for life in [life for life in self._lives if life.status == 101 and self._is_revoked(life)]:
            life.break_off("tunnel")
        self.preambles.clear()  # what was worked out of them holds for one table
        self.live[INDEX["table_version"]] = serving.table.version

    def _is_revoked(self, life: Life) -> bool:
        key = life.known.caller.key
        return key is not None and self._callers.is_revoked(key)

    # Requests -----------------------------------------------------------------------------------------------------

    def begin(self, request: RequestHead, connection: AppConnection) -> ServedRequest | None:
        """A request's head is here."""
        live = self.live
        live[_REQUESTS] += 1
        live[_IN_FLIGHT] += 1
        known = request.preamble.known
        if not isinstance(known, RequestFacts):
            known = request.preamble.known = RequestFacts(request.preamble, self.serving, self._callers)
        if known.path == FEEDBACK_PATH and request.method == b"POST":
            return self._begin_feedback(FeedbackLife(self, request, connection, known.caller), known)
        wall_s = self.wall()
        life = Life(self, request, connection, known, wall_s=wall_s, ids=self._ids.new(wall_s))
        self._lives.add(life)
        if live[_IN_FLIGHT] > self.limits.in_flight:
            live[_SHED] += 1
            life.refuse("overloaded")
            return None
        if self.serving.table.keys_mode == "virtual" and known.caller.key is None:
            life.refuse("invalid_key")
            return None
        life.on_begin()
        return None if life.done else life

    def _begin_feedback(self, feedback: FeedbackLife, known: RequestFacts) -> ServedRequest:
        """A request with feedback: under the limits and with the key that any other needs."""
        if self.live[_IN_FLIGHT] > self.limits.in_flight:
            self.live[_SHED] += 1
            feedback.refuse("overloaded")
        elif self.serving.table.keys_mode == "virtual" and known.caller.key is None:
            feedback.refuse("invalid_key")
        return feedback

    def decide(self, known: RequestFacts, body: bytes, *, request_id: str) -> tuple[Body | None, RoutingDecision]:
        """The body as it was read, and whom to ask. A mistake of ours in it costs no answer: the baseline's it is."""
        read: Body | None = None
        try:
            read = read_body(body) or read_copy(body, known.headers)
            return read, admit.plan(self, known, read, request_id=request_id)
        except Exception as error:  # noqa: BLE001 -- the fence "plan"
            self.met_own_error("plan", error)
            return read, admit.UNROUTED

    def ask_candidate(self, life: Asker, plan: RoutingDecision, body: Body) -> CandidateRelay | None:
        """Ask the candidate of the plan's route; None: it cannot be asked this, which is the baseline's to answer."""
        try:
            return self._ask_candidate(life, plan, body)
        except Exception as error:  # noqa: BLE001 -- the fence "adapt"
            self.met_own_error("adapt", error)
            life.unfit("own_error")
            return None

    def _ask_candidate(self, life: Asker, plan: RoutingDecision, body: Body) -> CandidateRelay | None:
        route = plan.route
        assert route is not None  # noqa: S101 -- only a route has a candidate
        variant = route.candidate
        assert variant is not None  # noqa: S101 -- as above
        destination = self.serving.destinations[variant.upstream]
        turns = body.plain_turns(life.path)
        adapted = adapt_request(body.raw, life.path, variant, kind=destination.kind, turns=turns)
        if isinstance(adapted, Unfit):
            life.unfit(adapted.reason)
            return None
        guard = self._guards.of(route)
        generation = guard.admit(pinned=plan.why == "pinned")
        return CandidateRelay(life, guard, destination, route=route, adapted=adapted, generation=generation)

    def answered(self, upstream: str, caller: Caller, status: int) -> None:
        """The baseline's upstream, of this name, answered a caller."""
        self._callers.note(upstream, caller, status, self.now())

    def met_own_error(self, operation: str, error: BaseException | None) -> None:
        """Count and log a mistake of ours: where it was, and nothing of what it was about."""
        self.live[INDEX["hook_errors"]] += 1
        found = traceback.extract_tb(error.__traceback__)[-1] if error is not None and error.__traceback__ else None
        self._log.alarm(
            "worker.own_error",
            operation=operation,
            kind=type(error).__name__,
            place=f"{Path(found.filename).name}:{found.lineno}" if found is not None else "",
        )

    def fell_back(self) -> None:
        """The baseline answers in a candidate's stead."""
        self.live[_FALLBACKS] += 1

    def ended(self, life: Ended, outcome: Outcome) -> None:
        """An exchange is over."""
        self._lives.discard(cast(Life, life))
        live = self.live
        live[_IN_FLIGHT] -= 1
        status = life.status
        if 200 <= status < 300:
            live[_2XX] += 1
        elif status >= 500:
            live[_5XX] += 1
        elif status >= 400:
            live[_4XX] += 1
        if outcome != "complete":
            counter = _OUTCOMES.get(outcome)
            if counter is not None:
                live[counter] += 1
        live[_OVERHEAD_US] += int(life.overhead_s * 1_000_000)

    def feedback_ended(self) -> None:
        """A feedback request is over."""
        self.live[_IN_FLIGHT] -= 1

    def is_ours(self, request_id: str) -> bool:
        """Whether a request id was made by a worker with our pepper."""
        return self._ids.is_ours(request_id)

    def refusal(self, status: int, code: str, message: str) -> bytes:
        """A whole answer for a connection that will be closed."""
        self.live[_PARSE_ERRORS] += 1
        body = errors.body(code, message=message)
        lines = [
            b"HTTP/1.1 %d Error" % status,
            b"content-type: application/json",
            b"content-length: %d" % len(body),
            b"connection: close",
            b"date: " + http_date(self.wall()),
            b"x-crossfade-request-id: " + self._ids.new(self.wall())[1].encode(),
        ]
        lines += [b"%b: %b" % header for header in errors.headers(code, retry_after_s=self.limits.retry_after_s)]
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    def full(self) -> bool:
        """Whether one more connection is one too many."""
        return len(self.connections) + len(self.handshakes) >= self.limits.connections

    def keep(self, meta: Meta, request_body: bytes, response_body: bytes) -> None:
        """Put a finished exchange into the journal before this turn ends, and before anything of the turn is sent."""
        self.journal.whole(meta, request_body, response_body)
        self.turn.wake()

    # What admission asks ------------------------------------------------------------------------------------------

    def killed(self) -> bool:
        """Whether the kill file exists."""
        return self._watch.killed

    def lease_holds(self) -> bool:
        """Whether the control plane has vouched for the table lately enough."""
        return self._watch.candidate_allowed(self.now())

    def candidate_stopped(self, route: Route, *, pinned: bool) -> Why | None:
        """Why the candidate is not to be asked now."""
        return self._guards.of(route).stops(pinned=pinned)

    def candidate_lacks(self, route: Route, path: str) -> bool:
        """Whether the candidate's server does not have this endpoint."""
        paths = self._guards.of(route).paths
        return path in paths.missing and paths.lacks(path, self.now())

    def accepted(self, upstream: str, caller: Caller) -> bool:
        """Whether this upstream, the frontier of a route, has accepted this caller lately."""
        return self._callers.accepted(upstream, caller, self.now())

    def reverify(self, request_id: str) -> bool:
        """One request in `REVERIFY_SHARE`, chosen by its id."""
        return _share(request_id) < PPM // REVERIFY_SHARE

    def captured(self, request_id: str) -> bool:
        """Whether this exchange goes into the journal."""
        sample = self.serving.table.capture.sample_ppm
        return sample >= PPM or _share(request_id) < sample

    # Time ---------------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Look at the files, and at all that waits. To be called every `POLL_S`."""
        now = self.now()
        self.live[_BEATS] += 1
        self._worst_lag_s = max(self._worst_lag_s, now - self._ticked_s - POLL_S)
        self._ticked_s = now
        self._fenced("table", None, lambda: self._look_at_table(now))
        for life in [life for life in self._lives if life.overdue(now)]:
            self._fenced("deadline", life, life.time_out)
        if now - self._checked_s >= IDLE_CHECK_S:
            self._checked_s = now
            for connection in [found for found in self.connections if 0 < found.deadline_s < now]:
                self._fenced("idle", None, connection.on_deadline)
            for life in [life for life in self._lives if now - life.request.arrived_s > OPEN_AFTER_S]:
                self._fenced("keep_part", life, life.keep_part)
            self._fenced("upstreams", None, lambda: self.client.expire(now))
            self._fenced("sockets", None, lambda: self._look_at_sockets(now))
            self._fenced("files", None, lambda: self._watch.tell(self._log))
            self._fenced("paths", None, lambda: self._guards.tell(self._log))
            self._fenced("journal", None, self._look_at_journal)
            self._fenced("counters", None, lambda: self._show(now))

    def _look_at_table(self, now: float) -> None:
        changed = self._watch.poll(wall=self.wall, now=now)
        serving = self._watch.serving
        if serving is None:
            return
        if changed:
            self._adopt(serving)
        self.serving = serving

    def _fenced(self, operation: str, life: Life | None, act: Callable[[], None]) -> None:
        """Act; a mistake of ours in it costs the life it was about, and nobody else."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 -- the fence of the tick: its next items are other apps'
            self.met_own_error(operation, error)
            if life is not None:
                self._drop(life)

    def _drop(self, life: Life) -> None:
        """End a life that met a mistake of ours, without a row: its state cannot be trusted."""
        if life in self._lives:
            self._lives.discard(life)
            self.live[_IN_FLIGHT] -= 1
        self._fenced("drop", None, life.drop)

    def _look_at_sockets(self, now: float) -> None:
        """Say that the system has none left, or that an upstream has as many as it may, at most once a minute."""
        client = self.client
        if not (client.starved or client.full) or now < self._starved_s + STARVED_EACH_S:
            return
        self._starved_s = now
        if client.starved:
            requests, client.starved = client.starved, 0
            hint = "raise its limit of open files (LimitNOFILE, ulimit -n), or see what else uses the machine's"
            self._log.alarm("worker.no_sockets", requests=requests, hint=hint)
        full, client.full = client.full, {}
        for name, destination in self.serving.destinations.items():
            if requests := full.get(destination.target, 0):
                most = destination.target.max_connections
                hint = "raise `upstreams.NAME.max_connections` if it can answer more at once, or add servers"
                self._log.alarm("upstream.full", upstream=name, requests=requests, max_connections=most, hint=hint)

    def _look_at_journal(self) -> None:
        journal = self.journal
        journal.bodies, journal.frames = self._budget.look()
        if journal.rotate_older_than(self.wall() - self._segment_age_s):
            self._log.alarm("journal.removed", hint="somebody removed what was being written: it is begun anew")

    def _show(self, now: float) -> None:
        live = self.live
        live[INDEX["connections"]] = len(self.connections)
        live[INDEX["upstream_connections"]] = self.client.connections
        self._show_losses()
        live[INDEX["breakers_open"]] = self._guards.open_breakers
        live[INDEX["breaker_routes"]] = self._guards.open_routes
        live[INDEX["killed"]] = self._watch.killed
        live[INDEX["lease_expired"]] = not self._watch.candidate_allowed(now)
        live[INDEX["table_seen_at"]] = int(self.wall() - self._watch.lease_age_s(now))
        live[INDEX["loop_lag_us"]] = int(max(0.0, self._worst_lag_s) * 1_000_000)
        self._worst_lag_s = 0.0

    def _show_losses(self) -> None:
        live, journal = self.live, self.journal
        live[INDEX["lost_exchanges"]] = journal.losses.exchanges
        live[INDEX["lost_bodies"]] = journal.losses.bodies
        live[INDEX["sync_errors"]] = journal.sync_errors

    def kill(self) -> None:
        """Baseline only, on every worker of this data directory, until the kill file is removed."""
        self._watch.kill()

    def drain(self) -> None:
        """From now on every answer asks its app to use another connection."""
        self.draining = True
        self.live[INDEX["draining"]] = 1

    def close_idle(self) -> None:
        """Close the connections that carry nothing; the others when they are done."""
        for connection in list(self.connections):
            connection.close_if_idle()

    def idle(self) -> bool:
        """Whether nobody is connected any more."""
        return not self.connections

    def close(self) -> None:
        """End what is left, and leave the journal whole."""
        for life in list(self._lives):
            life.break_off("upstream_broken")
        self.client.close()
        self.journal.close()
        self._show_losses()
        self._live.close()


def _share(request_id: str) -> int:
    """A number in [0, PPM) that a request's id stands for."""
    digest = hashlib.blake2s(request_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % PPM


_BEATS: Final = INDEX["beats"]
_REQUESTS: Final = INDEX["requests"]
_IN_FLIGHT: Final = INDEX["in_flight"]
_SHED: Final = INDEX["shed"]
_FALLBACKS: Final = INDEX["fallbacks"]
_PARSE_ERRORS: Final = INDEX["parse_errors"]
_2XX: Final = INDEX["responses_2xx"]
_4XX: Final = INDEX["responses_4xx"]
_5XX: Final = INDEX["responses_5xx"]
_OVERHEAD_US: Final = INDEX["overhead_us"]
_OUTCOMES: Final[dict[str, int]] = {
    "app_gone": INDEX["app_gone"],
    "upstream_broken": INDEX["broken"],
    "upstream_error": INDEX["upstream_errors"],
    "refused": INDEX["refused"],
}
