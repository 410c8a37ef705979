"""What a policy would change, what each stage still needs, and how long that takes."""

from dataclasses import replace

import pytest

from policies.compile import decision_rules
from policies.plan import Plan, gone, plan, standing, starved
from policies.plan_text import text
from policies.rollout import start
from policies.stage_plan import StagePlan, StageProgress, Traffic
from policies.surroundings import Surroundings
from policies.terms import Phase
from tests.rooms.pair_events import filled, pair
from tests.rooms.policy_files import READY, policy

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

    assert units(found, "shadow", "quality") == 953
    assert units(found, "shadow", "errors") == units(found, "1%", "validity") == 1475
    assert units(found, "25%", "errors") == 2950
    assert [need.gate for need in at(found, "1%").needs] == ["validity", "errors", "latency", "min_units"]
    assert at(found, "100%").needs == ()


def test_what_was_seen_counts_more_than_what_is_usual():
    """A small spread and a better candidate need fewer units, a worse one more, one beyond the limit none would do."""
    seen = planned_on(StageProgress(1, "1%", 0, 0.0, spread=0.2, difference=0.05))
    worse = planned_on(StageProgress(1, "1%", 0, 0.0, spread=0.2, difference=-0.06))

    assert (units(seen, "25%", "quality"), units(planned(), "25%", "quality")) == (83, 953)
    assert units(worse, "25%", "quality") is None
    assert at(worse, "25%").doubt == "quality is never certified: the candidate is at or beyond its limit"
    assert worse.days is None
    assert "never: the candidate is at or beyond its limit" in text(worse)


def test_days_follow_the_traffic():
    """Half the traffic takes twice as long; a hold is the least; the slowest gate is named."""
    once, small, large = planned(), *(at(planned(traffic=Traffic(n)), "shadow") for n in (1000.0, 500.0))

    assert small.days is not None
    assert large.days == pytest.approx(2 * small.days)
    assert (small.slowest, at(once, "1%").slowest) == ("errors", "latency")
    assert (at(once, "shadow").slowest, at(once, "shadow").days) == ("hold", 1.0)
    assert (at(once, "50%").slowest, at(once, "50%").days) == ("hold", 1.0)
    assert once.days == pytest.approx(sum(stage.days or 0.0 for stage in once.stages))


def under_way(events: int, *, stage: int = 0, more: str = "", **changes: object) -> StageProgress | None:
    """Where a rollout of the short policy stands after so many equal answers in its stage."""
    after = decision_rules(policy(more), READY)
    rollout = replace(start(decision_rules(policy(), READY)), stage=stage, **({"lived_s": 1800.0} | changes))  # pyright: ignore[reportArgumentType]
    seen = [pair(f"u{n}", again=True, agree=0.5 + (n % 3 - 1) / 2, agree_again=0.5) for n in range(events)]
    return standing(rollout, filled(seen, decision_rules(policy(), READY), rollout.at.weight_ppm), after)


def planned_on(stands: StageProgress | None, more: str = "") -> Plan:
    old, new = policy(), policy(more)
    return plan((old, decision_rules(old, READY)), (new, decision_rules(new, READY)), BUSY, stands)


def test_a_rollout_under_way_needs_the_rest():
    """Few units are taken off the usual need; from a hundred on the gate's own spread says what is still to come."""
    few, some, many = (planned_on(under_way(n)) for n in (40, 300, 699))

    assert few.stands == "on shadow with 40 units"
    assert (units(few, "shadow", "quality"), units(few, "shadow", "errors")) == (953 - 40, 1475 - 40)
    assert units(few, "shadow", "min_units") == 60
    seen = 14.5 * (1 / 6) / 0.05**2 + 25
    assert [need.units for need in at(some, "shadow").needs] == [pytest.approx(seen - 300, abs=2), 240, 0]
    assert [need.units for need in at(many, "shadow").needs] == [0, 0, 0]
    assert units(many, "25%", "quality") == pytest.approx(seen, abs=2)
    assert units(few, "25%", "quality") == 953
    assert units(many, "1%", "errors") == 1475
    assert f"  stands   {few.stands}" in text(few)


