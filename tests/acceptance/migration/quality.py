"""Which of two models is right on messages that neither was trained on, out of one run of the evaluation set."""

import math
from dataclasses import dataclass
from typing import Any, Self

ENOUGH = 0.01
"""The chance at most that a model no better comes out so much better."""


@dataclass(frozen=True, slots=True)
class Quality:
    """What both say to the same messages: each was asked once."""

    before: list[bool]
    """Whether the stand-in's answer is right, of each message."""
    after: list[bool]
    """The model's, of the same."""

    @classmethod
    def of(cls, told: dict[str, Any]) -> Self:
        """That of `eval run --json`: a score of 1 is as good as the label. No answer is no right one."""
        scores = [each["scores"] for each in told["questions"]]
        return cls(*([each.get(name) == 1 for each in scores] for name in ("baseline", "candidate")))

    @property
    def is_better(self) -> bool:
        """Whether the model is, and not by chance."""
        return self._p < ENOUGH

    @property
    def _differing(self) -> tuple[int, int]:
        """Messages that only the model, and only the stand-in, answers rightly."""
        pairs = list(zip(self.before, self.after, strict=True))
        return pairs.count((False, True)), pairs.count((True, False))

    @property
    def _p(self) -> float:
        return p_value(*self._differing)

    def told(self) -> str:
        """In a sentence."""
        better, worse = self._differing
        return (
            f"untouched test messages: {sum(self.before)} and {sum(self.after)} of {len(self.before)} right, "
            f"{better} only by the model and {worse} only by the stand-in, p = {self._p:.2g} that by chance"
        )


def p_value(better: int, worse: int) -> float:
    """How likely so many or more of the pairs that differ would be better by chance. Source: McNemar 1947, exact."""
    pairs = better + worse
    return sum(math.comb(pairs, wins) for wins in range(better, pairs + 1)) / 2**pairs


def before_and_after(arms: dict[str, dict[str, Any]], quality: Quality) -> str:
    """Quality, latency and cost, as the app had them from each variant; without a row of one that it had nothing of."""
    lines = ["| | right | answer, p50 | p95 | a thousand answers |", "|---|---|---|---|---|"]
    rows = (
        ("before: the stand-in", "baseline", quality.before),
        ("after: the model", "candidate", quality.after),
    )
    for name, variant, right in rows:
        if (arm := arms.get(variant)) is not None:
            usd = "unknown" if arm["cost_usd"] is None else f"{1000 * arm['cost_usd'] / arm['exchanges']:.3f} USD"
            share = sum(right) / len(right)
            lines.append(
                f"| {name} | {share:.1%} | {arm['total_ms_p50']:.0f} ms | {arm['total_ms_p95']:.0f} ms | {usd} |"
            )
    return "\n".join(lines) + "\n"
