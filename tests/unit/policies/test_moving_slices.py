"""Slices that move alone: e-Holm certifies them one after the other, and what they have shown goes on."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.evidence import Evidence
from policies.explain import decode, encode, record, replay
from policies.moving_slices import SlicesFound, first_slice_units, holm, judged_slices
from policies.readings import Look
from policies.review import Conditions, key_of, review
from policies.rollout import Rollout, start, step
from policies.rules import BETS, DAY_S, Gates, Guards, Held, Ladder, Quality, Rules, Stage
from policies.stats import units_needed
from policies.terms import Move, Owner, Phase, Verdict
from tests.rooms.pair_events import KEY, filled, pair

LADDER = Ladder((Stage(0, min_units=10), Stage(50_000), Stage(250_000)), moves_by="tool")
RULES = Rules(
    "r",
    KEY,
    Gates(Quality(), errors=None, latency=None, slices=("tool",)),
    Guards(outputs="observed"),
    ladder=LADDER,
    bets=BETS,
)
SHADOW = start(RULES)
LOOK = Look(bounds=False, bets=BETS)
names = st.sampled_from([f"tool={letter}" for letter in "abcdef"])


def of(rollout: Rollout = SHADOW, rules: Rules = RULES, **scores: tuple[float, int]) -> Evidence:
    """Evidence of so many units of each slice, all with one score."""
    events = [
        pair(f"{name}{n}", n, q=q, slices=(f"tool={name}",))
        for name, (q, count) in scores.items()
        for n in range(count)
    ]
    found = filled(events, rules)
    return replace(found, key=key_of(rollout))


def look(evidence: Evidence, rollout: Rollout = SHADOW) -> SlicesFound:
    return judged_slices(evidence, rollout, LOOK)


def test_the_first_takes_all_to_be_certified_the_last_one_alone():
    """L tested and not certified: the largest needs L/alpha, the next L - 1."""
    walls = [math.log(n / 0.05) for n in (1, 2, 3)]

    assert holm({"a": walls[2], "b": walls[1], "c": walls[0]}, 0.05, "abc") == ("a", "b", "c")
    assert holm({"a": walls[2] - 0.01, "b": walls[1], "c": walls[0]}, 0.05, "abc") == ()
    assert holm({"a": walls[2], "b": walls[1] - 0.01, "c": walls[0]}, 0.05, "abc") == ("a",)
    assert holm({"a": walls[2], "b": walls[2]}, 0.05, "b") == ("b",)
    assert holm({}, 0.05, ()) == ()


@given(st.dictionaries(names, st.floats(-5, 12), max_size=6), st.randoms())
def test_no_order_changes_what_is_certified(found: dict[str, float], shuffle):
    """Nor does it matter whether one looks once or at each step; and more evidence certifies no less."""
    turned = list(found.items())
    shuffle.shuffle(turned)
    once = holm(found, 0.05, found)
    rest = {name: value for name, value in found.items() if name not in once[:1]}

    assert set(holm(dict(turned), 0.05, found)) == set(once)
    assert {*once[:1], *(holm(rest, 0.05, rest) if once else ())} == set(once)
    assert set(holm({name: value + 1 for name, value in found.items()}, 0.05, found)) >= set(once)


def test_a_good_slice_is_certified_beside_a_bad_one():
    """By itself, at the whole's own margin; the bad one is no harm by that, and the whole is not asked."""
    evidence = of(good=(0.0, 400), bad=(-0.4, 400))
    results = review(evidence, SHADOW, now=0.0, seen=Conditions())
    gates = {gate.gate: gate for gate in results.gates}

    assert (results.drawn, results.joins) == (("tool=bad", "tool=good"), ("tool=good",))
    assert {name: gate.verdict for name, gate in gates.items()} == {
        "quality": Verdict.INCONCLUSIVE, "quality@tool=bad": Verdict.INCONCLUSIVE, "quality@tool=good": Verdict.PASS,
    }  # fmt: skip
    assert not any(gate.required for gate in gates.values())
    assert "50% of the units; alpha shared by 2" in gates["quality@tool=bad"].reason
    assert gates["quality@tool=good"].units_to_go == 0


