"""What a stage costs, and what the day's budget lets it ask."""

from dataclasses import replace

import pytest

from policies.compile import decision_rules
from policies.plan import Plan, plan
from policies.plan_text import text
from policies.stage_plan import StagePlan, Traffic
from tests.rooms.policy_files import READY, policy

PRICED = Traffic(2_000.0, 0.0, 4_000.0, baseline_usd=0.004, candidate_usd=0.001, judged_usd=0.02)
JUDGED = "[judge: {upstream: openai, model: j, sample: 50%}]"


def planned(more: str, traffic: Traffic = PRICED, *, among: int = 1, **parts: str) -> Plan:
    after = policy(more, **parts)
    return plan(None, (after, decision_rules(after, READY)), traffic, among=among)


def at(found: Plan, name: str) -> StagePlan:
    return next(stage for stage in found.stages if stage.stage == name)


def days(found: Plan, stage: str, gate: str) -> float:
    need = next(need for need in at(found, stage).needs if need.gate == gate)
    assert need.days is not None
    return need.days


def test_pairs_come_as_fast_as_the_budget_pays_for_them():
    """A day of 2,000 conversations of two requests costs $20: for $5 a quarter is asked, and all takes four times."""
    rich, poor = (planned(f"shadow: {{budget: ${usd}/day}}") for usd in ("20", "5"))

    for gate in ("quality", "errors", "min_units"):
        assert days(poor, "shadow", gate) == pytest.approx(4 * days(rich, "shadow", gate))
    assert days(poor, "1%", "latency") == days(rich, "1%", "latency")  # of what is served, nobody is asked
    assert at(rich, "shadow").paid == ""
    assert at(poor, "shadow").paid == "$5.00 a day pays for 25% of that, so it takes longer"
    assert at(poor, "shadow").paid in text(poor)


def test_hours_that_are_paid_anyway_leave_the_budget_whole():
    """Of servers that are paid by the hour a call costs the budget nothing; their price is told all the same."""
    hourly = planned("shadow: {budget: $5/day}", replace(PRICED, is_hourly=True))

    assert at(hourly, "shadow").paid == "$5.00 a day pays for 31% of that, so it takes longer"
    assert at(hourly, "shadow").calls == at(planned("shadow: {budget: $5/day}"), "shadow").calls


def test_own_conversations_are_paid_for_too():
    """From 25 % on the baseline is asked beside the candidate's answers, out of the same budget."""
    rich, poor = (planned(f"shadow: {{budget: ${usd}/day}}") for usd in ("1000", "1"))

    assert days(poor, "50%", "quality") > 10 * days(rich, "50%", "quality")
    assert days(poor, "50%", "errors") == days(rich, "50%", "errors")


def test_several_candidates_share_the_budget():
    """In the shadow each answers, and is judged; the baseline's second answer is one for all."""
    alone, four = (planned("shadow: {budget: $9/day}", among=among) for among in (1, 4))

    dearer = (4 * 0.001 + 0.004) / (0.001 + 0.004)
    assert days(four, "shadow", "errors") == pytest.approx(dearer * days(alone, "shadow", "errors"))
    assert days(four, "25%", "errors") == days(alone, "25%", "errors")


@pytest.mark.parametrize(
    ("limit", "weight", "simulated"),
    [("ttft_p95", "1%", 972), ("ttft_p95", "50%", 1647), ("ttft_p50", "1%", 260), ("ttft_p50", "50%", 559),
     ("ttft_p99", "1%", 3486)],
)  # fmt: skip
def test_time_beside_the_baseline_takes_what_simulations_took(limit: str, weight: str, simulated: int):
    """Of equal candidates nine in ten, beside ten or one of the baseline's units each (decisions-2, ruling 3)."""
    found = planned(
        f"gates: {{latency: {{warmup: 0, relative: {{{limit}: 1.2x}}}}}}", stages=f"[shadow, {weight}, 100%]"
    )
    need = next(need for need in at(found, weight).needs if need.gate == "latency")

    assert need.units == pytest.approx(simulated, rel=0.2)


def test_who_must_be_faster_is_planned_for_as_if_it_were():
    """Twice as much as is demanded, and the plan says so; one that must be as fast never passes, equal."""
    half, even = (planned(f"gates: {{latency: {{relative: {{ttft_p95: {ratio}}}}}}}") for ratio in ("0.5x", "1x"))

    assert next(need.units for need in at(half, "1%").needs if need.gate == "latency")
    assert any("takes at most 0.25 times as long as the baseline; one that is only as" in each for each in half.assumes)
    assert at(even, "1%").doubt == "latency is never certified: the candidate is at or beyond its limit"
    assert any("that it is faster; one that is only as fast never passes" in each for each in even.assumes)


def test_own_conversations_may_have_a_margin_of_their_own():
    """Where calls of the baseline are dear, a wider one takes a quarter of them; the shadow's stays."""
    found, usual = planned("gates: {quality: {owned_margin: 10%}}"), planned("")
    calls = [at(each, "50%").calls.baseline for each in (found, usual)]

    assert calls[0] == pytest.approx(calls[1] / 4, rel=0.1)
    assert days(found, "shadow", "quality") == days(usual, "shadow", "quality")


@pytest.mark.parametrize("slices", ["", "slices: {by: tool, mode: partial}"])
def test_a_stricter_alpha_takes_longer(slices: str):
    """Each gate, and the first of slices that move alone: a plan for a chance of 5 % would promise too much."""
    found, usual = (at(planned(f"gates: {{alpha: {alpha}}}\n{slices}"), "shadow") for alpha in ("0.1%", "5%"))
    gates = zip(found.needs, usual.needs, strict=True)
    for ours, theirs in ((ours, theirs) for ours, theirs in gates if ours.gate != "min_units"):
        assert ours.units is not None
        assert theirs.units is not None
        assert 1.3 < ours.units / theirs.units < 2.5, ours.gate


def test_no_money_is_never():
    """Whatever the calls cost; and a plan that comes to no end says never, and not that traffic is not known."""
    for traffic in (PRICED, Traffic(2_000.0)):
        found = planned("shadow: {budget: $0/day}", traffic)

        assert found.days is None
        assert "never: a budget of nothing pays for no call" in text(found)
        assert text(found).endswith("  in all    never, as it stands")


@pytest.mark.parametrize(("share", "part"), [("100%", 1.0), ("50%", 0.5)])
def test_a_judge_is_asked_about_its_share_of_all_pairs(share: str, part: float):
    """Until the stage is left, also where it scores every pair, and where no gate goes by what it says."""
    found = at(planned("", compare=f"[judge: {{upstream: openai, model: j, sample: {share}}}]"), "shadow").calls
    shown = at(planned("gates: {quality: {metric: exact}}", compare=JUDGED.replace("[", "[exact, ")), "shadow").calls

    assert found.judged == round(part * found.candidate)
    assert found.usd == pytest.approx(found.candidate * 0.001 + found.judged * 0.02)
    assert shown.judged == round(0.5 * shown.candidate)
