"""What users said of either variant's answers: an alarm, never a certificate, for who votes is not drawn by lot.

Source: decisions C.5.8. Votes are folded in any order; those of two nodes are added.
"""

import math
from dataclasses import dataclass
from typing import Any

from policies import stats
from policies.terms import Owner

ALPHA = 0.01
SLACK = 0.05
"""How much more often the candidate's answers may be voted down."""


@dataclass(frozen=True, slots=True)
class Votes:
    """Of one variant's answers."""

    n: int = 0
    down: int = 0
    """Scores below 0."""

    def after(self, score: float) -> "Votes":
        """With one more vote, -1 to 1; what is no such number is no vote."""
        return Votes(self.n + 1, self.down + (score < 0)) if -1 <= score <= 1 else self

    def __add__(self, other: "Votes") -> "Votes":
        """Of both."""
        return Votes(self.n + other.n, self.down + other.down)


@dataclass(frozen=True, slots=True)
class Feedback:
    """Of both variants."""

    baseline: Votes = Votes()
    candidate: Votes = Votes()

    def after(self, owner: Owner, score: float) -> "Feedback":
        """With a vote on an answer of `owner`'s."""
        if owner is Owner.CANDIDATE:
            return Feedback(self.baseline, self.candidate.after(score))
        return Feedback(self.baseline.after(score), self.candidate)

    @property
    def is_alarming(self) -> bool:
        """Whether the candidate's answers are surely voted down more often than the slack allows."""
        ours, theirs = self.candidate, self.baseline
        kept = stats.log_e_difference((ours.n - ours.down, ours.n), (theirs.n - theirs.down, theirs.n), -SLACK)
        return kept >= -math.log(ALPHA)

    def told(self) -> dict[str, Any]:
        """What a reader wants to see."""
        sides = (("baseline", self.baseline), ("candidate", self.candidate))
        return {name: {"votes": votes.n, "down": votes.down} for name, votes in sides} | {"alarm": self.is_alarming}