def test_those_that_share_alpha_need_more():
    """A slice that is certified alone is not yet, where it shares with others."""
    n = next(n for n in range(50, 200) if look(of(a=(0.0, n))).joins)

    assert look(of(a=(0.0, n), b=(-0.05, n))).joins == ()
    moving = replace(SHADOW, drawn=("tool=a", "tool=b"), held=Held(moving=("tool=b",)))
    assert look(of(a=(0.0, n), b=(-0.05, n)), moving).joins == ("tool=a",)


def test_a_certified_slice_stays_so():
    """Whatever it shows later: what it does to apps is the whole's to see."""
    moving = replace(SHADOW, drawn=("tool=a", "tool=b"), held=Held(moving=("tool=a",)))
    found = look(of(a=(-0.5, 400), b=(-0.05, 9)), moving)

    assert {gate.gate: gate.verdict for gate in found.gates}["quality@tool=a"] is Verdict.PASS
    assert "certified by itself, and stays so" in found.gates[0].reason
    assert found.joins == ()


def test_slices_are_drawn_once():
    """After the stage's least units and whole days; `other` is none, and what comes later has no test of its own."""
    assert look(of(a=(0.0, 9))).drawn == ()
    assert "not drawn yet" in look(of(a=(0.0, 9))).gates[0].reason
    assert look(of(a=(0.0, 9), other=(0.0, 400))).drawn == ("tool=a",)

    days = replace(SHADOW, ladder=replace(LADDER, stages=(Stage(0, min_units=10, days=1), *LADDER.stages[1:])))
    assert look(of(a=(0.0, 400)), days).drawn == ()
    assert look(of(a=(0.0, 400)), replace(days, lived_s=DAY_S)).joins == ("tool=a",)
    assert look(of(a=(0.0, 400)), days).gates[0].verdict is Verdict.PASS  # and so held at the first day's end

    found = look(of(a=(0.0, 9), late=(0.0, 400), other=(0.0, 400)), replace(SHADOW, drawn=("tool=a",)))
    assert found.joins == ()
    told = {gate.gate: gate for gate in found.gates}
    for name in ("late", "other"):
        assert "stays with the baseline" in told[f"quality@tool={name}"].reason
        assert told[f"quality@tool={name}"].units_to_go is None


def test_a_slice_must_hold_at_the_end_of_the_last_whole_day():
    """As every gate must; another that did is not kept back by it."""
    drawn = replace(SHADOW, drawn=("tool=a", "tool=b"), held_at_day=("quality@tool=b",))

    assert look(of(a=(0.0, 400), b=(0.0, 400)), drawn).joins == ("tool=b",)
    assert look(of(a=(0.0, 400)), drawn).joins == ()


def test_the_weakest_of_several_gates_speaks_for_a_slice():
    """All of them at its own alpha."""
    gates = replace(RULES.gates, also_quality=(Quality(metric="judge", name="quality:judge"),))
    rules = replace(RULES, gates=gates)
    evidence = of(rules=rules, a=(0.0, 400))

    assert look(evidence).joins == ()
    evidence.histograms["quality:judge@tool=a"] = dict(evidence.histograms["quality@tool=a"])
    assert look(evidence).joins == ("tool=a",)


def test_what_a_slice_has_shown_goes_on_from_stage_to_stage():
    """With what its users weigh; another attempt begins with nothing, and so does all that is of one stage."""
    rules = replace(RULES, units=replace(RULES.units, rho_users=0.3))
    evidence = filled([pair("u", n * 1e5, q=0.0, slices=("tool=a",), user="ann") for n in range(3)], rules)
    canary = replace(start(rules), stage=1, phase=Phase.CANARY)
    after = evidence.next(key_of(canary), rules)

    assert after.histograms == {"quality@tool=a": {0: 3}}
    assert after.weighted == {"quality@tool=a": evidence.weighted["quality@tool=a"]}
    assert after.clusters_of_all == {"user ann": 3}
    assert (after.counts, after.clusters) == ({}, {})
    assert evidence.next(replace(key_of(canary), attempt=2), rules).histograms == {}
    after.observe(pair("u", 9e5, q=0.0, slices=("tool=a",), user="ann", stays=True))
    after.close_all()
    assert after.histograms["quality@tool=a"] == {0: 4}
    assert after.clusters_of_all == {"user ann": 4}


