"""Whether whoever scores agrees with people on average, by pairs that both judged (`guards.judge_bias`). Pure.

Rules:
1. Of a pair counts half of what its score is above people's word, so as to stay within [-1, 1] (`scores.gap`).
2. The mean's confidence sequence must lie within the limit on both sides. Until then nothing advances; nothing is ever
   rolled back by it: a judge that people contradict says nothing of the candidate.
3. Labels are no evidence of a stage: the same judge of the same candidate keeps them from stage to stage.

Source: decisions, C.3.
"""

import math
from collections.abc import Iterable

from policies import histograms, scores, stats
from policies.histograms import Histogram
from policies.results import GuardResult
from policies.rules import BETS, Bets, Guards
from policies.terms import Verdict

SPREAD = 0.32
"""Standard deviation of a gap where none was seen: a judge that agrees with people on three pairs in four, and calls
one of the others in five the other way round. Source: decisions, C.2."""
_TELLING = 50
"""Pairs from which their own spread says more."""
_PLANNED_ALPHA = 0.05
"""What `stats.units_needed` plans for."""
WHERE = "the console's page Label, or `crossfade label ROUTE --pool judged`"
"""Where people say it."""


def gaps(said: Iterable[tuple[float, float]]) -> Histogram:
    """The gaps of pairs, each its score and people's word on it, both in [-1, 1]."""
    found: Histogram = {}
    for score, word in said:
        gap = scores.gap(score, word)
        if gap is not None:
            histograms.add(found, histograms.score_bin(gap, 1))
    return found


def verdict(rules: Guards, found: Histogram, *, is_live: bool, bets: Bets = BETS) -> GuardResult:
    """What the guard says of all gaps that are known; `is_live`: people may still say more."""
    limit, n = rules.judge_bias, sum(found.values())
    if limit is None:
        return GuardResult("judge_bias", Verdict.PASS, "judge_bias: no human labels asked for", required=False)
    if not n:
        more = _wanted(limit, found, rules.alpha, bets) if is_live else ""
        return GuardResult("judge_bias", Verdict.INCONCLUSIVE, f"judge_bias: no human labels yet{more}")
    (down, counts), (up, _) = histograms.scores_down(found), histograms.scores_up(found)
    low = 2 * stats.lower_mean(down, counts, rules.alpha, lo=-1.0, hi=1.0, bets=bets)
    high = 2 * stats.upper_mean(up, counts, rules.alpha, lo=-1.0, hi=1.0, bets=bets)
    told = f"judge_bias: within [{low:+.3f}, {high:+.3f}] of people on {n:.0f} units, allowed {limit:g}"
    if -limit <= low and high <= limit:
        return GuardResult("judge_bias", Verdict.PASS, told)
    if low > limit or high < -limit:
        more = ": it surely differs from them. hint: another judge, or another rubric"
    else:
        more = _wanted(limit, found, rules.alpha, bets)
    return GuardResult("judge_bias", Verdict.INCONCLUSIVE, told + (more if is_live else ""))


def _wanted(limit: float, found: Histogram, alpha: float, bets: Bets) -> str:
    """How many labels it waits for, and where they are given."""
    more = labels_needed(limit, found, alpha=alpha, bets=bets)
    if more is None:
        return "; at this mean no number of labels would do"
    return f"; about {more:,} {'more ' if found else ''}judged pairs are to be labelled: {WHERE}"


def labels_needed(limit: float, found: Histogram, *, alpha: float, bets: Bets = BETS) -> int | None:
    """Labelled pairs still needed, in nine cases of ten; None: at this mean no number would do. A rule of thumb."""
    n = sum(found.values())
    mean, sd = _spread(found) if n >= _TELLING else (0.0, SPREAD)
    needed = stats.units_needed(sd, limit / 2 - abs(mean), bets=bets)
    if needed is None:
        return None
    return max(1, math.ceil(needed * math.log(alpha) / math.log(_PLANNED_ALPHA)) - n)


def _spread(found: Histogram) -> tuple[float, float]:
    """Mean and standard deviation."""
    values, counts = histograms.scores_down(found)
    mean = float(values @ counts / counts.sum())
    return mean, math.sqrt(float(((values - mean) ** 2) @ counts / counts.sum()))
