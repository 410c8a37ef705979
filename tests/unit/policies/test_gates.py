"""Gates: what each certifies, what it waits for, and what it never does."""

import math
from dataclasses import replace

import numpy as np
import pytest

from policies import slices, stats
from policies.candidates import closed_log_e
from policies.evidence import Evidence
from policies.gates import evaluate, slice_results
from policies.histograms import MICRO, STEP, WHOLE
from policies.readings import Gate, Look, gates_of
from policies.rules import (
    BETS,
    BETS_BEFORE,
    Cost,
    Errors,
    Gates,
    Guards,
    Ladder,
    Latency,
    Quality,
    Rules,
    Stage,
    Validity,
)
from policies.terms import Better, Owner, Verdict
from tests.rooms.pair_events import RULES, evidence, filled, own, pair

LIMITED = Latency(limit_s=0.8, warmup=0)


def with_counts(rules: Rules = RULES, weight_ppm: int = 0, **histograms: dict[int, int]) -> Evidence:
    """Evidence that holds these histograms and nothing else."""
    found = evidence(rules, weight_ppm)
    found.histograms.update(histograms)
    return found


def gated(**gates: object) -> Rules:
    return replace(RULES, gates=replace(Gates(), **gates))  # pyright: ignore[reportArgumentType]


def test_gates_are_shown_in_one_order():
    """Those a policy has, quality first."""
    every = Gates(Quality(), Validity(), Errors(), Latency(), Cost())
    assert [type(gate).__name__ for gate in gates_of(every)] == ["Quality", "Validity", "Errors", "Latency", "Cost"]
    assert gates_of(Gates(None, None, None, None, None)) == ()


def test_a_quality_certificate_holds_its_numbers():
    """148 wins, 1483 ties, 69 losses: the design's own example, with every number it rests on."""
    result = evaluate(Quality(), with_counts(quality={200: 148, 0: 1483, -200: 69}))
    assert (result.gate, result.verdict, result.n, result.required, result.better) == (
        "quality",
        Verdict.PASS,
        1700,
        True,
        Better.HIGHER,
    )
    assert result.estimate == pytest.approx(79 / 1700)
    assert (result.lower, result.upper, result.limit) == pytest.approx((0.0222, 0.0717, -0.05), abs=1e-4)
    assert (result.log10_e, result.needed) == pytest.approx((23.684, 1.30103), abs=1e-3)
    assert (result.units_to_go, result.futile) == (0, False)
    assert result.reason == (
        "quality: +0.0465 [+0.0222, +0.0717] on 1700 units (better/equal/worse 148/1483/69), "
        "limit -0.0500, log10 e 23.68 of 1.30: certified"
    )


def test_too_little_evidence_says_how_much_more():
    """Until the certificate holds, the planning rule tells the units to go."""
    result = evaluate(Quality(), with_counts(quality={200: 10, 0: 80, -200: 10}))
    sd = math.sqrt(0.2)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.units_to_go == math.ceil(14.5 * (sd / 0.05) ** 2 + 25) - 100
    assert result.reason.endswith(": not certified yet")
    assert evaluate(Quality(), with_counts(quality={-200: 10, 0: 80})).units_to_go is None


def test_harm_is_certified_at_a_share_of_its_alpha():
    """With three gates the harm e-value must reach 3 / 0.01; then the gate fails."""
    rules = gated()
    for losses in range(1, 60):
        result = evaluate(Quality(), with_counts(rules, quality={-200: losses, 0: 10}))
        assert result.log10_harm is not None
        assert (result.verdict is Verdict.FAIL) == (result.log10_harm >= math.log10(300))
    assert result.verdict is Verdict.FAIL
    assert result.reason.endswith(": harm is certified")
    found = stats.log_e_mean(np.array([0.0, 1.0]), np.array([10.0, 59.0]), 0.05, lo=-1.0)
    assert result.log10_harm == pytest.approx(found / math.log(10))


def test_an_advisory_gate_neither_passes_traffic_nor_fails_it():
    """Harm seen by an advisory gate is told, and is no failure."""
    result = evaluate(Quality(required=False), with_counts(quality={-200: 100}))
    assert (result.verdict, result.required) == (Verdict.INCONCLUSIVE, False)


def test_alpha_is_the_gates_own():
    """A stricter alpha needs more evidence for the same verdict."""
    found = with_counts(quality={200: 2, 0: 110})
    assert evaluate(Quality(), found).verdict is Verdict.PASS
    strict = evaluate(Quality(alpha=0.0001), found)
    assert (strict.verdict, strict.needed) == (Verdict.INCONCLUSIVE, pytest.approx(4.0))


def test_scores_off_the_grid_count_against_the_candidate():
    """A certificate sees values rounded down, harm sees them rounded up."""
    off, on = with_counts(quality={-9: 400}), with_counts(quality={-10: 400})
    assert evaluate(Quality(), off).log10_e == evaluate(Quality(), on).log10_e
    above = evaluate(Quality(), with_counts(quality={-8: 400}))
    assert evaluate(Quality(), off).log10_harm == above.log10_harm
    assert evaluate(Quality(), off).estimate == pytest.approx(-0.045)


def test_weighted_scores_are_shown_in_their_own_unit():
    """A scale of four keeps quarter scores; estimate, interval and limit are told as scores."""
    gate = Quality(scale=4.0)
    result = evaluate(gate, with_counts(gated(quality=gate), quality={50: 100, 0: 900}))
    plain = evaluate(Quality(margin=0.0125), with_counts(quality={50: 100, 0: 900}))
    assert (result.estimate, result.limit) == pytest.approx((0.1, -0.05))
    assert result.log10_e == plain.log10_e
    assert plain.lower is not None
    assert result.lower == pytest.approx(4 * plain.lower)