def test_stages_that_were_left_take_no_time():
    """What was lived of a hold counts; nothing is left to wait for where all is certified and lived."""
    found = planned_on(under_way(700, stage=1))

    assert [(stage.stage, stage.passed) for stage in found.stages[:3]] == [
        ("shadow", True), ("1%", False), ("5%", False),
    ]  # fmt: skip
    assert "  shadow   passed" in text(found)
    assert (at(found, "shadow").days, units(found, "1%", "errors")) == (0.0, 0)
    idle = planned_on(under_way(1300, lived_s=86_400.0), "gates: {errors: {margin: 2%}}")
    assert (at(idle, "shadow").slowest, at(idle, "shadow").days) == ("nothing", 0.0)


def test_edited_gates_are_planned_on_what_was_seen():
    """A stricter margin needs more of the same evidence."""
    loose, strict = (planned_on(under_way(200, more=more), more) for more in ("", "gates: {quality: {margin: 2%}}"))

    assert (units(strict, "shadow", "quality") or 0) > 4 * (units(loose, "shadow", "quality") or 0)


def test_what_starts_anew_stands_nowhere():
    """Another candidate, a rollout that is stopped, and a ladder without that stage are planned from the foot."""
    old, new = policy(), policy(candidate="{upstream: vllm, model: m, revision: '2'}")
    anew = plan((old, decision_rules(old, READY)), (new, decision_rules(new, READY)), BUSY, under_way(200))

    assert (anew.stands, units(anew, "shadow", "quality")) == ("", 953)
    assert under_way(200, phase=Phase.REJECTED) is None
    assert standing(
        replace(start(decision_rules(policy(), READY)), stage=1), filled([]),
        decision_rules(policy(stages="[shadow, 5%]"), READY),
    ) is None  # fmt: skip


def test_evidence_of_another_stage_says_nothing():
    """A rollout that has just moved on begins its stage with nothing."""
    rules = decision_rules(policy(), READY)
    moved = standing(replace(start(rules), stage=1), filled([pair()] * 5, rules), rules)

    assert moved is not None
    assert (moved.label, moved.units, set(moved.seen.values()), moved.to_go) == ("1%", 0, {0}, {})


def test_a_smaller_shadow_takes_longer():
    """Pairs come from the mirrored share alone."""
    whole, part = (
        at(planned(f"shadow: {{sample: {share}}}", Traffic(1000.0)), "shadow").days for share in ("100%", "10%")
    )

    assert whole is not None
    assert part == pytest.approx(10 * whole)


def test_without_traffic_there_are_units_and_no_days():
    """What is not known is not made up."""
    found = planned(traffic=None)

    assert found.days is None
    assert {stage.days for stage in found.stages[:-1]} == {None}
    assert units(found, "shadow", "errors") == 1475
    assert "--traffic N" in text(found)


@pytest.mark.parametrize("traffic", [Traffic(0.0), Traffic(10.0)])
def test_a_stage_that_cannot_end_is_doubted(traffic: Traffic):
    """Too little traffic is the commonest silent failure of a canary."""
    found = at(planned(traffic=traffic), "1%")

    assert found.days is None if not traffic.units_per_day else "pauses after 14 days (max_time)" in found.doubt


def test_a_budget_below_the_need_is_doubted():
    """A stage that would be inconclusive before it could be certified."""
    found = planned(stages="[shadow: {max_units: 1000}, 1%]")

    assert at(found, "shadow").doubt == "errors needs about 1475 units, max_units is 1000"
    assert "doubt: errors" in text(found)


def test_one_busy_unit_is_doubted():
    """Averages over units would speak of it alone; nothing would advance."""
    found = planned(traffic=Traffic(1e5, busiest_share=0.3))

    assert found.doubt == "one unit makes at least 30% of the requests, allowed 1%: nothing would advance"
    assert f"  doubt    {found.doubt}" in text(found)
    assert planned(traffic=Traffic(1e5, busiest_share=0.005)).doubt == ""


