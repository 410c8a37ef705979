"""An operator's word: given to the leader through the shared state, and for a rollback also done without any leader.

The leader takes an order as `policies.rollout.command` says. Nobody but the leader may raise a weight; so a promotion
that nobody answers is withdrawn, and a rollback that nobody answers is made here: any node may lower.
"""

import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

import msgspec

from gateway.control.controller.status import ControllerStatus, read_status
from gateway.control.leader.announce import decision_id
from gateway.control.leader.persistence import read_rollout, rollout_bytes
from gateway.control.state.port import Answered, Decided, QueuedOrder, SharedState, StateDownError, Stored
from gateway.node.datadir import DataDir
from gateway.node.unknown_route import unknown_route
from policies import explain, rollout
from policies.candidates import route_of
from policies.review import Conditions
from policies.rollout import Decision
from policies.routing import RoutingError, decode
from policies.terms import Verb

ROLLBACK_S = 2.0
"""How long a rollback waits for the leader before it is made here."""
ANSWER_S = 5.0
"""How long any other order waits before it is withdrawn."""
POLL_S = 0.05
TRIES = 5
MAX_REASON = 1000
"""Characters of a reason that are kept."""


@dataclass(frozen=True, slots=True)
class OrderClock:
    """How an operator's call reads time and waits."""

    wall: Callable[[], float]
    monotonic: Callable[[], float]
    pause: Callable[[float], None]


@dataclass(frozen=True, slots=True)
class OrderOutcome:
    """What became of an order."""

    outcome: Literal["taken", "refused", "withdrawn", "waiting"]
    text: str
    alone: bool = False
    """Whether it was done here, without a leader."""

    @property
    def done(self) -> bool:
        """Whether things are as the order wants them: it was taken, or waits with nothing left to take back."""
        return self.outcome in ("taken", "waiting")


def order_of(name: str, route: str, verb: Verb, *, by: str, reason: str, now: float) -> QueuedOrder:
    """The order, its reason cut to what is kept."""
    return QueuedOrder(name, route, verb.value, by, reason[:MAX_REASON], now)


def address(order: QueuedOrder, state: SharedState, data: DataDir) -> tuple[QueuedOrder, str]:
    """The order to whom it is about, and why it is about nobody; empty: it is.

    A route that nobody has is refused here, without a wait: no leader would know it either.
    """
    status = read_status(data.controller_status)
    try:
        known = set(state.rollouts())
    except StateDownError:
        return addressed(order, status)  # nobody can tell; `operate` says that the state is down
    with contextlib.suppress(OSError, RoutingError):
        known |= {route_of(route.name) for route in decode(data.routing.read_bytes()).routes}
    return addressed(order, status, known)


def addressed(
    order: QueuedOrder, status: ControllerStatus | None, known: Collection[str] | None = None
) -> tuple[QueuedOrder, str]:
    """The same, of what is known: policies that are in force, and `known`, rollouts and routes; None: any may be one.

    Of a route with several candidates one has to be named; a rollback finds the one that has traffic by itself.
    """
    policies = () if status is None else status.policies
    names = {policy.route for policy in policies if policy.route is not None}
    names |= {each.name for policy in policies for each in policy.candidates}
    if known is not None and order.route not in names.union(known):
        return order, unknown_route(order.route, names.union(known))
    several = next((policy.candidates for policy in policies if policy.route == order.route), ())
    if not several:
        return order, ""
    serving = [each.name for each in several if each.serves]
    if serving and order.verb == Verb.ROLLBACK:
        return msgspec.structs.replace(order, route=serving[0]), ""
    listed = ", ".join(each.name for each in several)
    return order, f"{order.route} has several candidates. hint: name one of {listed}"