def test_quality_is_wanted_in_the_shadow_and_again_from_a_quarter():
    """In between its certificate carries over, harm still counts; from 25 % the candidate's conversations speak."""
    counts = {200: 100, 0: 900}
    assert evaluate(Quality(), with_counts(weight_ppm=0, quality=counts)).required
    assert not evaluate(Quality(), with_counts(weight_ppm=50_000, quality=counts)).required
    assert evaluate(Quality(), with_counts(weight_ppm=50_000, quality={-200: 100})).verdict is Verdict.FAIL
    late = with_counts(weight_ppm=250_000, quality=counts, quality_owned={-200: 100})
    assert (evaluate(Quality(), late).verdict, evaluate(Quality(), late).required) == (Verdict.FAIL, True)
    plain = replace(RULES, ladder=Ladder((Stage(0), Stage(250_000))))
    assert evaluate(Quality(), with_counts(plain, 250_000, quality=counts)).verdict is Verdict.PASS


def test_own_conversations_may_have_a_margin_of_their_own():
    """From 25 % on, where they are compared, and there in slices too; the shadow's is as ever."""
    gate, counts = Quality(owned_margin=0.1), {0: 16_000, -200: 1_300}  # about -0.075
    owned = with_counts(weight_ppm=250_000, quality_owned=counts)
    assert evaluate(Quality(), owned).verdict is Verdict.FAIL
    assert (evaluate(gate, owned).verdict, evaluate(gate, owned).limit) == (Verdict.PASS, -0.1)
    assert evaluate(gate, with_counts(weight_ppm=0, quality=counts)) == evaluate(
        Quality(), with_counts(weight_ppm=0, quality=counts)
    )
    apart = {"quality_owned": counts, "quality_owned@language=german": counts}
    (german,) = slice_results(gate, with_counts(SLICED, 250_000, **apart), Look())
    assert german.limit == pytest.approx(-0.3)


def test_bounds_may_be_left_out_but_never_the_verdict():
    """A quick look has the same verdict and evidence without its interval."""
    found = with_counts(quality={200: 148, 0: 1483, -200: 69})
    quick, full = evaluate(Quality(), found, Look(bounds=False)), evaluate(Quality(), found)
    assert (quick.lower, quick.upper) == (None, None)
    assert (quick.verdict, quick.log10_e, quick.log10_harm) == (full.verdict, full.log10_e, full.log10_harm)
    assert quick.reason.startswith("quality: +0.0465 on 1700 units")


@pytest.mark.parametrize(
    ("gate", "units", "verdict"),
    [
        (Quality(), {}, Verdict.INCONCLUSIVE),
        (Quality(), {"paired_baseline": 199}, Verdict.INCONCLUSIVE),
        (Quality(), {"paired_baseline": 150, "paired_candidate": 50}, Verdict.ERROR),
        (Validity(), {"paired_baseline": 200}, Verdict.ERROR),
        (Errors(), {"paired_baseline": 200}, Verdict.ERROR),
        (LIMITED, {"paired_baseline": 200}, Verdict.INCONCLUSIVE),
        (Latency(), {"paired_baseline": 200}, Verdict.INCONCLUSIVE),
    ],
)
def test_no_evidence_is_patience_first_and_an_error_later(gate: Quality, units: dict[str, int], verdict: Verdict):
    """Once two hundred units passed that should have brought evidence, its absence is an error; never a pass."""
    found = evidence()
    found.counts.update(units)
    result = evaluate(gate, found)
    assert (result.verdict, result.n, result.estimate, result.log10_e) == (verdict, 0, None, None)
    assert result.limit == (0.95 if isinstance(gate, Latency) else -gate.margin)
    assert result.needed == pytest.approx(1.30103, abs=1e-5)
    assert result.required == (not isinstance(gate, Latency))
    said = "no evidence in 200 units that should have some" if verdict is Verdict.ERROR else "no evidence yet"
    assert result.reason == f"{result.gate}: {said}"


@pytest.mark.parametrize(
    ("weight_ppm", "gate", "verdict"),
    [
        (0, Validity(may_be_rare=True), Verdict.ERROR),
        (10_000, Validity(may_be_rare=True), Verdict.INCONCLUSIVE),
        (10_000, Validity(), Verdict.ERROR),
    ],
)
def test_a_form_that_few_requests_ask_for_takes_no_traffic_back(weight_ppm: int, gate: Validity, verdict: Verdict):
    """A stage with traffic waits for the first of them; in the shadow it is said that nothing is checked."""
    found = evidence(gated(validity=gate), weight_ppm)
    found.counts.update({"paired_baseline": 5000})
    assert evaluate(gate, found).verdict is verdict


@pytest.mark.parametrize(
    ("gate", "units", "verdict"),
    [
        (Quality(), {"paired_baseline": 900, "paired_candidate": 199}, Verdict.INCONCLUSIVE),
        (Quality(), {"paired_candidate": 200}, Verdict.ERROR),
        (Errors(), {"units_candidate": 500, "units_baseline": 199}, Verdict.INCONCLUSIVE),
        (Errors(), {"units_candidate": 200, "units_baseline": 500}, Verdict.ERROR),
        (Latency(limit_s=0.8), {"units_candidate": 299}, Verdict.INCONCLUSIVE),
        (Latency(limit_s=0.8), {"units_candidate": 300}, Verdict.ERROR),
    ],
)
def test_each_gate_expects_its_own_units(gate: Quality, units: dict[str, int], verdict: Verdict):
    """At a quarter and above only units that could have brought this gate's evidence make its absence an error."""
    found = evidence(weight_ppm=250_000)
    found.counts.update(units)
    result = evaluate(gate, found)
    assert (result.verdict, result.required) == (verdict, True)


def test_errors_are_paired_below_a_quarter():
    """Below 25 % the shadow's pairs certify; the arms are not looked at."""
    arms = {"errors_candidate": {200: 500}, "errors_baseline": {0: 500}}
    result = evaluate(Errors(), with_counts(weight_ppm=50_000, errors={0: 1000}, **arms))
    assert (result.verdict, result.n, result.limit) == (Verdict.PASS, 1000, -0.01)


