"""The admin API's pages over the shared state: where rollouts stand, why, and an operator's word to them."""

import contextlib
import json
import secrets
from collections.abc import Generator
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from fastapi import HTTPException, Query, Response

from gateway.admin.figure_views import GatePathView, GatePointView
from gateway.admin.views import (
    DecisionLine,
    DecisionsView,
    DecisionView,
    KilledView,
    KillOrderView,
    OperatedView,
    ReasonView,
    RolloutDetailView,
    StandingView,
    VotesView,
)
from gateway.control.operations import votes
from gateway.control.operations.orders import OrderClock, address, operate, order_of
from gateway.control.operations.rollback_check import still_served
from gateway.control.operations.standings import Standing, spent_budgets, standings, stops
from gateway.control.state.open import open_state
from gateway.control.state.port import MAX_DECISIONS, Decided, QueuedOrder, SharedState, StateDownError
from gateway.node.database import AuditEntry, StateError, audit, opened, writing
from gateway.node.datadir import DataDir
from gateway.node.kill_file import clear_kill, set_kill
from gateway.node.state_location import StatePlace
from policies import explain
from policies.explain import RecordError
from policies.rollout import Decision
from policies.terms import Verb

MAX_PAGE = 200
BY = "admin-api"
"""Who it was, for decisions and the audit log: whoever has the admin token."""


