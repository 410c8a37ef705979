"""Evidence: units, intention to treat, the watermark, and counts that no order or split can change."""

import copy
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import clusters, names
from policies import evidence as module
from policies.bursts import Bursts
from policies.detectors import Detector
from policies.events import AlsoScored, PairEvent
from policies.evidence import Evidence, EvidenceKey
from policies.guards import watch
from policies.histograms import MICRO, WHOLE, latency_bin
from policies.names import OTHERS, TOLD, most_common
from policies.rules import Detectors, Gates, Guards, Held, Latency, Quality, Rules, Units
from policies.terms import Owner, Verdict
from tests.rooms.pair_events import KEY, RULES, answer, evidence, filled, own, pair

NAN = float("nan")


def test_a_key_names_all_that_separates_evidence():
    """Route, candidate, attempt, weight and epoch each make another name in a store."""
    key = EvidenceKey("r", "abc", 2, 50_000, 1)
    assert key.field("quality") == "r:abc:2:50000:1:quality"


def test_an_alarm_begins_detectors_afresh_and_nothing_else():
    """Another watch of the same stage keeps all counts and open conversations; another stage, attempt or epoch none."""
    found = evidence()
    for at in range(5):
        found.observe(pair(f"u{at}", float(at), error_candidate=True))
    suspended = found.next(replace(found.key, watch=1), RULES)
    assert (suspended.counts, suspended.open, suspended.requests) == (found.counts, found.open, found.requests)
    assert (suspended.detectors, suspended.key.is_trial, found.key.is_trial) == ({}, True, False)
    for other in ({"epoch": 1}, {"attempt": 2}, {"weight_ppm": 50_000, "watch": 2}):
        assert found.next(replace(found.key, **other), RULES).counts == {}


def test_a_trial_is_heard_by_detectors_alone_and_what_was_served_before_by_counts_alone():
    """Neither takes the other's place; a background answer's slowness counts in a trial as in the shadow."""
    rules = replace(RULES, gates=replace(RULES.gates, latency=Latency(limit_s=1.0)))
    found = Evidence(EvidenceKey("r", "k", 1, 50_000, watch=1), rules)
    found.observe(pair("a", ttft_candidate_s=9.0, heard="trial"))
    assert (found.counts, found.requests, found.open) == ({}, {}, {})
    assert {name: detector.n for name, detector in found.detectors.items()} == {"errors": 1, "quality": 1, "latency": 1}
    found.observe(own(Owner.CANDIDATE, "b", error_candidate=True, heard="earlier"))
    assert (found.count("requests"), found.detectors["errors"].n) == (1, 1)


def test_a_trial_hears_answers_with_nothing_in_them():
    """Beside a baseline that says something; where it says nothing either, and outside a trial, nobody is told."""
    rules = replace(RULES, detectors=Detectors(empty=0.05))
    words, nothing = answer("a"), answer("", "empty")
    found = Evidence(EvidenceKey("r", "k", 1, 50_000, watch=1), rules)
    for at in range(200):
        alike = nothing if at % 3 else words
        found.observe(pair(f"u{at}", at, output_candidate=alike, output_baseline=alike, heard="trial"))
    assert found.detectors["empty"].n == 200
    assert found.detectors["empty"].peak < 300
    for at in range(12):
        found.observe(pair(f"v{at}", at, output_candidate=nothing, output_baseline=words, heard="trial"))
    assert found.detectors["empty"].peak > 10_000
    assert "empty" not in filled([pair(output_candidate=nothing, output_baseline=words)], rules).detectors


def test_how_often_the_baseline_says_nothing_goes_on_from_stage_to_stage():
    """Whoever serves is held to it from its first request on; of another baseline nothing is known."""
    nothing = answer("", "empty")
    found = filled([pair(f"u{n}", n, output_candidate=nothing, output_baseline=nothing) for n in range(900)])
    later = found.next(replace(found.key, weight_ppm=50_000), RULES)
    assert later.empty.rate > 0.99
    later.judge_by(replace(RULES, key=replace(RULES.key, baseline="another")))
    assert later.empty.rate == 0


@pytest.mark.parametrize(
    ("ours", "theirs", "is_alarm"), [(0.1, 0.1, False), (0.6, 0.1, True), (0.0, 0.0, False), (0.1, 0.0, True)]
)
def test_forms_that_the_baseline_breaks_as_often_alarm_nobody(ours: float, theirs: float, *, is_alarm: bool):
    """Each breaks them in requests of its own: what is usual of the baseline is excused in every stage, and no more."""
    rules = replace(RULES, detectors=Detectors(baseline_excused=True))
    rng = np.random.default_rng([18, 60])
    shadow = evidence(rules)
    for n in range(600):
        shadow.observe(pair(f"s{n}", n, valid_candidate=True, valid_baseline=bool(rng.random() >= theirs)))
    found = shadow.next(replace(shadow.key, weight_ppm=50_000), rules)
    for n in range(600, 2600):
        found.observe(own(Owner.CANDIDATE, f"c{n}", n, valid_candidate=bool(rng.random() >= ours)))
        found.observe(pair(f"b{n}", n, valid_candidate=True, valid_baseline=bool(rng.random() >= theirs)))
    assert (max(each.detectors["validity"].peak for each in (shadow, found)) >= 10_000) is is_alarm
    before = evidence(replace(RULES, detectors=Detectors()), 50_000)
    for n in range(2000):
        before.observe(own(Owner.CANDIDATE, f"c{n}", n, valid_candidate=bool(n % 10)))
    assert before.detectors["validity"].peak >= 10_000
    found.judge_by(replace(rules, key=replace(RULES.key, baseline="another")))
    assert found.invalid.rate == 0


