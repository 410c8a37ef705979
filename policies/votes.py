"""Votes (`feedback`): whether people dislike the candidate's answers more than the baseline's. An alarm, nothing else.

Rules:
1. Whoever votes has chosen to: votes certify nothing, and no gate, move or weight looks at them.
2. A voter counts once, however many votes are cast: as the share of them that are bad.

Source: decisions, C.5, 8 (feedback bias); reliability, T20 (stuffing).
"""

import math
from dataclasses import dataclass

from policies import stats

ALPHA = 0.01
"""The alarm's own, as each guard's: the chance that answers no worse than the baseline's ever raise it. Each interval's
too, both sides together."""
REMARK = "only those who vote are heard: this alarms a person, and moves nothing"

_LOG10 = math.log(10)


@dataclass(frozen=True, slots=True)
class Voters:
    """Who voted on one variant's answers."""

    n: int = 0
    bad: float = 0.0
    """The share of bad votes of each, summed."""


@dataclass(frozen=True, slots=True)
class Dislike:
    """How often one variant's answers are disliked. Without a voter nothing is known: None."""

    n: int
    bad: float
    rate: float | None
    lower: float | None
    upper: float | None
    """Confidence sequence: at all looks together."""


@dataclass(frozen=True, slots=True)
class Votes:
    """Both variants' votes side by side."""

    candidate: Dislike
    baseline: Dislike
    log10_e: float
    """Evidence against "the candidate's answers are disliked no more often than the baseline's"."""
    needed: float
    """What it has to reach."""
    raised: bool
    reason: str
    remark: str = REMARK


def weigh(candidate: Voters, baseline: Voters) -> Votes:
    """Hold one variant's voters against the other's; nobody may be in both.

    Source: `stats.log_e_difference` with no margin, of the shares that are not bad.
    """
    log_e = stats.log_e_difference(_content(candidate), _content(baseline), 0.0)
    raised = log_e >= -math.log(ALPHA)
    ours, theirs = _dislike(candidate), _dislike(baseline)
    log10_e, needed = log_e / _LOG10, -math.log10(ALPHA)
    told = f"candidate {_told(ours)}, baseline {_told(theirs)}; log10 e {log10_e:.2f} of {needed:.2f}"
    if not candidate.n or not baseline.n:
        word = "nothing to compare yet"
    elif raised:
        word = "users dislike the candidate's answers more often than the baseline's, beyond chance"
    else:
        word = "no sign beyond chance that users dislike the candidate's answers more often"
    return Votes(ours, theirs, log10_e, needed, raised, f"votes: {word}: {told}")


def _content(voters: Voters) -> tuple[float, float]:
    return voters.n - voters.bad, voters.n


def _dislike(voters: Voters) -> Dislike:
    if not voters.n:
        return Dislike(0, 0.0, None, None, None)
    lower, upper = stats.proportion_interval(voters.bad, voters.n, ALPHA)
    return Dislike(voters.n, voters.bad, voters.bad / voters.n, lower, upper)


def _told(found: Dislike) -> str:
    if found.rate is None:
        return "without a vote"
    return f"{found.bad:.1f} bad of {found.n} voters, {found.rate:.1%} [{found.lower:.1%}, {found.upper:.1%}]"