def test_errors_are_compared_arm_by_arm_from_a_quarter():
    """From 25 % each arm's own rate counts, told beside the other's."""
    arms = {"errors_candidate": {200: 10, 0: 9990}, "errors_baseline": {200: 30, 0: 29970}}
    result = evaluate(Errors(), with_counts(weight_ppm=250_000, errors={-200: 1000}, **arms))
    assert (result.verdict, result.n, result.limit) == (Verdict.PASS, 10_000, -0.01)
    assert result.estimate == pytest.approx(0.0)
    assert result.lower is not None
    assert result.upper is not None
    assert -0.01 < result.lower < 0 < result.upper
    assert "candidate 0.10% of 10000, baseline 0.10% of 30000" in result.reason
    log_e = stats.log_e_difference((10, 10_000), (30, 30_000), 0.01)
    assert result.log10_e == pytest.approx(log_e / math.log(10))
    sd = math.sqrt(2 * 0.001 * 0.999)
    assert evaluate(
        Errors(), with_counts(weight_ppm=250_000, errors_candidate={200: 1, 0: 99}, errors_baseline={200: 1, 0: 99})
    ).units_to_go == (math.ceil(14.5 * (0.01 * 0.99 * 2) / 0.01**2 + 25) - 100)
    assert sd > 0


def test_arms_must_be_inside_over_all_traffic_too():
    """Where a few users who weigh little see all the failures, the weighed rates certify nothing."""
    found = with_counts(weight_ppm=250_000, errors_candidate={200: 500, 0: 9500}, errors_baseline={0: 30_000})
    found.weighted = {
        "errors_candidate": {200: MICRO, 0: 9_999 * MICRO}, "errors_baseline": {0: 30_000 * MICRO},
    }  # fmt: skip
    result = evaluate(Errors(), found)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "over all traffic, each unit weighing one, it is not inside" in result.reason


def test_a_candidate_that_fails_more_than_its_margin_is_harm_between_arms():
    """A tenth of the candidate's requests failing beside a healthy baseline is certified harm."""
    bad = with_counts(weight_ppm=250_000, errors_candidate={200: 40, 0: 360}, errors_baseline={0: 1200})
    result = evaluate(Errors(), bad)
    assert result.verdict is Verdict.FAIL
    assert result.estimate == pytest.approx(-0.1)


def test_fractional_errors_are_rounded_against_the_candidate():
    """A unit that failed for a third counts 0.34 for the candidate and 0.33 for the baseline."""
    found = with_counts(weight_ppm=250_000, errors_candidate={67: 300}, errors_baseline={67: 300})
    result = evaluate(Errors(), found)
    assert result.log10_e == pytest.approx(stats.log_e_difference((102, 300), (99, 300), 0.01) / math.log(10))
    kept = stats.log_e_difference((300 - 99, 300), (300 - 102, 300), -0.01)
    assert result.log10_harm == pytest.approx(kept / math.log(10))


def bins(seconds: float, units: int) -> dict[int, int]:
    return {math.ceil(math.log(seconds) / STEP): units * WHOLE}


def test_latency_is_certified_against_the_apps_own_limit():
    """In the canary the share of requests within the limit is certified to be at least the quantile."""
    found = with_counts(weight_ppm=10_000, ttft_candidate=bins(0.5, 990) | bins(2.0, 10))
    result = evaluate(LIMITED, found)
    assert (result.verdict, result.n, result.limit, result.required) == (Verdict.PASS, 1000, 0.95, True)
    assert result.estimate == pytest.approx(0.99)
    log_e = stats.log_e_mean(np.array([0.0, 1.0]), np.array([10.0, 990.0]), 0.95, lo=0.0)
    assert result.log10_e == pytest.approx(log_e / math.log(10))
    assert "ttft within 0.8 s; p95 0.5" in result.reason
    assert "0.9900 [0.9" in result.reason
    assert result.units_to_go == 0


def test_a_slow_canary_is_harm():
    """A fifth of the requests above the limit is certified harm; times just above count as within for harm alone."""
    slow = with_counts(weight_ppm=10_000, ttft_candidate=bins(0.5, 320) | bins(2.0, 80))
    assert evaluate(LIMITED, slow).verdict is Verdict.FAIL
    edge = with_counts(weight_ppm=10_000, ttft_candidate=bins(0.5, 320) | bins(0.802, 80))
    result = evaluate(LIMITED, edge)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.estimate == pytest.approx(0.8)


def test_a_relative_limit_waits_for_the_baseline_to_set_it():
    """Until it is frozen there is nothing to certify; once it is, the share within it is."""
    gate = Latency(warmup=0)
    found = with_counts(gated(latency=gate), 10_000, ttft_candidate=bins(0.5, 400), ttft_baseline=bins(1.0, 640))
    waiting = evaluate(gate, found)
    assert (waiting.verdict, waiting.required, waiting.limit) == (Verdict.INCONCLUSIVE, True, 0.95)
    assert waiting.reason == "latency: 640 of 1000 units of the baseline to set the limit by"
    assert evaluate(gate, found, Look(latency_limit_s=1.2)).verdict is Verdict.PASS
    assert not evaluate(replace(gate, required=False), found).required


def test_the_shadow_screens_latency_but_certifies_nothing_by_it():
    """What would pass is not required; what is certified to be too slow blocks, and rejects nobody."""
    gate = Latency(warmup=0)
    fast = with_counts(gated(latency=gate), ttft_candidate=bins(0.5, 400), ttft_baseline=bins(1.0, 400))
    passed = evaluate(gate, fast)
    assert (passed.verdict, passed.required, passed.better, passed.units_to_go) == (
        Verdict.PASS,
        False,
        Better.LOWER,
        0,
    )
    assert (passed.estimate, passed.limit) == pytest.approx((0.5, 1.2), rel=0.02)
    slow = with_counts(gated(latency=gate), ttft_candidate=bins(3.0, 400), ttft_baseline=bins(1.0, 400))
    blocked = evaluate(gate, slow)
    assert (blocked.verdict, blocked.required, blocked.units_to_go) == (Verdict.INCONCLUSIVE, True, None)
    assert blocked.reason.endswith(": harm is certified; seen in the shadow, it blocks")
    assert "ttft p95 3" in blocked.reason
    assert "baseline 1 s" in blocked.reason
    assert blocked.log10_harm is not None
    assert blocked.log10_harm > math.log10(300)
    assert not evaluate(replace(gate, required=False), slow).required


