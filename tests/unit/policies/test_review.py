"""One look at everything: gates, guards, detectors and the conditions around them."""

import math
from dataclasses import replace

import pytest

from policies.histograms import WHOLE, latency_edge
from policies.readings import gates_of
from policies.results import Noise
from policies.review import Conditions, key_of, review
from policies.rollout import Rollout, start
from policies.rules import Gates, Held, Latency, Quality
from policies.terms import Owner, Phase, Verdict
from tests.rooms.pair_events import KEY, RULES, evidence, filled, own, pair

CANARY = replace(start(RULES), phase=Phase.CANARY, stage=1)


def test_evidence_is_keyed_by_where_the_rollout_stands():
    """Route, candidate, attempt, weight and epoch come from the rollout."""
    key = key_of(replace(CANARY, attempt=3, epoch=2))
    assert (key.route, key.candidate, key.attempt, key.weight_ppm, key.epoch) == ("triage", KEY.digest, 3, 10_000, 2)


def test_a_review_looks_at_every_gate_guard_and_detector():
    """Nothing a policy has is left out, and the units are the stage's."""
    found = filled([pair(f"u{i}", q=1.0, ttft_candidate_s=0.1, valid_candidate=True) for i in range(30)])
    results = review(found, start(RULES), now=0.0, seen=Conditions())
    assert [gate.gate for gate in results.gates] == ["quality", "validity", "errors", "latency"]
    assert len(results.gates) == len(gates_of(RULES.gates))
    assert [alarm.detector for alarm in results.alarms] == ["errors", "latency", "quality", "validity"]
    assert (len(results.guards), results.units) == (18, 30)
    assert (results.fault, results.unhealthy, results.latency_s, results.latency_of) == (None, None, None, "")
    assert results.gates[0].verdict is Verdict.PASS
    assert results.gates[0].lower is not None
    assert review(found, start(RULES), now=0.0, seen=Conditions(), bounds=False).gates[0].lower is None


def test_the_noise_floor_is_told_and_decides_nothing():
    """Means and their counts; None where nothing was compared. No gate, guard or alarm looks at them."""
    told = review(
        filled([pair("a", agree=0.5, agree_again=0.875), pair("b", agree=1.0)]),
        start(RULES), now=0.0, seen=Conditions(),
    )  # fmt: skip
    silent = review(filled([pair("a"), pair("b")]), start(RULES), now=0.0, seen=Conditions())
    assert told.noise == Noise(2, 0.75, 1, 0.875)
    assert silent.noise == Noise(0, None, 0, None)
    assert replace(told, noise=Noise()) == silent


def test_conditions_are_passed_on():
    """What the controller knows stands beside what the evidence says."""
    results = review(
        evidence(), start(RULES), now=0.0, seen=Conditions(unhealthy="breaker open", fault="judge crashed")
    )
    assert (results.unhealthy, results.fault) == ("breaker open", "judge crashed")


@pytest.mark.parametrize(
    ("now", "watermark_at", "fault"),
    [
        (1000.0, None, None),
        (1000.0, 400.0, None),
        (1000.0, 399.0, "the comparisons are 601 s behind the traffic, and 600 s are allowed"),
        (1000.0, 1060.0, None),
        (1000.0, 1061.0, "the comparisons are -61 s behind the traffic, and 600 s are allowed"),
        (1000.0, math.nan, "the comparisons are nan s behind the traffic, and 600 s are allowed"),
        (math.nan, None, "the clock gives no number"),
        (math.inf, 1000.0, "the clock gives no number"),
    ],
)
def test_stale_evidence_is_a_fault(now: float, watermark_at: float | None, fault: str | None):
    """Evidence from too long ago, or from the future, is not looked at."""
    assert review(evidence(), start(RULES), now=now, seen=Conditions(watermark_at=watermark_at)).fault == fault


def test_in_the_shadow_an_alarm_lasts_as_long_as_its_cause():
    """A hiccup of the candidate blocks while it stands; in the canary having alarmed is enough."""
    events = [pair(f"u{i}", float(i), error_candidate=i < 5) for i in range(400)]
    for rollout, raised in ((start(RULES), False), (CANARY, True)):
        found = filled(events, weight_ppm=rollout.at.weight_ppm)
        alarm = review(found, rollout, now=0.0, seen=Conditions()).alarms[0]
        assert (alarm.detector, alarm.raised, alarm.limit) == ("errors", raised, 4.0)
        assert (alarm.log10_m >= 4) is raised
        assert alarm.reason.endswith(f"of 4.00 after 400 requests, tolerance 0.02: {'alarm' if raised else 'quiet'}")


