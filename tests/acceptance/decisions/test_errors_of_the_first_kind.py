"""H1, H2, H4: how often a candidate exactly on its limit is promoted when one looks after every unit."""

import numpy as np
import pytest

from policies import stats
from policies.gates import evaluate
from policies.rules import Gates, Latency, Quality, Validity
from policies.terms import Verdict
from tests.acceptance.decisions.measures import (
    LEAST,
    WALL,
    arms,
    arms_by_peeking,
    arms_certified,
    at_most_five_percent,
    clustered,
    first_by_peeking,
    first_certified,
    running_log_e,
    share,
    three_gates,
)
from tests.acceptance.decisions.streams import DATA, GATES, LAWS, GateCase, bfcl, conversations
from tests.rooms.pair_events import RULES, filled, pair

needs_data = pytest.mark.skipif(not DATA.exists(), reason=f"the real data is not beside this checkout ({DATA.name})")


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
@pytest.mark.parametrize("law", LAWS)
def test_a_candidate_on_its_limit_is_rarely_promoted(gate: GateCase, law: str):
    """H1: at most 5 % wrong promotions for each gate and law, where peeking with a z-test gives more than 20 %."""
    scores = LAWS[law](np.random.default_rng(11), 300, 3000, gate)
    assert at_most_five_percent(first_certified(scores, gate.limit, gate.lo, least=LEAST))
    assert share(first_by_peeking(scores, gate.limit)) > 0.20


@pytest.mark.parametrize("weight", [0.05, 0.25, 0.5])
def test_arms_one_margin_apart_are_rarely_called_equal(weight: float):
    """H1 for unpaired errors: a candidate that fails exactly 1 pp more often passes in at most 5 % of runs."""
    found = arms(np.random.default_rng(5), 60, 6000, rates=(0.02, 0.01), weight=weight)
    assert at_most_five_percent(arms_certified(found))
    assert share(arms_by_peeking(found)) > 0.20


def test_streams_of_arms_are_what_the_statistic_computes():
    """The screened look at the arms first certifies where the real e-value does, unit by unit."""
    found = arms(np.random.default_rng(6), 4, 500, rates=(0.01, 0.03), weight=0.4)
    certified = arms_certified(found, 0.05)
    assert np.isfinite(certified).sum() >= 2
    for row, at in enumerate(certified):
        sides = zip(found.ours[row], found.n, found.theirs[row], found.m, strict=True)
        exact = (stats.log_e_difference((s, n), (t, m), 0.05) >= WALL for s, n, t, m in sides)
        assert at == next((n for n, reached in enumerate(exact, 1) if reached), np.inf)


@pytest.mark.parametrize("at_limit", ["quality", "errors", "latency"])
def test_three_gates_together_are_no_easier(at_limit: str):
    """H1: with one of three gates on its limit at most 5 % are promoted, where peeking promotes about 30 %."""
    ours, naive = three_gates(np.random.default_rng(12), 100, 3000, at_limit=at_limit)
    assert at_most_five_percent(ours)
    assert share(naive) > 0.15


def test_streams_are_what_gates_compute():
    """The vectorised streams of these tests and the gate on real evidence agree, unit by unit."""
    gate = GATES[0]
    scores = conversations(np.random.default_rng(2), 3, 150, gate)
    running = running_log_e(scores, gate.limit, gate.lo)
    for row, logs in zip(scores, running, strict=True):
        events = [
            pair(f"{unit}", float(turn), q=q)
            for unit, mean in enumerate(row)
            for turn, q in enumerate([1.0] * round(5 * (mean + 1)) + [-1.0] * (10 - round(5 * (mean + 1))))
        ]
        for n in (20, 150):
            result = evaluate(Quality(), filled([event for event in events if int(event.unit) < n]))
            assert result.log10_e is not None
            assert result.log10_e * np.log(10) == pytest.approx(logs[n - 1], abs=1e-9)
            assert (result.verdict is Verdict.PASS) == (logs[n - 1] >= WALL)


@needs_data
def test_real_deficits_are_rarely_certified_away():
    """H2: with the margin set to a real model's deficit, bootstrapped rollouts promote it in at most 5 %."""
    baseline, right = bfcl()
    rng = np.random.default_rng(3)
    for model, scores in right.items():
        difference = scores - right[baseline]
        if difference.mean() > 0:
            difference = -difference
        if difference.mean() < -0.005:
            runs = rng.choice(difference, (300, 4000))
            assert at_most_five_percent(first_certified(runs, difference.mean(), -1.0)), model
            assert share(first_by_peeking(runs, difference.mean())) > 0.20, model


def test_units_are_conversations_for_a_reason():
    """H4: where ten turns resemble each other, counting requests promotes wrongly, counting conversations does not."""
    turns = clustered(np.random.default_rng(4), 200, 2000, turns=10, icc=0.3)
    assert at_most_five_percent(first_certified(turns.mean(axis=2), -0.05, -1.0))
    assert share(first_certified(turns.reshape(len(turns), -1), -0.05, -1.0)) > 0.20


def test_evidence_averages_within_conversations():
    """H4: what evidence keeps of a conversation of ten turns is one unit with its mean, not ten."""
    turns = clustered(np.random.default_rng(4), 1, 30, turns=10, icc=0.3)[0]
    found = filled([pair(f"{unit}", float(at), q=q) for unit, row in enumerate(turns) for at, q in enumerate(row)])
    result = evaluate(Quality(), found)
    assert result.n == 30
    assert result.estimate == pytest.approx(turns.mean(), abs=0.006)


def test_the_gates_at_their_limits_are_the_policys():
    """The limits these tests sit on are the defaults of the policy."""
    assert {gate.name: gate.limit for gate in GATES} == {
        "quality": -Quality().margin,
        "validity": -Validity().margin,
        "errors": -(Gates().errors or Quality()).margin,
        "latency": Latency().quantile,
    }
    assert RULES.gates.quality == Quality()