@pytest.mark.parametrize(("ours", "theirs", "is_alarm"), [(0.04, 0.04, False), (0.5, 0.04, True), (0.04, 0.0, True)])
def test_failures_that_the_baseline_has_as_often_alarm_nobody(ours: float, theirs: float, *, is_alarm: bool):
    """In the shadow, too, where each fails requests that the other answers."""
    rng = np.random.default_rng([18, 61])
    events = [
        pair(f"u{n}", n, error_candidate=bool(rng.random() < ours), error_baseline=bool(rng.random() < theirs))
        for n in range(4000)
    ]
    found = [
        filled(events, replace(RULES, detectors=Detectors(baseline_excused=each))).detectors["errors"].peak >= 10_000
        for each in (True, False)
    ]
    assert found == [is_alarm, True]


def test_a_conversation_counts_once_by_its_mean():
    """Four requests of one unit make one unit; two units make two."""
    found = filled([pair("a", at, q=q) for at, q in enumerate((1.0, 1.0, 0.0, 0.0))] + [pair("b", q=-1.0)])
    assert found.histogram("quality") == {100: 1, -200: 1}
    assert (found.count("units"), found.count("units_baseline"), found.count("pairs")) == (2, 2, 5)
    assert found.requests == {"a": 4, "b": 1}


@pytest.mark.parametrize(
    ("changed", "quality", "errors", "validity"),
    [
        ({"q": 0.5, "valid_candidate": True}, 100, 0, 0),
        ({"q": 0.5, "valid_candidate": False}, 100, 0, -200),
        ({"q": 0.5, "valid_candidate": True, "valid_baseline": False}, 100, 0, 200),
        ({"q": 0.5, "valid_candidate": True, "valid_baseline": True}, 100, 0, 0),
        ({"q": None, "error_candidate": True}, -200, -200, None),
        ({"q": 1.0, "error_candidate": True}, -200, -200, None),
        ({"q": None, "dropped": True}, -200, 0, None),
        ({"q": 1.0, "error_baseline": True}, None, 200, None),
        ({"q": None, "error_baseline": True, "error_candidate": True}, None, 0, None),
        ({"q": None, "abstained": True}, 0, 0, None),
        ({"q": None}, None, 0, None),
        ({"q": NAN}, None, 0, None),
        ({"q": 1.5}, None, 0, None),
        ({"q": 0.5, "p_sample": 0.0}, None, 0, None),
        ({"q": 0.5, "p_sample": NAN}, None, 0, None),
        ({"q": 0.5, "p_sample": 2.0}, None, 0, None),
    ],
)
def test_intention_to_treat(changed: dict[str, object], quality: int | None, errors: int, validity: int | None):
    """A failed or lost candidate is a loss, a failed baseline excuses, an abstention ties; no number is no evidence."""
    found = filled([pair(**changed)])
    assert list(found.histogram("quality")) == ([] if quality is None else [quality])
    assert list(found.histogram("errors")) == [errors]
    assert list(found.histogram("validity")) == ([] if validity is None else [validity])


@pytest.mark.parametrize(("formal", "validity"), [(4, [0, -200]), (2, [0, -100]), (0, [])])
def test_a_failure_breaks_the_form_of_those_answers_that_have_one(formal: int, validity: list[int]):
    """As bad as a wrong form, in the share of answers that have one to keep to; of none, it is no word on validity: ten
    failures among thousands of answers without a form looked like a candidate that never keeps one.
    """
    forms = [pair(f"u{i}", valid_candidate=True if i < formal else None) for i in range(4)]
    found = filled([*forms, pair("failed", at=1.0, q=None, error_candidate=True)])
    assert sorted(found.histogram("validity"), reverse=True) == validity


@pytest.mark.parametrize(
    ("changed", "counter"),
    [
        ({"dropped": True}, "dropped"),
        ({"abstained": True}, "abstained"),
        ({"q": None}, "unscored"),
        ({"q": NAN}, "unscored"),
    ],
)
def test_what_goes_wrong_in_measuring_is_counted(changed: dict[str, object], counter: str):
    """Losses, abstentions and absent scores each have their counter."""
    found = filled([pair(**changed), pair("v")])
    assert found.count(counter) == 1
    assert sum(found.count(name) for name in ("dropped", "abstained", "unscored")) == 1


def test_a_pair_that_left_no_trace_is_missing_and_nobodys_loss():
    """What was drawn and never heard of counts among the drops; the candidate neither failed nor scored."""
    found = filled([pair("u", error_candidate=None, dropped=True), pair("v")])
    assert (found.count("pairs"), found.count("dropped")) == (2, 1)
    assert (sum(found.histogram("quality").values()), found.detectors["errors"].n) == (1, 1)