def test_the_screens_interval_is_known_once_both_quantiles_are():
    """The ratio's bounds are the arms' bounds crosswise; with little evidence there are none."""
    gate = Latency(warmup=0)
    spread = dict.fromkeys(range(20), 40 * WHOLE)
    known = evaluate(gate, with_counts(gated(latency=gate), ttft_candidate=spread, ttft_baseline=spread))
    assert known.lower is not None
    assert known.upper is not None
    assert known.lower < 1 < known.upper
    assert known.lower == pytest.approx(1 / known.upper)
    few = evaluate(gate, with_counts(gated(latency=gate), ttft_candidate=bins(1, 50), ttft_baseline=bins(1, 50)))
    assert (few.upper, few.verdict) == (None, Verdict.INCONCLUSIVE)
    assert "[?, ?]" in few.reason or "?]" in few.reason


def test_the_shadow_screens_against_the_apps_limit_too():
    """With a limit of the app's own the baseline is not needed."""
    assert evaluate(LIMITED, with_counts(ttft_candidate=bins(0.5, 400))).verdict is Verdict.PASS
    slow = evaluate(LIMITED, with_counts(ttft_candidate=bins(2.0, 400)))
    assert (slow.verdict, slow.required) == (Verdict.INCONCLUSIVE, True)


@pytest.mark.parametrize(
    ("ours", "n", "verdict"),
    [(50, 100, Verdict.PASS), (50, 99, Verdict.INCONCLUSIVE), (60, 100, Verdict.PASS), (61, 100, Verdict.INCONCLUSIVE)],
)
def test_cost_is_computed(ours: int, n: int, verdict: Verdict):
    """The ratio of what both cost, on at least the stage's units; advisory unless the policy says otherwise."""
    found = evidence()
    found.counts.update({"cost_n": n, "cost_candidate": ours * n * 10**6, "cost_baseline": 100 * n * 10**6})
    result = evaluate(Cost(max_ratio=0.6), found)
    assert (result.verdict, result.required, result.better, result.n) == (verdict, False, Better.LOWER, n)
    assert (result.estimate, result.limit, result.lower, result.upper) == (ours / 100, 0.6, None, None)
    assert (
        result.reason
        == f"cost: {ours / 100:.2f} times the baseline's on {n} pairs (${ours / 1000:.2g} and $0.1 each), limit 0.6"
    )


def test_cost_has_an_interval_once_there_is_enough_to_show():
    """From five hundred pairs the ratio is shown with its asymptotic interval, and never used."""
    found = evidence()
    found.counts.update(
        {"cost_n": 500, "cost_candidate": 500 * 10**7, "cost_baseline": 500 * 2 * 10**7,
         "cost_candidate2": 500 * 2 * 10**8, "cost_baseline2": 500 * 5 * 10**8, "cost_product": 500 * 2 * 10**8}
    )  # fmt: skip
    result = evaluate(Cost(required=True), found)
    sd = math.sqrt(2e14 - 2 * 0.5 * 2e14 + 0.25 * 5e14)
    half = stats.asymptotic_halfwidth(500, sd, 0.05) / 2e7
    assert (result.lower, result.upper) == pytest.approx((0.5 - half, 0.5 + half))
    assert result.required


@pytest.mark.parametrize(
    ("counts", "why"),
    [
        ({}, "no pair has both prices"),
        (
            {"cost_n": 5, "cost_candidate": 5, "cost_baseline": 0},
            "the baseline's price is 0, and there is no ratio to that: state its price under `prices`",
        ),
    ],
)
def test_cost_without_prices_says_so(counts: dict[str, int], why: str):
    """No price, or a baseline that costs nothing, gives no ratio; each is told as what it is."""
    found = evidence(replace(RULES, guards=Guards(hang_ups=0.05)))
    found.counts.update(counts)
    result = evaluate(Cost(max_ratio=0.6, required=True), found)
    assert (result.verdict, result.estimate, result.required, result.limit) == (Verdict.INCONCLUSIVE, None, True, 0.6)
    assert (result.reason, result.better) == (f"cost: {why}", Better.LOWER)


def test_apps_that_hang_up_on_every_answer_are_no_evidence_that_is_due():
    """Nothing is known of errors and times then, and nobody is at fault: the gates wait."""
    rules = replace(RULES, guards=Guards(hang_ups=0.05), gates=Gates(latency=LIMITED))
    gone = {"left": "waiting", "error_candidate": None, "error_baseline": None, "ttft_candidate_s": 0.1}
    events = [own(side, f"{side}{n}", **gone) for side in Owner for n in range(300)]
    found = filled(events, rules, 500_000)
    assert {evaluate(gate, found).verdict for gate in (Errors(), LIMITED)} == {Verdict.INCONCLUSIVE}
    heard = filled([own(side, f"{side}{n}") for side in Owner for n in range(300)], rules, 500_000)
    assert evaluate(LIMITED, heard).verdict is Verdict.ERROR


def test_futility_is_seen_late_and_only_without_hope():
    """After a tenth of the budget: if even the hopeful end needs more units than there are, it is futile."""
    rules = replace(RULES, ladder=Ladder((Stage(0, max_units=5000),)))
    close = {200: 225, 0: 500, -200: 275}  # -0.05, right on its limit

    def futile(counts: dict[int, int], look: Look | None = None) -> bool:
        return evaluate(Quality(), with_counts(rules, quality=counts), look or Look()).futile

    assert not futile({index: round(0.4 * count) for index, count in close.items()})
    many = {index: 4 * count for index, count in close.items()}
    assert futile(many)
    assert not futile(many, Look(budgets=100))
    assert not futile({0: 4000})
    assert not futile({200: 2400, 0: 2500, -200: 2400})
    assert futile({200: 60, 0: 320, -200: 120})
    assert not futile({200: 60, 0: 319, -200: 120})