@pytest.mark.parametrize(
    ("more", "requests_per_day", "said"),
    [
        (
            "",
            86_400.0,
            "of the 86,400 requests a day that came lately, about 10 would be the candidate's in 10s. Its share",
        ),
        ("", 2_400.0, "of the 2,400 requests a day that came lately, less than one would be the candidate's in 10s."),
        ("guards: {breaker: {window: 1m}}", 86_400.0, ""),
        ("guards: {breaker: {min_requests: 9}}", 86_400.0, ""),
        ("", 2 * 86_400.0, ""),
        ("", 0.0, ""),
    ],
)
def test_a_breaker_that_waits_for_more_than_comes_is_doubted(more: str, requests_per_day: float, said: str):
    """Even on the last stage; where no traffic is known there is nothing to doubt."""
    assert starved(policy(more), requests_per_day).startswith(said)
    assert bool(starved(policy(more), requests_per_day)) is bool(said)


def test_a_file_taken_away_is_a_change():
    """Its route is gone, with all its stages."""
    assert text(gone(policy())).splitlines() == ["ROUTE support-triage", "  change   route: support-triage -> none"]


def test_an_operators_word_is_waited_for():
    """The stage before says so."""
    found = planned(stages="[shadow: {days: 0}, 1%: {approve: manual}]")

    assert at(found, "shadow").slowest == "errors, then an operator's word for 1%"


def test_gates_that_are_off_need_nothing():
    """Quality by the mirrored baseline where there is no reverse shadow; no latency where it is off."""
    found = planned("gates: {latency: off}", stages="[shadow, 25%: {reverse_shadow: 0%}, 100%]")

    assert [need.gate for need in at(found, "25%").needs] == ["quality", "errors", "min_units"]


def test_the_plan_reads_well():
    """One line per change, stage and gate, in days, hours or minutes."""
    assert text(planned(before="mode: observe")).splitlines()[:8] == [
        "ROUTE support-triage",
        "  change   mode: observe -> apply",
        "  repeats  about 953 repeat calls of the baseline until likeness is certified, then 2%; again from 25% on",
        "  traffic  100,000 eligible conversations a day",
        "  shadow   about 24 hours, waits for hold",
        "    quality   953 units, 14 minutes",
        "    errors    1475 units, 21 minutes",
        "    min_units 100 units, 1 minute",
    ]
    assert "  100%     the last" in text(planned())
    assert "  no change" in text(planned(before=""))
    assert "in all    about 4 days" in text(planned())


def test_the_candidates_own_conversations_are_all_compared_until_certified():
    """From 25 % on quality comes from all of them, and not from the share that is compared for ever."""
    found = planned()
    need = next(need for need in at(found, "50%").needs if need.gate == "quality")
    assert need.units is not None
    assert need.days == pytest.approx(need.units / (100_000 * 0.5))


def test_calls_and_money_are_told():
    """Each stage's background calls, of whom, and what they cost where prices are known."""
    priced = Traffic(100_000.0, 0.0, 200_000.0, baseline_usd=0.004, candidate_usd=0.001)
    found = planned("gates: {cost: off}", priced, stages="[shadow: {days: 0}, 1%, 5%, 25%, 50%, 100%]")
    shadow, half = at(found, "shadow").calls, at(found, "50%").calls
    quality, most = units(found, "shadow", "quality"), max(need.units or 0 for need in at(found, "shadow").needs)
    assert quality is not None
    assert (shadow.repeats, shadow.candidate, shadow.baseline) == (2 * quality, 2 * most, 0)
    assert shadow.usd == pytest.approx(shadow.candidate * 0.001 + shadow.repeats * 0.004)
    assert half.baseline == half.repeats == 2 * (units(found, "50%", "quality") or 0)
    assert found.repeats.startswith(
        f"about {shadow.repeats:,} repeat calls of the baseline, ${shadow.repeats * 0.004:.2f},"
    )
    assert f"{shadow.candidate:,} of the candidate, {shadow.repeats:,} repeated, ${shadow.usd:.2f}" in text(found)
    assert "at prices that are not known" in text(planned())
    assert str(at(planned(baseline="{upstream: openai, deterministic: true}"), "shadow").calls).count("repeated") == 0


def test_users_who_come_again_say_less():
    """The rest of what they say counts less and less; a hundred of them can never say enough."""
    need = units(planned(), "shadow", "quality")
    assert need is not None
    some = planned(traffic=Traffic(1000.0, users=500))
    assert (units(some, "shadow", "quality") or 0) > need
    few = planned(traffic=Traffic(1000.0, users=100))
    assert (units(few, "shadow", "quality"), at(few, "shadow").days, few.days) == (None, None, None)
    assert "never: at most 333 units' worth of evidence from 100 users" in text(few)
    fixed = planned("assign: {population: fixed}", traffic=Traffic(1000.0, users=100))
    assert units(fixed, "shadow", "quality") == need