def test_a_burst_of_drops_is_no_alarm():
    """Pairs lost in a full queue are losses to the certificates, and feed no quality detector."""
    found = filled([pair(f"u{number}", dropped=True) for number in range(100)])
    assert sum(found.histogram("quality").values()) == 100
    assert "quality" not in found.detectors


@pytest.mark.parametrize(
    "changed", [{"error_candidate": True}, {"error_baseline": True}, {"dropped": True}, {"abstained": True}]
)
def test_a_pair_that_cannot_have_a_score_is_not_missing_one(changed: dict[str, object]):
    """Only answers that were both there can lack a verdict."""
    assert filled([pair(q=None, **changed)]).count("unscored") == 0
    unscored = Rules("r", KEY, Gates(quality=None))
    assert filled([pair(q=None)], unscored).count("unscored") == 0


def test_sampled_scores_are_weighted_within_the_scale():
    """A score drawn with probability p weighs 1/p, and the histogram keeps it as a part of the gate's scale."""
    rules = replace(RULES, gates=Gates(quality=Quality(scale=4.0)))
    found = filled([pair("a", q=0.5, p_sample=0.25), pair("b", q=0.0), pair("c", error_candidate=True)], rules)
    assert found.histogram("quality") == {100: 1, 0: 1, -50: 1}
    assert filled([pair(q=-1.0, p_sample=0.1)], rules).histogram("quality") == {-200: 1}
    assert found.detectors["quality"].tolerance == 0.05 / 4


def test_each_arm_counts_its_own_errors_and_the_candidates_pairs_apart():
    """In the canary a unit belongs to the variant it was assigned to."""
    events = [
        own(Owner.CANDIDATE, "a", error_candidate=True),
        own(Owner.CANDIDATE, "b"),
        own(Owner.BASELINE, "c"),
        pair("d", owner=Owner.CANDIDATE, q=0.25),
        PairEvent("e", 0.0),
    ]
    found = filled(events, weight_ppm=250_000)
    assert found.histogram("errors_candidate") == {200: 1, 0: 2}
    assert found.histogram("errors_baseline") == {0: 1}
    assert found.histogram("quality_owned") == {50: 1}
    assert found.histogram("quality") == {}
    assert (found.count("units_candidate"), found.count("units_baseline")) == (3, 2)
    assert (found.count("paired_candidate"), found.count("paired_baseline")) == (1, 0)