def test_an_alarm_is_raised_at_its_average_run_length():
    """Exactly at the height of the run length, and not before."""
    found = evidence(weight_ppm=10_000)
    found.observe(own(Owner.CANDIDATE, error_candidate=True))
    height = found.detectors["errors"].height

    def raised(arl: float) -> bool:
        rollout = replace(CANARY, settings=replace(CANARY.settings, arl=arl))
        return review(found, rollout, now=0.0, seen=Conditions()).alarms[0].raised

    assert raised(height)
    assert not raised(height + 1e-6)


def test_a_quiet_detector_reads_nought():
    """Heights below one are told as a power of nought."""
    found = evidence(weight_ppm=10_000)
    found.observe(own(Owner.CANDIDATE))
    assert review(found, CANARY, now=0.0, seen=Conditions()).alarms[0].log10_m == 0.0


@pytest.mark.parametrize(
    ("latency", "units", "limit"),
    [
        (Latency(warmup=0), 1000, latency_edge(0)),
        (Latency(warmup=0), 999, None),
        (Latency(warmup=0, freeze_units=10, ratio=2.0), 10, latency_edge(0)),
        (Latency(warmup=0, measure="total"), 1000, None),
        (Latency(warmup=0, limit_s=0.8), 1000, None),
        (None, 1000, None),
    ],
)
def test_the_baselines_latency_is_offered_once_it_is_known(latency: Latency | None, units: int, limit: float | None):
    """The quantile of its first units; a limit of the app's own needs none, and another measure has its own."""
    found = evidence(replace(RULES, gates=Gates(latency=latency)))
    found.histograms["ttft_baseline"] = {0: units * WHOLE}
    assert review(found, start(RULES), now=0.0, seen=Conditions()).latency_s == limit


def test_no_units_freeze_no_limit():
    """A policy that would freeze on nothing gets no limit."""
    found = evidence(replace(RULES, gates=Gates(latency=Latency(freeze_units=0))))
    assert review(found, start(RULES), now=0.0, seen=Conditions()).latency_s is None


def test_what_is_frozen_is_the_quantile_of_one_measure():
    """It is told with what it is a quantile of."""
    found = evidence(replace(RULES, gates=Gates(latency=Latency(measure="total", quantile=0.5, freeze_units=1))))
    found.histograms["total_baseline"] = {0: WHOLE}
    assert review(found, start(RULES), now=0.0, seen=Conditions()).latency_of == "total p50"


def test_the_rollouts_frozen_limit_and_budgets_reach_the_gates():
    """What the rollout has decided before is what its gates are judged by."""
    rules = replace(RULES, gates=Gates(latency=Latency(warmup=0)))
    found = evidence(rules, 10_000)
    found.histograms["ttft_candidate"] = {0: 400 * WHOLE}
    rollout: Rollout = replace(CANARY, held=Held(latency_s=2.0, latency_of="ttft p95"))
    assert review(found, rollout, now=0.0, seen=Conditions()).gates[-1].verdict is Verdict.PASS
    other: Rollout = replace(CANARY, held=Held(latency_s=2.0, latency_of="total p95"))
    assert review(found, other, now=0.0, seen=Conditions()).gates[-1].verdict is Verdict.INCONCLUSIVE


def test_slices_stand_beside_the_gates_and_settle_with_them():
    """All must be certified before the baseline is asked less often."""
    gates = replace(RULES.gates, quality=Quality(likeness=True), slices=("language",))
    rules = replace(RULES, gates=gates)
    good = [
        pair(f"u{n}", n, agree=1.0, agree_again=0.9, agree_cross=1.0, again=True, slices=("language=german",))
        for n in range(400)
    ]
    bad = [replace(each, unit=f"x{each.unit}", slices=("language=dutch",), agree=0.8, agree_cross=0.8) for each in good]
    one, two = (
        review(filled(each, rules), start(rules), now=0.0, seen=Conditions()) for each in (good, good + bad[:60])
    )

    assert [gate.gate for gate in one.gates if "@" in gate.gate] == ["quality@language=german"]
    assert one.settled_ppm == 0
    assert [gate.gate for gate in two.gates if "@" in gate.gate] == [
        "quality@language=dutch",
        "quality@language=german",
    ]
    assert two.settled_ppm is None


def test_labels_are_no_evidence_of_a_stage():
    """What people say of the judge is known beside the evidence, and reaches its guard in whatever stage."""
    rules = replace(RULES, guards=replace(RULES.guards, judge_bias=0.2))
    for labels, verdict in (({}, Verdict.INCONCLUSIVE), ({0: 400}, Verdict.PASS)):
        found = review(evidence(rules), start(rules), now=0.0, seen=Conditions(labels=labels))
        assert [each.verdict for each in found.guards if each.guard == "judge_bias"] == [verdict]
