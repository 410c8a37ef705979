"""Where a request goes, and every reason there is for it."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from gateway.proxy.admit import BASELINE, CANDIDATE, RoutingDecision, plan
from gateway.proxy.callers import NOBODY, Caller, Callers
from gateway.proxy.request_facts import RequestFacts
from gateway.proxy.table_watch import Serving, ready
from gateway.transport.message import Preamble
from gateway.transport.upstreams import UpstreamSet
from policies.request.body import read_body
from policies.routing import PPM, Assign, Eligible, Key, Lease, Match, Route, Table, Upstream, Variant
from records.exchange import Why

UPSTREAMS = (Upstream("openai", "http://a/v1"), Upstream("vllm", "http://b/v1", "vllm"))
ROUTE = Route(
    "r", Variant("openai"), match=Match(model=("m",)), candidate=Variant("vllm"), weight_ppm=PPM, pin_keys=("team",),
    assign=Assign(("header:x-session-id",), "s"), eligible=Eligible(max_input_bytes=500, forbid=("n>1",)),
)  # fmt: skip
TEAM = Caller("ab" * 8, Key("k", "team", "h"))


@dataclass
class Stand:
    """What may keep a candidate from being asked; by default nothing does."""

    serving: Serving
    is_killed: bool = False
    lease: bool = True
    stops: Why | None = None
    is_accepted: bool = True
    again: bool = False
    lacks: bool = False
    looks: list[bool] = field(default_factory=list[bool])
    """Whether pinned, each time the candidate's own state was asked for."""

    def killed(self) -> bool:
        return self.is_killed

    def lease_holds(self) -> bool:
        return self.lease

    def candidate_lacks(self, route: Route, path: str) -> bool:
        assert path == "/v1/chat/completions"
        return self.lacks

    def candidate_stopped(self, route: Route, *, pinned: bool) -> Why | None:
        self.looks.append(pinned)
        return self.stops

    def accepted(self, upstream: str, caller: Caller) -> bool:
        return self.is_accepted

    def reverify(self, request_id: str) -> bool:
        return self.again


def decide(
    stand: dict[str, Any] | None = None, *, route: dict[str, Any] | None = None, table: dict[str, Any] | None = None,
    lines: bytes = b"", caller: Caller = NOBODY, body: bytes = b'{"model":"m","messages":[],"stream":true}',
) -> tuple[RoutingDecision, Stand]:  # fmt: skip
    """What is decided where all speaks for the candidate, but for what is given."""
    served = Table(1, Lease(1.0), UPSTREAMS, "openai", routes=(msgspec.structs.replace(ROUTE, **(route or {})),))
    serving = ready(msgspec.structs.replace(served, **(table or {})), UpstreamSet({}))
    state = Stand(serving, **(stand or {}))
    preamble = Preamble(b"POST /v1/chat/completions HTTP/1.1\r\nHost: g" + lines, b"POST", b"/v1/chat/completions")
    known = RequestFacts(preamble, serving, Callers(bytes(32)))
    known.caller = caller
    return plan(state, known, read_body(body), request_id="0"), state


