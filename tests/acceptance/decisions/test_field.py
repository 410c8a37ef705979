"""Certificates where the assumptions break (decisions-2, section 9): each at its limit, and the naive rule beside it.

Smaller than `make decisions`, with the same seeds and the same laws.
"""

from dataclasses import replace

import numpy as np
import pytest

from policies.gates import evaluate
from policies.rules import Gates, Guards, Quality, Rules, Units
from policies.simulate import simulate
from policies.terms import Outcome, Verdict
from tests.acceptance.decisions import blocks
from tests.acceptance.decisions import field as f
from tests.acceptance.decisions import measures as m
from tests.rooms.pair_events import KEY, filled, pair

FIELD = Rules(
    "r", KEY, Gates(Quality(missing=-1.0), errors=None, latency=None), units=Units(rho_users=0.3, rho_prompts=0.5)
)


@pytest.mark.parametrize("share", [0.01, 0.02, 0.05])
def test_verdicts_that_are_missing_where_they_would_be_bad_certify_nobody(share: float):
    """At the limit with exactly the bad verdicts missing: at most 5 % wrong; left out, far more."""
    found = f.hidden(np.random.default_rng([18, 3]), 300, 4000, mean=-0.05, share=share, bad_ones=True)
    assert m.at_most_five_percent(f.certified_counting(found, -1.0))
    assert m.share(f.certified_counting(found, None)) > 0.12


def test_five_percent_missing_at_random_is_never_certified_and_the_gate_says_why():
    """A healthy candidate with one verdict in twenty missing stays undecided; the reason names what they cost."""
    events = [pair(f"u{n}", q=None if n % 20 == 0 else 0.0) for n in range(3000)]
    result = evaluate(FIELD.gates.quality or Quality(), filled(events, FIELD))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "verdicts that are missing cost 0.050 of the margin of 0.05" in result.reason
    without = filled([pair(f"u{n}", q=0.0) for n in range(3000)], FIELD)
    assert evaluate(FIELD.gates.quality or Quality(), without).verdict is Verdict.PASS


@pytest.mark.parametrize(("users", "icc"), [(50, 0.3), (100, 0.1), (300, 0.3), (1000, 0.1)])
def test_users_who_come_again_certify_nobody(users: int, icc: float):
    """At the limit with few users: at most 5 % wrong, where each session weighs less than the one before."""
    scores, whose = f.recurring(np.random.default_rng([18, 7]), 250, 4000, clusters_=users, icc=icc, mean=-0.05)
    assert m.at_most_five_percent(f.certified_weighted(scores, f.weights(whose, 0.3)))


def test_every_session_weighing_one_would_certify_many():
    """The naive rule, at a hundred users: more than one in ten is wrong, so the test above bites."""
    scores, _ = f.recurring(np.random.default_rng([18, 7]), 250, 4000, clusters_=100, icc=0.3, mean=-0.05)
    assert m.share(f.certified_weighted(scores, np.ones_like(scores))) > 0.10


@pytest.mark.parametrize("prompts", [120, 1000])
def test_prompts_that_are_repeated_for_ever_certify_nobody(prompts: int):
    """Equal prompts have nearly one score: by rho 0.5 at most 5 % are wrong."""
    scores, whose = f.recurring(np.random.default_rng([18, 8]), 250, 4000, clusters_=prompts, icc=0.6, mean=-0.05)
    assert m.at_most_five_percent(f.certified_weighted(scores, f.weights(whose, 0.5)))


def test_the_runs_are_what_gates_compute():
    """A run's e-value after its last unit is the gate's own, of the same sessions as events."""
    scores, whose = f.recurring(np.random.default_rng([18, 9]), 1, 60, clusters_=12, icc=0.3, mean=0.2)
    events = [pair(f"s{n}", float(n), q=float(scores[0, n]), user=f"u{whose[0, n]}") for n in range(60)]
    firsts = f.certified_weighted(scores, f.weights(whose, 0.3))
    verdicts = [evaluate(FIELD.gates.quality or Quality(), filled(events[:n], FIELD)).verdict for n in range(1, 61)]
    first = next((n for n, verdict in enumerate(verdicts, 1) if verdict is Verdict.PASS), np.inf)
    assert firsts[0] == first


def test_a_population_that_is_fixed_weighs_every_session_alike():
    """Where the same users are all there will ever be, the plain certificate is the right one."""
    events = [pair(f"s{n}", q=0.0, user="u") for n in range(400)]
    fixed = replace(FIELD, units=Units())
    gate = FIELD.gates.quality or Quality()
    assert evaluate(gate, filled(events, fixed)).verdict is Verdict.PASS
    few = evaluate(gate, filled(events, FIELD))
    assert few.verdict is Verdict.INCONCLUSIVE
    assert "on 400 units, worth 3," in few.reason


@pytest.mark.parametrize(
    "speeds",
    [
        f.Speeds(1.2, swing=2.0),
        f.Speeds(1.2, swing=3.0),
        f.Speeds(1.2, spread=0.5),
        f.Speeds(1.2, spread=1.5),
        f.Speeds(1.2, p=0.99),
    ],
)
def test_a_latency_that_is_exactly_at_its_limit_certifies_nobody(speeds: f.Speeds):
    """Whether both swing by day or the shapes differ: at most 5 % wrong, and next to no false harm."""
    runs = f.latency_runs(np.random.default_rng([18, 4]), 300, 3000, speeds)
    assert m.at_most_five_percent(runs.certified)
    assert m.share(runs.harmed) <= 0.01
    assert speeds.swing == 1.0 or m.share(runs.naive) > 0.5


