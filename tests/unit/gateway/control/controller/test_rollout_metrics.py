"""The controller's metrics of a route."""

from dataclasses import replace

import msgspec

from gateway.control.controller.rollout_metrics import finishes, samples
from gateway.control.publish.weights import Weighed
from gateway.telemetry.metrics import PREFIX, Sample
from policies.results import GateResult, Intake
from policies.rollout import start, step
from policies.routing import Route, Variant
from policies.rules import Held
from policies.terms import Phase, Verdict
from tests.rooms.rollouts import GOOD, QUIET, RULES

ROUTE = Route("triage", Variant("openai"), candidate=Variant("vllm", revision="r1"), weight_ppm=50_000)
CANARY = replace(start(RULES), stage=1, phase=Phase.CANARY)


def found(weighed: Route, served: tuple[int, int] = (0, 0), **gate: float) -> dict[tuple[str, ...], float]:
    results = replace(
        GOOD, gates=(GateResult("quality", Verdict.INCONCLUSIVE, "more", **gate),), units=40, served=served
    )  # pyright: ignore[reportArgumentType]
    shown = {"triage": step(CANARY, results, now=0.0)}
    made = samples({"triage": Weighed(weighed, None, None)}, shown, {("triage", "PROMOTE"): 2}, errors=3)
    return {(each.name.removeprefix(PREFIX), *each.labels): each.value for each in made}


def test_where_a_route_stands() -> None:
    """Weight, revision, stage, units, detectors, decisions, and how many policies are in error."""
    assert found(ROUTE) == {
        ("policy_errors",): 3, ("weight_ratio", "triage"): 0.05, ("uncertified", "triage"): 0,
        ("policy_info", "triage", "r1"): 1,
        ("stage", "triage"): 1, ("suspended", "triage"): 0, ("units", "triage"): 40, ("late_requests", "triage"): 0,
        ("gate_verdict", "triage", "quality"): 1.0,
        ("detector_log10", "triage", QUIET.detector): QUIET.log10_m, ("decisions_total", "triage", "PROMOTE"): 2,
        **{("decisions_total", "triage", word): 0 for word in
           ("ROLLBACK", "REJECTED", "SUSPEND", "RETURN", "JOIN", "INCONCLUSIVE", "HOLD")},
    }  # fmt: skip


def test_which_slices_move() -> None:
    """Of those that are tested: 1 for what is certified by itself, 0 for what stays with the baseline."""
    ladder = replace(RULES.ladder, moves_by="tool")
    partly = replace(CANARY, ladder=ladder, drawn=("tool=a", "tool=b"), held=Held(moving=("tool=b",)))
    made = samples({}, {"triage": step(partly, GOOD, now=0.0)}, {}, errors=0)
    seen = {(each.name.removeprefix(PREFIX), *each.labels): each.value for each in made}
    assert (seen["slice_moving", "triage", "tool=a"], seen["slice_moving", "triage", "tool=b"]) == (0, 1)


def test_a_suspended_rollout_says_so() -> None:
    """Its stage stays, and one gauge tells that it serves nobody."""
    away = replace(CANARY, phase=Phase.SUSPENDED, suspended_ago_s=(5.0,), held=Held(watch=1))
    made = samples({}, {"triage": step(away, GOOD, now=0.0)}, {}, errors=0)
    seen = {each.name.removeprefix(PREFIX): each.value for each in made}
    assert (seen["stage"], seen["suspended"]) == (1, 1)


def test_what_did_not_come_in() -> None:
    """What was told late, and what was drawn and not asked, by its reason."""
    results = replace(GOOD, intake=Intake(100, 3, 50, {"budget": 7}))
    made = samples({}, {"triage": step(CANARY, results, now=0.0)}, {}, errors=0)
    seen = {(each.name.removeprefix(PREFIX), *each.labels): each.value for each in made}
    assert seen["late_requests", "triage"] == 3
    assert seen["skipped_requests", "triage", "budget"] == 7


def test_when_a_route_is_through() -> None:
    """At the pace of now; where nobody knows that, after the time that is stated; never for one that is through."""
    ladder = RULES.ladder.stages
    waits = replace(GOOD, gates=(GateResult("quality", Verdict.INCONCLUSIVE, "none yet"),))
    never = replace(GOOD, gates=(GateResult("quality", Verdict.INCONCLUSIVE, "as bad as the limit", estimate=0.1),))
    through = replace(CANARY, stage=len(ladder) - 1, phase=Phase.PROMOTED)
    shown = {
        name: step(rollout, results, now=0.0)
        for name, rollout, results in (
            ("waits", CANARY, waits), ("own", CANARY, waits), ("never", CANARY, never), ("through", through, GOOD),
        )
    }  # fmt: skip
    made = finishes(shown, {"": 3600.0, "own": 60.0}, now=1000.0)
    assert {each.labels[0]: each.value for each in made} == {"waits": 4600.0, "own": 1060.0, "never": float("inf")}


def test_what_a_gate_says() -> None:
    """Each number that is known is a sample; one that is not is left out, never made up."""
    seen = found(ROUTE, estimate=0.01, lower=-0.02, limit=-0.05, log10_e=0.0)
    gates = {name[0]: value for name, value in seen.items() if name[0].startswith("gate_")}
    assert gates == {
        "gate_estimate": 0.01, "gate_lower": -0.02, "gate_limit": -0.05, "gate_log10_e": 0.0, "gate_verdict": 1.0,
    }  # fmt: skip


def test_a_route_that_only_looks_moves_nothing() -> None:
    """In `observe` and `bypass` the weight that apps get is 0, whatever the rollout's is."""
    assert found(ROUTE)["uncertified", "triage"] == 0
    split = found(msgspec.structs.replace(ROUTE, mode="split"))
    assert (split["weight_ratio", "triage"], split["uncertified", "triage"]) == (
        found(ROUTE)["weight_ratio", "triage"],
        1,
    )
    for mode in ("observe", "bypass"):
        assert found(msgspec.structs.replace(ROUTE, mode=mode))["weight_ratio", "triage"] == 0.0


def test_a_route_without_a_candidate_has_no_weight() -> None:
    """Where there is nothing to move to there is no series."""
    made = samples({"plain": Weighed(Route("plain", Variant("openai")), None, None)}, {}, {}, errors=0)
    assert made == [Sample(f"{PREFIX}policy_errors", 0)]


def test_what_is_really_served() -> None:
    """Beside the weight stands what the candidate answers of it; where nothing is assigned there is nothing to say."""
    assert found(ROUTE, (3, 12))["served_ratio", "triage"] == 0.25
    assert ("served_ratio", "triage") not in found(ROUTE)