PIN = b"\r\nx-crossfade-variant: "
TABLE: dict[str, tuple[dict[str, Any], str, str, str]] = {
    # what is given: (variant, why, reason)
    "all well": ({}, CANDIDATE, "assigned", ""),
    "a path that it lacks": ({"stand": {"lacks": True}}, BASELINE, "ineligible", "no_path"),
    "no JSON": ({"body": b"{"}, BASELINE, "unrouted", ""),
    "another model": ({"body": b'{"model":"x"}'}, BASELINE, "unrouted", ""),
    "no candidate": ({"route": {"candidate": None}}, BASELINE, "assigned", ""),
    "bypass": ({"route": {"mode": "bypass"}}, BASELINE, "bypass", ""),
    "bypass with a pin": ({"route": {"mode": "bypass"}, "lines": PIN + b"candidate"}, BASELINE, "bypass", ""),
    "observe": ({"route": {"mode": "observe"}}, BASELINE, "observe", ""),
    "weight 0": ({"route": {"weight_ppm": 0}}, BASELINE, "assigned", ""),
    "too long": ({"body": b'{"model":"m","messages":[' + b" " * 500 + b"]}"}, BASELINE, "ineligible", "input_too_long"),
    "forbidden": ({"body": b'{"model":"m","messages":[],"n":2}'}, BASELINE, "ineligible", "n>1"),
    "forbidden at weight 0": (
        {"body": b'{"model":"m","messages":[],"n":2}', "route": {"weight_ppm": 0}}, BASELINE, "ineligible", "n>1",
    ),
    "killed": ({"stand": {"is_killed": True}}, BASELINE, "killed", ""),
    "no lease": ({"stand": {"lease": False}}, BASELINE, "lease", ""),
    "killed and no lease": ({"stand": {"is_killed": True, "lease": False}}, BASELINE, "killed", ""),
    "unknown key": ({"stand": {"is_accepted": False}}, BASELINE, "unverified", ""),
    "virtual keys": ({"stand": {"is_accepted": False}, "table": {"keys_mode": "virtual"}}, CANDIDATE, "assigned", ""),
    "again": ({"stand": {"again": True}}, BASELINE, "reverify", ""),
    "again below 100 %": ({"stand": {"again": True}, "route": {"weight_ppm": PPM - 1}}, CANDIDATE, "assigned", ""),
    "breaker": ({"stand": {"stops": "breaker"}}, BASELINE, "breaker", ""),
    "busy": ({"stand": {"stops": "busy"}}, BASELINE, "busy", ""),
    "pin while busy": (
        {"lines": PIN + b"candidate", "caller": TEAM, "stand": {"stops": "busy"}}, BASELINE, "busy", "",
    ),
    "pin": ({"lines": PIN + b"candidate", "caller": TEAM, "route": {"weight_ppm": 0}}, CANDIDATE, "pinned", ""),
    "pin to the baseline": ({"lines": PIN + b"baseline", "caller": TEAM}, BASELINE, "pinned", ""),
    "pin while killed": (
        {"lines": PIN + b"candidate", "caller": TEAM, "stand": {"is_killed": True}}, BASELINE, "killed", "",
    ),
    "pin of what is forbidden": (
        {"lines": PIN + b"candidate", "caller": TEAM, "body": b'{"model":"m","messages":[],"n":2}'},
        BASELINE, "ineligible", "n>1",
    ),
    "pin to nothing": ({"lines": PIN + b"third", "caller": TEAM}, BASELINE, "refused", "unknown_variant"),
    "pin of another key": ({"lines": PIN + b"candidate"}, BASELINE, "refused", "pin_not_allowed"),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_every_reason(name: str) -> None:
    """One thing changed at a time, and the decision with its reason."""
    given, variant, why, reason = TABLE[name]
    found, _ = decide(**given)
    assert (found.variant, found.why, found.reason) == (variant, why, reason)
    assert found.refused == (reason if why == "refused" else "")


@pytest.mark.parametrize("name", TABLE)
def test_the_candidates_state_is_asked_for_last(name: str) -> None:
    """A request that the baseline gets for any other reason does not count as one that a breaker held back."""
    given, variant, why, _ = TABLE[name]
    _, state = decide(**given)
    pinned = name in ("pin", "pin while busy")
    assert state.looks == ([pinned] if variant == CANDIDATE or why in ("breaker", "busy") else [])


def test_what_the_row_needs_is_in_the_plan() -> None:
    """Route, model and unit are told with the decision, also where the baseline answers."""
    found, _ = decide({"is_killed": True}, lines=b"\r\nx-session-id: s1")
    assert found.route is not None
    assert (found.route.name, found.model, len(found.unit)) == ("r", "m", 16)
    found, _ = decide(body=b'{"model":"x"}')
    assert (found.route, found.model) == (None, "x")


def test_a_tool_loop_stays_where_it_began() -> None:
    """The result of a call that the baseline made is the baseline's, whatever the weight says."""
    body = b'{"model":"m","messages":[{"role":"tool","tool_call_id":"call_x","content":"1"}]}'
    found, _ = decide(body=body)
    assert (found.variant, found.why) == (BASELINE, "tool_loop")


def test_a_slice_that_is_not_certified_is_the_baselines() -> None:
    """It has its unit, as all that is assigned: the shadow asks the candidate the same, unseen."""
    found, _ = decide(route={"moves_by": "header:x-team", "moving": ("header:x-team=a",)})
    assert (found.variant, found.why, found.reason) == (BASELINE, "slice", "")
    assert found.unit
    moves, _ = decide(
        route={"moves_by": "header:x-team", "moving": ("header:x-team=a",)}, lines=b"\r\nx-team: a\r\n",
    )  # fmt: skip
    assert (moves.variant, moves.why) == (CANDIDATE, "assigned")


def test_a_system_prompt_that_tells_the_time_keeps_its_conversation():
    """Its variant and its unit are those of the turn before; a header would tell, too, and is not needed."""
    by = {"assign": Assign(("conversation",), "s")}
    said = '{"model":"m","messages":[{"role":"system","content":"Now: 2026-11-30 %s"},{"role":"user","content":"u"}]}'
    units = {decide(route=by, body=(said % clock).encode())[0].unit for clock in ("14:05", "14:06", "15:00")}
    assert len(units) == 1
    assert units != {decide(route=by, body=said.replace("Now", "At").encode())[0].unit}
