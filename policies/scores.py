"""What one request comes to under each gate: whole millionths, or None where it says nothing of it. Pure.

Rules:
1. Intention to treat: a failed or lost candidate is a loss; a failed baseline is excused.
2. A verdict that is missing is the worst there is: as bad as can be for the certificate, as good as can be for harm.
   It is exact, whatever is missing and why (worst-case bounds: Manski 1990; decisions-2, ruling 2). What no lot fell on
   is not missing.
3. An app that hung up tells a time that was not over: at least so long. It is that long for harm and for detectors, and
   beyond every limit for a certificate; of the baseline, too, where both are held side by side.
"""

import math

from policies.events import AlsoScored, PairEvent
from policies.histograms import MICRO
from policies.rules import Latency, Quality
from policies.terms import Owner

Bounds = tuple[int, int]
"""The least and the most that a pair may be worth, in millionths of the gate's scale; equal if its verdict is there."""


def quality(event: PairEvent, gate: Quality) -> Bounds | None:
    """What a pair is worth; None where there is none, or where nothing is made of a verdict that is missing."""
    if not event.paired or event.error_baseline:
        return None
    if event.error_candidate or event.dropped:
        lost = round(-MICRO / gate.scale)
        return lost, lost
    if gate.likeness and not gate.deterministic and not event.again:
        return None  # no lot fell on it: nobody asked the baseline again
    if (known := _verdict(event, gate)) is not None:
        return known, known
    if gate.missing is None:
        return (0, 0) if _score(event, gate).abstained else None
    weight = _weight(event, gate)
    return round(MICRO * gate.missing * weight), round(MICRO * weight)


def is_missing(event: PairEvent, gate: Quality) -> bool:
    """Whether both answered, and no verdict came."""
    answered = event.paired and not (event.error_baseline or event.error_candidate or event.dropped)
    wanted = event.again or gate.deterministic or not gate.likeness
    return answered and wanted and _verdict(event, gate) is None


def _verdict(event: PairEvent, gate: Quality) -> int | None:
    """The score of two good answers; None: it is missing, or no number."""
    if gate.likeness:
        return _likeness(event, gate)
    score = _score(event, gate)
    if score.abstained or score.q is None or not (-1 <= score.q <= 1 and 0 < score.p_sample <= 1):
        return None
    return round(MICRO * max(-1.0, min(1.0, score.q / score.p_sample / gate.scale)))


def _score(event: PairEvent, gate: Quality) -> PairEvent | AlsoScored:
    """What the gate's metric says of a pair; the first gate's is the pair's own."""
    if gate.name == Quality().name:
        return event
    return next((each for each in event.also if each.metric == gate.metric), AlsoScored(gate.metric))


def _likeness(event: PairEvent, gate: Quality) -> int | None:
    """How much less alike candidate and baseline are than the baseline and itself, both of its answers being used.

    Its mean is 0 where both draw from the same distribution, whatever their agreement with themselves.
    Source: the A/A control of Diffy; averaging over exchangeable copies only lowers the variance (decisions-2, 1).
    """
    floor = 1.0 if gate.deterministic else event.agree_again
    sides = [side for side in (event.agree, None if gate.deterministic else event.agree_cross) if side is not None]
    if not sides or floor is None or not all(0 <= each <= 1 for each in (*sides, floor)):
        return None
    return round(MICRO * (sum(sides) / len(sides) - floor))


def _weight(event: PairEvent, gate: Quality) -> float:
    """What a missing verdict weighs, as a part of the scale: all of it where not even the lot is known."""
    p_sample = _score(event, gate).p_sample
    return min(1.0, 1 / p_sample / gate.scale) if 0 < p_sample < 1 else 1.0


def validity(event: PairEvent, formal: float = 1.0) -> int | None:
    """Candidate's validity less the baseline's.

    `formal`: the share of answers that have a form to keep to. An answer that never came is as bad as a wrong form in
    that share: where no request asks for a form, a failure breaks none, and is the errors gate's alone.
    """
    if event.error_baseline:
        return None
    if event.error_candidate or event.dropped:
        return -round(MICRO * formal) or None
    if event.valid_candidate is None:
        return None
    return MICRO * (event.valid_candidate - (event.valid_baseline is not False))


def errors(event: PairEvent) -> int:
    """Whether the baseline failed, less whether the candidate did."""
    return MICRO * (bool(event.error_baseline) - bool(event.error_candidate))


def judge_bias(event: PairEvent) -> int | None:
    """How far the judge is from the person on this pair."""
    return None if event.q is None or event.label is None else gap(event.q, event.label)


def gap(score: float, word: float) -> int | None:
    """Half of what the judge's score is above a person's word, to stay within [-1, 1]; None: one of them is none."""
    return round(MICRO * (score - word) / 2) if -1 <= score <= 1 and -1 <= word <= 1 else None


def latency(event: PairEvent, gate: Latency, side: Owner) -> float | None:
    """How long one side took by the gate's measure, in seconds; at least so long where it `is_cut`."""
    if gate.measure == "ttft":
        taken = event.ttft_candidate_s if side is Owner.CANDIDATE else event.ttft_baseline_s
    else:
        taken = event.total_candidate_s if side is Owner.CANDIDATE else event.total_baseline_s
    return taken if taken is not None and math.isfinite(taken) and taken >= 0 else None


def is_cut(event: PairEvent, gate: Latency) -> bool:
    """Whether the app hung up before what the gate measures was over."""
    return event.left == "waiting" or (event.left == "reading" and gate.measure == "total")


def latency_at_worst(event: PairEvent, gate: Latency, side: Owner) -> float | None:
    """As `latency`; what `is_cut` took for ever, and what the candidate failed and the baseline did not, too.

    A request has no time if it failed: left out, it would help whoever fails what it is slow at. What an app got from
    the baseline instead has the time that the app felt.
    """
    taken = latency(event, gate, side)
    if is_cut(event, gate):
        return None if taken is None else math.inf
    if side is Owner.BASELINE or not gate.counts_failures or not event.error_candidate or event.error_baseline:
        return taken
    return math.inf if taken is None or event.owner is Owner.BASELINE else taken


def is_asked(event: PairEvent, owner: Owner) -> bool:
    """Whether the request was that variant's own, and it answered or failed it."""
    told = event.error_candidate if owner is Owner.CANDIDATE else event.error_baseline
    return event.owner is owner and (bool(event.left) or told is not None)


def left(event: PairEvent) -> int | None:
    """Whether the app hung up on its owner's answer; None: the owner was not asked."""
    return MICRO * bool(event.left) if is_asked(event, event.owner) else None


def length_ratio(event: PairEvent) -> float | None:
    """The candidate's answer's length over the baseline's."""
    ours, theirs = event.output_candidate, event.output_baseline
    return ours.length / theirs.length if ours and theirs and theirs.length else None
