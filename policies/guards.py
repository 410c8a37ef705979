"""What must hold to stay, whatever the scores say: a judge can be charmed, a constant answer cannot hide.

Rules:
1. A breach is certified (by a confidence sequence at the guard's own alpha) and rolls back at once: FAIL.
2. A suspicion, a thing not measured, or a doubt about the measuring itself (lost pairs, absent verdicts, failed
   controls) only blocks advancing: INCONCLUSIVE.

Source: decisions, D.4; the null model that a judge prefers 77 % of the time, Zheng et al. 2024 (arXiv 2410.07137).
"""

import hashlib
import math
import re
from collections import Counter
from dataclasses import replace

import numpy as np

from policies import histograms, judge_bias, stats
from policies.events import Output
from policies.evidence import Evidence
from policies.histograms import Histogram
from policies.names import most_common
from policies.results import GuardResult
from policies.rules import BETS, Bets
from policies.terms import Owner, Verdict

FLAGS = ("empty", "refusal", "loop", "truncated", "language", "echo", "unknown_tool", "leak")
"""What may be wrong with an answer, each counted on both sides."""

_REFUSAL = re.compile(
    r"\W*((i['’]?m|i am) (very |so |really )?(sorry|unable to|not able to)|sorry,|i apologi[sz]e|as an ai\b"
    r"|(unfortunately,? )?i (can['’]?t|cannot|can not) )",
    re.IGNORECASE,
)
_FEW = 0.05
"""Of all answers: fewer that can be held against each other than this are those of traffic that asks one thing."""
_WORDS_LOOPED = 4
_TIMES_LOOPED = 8