@pytest.mark.parametrize("budget", [2000, 2999, 3001, 4000])
def test_futility_weighs_the_hopeful_end_against_the_budget(budget: int):
    """The units the most hopeful estimate needs, to the unit."""
    counts = {200: 120, 0: 240, -200: 140}
    rules = replace(RULES, ladder=Ladder((Stage(0, max_units=budget),)))
    result = evaluate(Quality(), with_counts(rules, quality=counts))
    assert result.upper is not None
    sd = math.sqrt(260 / 500 - (20 / 500) ** 2)
    needed = stats.units_needed(sd, result.upper + 0.05)
    assert needed is not None
    assert result.futile == (needed > budget)
    edge = replace(RULES, ladder=Ladder((Stage(0, max_units=needed),)))
    assert not evaluate(Quality(), with_counts(edge, quality=counts)).futile
    beyond = replace(RULES, ladder=Ladder((Stage(0, max_units=needed - 1),)))
    assert evaluate(Quality(), with_counts(beyond, quality=counts)).futile == (needed - 1 <= 5000)


def test_a_screen_is_never_futile():
    """It certifies nothing, so it can want nothing in vain."""
    gate = Latency(warmup=0)
    slower = with_counts(gated(latency=gate), ttft_candidate=bins(1.25, 4000), ttft_baseline=bins(1.0, 4000))
    assert not evaluate(gate, slower).futile


@pytest.mark.parametrize(("gate", "histogram"), [(Validity(), "validity"), (Errors(), "errors")])
def test_each_gate_has_its_own_name(gate: Errors, histogram: str):
    """Whatever is measured in the same way is told under its own name; owned conversations are quality too."""
    found = with_counts(**{histogram: {0: 700}})
    assert evaluate(gate, found).gate == histogram
    assert evaluate(gate, found).reason.startswith(f"{histogram}: ")
    log_e = stats.log_e_mean(np.array([0.0]), np.array([700.0]), -gate.margin, lo=-1.0)
    assert evaluate(gate, found).log10_e == pytest.approx(log_e / math.log(10))
    owned = evaluate(Quality(), with_counts(weight_ppm=250_000, quality_owned={0: 700}))
    assert (owned.gate, owned.verdict) == ("quality", Verdict.PASS)


def test_an_uneven_sample_is_planned_by_its_own_spread():
    """The spread is around the sample's mean, not around nought."""
    result = evaluate(Quality(), with_counts(quality={200: 12, 0: 80, -200: 8}))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.units_to_go == math.ceil(14.5 * (0.2 - 0.04**2) / 0.09**2 + 25) - 100


def test_more_units_than_planned_leave_none_to_go():
    """A plan already overrun never asks for fewer than no units."""
    result = evaluate(LIMITED, with_counts(weight_ppm=10_000, ttft_candidate=bins(0.5, 139) | bins(2.0, 1)))
    assert (result.verdict, result.units_to_go) == (Verdict.INCONCLUSIVE, 0)


def test_bounds_are_the_sequences_of_the_scores():
    """Rounded down below, rounded up above, over the whole range of scores."""
    counts = {200: 30, 7: 20, -200: 9}
    result = evaluate(Quality(), with_counts(quality=counts))
    seen = np.array([9.0, 20.0, 30.0])
    assert result.lower == stats.lower_mean(np.array([-1.0, 0.03, 1.0]), seen, 0.05, lo=-1.0, hi=1.0)
    assert result.upper == stats.upper_mean(np.array([-1.0, 0.04, 1.0]), seen, 0.05, lo=-1.0, hi=1.0)


@pytest.mark.parametrize("arm", ["errors_candidate", "errors_baseline"])
def test_one_arm_alone_is_no_comparison(arm: str):
    """Whichever arm is empty, there is no evidence yet."""
    result = evaluate(Errors(), with_counts(weight_ppm=250_000, **{arm: {0: 500}}))
    assert (result.verdict, result.n, result.reason) == (Verdict.INCONCLUSIVE, 0, "errors: no evidence yet")


@pytest.mark.parametrize(("ours", "theirs", "verdict"), [
    (1000, 0, Verdict.INCONCLUSIVE), (0, 1000, Verdict.INCONCLUSIVE), (1000, 1000, Verdict.ERROR),
])  # fmt: skip
def test_arms_without_evidence_are_overdue_once_both_had_units(ours: int, theirs: int, verdict: Verdict):
    """An arm that nobody was sent to has nothing to show yet; where both had enough units, something is broken."""
    found = with_counts(weight_ppm=500_000)
    found.counts |= {f"units_{Owner.CANDIDATE}": ours, f"units_{Owner.BASELINE}": theirs}
    assert evaluate(Errors(), found).verdict is verdict


def test_latencys_numbers_are_those_of_its_two_counts():
    """Harm, units to go and both bounds, from the requests within the limit and beyond."""
    found = with_counts(weight_ppm=10_000, ttft_candidate=bins(0.5, 98) | bins(2.0, 2))
    result = evaluate(LIMITED, found)
    ends, seen = np.array([0.0, 1.0]), np.array([2.0, 98.0])
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.log10_harm == pytest.approx(stats.log_e_mean(-ends, seen, -0.95, lo=-1.0) / math.log(10))
    assert result.units_to_go == math.ceil(max(14.5 * 0.98 * 0.02 / 0.03**2 + 25, 5.4 / 0.03)) - 100
    assert result.lower == stats.lower_mean(ends, seen, 0.05, lo=0.0, hi=1.0)
    assert result.upper == stats.upper_mean(ends, seen, 0.05, lo=0.0, hi=1.0)


def test_well_above_the_limit_is_beyond_it():
    """Only the bin that the limit itself lies in is in doubt."""
    slow = with_counts(weight_ppm=10_000, ttft_candidate=bins(0.5, 320) | bins(1.2, 80))
    assert evaluate(LIMITED, slow).verdict is Verdict.FAIL


@pytest.mark.parametrize(("seconds", "blocks"), [(1.1, False), (1.3, True)])
def test_the_screen_allows_the_policys_ratio(seconds: float, blocks: bool):  # noqa: FBT001 -- a parameter
    """A tenth slower than the baseline is within 1.2 times, three tenths are not."""
    gate = Latency(warmup=0)
    found = with_counts(gated(latency=gate), ttft_candidate=bins(seconds, 4000), ttft_baseline=bins(1.0, 4000))
    result = evaluate(gate, found)
    assert (result.required, result.verdict is Verdict.PASS) == (blocks, not blocks)


