"""Where a request goes and why: the one decision of the data plane, made of the routing table and the request."""

from functools import partial
from typing import Final, NamedTuple, Protocol

from gateway.proxy.keys import Caller
from gateway.proxy.known import Known
from gateway.proxy.serving import Serving
from policies import assignment, matching
from policies.routing import PPM, Route
from records.exchange import Why

BASELINE: Final = "baseline"
CANDIDATE: Final = "candidate"


class State(Protocol):
    """What may keep a candidate from being asked, whatever the policy says."""

    serving: Serving

    def killed(self) -> bool:
        """Whether the kill file exists."""
        ...

    def lease_holds(self) -> bool:
        """Whether the control plane has vouched for the table lately enough."""
        ...

    def breaker_allows(self, route: Route) -> bool:
        """Whether the worker's breaker lets the candidate be asked; claims the probe of a half-open one."""
        ...

    def accepted(self, caller: Caller) -> bool:
        """Whether the frontier has accepted this caller lately."""
        ...

    def reverify(self, request_id: str) -> bool:
        """Whether this request shall ask the frontier again for a caller it has accepted."""
        ...


class Plan(NamedTuple):
    """Whom to ask."""

    route: Route | None = None
    model: str = ""
    streams: bool = False
    variant: str = BASELINE
    why: Why = "unrouted"
    reason: str = ""
    unit: str = ""
    refused: str = ""
    """Error code, if the gateway answers by itself."""


UNROUTED: Final = Plan()


def plan(state: State, known: Known, read: matching.Body | None, *, request_id: str) -> Plan:
    """Decide for one request whose body is whole. `read`: the body; None: no route knows what to make of it.

    Every reason for the baseline comes before the assignment, but for those that cost something: a request that the
    candidate would not have got anyway does not count as a fallback.
    """
    if read is None:
        return UNROUTED
    caller = known.caller
    name = caller.key.name if caller.key is not None else ""
    call = matching.Call(known.path, known.headers, name, caller.id, read, len(read.raw))
    model = read.fields.model or ""
    route = matching.find(state.serving.table.routes, call)
    if route is None:
        return Plan(model=model)
    decided = partial(Plan, route, model, bool(read.fields.stream))
    if route.candidate is None or route.mode == "bypass":
        return decided(BASELINE, "bypass" if route.mode == "bypass" else "assigned")
    pin = known.pin
    unfit = matching.ineligible(route, call)
    if pin is not None:
        return _pinned(decided, pin, route=route, key_name=name, unfit=unfit, state=state)
    if unfit is not None:
        return decided(BASELINE, "ineligible", unfit)
    assigned = assignment.assign(route, call, request_id)
    if assigned.variant == BASELINE:
        why: Why = "tool_loop" if assigned.reason == "tool_loop" else "assigned"
        return decided(BASELINE, why, unit=assigned.unit)
    if route.mode == "observe":
        return decided(BASELINE, "observe", unit=assigned.unit)
    why, reason = _stopped(state, route, caller, request_id)
    return decided(BASELINE if why != "assigned" else CANDIDATE, why, reason, assigned.unit)


def _pinned(
    decided: partial[Plan], pin: bytes, *, route: Route, key_name: str, unfit: str | None, state: State
) -> Plan:
    if key_name not in route.pin_keys:
        return decided(BASELINE, "refused", "pin_not_allowed", refused="pin_not_allowed")
    if pin == b"baseline":
        return decided(BASELINE, "pinned")
    if pin != b"candidate":
        return decided(BASELINE, "refused", "unknown_variant", refused="unknown_variant")
    if unfit is not None:
        return decided(BASELINE, "ineligible", unfit)
    return decided(BASELINE, "killed") if state.killed() else decided(CANDIDATE, "pinned")


def _stopped(state: State, route: Route, caller: Caller, request_id: str) -> tuple[Why, str]:
    """Why an assigned candidate is not asked all the same; "assigned" if it is."""
    if state.killed():
        return "killed", ""
    if not state.lease_holds():
        return "lease", ""
    if state.serving.table.keys_mode == "passthrough":
        if not state.accepted(caller):
            return "unverified", ""
        if route.weight_ppm == PPM and state.reverify(request_id):
            return "reverify", ""
    if not state.breaker_allows(route):
        return "breaker", ""
    return "assigned", ""
