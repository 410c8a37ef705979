"""Whether a candidate's servers are warm enough for its next weight: what is asked for, and what is said of it. Pure.

Rules:
1. Servers that may be scaled to little or nothing are asked for as many replicas as the next weight needs, and the
   weight rises once so many small requests, sent at once, were all answered in time. An operator's word waits for none.
2. A wait has a deadline. Then the weight stays, with an alarm, and after as long again it is tried once more.
3. Cold is not failing: nothing of this is evidence.
"""

from dataclasses import dataclass, replace

from policies.failure_words import failure_phrase
from policies.rollout import Rollout
from policies.spans import span
from policies.terms import Phase
from policies.warm_rule import WarmRule

FRESH_S = 30.0
"""How long an answer says that its replica is warm, beyond the time it may take itself."""


@dataclass(frozen=True, slots=True)
class Warmth:
    """How far the replicas for one weight are. Times are Unix seconds."""

    wanted: int = 1
    asked_at: float | None = None
    """None: nobody has asked for them."""
    answered: int = 0
    """Of the requests sent at once, the last time."""
    heard_at: float | None = None
    """When that was; None: nobody has said yet."""
    why: str = ""
    """How the others failed, in a word."""

    def heard(self, answered: int, at: float, why: str) -> "Warmth":
        """The same after another try; one from before it was asked for says nothing."""
        if self.asked_at is None or at < self.asked_at or (self.heard_at is not None and at <= self.heard_at):
            return self
        return replace(self, answered=answered, heard_at=at, why=why)

    def is_asking(self, rule: WarmRule, now: float) -> bool:
        """Whether requests are to be sent now."""
        return self.asked_at is not None and 0 <= now - self.asked_at < rule.within_s

    def is_due(self, rule: WarmRule, now: float) -> bool:
        """Whether replicas are to be asked for, the first time or again; a clock that was set back begins afresh."""
        return self.asked_at is None or not 0 <= now - self.asked_at < 2 * rule.within_s

    def cold(self, rule: WarmRule, now: float) -> str:
        """Why the weight may not rise yet; empty: it may."""
        if self.asked_at is None:
            return f"{_replicas(self.wanted)} to be asked for"
        fresh_s = FRESH_S + rule.answer_s
        if self.answered >= self.wanted and self.heard_at is not None and 0 <= now - self.heard_at <= fresh_s:
            return ""
        left_s = self.asked_at + rule.within_s - now
        if left_s > 0:
            return f"{self._told('answer')}; it gives up in {span(left_s)}"
        return (
            f"{self._told('answered')} within {span(rule.within_s)}, and it asks again in "
            f"{span(left_s + rule.within_s)}. hint: see how the upstream scales; `crossfade promote` does not wait"
        )

    def _told(self, verb: str) -> str:
        why = f" ({failure_phrase(self.why)})" if self.why and self.answered < self.wanted else ""
        return f"{min(self.answered, self.wanted)} of {_replicas(self.wanted)} {verb}{why}"


NOT_ASKED = Warmth()


def wanted(rule: WarmRule, rollout: Rollout) -> int:
    """Replicas for the weight that a rollout would rise to, or come back to; 0: there is none."""
    stage = rollout.at if rollout.phase is Phase.SUSPENDED else rollout.next
    return rule.wanted(stage.served_ppm) if stage is not None else 0


def _replicas(number: int) -> str:
    return "1 replica" if number == 1 else f"{number} replicas"