def test_the_screens_bounds_are_the_arms_at_half_alpha():
    """Each arm's interval at half the gate's alpha, crosswise."""
    gate = Latency(warmup=0)
    ours, theirs = dict.fromkeys(range(30), 40 * WHOLE), dict.fromkeys(range(20), 90 * WHOLE)
    result = evaluate(gate, with_counts(gated(latency=gate), ttft_candidate=ours, ttft_baseline=theirs))
    low, high = stats.quantile_interval(np.array([40.0] * 30), 0.95, 0.025)
    base_low, base_high = stats.quantile_interval(np.array([90.0] * 20 + [0.0] * 10), 0.95, 0.025)
    assert low is not None
    assert high is not None
    assert base_low is not None
    assert base_high is not None
    assert (result.lower, result.upper) == pytest.approx((1.02 ** (low - base_high), 1.02 ** (high - base_low)))
    assert result.n == 1200


def test_weighted_limits_are_told_as_scores():
    """The sentence speaks the policy's unit too."""
    gate = Quality(scale=4.0)
    result = evaluate(gate, with_counts(gated(quality=gate), quality={50: 100, 0: 900}))
    assert result.reason.startswith("quality: +0.1000 [")
    assert ", limit -0.0500, " in result.reason


LIKENESS = Quality(likeness=True, missing=-1.0)
ALIKE = replace(RULES, gates=Gates(LIKENESS, errors=None, latency=None))


def test_answers_that_differ_are_never_harm():
    """Certified beyond the margin a likeness gate is undecided, for good, and says what to do; a judge's would fail."""
    events = [pair(f"u{n}", q=-1.0, agree=0.0, agree_cross=0.0, agree_again=1.0, again=True) for n in range(300)]
    told = evaluate(LIKENESS, filled(events, ALIKE))
    assert (told.verdict, told.futile, told.likeness) == (Verdict.INCONCLUSIVE, True, True)
    assert "it differs from the baseline more than the baseline from itself" in told.reason
    assert "hint: " in told.reason
    assert "quality" not in filled(events, ALIKE).detectors
    scored = Quality(missing=-1.0)
    judged = replace(RULES, gates=Gates(scored, errors=None, latency=None))
    assert evaluate(scored, filled(events, judged)).verdict is Verdict.FAIL


@pytest.mark.parametrize(("weight_ppm", "ends"), [(0, True), (50_000, False)])
def test_answers_that_differ_end_a_stage_only_where_they_are_asked_for(weight_ppm: int, *, ends: bool):
    """At 1 % and 5 % nothing is to be certified of them: what the shadow certified is not taken back there."""
    events = [pair(f"u{n}", q=-1.0, agree=0.0, agree_cross=0.0, agree_again=1.0, again=True) for n in range(300)]
    told = evaluate(LIKENESS, filled(events, ALIKE, weight_ppm))
    assert "it differs from the baseline more than the baseline from itself" in told.reason
    assert (told.verdict, told.required, told.futile) == (Verdict.INCONCLUSIVE, ends, ends)


def test_a_deterministic_baseline_that_is_none_is_told():
    """Surely agreeing with itself less than declared, it only makes the gate ask too much."""
    gate = Quality(likeness=True, deterministic=True, missing=-1.0)
    rules = replace(ALIKE, gates=Gates(gate, latency=None))
    events = [pair(f"u{n}", agree=0.9, agree_again=0.5, again=True) for n in range(200)]
    assert "agrees with itself only 50%" in evaluate(gate, filled(events, rules)).reason
    assert "deterministic" not in evaluate(gate, filled(events[:2], rules)).reason
    assert "itself only" not in evaluate(LIKENESS, filled(events, ALIKE)).reason
    for agreed, is_told in ((0.92, True), (0.975, False)):  # surely beyond half of the margin, and not
        found = with_counts(rules, quality={0: 20_000})
        found.counts.update(again_n=20_000, again_sum=round(agreed * 20_000) * MICRO)
        assert ("itself only" in evaluate(gate, found).reason) is is_told
    alone = [pair(f"u{n}", agree=0.9) for n in range(200)]
    assert "itself only" not in evaluate(gate, filled(alone, rules)).reason


@pytest.mark.parametrize(
    ("wins", "losses", "verdict"), [(300, 20, "PASS"), (60, 60, "INCONCLUSIVE"), (20, 300, "FAIL")]
)
def test_who_must_be_better_is_certified_or_stays_and_is_harm_only_when_worse(wins: int, losses: int, verdict: str):
    """Equal is no harm, and no certificate either; worse than the baseline is harm, not worse than the demand."""
    found = with_counts(quality={200: wins, 0: 2000, -200: losses})
    result = evaluate(Quality(-0.02), found)

    assert (result.verdict.name, result.limit) == (verdict, 0.02)
    assert "limit +0.0200" in result.reason


def test_further_scores_are_gates_of_their_own():
    """Each reads its own histogram, is called by its metric, and shares the harm that is allowed in all."""
    rules = gated(also_quality=(Quality(metric="python", name="quality:python"),))
    found = with_counts(rules, **{"quality": {0: 900}, "quality:python": {-100: 300}})
    first, second = (evaluate(gate, found) for gate in rules.gates.qualities)

    assert (first.gate, first.verdict) == ("quality", Verdict.PASS)
    assert (second.gate, second.verdict) == ("quality:python", Verdict.FAIL)
    assert second.reason.startswith("quality:python: -0.5000")
    assert len(gates_of(rules.gates)) == len(gates_of(RULES.gates))


