"""Detectors where failures come in runs, and scores are alike within conversations: fewer alarms, none later."""

import numpy as np
import pytest

from tests.acceptance.decisions import bursts as b


@pytest.mark.parametrize("run", [2, 4])
def test_runs_of_failures_of_one_conversation_alarm_nobody(run: int):
    """Five conversations at once, half a percent fails: of 40 stretches of 5,000 requests none; else many."""
    ruled, plain = b.false_alarms(np.random.default_rng([18, 31]), 40, 5000, run=run, at_once=5)
    assert ruled == 0
    assert run < 4 or plain > 5


@pytest.mark.parametrize(("rate", "median"), [(1.0, 3), (0.5, 7), (0.2, 26), (0.1, 80)])
def test_a_failing_candidate_is_noticed_as_soon_as_ever(rate: float, median: int):
    """With 200 conversations at once: within a quarter of the design's delays."""
    assert b.delay(np.random.default_rng([18, 32]), 40, rate) <= max(median + 1, 1.25 * median)


def test_conversations_of_ten_turns_alarm_less_by_their_weight():
    """Healthy ones, held to -.02: the rule alarms in fewer of the stretches than whole weights do."""
    ruled, plain = b.quality_alarms(np.random.default_rng([18, 33]), 12, 250)
    assert ruled == 0
    assert plain > ruled
