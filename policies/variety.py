"""How often two answers to different requests are the same, on both sides: what tells a constant answer. Pure.

Rules:
1. Mirrored pairs are taken two by two in the leader's order, each once: the chance that two answers are the same is
   then a mean over independent draws, whatever the answers are called and however many there are.
2. Two requests of one conversation, or with one prompt, are not taken together: their answers may well be the same.
3. Two answers that are the same, and each the same as the baseline's by the policy's own comparator, are the
   baseline's sameness: fields that it ignores, and words beside no tool call, are none of the candidate's.

Source: the chance of a collision as a measure of diversity, Simpson 1949, "Measurement of diversity" (Nature 163); it
needs four counts, where shares of single answers need all of their names. Decision records keep the commonest hundred
names, which would make a statistic over all names another one than the leader's.
"""

from dataclasses import dataclass, replace

from policies.events import PairEvent


@dataclass(frozen=True, slots=True)
class AnsweredPair:
    """A mirrored pair that waits to be compared with another one."""

    unit: str
    prompt: str
    candidate: str
    """The answer's digest."""
    baseline: str
    alike: bool
    """The comparator found both answers the same."""


@dataclass(frozen=True, slots=True)
class Variety:
    """What was counted so far. A new value after each pair."""

    waiting: AnsweredPair | None = None
    n: int = 0
    """Times that two pairs were held against each other."""
    both: int = 0
    """Of these: both sides gave the same answer twice."""
    candidate: int = 0
    """Only the candidate did."""
    baseline: int = 0
    """Only the baseline did."""

    @property
    def excess(self) -> float:
        """How much more often the candidate gave the same answer twice."""
        return (self.candidate - self.baseline) / self.n if self.n else 0.0

    def after(self, event: PairEvent) -> "Variety":
        """The value after one more request; one without both answers says nothing."""
        ours, theirs = event.output_candidate, event.output_baseline
        if ours is None or theirs is None:
            return self
        pair = AnsweredPair(event.unit, event.prompt, ours.digest, theirs.digest, event.agree == 1.0)
        other = self.waiting
        if other is None:
            return replace(self, waiting=pair)
        if pair.unit == other.unit or (pair.prompt and pair.prompt == other.prompt):
            return self
        same = pair.candidate == other.candidate
        same_baseline = pair.baseline == other.baseline or (same and pair.alike and other.alike)
        return Variety(
            None, self.n + 1, self.both + (same and same_baseline), self.candidate + (same and not same_baseline),
            self.baseline + (same_baseline and not same),
        )  # fmt: skip
