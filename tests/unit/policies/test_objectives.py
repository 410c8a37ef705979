"""What a policy promises apps."""

from policies.objectives import Objective, objectives
from tests.rooms.policy_files import policy


def test_every_policy_promises_that_answers_come():
    """What its guard tolerates of failures is the error budget; a multiple of the baseline promises no time."""
    assert objectives(policy()) == (Objective("support-triage", "errors", 0.02),)
    strict = objectives(policy("guards: {error_rate: 0.1%}\ngates: {latency: off}"))
    assert [(each.name, each.tolerated) for each in strict] == [("availability", 0.001)]


def test_a_limit_in_seconds_promises_a_time():
    """Each becomes an objective of its own, its quantile the share of answers that must keep it."""
    limits = "gates: {latency: {ttft_p95: 750ms, total_p99: 10s, relative: {ttft_p95: 1.2x}}}"
    late = objectives(policy(limits))[1:]
    assert late == (
        Objective("support-triage", "ttft", 0.05, 0.75),
        Objective("support-triage", "total", 0.01, 10.0),
    )
    assert [(each.name, each.key) for each in late] == [("ttft-p95", "ttft_p95"), ("total-p99", "total_p99")]
