"""What a plan takes for granted, and says."""

from dataclasses import replace

from policies.assumptions import assumed
from tests.rooms.policy_files import rules

JUDGED = "[{judge: {upstream: claude, model: j, sample: 100%}}]"


def test_an_ordinary_policy_assumes_nothing_that_is_not_usual():
    """That both are equal goes without saying."""
    assert list(assumed(rules(), 0.4)) == []


def test_what_is_not_usual_is_said():
    """A demand to be better, slices, hours; a split alone assumes nothing of quality."""
    found = rules(
        "gates: {quality: {margin: -2%}}\nslices: {by: [language, length]}\nadvance: {days: fri}", compare=JUDGED
    )

    better, alike, hours = assumed(found, 0.4)
    assert better == "judge scores it 0.04 better; one that is only as good never passes"
    assert alike.startswith("that slices by language, length are alike; one of 5% of the traffic needs about 1")
    assert hours == "that it may rise at any time, which it may only within fri 0:00-24:00 UTC"
    assert list(assumed(rules("mode: split", stages="[5%]"), 0.4)) == ["nothing: a fixed split, uncertified"]
    assert list(assumed(rules("gates: {quality: off}"), 0.4)) == ["nothing about its quality, which is not measured"]


def test_a_limit_as_tight_as_failures_may_be_often_says_what_they_do_to_it():
    """A p99 leaves room for one request in a hundred, and failures use it up; a p95 does not say so."""
    (said,) = assumed(rules("gates: {latency: {ttft_p95: 1s, total_p99: 9s}}"), 0.4)

    assert said.startswith("for latency:total_p99 (total p99) that next to nothing fails")
    assert "with 0.30% of failures it takes about 11,2" in said
    assert "with 0.60% it never passes" in said


def test_slices_that_move_alone_are_planned_for():
    """When the first of them moves, of few and of many."""
    (said,) = assumed(rules("slices: {by: tool, mode: partial}", compare=JUDGED), 0.4)

    assert said == (
        "that slices by tool are alike; the first of 5 moves after about 1,935 units of all, of 20 after about 6,240 "
        "units of all"
    )
    stated = rules("slices: {by: tool, mode: partial}", compare=JUDGED)
    assert stated.gates.quality is not None
    strict = replace(stated, gates=replace(stated.gates, quality=replace(stated.gates.quality, margin=0.0)))
    (never,) = assumed(strict, 0.4)
    assert "moves after no number of units" in never
