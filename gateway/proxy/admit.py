"""Where a request goes and why: the one decision of the data plane, made of the routing table and the request."""

from typing import Final, Protocol

from gateway.proxy.callers import Caller
from gateway.proxy.request_facts import RequestFacts
from gateway.proxy.table_watch import Serving
from policies import assignment, matching
from policies.candidate_paths import NO_PATH
from policies.routing import PPM, Route
from policies.terms import PIN
from records.exchange import Why
from records.prompt_dates import without_dates

BASELINE: Final = "baseline"
CANDIDATE: Final = "candidate"


class CandidateConditions(Protocol):
    """What may keep a candidate from being asked, whatever the policy says."""

    serving: Serving

    def killed(self) -> bool:
        """Whether the kill file exists."""
        ...

    def lease_holds(self) -> bool:
        """Whether the control plane has vouched for the table lately enough."""
        ...

    def candidate_lacks(self, route: Route, path: str) -> bool:
        """Whether the candidate's server does not have this endpoint."""
        ...

    def candidate_stopped(self, route: Route, *, pinned: bool) -> Why | None:
        """Why the worker would not ask the candidate now: "breaker" (never of a pinned request), "busy", or None."""
        ...

    def accepted(self, upstream: str, caller: Caller) -> bool:
        """Whether this upstream, the frontier of a route, has accepted this caller lately."""
        ...

    def reverify(self, request_id: str) -> bool:
        """Whether this request shall ask the frontier again for a caller it has accepted."""
        ...


class RoutingDecision:
    """Whom to ask."""

    __slots__ = ("model", "reason", "refused", "route", "unit", "variant", "why")

    def __init__(
        self, route: Route | None = None, model: str = "", variant: str = BASELINE, why: Why = "unrouted", *,
        reason: str = "", unit: str = "",
    ) -> None:  # fmt: skip
        self.route = route
        self.model = model
        self.variant = variant
        self.why: Why = why
        self.reason = reason
        self.unit = unit
        self.refused = reason if why == "refused" else ""
        """Error code, if the gateway answers by itself."""


UNROUTED: Final = RoutingDecision()


def plan(
    state: CandidateConditions, known: RequestFacts, read: matching.Body | None, *, request_id: str
) -> RoutingDecision:
    """Decide for one request whose body is whole. `read`: the body; None: no route knows what to make of it.

    Every reason for the baseline comes before the assignment, but for those that cost something: a request that the
    candidate would not have got anyway does not count as a fallback.
    """
    if read is None:
        return UNROUTED
    caller = known.caller
    name = caller.key.name if caller.key is not None else ""
    call = matching.Call(known.path, known.headers, read, body_bytes=len(read.raw), key_id=caller.id, key_name=name)
    model = read.model
    route = matching.find(state.serving.table.routes, call)
    if route is None:
        return RoutingDecision(model=model)
    variant, why, reason, unit = _decide(state, route, call, known, request_id)
    return RoutingDecision(route, model, variant, why, reason=reason, unit=unit)


_Decided = tuple[str, Why, str, str]
"""Variant, why, the reason, and the unit that was assigned; the last two may be empty."""


def _decide(
    state: CandidateConditions, route: Route, call: matching.Call, known: RequestFacts, request_id: str
) -> _Decided:
    if route.candidate is None or route.mode == "bypass":
        return BASELINE, "bypass" if route.mode == "bypass" else "assigned", "", ""
    unfit: str | None = matching.ineligible(route, call)
    if unfit is None and state.candidate_lacks(route, known.path):
        unfit = NO_PATH
    if known.pin is not None:
        if not _may_pin(route, known.caller):
            return BASELINE, "refused", "pin_not_allowed", ""
        why, reason = _pinned(state, route, known.pin, unfit)
        return CANDIDATE if why == "pinned" and known.pin != b"baseline" else BASELINE, why, reason, ""
    if unfit is not None:
        return BASELINE, "ineligible", unfit, ""
    assigned = assignment.assign(route, call, request_id, without_dates)
    if assigned.variant == BASELINE:
        return BASELINE, _kept_back(assigned.reason), "", assigned.unit
    if route.mode == "observe":
        return BASELINE, "observe", "", assigned.unit
    why, reason = _stopped(state, route, known.caller, request_id)
    return BASELINE if why != "assigned" else CANDIDATE, why, reason, assigned.unit


def _kept_back(reason: assignment.Reason) -> Why:
    """Why the assignment gave a request to the baseline: a loop, its slice, or else simply its share."""
    if reason == "tool_loop":
        return "tool_loop"
    return "slice" if reason == "slice" else "assigned"


def _may_pin(route: Route, caller: Caller) -> bool:
    """Whether the route names the caller's key, or the key itself has that right everywhere."""
    key = caller.key
    return key is not None and (key.name in route.pin_keys or PIN in key.scopes)


def _pinned(state: CandidateConditions, route: Route, pin: bytes, unfit: str | None) -> tuple[Why, str]:
    """Why the pinned variant answers ("pinned"), or the baseline instead, or nobody ("refused")."""
    if pin == b"baseline":
        return "pinned", ""
    if pin != b"candidate":
        return "refused", "unknown_variant"
    if unfit is not None:
        return "ineligible", unfit
    if state.killed():
        return "killed", ""
    return state.candidate_stopped(route, pinned=True) or "pinned", ""


def _stopped(state: CandidateConditions, route: Route, caller: Caller, request_id: str) -> tuple[Why, str]:
    """Why an assigned candidate is not asked all the same; "assigned" if it is."""
    if state.killed():
        return "killed", ""
    if not state.lease_holds():
        return "lease", ""
    if state.serving.table.keys_mode == "passthrough":
        if not state.accepted(route.baseline.upstream, caller):
            return "unverified", ""
        if route.weight_ppm == PPM and state.reverify(request_id):
            return "reverify", ""
    return state.candidate_stopped(route, pinned=False) or "assigned", ""