@dataclass(frozen=True, slots=True)
class Standings:
    """What the shared state says of all rollouts, or why it cannot be used."""

    rollouts: dict[str, Standing]
    leader: str | None
    nodes: list[str]
    killed_nodes: list[str]
    """Those of them on which the kill is on."""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Operations:
    """Pages over the shared state."""

    data: DataDir
    place: StatePlace
    clock: OrderClock
    version: str

    def standings(self) -> Standings:
        """Where all rollouts stand."""
        now = self.clock.wall()
        try:
            with self._state() as state:
                found = standings(state, now=now, spent=spent_budgets(self.data))
                nodes = state.nodes(now)
                killed = [node.name for node in nodes if node.killed]
                return Standings(found, state.leader(now), [node.name for node in nodes], killed)
        except StateDownError as error:
            return Standings({}, None, [], [], str(error))

    def rollout(self, route: str) -> RolloutDetailView:
        """Where a rollout stands, and what was last found of it, with every gate's numbers."""
        now = self.clock.wall()
        with self._state() as state:
            standing = standings(state, now=now, spent=spent_budgets(self.data)).get(route)
            look = state.looks().get(route)
        if standing is None:
            raise HTTPException(404, "there is no rollout of that name; a leader makes one for each route it looks at")
        voted = votes.VoteSummary() if look is None else votes.find(self.data, look, now=now)
        return RolloutDetailView(
            standing=StandingView.model_validate(standing),
            text=None if look is None else look.text,
            decision=None if look is None else _fields(look),
            votes=None if voted.votes is None else VotesView.model_validate(voted.votes),
            votes_problem=voted.problem,
        )

    def decisions(
        self, route: str | None = None, limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50
    ) -> DecisionsView:
        """The latest decisions, newest first; older ones are in the records."""
        with self._state() as state:
            found = state.decisions(route, limit)
        return DecisionsView(decisions=[DecisionLine(**_line(decided)) for decided in found])

    def decision(self, decision_id: str) -> DecisionView:
        """One decision with every number it rests on."""
        with self._state() as state:
            found = [each for each in state.decisions(None, MAX_DECISIONS) if each.id == decision_id]
        if not found:
            raise HTTPException(404, "no recent decision has that id; the records keep all")
        return DecisionView(**_line(found[0]), decision=_fields(found[0]))

    def operate(self, route: str, verb: Verb, body: ReasonView, response: Response) -> OperatedView:
        """Give an order and wait for what becomes of it; 409: it was not taken, or this node does not go by it."""
        found = self.give(order_of(secrets.token_hex(8), route, verb, by=BY, reason=body.reason, now=self.clock.wall()))
        response.status_code = 200 if found.done else 409
        return found

    def give(self, order: QueuedOrder) -> OperatedView:
        """Give an order and wait for what becomes of it. The same order twice is one."""
        with self._state() as state:
            order, nobody = address(order, state, self.data)
            if nobody:
                return OperatedView(order=order.id, outcome="refused", text=nobody, alone=False)
            try:
                self._audit(order.by, f"rollout.{order.verb}", order.route, order.reason)
            except StateError:
                if order.verb != Verb.ROLLBACK:  # a log that cannot be written keeps no rollback waiting
                    raise
            found = operate(state, order, self.clock, version=self.version)
        problem = still_served(self.data, order.route, self.clock) if found.done and order.verb == Verb.ROLLBACK else ""
        return OperatedView(order=order.id, **asdict(found), problem=problem)

    def looks(self) -> dict[str, Decision]:
        """What was last found of each route; those that cannot be read are left out."""
        with self._state() as state:
            found = state.looks()
        return {route: decided for route, look in found.items() if (decided := _read(look)) is not None}

    def stops(self) -> dict[str, Decision]:
        """For each stopped or suspended rollout, the decision that stopped it: its numbers say why."""
        with self._state() as state:
            return stops(state)

    def guard_words(self, guard: str) -> dict[str, str]:
        """What the last looks say of a guard, by route; none of a policy that asks nothing of it."""
        try:
            looks = self.looks()
        except StateDownError:
            return {}
        said = {
            route: next((g for g in look.results.guards if g.guard == guard), None) for route, look in looks.items()
        }
        return {route: found.reason for route, found in said.items() if found is not None and found.required}

    def told(self, route: str) -> list[tuple[str, bytes, Decision]]:
        """A route's decisions, newest first: id, record, and what it says; those that cannot be read are left out."""
        with self._state() as state:
            kept = state.decisions(route, MAX_PAGE)
        return [(each.id, each.record, decision) for each in kept if (decision := _read(each)) is not None]

    def gate_path(self, route: str) -> GatePathView:
        """How sure each gate was at each decision, oldest first, and at the last look."""
        with self._state() as state:
            kept = state.decisions(route, MAX_PAGE)
            look = state.looks().get(route)
        told = [decision for each in reversed(kept) if (decision := _read(each)) is not None]
        last = None if look is None else _read(look)
        points = [
            GatePointView(
                at=decision.at, gate=gate.gate, stage=decision.before.at.label, verdict=gate.verdict.name,
                estimate=gate.estimate, lower=gate.lower, upper=gate.upper, limit=gate.limit, log10_e=gate.log10_e,
                n=gate.n,
            )
            for decision in [*told, *([last] if last is not None else [])]
            for gate in decision.results.gates
        ]  # fmt: skip
        return GatePathView(points=points)

    def kill(self, body: KillOrderView) -> KilledView:
        """Everything to the baseline, now: this node's file first, then the other nodes, if they can be told."""
        return self.set_killed(body, by=BY)

    def set_killed(self, body: KillOrderView, *, by: str) -> KilledView:
        """The same, in somebody's name."""
        now = self.clock.wall()
        is_new = clear_kill(self.data) if body.off else set_kill(self.data, reason=body.reason, now=now)
        with contextlib.suppress(StateError):  # as above
            self._audit(by, "kill.off" if body.off else "kill", "everything", body.reason)
        problem: str | None = None
        try:
            with self._state() as state:
                state.set_killed(killed=not body.off, by=by, reason=body.reason, now=now)
        except StateDownError as error:
            word = "kill --off" if body.off else "kill"
            problem = f"{error}. hint: run `crossfade {word}` on the other nodes, or here again when it can be used"
        return KilledView(killed=not body.off, changed=is_new, nodes_told=problem is None, problem=problem)

    @contextlib.contextmanager
    def _state(self) -> Generator[SharedState]:
        """The shared state, for one request: these are rare, and share no connection."""
        state = open_state(self.place)
        try:
            yield state
        finally:
            state.close()

    def _audit(self, by: str, action: str, subject: str, reason: str) -> None:
        with opened(self.data.state) as state, writing(state):
            audit(state, AuditEntry(self.clock.wall(), by, action, subject, reason, ""))


def _line(decided: Decided) -> dict[str, Any]:
    return {name: getattr(decided, name) for name in DecisionLine.model_fields}


def _read(decided: Decided) -> Decision | None:
    """The decision; None: a newer version made it, or it is damaged."""
    try:
        return explain.decode(decided.record).decision
    except RecordError:
        return None


def _fields(decided: Decided) -> dict[str, Any]:
    """A decision as JSON's values.

    Raises:
        HTTPException: a newer version made it.
    """
    try:
        return json.loads(explain.fields(explain.decode(decided.record).decision))
    except RecordError as error:
        raise HTTPException(503, f"the decision cannot be read: {error}") from error
