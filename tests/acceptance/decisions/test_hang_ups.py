"""Apps that hang up: whoever they leave alike is not accused, and whom they leave more often is found out."""

from dataclasses import replace

import numpy as np

from policies.guards import watch
from policies.histograms import MICRO, score_bin
from policies.rules import Guards
from policies.terms import Verdict
from tests.rooms.pair_events import RULES, evidence

RUNS, LOOKS, UNITS = 200, 20, 150
ALLOWED = 0.05
OFTEN = 0.3


def _breach(rng: np.random.Generator, rate: float, base_rate: float) -> int | None:
    """After how many units of each variant it is certified that apps hang up more often; None: never."""
    found = evidence(weight_ppm=500_000)
    found.judge_by(replace(RULES, guards=Guards(hang_ups=ALLOWED)))
    left = np.zeros(2, dtype=int)
    for look in range(1, LOOKS + 1):
        left += rng.binomial(UNITS, (rate, base_rate))
        for side, gone in zip(("candidate", "baseline"), left, strict=True):
            found.histograms[f"left_{side}"] = {
                score_bin(MICRO, 1): int(gone),
                score_bin(0, 1): look * UNITS - int(gone),
            }
        if next(each for each in watch(found) if each.guard == "hang_ups").verdict is Verdict.FAIL:
            return look * UNITS
    return None


def test_at_the_limit_next_to_nobody_is_accused_however_often_one_looks():
    """Apps hang up on every third answer anyway, and on the candidate's as much more often as is allowed."""
    rng = np.random.default_rng(7)
    found = [_breach(rng, OFTEN + ALLOWED, OFTEN) for _ in range(RUNS)]
    assert sum(each is not None for each in found) <= 5, found  # 1 % of 200 is 2


def test_whom_apps_leave_three_times_as_often_is_found_out():
    """Within 900 conversations of each, in every run."""
    rng = np.random.default_rng(7)
    found = [_breach(rng, 0.3, 0.1) for _ in range(RUNS // 4)]
    assert max(each or LOOKS * UNITS for each in found) <= 900, found