@pytest.mark.parametrize("slower", [1.5, 3.0])
def test_a_brown_out_of_the_baseline_lets_no_slow_candidate_through(slower: float):
    """Its first thousand requests four times slower: a frozen limit certifies everybody, the line nobody."""
    speeds = f.Speeds(slower, ill=(-12, -8, 4.0))
    runs = f.latency_runs(np.random.default_rng([18, 5]), 100, 3000, speeds)
    assert m.share(runs.certified) == 0
    assert m.share(runs.naive) > 0.9


@pytest.mark.parametrize(
    "speeds", [f.Speeds(1.0, ill=(-12, -8, 4.0)), f.Speeds(1.0, ill=(8, 12, 4.0), both_ill=True), f.Speeds(1.0, k=10)]
)
def test_an_equal_candidate_comes_through_whatever_befalls_both(speeds: f.Speeds):
    """Certified by 6,000 units in at least 95 %, and no harm is ever certified."""
    runs = f.latency_runs(np.random.default_rng([18, 6]), 60, 6000, speeds)
    assert m.share(runs.certified) >= 0.95
    assert m.share(runs.harmed) == 0


def test_the_gate_holds_both_variants_to_one_line():
    """Equal is certified, three times slower is harm; the line and what is known stand in the record."""
    gate, equal, slow = blocks.GATE, blocks.under_load(1.0, 6), blocks.under_load(3.0, 2)
    assert evaluate(gate, equal).verdict is Verdict.PASS
    assert evaluate(gate, slow).verdict is Verdict.FAIL
    kept = equal.closed()
    assert evaluate(gate, kept) == evaluate(gate, equal)
    assert kept.line.line_s == equal.line.line_s
    assert f"beyond {kept.line.line_s:.3g} s" in evaluate(gate, kept).reason


def test_nothing_advances_out_of_a_void_block():
    """A block in which the baseline is ill adds nothing, and while it lasts a certificate does not count."""
    gate, ill, before = blocks.GATE, blocks.under_load(1.0, 8, ill_from=6), blocks.under_load(1.0, 6)
    result = evaluate(gate, ill)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "the baseline is ill now" in result.reason
    assert sum(ill.histogram("latency").values()) <= sum(before.histogram("latency").values()) + 250
    assert evaluate(gate, ill).log10_harm == pytest.approx(evaluate(gate, before).log10_harm, rel=0.15)


def test_a_record_out_of_a_void_block_makes_the_same_decision_again():
    """Certified before the baseline falls ill, it does not advance while it is; the line stands in the record."""
    assert blocks.void_blocks(9) == blocks.VoidOutcome(certified=True, advanced=False, added=0, replayed=True)


@pytest.mark.parametrize(("itself", "wild"), [(0.7, False), (0.7, True), (0.9, False), (0.97, True)])
def test_the_same_model_as_the_baseline_is_promoted(itself: float, wild: bool):  # noqa: FBT001 -- a law's one switch
    """By 3,000 pairs in at least 99 %, however little it agrees with itself; by plain likeness nobody is, at 0.9."""
    scores, naive = f.alike_runs(np.random.default_rng([18, 1]), 150, 3000, itself=itself, wild=wild)
    assert m.share(m.first_certified(scores, -0.05, -1.0)) >= 0.99
    assert itself > 0.9 or m.share(m.first_certified(naive, -0.05, -1.0)) == 0


def test_a_candidate_that_is_less_alike_is_not_promoted():
    """At the limit at most 5 % are; 0.12 less alike, none, and that it differs is certified."""
    at, _ = f.alike_runs(np.random.default_rng([18, 2]), 300, 3000, itself=0.9, less=0.05)
    assert m.at_most_five_percent(m.first_certified(at, -0.05, -1.0))
    below, _ = f.alike_runs(np.random.default_rng([18, 2]), 100, 3000, itself=0.9, less=0.12)
    assert m.share(m.first_certified(below, -0.05, -1.0, least=m.LEAST)) == 0
    assert m.share(m.first_certified(-below, 0.05, -1.0)) >= 0.99


def test_a_candidate_that_differs_is_undecided_and_never_rejected():
    """Through the whole core: INCONCLUSIVE with the advice, and no weight moves; the same by a judge is rejected."""
    rng = np.random.default_rng([18, 10])
    differs = [
        pair(f"u{n}", again=True, agree=float(a), agree_cross=float(a), agree_again=1.0, q=float(a) - 1)
        for n, a in enumerate(rng.random(600) < 0.8)
    ]
    alike = Rules(
        "r", KEY, Gates(Quality(likeness=True, missing=-1.0), latency=None), guards=Guards(outputs="observed")
    )
    found = simulate(alike, differs)
    assert (found.outcome, found.last and found.last.rollout.weight_ppm) == (Outcome.INCONCLUSIVE, 0)
    assert found.deciding is not None
    assert "let a judge, a scorer or people score the pairs" in found.deciding.reason
    judged = replace(alike, gates=Gates(Quality(missing=-1.0), latency=None))
    assert simulate(judged, differs).outcome is Outcome.REJECTED