def test_further_limits_on_time_are_gates_of_their_own():
    """Of another measure by its own times, of the same measure by the same."""
    late = Latency("total", 0.95, 8.0, warmup=0, name="latency:total_p95")
    rules = gated(latency=LIMITED, also_latency=(late, replace(late, limit_s=0.1, measure="ttft", name="latency:x")))
    events = [pair(f"u{n}", n, ttft_candidate_s=0.2, total_candidate_s=9.0) for n in range(400)]
    events = [replace(event, owner=Owner.CANDIDATE, error_baseline=None) for event in events]
    found = filled(events, rules, weight_ppm=50_000)
    said = [evaluate(gate, found) for gate in rules.gates.latencies]

    assert [(each.gate, each.verdict.name) for each in said] == [
        ("latency", "PASS"), ("latency:total_p95", "FAIL"), ("latency:x", "FAIL"),
    ]  # fmt: skip
    assert [each.n for each in said] == [400, 400, 400]
    assert set(found.detectors) >= {"latency", "latency:total_p95", "latency:x"}


SLICED = gated(slices=("language",))


def test_one_of_several_candidates_is_certified_by_the_closed_test():
    """Beside a single rival already: its evidence and the other's count together, and it is said."""
    found = with_counts(quality={0: 700})
    alone, beside = evaluate(Quality(), found), evaluate(Quality(), found, Look(rivals=(0.5,)))
    assert alone.log10_e is not None
    assert beside.log10_e == pytest.approx(closed_log_e(alone.log10_e * math.log(10), (0.5,)) / math.log(10))
    assert "; by the closed test of 2 candidates" in beside.reason
    assert "closed test" not in alone.reason


def test_scores_of_a_share_are_held_to_the_share_of_the_margin():
    """Where a judge scores half of the pairs, weighted by two, limits lie half as far out on the weighted scale."""
    result = evaluate(Quality(scale=2.0), with_counts(quality={0: 700, -200: 7}))
    values, counts = np.array([-1.0, 0.0]), np.array([7.0, 700.0])
    assert result.limit == -0.05
    assert result.log10_e == pytest.approx(stats.log_e_mean(values, counts, -0.025, lo=-1.0) / math.log(10))
    harm = stats.log_e_mean(-values[::-1], counts[::-1], 0.025, lo=-1.0)
    assert result.log10_harm == pytest.approx(harm / math.log(10))


@pytest.mark.parametrize(("scale", "cost"), [(1.0, "0.100"), (2.0, "0.200")])
def test_what_missing_verdicts_cost_is_told(scale: float, cost: str):
    """Half of what lies between all of them bad and all of them good, on the scale that the margin has."""
    found = with_counts(quality={0: 900, -200: 100}, quality_harm={0: 900, 200: 100})
    told = evaluate(Quality(scale=scale, missing=-1.0), found).reason
    assert f"; verdicts that are missing cost {cost} of the margin of 0.05" in told
    assert "missing cost" not in evaluate(Quality(missing=-1.0), with_counts(quality={0: 900})).reason


def test_vectors_are_told_apart_from_quality():
    """A gate that rests on them is about an index; by the same numbers it certifies and convicts."""
    found = with_counts(quality={0: 700})
    fits, good = evaluate(Quality(metric="vectors"), found), evaluate(Quality(metric="python"), found)
    assert (fits.fits_index, good.fits_index) == (True, False)
    assert (fits.verdict, fits.reason) == (good.verdict, good.reason)


def test_a_slice_is_judged_at_three_times_the_margin():
    """By its own units; how much of the traffic it is, is said."""
    found = with_counts(
        SLICED,
        **{
            "quality": {0: 3000},
            "quality@language=english": {0: 2600},
            "quality@language=german": {-200: 60, 0: 340},
        },
    )
    english, german = slice_results(Quality(), found, Look())

    assert (english.gate, english.verdict) == ("quality@language=english", Verdict.PASS)
    assert (german.gate, german.verdict, german.required) == ("quality@language=german", Verdict.INCONCLUSIVE, True)
    assert german.reason.endswith("; 13% of the units")
    assert english.limit == pytest.approx(-0.15)


def test_a_slice_that_is_surely_worse_blocks_and_convicts_nobody():
    """Harm is the whole's to certify; nor does a slice end a stage whose budget it shares."""
    found = with_counts(SLICED, **{"quality": {0: 3000}, "quality@language=german": {-200: 3000}})
    (german,) = slice_results(Quality(), found, Look())

    assert (german.verdict, german.futile) == (Verdict.INCONCLUSIVE, False)
    assert german.reason.endswith("nothing rises while it is so")


def test_evidence_that_is_not_told_apart_certifies_no_slice():
    """As that of before slices were asked for: the dimension itself is what is waited for."""
    found = with_counts(SLICED, **{"quality": {0: 3000}, "quality@language=german": {0: 100}})
    (waits,) = slice_results(Quality(), found, Look())

    assert (waits.gate, waits.verdict, waits.required) == ("quality@language", Verdict.INCONCLUSIVE, True)
    assert "of 100 of 3000 units" in waits.reason
    assert slice_results(Quality(), evidence(SLICED), Look()) == ()


