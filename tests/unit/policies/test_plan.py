"""What a policy would change, what each stage still needs, and how long that takes."""

import pytest

from policies.compile import Surroundings, decision_rules
from policies.plan import Plan, StagePlan, Traffic, gone, plan, text
from tests.unit.policies.files import READY, policy

BUSY = Traffic(100_000.0)


def planned(more: str = "", traffic: Traffic | None = BUSY, before: str | None = None, **parts: str) -> Plan:
    """The plan for a policy, in the place of the one with `before` in it."""
    after = policy(more, **parts)
    old = None if before is None else policy(before)
    surroundings: Surroundings = READY
    return plan(
        None if old is None else (old, decision_rules(old, surroundings)),
        (after, decision_rules(after, surroundings)),
        traffic,
    )


def at(found: Plan, name: str) -> StagePlan:
    return next(stage for stage in found.stages if stage.stage == name)


def units(found: Plan, stage: str, gate: str) -> int | None:
    return next(need.units for need in at(found, stage).needs if need.gate == gate)


def test_a_new_route_starts_in_the_shadow():
    """All of it is new."""
    found = planned()

    assert [str(change) for change in found.changes] == ["route: none -> support-triage"]
    assert found.restarts == "a new route starts in the shadow"


def test_what_is_the_same_changes_nothing():
    """Planning what is in force is an empty plan."""
    found = planned(before="")

    assert (found.changes, found.restarts) == ((), "")


def test_changed_gates_keep_the_evidence():
    """Each value that differs is named, with what it was."""
    found = planned("gates: {quality: {margin: 2%}}\npin_keys: [ml]", before="mode: observe")

    assert [str(change) for change in found.changes] == [
        "gates.quality.margin: 0.05 -> 0.02", "mode: observe -> apply", "pin_keys.0: none -> ml",
    ]  # fmt: skip
    assert found.restarts == ""


def test_another_candidate_starts_anew():
    """The evidence so far says nothing of it."""
    found = planned(before="", candidate="{upstream: vllm, model: m, revision: '2'}")

    assert found.restarts == "another candidate and revision: the evidence so far says nothing of it"


def test_units_follow_the_rule_of_thumb():
    """16 (sd / (margin + difference))^2 + 40 for nine chances in ten, by gate and stage."""
    found = planned(compare="[schema, exact]")

    assert units(found, "shadow", "quality") == 1064
    assert units(found, "shadow", "errors") == units(found, "1%", "validity") == 1640
    assert units(found, "25%", "errors") == 3280
    assert [need.gate for need in at(found, "1%").needs] == ["validity", "errors", "latency", "min_units"]
    assert at(found, "100%").needs == ()


def test_what_was_seen_counts_more_than_what_is_usual():
    """A small spread and a better candidate need fewer units, a worse one more, one beyond the limit none would do."""
    seen = planned(traffic=Traffic(1e5, 0.0, {"quality": 0.2}, {"quality": 0.05}))
    worse = planned(traffic=Traffic(1e5, differences={"quality": -0.06}))

    assert units(seen, "shadow", "quality") == 104
    assert units(worse, "shadow", "quality") is None
    assert at(worse, "shadow").doubt == "quality cannot be certified: the candidate is at or beyond its limit"
    assert worse.days is None
    assert "no number of units would do" in text(worse)


def test_days_follow_the_traffic():
    """Half the traffic takes twice as long; a hold is the least; the slowest gate is named."""
    once, half = planned(), planned(traffic=Traffic(50_000.0))
    small, large = at(once, "shadow"), at(half, "shadow")

    assert small.days is not None
    assert large.days == pytest.approx(2 * small.days)
    assert (small.slowest, at(once, "1%").slowest) == ("errors", "latency")
    assert (at(once, "50%").slowest, at(once, "50%").days) == ("hold", 1.0)
    assert once.days == pytest.approx(sum(stage.days or 0.0 for stage in once.stages))


def test_a_smaller_shadow_takes_longer():
    """Pairs come from the mirrored share alone."""
    whole, part = (at(planned(f"shadow: {{sample: {share}}}"), "shadow").days for share in ("100%", "10%"))

    assert whole is not None
    assert part == pytest.approx(10 * whole)


def test_without_traffic_there_are_units_and_no_days():
    """What is not known is not made up."""
    found = planned(traffic=None)

    assert found.days is None
    assert {stage.days for stage in found.stages[:-1]} == {None}
    assert units(found, "shadow", "errors") == 1640
    assert "--traffic N" in text(found)


@pytest.mark.parametrize("traffic", [Traffic(0.0), Traffic(10.0)])
def test_a_stage_that_cannot_end_is_doubted(traffic: Traffic):
    """Too little traffic is the commonest silent failure of a canary."""
    found = at(planned(traffic=traffic), "1%")

    assert found.days is None if not traffic.units_per_day else "max_time is 14" in found.doubt


def test_a_budget_below_the_need_is_doubted():
    """A stage that would be inconclusive before it could be certified."""
    found = planned(stages="[shadow: {max_units: 1000}, 1%]")

    assert at(found, "shadow").doubt == "errors needs about 1640 units, max_units is 1000"
    assert "doubt: errors" in text(found)


def test_one_busy_unit_is_doubted():
    """Averages over units would speak of it alone; nothing would advance."""
    found = planned(traffic=Traffic(1e5, busiest_share=0.3))

    assert found.doubt == "one unit makes at least 30% of the requests, allowed 1%: nothing would advance"
    assert f"  doubt    {found.doubt}" in text(found)
    assert planned(traffic=Traffic(1e5, busiest_share=0.005)).doubt == ""


def test_a_file_taken_away_is_a_change():
    """Its route is gone, with all its stages."""
    assert text(gone(policy())).splitlines() == ["ROUTE support-triage", "  change   route: support-triage -> none"]


def test_an_operators_word_is_waited_for():
    """The stage before says so."""
    found = planned(stages="[shadow, 1%: {approve: manual}]")

    assert at(found, "shadow").slowest == "errors, then an operator's word for 1%"


def test_gates_that_are_off_need_nothing():
    """Quality by the mirrored baseline where there is no reverse shadow; no latency where it is off."""
    found = planned("gates: {latency: off}", stages="[shadow, 25%: {reverse_shadow: 0%}, 100%]")

    assert [need.gate for need in at(found, "25%").needs] == ["quality", "errors", "min_units"]


def test_the_plan_reads_well():
    """One line per change, stage and gate, in days, hours or minutes."""
    assert text(planned(before="mode: observe")).splitlines()[:6] == [
        "ROUTE support-triage",
        "  change   mode: observe -> apply",
        "  shadow   about 24 minutes, waits for errors",
        "    quality   1064 units, 15 minutes",
        "    errors    1640 units, 24 minutes",
        "    min_units 100 units, 1 minutes",
    ]
    assert "  100%     the last" in text(planned())
    assert "  no change" in text(planned(before=""))
    assert "in all    about 3 days" in text(planned())
