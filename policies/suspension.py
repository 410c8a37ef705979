"""What an alarm costs at first: a suspension, out of which a candidate comes back by being tried. Pure.

Rules:
1. An alarm takes all traffic at once, and no evidence. For `calm_s` nothing is asked of the candidate; then it is asked
   beside the baseline's answers, with detectors that begin afresh, until they have heard of `trial` requests.
2. Quiet among all of them: it comes back to the weight it had. An alarm among them, a third alarm in a day, or a trial
   that does not come to its end within `trial_s`: it is rolled back, and comes back with evidence from zero.
3. Certified harm is no matter for a trial: it rolls back at once, suspended or not.

Source: decisions-2, ruling 5. Of one blip of 1 to 30 s no run was rolled back; failing on at 10 % or more, all were.
"""

from policies.results import Results
from policies.rules import RollbackSettings
from policies.terms import Outcome

Found = tuple[Outcome, str, str]
"""What is found, by which rule, in which words."""


def on_alarm(settings: RollbackSettings, before: int, alarm: tuple[str, str]) -> Found:
    """What an alarm does while traffic moves. `before`: suspensions of the last day; `alarm`: its rule and sentence."""
    rule, reason = alarm
    if not settings.trial:
        return Outcome.ROLLBACK, rule, reason
    if before >= settings.suspensions:
        return Outcome.ROLLBACK, rule, f"{reason}; suspended {before} times within a day already"
    return Outcome.SUSPEND, rule, reason


def on_trial(settings: RollbackSettings, suspended_s: float, alarm: str | None, results: Results) -> Found:
    """What is found of a suspended candidate. `alarm`: why it is taken for ill now; None: nothing says so."""
    tried = f"{results.tried} of {settings.trial} requests"
    if alarm is not None:
        return Outcome.SUSPEND, "trial", f"it still fails, {tried} into its trial: {alarm}"
    calm_left_s = settings.calm_s - suspended_s
    if calm_left_s > 0:
        return Outcome.HOLD, "trial", f"suspended; asked nothing for {calm_left_s:.0f} s more, then tried"
    if settings.trial and results.tried >= settings.trial and not results.fault:
        return Outcome.PROMOTE, "trial", f"tried on {tried} beside the baseline, without an alarm"
    if suspended_s >= settings.trial_s:
        return Outcome.INCONCLUSIVE, "trial", f"its trial did not come to its end in {suspended_s:.0f} s: {tried}"
    waits = f"; {results.fault}" if results.fault else ""
    return Outcome.HOLD, "trial", f"suspended, and being tried: {tried} beside the baseline without an alarm{waits}"