def test_what_must_be_better_is_planned_for_as_if_it_were():
    """Twice as much as is demanded; the plan says so, and that one as good never passes."""
    compare = "[{judge: {upstream: claude, model: j, sample: 100%}}]"
    found = planned("gates: {quality: {margin: -5%}}", compare=compare)

    assert units(found, "shadow", "quality") == units(planned(compare=compare), "shadow", "quality")
    assert "  assumes  judge scores it 0.1 better; one that is only as good never passes" in text(found)
    assert planned().assumes == ()


def test_every_gate_is_planned_for_by_its_name():
    """Second scores in the shadow, limits in seconds too, those beside the baseline in the canary; what nobody looks at
    is said.
    """
    found = planned(
        "gates: {quality: [{metric: exact}, {metric: judge}], "
        "latency: {ttft_p95: 1s, total_p99: 9s, relative: {ttft_p50: 2x}}}",
        compare="[exact, {judge: {upstream: claude, model: j}}]",
    )
    bare = planned("gates: {quality: off, accept: unmeasured quality}")

    assert [need.gate for need in at(found, "shadow").needs] == [
        "quality", "quality:judge", "errors", "latency", "latency:total_p99", "min_units",
    ]  # fmt: skip
    assert [need.gate for need in at(found, "1%").needs] == [
        "errors", "latency", "latency:total_p99", "latency:relative_ttft_p50", "min_units",
    ]  # fmt: skip
    assert bare.assumes == ("nothing about its quality, which is not measured",)


def test_a_split_takes_no_time_and_a_window_is_said():
    """Nothing is waited for in its shadow; the plan counts days as if a weight could rise at any hour."""
    found = planned("mode: split\nadvance: {days: mon-fri}", stages="[30%]")

    assert (at(found, "shadow").days, found.days) == (0.0, 0.0)
    assert found.assumes == (
        "nothing: a fixed split, uncertified",
        "that it may rise at any time, which it may only within mon-fri 0:00-24:00 UTC",
    )


def test_several_candidates_take_longer():
    """Quality needs more in the shadow, where one of them is picked, and what else is needed stays; it is said."""
    rules = decision_rules(policy(), READY)
    alone = plan(None, (policy(), rules), BUSY)
    among = plan(None, (policy(), rules), BUSY, among=4)

    assert units(among, "shadow", "quality") == pytest.approx(1.29 * (units(alone, "shadow", "quality") or 0), abs=1)
    assert units(among, "shadow", "errors") == units(alone, "shadow", "errors")
    assert units(among, "25%", "quality") == units(alone, "25%", "quality")
    assert any("one good candidate among 4: quality takes 1.29 times" in each for each in among.assumes)
    assert not any("among" in each for each in alone.assumes)


def test_a_plan_says_what_people_have_to_label():
    """Where the judge's bias is limited, how many pairs and where; else nothing of people."""
    assert planned().labels == ""
    assert "people label about " in planned("guards: {judge_bias: 20%}").labels
    assert "`crossfade label ROUTE --pool judged`" in planned("guards: {judge_bias: 20%}").labels


def test_where_slices_move_alone_the_first_of_them_is_planned_for():
    """The shadow asks for nothing else of quality; its calls are counted for it, and what was seen counts more."""
    partly = "slices: {by: tool, mode: partial}"
    found = planned(partly)
    needs = {need.gate: need.units for need in at(found, "shadow").needs}

    assert needs["first slice"] == 1935
    assert "quality" not in needs
    assert units(found, "25%", "quality") == units(planned(), "25%", "quality")
    assert at(found, "shadow").calls.repeats == needs["first slice"]
    assert found.repeats.startswith("about 1,935 repeat calls of the baseline")
    seen = StageProgress(0, "shadow", 500, 3600.0, {"quality@tool=a": 400}, {"quality@tool=a": 20})
    assert units(planned_on(seen, partly), "shadow", "first slice") == 100