def operate(state: SharedState, order: QueuedOrder, clock: OrderClock, *, version: str) -> OrderOutcome:
    """Give the order and see what becomes of it.

    Raises:
        StateDownError: the shared state cannot be used; the order may have been taken or not.
    """
    state.order(order)
    is_rollback = order.verb == Verb.ROLLBACK
    answered = _wait(state, order, clock, ROLLBACK_S if is_rollback else ANSWER_S)
    if is_rollback:
        found = _roll_back(state, order, clock.wall(), version) if answered is None else _outcome(answered)
        return found if found.done else _unless_at_baseline(state, order, found)
    if answered is not None:
        return _outcome(answered)
    state.answer(Answered(order.id, taken=False, text="withdrawn: no leader answered"))
    late = state.answered(order.id)  # the first answer counts: it may be the leader's after all
    if late is not None and late.taken:
        return OrderOutcome("taken", late.text)
    return OrderOutcome(
        "withdrawn",
        f"no leader answered within {ANSWER_S:g} s, so the order is withdrawn. hint: `crossfade status` says who "
        "leads; `rollback` and `kill` need no leader",
    )


def _wait(state: SharedState, order: QueuedOrder, clock: OrderClock, wait_s: float) -> Answered | None:
    until = clock.monotonic() + wait_s
    while (answered := state.answered(order.id)) is None:
        if clock.monotonic() >= until:
            return None
        clock.pause(POLL_S)
    return answered


def _outcome(answered: Answered) -> OrderOutcome:
    return OrderOutcome("taken" if answered.taken else "refused", answered.text)


def _unless_at_baseline(state: SharedState, order: QueuedOrder, found: OrderOutcome) -> OrderOutcome:
    """What was found of a rollback; done, where the baseline alone answers already: that is what was wanted."""
    kept = state.rollouts().get(order.route)
    if kept is None or kept.weight_ppm:
        return found
    phase = read_rollout(kept).rollout.phase
    return OrderOutcome("taken", f"{order.route} is at the baseline already, {phase}: nothing to do")


def _roll_back(state: SharedState, order: QueuedOrder, now: float, version: str) -> OrderOutcome:
    """Lower the weight to none without a leader."""
    for _ in range(TRIES):
        kept = state.rollouts().get(order.route)
        if kept is None:
            return _answer(state, order, OrderOutcome("refused", f"there is no rollout of {order.route!r}", alone=True))
        found = read_rollout(kept)
        before = found.rollout
        decision = rollout.command(before, Verb.ROLLBACK, now=now, by=order.by, reason=order.reason)
        if decision.refused:
            return _answer(state, order, OrderOutcome("refused", decision.reason, alone=True))
        after, text = decision.rollout, explain.text(decision)
        # The next leader finds the decision beside the rollout, and tells it: records, webhooks and all.
        decided = _decided(order, decision, kept.version + 1, text, version)
        content = rollout_bytes(after, decided, found.order, found.history)
        new = Stored(kept.version + 1, kept.epoch, after.weight_ppm, content, now, order.by)
        if new.weight_ppm >= kept.weight_ppm:
            said = (
                f"{order.route} is at the baseline already: no traffic to take back. No leader answered; the next one "
                "will see the order, and stop the candidate"
            )
            return OrderOutcome("waiting", said, alone=True)
        if state.lower(order.route, new, expected=kept.version):
            return _answer(state, order, OrderOutcome("taken", text, alone=True))
    raise StateDownError("others wrote the rollout each time. hint: try again, or use `crossfade kill`")


def _answer(state: SharedState, order: QueuedOrder, operated: OrderOutcome) -> OrderOutcome:
    """Tell a leader that comes later that the order is done with."""
    state.answer(Answered(order.id, taken=operated.done, text=operated.text))
    return operated


def _decided(order: QueuedOrder, decision: Decision, number: int, text: str, version: str) -> Decided:
    """The decision as the leader would tell it."""
    word = explain.GivenOrder(Verb(order.verb), order.by, order.reason)
    record = explain.encode(explain.DecisionRecord(version, decision, Conditions(), order=word))
    name = decision_id(decision, number)
    return Decided(name, decision.at, order.route, str(decision.move), str(decision.outcome), text, record)