def test_slices_count_where_quality_does():
    """In the shadow, and from 25 % again on the candidate's own conversations; between them they are shown."""
    rules = replace(SLICED, ladder=Ladder((Stage(0), Stage(50_000), Stage(500_000, reverse_shadow_ppm=50_000))))
    owned = {"quality_owned": {0: 3000}, "quality_owned@language=german": {0: 3000}}
    late = slice_results(Quality(), with_counts(rules, 500_000, **owned), Look())
    between = slice_results(
        Quality(), with_counts(rules, 50_000, **{"quality": {0: 300}, "quality@language=german": {0: 300}}), Look()
    )

    assert [(each.gate, each.verdict.name, each.required) for each in (*late, *between)] == [
        ("quality@language=german", "PASS", True), ("quality@language=german", "PASS", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("weight_ppm", "reverse_ppm", "counted"),
    [
        (50_000, 50_000, "quality"),
        (500_000, 0, "quality"),
        (500_000, 50_000, "quality_owned"),
        (250_000, 50_000, "quality_owned"),
    ],
)
def test_a_slice_is_judged_on_what_the_whole_is_judged_on(weight_ppm: int, reverse_ppm: int, counted: str):
    """From 25 % on the candidate's own conversations, where the baseline is asked beside them; else the baseline's."""
    rules = replace(SLICED, ladder=Ladder((Stage(0), Stage(weight_ppm, reverse_shadow_ppm=reverse_ppm))))
    both = {name: {0: 3000} for name in ("quality", "quality_owned")}
    german = {f"{counted}@language=german": {0: 3000}}
    (found,) = slice_results(Quality(), with_counts(rules, weight_ppm, **both, **german), Look())
    assert (found.gate, found.n) == ("quality@language=german", 3000)


@pytest.mark.parametrize(("weight_ppm", "required"), [(0, True), (50_000, False), (250_000, True), (500_000, True)])
def test_a_dimension_that_is_not_told_apart_is_waited_for_where_quality_is(weight_ppm: int, *, required: bool):
    """In the shadow, and from 25 % on; once 19 units in 20 are told apart nothing is waited for."""
    rules = replace(SLICED, ladder=Ladder((Stage(0), Stage(50_000), Stage(250_000), Stage(500_000))))
    few, enough = round(slices.TOLD_APART * 3000) - 1, round(slices.TOLD_APART * 3000)
    for told, gates in ((few, ["quality@language", "quality@language=x"]), (enough, ["quality@language=x"])):
        counts = {"quality": {0: 3000}, "quality@language=x": {0: told}}
        found = slice_results(Quality(), with_counts(rules, weight_ppm, **counts), Look())
        assert [each.gate for each in found] == gates
        assert found[0].required is required


def test_three_times_a_wide_margin_is_still_a_limit():
    """A slice may never lose all."""
    found = with_counts(SLICED, **{"quality": {0: 3000}, "quality@language=german": {0: 3000}})
    (german,) = slice_results(Quality(margin=0.5), found, Look())
    assert german.limit == pytest.approx(-0.99)


def test_a_gate_bets_as_its_rollout_began():
    """A rollout of before is judged, bounded and planned by the grid that it began with, in every kind of gate."""
    shown = with_counts(
        weight_ppm=0, quality={0: 90, 100: 5, -100: 5}, validity={0: 900, -100: 2},
        ttft_candidate=bins(0.5, 390) | bins(1.5, 10),
    )  # fmt: skip
    for gate in (Quality(), Validity(), LIMITED):
        new, before = evaluate(gate, shown), evaluate(gate, shown, Look(bets=BETS_BEFORE))
        assert new == evaluate(gate, shown, Look(bets=BETS))
        assert (new.log10_e, new.log10_harm, new.lower, new.upper) != (
            before.log10_e, before.log10_harm, before.lower, before.upper,
        )  # fmt: skip
        assert all(
            one != other
            for one, other in (
                (new.log10_e, before.log10_e), (new.log10_harm, before.log10_harm), (new.lower, before.lower),
            )
        )  # fmt: skip
    assert evaluate(Quality(), shown).units_to_go != evaluate(Quality(), shown, Look(bets=BETS_BEFORE)).units_to_go


def test_a_gates_budget_is_twice_what_good_candidates_need():
    """At the spread seen and a true difference of 0, at least 2,000 compared conversations; arms apart, twice it."""
    by_pairs = replace(RULES, ladder=Ladder((Stage(0, by_pairs=True), Stage(500_000, by_pairs=True))))

    def budget(gate: Gate, look: Look | None = None, weight_ppm: int = 0, **counts: dict[int, int]) -> int | None:
        return evaluate(gate, with_counts(by_pairs, weight_ppm, **counts), look or Look()).budget

    quiet, loud = {0: 90, 200: 5, -200: 5}, {200: 50, -200: 50}
    assert budget(Quality(), quality=quiet) == 2000
    assert budget(Quality(), quality=loud) == 2 * math.ceil(14.5 / 0.05**2 + 25)
    assert budget(Quality(), quality=loud, look=Look(budgets=3)) == 6 * math.ceil(14.5 / 0.05**2 + 25)
    assert budget(Quality(), Look(bets=BETS_BEFORE), quality=loud) == 2 * math.ceil(16 / 0.05**2 + 40)
    rates = {0: 960, 200: 40}
    arms = budget(Errors(), weight_ppm=500_000, errors_candidate=rates, errors_baseline=rates)
    assert arms == 4 * math.ceil(14.5 * 2 * 0.04 * 0.96 / 0.01**2 + 25)
    sharp = Latency(limit_s=0.8, warmup=0, quantile=0.99)
    slow = budget(sharp, weight_ppm=500_000, ttft_candidate=bins(0.5, 950) | bins(2.0, 50))
    assert slow == 2 * math.ceil(14.5 * 0.95 * 0.05 / (0.6 * 0.01) ** 2 + 25)
    assert evaluate(Quality(), with_counts(quality=loud)).budget is None


def test_a_stricter_alpha_has_a_longer_way_and_the_budget_for_it():
    """Else a candidate that is as good spends a budget that was made for a chance of 5 %, and is paused."""
    by_pairs = replace(RULES, ladder=Ladder((Stage(0, by_pairs=True), Stage(500_000, by_pairs=True))))
    known = replace(by_pairs, gates=replace(by_pairs.gates, plans_by_alpha=True))
    loud = {200: 50, -200: 50}
    usual, strict, before = (
        evaluate(Quality(alpha=alpha), with_counts(rules, quality=loud), Look())
        for rules, alpha in ((known, 0.05), (known, 0.001), (by_pairs, 0.001))
    )
    assert (before.budget, before.units_to_go) == (usual.budget, usual.units_to_go)
    for ours, theirs in ((strict.budget, usual.budget), (strict.units_to_go, usual.units_to_go)):
        assert ours is not None
        assert theirs is not None
        assert 1.5 < ours / theirs < 2


def test_a_gate_is_futile_by_its_own_budget():
    """Where even the most hopeful estimate needs more than the gate's own budget, and not the stage's conversations."""
    by_pairs = replace(RULES, ladder=Ladder((Stage(0, by_pairs=True, max_units=10**9),)))
    at_limit = {200: 9000, 0: 20000, -200: 11000}
    assert evaluate(Quality(), with_counts(by_pairs, quality=at_limit)).futile
    assert not evaluate(Quality(), with_counts(by_pairs, quality={200: 900, 0: 2000, -200: 900})).futile