def describe(text: str, *, seen: tuple[str, ...] = ()) -> Output:
    """What the guards need of an answer; `seen` adds the flags that only the shadow can know."""
    plain = " ".join(text.split())
    found = [
        name for name, wrong in (("empty", not plain), ("refusal", _refuses(plain)), ("loop", _loops(plain))) if wrong
    ]
    digest = hashlib.blake2b(plain.lower().encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return Output(digest, len(plain), (*found, *seen))


def _refuses(plain: str) -> bool:
    return bool(_REFUSAL.match(plain))


def _loops(plain: str) -> bool:
    """Whether the same few words come back again and again, and make up at least half of the answer."""
    words = plain.lower().split(" ")
    grams = Counter(tuple(words[i : i + _WORDS_LOOPED]) for i in range(len(words) - _WORDS_LOOPED + 1))
    most = max(grams.values(), default=0)
    return most >= _TIMES_LOOPED and most * _WORDS_LOOPED * 2 >= len(words)


def watch(evidence: Evidence, bets: Bets = BETS, labels: Histogram | None = None) -> tuple[GuardResult, ...]:
    """Every guard's verdict on the evidence so far; `bets` are the rollout's.

    `labels`: gaps between the judge and people (`judge_bias.gaps`) that the controller knows beside the evidence; None:
    it knows of no place where people could give any.
    """
    return (
        _outputs(evidence, bets),
        _length(evidence),
        *(_flag(evidence, flag) for flag in FLAGS),
        *_hang_ups(evidence),
        *_busy(evidence),
        *_late(evidence),
        _rate(evidence, "drops", ("dropped", "lost"), "pairs", evidence.rules.guards.drop_rate),
        _verdicts(evidence, "unscored", evidence.rules.guards.unscored_rate),
        _verdicts(evidence, "abstained", evidence.rules.guards.abstain_rate),
        _rate(evidence, "controls", ("controls_failed",), "controls", evidence.rules.guards.control_failures),
        _incident(evidence),
        _bias(evidence, labels, bets),
        _concentration(evidence),
        _shares(evidence),
    )


def _outputs(evidence: Evidence, bets: Bets) -> GuardResult:
    """Whether the candidate says the same to everybody where the baseline does not: a breach if that is certified."""
    rules, found = evidence.rules.guards, evidence.variety
    if rules.same_answers is None:
        return _outputs_by_shares(evidence)
    required, n = rules.outputs == "required", evidence.count("outputs")
    if not n:
        return GuardResult("outputs", Verdict.INCONCLUSIVE, "outputs: none seen yet", required)
    if n >= rules.min_outputs and found.n < _FEW * n and found.excess <= 0:
        reason = f"outputs: nearly all of {n} requests ask the same, and may be answered the same"
        return GuardResult("outputs", Verdict.PASS, reason, required)
    if not found.n:
        why = "no two answers to different requests yet"
        return GuardResult("outputs", Verdict.INCONCLUSIVE, f"outputs: {why} among {n}", required)
    values, wall = np.array([-1.0, 0.0, 1.0]), -math.log(rules.alpha)
    counts = np.array([found.baseline, found.n - found.baseline - found.candidate, found.candidate], dtype=np.float64)
    told = (
        f"outputs: two answers to different requests are the same in {(found.both + found.candidate) / found.n:.1%} "
        f"of {found.n} (baseline {(found.both + found.baseline) / found.n:.1%}), allowed {rules.same_answers:.0%} more"
    )
    if stats.log_e_mean(values, counts, rules.same_answers, lo=-1.0, bets=bets) >= wall:
        reason = f"{told}: it surely gives the same answer too often"
        return GuardResult("outputs", Verdict.FAIL, reason, required)
    if n >= rules.min_outputs and (suspicion := _suspicion(evidence)):
        return GuardResult("outputs", Verdict.INCONCLUSIVE, f"{told}; {suspicion}", required)
    if stats.log_e_mean(-values[::-1], counts[::-1], -rules.same_answers, lo=-1.0, bets=bets) < wall:
        return GuardResult("outputs", Verdict.INCONCLUSIVE, f"{told}: not certified yet", required)
    return GuardResult("outputs", Verdict.PASS, f"{told}: certified", required)


def _suspicion(evidence: Evidence) -> str:
    """What makes answers look less varied than they should, and is no certificate; empty: nothing."""
    rules, n = evidence.rules.guards, evidence.count("outputs")
    top, base_top = (most_common(evidence.outputs(side)) / n for side in (Owner.CANDIDATE, Owner.BASELINE))
    if top > max(rules.top_share, rules.top_ratio * base_top):
        return (
            f"its commonest answer is {top:.1%} of {n} (baseline {base_top:.1%}), more than {rules.top_share:.0%} and "
            f"{rules.top_ratio:g} times the baseline's: suspicious, no proof. hint: if it is right, raise "
            "guards.top_share"
        )
    worth, base_worth = (n * n / evidence.squares(side) for side in (Owner.CANDIDATE, Owner.BASELINE))
    most = rules.top_share**-2 if rules.top_share else math.inf
    if worth < rules.distinct_ratio * min(base_worth, most):
        return (
            f"its answers are worth {worth:.0f} different ones (baseline {base_worth:.0f}), less than "
            f"{rules.distinct_ratio:g} of the baseline's: suspicious, no proof. hint: if they are right, lower "
            "guards.distinct_ratio"
        )
    return ""


def _outputs_by_shares(evidence: Evidence) -> GuardResult:
    """The rule of records of before: one answer for everything, or far fewer answers than the baseline gives."""
    rules, n = evidence.rules.guards, evidence.count("outputs")
    required = rules.outputs == "required"
    if not n:
        return GuardResult("outputs", Verdict.INCONCLUSIVE, "outputs: none seen yet", required)
    top, base_top = most_common(evidence.outputs_candidate), most_common(evidence.outputs_baseline)
    distinct, base_distinct = evidence.distinct(Owner.CANDIDATE), evidence.distinct(Owner.BASELINE)
    few = distinct < rules.distinct_ratio * base_distinct
    common = top / n > max(rules.top_share, rules.top_ratio * base_top / n)
    if common and _surely_common(evidence, top, base_top, n):
        verdict, word = Verdict.FAIL, "one answer surely comes too often"
    elif few and n >= evidence.stage.min_units:
        verdict, word = Verdict.FAIL, f"fewer than {rules.distinct_ratio:g} of the baseline's"
    elif n < rules.min_outputs:
        verdict, word = Verdict.INCONCLUSIVE, f"at least {rules.min_outputs} are needed"
    elif few or common:
        verdict, word, required = Verdict.INCONCLUSIVE, "suspicious", True
    else:
        verdict, word = Verdict.PASS, "varied enough"
    told = (
        f"outputs: {distinct} distinct of {n} (baseline {base_distinct}), "
        f"the commonest {top / n:.1%} of them (baseline {base_top / n:.1%}): {word}"
    )
    return GuardResult("outputs", verdict, told, required)


def _surely_common(evidence: Evidence, top: int, base_top: int, n: int) -> bool:
    rules = evidence.rules.guards
    allowed = max(rules.top_share, rules.top_ratio * stats.proportion_interval(base_top, n, rules.alpha)[1])
    return stats.proportion_interval(top, n, rules.alpha)[0] > allowed


def _length(evidence: Evidence) -> GuardResult:
    """The median ratio of lengths; outside its range, a judge's taste for length may be speaking."""
    rules, found = evidence.rules.guards, evidence.histogram("length_ratio")
    median = histograms.latency_quantile(found, 0.5)
    if median is None:
        return GuardResult("length", Verdict.INCONCLUSIVE, "length: not measured", required=False)
    allowed = f"{rules.length_ratio_min:g} to {rules.length_ratio_max:g}"
    told = f"length: median {median:.2f} times the baseline's, allowed {allowed}"
    fine = rules.length_ratio_min <= median <= rules.length_ratio_max
    return GuardResult("length", Verdict.PASS if fine else Verdict.INCONCLUSIVE, told)


def _flag(evidence: Evidence, flag: str) -> GuardResult:
    """How much more often the candidate's answers are wrong in one way than the baseline's."""
    rules, n = evidence.rules.guards, evidence.count("outputs")
    ours, theirs = evidence.count(f"{flag}_candidate"), evidence.count(f"{flag}_baseline")
    if not n or ours <= theirs:
        return GuardResult(flag, Verdict.PASS, f"{flag}: {ours} of {n}, baseline {theirs}")
    more = (ours - theirs) / n
    log_e = stats.log_e_difference((n - ours, n), (n - theirs, n), -rules.slack)
    told = f"{flag}: {ours} of {n}, baseline {theirs}; allowed {rules.slack:.1%} more"
    if log_e >= -math.log(rules.alpha):
        return GuardResult(flag, Verdict.FAIL, f"{told}: certified")
    suspicious = more > rules.slack and n >= rules.min_outputs
    return GuardResult(flag, Verdict.INCONCLUSIVE if suspicious else Verdict.PASS, told)


def _hang_ups(evidence: Evidence) -> tuple[GuardResult, ...]:
    """How much more often apps hang up on the candidate: no other gate has those answers."""
    rules = evidence.rules.guards
    if rules.hang_ups is None:
        return ()
    (left, n), (base_left, base_n) = (_left(evidence, side) for side in (Owner.CANDIDATE, Owner.BASELINE))
    if not n or not base_n:
        why = "the baseline alone serves" if evidence.shadow else "no conversations of both variants yet"
        return (GuardResult("hang_ups", Verdict.PASS, f"hang_ups: {why}"),)
    told = (
        f"hang_ups: apps hung up on {left / n:.1%} of the candidate's answers ({n:.0f} units), on "
        f"{base_left / base_n:.1%} of the baseline's ({base_n:.0f} units), allowed {rules.hang_ups:.1%} more"
    )
    log_e = stats.log_e_difference((n - left, n), (base_n - base_left, base_n), -rules.hang_ups)
    if log_e >= -math.log(rules.alpha):
        return (GuardResult("hang_ups", Verdict.FAIL, f"{told}: certified"),)
    suspicious = left / n - base_left / base_n > rules.hang_ups and n >= rules.min_outputs
    return (GuardResult("hang_ups", Verdict.INCONCLUSIVE if suspicious else Verdict.PASS, told),)


def _left(evidence: Evidence, side: Owner) -> tuple[float, float]:
    """How many units' worth of a side's answers were hung up on, and how many units it has."""
    found, whole = evidence.weighed(f"left_{side}")
    edges = histograms.scores_down if side is Owner.CANDIDATE else histograms.scores_up  # for a breach, both at best
    values, counts = edges(found, whole)
    return float(values @ counts), float(counts.sum())


def _rate(evidence: Evidence, name: str, counted: tuple[str, ...], of: str, limit: float) -> GuardResult:
    """How much of the measuring itself goes wrong: above its limit nothing advances."""
    wrong, n = sum(evidence.count(each) for each in counted), evidence.count(of)
    verdict = Verdict.PASS if wrong <= limit * n else Verdict.INCONCLUSIVE
    return GuardResult(name, verdict, f"{name}: {wrong} of {n} {of}, allowed {limit:.0%}")


def _busy(evidence: Evidence) -> tuple[GuardResult, ...]:
    """How much of its traffic the candidate has no room for: on the next stage it would have room for less."""
    limit = evidence.rules.guards.busy_rate
    return () if limit is None else (_rate(evidence, "busy", ("busy",), "assigned", limit),)


def _late(evidence: Evidence) -> tuple[GuardResult, ...]:
    """How much was told after its conversation was counted: what is certified is what came in time."""
    limit = evidence.rules.guards.late_rate
    return () if limit is None else (_rate(evidence, "late", ("late",), "requests", limit),)


def _verdicts(evidence: Evidence, name: str, limit: float) -> GuardResult:
    """How many verdicts are missing. Where a missing one counts at its worst the certificate pays for it: a warning."""
    found, gates = _rate(evidence, name, (name,), "pairs", limit), evidence.rules.gates.qualities
    return replace(found, required=not gates or any(gate.missing is None for gate in gates))


def _incident(evidence: Evidence) -> GuardResult:
    """Whether the baseline itself is down: a comparison with it would then certify anything."""
    failed, n = evidence.count("baseline_failed"), evidence.count("baseline_asked")
    rules = evidence.rules.guards
    told = f"incident: the baseline failed {failed} of {n} requests, allowed {rules.baseline_errors:.0%}"
    surely = failed > rules.baseline_errors * n
    surely = surely and stats.proportion_interval(failed, n, rules.alpha)[0] > rules.baseline_errors
    return GuardResult("incident", Verdict.INCONCLUSIVE if surely else Verdict.PASS, told)


def _bias(evidence: Evidence, labels: Histogram | None, bets: Bets) -> GuardResult:
    """Whether the judge agrees with people on average: certified, or the judge does not count."""
    found = dict(evidence.histogram("judge_bias"))
    histograms.merge(found, labels or {})
    return judge_bias.verdict(evidence.rules.guards, found, is_live=labels is not None, bets=bets)


def _concentration(evidence: Evidence) -> GuardResult:
    """One conversation must not carry the route: averages over units would then speak of it alone."""
    n, limit = evidence.count("requests"), evidence.rules.guards.unit_share
    most = most_common(evidence.requests)
    told = f"concentration: the busiest unit made {most} of {n} requests, allowed {limit:.0%}"
    surely = most > limit * n and stats.proportion_interval(most, n, evidence.rules.guards.alpha)[0] > limit
    hint = "; give the app's sessions an id (assign.by)" if surely else ""
    return GuardResult("concentration", Verdict.INCONCLUSIVE if surely else Verdict.PASS, told + hint)


def _shares(evidence: Evidence) -> GuardResult:
    """Sample ratio mismatch: units went to the candidate in another share than the stage says."""
    share = evidence.stage.served_ppm / 1_000_000
    ours, theirs = evidence.count("units_candidate"), evidence.count("units_baseline")
    n = ours + theirs
    told = f"shares: {ours} of {n} units to the candidate, meant {share:.1%}"
    if not 0 < share < 1 or not n:
        return GuardResult("shares", Verdict.PASS, told)
    log_e = stats.log_e_share(ours, n, share)
    wrong = log_e >= -math.log(evidence.rules.guards.srm_alpha)
    return GuardResult(
        "shares", Verdict.INCONCLUSIVE if wrong else Verdict.PASS, f"{told}, e {math.exp(min(log_e, 700)):.2g}"
    )