def test_what_stays_speaks_for_its_slice_alone():
    """With traffic, what a slice that is not certified shows counts nowhere in the stage's own gates."""
    rules, key = RULES, replace(key_of(SHADOW), weight_ppm=50_000)
    found = Evidence(key, rules)
    found.observe(pair("stays", 1.0, q=-1.0, slices=("tool=b",), stays=True))
    found.observe(pair("moves", 2.0, q=0.5, slices=("tool=a",)), Held(moving=("tool=a",)))
    found.close_all()

    assert found.count("units") == found.count("units_baseline") == 1
    assert found.histograms["quality"] == {100: 1}
    assert {name for name in found.histograms if "@" in name} == {"quality@tool=a", "quality@tool=b"}
    assert found.count("requests") == found.count("pairs") == 2


def test_a_conversation_is_a_unit_in_each_of_its_slices():
    """Its requests of one slice are averaged; what the candidate answered itself certifies no slice."""
    found = filled(
        [pair("u", 1.0, q=1.0, slices=("tool=a",)), pair("u", 2.0, q=0.0, slices=("tool=a",)),
         pair("u", 3.0, q=-1.0, slices=("tool=b",)), pair("v", 4.0, q=1.0, owner=Owner.CANDIDATE, slices=("tool=a",))],
        RULES,
    )  # fmt: skip

    assert found.histograms["quality@tool=a"] == {100: 1}
    assert found.histograms["quality@tool=b"] == {-200: 1}
    assert found.count("units") == 3


def test_only_what_moves_can_alarm_by_its_quality():
    """Lost answers of a slice that stays are no reason to take traffic from the others; failures are, anywhere."""
    held = Held(moving=("tool=a",))
    bad = [pair(f"u{n}", n, q=-1.0, error_candidate=True, slices=("tool=b",)) for n in range(9)]
    moves = [pair(f"v{n}", n, q=-1.0, slices=("tool=a",)) for n in range(9)]
    found = Evidence(key_of(SHADOW), RULES)
    for event in bad:
        found.observe(event, held)
    assert sorted(found.detectors) == ["errors"]
    for event in moves:
        found.observe(event, held)

    assert found.detectors["quality"].n == 9


def test_every_decision_is_made_again_from_its_record():
    """A slice that joins, bit for bit."""
    evidence, seen = of(good=(0.0, 400), bad=(-0.4, 400)), Conditions()
    decision = step(SHADOW, review(evidence, SHADOW, now=5.0, seen=seen), now=5.0)
    kept = decode(encode(record(decision, evidence, seen, version="x")))

    assert (decision.move, decision.rollout.held.moving) == (Move.JOIN, ("tool=good",))
    assert replay(kept) == decision


@pytest.mark.parametrize(("count", "units"), [(5, 2000), (20, 6200)])
def test_the_plan_knows_when_the_first_slice_moves(count: int, units: int):
    """As decisions-2, ruling 8 B, has it: within 15 %; where none could ever be, no number."""
    found = first_slice_units(RULES, 0.4, count)

    assert found is not None
    assert abs(found / units - 1) < 0.15
    better = replace(RULES, gates=Gates(Quality(margin=0.0)))
    assert first_slice_units(better, 0.4, count) is None
    assert first_slice_units(replace(RULES, gates=Gates(None)), 0.4, count) is None


def test_sharing_alpha_takes_longer_by_its_logarithm():
    """Alone nothing changes; each that shares adds less than the one before."""
    alone, two, three = (units_needed(0.4, 0.05, bets=BETS, alpha=0.05 / n) or 0 for n in (1, 2, 3))

    assert alone == units_needed(0.4, 0.05, bets=BETS)
    assert alone < two < three
    assert three - two < two - alone
