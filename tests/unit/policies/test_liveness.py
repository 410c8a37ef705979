"""Whether a candidate serves: what takes its traffic, what does not, and that nothing it does gets it back."""

import math

import msgspec
import pytest

from policies.liveness import EMPTY_ROW, AssignedOutcome, Liveness, ServiceReport, empty_row
from policies.terms import Owner

ANSWERED = AssignedOutcome.ANSWERED
FAILED = AssignedOutcome.FAILED
BUSY = AssignedOutcome.BUSY
LEFT = AssignedOutcome.LEFT
NOW = 1_800_000_000.0
FRESH = Liveness("k", 1)


def told(
    at: float, service: AssignedOutcome | None = ANSWERED, word: str = "", *, failed: bool | None = None,
    waited_s: float = 5.0, is_empty: bool = False,
) -> ServiceReport:  # fmt: skip
    owner = Owner.BASELINE if service is None else Owner.CANDIDATE
    return ServiceReport(NOW + at, owner, service, word, failed, waited_s, is_empty=is_empty)


def after(
    *reports: ServiceReport, start: Liveness = FRESH, tolerance: float = 0.02, empty_rate: float = 0.0
) -> Liveness:
    for report in reports:
        start = start.after(report, tolerance=tolerance, arl=10_000.0, patience_s=2.0, empty_rate=empty_rate)
    return start


HEALTHY = [told(i / 20) for i in range(200)]
DEAD = [told(10 + i / 20, FAILED, "breaker" if i > 4 else "refused", failed=False) for i in range(6)]


def test_an_alarm_and_the_end_of_its_trial_begin_it_afresh() -> None:
    """Of another watch it knows nothing; of the same one it stays what it is."""
    ill = after(*HEALTHY, *DEAD)
    assert ill.unhealthy() is not None
    assert ill.of("k", 1) is ill
    assert ill.of("k", 1, 1) == Liveness("k", 1, watch=1)
    assert ill.of("k", 1, 1).unhealthy() is None


def test_a_healthy_candidate_is_healthy() -> None:
    """Answers, a rare failure and apps that hang up are no illness."""
    rare = [told(10 + i / 20, FAILED if i % 200 == 0 else ANSWERED, failed=False) for i in range(2000)]
    found = after(*HEALTHY, *rare, *[told(200 + i, LEFT, waited_s=1.0) for i in range(60)])
    assert found.unhealthy() is None
    answered, assigned = found.share()
    assert assigned > answered > 0.99 * assigned


def test_a_dead_one_is_ill_within_a_few_requests() -> None:
    """Failures, and what the breaker then keeps from it, count alike; the sentence says what its last ones were."""
    found = after(*HEALTHY, *DEAD)
    assert found.unhealthy() == (
        "the candidate answered 200 of the last 203 requests assigned to it (its last 5: 3 × refused)"
    )
    assert found.told().startswith("answered 200 of the last 206 requests assigned to it")
    assert found.told().endswith("(its last 5: 4 × refused, 1 × not asked, after earlier failures)")


def test_a_row_of_one_failure_is_said_in_one_breath() -> None:
    """Five failures of one kind are told as such, and a mixed row with how often each came."""
    alike = after(*HEALTHY, *[told(10 + i / 20, FAILED, "server_error", failed=False) for i in range(5)])
    assert alike.told() == "failed its last 5 requests (HTTP 5xx)"


def test_healing_does_not_help() -> None:
    """One that answers again stays ill: it comes back with evidence from zero, or by an operator's word."""
    ill = after(*HEALTHY, *DEAD)
    healed = after(*[told(20 + i / 20) for i in range(5000)], start=ill)
    assert healed.unhealthy() == ill.unhealthy() is not None
    assert healed.of("k", 1) is healed
    assert healed.of("k", 2) == Liveness("k", 2)
    assert healed.of("other", 1).unhealthy() is None


@pytest.mark.parametrize("service", [FAILED, LEFT])
def test_an_outage_of_both_is_excused(service: AssignedOutcome) -> None:
    """Where the baseline fails the same requests, or fails lately, the candidate's failures say nothing of it."""
    together = [told(10 + i / 20, service, failed=True) for i in range(400)]
    assert after(*HEALTHY, *together).unhealthy() is None
    aside = [told(10 + i / 20, None if i % 2 else service, failed=True if i % 2 else None) for i in range(800)]
    assert after(*HEALTHY, told(9.9, None, failed=True), *aside[1:]).unhealthy() is None


def test_no_answers_are_no_life() -> None:
    """Where apps leave before anybody knows how long they wait, ten seconds without one answer are too many."""
    left = [told(i * 3.0, LEFT) for i in range(5)]
    assert after(*HEALTHY, *left[:4]).unhealthy() is None
    assert after(*left).unhealthy() == (
        "the candidate answered none of the last 5 requests assigned to it, for 12 s (its last 5: 5 × the app gave up)"
    )
    assert after(*left[:4], told(10.0), *left[4:]).unhealthy() is None
    assert after(*[told(i * 1.0, LEFT, waited_s=1.9) for i in range(60)]).unhealthy() is None


def test_answers_with_nothing_in_them_are_no_life() -> None:
    """A model that says nothing to anybody is ill within a second and a half; one word among them, and it is not."""
    empty = [told(10 + i / 20, is_empty=True) for i in range(EMPTY_ROW)]
    assert after(*HEALTHY, *empty).unhealthy() == f"the candidate's last {EMPTY_ROW} answers are empty"
    assert after(*HEALTHY, *empty[1:], told(20), *empty[1:]).unhealthy() is None


def test_a_baseline_that_says_nothing_often_makes_rows_longer() -> None:
    """Until a candidate that is as often silent comes to such a row once in a billion; one that always is, never."""
    empty = [told(10 + i / 20, is_empty=True) for i in range(300)]
    assert after(*HEALTHY, *empty, empty_rate=0.95).unhealthy() is None
    assert after(*HEALTHY, *empty, empty_rate=0.9).unhealthy() == "the candidate's last 197 answers are empty"
    assert [empty_row(rate) for rate in (0.0, 0.01, 0.5)] == [EMPTY_ROW] * 3
    assert [empty_row(rate) for rate in (0.95, 1.0)] == [405, math.inf]


def test_no_room_is_no_illness_until_it_lasts() -> None:
    """A burst beyond what it may hold is the baseline's; most of the requests of two minutes are no burst."""
    burst = [told(i / 100, BUSY, "busy") for i in range(500)]
    assert after(*HEALTHY, *burst, *HEALTHY).unhealthy() is None
    lasting = [told(i / 2, BUSY if i % 3 else ANSWERED, "busy", failed=False) for i in range(600)]
    assert "requests assigned to it in two minutes" in (after(*lasting).unhealthy() or "")


def test_an_edited_tolerance_keeps_what_was_seen() -> None:
    """Another tolerance judges what comes; what was seen stays seen."""
    once = after(*HEALTHY, tolerance=0.02)
    again = after(told(10.0), start=once, tolerance=0.1)
    assert (again.errors.tolerance, again.errors.n) == (0.1, 201)


def test_it_travels() -> None:
    """What a leader keeps is what the next one reads."""
    found = after(*HEALTHY, *DEAD)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Liveness) == found
    assert msgspec.json.decode(msgspec.json.encode(DEAD[0]), type=ServiceReport) == DEAD[0]
