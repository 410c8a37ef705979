"""The admin API's pages over the shared state: where rollouts stand, why, and an operator's word to them."""

import contextlib
import json
import secrets
from collections.abc import Generator
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from fastapi import HTTPException, Query, Response

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
from gateway.control.operations.orders import OrderClock, operate, order_of
from gateway.control.operations.standings import Standing, standings
from gateway.control.state.open import open_state
from gateway.control.state.port import MAX_DECISIONS, Decided, SharedState, StateDownError
from gateway.node.database import AuditEntry, StateError, audit, opened, writing
from gateway.node.datadir import DataDir
from gateway.node.kill_file import clear_kill, set_kill
from gateway.node.state_location import StatePlace
from policies import explain
from policies.explain import RecordError
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
                return Standings(standings(state), state.leader(now), [node.name for node in state.nodes(now)])
        except StateDownError as error:
            return Standings({}, None, [], str(error))

    def rollout(self, route: str) -> RolloutDetailView:
        """Where a rollout stands, and what was last found of it, with every gate's numbers."""
        with self._state() as state:
            standing, look = standings(state).get(route), state.looks().get(route)
        if standing is None:
            raise HTTPException(404, "there is no rollout of that name; a leader makes one for each route it looks at")
        voted = votes.VoteSummary() if look is None else votes.find(self.data, look, now=self.clock.wall())
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
        """Give an order and wait for what becomes of it; 409: it was not taken."""
        order = order_of(secrets.token_hex(8), route, verb, by=BY, reason=body.reason, now=self.clock.wall())
        try:
            self._audit(f"rollout.{verb}", route, body.reason)
        except StateError:
            if verb is not Verb.ROLLBACK:  # a log that cannot be written keeps no rollback waiting
                raise
        with self._state() as state:
            found = operate(state, order, self.clock, version=self.version)
        response.status_code = 200 if found.done else 409
        return OperatedView(order=order.id, **asdict(found))

    def kill(self, body: KillOrderView) -> KilledView:
        """Everything to the baseline, now: this node's file first, then the other nodes, if they can be told."""
        now = self.clock.wall()
        is_new = clear_kill(self.data) if body.off else set_kill(self.data, reason=body.reason, now=now)
        with contextlib.suppress(StateError):  # as above
            self._audit("kill.off" if body.off else "kill", "everything", body.reason)
        problem: str | None = None
        try:
            with self._state() as state:
                state.set_killed(killed=not body.off, by=BY, reason=body.reason, now=now)
        except StateDownError as error:
            problem = f"{error}. hint: run `crossfade kill` on the other nodes"
        return KilledView(killed=not body.off, changed=is_new, nodes_told=problem is None, problem=problem)

    @contextlib.contextmanager
    def _state(self) -> Generator[SharedState]:
        """The shared state, for one request: these are rare, and share no connection."""
        state = open_state(self.place)
        try:
            yield state
        finally:
            state.close()

    def _audit(self, action: str, subject: str, reason: str) -> None:
        with opened(self.data.state) as state, writing(state):
            audit(state, AuditEntry(self.clock.wall(), BY, action, subject, reason, ""))


def _line(decided: Decided) -> dict[str, Any]:
    return {name: getattr(decided, name) for name in DecisionLine.model_fields}


def _fields(decided: Decided) -> dict[str, Any]:
    """A decision as JSON's values.

    Raises:
        HTTPException: a newer version made it.
    """
    try:
        return json.loads(explain.fields(explain.decode(decided.record).decision))
    except RecordError as error:
        raise HTTPException(503, f"the decision cannot be read: {error}") from error
