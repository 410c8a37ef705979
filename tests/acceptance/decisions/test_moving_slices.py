"""Slices that move alone (decisions-2, section 9, test 15, rule B): hardly ever a wrong one, however many there are.

Seeded and smaller than the table of `make decisions`.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from policies import moving_slices
from policies.evidence import Evidence
from policies.review import Conditions, key_of, review
from policies.rollout import Rollout, start, step
from policies.rules import BETS, Errors, Gates, Guards, Ladder, Quality, Rules, Stage
from policies.terms import Move
from tests.acceptance.decisions import measures as m
from tests.acceptance.decisions import moving as v
from tests.rooms.pair_events import KEY, pair

LADDER = Ladder((Stage(0, min_units=40), Stage(50_000, min_units=10**6)), moves_by="tool")
RULES = Rules(
    "r",
    KEY,
    Gates(Quality(), errors=Errors(0.05), latency=None, slices=("tool",)),
    Guards("observed"),
    ladder=LADDER,
    bets=BETS,
)


def test_runs_are_tested_as_the_core_tests():
    """The vectorised procedure is the one that moves traffic, look by look."""
    rng = np.random.default_rng(15)
    moving = np.zeros((6, 50), dtype=bool)
    for _ in range(4):
        log_e = rng.normal(2.0, 3.0, (6, 50))
        found = v.holm(log_e, moving)
        for run in range(50):
            waiting = {str(n): log_e[n, run] for n in range(6) if not moving[n, run]}
            told = moving_slices.holm(waiting, v.ALPHA, waiting)
            assert {str(n) for n in range(6) if found[n, run] and not moving[n, run]} == set(told)
        moving = found


@pytest.mark.parametrize(("count", "naive"), [(5, 0.0), (10, 0.05), (20, 0.15)])
def test_half_of_them_at_the_limit(count: int, naive: float):
    """At most 5 % ever move a wrong one, at all looks together; each at full alpha, ever more with their number."""
    found = v.runs(np.random.default_rng([15, count]), 120, 1200, count // 2, count - count // 2)

    assert m.at_most_five_percent(found.wrong)
    assert m.share(found.naive) > max(naive, m.share(found.wrong))
    assert np.isfinite(found.first).mean() > 0.95


def test_all_of_them_at_the_limit():
    """Nothing good among ten: at most 5 % move any."""
    found = v.runs(np.random.default_rng([15, 0]), 120, 1200, 10, 0)

    assert m.at_most_five_percent(found.wrong)
    assert m.share(found.naive) > 0.1


def climbed(rollout: Rollout, scores: np.ndarray, names: np.ndarray, order: np.ndarray) -> list[Rollout]:
    """Where it stands after each fiftieth pair, told in some order within those fifty."""
    told: list[Rollout] = []
    found = Evidence(key_of(rollout), RULES)
    for start_ in range(0, len(scores), 50):
        for at in start_ + order:
            event = pair(f"u{at}", float(at), q=scores[at] / 100, slices=(f"tool={names[at]}",))
            event = replace(event, stays=bool(rollout.weight_ppm) and event.slices[0] not in rollout.held.moving)
            found.observe(event, rollout.held)
        found.close_all()
        while True:  # a slice that joins, and the rise after it
            decision = step(rollout, review(found, rollout, now=0.0, seen=Conditions(), bounds=False), now=0.0)
            rollout = decision.rollout
            if key_of(rollout) != found.key:
                found = found.next(key_of(rollout), RULES)
            if decision.move is Move.HOLD:
                break
        told.append(rollout)
    return told


def test_certified_slices_stay_so_and_no_order_changes_them():
    """Through the core: from the shadow on to a stage with traffic, told in any order."""
    rng = np.random.default_rng([15, 3])
    means = {"good": 0.04, "fair": 0.0, "bad": -0.2}
    names = rng.choice(list(means), 3000)
    scores = np.array([rng.choice([100, 0, -100], p=[0.1 + means[n] / 2, 0.8, 0.1 - means[n] / 2]) for n in names])
    once = climbed(start(RULES), scores, names, np.arange(50))
    turned = climbed(start(RULES), scores, names, rng.permutation(50))

    assert [each.held.moving for each in turned] == [each.held.moving for each in once]
    assert [each.weight_ppm for each in turned] == [each.weight_ppm for each in once]
    for before, after in pairwise(once):
        assert after.held.moving[: len(before.held.moving)] == before.held.moving
        assert after.held.moving or not after.weight_ppm
    assert sorted(once[-1].held.moving) == ["tool=fair", "tool=good"]
    assert once[-1].weight_ppm == 50_000
    assert any(each.weight_ppm and len(each.held.moving) == 1 for each in once)
