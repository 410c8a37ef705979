"""What an alarm costs at first, and how a trial ends."""

from dataclasses import replace

import pytest

from policies.results import Results
from policies.rules import DAY_S, RollbackSettings
from policies.suspension import on_alarm, on_trial
from policies.terms import Outcome

SETTINGS = RollbackSettings(trial=200)
ALARM = ("detector", "detector errors: alarm")
DONE = Results(tried=200)


@pytest.mark.parametrize(
    ("trial", "before", "outcome", "reason"),
    [
        (200, 0, Outcome.SUSPEND, "detector errors: alarm"),
        (200, 1, Outcome.SUSPEND, "detector errors: alarm"),
        (200, 2, Outcome.ROLLBACK, "detector errors: alarm; suspended 2 times within a day already"),
        (0, 0, Outcome.ROLLBACK, "detector errors: alarm"),
    ],
)
def test_an_alarm_suspends_twice_a_day_where_there_is_a_trial(trial: int, before: int, outcome: Outcome, reason: str):
    """The third one rolls back, and so does each where nobody can be tried; the alarm's own rule and words stay."""
    assert on_alarm(replace(SETTINGS, trial=trial), before, ALARM) == (outcome, "detector", reason)


@pytest.mark.parametrize(
    ("suspended_s", "alarm", "results", "outcome"),
    [
        (0.0, None, DONE, Outcome.HOLD),
        (59.9, None, DONE, Outcome.HOLD),
        (60.0, None, DONE, Outcome.PROMOTE),
        (60.0, None, replace(DONE, tried=199), Outcome.HOLD),
        (60.0, None, replace(DONE, fault="late"), Outcome.HOLD),
        (60.0, "it fails", DONE, Outcome.SUSPEND),
        (0.0, "it fails", Results(), Outcome.SUSPEND),
        (DAY_S - 1, None, Results(), Outcome.HOLD),
        (DAY_S, None, replace(DONE, tried=199), Outcome.INCONCLUSIVE),
        (DAY_S, None, DONE, Outcome.PROMOTE),
    ],
)
def test_a_trial_ends_by_its_requests_by_an_alarm_or_by_its_time(
    suspended_s: float, alarm: str | None, results: Results, outcome: Outcome
):
    """A minute of nothing, then 200 requests; an alarm goes before all of it, and a day is the longest."""
    found, rule, reason = on_trial(SETTINGS, suspended_s, alarm, results)
    assert (found, rule) == (outcome, "trial")
    assert reason.endswith("; late") is (results.fault is not None)