def test_latency_is_what_apps_feel():
    """The mirror tells latency in the shadow; in the canary each arm tells its own, shared by its requests."""
    timed = pair(ttft_candidate_s=0.5, ttft_baseline_s=1.0)
    assert set(filled([timed]).histogram("ttft_candidate")) == {latency_bin(0.5)}
    canary = filled([timed, replace(timed, at=1.0, ttft_baseline_s=2.0)], weight_ppm=10_000)
    assert canary.histogram("ttft_candidate") == {}
    assert canary.histogram("ttft_baseline") == {latency_bin(1.0): WHOLE // 2, latency_bin(2.0): WHOLE // 2}
    owned = filled([replace(timed, owner=Owner.CANDIDATE)], weight_ppm=10_000)
    assert owned.histogram("ttft_candidate") == {latency_bin(0.5): WHOLE}
    assert owned.histogram("ttft_baseline") == {}


@pytest.mark.parametrize("seconds", [None, NAN, float("inf"), -1.0])
def test_no_time_is_no_latency(seconds: float | None):
    """A latency that was not measured, or is none, is left out."""
    found = filled([pair(ttft_candidate_s=seconds)])
    assert found.histogram("ttft_candidate") == {}
    assert "latency" not in found.detectors


def test_total_latency_is_measured_where_the_policy_says_so():
    """The gate names which of the two times it means; without the gate none is kept."""
    event = pair(total_candidate_s=3.0, total_baseline_s=2.0, ttft_candidate_s=0.1)
    rules = replace(RULES, gates=Gates(latency=Latency(measure="total", warmup=0)))
    assert set(filled([event], rules).histogram("total_candidate")) == {latency_bin(3.0)}
    assert set(filled([event], rules).histogram("total_baseline")) == {latency_bin(2.0)}
    assert set(filled([event], rules).histograms) == {"quality", "errors", "total_candidate", "total_baseline",
                                                      "errors_baseline"}  # fmt: skip
    assert not filled([event], replace(RULES, gates=Gates(latency=None))).histogram("ttft_candidate")


def test_an_edited_tolerance_counts_from_the_next_request_on():
    """The detector keeps its height, and is fed by the new tolerance."""
    found = evidence()
    for _ in range(3):
        found.observe(pair(error_candidate=True))
    before = found.detectors["errors"]
    found.rules = replace(RULES, detectors=Detectors(errors=0.5))
    found.observe(pair(error_candidate=True))
    assert found.detectors["errors"] == replace(before, tolerance=0.5).after(1.0)


def test_the_first_units_only_warm_up():
    """A stage's first units, in the order in which they close, leave no latency on either side."""
    rules = replace(RULES, gates=Gates(latency=Latency(warmup=2)))
    events = [pair(f"u{i}", float(i), ttft_candidate_s=float(i + 1)) for i in range(4)]
    assert set(filled(events, rules).histogram("ttft_candidate")) == {latency_bin(3.0), latency_bin(4.0)}


def test_costs_add_up():
    """Sums in billionths of a dollar; a pair without both prices does not count."""
    found = filled(
        [
            pair("a", cost_candidate_usd=0.002, cost_baseline_usd=0.01),
            pair("b", cost_candidate_usd=0.004, cost_baseline_usd=0.02),
            pair("c", cost_candidate_usd=None, cost_baseline_usd=0.02),
            pair("d", cost_candidate_usd=0.1),
            pair("e", cost_candidate_usd=NAN, cost_baseline_usd=0.02),
        ]
    )
    assert (found.count("cost_n"), found.count("cost_candidate"), found.count("cost_baseline")) == (
        2,
        6_000_000,
        30_000_000,
    )
    assert found.count("cost_candidate2") == (4 + 16) * 10**12 // 10**6
    assert found.count("cost_baseline2") == (100 + 400) * 10**12 // 10**6
    assert found.count("cost_product") == (20 + 80) * 10**12 // 10**6


def test_outputs_are_counted_in_pairs():
    """Distinct answers, flags and length ratios need both sides."""
    found = filled(
        [
            pair("a", output_candidate=answer("xx", "refusal"), output_baseline=answer("x")),
            pair("b", output_candidate=answer("xx"), output_baseline=answer("y", "loop")),
            pair("c", output_candidate=answer("z")),
            pair("d", output_baseline=answer("z")),
            pair("e", output_candidate=answer("xx"), output_baseline=answer("")),
        ]
    )
    assert found.outputs_candidate == {"xx": 3}
    assert found.outputs_baseline == {"x": 1, "y": 1, "": 1}
    assert (found.count("outputs"), found.count("refusal_candidate"), found.count("loop_baseline")) == (3, 1, 1)
    assert found.histogram("length_ratio") == {latency_bin(2.0): 2 * WHOLE}


def test_the_baselines_own_failures_are_counted():
    """Every request the baseline was asked counts, in pairs and alone; the candidate's own do not."""
    found = filled([pair(error_baseline=True), own(Owner.BASELINE), own(Owner.CANDIDATE, error_candidate=True)])
    assert (found.count("baseline_asked"), found.count("baseline_failed")) == (2, 1)


def test_hidden_controls_are_no_evidence_of_the_candidate():
    """They count for the judge alone."""
    found = filled([pair(control=True, q=-1.0), pair(control=False)])
    assert (found.count("controls"), found.count("controls_failed"), found.count("requests")) == (2, 1, 0)
    assert found.histogram("quality") == {}


@pytest.mark.parametrize(
    ("q", "label", "bins"),
    [(0.5, 0.1, {40: 1}), (-1.0, 1.0, {-200: 1}), (0.5, None, {}), (None, 0.5, {}), (0.5, 2.0, {}), (3.0, 0.5, {})],
)
def test_human_labels_tell_the_judges_bias(q: float | None, label: float | None, bins: dict[int, int]):
    """Half of the difference is kept, so that it stays within one."""
    assert filled([pair(q=q, label=label)]).histogram("judge_bias") == bins


def test_detectors_follow_each_request():
    """Errors, validity, quality and latency are fed at once, without waiting for the unit."""
    found = evidence()
    found.observe(pair(q=-1.0, valid_candidate=False, ttft_candidate_s=2.0))
    assert set(found.detectors) == {"errors", "validity", "quality", "latency"}
    assert (found.detectors["quality"].lo, found.detectors["quality"].tolerance) == (-1.0, 0.05)
    assert found.detectors["latency"].tolerance == pytest.approx(0.05)
    assert (found.detectors["errors"].tolerance, found.detectors["validity"].tolerance) == (0.02, 0.02)
    assert found.detectors["latency"].height > found.detectors["errors"].height
    assert found.detectors["validity"].height > found.detectors["errors"].height


@pytest.mark.parametrize(
    ("event", "fed"),
    [
        (own(Owner.BASELINE), set[str]()),
        (own(Owner.CANDIDATE), {"errors"}),
        (pair(valid_candidate=False, valid_baseline=False), {"errors", "quality"}),
        (pair(valid_candidate=False, error_baseline=True), {"errors"}),
    ],
)
def test_detectors_hear_only_what_speaks_of_the_candidate(event: PairEvent, fed: set[str]):
    """What the baseline did alone, or what both did, is no news of the candidate."""
    found = evidence()
    found.observe(event)
    assert set(found.detectors) == fed


def test_a_policys_own_limit_or_the_frozen_one_feeds_the_latency_detector():
    """Without any limit there is nothing to exceed."""
    rules = replace(RULES, gates=Gates(latency=Latency()))
    found = evidence(rules)
    found.observe(pair(ttft_candidate_s=2.0))
    assert "latency" not in found.detectors
    found.observe(pair(ttft_candidate_s=2.0), Held(latency_s=1.0, latency_of="total p95"))
    assert "latency" not in found.detectors
    held = Held(latency_s=2.0 / 1.2, latency_of="ttft p95")
    found.observe(pair(ttft_candidate_s=1.99), held)
    calm = found.detectors["latency"].height
    found.observe(pair(ttft_candidate_s=2.01), held)
    assert found.detectors["latency"].height > calm
    assert evidence(replace(RULES, gates=Gates(quality=None, latency=None))).observe(pair(ttft_candidate_s=2.0)) is None


@pytest.mark.parametrize(
    ("certified", "tolerance"), [(None, 0.05), (-0.2, 0.05), (-0.03, 0.03), (0.0, 0.0), (0.04, 0.0)]
)
def test_a_candidate_is_held_to_what_it_was_certified_at(certified: float | None, tolerance: float):
    """The quality detector's tolerance is the certified bound, never wider than the margin and never below nought."""
    found = evidence(weight_ppm=10_000)
    found.observe(pair(), Held(quality=certified))
    assert found.detectors["quality"].tolerance == tolerance


def test_a_common_outage_does_not_count_against_the_candidate():
    """A failure that the baseline shares is no harm in a pair, and is excused between arms."""
    shared, alone = evidence(), evidence()
    shared.observe(pair(error_candidate=True, error_baseline=True))
    alone.observe(pair(error_candidate=True))
    assert shared.detectors["errors"].height < 1 < alone.detectors["errors"].height

    calm, storm = evidence(weight_ppm=500_000), evidence(weight_ppm=500_000)
    for found, failed in ((calm, False), (storm, True)):
        for _ in range(4):
            found.observe(own(Owner.BASELINE, error_baseline=failed))
        for _ in range(4):
            found.observe(own(Owner.CANDIDATE, error_candidate=True))
    assert calm.detectors["errors"].height > 10_000
    assert storm.detectors["errors"].height < 20
    assert calm.detectors["errors"].n == storm.detectors["errors"].n == 4


def test_a_unit_closes_when_idle_for_long_enough():
    """Not a moment before the watermark has passed the last request by the policy's time."""
    found = evidence()
    found.observe(pair("a", 0.0))
    found.observe(pair("a", 100.0, q=1.0))
    found.advance(1899.9)
    assert found.count("units") == 0
    found.advance(1900.0)
    assert (found.count("units"), found.open) == (1, {})
    assert found.histogram("quality") == {100: 1}


def test_a_long_conversation_closes_after_its_first_pairs_and_is_remembered():
    """The first twenty count; the rest belongs to the same unit and counts no more."""
    rules = replace(RULES, units=Units(close_after_s=100.0, max_pairs=3))
    found = evidence(rules)
    for at in range(5):
        found.observe(pair("a", float(at), q=1.0 if at < 3 else -1.0))
    found.advance(4.0)
    assert found.histogram("quality") == {200: 1}
    found.observe(pair("a", 50.0, q=-1.0))
    found.advance(149.0)
    assert list(found.open) == ["a"]
    ended = copy.deepcopy(found)
    ended.close_all()
    found.advance(150.0)
    assert (ended.count("units"), ended.open) == (1, {})
    assert (found.count("units"), found.histogram("quality"), found.open) == (1, {200: 1}, {})


def test_an_idle_gap_begins_another_unit_of_the_same_name():
    """A conversation resumed after half an hour counts again."""
    found = filled([pair("a", 0.0, q=1.0), pair("a", 1800.0, q=-1.0), pair("a", 1000.0 + 1799.0, q=0.0)])
    assert (found.count("units"), found.histogram("quality")) == (2, {200: 1, -100: 1})


def test_a_late_request_joins_what_it_connects():
    """A request between two parts of one conversation makes them one."""
    found = filled([pair("a", 0.0, q=1.0), pair("a", 3000.0, q=1.0), pair("a", 1500.0, q=-0.5)])
    assert (found.count("units"), found.histogram("quality")) == (1, {100: 1})


def test_what_lies_behind_the_watermark_came_too_late():
    """Late verdicts are counted as late and belong to no unit; the watermark only rises."""
    found = evidence()
    found.advance(100.0)
    found.observe(pair(at=99.9))
    found.observe(pair(at=100.0))
    assert (found.count("late"), len(found.open)) == (1, 1)
    for moment in (50.0, 100.0, NAN, float("inf")):
        found.advance(moment)
    assert found.watermark_at == 100.0


@pytest.mark.parametrize("at", [NAN, float("inf"), -float("inf")])
def test_a_request_of_no_moment_is_lost(at: float):
    """It can belong to no conversation; it is counted, and blocks as lost ones do."""
    found = filled([pair(at=at)])
    assert (found.count("lost"), found.count("units"), found.count("pairs")) == (1, 0, 1)


def test_likeness_is_added_up_in_whole_numbers():
    """Candidate's and baseline's own, each where it was measured; what is no likeness is left out."""
    found = filled(
        [
            pair(agree=0.5, agree_again=0.25),
            pair(agree=1.0),
            own(Owner.BASELINE, agree_again=0.75),
            pair(agree=NAN, agree_again=1.5),
            pair(agree=-0.1),
        ]
    )
    assert (found.count("agree_n"), found.count("agree_sum")) == (2, 1_500_000)
    assert (found.count("again_n"), found.count("again_sum")) == (2, 1_000_000)


def test_open_conversations_and_names_are_bounded(monkeypatch: pytest.MonkeyPatch):
    """Beyond the bound requests are counted as lost, those of open conversations too, and names together."""
    monkeypatch.setattr(module, "MOST", 2)
    monkeypatch.setattr(names, "MOST", 2)
    found = evidence()
    for unit in ("a", "b", "c", "a"):
        found.observe(pair(unit, output_candidate=answer(unit), output_baseline=answer(unit)))
    assert (found.held, len(found.open), found.count("lost")) == (2, 2, 2)
    assert found.requests == {"a": 2, "b": 1, OTHERS: 1}
    assert found.outputs_candidate == found.outputs_baseline == found.requests


def test_what_is_held_is_what_open_conversations_hold():
    """Requests of open conversations, however they joined; of one that was counted its first alone is remembered."""
    found = evidence(replace(RULES, units=Units(close_after_s=100.0, max_pairs=2)))

    def held() -> tuple[int, int]:
        return found.held, sum(len(unit.events) for units in found.open.values() for unit in units)

    for unit, at in (("a", 0.0), ("b", 1.0), ("a", 150.0), ("a", 2.0), ("c", 90.0), ("a", 80.0), ("c", 91.0)):
        found.observe(pair(unit, at))
        assert found.held == held()[1]
    assert held() == (5, 5)  # the two of a became one, and are no longer than a conversation may be
    found.advance(95.0)
    assert held() == (3, 3)  # a and c are counted by their length, and remembered
    found.observe(pair("c", 96.0))
    assert (held(), found.count("units")) == ((3, 3), 2)
    found.advance(190.0)
    assert held() == (2, 2)
    found.close_all()
    assert held() == (0, 0)


def test_a_record_tells_the_commonest_names_and_decides_the_same():
    """Of thousands of units and answers a record keeps a hundred each, and what was made of all of them."""
    found = evidence()
    for number in range(3 * TOLD):
        ours, theirs = answer(f"{number % (2 * TOLD)}"), answer(f"{number}")
        found.observe(pair(f"u{number}", output_candidate=ours, output_baseline=theirs))
    found.observe(pair("u7", output_candidate=answer("7"), output_baseline=answer("7")))
    told = found.closed()
    assert [len(each) for each in (told.requests, told.outputs_candidate, told.outputs_baseline)] == [TOLD + 1] * 3
    assert sum(told.requests.values()) == sum(found.requests.values()) == 3 * TOLD + 1
    assert [told.distinct(side) for side in Owner] == [found.distinct(side) for side in Owner] == [3 * TOLD, 2 * TOLD]
    assert watch(told) == watch(found)
    assert told.closed() == told


def test_names_counted_together_are_no_common_answer(monkeypatch: pytest.MonkeyPatch):
    """Where more answers came than are counted apart, those beyond are not taken for one answer."""
    monkeypatch.setattr(names, "MOST", 5)
    found = evidence()
    for number in range(200):
        said = answer(f"{number}")
        found.observe(pair(f"u{number}", output_candidate=said, output_baseline=said))
    assert found.outputs_candidate[OTHERS] == 195
    assert most_common(found.outputs_candidate) == 1


def test_the_stage_is_the_one_of_its_weight():
    """Evidence knows the rung of the ladder it belongs to, and whether that is the shadow."""
    assert evidence(weight_ppm=50_000).stage.label == "5%"
    assert evidence().shadow
    assert not evidence(weight_ppm=50_000).shadow


def test_a_closed_copy_lasts():
    """What a record keeps does not change with the evidence, and survives JSON."""
    found = filled([pair("a", q=0.5, ttft_candidate_s=1.0, output_candidate=answer(), output_baseline=answer())])
    kept = found.closed()
    found.observe(pair("b"))
    found.close_all()
    assert (kept.count("units"), kept.open, kept.histogram("quality")) == (1, {}, {100: 1})
    assert msgspec.json.decode(msgspec.json.encode(kept), type=Evidence) == kept


EVENTS = st.builds(
    lambda unit, at, q, failed, taken: pair(
        f"u{unit}", float(at), id=f"{unit}-{at}-{q}-{failed}-{taken}", q=q / 7, error_candidate=failed,
        ttft_candidate_s=taken / 10, output_candidate=answer("x" * (1 + taken)), output_baseline=answer("xx"),
    ),
    st.integers(0, 5), st.integers(0, 20_000), st.integers(-7, 7), st.booleans(), st.integers(1, 30),
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(EVENTS, max_size=60), st.data())
def test_no_order_changes_a_count(events: list[PairEvent], data: st.DataObject):
    """Events in any order count like one ordered stream that is looked at often."""
    straight = evidence()
    for event in sorted(events, key=lambda event: (event.at, event.id)):
        straight.advance(event.at)
        straight.observe(event)
    straight.advance(1e6)

    shuffled = evidence()
    for event in data.draw(st.permutations(events)):
        shuffled.observe(event)
    shuffled.advance(1e6)

    for name in ("histograms", "counts", "requests", "outputs_candidate", "outputs_baseline", "open"):
        assert getattr(shuffled, name) == getattr(straight, name)


def test_a_pair_lost_in_the_queue_is_no_success() -> None:
    """It counts as lost; the detector of errors hears nothing of a candidate that was not asked."""
    found = evidence()
    found.observe(pair("u1", 1.0, dropped=True, unasked=True))
    assert (found.count("dropped"), "errors" in found.detectors) == (1, False)
    found.observe(pair("u2", 2.0))
    assert found.detectors["errors"].n == 1


FIELD = replace(RULES, gates=Gates(quality=Quality(missing=-1.0)), units=Units(rho_users=0.3, rho_prompts=0.5))


def test_a_missing_verdict_is_told_apart_for_certificate_and_harm():
    """A unit of one win and one missing verdict is a tie at worst and a win at best."""
    found = filled([pair("a", 0.0, q=1.0), pair("a", 1.0, q=None), pair("b", q=0.5)], FIELD)
    assert (found.histogram("quality"), found.histogram("quality_harm")) == ({0: 1, 100: 1}, {200: 1, 100: 1})
    assert found.detectors["quality"].n == 2


def test_what_was_counted_before_missing_verdicts_were_told_apart_stays_on_both_sides():
    """A rollout under way whose policy begins to tell them apart loses none of its evidence of harm."""
    found = filled([pair("a", q=-1.0)], replace(FIELD, gates=Gates(), units=Units()))
    found.rules = FIELD
    found.observe(pair("b", q=None))
    found.close_all()
    assert (found.histogram("quality"), found.histogram("quality_harm")) == ({-200: 2}, {-200: 1, 200: 1})
    assert found.weighed("quality") == ({-200: 2 * MICRO}, MICRO)


def test_a_users_next_conversations_weigh_less():
    """In every gate's histogram; the plain one counts each as one."""
    events = [pair(name, q=0.5, user="u", ttft_candidate_s=0.2) for name in "abc"]
    found = filled(events, replace(FIELD, gates=Gates(quality=Quality(), latency=Latency(warmup=0))))
    second, third = clusters.weight(2, 0.3), clusters.weight(3, 0.3)
    assert found.weighed("quality") == ({100: MICRO + second + third}, MICRO)
    assert found.histogram("quality") == {100: 3}
    assert found.times("ttft_candidate") == {latency_bin(0.2): sum(WHOLE * w // MICRO for w in (MICRO, second, third))}
    assert found.histogram("ttft_candidate") == {latency_bin(0.2): 3 * WHOLE}


@settings(max_examples=40)
@given(order=st.permutations(range(12)), looks=st.sets(st.integers(0, 40)))
def test_weights_follow_from_the_set_of_events(order: list[int], looks: set[int]):
    """Whatever order a window's events come in and whenever one looks, the weighed histograms are the same."""
    events = [pair(f"c{n % 5}", 3.0 * n, id=str(n), q=n / 20, user=f"u{n % 2}") for n in range(12)]
    rules = replace(FIELD, units=replace(FIELD.units, close_after_s=10.0))
    straight, shuffled = evidence(rules), evidence(rules)
    for event in events:
        straight.observe(event)
    straight.advance(1000.0)
    for place in order:
        shuffled.observe(events[place])
    for look in sorted(looks):
        shuffled.advance(60.0 + look)
    shuffled.advance(1000.0)
    assert straight.weighted == shuffled.weighted
    assert straight.clusters == shuffled.clusters


def test_a_second_score_is_counted_beside_the_first():
    """From what the pair also says of its metric; where that lacks it the verdict is missing, and at its worst."""
    second = Quality(metric="python", missing=-1.0, name="quality:python")
    rules = replace(RULES, gates=replace(RULES.gates, also_quality=(second,)))
    said = filled([pair(q=0.5, also=(AlsoScored("judge", 1.0), AlsoScored("python", -0.25)))], rules)
    silent = filled([pair(q=0.5)], rules)

    assert (said.histogram("quality"), said.histogram("quality:python")) == ({100: 1}, {-50: 1})
    assert said.detectors["quality:python"].n == 1
    assert (silent.histogram("quality:python"), silent.histogram("quality:python_harm")) == ({-200: 1}, {200: 1})
    assert silent.count("unscored") == 1


def test_several_relative_limits_have_a_line_each():
    """Each of its own measure; both go on in the next stage, and an episode is told by its own."""
    first = Latency(block_s=3600.0, warmup=0)
    second = replace(first, measure="total", name="latency:relative_total_p95")
    rules = replace(RULES, gates=replace(RULES.gates, latency=first, also_latency=(second,)))
    found = evidence(rules)
    for hour in range(14):
        for n in range(260):
            at = 3600.0 * hour + 13 * n
            found.observe(own(Owner.BASELINE, f"{hour}.{n}", at, ttft_baseline_s=1.0, total_baseline_s=5.0))
    found.advance(15 * 3600.0)
    found = found.next(replace(found.key, weight_ppm=50_000), rules)

    assert found.line_of(first).limit_s(first) == pytest.approx(1.2, rel=0.03)
    assert found.line_of(second).limit_s(second) == pytest.approx(6.0, rel=0.03)
    found.observe(own(Owner.CANDIDATE, "c", 60_000.0, ttft_candidate_s=1.0, total_candidate_s=9.0))
    assert found.detectors["latency:relative_total_p95"].height > found.detectors["latency"].height


def test_a_unit_is_counted_in_the_slices_of_its_first_request():
    """Once in each, with what it weighs; what the policy does not slice by is left out."""
    rules = replace(RULES, gates=replace(RULES.gates, slices=("language",)), units=Units(rho_users=0.3))
    events = [
        pair("a", 0.0, q=0.5, user="u", slices=("language=german", "length=short")),
        pair("a", 1.0, q=0.5, user="u", slices=("language=english",)),
        pair("b", 2.0, q=-0.5, user="u", slices=("language=german",)),
    ]
    found = filled(events, rules)

    assert found.histogram("quality@language=german") == {100: 1, -100: 1}
    assert found.weighted["quality@language=german"] == found.weighted["quality"]
    assert not [name for name in found.histograms if "english" in name or "length" in name]
    assert not [name for name in filled(events).histograms if "@" in name]


def test_what_is_late_counts_by_itself():
    """Where the rules say so: in its conversation while that is open, else alone, and counted as late."""
    found = evidence(replace(RULES, units=Units(close_after_s=100.0, late=True), guards=Guards(late_rate=0.1)))
    found.observe(pair("a", 0.0, q=1.0))
    found.advance(50.0)
    found.observe(pair("a", 10.0, q=0.0))
    assert (found.count("late"), len(found.open)) == (0, 1)
    found.advance(200.0)
    found.observe(pair("a", 20.0, q=-1.0))
    found.advance(201.0)
    assert (found.count("late"), found.count("units"), found.histogram("quality")) == (1, 2, {100: 1, -200: 1})
    late = next(guard for guard in watch(found) if guard.guard == "late")
    assert (late.verdict, late.reason) == (Verdict.INCONCLUSIVE, "late: 1 of 3 requests, allowed 10%")


def test_what_an_app_hung_up_on_is_heard_where_the_rules_say_so():
    """Its unit has a time to the first byte and no error; by rules of before, it is no evidence of anything."""
    gone = own(Owner.CANDIDATE, left="reading", error_candidate=None, ttft_candidate_s=0.1, total_candidate_s=0.3)
    found = filled([gone, own(Owner.CANDIDATE, at=1.0)], replace(RULES, guards=Guards(hang_ups=0.05)), 500_000)
    assert (found.count("units_candidate"), found.histogram("left_candidate")) == (1, {100: 1})
    assert (found.histogram("errors_candidate"), sum(found.histogram("ttft_candidate").values())) == ({0: 1}, WHOLE)
    assert filled([gone], weight_ppm=500_000) == evidence(weight_ppm=500_000)


def test_what_was_drawn_and_not_asked_is_counted():
    """By its reason; it is no pair."""
    found = filled([own(Owner.BASELINE, skipped="budget"), pair("b")])
    assert (found.count("skipped_budget"), found.count("pairs")) == (1, 1)


SPARING = replace(RULES, detectors=Detectors(spare_s=60.0, rho=0.3))


@pytest.mark.parametrize(
    ("name", "bad"), [("errors", {"error_candidate": True}), ("validity", {"valid_candidate": False})]
)
def test_a_burst_of_one_conversation_is_one_failure_to_its_detector(name: str, bad: dict[str, object]):
    """Its further failures within a minute are left out, its successes count; certificates count every one."""
    found = evidence(SPARING)
    for at in range(5):
        found.observe(pair("u", float(at), id=f"{at}", **{"valid_candidate": True} | bad))
    found.observe(pair("u", 6.0, valid_candidate=True))
    found.observe(pair("v", 7.0, **{"valid_candidate": True} | bad))
    heard = Detector(0.02).after(1.0).after(0.0).after(1.0)
    assert found.detectors[name] == heard
    plain = evidence()
    for at in range(5):
        plain.observe(pair("u", float(at), id=f"{at}", **{"valid_candidate": True} | bad))
    assert plain.detectors[name].n == 5
    found.close_all()
    assert found.count("pairs") == 7


def test_a_conversations_next_score_says_less_to_its_detector():
    """The second pair enters with the weight of a second unit."""
    found = evidence(SPARING)
    for at in range(2):
        found.observe(pair("u", float(at), q=-1.0))
    margin = (RULES.gates.quality or Quality()).margin
    assert found.detectors["quality"] == Detector(margin, -1.0).after(1.0).after(1.0, weight=0.538462)


def test_what_detectors_were_told_goes_on_after_a_restart():
    """A snapshot keeps it; a decision's record, which no request follows, does not."""
    found = evidence(SPARING)
    found.observe(pair("u", 0.0, q=None, error_candidate=True))
    kept = msgspec.json.decode(msgspec.json.encode(found), type=Evidence)
    kept.observe(pair("u", 1.0, q=None, error_candidate=True))
    assert kept.detectors["errors"].n == 1
    assert found.closed().bursts == Bursts()
